"""The tables of a paper's page: a row per curve, a row per array, and the pictures."""

from __future__ import annotations

import base64
import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, final

from mho.arrays import ArrayRow
from mho.papers.checks import Check
from mho.papers.page_figures import across_means
from mho.papers.paper import Paper
from mho.papers.records import Record
from mho.papers.shown import Figure
from mho.papers.verdicts import Measured, Verdict, measure

COUNTED = {
    "pulses": "pulses per image",
    "coincidences": "coincidences per image",
    "saturated_probabilities": "saturated probabilities per image",
    "halvings": "bound-management rounds per image",
    "clipped_reads": "clipped reads per image",
}
"""Counters of the arrays that the page shows, with their headings."""


@final
@dataclasses.dataclass(frozen=True)
class Row:
    """A curve in the table below a figure.

    Attributes:
        verdict: on the curve.
        label: label of the curve.
        paper: what the paper says of it; a dash where the figure shows another quantity than is judged.
        measured: mean of the figure's quantity; None if the curve was not trained.
        judged: name of the quantity that is judged, where the figure shows another; else "".
        checks: that the verdict is held to.
        counts: counter to its mean an image; None where it was not counted.
        bound_share: share of pulse steps that a bound cut, or None.
        diagnosis: worst fault of each seed.
        seconds: mean of an epoch; None if the curve was not trained.
    """

    verdict: Verdict
    label: str
    paper: str
    measured: Measured | None
    judged: str
    checks: Sequence[Check]
    counts: Mapping[str, float | None]
    bound_share: float | None
    diagnosis: str
    seconds: float | None

    @property
    def counted(self) -> bool:
        """True if there is anything of what the arrays counted, or a diagnosis."""
        return self.diagnosis not in ("", "–") or any(count is not None for count in self.counts.values())


def curve_row(
    paper: Paper, figure: Figure, verdict: Verdict, record: Record | None, window: tuple[int, int], kind: str
) -> Row:
    """Return the row of a curve in a figure.

    Args:
        paper: the paper.
        figure: decides the quantity.
        verdict: on the curve.
        record: its results, or None.
        window: first and last epoch of its mean.
        kind: "results", "quick" or "trial", as `Scale.kind`.
    """
    curve = verdict.expected
    same = figure.quantity == curve.quantity
    measured = verdict.measured
    if record is not None and not same:
        measured = measure(record, window, figure.quantity)
    row = Row(
        verdict=verdict,
        label=curve.label,
        paper=paper.expected.paper(verdict.curve) if same else "–",
        measured=measured,
        judged="" if same else curve.quantity.label,
        checks=paper.expected.quick.get(verdict.curve, ()) if kind == "quick" else curve.checks,
        counts=dict.fromkeys(COUNTED),
        bound_share=None,
        diagnosis="",
        seconds=None,
    )
    if record is None:
        return row
    sums: dict[str, int] = {}
    for layers in record.counters.values():
        for table in layers.values():
            for name, count in table.items():
                sums[name] = sums.get(name, 0) + count
    images = record.images * sum(len(metrics) for metrics in record.seeds.values())
    hits, steps = sums.get("bound_hits"), sums.get("coincidences")
    return dataclasses.replace(
        row,
        counts={name: sums[name] / images if images and name in sums else None for name in COUNTED},
        bound_share=hits / steps if hits is not None and steps else None,
        diagnosis=_diagnosis(record),
        seconds=statistics.fmean(line["seconds"] for metrics in record.seeds.values() for line in metrics),
    )


def across_rows(
    paper: Paper, figure: Figure, records: Mapping[str, Record], windows: Mapping[str, tuple[int, int]]
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the numbers of a figure that goes across quantities: curve, and of each quantity ours and the paper's."""
    if figure.sweep is None or not figure.sweep.across:
        return []
    rows = []
    for name in [name for name in figure.curves if name in records]:
        cells = []
        for quantity in figure.sweep.across:
            found = across_means(figure, quantity, records[name], windows[name])
            number = paper.expected.curves[name].numbers.get(quantity)
            mean = statistics.fmean(found) if found else None
            ratio = f" (×{mean / number:.2f})" if mean is not None and number else ""
            cells.append(
                (
                    "–" if mean is None else figure.quantity.show(mean),
                    "" if number is None else f"paper {number:g}{ratio}",
                )
            )
        rows.append((name, cells))
    return rows


def _diagnosis(record: Record) -> str:
    """Return the worst fault of each seed's diagnosis, each once."""
    words = []
    for diagnosis in record.diagnoses.values():
        faults = [finding for finding in diagnosis.get("findings", []) if finding["fault"]]
        if faults:
            words.append(f"{faults[0]['check']} {faults[0]['array']}".strip())
        else:
            words.append(diagnosis.get("failed", "no fault"))
    return "; ".join(dict.fromkeys(words)) or "–"


def array_rows(paper: Paper, records: Mapping[str, Record]) -> list[dict[str, Any]]:
    """Return the arrays of the network; of each the curves in which several devices make a weight.

    Curves whose arrays have other shapes than those of the first curve are left out.
    """
    tables = {name: [ArrayRow.from_dict(array) for array in record.arrays] for name, record in records.items()}
    first = next((rows for rows in tables.values() if rows), [])
    shape = [(row.layer, row.out, row.inputs) for row in first]
    same = {name: rows for name, rows in tables.items() if [(row.layer, row.out, row.inputs) for row in rows] == shape}
    lines = []
    for place, row in enumerate(first):
        several: dict[int, list[str]] = {}
        for name, rows in same.items():
            if rows[place].devices > 1:
                several.setdefault(rows[place].devices, []).append(paper.expected.curves[name].label)
        notes = [f"{devices} in {'; '.join(labels)}" for devices, labels in sorted(several.items())]
        lines.append({"layer": row.layer, "out": row.out, "in": row.inputs, "vectors": row.vectors})
        lines[-1] |= {"macs": row.macs, "several": notes}
    return lines


def picture_rows(paper: Paper, records: Mapping[str, Record]) -> list[dict[str, str]]:
    """Return the pictures of all curves and seeds: curve, seed, caption, and the picture as a data address."""
    return [
        {
            "curve": paper.expected.curves[name].label,
            "seed": str(seed),
            "caption": paper.expected.captions.get(picture, picture),
            "data": f"data:image/png;base64,{base64.b64encode(content).decode()}",
        }
        for name, record in records.items()
        for seed, pictures in sorted(record.pictures.items())
        for picture, content in pictures.items()
    ]
