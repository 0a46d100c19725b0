"""A paper and our results as one HTML page that needs nothing but itself."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from markupsafe import Markup

from mho.files import write_atomically
from mho.papers.expected import MARKS, Check
from mho.papers.figures import Drawn, paper_figure
from mho.papers.paper import Paper
from mho.papers.records import Record
from mho.papers.sweep_figure import SweepLine, sweep_figure
from mho.papers.verdicts import Verdict, judge, seed_means
from mho.report.drawing import svg
from mho.report.template import duration, render

DRAWN = 2
"""Curves that a figure must have to be drawn: one alone compares nothing."""
LEGEND = 0.21
"""Inches that a line of the legend takes."""
COUNTED = {
    "pulses": "pulses an image",
    "coincidences": "coincidences an image",
    "saturated_probabilities": "saturated probabilities an image",
    "halvings": "bound-management rounds an image",
    "clipped_reads": "clipped reads an image",
}
KINDS = {
    "results": "",
    "quick": "A quick training: few images and epochs. Only checks that it can show are made.",
    "trial": "A trial on a part of the images: there are no verdicts.",
}


@final
@dataclasses.dataclass(frozen=True)
class Row:
    """A curve in the table below a figure: its verdict, with the checks that it was held to."""

    verdict: Verdict
    label: str
    checks: Sequence[Check]
    counts: Mapping[str, float | None]
    bound_share: float | None
    diagnosis: str
    seconds: float | None


def write_paper_page(paper: Paper, records: Mapping[str, Record], file: Path, *, kind: str = "results") -> Path:
    """Write the page of a paper; the same results give the same bytes.

    Args:
        paper: which.
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
    last = max((len(metrics) for record in known.values() for metrics in record.seeds.values()), default=0)
    judged = judge(expected, known, list(expected.curves), kind=kind, last=paper.epochs(kind))
    verdicts = {one.curve: one for one in judged}
    rows = {name: _row(paper, one, known.get(name), kind) for name, one in verdicts.items()}
    figures, missing = [], []
    for name, figure in expected.figures.items():
        if sum(curve in known for curve in figure.curves) < DRAWN:
            missing.append((name, figure.title))
            continue
        if figure.sweep is None:
            drawings = [_drawing(paper, name, known, kind, narrow=narrow) for narrow in (False, True)]
        else:
            window = expected.epochs if kind == "results" else (last, last)
            drawings = _sweep_drawings(paper, name, known, window)
        figures.append((name, figure.title, drawings, [rows[curve] for curve in figure.curves]))
    return render(
        "paper.html",
        paper=paper,
        note=KINDS[kind],
        epochs=expected.epochs if kind == "results" else None,
        headlines=_headlines(list(verdicts.values()), known),
        figures=figures,
        missing=missing,
        counted=COUNTED,
        arrays=_arrays(paper, known),
        marks=MARKS,
        records=known,
        labels={name: curve.label for name, curve in expected.curves.items()},
        specs={name: paper.study(name).specification() for name in known},
    )


