"""Error against what an example costs on arrays, for the points of a sweep."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import final

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mho.report.drawing import svg
from mho.report.figures import REPLICA_COLOR, TEST_COLOR
from mho.runs.points import value_text
from mho.runs.results import DONE, ResultTable
from mho.text import prefix_of

SIZE = (5.0, 3.3)
"""Inches, as the other figures of the page."""
ROOM_UP, ROOM_ACROSS = 0.1, 0.5
"""Shares of the axes that a name takes."""
QUANTITIES = {
    "energy_training_image": ("energy per training example, at most", "J"),
    "time_training_image": ("time per training example", "s"),
    "area_training": ("area of the arrays", "m²"),
}
"""Columns of results that error is drawn against, what they are, and their units."""


@final
@dataclasses.dataclass(frozen=True)
class Priced:
    """A point of a sweep: its swept values in words, its mean test error [%], and its costs by column."""

    words: str
    error: float
    costs: Mapping[str, float]


def priced_points(table: ResultTable) -> list[Priced]:
    """Return the points of which a row is done and whose costs are known; the mean of an error is over seeds."""
    done = [record for record in table.records if record["status"] == DONE]
    points = []
    for _, group in itertools.groupby(done, key=lambda record: record["point"]):
        rows = list(group)
        costs = {name: cost for name in QUANTITIES if (cost := rows[0].get(name)) is not None}
        if len(costs) == len(QUANTITIES):
            words = ", ".join(f"{name.rpartition('.')[2]} {value_text(rows[0][name])}" for name in table.fields)
            points.append(Priced(words, statistics.fmean(row["test_error"] for row in rows), costs))
    return points


def error_against_cost(points: Sequence[Priced], ax: Axes, *, quantity: str) -> Axes:
    """Draw each point's test error [%] against what an example costs; a line joins those that no other point beats.

    Args:
        points: of `priced_points`, at least one.
        ax: where to draw.
        quantity: one of `QUANTITIES`.
    """
    words, unit = QUANTITIES[quantity]
    prefix, power = prefix_of(max(point.costs[quantity] for point in points), unit)
    places = [(point.costs[quantity] / 10.0**power, point.error) for point in points]
    best = front(places)
    ax.plot(*zip(*places, strict=True), "o", color=REPLICA_COLOR, ms=4.5, alpha=0.8, zorder=2)
    ax.plot(*zip(*(places[number] for number in best), strict=True), "o-", color=TEST_COLOR, ms=5, lw=1.6, zorder=3)
    _name([(points[number].words, places[number]) for number in best], places, ax)
    ax.margins(x=0.12, y=0.16)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.yaxis.set_major_locator(MaxNLocator(6))
    ax.set_xlabel(f"{words} ({prefix}{unit})")
    ax.set_ylabel("test error (%)")
    ax.grid(True, lw=0.5, alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _name(named: Sequence[tuple[str, tuple[float, float]]], places: Sequence[tuple[float, float]], ax: Axes) -> None:
    """Write names beside places, from the lowest error on, where none lies upon another."""
    (left, right), (low, high) = ((min(side), max(side)) for side in zip(*places, strict=True))
    across, up = right - left or 1.0, high - low or 1.0
    written: list[tuple[float, float]] = []
    for words, (x, y) in reversed(named):
        if all(abs(y - other) > ROOM_UP * up or abs(x - beside) > ROOM_ACROSS * across for beside, other in written):
            written.append((x, y))
            side = "right" if x > (left + right) / 2 else "left"
            ax.annotate(
                words, (x, y), xytext=(5 if side == "left" else -5, 6), textcoords="offset points", ha=side,
                fontsize="x-small",
            )  # fmt: skip


def front(places: Sequence[tuple[float, float]]) -> list[int]:
    """Return which of some (cost, error) no other beats in both, by rising cost."""
    found: list[int] = []
    for number in sorted(range(len(places)), key=lambda number: places[number]):
        if not found or places[number][1] < places[found[-1]][1]:
            found.append(number)
    return found


def cost_figures(table: ResultTable) -> list[Markup]:
    """Return a figure for each quantity in which the points of a sweep differ."""
    points = priced_points(table)

    def draw(quantity: str) -> Markup:
        return svg(
            lambda ax: error_against_cost(points, ax, quantity=quantity),
            size=SIZE,
            name=f"cost-{quantity}",
            label=f"Test error in per cent against {QUANTITIES[quantity][0]}",
        )

    return [draw(name) for name in QUANTITIES if len({point.costs[name] for point in points}) > 1]
