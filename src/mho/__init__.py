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


STUB = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
HOMES = {one.name: str(node.module) for node in STUB.body if isinstance(node, ast.ImportFrom) for one in node.names}
"""Module of each name that this package offers."""
__all__ = sorted(next(ast.literal_eval(node.value) for node in STUB.body if isinstance(node, ast.Assign)))


def __getattr__(name: str) -> Any:
    if name in ROOMS:  # the room of reports can be called as the function of this name
        value = importlib.import_module(f"{__name__}.{name}")
    elif name in HOMES:
        value = getattr(importlib.import_module(HOMES[name]), name)
    else:
        raise no_such_name(__name__, name, ROOMS)
    globals()[name] = value  # asked for once
    return value


def __dir__() -> list[str]:
    offered = {*__all__, *(name for name, home in HOMES.items() if home == __name__)}
    return sorted(offered | {name for name in globals() if name.startswith("__")})
