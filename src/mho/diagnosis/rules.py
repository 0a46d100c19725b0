"""The learning rules that `mho.advise` tries on a device."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, final

from mho.cells import AGAD, Cell, ERider, MixedPrecision, PeriodicCarry, Residual, Single, TikiTaka
from mho.per_replica import Number
from mho.periphery import Read

PLAIN, SHIFTED = "plain SGD", "zero-shifted SGD"
NAMES = (
    "rules have the names of their presets (mho train --preset NAME); "
    f"{PLAIN} is the cell Single, {SHIFTED} the same less a reference at the symmetry point, PeriodicCarry a cell"
)
"""What the names of rules are, for readers of tables."""


@final
@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule that is tried.

    Attributes:
        name: that of its preset, or of its cell where there is none; the two of SGD have names of their own.
        cell: makes the cell for a circuit of transfers and the standard deviation of its references' errors.
        digital: whether the outer product is formed digitally.
    """

    name: str
    cell: Callable[[Read, Number], Cell]
    digital: bool = False

    @property
    def exact(self) -> Cell:
        """The cell with exact references and the circuit of its default."""
        return self.cell(Read(), 0.0)

    @property
    def setting(self) -> str:
        """What differs from the defaults of an RPU, as after `--set`."""
        cell = self.exact
        fields = {field.name: (field.default, getattr(cell, field.name)) for field in dataclasses.fields(cell)}  # type: ignore[arg-type]
        own = [
            f"cell.{name}={_toml(value)}"
            for name, (usual, value) in fields.items()
            if name not in OF_TASK and _differs(usual, value)
        ]
        return " ".join([f"cell.kind={cell.kind()}", *own])


def _differs(usual: object, value: object) -> bool:
    """Return whether a setting is a word or number other than the default; a circuit is none."""
    return isinstance(value, (bool, int, float, str)) and value != usual


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tiki_taka(read: Read, error: Number, **options: Any) -> Cell:
    return TikiTaka(transfer=read, reference_std=error, **options)


MEMORY = 200.0
"""Vectors over which buffers take the mean, as in Rasch 2024, Fig. 4: it is a fifth of the cells' default for networks,
which 30,000 vectors are too few for."""
WRITING = 10
"""Vectors from one writing of the digital gradient to the next: at this rate the 100 of the cell's default move weights
by the whole distance that their first vectors have seen."""
OF_TASK = ("buffer_scale", "every")
"""Settings of rules that follow the task, and are no part of the advice."""
RULES = (
    Rule(PLAIN, lambda read, error: Single()),
    Rule(SHIFTED, lambda read, error: Single(reference="symmetry_point", reference_std=error)),
    Rule("tiki_taka_v1", lambda read, error: _tiki_taka(read, error, buffer=False, auto_scale=False)),
    Rule("tiki_taka_v2", lambda read, error: _tiki_taka(read, error, buffer_scale=MEMORY)),
    Rule("tiki_taka_chopped", lambda read, error: _tiki_taka(read, error, buffer_scale=MEMORY, chopper=0.1)),
    Rule("agad", lambda read, error: AGAD(transfer=read, reference_std=error, buffer_scale=MEMORY)),
    Rule("e_rider", lambda read, error: ERider(transfer=read, reference_std=error, buffer_scale=MEMORY)),
    Rule("residual", lambda read, error: Residual(transfer=read, reference_std=error)),
    Rule("mixed_precision", lambda read, error: MixedPrecision(every=WRITING), digital=True),
    Rule("PeriodicCarry", lambda read, error: PeriodicCarry(transfer=read)),
)
"""Every rule at the defaults of its cell, but for `OF_TASK`."""
