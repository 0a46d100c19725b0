"""Device models: a law and the hooks beside it, as kernels take them."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence
from typing import Any, final

from mho.compiler import hooks
from mho.compiler.hooks import SHARED, Hooks, HookSource, kernel_name, read_hooks
from mho.compiler.law import ROOM, WRITTEN, Law, read_law, text_of
from mho.compiler.numba_internals import INLINE
from mho.compiler.source import Function
from mho.errors import LawError


@final
@dataclasses.dataclass(frozen=True)
class DeviceModel:
    """Behaviour of devices: a law, and the classes whose hooks change it, in the order in which they act.

    Attributes:
        law_class: a class with the functions of a law.
        hooks: classes that fill hooks.
    """

    law_class: type
    hooks: tuple[type[Hooks], ...] = ()

    def __post_init__(self) -> None:
        names = [cls.__name__ for cls in self.hooks]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise LawError(f"{twice[0]} stands twice beside the law; names of effects differ: rename a class")

    def with_hooks(self, *more: type[Hooks]) -> DeviceModel:
        """Return the model with further hooks behind its own."""
        return dataclasses.replace(self, hooks=(*self.hooks, *more))

    def calling(self, *called: str) -> DeviceModel:
        """Return the model for a kernel that calls only these hooks: without the classes that fill none of them."""
        busy = {cls for hook in called for cls in self.filling(hook)}
        return dataclasses.replace(self, hooks=tuple(cls for cls in self.hooks if cls in busy))

    def unused_fields(self, *called: str) -> set[str]:
        """Return the fields of hooks that a kernel which calls only these hooks does not read, nor does the law."""
        own = {cls: set(cls.hook_fields().values()) for cls in self.hooks}
        read = {*SHARED, *(field for cls in self.calling(*called).hooks for field in own[cls])}
        idle = {field for fields in own.values() for field in fields} - read
        words = set(re.findall(r"\w+", text_of(self.law.functions.values())))  # also of the functions that it calls
        return {field for field in idle if kernel_name(field) not in words}

    def filling(self, hook: str) -> tuple[Any, ...]:
        """Return the classes that fill a hook, each with a function of its name."""
        return _filling(self, hook)

    @property
    def law(self) -> Law:
        """Return the law, ready to compile."""
        return read_law(self.law_class)

    @property
    def sources(self) -> tuple[HookSource, ...]:
        """Return the hooks, ready to compile."""
        return tuple(read_hooks(cls) for cls in self.hooks)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Names of the states that reads do not see: the written weight, where that is another, and the law's."""
        return ((WRITTEN,) if self.filling("written") else ()) + self.law.states

    @functools.cached_property
    def varies(self) -> bool:
        """Return whether reads of a weight differ."""
        return self.law.varies or any(hooks.varies(source) for source in self.sources)

    @functools.cached_property
    def shows(self) -> bool:
        """Return whether reads see something else than the weight."""
        return "read" in self.law.functions or bool(self.filling("seen"))

    @functools.cached_property
    def ages(self) -> bool:
        """Return whether devices change with time."""
        return "rest" in self.law.functions or bool(self.filling("aged"))

    @property
    def functions(self) -> dict[str, Function]:
        """Return all functions of the model, by their names in kernels."""
        found: dict[str, Function] = {}
        own = list(self.law.functions.items())
        own += [(function.node.name, function) for source in self.sources for function in source.functions.values()]
        for name, function in own:
            found |= {**function.helpers, name: function}
        return found


@functools.cache
def _filling(model: DeviceModel, hook: str) -> tuple[type[Hooks], ...]:
    return tuple(cls for cls in model.hooks if hook in read_hooks(cls).functions)


def chosen(model: DeviceModel) -> dict[str, str]:
    """Return which function of `mho.kernels.cpu.cell` stands for a name in kernels, where the two names differ."""
    choices = {"draw": ("draw_pair", model.law.draws == 2), "step": ("step_hidden", bool(model.law.states))}
    return {name: function for name, (function, wanted) in choices.items() if wanted}


def definitions(model: DeviceModel, fields: Sequence[str], tables: Sequence[str]) -> dict[str, str]:
    """Return the functions of a model, what chains them, and how a kernel finds the fields: by name, as text.

    An array of a list holds ROOM entries per slot; slot 0 is the weight that is read, the fields follow, then the
    states that reads do not see.
    """
    law, hidden = model.law, model.hidden
    functions = {name: f"{INLINE}\n{function.text}" for name, function in model.functions.items()}
    count, written = len(fields), WRITTEN in hidden
    first = ROOM * (1 + count)
    return (
        functions
        | {name: f"{INLINE}\n{text}" for name, text in _chains(model).items()}
        | _states(law.states, first + ROOM * written)
        | _cells(fields, tables)
        | {
            "CLOSED_FORM": f"CLOSED_FORM = {law.closed_form}",
            "FIELDS": f"FIELDS = {count}",
            "WRITTEN": f"WRITTEN = {first if written else 0}",
            "HIDDEN": f"HIDDEN = {len(hidden)}",
            "SLOTS": f"SLOTS = {1 + count + len(hidden)}",
            "W_MAX": f"W_MAX = {ROOM * (1 + fields.index('w_max'))}",
            "W_MIN": f"W_MIN = {ROOM * (1 + fields.index('w_min'))}",
        }
    )


