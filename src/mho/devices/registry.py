"""Rooms of classes: a class is found where its file stands, or by the name that a user's file gives it."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any, TypeVar

from mho.errors import InvalidValue, LawError, nearest

T = TypeVar("T")


def classes_in(package: str, base: type[T]) -> dict[str, type[T]]:
    """Return the classes of a room by their names: every one that a module of the package defines and that can be made.

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
        name: of the class.
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
    module_name, class_path = name.split(":", 1)
    try:
        found: Any = functools.reduce(getattr, class_path.split("."), importlib.import_module(module_name))
    except Exception as error:  # a module runs the user's code, which may raise anything
        kind = "" if isinstance(error, (ImportError, AttributeError)) else f"{type(error).__name__}: "
        raise InvalidValue(
            f"{key}: {name!r} cannot be imported ({kind}{error}); is its folder on PYTHONPATH?"
        ) from None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise InvalidValue(f"{key}: {name!r} is not a subclass of {called}")
    return found
