"""Figures as functions (data, ax) -> ax; they draw on the axes given and touch nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from mho.training import best_line
from mho.training.tasks import Chance

TEST_COLOR = "#0a5fb4"
TRAIN_COLOR = "#b4500a"
VALIDATION_COLOR = "#2a7d4f"
REPLICA_COLOR = "#808080"
FLOAT_COLOR = "#7a4fb0"
NAMED = ("#0a5fb4", "#b4500a", "#2a7d4f", "#c2407a", "#b8860b", "#2f8f9d", "#8c6d5a", "#7f8c2a")
"""Colours of replicas that differ in a value; the first three are those of the page."""
NARROW = 5.0
"""Inches of a figure below which long names stand below one another."""
MANY = 1e4
"""Errors that span this factor have labels at powers of ten only."""
DECADE = 10.0
BAND = 0.1
"""Share of the largest error that a linear axis spans at least: a test of some hundred examples tells no less apart."""
LINEAR_BELOW = 3.0
"""Errors that span less than this factor are drawn on a linear axis."""
MARKED_EPOCHS = 40
"""Up to so many epochs each point has a marker."""
CURVES = {
    "test": (TEST_COLOR, "-", "o"),
    "validation": (VALIDATION_COLOR, "-.", "^"),
    "train": (TRAIN_COLOR, "--", "s"),
}
"""Colour, dashes and marker of the numbers of each part of the data."""
TWIN: dict[str, Any] = {
    "color": FLOAT_COLOR,
    "ls": (0, (4, 1, 1, 1)),
    "lw": 1.8,
    "marker": "D",
    "label": "floating point",
}
"""How the test of the same network in floating point is drawn."""


def error_curves(
    data: Sequence[Mapping[str, Any]],
    ax: Axes,
    *,
    measure: str = "error",
    names: Sequence[str] = (),
    chance: float | None = None,
    twin: Sequence[Mapping[str, Any]] = (),
) -> Axes:
    """Test and train error [%], and that of validation, against epochs, on a logarithmic axis where errors span much.

    With replicas, each is a thin line and their mean a thick line; with names, the test error of each is a line of its
    own colour, and no mean is drawn. Errors of 0 leave the axis at the bottom. A dotted
    line marks the epoch of the lowest validation error.

    Args:
        data: the lines of metrics.jsonl: `epoch`, `test_error`, `train_error`, with validation `validation_error`, and
            with replicas `test_error_replicas`, ...
        ax: where to draw; its legend stands above it.
        measure: what the errors are, for the axis.
        names: of the replicas, where they differ in a value.
        chance: error of guessing [%]; None: no line.
        twin: the lines of metrics.jsonl of the same network in floating point, whose test errors are drawn.
    """
    epochs = [line["epoch"] for line in data]
    seen: list[float] = []
    replicas = False
    handles: list[Line2D] = []
    best = best_line(data)
    for replica, name in enumerate(names):
        own = [line["test_error_replicas"][replica] for line in data]
        seen += own
        handles += ax.plot(
            epochs, own, color=NAMED[replica % len(NAMED)], lw=1.8, marker="o", ms=_size(data, 3), label=name
        )
    for name, (color, dashes, marker) in CURVES.items():
        if names or (name == "validation" and best is None):
            continue
        errors = [line[f"{name}_error"] for line in data]
        singles: list[Sequence[float]] = [line.get(f"{name}_error_replicas") or () for line in data]
        seen += errors
        if singles and all(singles):
            replicas = True
            for replica, curve in enumerate(zip(*singles, strict=True)):
                thin: dict[str, Any] = {"lw": 0.7, "alpha": 0.45, "label": f"_{name}, replica {replica}"}
                ax.plot(epochs, curve, dashes, color=color, marker=marker, ms=_size(data, 2), **thin)
                seen += curve
        handles += ax.plot(
            epochs, errors, dashes, color=color, lw=2, marker=marker, ms=_size(data, 4), label=name, zorder=3
        )
    if replicas:
        handles.append(Line2D([], [], color=REPLICA_COLOR, lw=0.7, label="one replica"))
    if twin:
        errors = [line["test_error"] for line in twin]
        seen += errors
        handles += ax.plot([line["epoch"] for line in twin], errors, **TWIN, ms=_size(twin, 4))
    if chance is not None:
        seen.append(chance)
        handles.append(ax.axhline(chance, color=REPLICA_COLOR, ls=(0, (1, 2)), lw=1.5, zorder=1, label="chance"))
    if best is not None:
        ax.axvline(epochs[best], color=VALIDATION_COLOR, ls=":", lw=1.2, zorder=1)
    positive = [error for error in seen if error > 0]
    if len(positive) < len(seen):
        ax.set_yscale("log", nonpositive="clip")
        error_axis(ax, positive)
    else:
        error_scale(ax, positive, least=BAND)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    if epochs:
        ax.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    ax.set_xlabel("epoch")
    ax.set_ylabel(f"{measure} (%)")
    ax.grid(True, lw=0.5, alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    _legend_above(ax, handles)
    return ax


def loss_curves(
    data: Sequence[Mapping[str, Any]],
    ax: Axes,
    *,
    units: Mapping[str, str],
    chance: Chance | None = None,
    twin: Sequence[Mapping[str, Any]] = (),
) -> Axes:
    """Losses of training, validation and test against epochs, with an axis for each unit that they are measured in.

    Args:
        data: the lines of metrics.jsonl: `train_loss`, `test_loss`, ...
        ax: where to draw; its legend stands above it.
        units: words of the units by the names of the numbers: {"loss": "nats per character", "bits": ...}; the
            second is the first times a factor, as the last line has it, and has the axis on the right.
        chance: whose loss is a dotted line.
        twin: the lines of the same network in floating point, whose test losses are drawn.
    """
    parts = [name for name in ("train_loss", "validation_loss", "test_loss") if all(name in line for line in data)]
    places = [line["epoch"] for line in data]
    history_curves(data, ax, names=parts, places=places, mark=best_line(data), logarithmic=False)
    handles, _ = ax.get_legend_handles_labels()
    if twin:
        handles += ax.plot(
            [line["epoch"] for line in twin], [line["test_loss"] for line in twin], **TWIN, ms=_size(twin, 4)
        )
    if chance is not None and "loss" in chance.numbers:
        style: dict[str, Any] = {"color": REPLICA_COLOR, "ls": (0, (1, 2)), "lw": 1.5, "zorder": 1}
        handles.append(ax.axhline(chance.numbers["loss"], **style, label="chance"))
    ax.set_ylabel(units["loss"])
    for name, words in units.items():
        factor = data[-1][f"test_{name}"] / data[-1]["test_loss"]
        if name != "loss" and math.isfinite(factor):
            right = ax.secondary_yaxis("right", functions=(partial(_times, factor), partial(_times, 1 / factor)))
            right.set_ylabel(words)
    _legend_above(ax, handles)
    return ax


def _legend_above(ax: Axes, handles: Sequence[Artist]) -> None:
    """Draw a legend above the axes, in as many columns as its names allow."""
    columns = 3 if len(handles) < 4 else 2
    figure, longest = ax.figure, max((len(str(handle.get_label())) for handle in handles), default=0)
    if figure is not None and figure.bbox.width / figure.dpi < NARROW and longest * columns > 30:
        columns = 1
    ax.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False,
        borderaxespad=0.3, columnspacing=1.2, handlelength=2.2,
    )  # fmt: skip


def _times(factor: float, values: Any) -> Any:
    return factor * values


def history_curves(
    data: Sequence[Mapping[str, Any]],
    ax: Axes,
    *,
    names: Sequence[str],
    places: Sequence[float],
    x: str = "epoch",
    mark: int | None = None,
    logarithmic: bool = True,
) -> Axes:
    """Numbers of a history against its lines; on a logarithmic axis where they are positive and span a decade.

    Args:
        data: the lines; what a line lacks, or has as no finite number, is left out. Lists NAME_replicas are thin lines.
        ax: where to draw; its legend stands above it.
        names: of the numbers that are drawn; train_, validation_ and test_ have colours of their own.
        places: of the lines, on the x axis.
        x: label of the x axis.
        mark: place in `data` of a line that a dotted line marks.
        logarithmic: whether the axis of positive numbers that span a decade is.
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
            label = f"_{name.replace('_', ' ')}, replica {replica}"
            ax.plot(places, own, dashes, color=color, lw=0.7, alpha=0.45, label=label)
        drawn: dict[str, Any] = {"lw": 2, "marker": marker, "ms": _size(data, 4), "zorder": 3}
        numbers = column([line.get(name) for line in data])
        handles += ax.plot(places, numbers, dashes, color=color, label=name.replace("_", " "), **drawn)
    if logarithmic and seen and min(seen) > 0 and max(seen) > DECADE * min(seen):
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


def error_scale(ax: Axes, errors: Sequence[float], *, least: float = 0.0) -> None:
    """Set a logarithmic axis for errors above 0 that span much, and for no errors at all; else a linear axis.

    Args:
        ax: the axes.
        errors: that are drawn.
        least: span of a linear axis at least, as a share of the largest error.
    """
    if not errors or (min(errors) > 0 and max(errors) / min(errors) >= LINEAR_BELOW):
        ax.set_yscale("log", nonpositive="clip")
        error_axis(ax, errors)
        return
    low, high = min(errors), max(errors)
    room = max(0.06 * (high - low) or 0.5, (least * high - (high - low)) / 2)
    ax.set_ylim(max(low - room, -0.02 * high), high + room)
    ax.yaxis.set_major_locator(MaxNLocator(6))


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