def _drawing(paper: Paper, name: str, records: Mapping[str, Record], kind: str, *, narrow: bool) -> Markup:
    expected = paper.expected
    curves = expected.figures[name].curves
    data = [
        Drawn(
            expected.curves[curve].label,
            place,
            [[line["test_error"] for line in metrics] for metrics in records[curve].seeds.values()],
            expected.curves[curve].number,
        )
        for place, curve in enumerate(curves)
        if curve in records
    ]
    columns = 1 if narrow else 2
    lines = -(-len(data) // columns)
    return svg(
        lambda ax: paper_figure(data, ax, window=expected.epochs if kind == "results" else None, columns=columns),
        size=(3.8, 3.3 + LEGEND * lines) if narrow else (7.6, 3.7 + LEGEND * lines),
        name=f"figure-{name}-{'narrow' if narrow else 'wide'}",
        label=f"Test error in per cent against epochs, {expected.figures[name].title}; numbers in the table below",
        kind="narrow" if narrow else "wide",
    )


def _sweep_drawings(paper: Paper, name: str, records: Mapping[str, Record], window: tuple[int, int]) -> list[Markup]:
    """A figure of errors against a value, wide and narrow; none until a curve of it has come to its end."""
    expected, figure = paper.expected, paper.expected.figures[name]
    sweep = figure.sweep
    assert sweep is not None
    means = {curve: seed_means(records[curve], window) for curve in figure.curves if curve in records}
    inside = {curve for line in sweep.lines.values() for curve in line}
    levels = [curve for curve in figure.curves if curve not in inside]
    points: list[tuple[str, list[tuple[float | None, list[float]]]]] = [
        (
            label,
            [
                (value, means[curve])
                for curve, value in sorted(line.items(), key=lambda one: one[1])
                if means.get(curve)
            ],
        )
        for label, line in sweep.lines.items()
    ]
    points += [(expected.curves[curve].label, [(None, means[curve])] if means.get(curve) else []) for curve in levels]
    data = [SweepLine(label, place, line) for place, (label, line) in enumerate(points) if line]
    if not data:
        return []
    return [
        svg(
            lambda ax, columns=columns: sweep_figure(data, ax, axis=sweep.axis, log=sweep.log, columns=columns),  # type: ignore[misc]
            size=(width, height + LEGEND * -(-len(data) // columns)),
            name=f"figure-{name}-{kind}",
            label=f"Mean test error in per cent against {sweep.axis}, {figure.title}; numbers in the table below",
            kind=kind,
        )
        for kind, columns, width, height in (("wide", 2, 7.6, 3.7), ("narrow", 1, 3.8, 3.3))
    ]


def _row(paper: Paper, verdict: Verdict, record: Record | None, kind: str) -> Row:
    curve = verdict.expected
    checks = paper.expected.quick.get(verdict.curve, ()) if kind == "quick" else curve.checks
    if record is None:
        return Row(verdict, curve.label, checks, dict.fromkeys(COUNTED), None, "", None)
    sums: dict[str, int] = {}
    for layers in record.counters.values():
        for table in layers.values():
            for name, count in table.items():
                sums[name] = sums.get(name, 0) + count
    images = record.images * sum(len(metrics) for metrics in record.seeds.values())
    hits, steps = sums.get("bound_hits"), sums.get("coincidences")
    return Row(
        verdict,
        curve.label,
        checks,
        {name: sums[name] / images if name in sums else None for name in COUNTED},
        hits / steps if hits is not None and steps else None,
        _diagnosis(record),
        statistics.fmean(line["seconds"] for metrics in record.seeds.values() for line in metrics),
    )


def _diagnosis(record: Record) -> str:
    """The worst fault of each seed's diagnosis, each once."""
    told = []
    for found in record.diagnoses.values():
        faults = [f for f in found.get("findings", []) if f["fault"]]
        told.append(f"{faults[0]['check']} {faults[0]['array']}".strip() if faults else found.get("failed", "no fault"))
    return "; ".join(dict.fromkeys(told)) or "–"


def _arrays(paper: Paper, records: Mapping[str, Record]) -> list[dict[str, Any]]:
    """The arrays of the network; of each the curves in which several devices make a weight."""
    if not records:
        return []
    rows = []
    for place, array in enumerate(next(iter(records.values())).arrays):
        several: dict[int, list[str]] = {}
        for name, record in records.items():
            devices = record.arrays[place]["devices"]
            if devices > 1:
                several.setdefault(devices, []).append(paper.expected.curves[name].label)
        notes = [f"{devices} in {'; '.join(labels)}" for devices, labels in sorted(several.items())]
        macs = array["out"] * array["in"] * array["vectors"]
        rows.append({"layer": array["layer"], "out": array["out"], "in": array["in"], "vectors": array["vectors"]})
        rows[-1] |= {"macs": macs, "several": notes}
    return rows


def _headlines(verdicts: Sequence[Verdict], records: Mapping[str, Record]) -> list[tuple[str, str, str]]:
    """Number, what it is, and a remark."""
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
