"""The values that a sweep gives to fields: grids, lists side by side, random draws."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np

from mho.errors import Faults
from mho.random import array_number, philox

Value = bool | int | float | str
Point = dict[str, Value]
"""Dotted names of fields, as for `--set`, to the values that one point of a sweep gives them."""
MAX_SEED = 2**62


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Draw:
    """A random value for each of `count` points, between `low` and `high`.

    Attributes:
        log: draw evenly in the logarithm.
        integer: draw whole numbers from `low` to `high`, both included.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False

    def __post_init__(self) -> None:
        faults = Faults("draw")
        if faults.number("low", self.low) & faults.number("high", self.high):
            for name, value in (("low", self.low), ("high", self.high)):
                if math.isinf(value):
                    faults.add(f"{name} is {value!r}; give a finite number")
            if not self.low < self.high:
                faults.add(f"low is {self.low!r} and high is {self.high!r}; low must be below high")
            if self.log is True and not self.low > 0:
                faults.add(f"low is {self.low!r}, which has no logarithm; give a number greater than 0")
            if self.integer is True and not (float(self.low).is_integer() and float(self.high).is_integer()):
                faults.add(f"low is {self.low!r} and high is {self.high!r}; with integer give whole numbers")
        faults.flag("log", self.log)
        faults.flag("integer", self.integer)
        faults.raise_any()

    def value(self, seed: int, field: str, number: int) -> float | int:
        """Return the value of draw `number`: it depends on these three only, not on other fields or draws."""
        u = _uniform(seed, field, number)
        top = self.high + 1 if self.integer else self.high
        drawn = self.low * (top / self.low) ** u if self.log else self.low + (top - self.low) * u
        if self.integer:
            return min(math.floor(drawn), int(self.high))
        # six digits: what a logarithm's last bit may be on another machine does not reach the value
        return min(max(float(f"{drawn:.6g}"), float(self.low)), float(self.high))


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Axes:
    """Swept fields; every combination of the grid with every row of the lists and every draw is a point.

    Attributes:
        grid: field to its values.
        columns: field to its values, one per row.
        draws: field to how it is drawn.
        count: number of draws; 0 without any. A draw that comes again gives no second point.
        draw_seed: seed of the draws.
    """

    grid: Mapping[str, Sequence[Value]] = dataclasses.field(default_factory=dict)
    columns: Mapping[str, Sequence[Value]] = dataclasses.field(default_factory=dict)
    draws: Mapping[str, Draw] = dataclasses.field(default_factory=dict)
    count: int = 0
    draw_seed: int = 0

    def __post_init__(self) -> None:
        faults = Faults("sweep")
        names = [*self.grid, *self.columns, *self.draws]
        for kind, values in (("grid", self.grid), ("list", self.columns)):
            for name, given in values.items():
                _check_values(f"sweep.{kind}: {name}", given, faults, distinct=kind == "grid")
        lengths = {name: len(values) for name, values in self.columns.items() if isinstance(values, (list, tuple))}
        if len(set(lengths.values())) > 1:
            each = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            faults.add(f"sweep.list has columns of different lengths: {each}; give each one value per row")
        elif not faults.found:
            _check_rows(self.columns, faults)
        if self.draws:
            faults.number("sweep.random: count", self.count, low=1, integer=True)
            faults.number("sweep.random: seed", self.draw_seed, low=0, high=MAX_SEED, integer=True)
        for name in sorted({name for name in names if names.count(name) > 1}):
            faults.add(f"{name} is swept twice; name it in one of grid, list and random")
        for name, other in itertools.permutations(sorted(set(names)), 2):
            if other.startswith(f"{name}."):
                faults.add(f"{name} and {other} are both swept, and one holds the other; sweep one of them")
        faults.raise_any()

    @property
    def fields(self) -> list[str]:
        """Names of the swept fields, in the order of the file."""
        return [*self.grid, *self.columns, *self.draws]

    def __len__(self) -> int:
        """Points, counting those that are drawn again."""
        rows = len(next(iter(self.columns.values()))) if self.columns else 1
        return math.prod(map(len, self.grid.values())) * rows * (self.count if self.draws else 1)

    def points(self) -> Iterator[Point]:
        """Yield every point; the last of the grid's fields changes faster than the first, draws fastest."""
        rows = list(zip(*self.columns.values(), strict=True)) if self.columns else [()]
        drawings = self._drawings()
        for values in itertools.product(*self.grid.values()):
            for row, drawn in itertools.product(rows, drawings):
                yield dict(zip(self.fields, (*values, *row, *drawn), strict=True))

    def _drawings(self) -> list[tuple[Value, ...]]:
        """Return the draws, each once: whole numbers may come again, and a point is trained once."""
        numbers = range(self.count) if self.draws else [0]
        each = [tuple(d.value(self.draw_seed, name, n) for name, d in self.draws.items()) for n in numbers]
        return list(dict.fromkeys(each))


def flat(table: Mapping[str, Any], *, leaves: Sequence[str] = (), prefix: str = "") -> dict[str, Any]:
    """Nested tables as dotted names: `forward.noise = 1` and `"forward.noise" = 1` are the same.

    A table that has one of the keys `leaves` is a value.
    """
    found: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and not any(leaf in value for leaf in leaves):
            found |= flat(value, leaves=leaves, prefix=f"{name}.")
        else:
            found[name] = value
    return found


def _check_values(name: str, values: object, faults: Faults, *, distinct: bool) -> None:
    if not isinstance(values, (list, tuple)):
        faults.add(f"{name} is {values!r}; give a list of values")
        return
    if not values:
        faults.add(f"{name} is an empty list; give at least one value, or leave the field out")
        return
    wrong = [value for value in values if not isinstance(value, (bool, int, float, str))]
    for value in wrong:
        faults.add(f"{name} has the value {value!r}; a swept value is a number, true or false, or a word")
    if wrong:
        return
    if distinct and len({_same(value) for value in values}) < len(values):
        faults.add(f"{name} is {list(values)!r}, with a value twice; seeds are what repeats a point")


def _check_rows(columns: Mapping[str, Sequence[Value]], faults: Faults) -> None:
    seen: set[tuple[tuple[bool, Value], ...]] = set()
    for row in zip(*columns.values(), strict=True):
        same = tuple(map(_same, row))
        if same in seen:
            faults.add(f"sweep.list has the row {list(row)!r} twice; seeds are what repeats a point")
            return
        seen.add(same)


def _same(value: Value) -> tuple[bool, Value]:
    """Return a key that is equal for equal values: 1 and 1.0 are equal, 1 and true are not."""
    return isinstance(value, bool), value


def _uniform(seed: int, field: str, number: int) -> float:
    """Uniform in [0, 1), 53 bits."""
    name = array_number(f"sweep {field}")
    words = [np.array([word & 0xFFFFFFFF], np.uint32) for word in (number, 0, name, name >> 32, seed, seed >> 32)]
    high, low, *_ = philox(*words)
    return float(int(high[0]) << 21 | int(low[0]) >> 11) / 2.0**53
