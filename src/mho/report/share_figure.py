"""Where conventional hardware and arrays spend their time, as a function (data, ax) -> ax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mho.hardware import NetworkTime
from mho.report.drawing import save
from mho.report.figures import TEST_COLOR, TRAIN_COLOR

HEIGHT = 0.38
"""Of a bar; a layer has two in a space of 1."""


def share_bars(data: Sequence[Mapping[str, Any]], ax: Axes) -> Axes:
    """Each layer's share [%] of the multiply-accumulates beside its share of the time on arrays, as bars.

    Args:
        data: one mapping a layer, from the first to the last: `layer`, `macs` and `time`, shares from 0 to 1.
        ax: where to draw; its legend stands above it.
    """
    places = range(len(data))
    for name, label, color, side in (
        ("macs", "multiply-accumulates, which conventional hardware's time follows", TRAIN_COLOR, -1),
        ("time", "time on arrays, T·t_meas", TEST_COLOR, 1),
    ):
        shares = [100 * row[name] for row in data]
        where = [place + side * HEIGHT / 2 for place in places]
        bars = ax.barh(where, shares, HEIGHT, color=color, label=label)
        ax.bar_label(bars, [share_text(share) for share in shares], padding=2, fontsize="small")
    ax.set_yticks(list(places), [row["layer"] for row in data])
    ax.set_ylim(len(data) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    most = max((100 * row[name] for row in data for name in ("macs", "time")), default=100.0)
    ax.set_xlim(0, most * 1.12)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.set_xlabel("share of all layers (%)")
    ax.grid(True, axis="x", lw=0.5, alpha=0.25)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, borderaxespad=0.3)
    return ax


def share_text(share: float) -> str:
    """Per cent for a reader: 39 %, 4.2 %, < 0.1 %."""
    if 0 < share < 0.1:
        return "< 0.1"
    return f"{share:.0f}" if share >= 9.95 else f"{share:.1f}"


def save_shares(name: str, time: NetworkTime, path: Path) -> None:
    """Draw `share_bars` of a network into a file whose ending names its kind."""
    data = [
        {"layer": layer.row.layer, "macs": time.share_of_macs(layer), "time": time.share_of_time(layer)}
        for layer in time.layers
    ]

    def draw(ax: Axes) -> None:
        share_bars(data, ax)
        ax.set_title(f"{name}: where the time goes", loc="left", pad=42)

    save(draw, path, size=(7.0, 1.6 + 0.42 * len(data)))
