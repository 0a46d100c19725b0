"""Finding things by name: what a user's module holds, and what stands in a room of mho."""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from mho.errors import InvalidValue, nearest

HASH_LENGTH = 16


def is_own(name: str) -> bool:
    """Return whether a name is a user's `module:Name`."""
    module, colon, attribute = name.partition(":")
    return bool(colon and attribute and all(part.isidentifier() for part in module.split(".")))


def import_own(name: str) -> Any:
    """Import what `module:Name` names; the module is looked for on the path of Python, then in the working directory.

    Raises:
        InvalidValue: for a module that cannot be imported, with the error of its code, or has no such name.
    """
    module_name, _, path = name.partition(":")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a module runs the user's code, which may raise anything
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        raise InvalidValue(
            f"{name!r} cannot be imported ({kind}{error}); write module:Name, and put the module's folder on "
            "PYTHONPATH or run mho in it"
        ) from None
    try:
        return functools.reduce(getattr, path.split("."), module)
    except AttributeError as error:
        known = [known for known in vars(module) if not known.startswith("_")]
        raise InvalidValue(f"{name!r} cannot be imported ({error}){nearest(path, known)}") from None


def source_hash(name: str) -> str:
    """Return a hash of the source file in which the module of `module:Name` stands; what it imports is not in it.

    Raises:
        InvalidValue: if the module cannot be imported, or has no Python file.
    """
    import_own(name)
    module = sys.modules[name.partition(":")[0]]
    file = getattr(module, "__file__", None)
    if file is None or not file.endswith(".py"):
        raise InvalidValue(f"{name!r} has no Python file whose changes could be noticed; name a module that has")
    return file_hash(Path(file))


def file_hash(file: Path) -> str:
    """Return a hash of a file's content.

    Raises:
        InvalidValue: if it cannot be read.
    """
    try:
        state = file.stat()
        return _file_hash(file.absolute(), state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise InvalidValue(f"{file} cannot be read: {error.strerror}; give a file that exists") from None


@functools.lru_cache(maxsize=32)
def _file_hash(file: Path, changed: int, size: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:HASH_LENGTH]


def inhabitants(room: str, folders: Sequence[str], mark: str) -> dict[str, Any]:
    """Return what the files of a room register: the file's name to the value of its module constant `mark`.

    Args:
        room: qualified name of the package.
        folders: its `__path__`.
        mark: name of the constant; modules without it register nothing.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(folders))
    modules: list[ModuleType] = [importlib.import_module(f"{room}.{name}") for name in names]
    pairs = zip(names, modules, strict=True)
    return {name: getattr(module, mark) for name, module in pairs if hasattr(module, mark)}
