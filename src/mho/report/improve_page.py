"""Page of mho device improve: gains of improvements, as a self-contained HTML page, and its figure."""

from __future__ import annotations

from matplotlib.axes import Axes

from mho.diagnosis.cures import on_command_line
from mho.diagnosis.questions import IMPROVEMENT
from mho.report.figures import REPLICA_COLOR, TEST_COLOR, TRAIN_COLOR
from mho.report.question_page import WIDTHS, question_page, row_figure
from mho.runs.gains import Gains, Tried

HEAD, ROW = 0.9, 0.32
"""Inches of the figure without rows, and of each row."""


def improve_page(gains: Gains, *, subject: str, command: str, version: str) -> str:
    """Return the page of gains.

    Args:
        gains: of `mho.improve`.
        subject: what the user called the device or the run.
        command: what the user typed.
        version: of mho.
    """
    return question_page(
        "improve.html",
        question=IMPROVEMENT,
        subject=subject,
        sentence=gains.sentence,
        version=version,
        command=command,
        headlines=gains.headlines,
        figure=row_figure(
            lambda ax: forest(gains, ax),
            height=HEAD + ROW * max(len(gains.tried), 1),
            name="gains",
            label="Gain of each improvement in points of test error; the numbers are in the table",
        ),
        rows="Improvements",
        gains=gains,
        typed=_typed,
    )


def _typed(row: Tried) -> str:
    """Return the change, and the rate at which its gain was measured, as a shell takes them for mho train."""
    return on_command_line((*row.settings, f"training.lr={row.rate:g}"))


def forest(data: Gains, ax: Axes) -> Axes:
    """Draw the gain of each improvement [points of test error]: a mark at its mean, a line over its 95 % interval.

    Args:
        data: of `mho.improve`.
        ax: axes that are drawn on; they are returned.
    """
    for place, row in enumerate(data.tried):
        if row.gain is None:
            continue
        color = TEST_COLOR if row.gain.is_gain else REPLICA_COLOR
        ax.plot([row.gain.low, row.gain.high], [place, place], color=color, lw=2, alpha=0.6, solid_capstyle="butt")
        ax.plot([row.gain.mean], [place], "o", color=color, ms=6)
    ax.axvline(0, color=TRAIN_COLOR, lw=1)
    ax.set_ylim(len(data.tried) - 0.5, -0.5)
    ax.set_yticks(range(len(data.tried)), [_folded(row.name, ax) for row in data.tried])
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("gain (points of test error)")
    ax.grid(True, axis="x", lw=0.5, alpha=0.25)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def _folded(name: str, ax: Axes) -> str:
    """Return a name on two lines where the figure is narrow."""
    import textwrap

    narrow = ax.get_figure().get_figwidth() <= WIDTHS["narrow"]  # type: ignore[union-attr]
    return "\n".join(textwrap.wrap(name, 24)) if narrow else name
