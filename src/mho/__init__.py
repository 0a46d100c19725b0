"""mho (℧, the unit of conductance): neural networks trained on the physics of resistive cross-point arrays.

Rooms and names are imported when they are first asked for, so that `import mho` itself takes milliseconds. Which names
there are, and where they are defined, says `__init__.pyi`, which type checkers and editors read too.
"""

import ast
import importlib
import pkgutil
from pathlib import Path
from typing import Any

from mho.errors import no_such_name

__version__ = "0.1.0"

ROOMS = tuple(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def _homes() -> dict[str, tuple[str, str]]:
    """Return the module of each name of this package, and its name there, from the imports of the stub."""
    stub = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {one.asname or one.name: (str(node.module), one.name) for node in imports for one in node.names}


HOMES = _homes()
__all__ = sorted(HOMES)


def __getattr__(name: str) -> Any:
    if name in ROOMS:  # the room of reports can be called as the function of this name
        value = importlib.import_module(f"{__name__}.{name}")
    elif name in HOMES:
        module, own = HOMES[name]
        value = getattr(importlib.import_module(module), own)
    else:
        raise no_such_name(__name__, name, ROOMS)
    globals()[name] = value  # asked for once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
