"""Tables and the chart of the suite update."""

from __future__ import annotations

from typing import Any

from mho.benchmarks.loads import ACTIVE, LENGTH, POOLED, Case
from mho.benchmarks.results import Chart, Line, Table, digits, percent, span
from mho.benchmarks.roofs import NOTE, SHARES, share_words
from mho.benchmarks.timing import Samples

POOLED_ROWS = f", {percent(POOLED)} of δ not zero"


def _name(row: dict[str, Any]) -> str:
    pooled = POOLED_ROWS if row.get("driven_rows", 1.0) < 1 else ""
    return str(Case(row["rows"], row["columns"], row["vectors"])) + pooled


def main_table(rows: list[dict[str, Any]]) -> Table:
    return Table(
        title=f"Update, BL = {LENGTH}",
        columns=("array", "ns a pair (quartiles)", *SHARES),
        rows=tuple((_name(row), span(Samples(tuple(row["ns_a_pair_samples"]))), *share_words(row)) for row in rows),
        note=(
            f"{NOTE} Bytes: each cache line with a coincidence once, its weights back, and the pulse trains. "
            "Operations: two a pair, 60 a coincidence, 10 a slot of a line."
        ),
    )


def parts_table(parts: list[dict[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for row in parts for name in row["ns_a_pair_by_kernel"]))
    return Table(
        title="Nanoseconds a pair by kernel",
        columns=("array", *names),
        rows=tuple((_name(row), *(digits(row["ns_a_pair_by_kernel"][name]) for name in names)) for row in parts),
        note="trains draws the pulses, update moves the cross-points, count_on counts the vectors; what Python adds is "
        "not here.",
    )


def narrow_table(rows: list[dict[str, Any]]) -> Table:
    return Table(
        title="Without AVX-512",
        columns=("array", "ns a pair with AVX2 only", "ratio to this machine's own", "smallest to largest"),
        rows=tuple(
            (
                _name(r),
                digits(r["ns_a_pair"]),
                digits(r["ratio"]),
                f"{digits(r['ratio_min'])} to {digits(r['ratio_max'])}",
            )
            for r in rows
        ),
    )


def bars(rows: list[dict[str, Any]]) -> Chart:
    full = [row for row in rows if row["driven_rows"] == 1.0]
    return Chart(
        title=f"Update: {percent(ACTIVE)} active pairs, BL = {LENGTH}",
        x_label="",
        y_label="ns per (weight, vector) pair",
        lines=(
            Line(
                label="update",
                x=tuple(map(_name, full)),
                y=tuple(Samples(tuple(row["ns_a_pair_samples"])) for row in full),
            ),
        ),
        bars=True,
    )
