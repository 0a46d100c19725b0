"""Figures as functions (data, ax) -> ax; they draw on the axes given and touch nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from mho.training import best_line

TEST_COLOR = "#0a5fb4"
TRAIN_COLOR = "#b4500a"
VALIDATION_COLOR = "#2a7d4f"
REPLICA_COLOR = "#808080"
MANY = 1e4
"""Errors that span this factor have labels at powers of ten only."""
DECADE = 10.0
MARKED_EPOCHS = 40
"""Up to so many epochs each point has a marker."""
CURVES = {
    "test": (TEST_COLOR, "-", "o"),
    "validation": (VALIDATION_COLOR, "-.", "^"),
    "train": (TRAIN_COLOR, "--", "s"),
}
"""Colour, dashes and marker of the numbers of each part of the data."""


def error_curves(data: Sequence[Mapping[str, Any]], ax: Axes, *, measure: str = "error") -> Axes:
    """Test and train error [%], and that of validation, against epochs, on a logarithmic error axis.

    With replicas, each is a thin line and their mean a thick one. Errors of 0 leave the axis at the bottom. A dotted
    line marks the epoch of the lowest validation error.

    Args:
        data: the lines of metrics.jsonl: `epoch`, `test_error`, `train_error`, with validation `validation_error`, and
            with replicas `test_error_replicas`, ...
        ax: where to draw; its legend stands above it.
        measure: what the errors are, for the axis.
    """
    ax.set_yscale("log", nonpositive="clip")
    ax.set_autoscaley_on(False)
    epochs = [line["epoch"] for line in data]
    seen: list[float] = []
    replicas = False
    handles: list[Line2D] = []
    best = best_line(data)
    for name, (color, dashes, marker) in CURVES.items():
        if name == "validation" and best is None:
            continue
        errors = [line[f"{name}_error"] for line in data]
        singles: list[Sequence[float]] = [line.get(f"{name}_error_replicas") or () for line in data]
        seen += errors
        if singles and all(singles):
            replicas = True
            for curve in zip(*singles, strict=True):
                ax.plot(epochs, curve, dashes, color=color, lw=0.7, alpha=0.45, marker=marker, ms=_size(data, 2))
                seen += curve
        handles += ax.plot(
            epochs, errors, dashes, color=color, lw=2, marker=marker, ms=_size(data, 4), label=name, zorder=3
        )
    if replicas:
        handles.append(Line2D([], [], color=REPLICA_COLOR, lw=0.7, label="one replica"))
    if best is not None:
        ax.axvline(epochs[best], color=VALIDATION_COLOR, ls=":", lw=1.2, zorder=1)
    error_axis(ax, [error for error in seen if error > 0])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    if epochs:
        ax.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    ax.set_xlabel("epoch")
    ax.set_ylabel(f"{measure} (%)")
    ax.grid(True, lw=0.5, alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=3 if len(handles) < 4 else 2, frameon=False,
        borderaxespad=0.3, columnspacing=1.2, handlelength=2.2,
    )  # fmt: skip
    return ax


def history_curves(
    data: Sequence[Mapping[str, Any]],
    ax: Axes,
    *,
    names: Sequence[str],
    places: Sequence[float],
    x: str = "epoch",
    mark: int | None = None,
) -> Axes:
    """Numbers of a history against its lines; on a logarithmic axis where they are positive and span a decade.

    Args:
        data: the lines; what a line lacks, or has as no finite number, is left out. Lists NAME_replicas are thin lines.
        ax: where to draw; its legend stands above it.
        names: of the numbers that are drawn; train_, validation_ and test_ have colours of their own.
        places: of the lines, on the x axis.
        x: label of the x axis.
        mark: place in `data` of a line that a dotted line marks.
    """
    seen: list[float] = []

    def column(values: Sequence[Any]) -> list[float]:
        finite = [math.nan if value is None or not math.isfinite(value) else value for value in values]
        seen.extend(value for value in finite if not math.isnan(value))
        return finite

    handles: list[Line2D] = []
    for name in names:
        color, dashes, marker = CURVES.get(name.partition("_")[0], CURVES["test"])
        singles = [line.get(f"{name}_replicas") or () for line in data]
        for replica in range(max(map(len, singles))):
            own = column([single[replica] if replica < len(single) else None for single in singles])
            ax.plot(places, own, dashes, color=color, lw=0.7, alpha=0.45)
        drawn: dict[str, Any] = {"lw": 2, "marker": marker, "ms": _size(data, 4), "zorder": 3}
        numbers = column([line.get(name) for line in data])
        handles += ax.plot(places, numbers, dashes, color=color, label=name.replace("_", " "), **drawn)
    if seen and min(seen) > 0 and max(seen) > DECADE * min(seen):
        ax.set_yscale("log")
        error_axis(ax, seen)
    if mark is not None:
        ax.axvline(places[mark], color=VALIDATION_COLOR, ls=":", lw=1.2, zorder=1)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    ax.set_xlabel(x)
    ax.grid(True, lw=0.5, alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.3)
    return ax


def _size(data: Sequence[Mapping[str, Any]], size: float) -> float:
    return size if len(data) <= MARKED_EPOCHS else 0


def error_axis(ax: Axes, errors: Sequence[float]) -> None:
    """Limit a logarithmic axis to errors, or other numbers: from one round number to another.

    Every 1, 2, 5 is labelled, or over many decades every 1.
    """
    low, high = (min(errors), max(errors)) if errors else (0.1, 100.0)
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    steps = (1, 2, 5) if high < MANY * low else (1,)
    rounds = [float(f"{step}e{decade}") for decade in decades for step in steps]
    bottom = max(tick for tick in rounds if tick <= low)
    top = min(tick for tick in rounds if tick >= high and tick > bottom)
    ax.set_ylim(bottom * 0.93, top * 1.07)
    ax.yaxis.set_major_locator(FixedLocator([tick for tick in rounds if bottom <= tick <= top]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