def _cells(fields: Sequence[str], tables: Sequence[str]) -> dict[str, str]:
    """Return what makes the record `cell` of a cross-point: in a list, or where it stands."""
    names = [*map(kernel_name, fields), *tables]
    of_cell = [f"tables[{place}][replica, cell]" for place in range(len(tables))]
    lanes = ", ".join([*(f"lanes[{ROOM * (1 + slot)} + lane]" for slot in range(len(fields))), *of_cell])
    at = "replica * strides[{0}, 0] + row * strides[{0}, 1] + column * strides[{0}, 2]"
    standing = ", ".join([*(f"fields[{slot}][{at.format(slot)}]" for slot in range(len(fields))), *of_cell])
    return {
        "cell_at": f"Cell = namedtuple('Cell', {names!r})\n\n"
        f"{INLINE}\ndef cell_at(lanes, lane, tables, replica, cell):\n    return Cell({lanes})",
        "cell_of": f"Cell = namedtuple('Cell', {names!r})\n\n"
        f"{INLINE}\ndef cell_of(fields, strides, tables, replica, cell, row, column):\n    return Cell({standing})",
    }


def _states(states: tuple[str, ...], first: int) -> dict[str, str]:
    """Return functions by which kernels read and keep the hidden states of a law: a number, or a record of several.

    The functions stand in place of those of these names in `mho.kernels.cpu.cell`.
    """
    if not states:
        return {}
    slots = [f"lanes[np.uintp({first + ROOM * k} + lane)]" for k in range(len(states))]
    if len(states) == 1:
        found, changed = slots[0], "np.float32(new) if moves else old"
        kept, prelude = [f"    {slots[0]} = h"], ""
    else:
        found = f"States({', '.join(slots)})"
        each = [f"np.float32(new[{k}]) if moves else old[{k}]" for k in range(len(states))]
        changed = f"States({', '.join(each)})"
        kept, prelude = [f"    {slot} = h[{k}]" for k, slot in enumerate(slots)], "States = namedtuple('States', "
        prelude += f"{list(states)!r})\n\n"
    keeping = "\n".join(kept)
    return {
        "states_at": f"{prelude}{INLINE}\ndef states_at(lanes, lane):\n    full_width()\n    return {found}",
        "next_states": f"{INLINE}\ndef next_states(new, old, moves):\n    full_width()\n    return {changed}",
        "keep_states": f"{INLINE}\ndef keep_states(lanes, lane, h):\n    full_width()\n{keeping}",
    }


def _chains(model: DeviceModel) -> dict[str, str]:
    """Return the functions of `mho.kernels.cpu.cell` that hooks change, each a chain of the hooks that fill it."""
    chains = {
        "accepts_pulse": _joined(model, "accepts_pulse(up, cell)", " and "),
        "moves_up": _nested(model, "moves_up", "moves_up(up, cell)", "up", "up, cell"),
        "holds": _joined(model, "holds(cell)", " or "),
        "written": _nested(
            model, "written", "written(w, cell, index, key_0, key_1)", "w", "w, cell, {z}", bounded=True
        ),
        "seen": _nested(model, "seen", "seen(w, cell, index, key_0, key_1)", "w", "w, cell, {z}"),
        "aged": _nested(model, "aged", "aged(w, cell, dt, index, key_0, key_1)", "w", "w, cell, dt, {z}"),
    }
    return {name: text for name, text in chains.items() if text}


def _joined(model: DeviceModel, call: str, word: str) -> str:
    """Return a chain of conditions."""
    parts = [f"{cls.__name__}_{call}" for cls in model.filling(call.partition("(")[0])]
    return f"def {call}:\n    full_width()\n    return {word.join(parts)}" if parts else ""


def _nested(model: DeviceModel, hook: str, call: str, value: str, arguments: str, *, bounded: bool = False) -> str:
    """Return a chain in which each hook is applied to the result of the hook before."""
    lines = []
    for cls in model.filling(hook):
        key_0, key_1 = read_hooks(cls).key
        z = f"effect_normal(index, key_0, key_1, np.uint32({key_0}), np.uint32({key_1}))"
        answer = f"{cls.__name__}_{hook}({arguments.format(z=z)})"
        lines.append(f"    {value} = {answer if value == 'up' else f'np.float32({answer})'}")
    if not lines:
        return ""
    last = "    return min(max(w, cell.w_min), cell.w_max)" if bounded else f"    return {value}"
    return "\n".join([f"def {call}:", "    full_width()", *lines, last])
