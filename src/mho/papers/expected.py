"""What a paper shows, as its expected.toml has it: figures, curves, their numbers, and what is checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from mho.config import fields_from_table, parse_toml
from mho.errors import Faults, InvalidValue, nearest

MARKS = {
    "p": "printed in the paper, or in its authors' own text or code",
    "r": "recalled, not re-read",
    "c": "computed or simulated by us, or what we aim for",
}
"""What backs a number."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """Bounds on a mean error, or on how far it lies above that of another curve; both ends count as kept.

    Attributes:
        at_least: in per cent, or None.
        at_most: likewise.
        than: the other curve: the bounds are on this error minus its, in percentage points. None: on the error.
        reason: why the tolerance is what it is.
    """

    at_least: float | None = None
    at_most: float | None = None
    than: str | None = None
    reason: str

    def __post_init__(self) -> None:
        faults = Faults("check")
        faults.number("at_least", self.at_least, low=-100, high=100, optional=True)
        faults.number("at_most", self.at_most, low=-100, high=100, optional=True)
        if self.at_least is None and self.at_most is None:
            faults.add("neither at_least nor at_most is given")
        if not isinstance(self.reason, str) or not self.reason:
            faults.add("reason is missing: say why the tolerance is what it is")
        faults.raise_any()

    def __str__(self) -> str:
        sides = []
        if self.at_least is not None:
            sides.append(f"≥ {self._side(self.at_least)}")
        if self.at_most is not None:
            sides.append(f"≤ {self._side(self.at_most)}")
        return ", ".join(sides)

    def _side(self, value: float) -> str:
        if self.than is None:
            return f"{value:g}"
        return self.than + (f" {'+' if value > 0 else '−'} {abs(value):g}" if value else "")


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """One curve.

    Attributes:
        label: for a legend.
        says: what the paper says of it, where a number alone does not tell it.
        number: mean test error in per cent, one number or a range.
        mark: of what the paper says, a key of `MARKS`; None where it says nothing.
        checks: what a whole training must keep.
    """

    label: str
    says: str = ""
    number: float | tuple[float, float] | None = None
    mark: str | None = None
    checks: tuple[Check, ...] = ()

    def __post_init__(self) -> None:
        faults = Faults("curve")
        if isinstance(self.number, list):
            object.__setattr__(self, "number", tuple(self.number))
        ends = self.number if isinstance(self.number, tuple) else (self.number,)
        for end in ends:
            faults.number("number", end, low=0, high=100, optional=not isinstance(self.number, tuple))
        if isinstance(self.number, tuple) and len(self.number) != 2:
            faults.add(f"number is {list(self.number)!r}; give one number, or the two ends of a range")
        told = self.number is not None or bool(self.says)
        if self.mark is not None and self.mark not in MARKS:
            faults.add(f"mark is {self.mark!r}{nearest(str(self.mark), MARKS)}")
        elif told != (self.mark is not None):
            faults.add("mark goes with what the paper says: give both, or neither")
        faults.raise_any()

    @property
    def paper(self) -> str:
        """What the paper says, with its mark, or a dash."""
        if self.mark is None:
            return "–"
        ends = self.number if isinstance(self.number, tuple) else (self.number,)
        return (self.says or " to ".join(f"{end:g}" for end in ends)) + f" [{self.mark}]"


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """Mean errors against a value that the curves differ in.

    Attributes:
        axis: what the value is.
        log: whether its axis is logarithmic; a value of 0 stands left of the others.
        lines: label to the value of each of its curves, each at least 0. Curves of the figure that no line has are
            drawn as levels.
    """

    axis: str
    log: bool = False
    lines: Mapping[str, Mapping[str, float]]

    def __post_init__(self) -> None:
        faults = Faults("sweep")
        if not self.lines or not all(self.lines.values()):
            faults.add("lines are missing: give label = { curve = value, ... }")
        for line in self.lines.values():
            for curve, value in line.items():
                faults.number(curve, value, low=0.0)
        faults.raise_any()


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of the paper: its title, and the names of its curves in order.

    Attributes:
        sweep: draws means over the paper's epochs against a value; None: errors against epochs.
    """

    title: str
    curves: tuple[str, ...]
    sweep: Sweep | None = None


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Expected:
    """What a paper shows.

    Attributes:
        title: authors, title and place of the paper.
        epochs: first and last epoch of the mean that the paper quotes, counted from 1.
        figures: by the name that `--figure` takes.
        curves: by name.
        quick: what a short training must keep, by name of the curve.
    """

    title: str
    epochs: tuple[int, int]
    figures: Mapping[str, Figure]
    curves: Mapping[str, Curve]
    quick: Mapping[str, tuple[Check, ...]]

    def figures_of(self, curve: str) -> list[str]:
        """The figures that show a curve."""
        return [name for name, figure in self.figures.items() if curve in figure.curves]


def read_expected(file: Path) -> Expected:
    """Read an expected.toml.

    Raises:
        InvalidValue: naming every fault at once.
    """
    tables = parse_toml(file.read_text(encoding="utf-8"))
    faults = Faults(str(file))
    known = tables.get("curves", {})
    curves = {name: _curve(f"curves.{name}", table, known, faults) for name, table in known.items()}
    figures = {}
    for name, table in tables.get("figures", {}).items():
        figures[name] = _figure(f"figures.{name}", table, known, faults)
    quick = {}
    for name, checks in tables.get("quick", {}).items():
        if name not in known:
            faults.add(f"quick: no curve {name!r}{nearest(name, known)}")
        quick[name] = _checks(f"quick.{name}", checks, known, faults)
    faults.raise_any()
    first, last = tables["epochs"]
    return Expected(title=tables["title"], epochs=(first, last), figures=figures, curves=curves, quick=quick)


def _figure(name: str, table: Mapping[str, Any], known: Mapping[str, Any], faults: Faults) -> Figure:
    curves, sweep = tuple(table["curves"]), None
    for curve in curves:
        if curve not in known:
            faults.add(f"{name}: no curve {curve!r}{nearest(curve, known)}")
    if "sweep" in table:
        try:
            sweep = fields_from_table(Sweep, table["sweep"])
        except InvalidValue as error:
            for fault in error.faults:
                faults.add(f"{name}.sweep: {fault}")
        else:
            placed = dict.fromkeys(curve for line in sweep.lines.values() for curve in line)
            for curve in [curve for curve in placed if curve not in curves]:
                faults.add(f"{name}.sweep: no curve {curve!r} in the figure{nearest(curve, curves)}")
    return Figure(title=table["title"], curves=curves, sweep=sweep)


def _curve(name: str, table: Mapping[str, Any], known: Mapping[str, Any], faults: Faults) -> Curve:
    checks = _checks(name, table.get("checks", []), known, faults)
    try:
        return fields_from_table(Curve, {**table, "checks": checks})
    except InvalidValue as error:
        for fault in error.faults:
            faults.add(f"{name}: {fault}")
    return Curve(label=name)


def _checks(name: str, tables: Any, known: Mapping[str, Any], faults: Faults) -> tuple[Check, ...]:
    checks = []
    for table in tables:
        try:
            checks.append(fields_from_table(Check, table))
        except InvalidValue as error:
            for fault in error.faults:
                faults.add(f"{name}: {fault}")
        than = table.get("than")
        if than is not None and than not in known:
            faults.add(f"{name}: than: no curve {than!r}{nearest(str(than), known)}")
    return tuple(checks)
