"""Page of mho device advise: learning rules on a device, as a self-contained HTML page, and its figure."""

from __future__ import annotations

import statistics

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from mho.diagnosis import Advice
from mho.diagnosis.questions import RULE
from mho.report.figures import REPLICA_COLOR, TEST_COLOR, TRAIN_COLOR
from mho.report.question_page import WIDTHS, question_page, row_figure

HEAD, ROW = 1.2, 0.3
"""Inches of the figure without rules, and of each rule."""
SIDE = 0.16
"""How far the two errors of a rule are from the middle of its row."""
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)


def advice_page(advice: Advice, *, device: str, command: str, version: str, device_toml: str) -> str:
    """Return the page of an advice; only its seconds depend on the machine.

    Args:
        advice: of `mho.advise`.
        device: what the user called the device.
        command: what the user typed.
        version: of mho.
        device_toml: the device as a file.
    """
    return question_page(
        "advice.html",
        question=RULE,
        subject=device,
        sentence=advice.sentence,
        version=version,
        command=command,
        headlines=advice.headlines,
        figure=row_figure(
            lambda ax: errors_of_rules(advice, ax),
            height=HEAD + ROW * len(advice.learned),
            name="rules",
            label="Errors of the rules in per cent of the largest weight; the numbers are in the table",
        ),
        rows="Rules",
        advice=advice,
        written=statistics.fmean(advice.written),
        device_toml=device_toml,
    )


def errors_of_rules(data: Advice, ax: Axes) -> Axes:
    """Draw each rule's error [%], with exact and with wrong references: a line over the seeds, a mark at their mean.

    Args:
        data: of `mho.advise`.
        ax: axes that are drawn on; they are returned.
    """
    ax.set_xscale("log")
    seen = [error for rule in data.learned for error in (*rule.exact, *rule.error)]
    for place, rule in enumerate(data.learned):
        parts = [(rule.exact, -SIDE, TRAIN_COLOR, "o"), (rule.error, SIDE, TEST_COLOR, "s")]
        if not rule.referenced:
            parts = [(rule.error, 0.0, REPLICA_COLOR, "D")]
        for errors, side, color, marker in parts:
            ax.plot([min(errors), max(errors)], [place + side] * 2, color=color, lw=2, alpha=0.5, solid_capstyle="butt")
            ax.plot([statistics.fmean(errors)], [place + side], marker, color=color, ms=5)
    off = f"references off by {100 * data.reference_error:.3g} %"
    for name, color, marker in (
        ("exact references", TRAIN_COLOR, "o"),
        (off, TEST_COLOR, "s"),
        ("no references", REPLICA_COLOR, "D"),
    ):
        ax.plot([], [], marker, color=color, ms=5, label=name)
    ax.axvline(data.begins, color=REPLICA_COLOR, lw=1, ls=":")
    ax.set_xlim(0.8 * max(min(seen), TICKS[0]), 1.25 * max(*seen, data.begins))
    ax.set_ylim(len(data.learned) - 0.5, -0.5)
    ax.set_yticks(range(len(data.learned)), [rule.rule for rule in data.learned])
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(FixedLocator(TICKS))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xlabel("error (% of the largest weight)")
    ax.grid(True, lw=0.5, alpha=0.25)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    columns = 3 if ax.get_figure().get_figwidth() > WIDTHS["narrow"] else 1  # type: ignore[union-attr]
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, borderaxespad=0.3, columnspacing=1.2
    )
    return ax
