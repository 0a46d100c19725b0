"""A device law as source, and the functions of kernels that a law replaces.

Kernels import the functions `pulse`, `pulses`, `reach`, ... below by name, and `mho.compiler.model` replaces them by
the law's own.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import inspect
from typing import Any

from mho.compiler.source import Function, place_of, read_function, static_function
from mho.errors import LawError

ROOM = 928
"""Entries of each slot of a list of cross-points: LISTED + PIECE of `mho.kernels.cpu.update`, and room for whole
vectors behind."""
ARGUMENTS = {
    "pulse": ("w", "up", "cell", "z"),
    "reach": ("n", "up", "cell"),
    "pulses": ("w", "n", "up", "cell", "z"),
    "read": ("w", "cell", "z"),
    "rest": ("w", "cell", "dt", "z"),
}
PULSE_WITH_STATES = ("w", "h", "up", "cell", "z")
WRITTEN = "written"
"""Name of the hidden state of devices with write noise: the weight that a pulse wrote, not the weight that is read."""


def pulse(w: Any, up: Any, cell: Any, z: Any) -> Any:
    """Return the weight after a pulse; replaced by the law."""
    raise NotImplementedError


def reach(n: Any, up: Any, cell: Any) -> Any:
    """Return how far n pulses may move a weight; replaced by the law if it has a closed form."""
    return n


def pulses(w: Any, n: Any, up: Any, cell: Any, z: Any) -> Any:
    """Return the weight after n pulses; replaced by the law if it has a closed form."""
    return w


def read(w: Any, cell: Any, z: Any) -> Any:
    """Return the weight that a read sees; replaced by the law if it has a read-out of its own."""
    return w


def rest(w: Any, cell: Any, dt: Any, z: Any) -> Any:
    """Return the weight after a time dt without pulses; replaced by the law if its devices change with time."""
    return w


def cell_at(lanes: Any, lane: Any, tables: Any, replica: Any, cell: Any) -> Any:
    """Return the record `cell` of entry `lane` of a list: fields from `lanes`, tables of cross-point number `cell`."""
    raise NotImplementedError


def cell_of(fields: Any, strides: Any, tables: Any, replica: Any, cell: Any, row: Any, column: Any) -> Any:
    """Return the record `cell` of a cross-point, with fields read from where they lie in memory."""
    raise NotImplementedError


@dataclasses.dataclass(frozen=True, eq=False)
class Law:
    """Functions of a law, ready to compile.

    Attributes:
        name: name of its class.
        functions: its functions by name.
        hash: hash of the source of its functions, and of those that they call.
        states: names of the hidden states that pulses move beside the weight.
        draws: normals per pulse, 1 or 2.
    """

    name: str
    functions: dict[str, Function]
    hash: str
    states: tuple[str, ...]
    draws: int

    @property
    def place(self) -> str:
        """File and line of the law."""
        return self.functions["pulse"].place

    @property
    def varies(self) -> bool:
        """Return whether reads of a weight differ: whether `read` uses its z."""
        return "read" in self.functions and uses_normal(self.functions["read"])

    @property
    def closed_form(self) -> bool:
        """Return whether the law says in one step what n pulses do."""
        return "pulses" in self.functions


@functools.lru_cache(maxsize=256)
def read_law(law: type) -> Law:
    """Read the functions of a law from its class.

    Raises:
        LawError: for a wrong signature, unreadable source, or a name that a law may not use.
    """
    names = [name for name in ARGUMENTS if hasattr(law, name)]
    states, draws = _states(law), _draws(law)
    if ("pulses" in names) != ("reach" in names):
        raise LawError(f"{law.__name__}: a closed form needs both pulses(w, n, up, cell, z) and reach(n, up, cell)")
    if "pulses" in names and (states or draws != 1):
        raise LawError(
            f"{law.__name__}: pulses is a closed form of a law with one z and no state; remove it, to apply pulses "
            "singly"
        )
    functions: dict[str, Function] = {}
    fields = getattr(law, "__dataclass_fields__", {})
    for name in names:
        function = static_function(law, name)
        if name == "pulse" and not states and tuple(inspect.signature(function).parameters) == PULSE_WITH_STATES:
            raise LawError(
                f"{law.__name__}.pulse(w, h, up, cell, z){place_of(function)}: a hidden state h needs a name: write  "
                'states = ("history",)  in the class, or leave h out'
            )
        wanted = PULSE_WITH_STATES if states and name == "pulse" else ARGUMENTS[name]
        functions[name] = read_function(f"{law.__name__}.{name}", function, wanted, fields)
    text = text_of(functions.values())
    text += f"\n{states} {draws}" if states or draws > 1 else ""
    return Law(law.__name__, functions, hashlib.sha256(text.encode()).hexdigest()[:16], states, draws)


def text_of(functions: Any) -> str:
    """Return all that functions mean as text: their source, and that of the functions which they call."""
    helpers = {name: helper.text for function in functions for name, helper in function.helpers.items()}
    return "\n".join([*(function.text for function in functions), *helpers.values()])


def uses_normal(function: Function) -> bool:
    """Return whether a function uses its z."""
    return any(isinstance(node, ast.Name) and node.id == "z" for node in ast.walk(function.node))


def _states(law: type) -> tuple[str, ...]:
    """Return the names of the hidden states of a law."""
    _refuse_field(law, "states", ("history",))
    if getattr(law, "state", False) is not False:
        raise LawError(
            f"{law.__name__}.state is {law.state!r}; hidden states have names: write  "  # type: ignore[attr-defined]
            'states = ("history",)  in its place'
        )
    states = getattr(law, "states", ())
    names = states if isinstance(states, tuple) else (states,)
    if not isinstance(states, tuple) or not all(isinstance(name, str) and name.isidentifier() for name in names):
        raise LawError(f'{law.__name__}.states is {states!r}; write a tuple of names, for example  ("history",)')
    if len(set(names)) < len(names) or WRITTEN in names or any(name.startswith("_") for name in names):
        raise LawError(
            f"{law.__name__}.states is {states!r}; names differ, begin with a letter, and {WRITTEN!r} is the weight "
            "that write noise hides: rename the state"
        )
    return states


def _draws(law: type) -> int:
    """Return how many normals a pulse of a law takes."""
    _refuse_field(law, "draws", 2)
    draws = getattr(law, "draws", 1)
    if isinstance(draws, bool) or draws not in (1, 2):
        raise LawError(f"{law.__name__}.draws is {draws!r}; write  draws = 2  for a pair of normals z, or leave it out")
    return int(draws)


def _refuse_field(law: type, name: str, example: object) -> None:
    if name in getattr(law, "__dataclass_fields__", {}):
        raise LawError(
            f"{law.__name__}.{name} is a property of the law, not a field: write  {name} = {example!r}  without an "
            "annotation"
        )
