"""Contents of a paper: its figures and curves, their numbers, and checks of their trainings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import final

from mho.errors import Faults, nearest
from mho.papers.checks import Check
from mho.papers.quantities import EPOCH, TEST_ERROR, Quantity

MARKS = {
    "p": "printed in the paper, or in its authors' own text or code",
    "r": "recalled, not re-read",
    "c": "computed or simulated by us, or what we aim for",
}
"""Sources of a number."""
UNAVAILABLE = "ours; the paper's numbers are not available"


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """A curve of a paper.

    Attributes:
        label: for a legend.
        says: the paper's statement on the curve, where a number alone does not express it.
        number: mean of the quantity, one number or a range; left out, that of `numbers`.
        numbers: the paper's means of several quantities, by name.
        mark: source of the statement or the number, a key of `MARKS`; None where there is neither.
        checks: what a whole training must keep.
        quantity: what is judged.
    """

    label: str
    says: str = ""
    number: float | tuple[float, float] | None = None
    numbers: Mapping[str, float] = dataclasses.field(default_factory=dict)
    mark: str | None = None
    checks: tuple[Check, ...] = ()
    quantity: Quantity = TEST_ERROR

    def __post_init__(self) -> None:
        faults = Faults("curve")
        if isinstance(self.number, list):
            object.__setattr__(self, "number", tuple(self.number))
        if self.number is None and self.quantity.name in self.numbers:
            object.__setattr__(self, "number", self.numbers[self.quantity.name])
        for name, number in self.numbers.items():
            faults.number(f"numbers.{name}", number)
        ends = self.number if isinstance(self.number, tuple) else (self.number,)
        low, high = (0.0, 100.0) if self.quantity.unit == "%" else (-math.inf, math.inf)
        for end in ends:
            faults.number("number", end, low=low, high=high, optional=not isinstance(self.number, tuple))
        if isinstance(self.number, tuple) and len(self.number) != 2:
            faults.add(f"number is {list(self.number)!r}; give one number, or the two ends of a range")
        stated = self.number is not None or bool(self.says) or bool(self.numbers)
        if self.mark is not None and self.mark not in MARKS:
            faults.add(f"mark is {self.mark!r}{nearest(str(self.mark), MARKS)}")
        elif stated != (self.mark is not None):
            faults.add("mark goes with what the paper says: give both, or neither")
        faults.raise_any()

    @property
    def paper(self) -> str:
        """Paper's statement or number with its mark, or a dash: it may have numbers of other quantities only."""
        if self.number is None and not self.says:
            return "–"
        ends = self.number if isinstance(self.number, tuple) else (self.number,)
        return (self.says or " to ".join(f"{end:g}" for end in ends)) + f" [{self.mark}]"


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """Means against a value that differs from curve to curve, or from quantity to quantity of each curve.

    Attributes:
        axis: name of the value.
        log: whether its axis is logarithmic; a value of 0 stands left of the others.
        lines: label to the value of each of its curves, each at least 0. Curves of the figure that no line has are
            drawn as levels.
        across: in place of lines: quantity to its value, at least 0. Each curve of the figure is a line.
        panels: with `across`: name to the curves that a drawing of their own shows; empty: one drawing has all.
    """

    axis: str
    log: bool = False
    lines: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    across: Mapping[str, float] = dataclasses.field(default_factory=dict)
    panels: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        faults = Faults("sweep")
        if bool(self.lines) == bool(self.across) or not all(self.lines.values()):
            faults.add("give lines, label = { curve = value, ... }, or across, quantity = value")
        if self.panels and not self.across:
            faults.add("panels go with across; give a figure of its own to each panel of lines")
        for line in (*self.lines.values(), self.across):
            for name, value in line.items():
                faults.number(name, value, low=0.0)
        faults.raise_any()


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Matrix:
    """Means of several quantities for each curve, as a table of colours.

    Attributes:
        rows: what differs from curve to curve.
        columns: what differs from quantity to quantity.
        labels: curve to the label of its row, from the bottom up.
        across: quantity to the label of its column, from the left.
    """

    rows: str
    columns: str
    labels: Mapping[str, str]
    across: Mapping[str, str]

    def __post_init__(self) -> None:
        faults = Faults("matrix")
        for name in ("labels", "across"):
            if not getattr(self, name):
                faults.add(f"{name} is missing: give name = label, ...")
        faults.raise_any()


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of the paper.

    Attributes:
        title: title of the figure.
        paper: its number in the paper, where its name is not that, with the source of the number, "4H [r]".
        curves: names of its curves in order.
        quantity: what the vertical axis shows.
        x: what the horizontal axis shows, where there is no sweep.
        sweep: draws means over the paper's epochs against a value; None: each line of the results against `x`.
        matrix: draws a table of such means, in place of either.
    """

    title: str
    curves: tuple[str, ...]
    paper: str = ""
    quantity: Quantity = TEST_ERROR
    x: Quantity = EPOCH
    sweep: Sweep | None = None
    matrix: Matrix | None = None


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Expected:
    """Figures and curves of a paper.

    Attributes:
        title: authors, title and place of the paper.
        epochs: first and last epoch of the mean that the paper quotes, counted from 1; or one number, over how many of
            the last epochs of each curve the mean is taken.
        figures: by the name that `--figure` takes.
        curves: by name.
        quick: what a short training must keep, by name of the curve.
        numbers_available: whether the paper's numbers are known to us.
        captions: captions of pictures, by the name that studies give them.
    """

    title: str
    epochs: tuple[int, int] | int
    figures: Mapping[str, Figure]
    curves: Mapping[str, Curve]
    quick: Mapping[str, tuple[Check, ...]]
    numbers_available: bool = True
    captions: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def heading(self, name: str) -> str:
        """Return how pages and tables call a figure: by its number in the paper; by its title where it has none."""
        figure = self.figures[name]
        if name[:1].isdigit():
            return f"Figure {name.replace('_', ' ')}: {figure.title}"
        return f"Figure {figure.paper}: {figure.title}" if figure.paper else figure.title

    def figure_named(self, given: str) -> str:
        """Return the name of a figure that is given by this name or by its number in the paper."""
        numbers = {figure.paper.split()[0].lower(): name for name, figure in self.figures.items() if figure.paper}
        return given if given in self.figures else numbers.get(given.lower(), given)

    def figures_of(self, curve: str) -> list[str]:
        """Return the names of the figures that show a curve."""
        return [name for name, figure in self.figures.items() if curve in figure.curves]

    def window(self, last: int, kind: str = "results") -> tuple[int, int]:
        """Return the first and the last epoch of the mean that is judged.

        Args:
            last: epochs of the curve, or of its quick version.
            kind: "results", "quick" or "trial", as `Scale.kind`.
        """
        if kind == "quick":
            return last, last
        return (last - self.epochs + 1, last) if isinstance(self.epochs, int) else self.epochs

    def shaded(self, lengths: Iterable[int]) -> tuple[int, int] | None:
        """Return the window that a figure shades, of lines of these numbers of epochs.

        None where the window is a single epoch, or where the lines have different windows.
        """
        windows = {self.window(last) for last in lengths}
        first, last = windows.pop() if len(windows) == 1 else (1, 1)
        return (first, last) if first < last else None

    @property
    def numbers(self) -> str:
        """What the numbers of whole trainings are, as a page has it."""
        if isinstance(self.epochs, tuple):
            return f"means over epochs {self.epochs[0]} to {self.epochs[1]} (grey in the figures)"
        if self.epochs == 1:
            return "those of the last epoch"
        return f"means over the last {self.epochs} epochs of each curve (grey in a figure of curves of one length)"

    @property
    def span(self) -> str:
        """Epochs of the mean, in words."""
        if isinstance(self.epochs, int):
            return "at the last epoch" if self.epochs == 1 else f"mean over the last {self.epochs} epochs of each curve"
        return f"mean over epochs {self.epochs[0]} to {self.epochs[1]}"

    def paper(self, curve: str) -> str:
        """Return what the paper says of a curve, with its mark; where its numbers are not available, say so."""
        text = self.curves[curve].paper
        return "not available" if text == "–" and not self.numbers_available else text
