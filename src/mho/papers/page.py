"""A paper and our results as one HTML page that needs nothing but itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mho.errors import InvalidValue
from mho.files import write_atomically
from mho.intervals import MEANING
from mho.papers import PAPERS
from mho.papers.page_figures import drawings
from mho.papers.page_rows import COUNTED, across_rows, array_rows, curve_row, picture_rows
from mho.papers.paper import Paper
from mho.papers.records import Record, read_records
from mho.papers.shown import MARKS, UNAVAILABLE
from mho.papers.verdicts import Verdict, judge
from mho.report.template import render
from mho.text import duration

DRAWN = 2
"""Curves that a figure of several must have to be drawn: a curve alone compares nothing."""
HEAD = "reproduce.json"
"""The file of a folder of `mho reproduce` that names its paper."""
PAGES = {"results": "report.html", "trial": "trial.html", "quick": "quick.html"}
"""The page of each kind of results."""
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


def is_reproduction(folder: Path) -> bool:
    """Return whether a folder is one of `mho reproduce`."""
    return (folder / HEAD).is_file()


def write_reproduction_page(folder: Path) -> Path:
    """Write the page of a folder of `mho reproduce` anew: of whole trainings, else of trials, else of quick trainings.

    Returns:
        The path of the page.

    Raises:
        InvalidValue: if the folder names a paper that mho does not have, or has no results yet.
    """
    try:
        name = json.loads((folder / HEAD).read_text(encoding="utf-8"))["paper"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidValue(f"{folder / HEAD} is damaged ({error}); give another folder") from None
    if name not in PAPERS:
        raise InvalidValue(f"{folder} has results of {name!r}, which this mho does not reproduce")
    kind = next((kind for kind in PAGES if any((folder / kind).glob("*.jsonl"))), None)
    if kind is None:
        raise InvalidValue(f"{folder} has no results yet; train them with: mho reproduce {name} --out {folder}")
    return write_paper_page(PAPERS[name], read_records(folder / kind), folder / PAGES[kind], kind=kind)


def _render(paper: Paper, records: Mapping[str, Record], kind: str) -> str:
    expected = paper.expected
    known = {name: record for name, record in records.items() if name in expected.curves}
    last = paper.epochs(kind)
    verdicts = {one.curve: one for one in judge(expected, known, list(expected.curves), kind=kind, last=last)}
    windows = {name: _window(paper, name, last[name], known.get(name), kind) for name in expected.curves}
    figures, missing = [], []
    for name, figure in expected.figures.items():
        if sum(curve in known for curve in figure.curves) < min(DRAWN, len(figure.curves)):
            missing.append((name, expected.heading(name)))
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
        headings={name: expected.heading(name) for name in expected.figures},
        untrained=len(expected.curves) - len(known),
        meaning=MEANING,
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
    untrained = len(verdicts) - len(records)
    return [
        (f"{len(records)} of {len(verdicts)}", "curves trained", f"{untrained} not trained" if untrained else ""),
        (f"{len(judged) - len(off)} of {len(judged)}", "verdicts kept", ("off: " + "; ".join(off)) if off else ""),
        (span or "–", "seeds per curve", ""),
        (duration(spent), "training time", "sum over runs, without tests"),
    ]
