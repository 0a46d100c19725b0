"""Finding things by name: what a user's module holds, and what stands in a room of mho."""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from mho.errors import InvalidValue, LawError, nearest

HASH_LENGTH = 16
T = TypeVar("T")


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


def classes_in(package: str, base: type[T]) -> dict[str, type[T]]:
    """Return the classes of a room by their names: all that a module of the package defines and that can be made.

    Args:
        package: the room, for example "mho.devices.effects"; its modules are imported.
        base: the class that they are.
    """
    found: dict[str, type[T]] = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        if module.ispkg:
            continue
        for name, cls in vars(importlib.import_module(module.name)).items():
            own = isinstance(cls, type) and cls.__module__ == module.name and issubclass(cls, base)
            if own and cls is not base and not inspect.isabstract(cls) and not name.startswith("_"):
                found[name] = cls
    return found


def class_name(cls: type, package: str) -> str:
    """Return the name by which files refer to a class: its own if the package holds it, else `module:Class`.

    Raises:
        LawError: for a class that no other process can import.
    """
    if cls.__module__.startswith(f"{package}."):
        return cls.__name__
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        place = "__main__" if cls.__module__ == "__main__" else "a function"
        raise LawError(
            f"{cls.__name__} is defined in {place}, where no other process can find it: move it to "
            f"a module, for example my_devices.py, and  from my_devices import {cls.__name__}"
        )
    return f"{cls.__module__}:{cls.__qualname__}"


def find_class(key: str, name: str, room: Mapping[str, type[T]], base: type[T], called: str) -> type[T]:
    """Return a class of a room by its name, or a user's as `module:Class`.

    Args:
        key: what a file calls it, for messages: "law", "kind".
        name: name of the class.
        room: those that mho has.
        base: the class that it must be.
        called: the name of `base` for users, for example "mho.Device".

    Raises:
        InvalidValue: for a name that leads to no such class.
    """
    if name in room:
        return room[name]
    if ":" not in name:
        raise InvalidValue(f"{key}: no {name!r}{nearest(name, room)} (your own is {key} = 'module:Class')")
    try:
        found = import_own(name)
    except InvalidValue as error:
        raise InvalidValue(f"{key}: {error}") from None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise InvalidValue(f"{key}: {name!r} is not a subclass of {called}")
    return found
