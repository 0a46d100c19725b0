"""A paper and our results as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mho.files import write_atomically
from mho.papers.page_figures import drawings
from mho.papers.page_rows import COUNTED, across_rows, array_rows, curve_row, picture_rows
from mho.papers.paper import Paper
from mho.papers.records import Record
from mho.papers.shown import MARKS, UNAVAILABLE
from mho.papers.verdicts import Verdict, judge
from mho.report.template import duration, render

DRAWN = 2
"""Curves that a figure of several must have to be drawn: one alone compares nothing."""
KINDS = {
    "results": "",
    "quick": "A quick training: few images and epochs. Only checks that it can show are made.",
    "trial": "A trial on a part of the images: there are no verdicts.",
}


def write_paper_page(paper: Paper, records: Mapping[str, Record], file: Path, *, kind: str = "results") -> Path:
    """Write the page of a paper; the same results give the same bytes.

    Args:
        paper: the paper.
        records: our results by curve; figures with fewer than two of their curves are named and not drawn.
        file: the page, replaced at once or not at all.
        kind: "results", "quick" or "trial", as `Scale.kind`.

    Returns:
        The path of the page.
    """
    write_atomically(file, _render(paper, records, kind).encode())
    return file


def _render(paper: Paper, records: Mapping[str, Record], kind: str) -> str:
    expected = paper.expected
    known = {name: record for name, record in records.items() if name in expected.curves}
    last = paper.epochs(kind)
    verdicts = {one.curve: one for one in judge(expected, known, list(expected.curves), kind=kind, last=last)}
    windows = {name: _window(paper, name, last[name], known.get(name), kind) for name in expected.curves}
    figures, missing = [], []
    for name, figure in expected.figures.items():
        if sum(curve in known for curve in figure.curves) < min(DRAWN, len(figure.curves)):
            missing.append((name, figure.title))
            continue
        rows = [
            curve_row(paper, figure, verdicts[curve], known.get(curve), windows[curve], kind) for curve in figure.curves
        ]
        drawn = drawings(paper, name, known, windows, compared=kind == "results")
        figures.append((name, figure, drawn, rows, across_rows(paper, figure, known, windows)))
    return render(
        "paper.html",
        paper=paper,
        note=KINDS[kind],
        unavailable="" if expected.numbers_available else UNAVAILABLE,
        whole=kind == "results",
        headlines=_headlines(list(verdicts.values()), known),
        figures=figures,
        missing=missing,
        counted=COUNTED,
        arrays=array_rows(paper, known),
        pictures=picture_rows(paper, known),
        marks=MARKS,
        records=known,
        labels={name: curve.label for name, curve in expected.curves.items()},
        specs={name: paper.study(name).specification() for name in known},
    )


def _window(paper: Paper, curve: str, last: int, record: Record | None, kind: str) -> tuple[int, int]:
    """Return the epochs of a curve's mean; of a trial its last."""
    if kind == "trial" and record is not None:
        last = max(map(len, record.seeds.values()), default=last)
        return last, last
    return paper.expected.window(last, kind)


def _headlines(verdicts: Sequence[Verdict], records: Mapping[str, Record]) -> list[tuple[str, str, str]]:
    """Return numbers, each with what it is and a remark."""
    judged = [verdict for verdict in verdicts if verdict.kept is not None]
    off = [verdict.expected.label for verdict in judged if not verdict.kept]
    seeds = [len(record.seeds) for record in records.values()]
    spent = sum(line["seconds"] for record in records.values() for lines in record.seeds.values() for line in lines)
    span = "" if not seeds else f"{min(seeds)}" if min(seeds) == max(seeds) else f"{min(seeds)} to {max(seeds)}"
    return [
        (f"{len(judged) - len(off)} of {len(judged)}", "verdicts kept", ("off: " + "; ".join(off)) if off else ""),
        (f"{len(records)} of {len(verdicts)}", "curves trained", ""),
        (span or "–", "seeds a curve", ""),
        (duration(spent), "training time", "sum over runs, without tests"),
    ]
