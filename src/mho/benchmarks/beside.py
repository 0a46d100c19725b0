"""Contestants beside plain torch: what the suites of training steps hand over of their times."""

from __future__ import annotations

from typing import Any, TypedDict

from mho.benchmarks.results import Chart, Line, Table, digits, span
from mho.benchmarks.timing import Samples

TORCH, AIHWKIT = "plain torch", "aihwkit"
Times = dict[str, dict[str, Samples]]
"""Microseconds an example, by row and by contestant; each row has TORCH."""


class Found(TypedDict):
    """Arguments of a `Result`."""

    records: tuple[dict[str, Any], ...]
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...]


def beside_torch(times: Times, *, row: str, example: str, note: str = "") -> Found:
    """Return records, a table and a chart of times with their ratios to plain torch.

    Args:
        times: times of all contestants.
        row: what a row is, "spec" or "load".
        example: what is trained on in a step, "image" or "example".
        note: what a reader of the table must know besides.
    """
    records = tuple(_record(name, who, taken, row, example) for name, taken in times.items() for who in taken)
    return {"records": records, "tables": (_table(times, row, example, note),), "charts": (_chart(times),)}


def _record(name: str, who: str, taken: dict[str, Samples], row: str, example: str) -> dict[str, Any]:
    record: dict[str, Any] = {row: name, "contestant": who}
    record |= taken[who].record(f"us_an_{example}") | taken[who].over(taken[TORCH]).record("ratio")
    if AIHWKIT in taken:
        record |= taken[AIHWKIT].over(taken[who]).record("times_faster_than_aihwkit")
    return record


def _table(times: Times, row: str, example: str, note: str) -> Table:
    rows: list[tuple[str, ...]] = []
    has_peer = any(AIHWKIT in taken for taken in times.values())
    for name, taken in times.items():
        for who, samples in taken.items():
            ratio = samples.over(taken[TORCH])
            extremes = f"{digits(min(ratio.values))} to {digits(max(ratio.values))}"
            cells = (name, who, span(samples), digits(ratio.median), extremes)
            peer = digits(taken[AIHWKIT].over(samples).median) if AIHWKIT in taken else ""
            rows.append((*cells, peer) if has_peer else cells)
    columns = (row, "contestant", f"µs an {example} (quartiles)", "ratio to torch", "smallest to largest")
    return Table(
        title=f"Microseconds an {example}",
        columns=(*columns, "times faster than aihwkit") if has_peer else columns,
        rows=tuple(rows),
        names=2,
        note=f"Medians over rounds.{f' {note}' if note else ''}",
    )


def _chart(times: Times) -> Chart:
    names = list(dict.fromkeys(who for taken in times.values() for who in taken if who != TORCH))
    lines = (
        Line(
            label=who,
            x=tuple(name for name, taken in times.items() if who in taken),
            y=tuple(taken[who].over(taken[TORCH]) for taken in times.values() if who in taken),
        )
        for who in names
    )
    return Chart(
        title="Time of a training step relative to plain torch",
        x_label="",
        y_label="ratio to plain torch",
        lines=tuple(lines),
        bars=True,
        target=(1.0, "plain torch"),
    )
