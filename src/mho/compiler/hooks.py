"""Hooks: places beside the law where a class may change what a device does at a pulse, at a read, and in time.

Effects fill them (`mho.devices.effects`), and so may a cell that drives its devices in its own way. A class that fills
a hook is a further source of a kernel: its static functions are compiled from their source as a law's are, and run
interpreted as the reference.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import hashlib
import types
from collections.abc import Mapping
from typing import Any

from mho import random
from mho.compiler.law import text_of, uses_normal
from mho.compiler.source import Function, read_function, static_function
from mho.errors import LawError

HOOKS = {
    "accepts_pulse": ("up", "cell"),
    "moves_up": ("up", "cell"),
    "holds": ("cell",),
    "written": ("w", "cell", "z"),
    "seen": ("w", "cell", "z"),
    "aged": ("w", "cell", "dt", "z"),
}
SHARED = ("w_max", "w_min")
"""Fields of the device that every hook may use beside its own."""


class Hooks(abc.ABC):  # noqa: B024 - each hook is optional, and at least one is asked for
    """Base of classes that change what a device does beside its law, by static functions with these names:

    - `accepts_pulse(up, cell)`: True if the device responds to a pulse of this direction;
    - `moves_up(up, cell)`: the direction in which a pulse moves the device;
    - `holds(cell)`: True if the device never moves;
    - `written(w, cell, z)`: the weight to be read after a pulse has written w; the next pulse starts from w itself;
    - `seen(w, cell, z)`: the weight w as a single read sees it;
    - `aged(w, cell, dt, z)`: the weight after a time dt without pulses.

    z ~ N(0, 1) is fresh for each pulse, vector read and passing of time. `cell` has the class's own fields and the
    device's `w_max` and `w_min`. The functions follow the rules of laws.
    """

    @classmethod
    def hook_fields(cls) -> Mapping[str, str]:
        """Return the class's own fields, each with its name among the fields of the device."""
        return {}

    @classmethod
    def draw_key(cls) -> tuple[int, int]:
        """Return two 32-bit words that are mixed into the keys of its normals, so that no others coincide."""
        number = random.array_number(f"hooks of {cls.__name__}")
        return number & 0xFFFFFFFF, number >> 32


@dataclasses.dataclass(frozen=True, eq=False)
class HookSource:
    """Hooks of a class, ready to compile.

    Attributes:
        name: name of the class.
        functions: by hook; in kernels they are called `name_hook`, and their fields as the device's.
        key: see `Hooks.draw_key`.
        hash: hash of all that the functions mean.
    """

    name: str
    functions: dict[str, Function]
    key: tuple[int, int]
    hash: str


@functools.cache
def read_hooks(cls: type[Hooks]) -> HookSource:
    """Read the hooks that a class fills.

    Raises:
        LawError: if it fills none, for a wrong signature, unreadable source, or a name that a function may not use.
    """
    names = [name for name in HOOKS if hasattr(cls, name)]
    if not names:
        raise LawError(
            f"{cls.__name__} fills no hook, so it would have no effect; define one of "
            + ", ".join(f"{name}({', '.join(arguments)})" for name, arguments in HOOKS.items())
            + " as a static method"
        )
    fields = cls.hook_fields()
    known = dict.fromkeys((*fields, *SHARED))
    read = {
        name: read_function(f"{cls.__name__}.{name}", static_function(cls, name), HOOKS[name], known) for name in names
    }
    functions = {
        name: function.renamed(f"{cls.__name__}_{name}", {own: kernel_name(whole) for own, whole in fields.items()})
        for name, function in read.items()
    }
    digest = hashlib.sha256(text_of(read.values()).encode()).hexdigest()[:16]
    return HookSource(cls.__name__, functions, cls.draw_key(), digest)


def kernel_name(field: str) -> str:
    """Return the name of a device's field in the records of kernels, and in buffers."""
    return field.replace(".", "__")


@functools.cache
def _own_names(cls: type[Hooks]) -> tuple[tuple[str, str], ...]:
    return (*cls.hook_fields().items(), *((name, name) for name in SHARED))


def hook_record(cls: type[Hooks], cell: Any) -> types.SimpleNamespace:
    """Return the record that the functions of a class see of a device with the fields of `cell`."""
    return types.SimpleNamespace(**{own: getattr(cell, whole) for own, whole in _own_names(cls)})


def varies(source: HookSource) -> bool:
    """Return whether reads of a weight differ: whether `seen` uses its z."""
    return "seen" in source.functions and uses_normal(source.functions["seen"])
