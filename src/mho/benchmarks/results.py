"""Result of a suite: records for JSON, tables and charts for people."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol, final

from mho.benchmarks.plan import Plan
from mho.benchmarks.timing import Samples


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """Rows as people read them; the first `names` columns name the row, the others hold numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int = 1
    note: str = ""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One line, or one bar a name of x."""

    label: str
    x: tuple[Any, ...]
    y: tuple[Samples, ...]


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines over a number on logarithmic axes, or bars over names (`bars`).

    `target` is a value of y to draw as a dashed line, with its name.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    bars: bool = False
    target: tuple[float, str] | None = None


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """One suite's outcome.

    Attributes:
        suite: its name.
        title: what was measured.
        method: how, in a few sentences.
        records: one dict of plain values a measurement, for JSON.
        tables: the same for people.
        charts: figures of the page.
        notes: what a reader must know: what was left out and why.
    """

    suite: str
    title: str
    method: str
    records: tuple[dict[str, Any], ...]
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...]
    notes: tuple[str, ...] = ()


class Tell(Protocol):
    """Says what is going on, one line at a time."""

    def __call__(self, line: str, /) -> object: ...


class Suite(Protocol):
    """A benchmark suite is a function."""

    def __call__(self, plan: Plan, tell: Tell) -> Result: ...


def digits(value: float) -> str:
    """Three significant digits, without an exponent from 0.001 to 999,999."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"
    return f"{value:.2e}"


def percent(share: float) -> str:
    """Return a share from 0 to 1 in whole per cent."""
    return f"{100 * share:.0f}\u00a0%"


def span(samples: Samples) -> str:
    """Median and quartiles as words."""
    low, high = samples.quartiles
    return f"{digits(samples.median)} ({digits(low)} to {digits(high)})"


def exponent_table(title: str, fitted: dict[str, Samples]) -> Table:
    """Exponents b of time ∝ sizeᵇ."""
    rows = tuple(
        (name, digits(b.median), f"{digits(min(b.values))} to {digits(max(b.values))}") for name, b in fitted.items()
    )
    note = (
        "Least squares over the logarithms, round by round; 1 is linear, below 1 is better; against "
        "threads, −1 is ideal."
    )
    return Table(title=title, columns=("time against", "exponent", "smallest to largest"), rows=rows, note=note)
