"""The comparison: which curves can stand beside each other, their final errors, and their differences."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, final

from mho.comparison.curve import ERROR, LOSS, Curve
from mho.comparison.sources import read_source
from mho.errors import InvalidValue, in_words, nearest
from mho.files import expanded, write_atomically
from mho.intervals import MEANING, Interval, interval

MOST = 32
"""So many curves have looks of their own."""
QUANTITIES = {"error": ERROR, "loss": LOSS}
FIGURES = (".png", ".svg", ".pdf")
SIZES = {"wide": (7.6, 3.7), "narrow": (3.8, 3.3)}
LEGEND = 0.21
"""Inches that a line of the legend takes."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """A curve less the first curve, in percentage points of error.

    Attributes:
        epoch: the last that both have.
        interval: over pairs of equal seeds; of curves that do not pair the difference of their means, without ends.
        pairs: number of equal seeds; 0 where curves do not pair.
        reason: why they do not.
    """

    epoch: int
    interval: Interval
    pairs: int
    reason: str = ""

    def __str__(self) -> str:
        found = self.interval
        return f"{found.mean:+.2f} {found.spread(_signed if found.count == 2 else _plain)}".rstrip()


def _signed(value: float) -> str:
    return f"{value:+.2f}"


def _plain(value: float) -> str:
    return f"{value:.2f}"


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Curves that can stand beside each other.

    Attributes:
        curves: the first is what the others are compared with.
        notes: what differs between them beside the errors, a sentence each.
        measure: what the errors are, in words.
    """

    curves: tuple[Curve, ...]
    notes: tuple[str, ...]
    measure: str

    @property
    def differences(self) -> list[Difference | None]:
        """Return each curve less the first; None for the first."""
        return [None, *(_difference(curve, self.curves[0]) for curve in self.curves[1:])]

    def to_dict(self) -> dict[str, Any]:
        """Return curves, final errors, differences and notes, in values that JSON has."""
        rows = []
        for curve, difference in zip(self.curves, self.differences, strict=True):
            row: dict[str, Any] = {"label": curve.label, "source": curve.source, "seeds": len(curve.seeds)}
            row |= {"epoch": curve.last, "test_error": _ends(curve.final)}
            if difference is not None:
                row["difference"] = _ends(difference.interval) | {"epoch": difference.epoch, "pairs": difference.pairs}
                row["difference"] |= {"not_paired": difference.reason} if difference.reason else {}
            rows.append(row)
        return {"curves": rows, "compared_with": self.curves[0].label, "notes": list(self.notes)}

    def to_csv(self) -> str:
        """Return final errors and differences, a row per curve."""
        names = ["curve", "seeds", "epoch", "test_error", "low", "high"]
        names += ["difference", "difference_low", "difference_high", "difference_epoch", "pairs"]
        rows = []
        for curve, difference in zip(self.curves, self.differences, strict=True):
            final = curve.final
            row: list[Any] = [curve.label, len(curve.seeds), curve.last, final.mean, final.low, final.high]
            if difference is not None:
                found = difference.interval
                row += [found.mean, found.low, found.high, difference.epoch, difference.pairs]
            rows.append(row + [None] * (len(names) - len(row)))
        return _csv(names, rows)

    def curves_csv(self) -> str:
        """Return every epoch of every seed of every curve; `mho compare` reads it again."""
        rows = [
            [curve.label, seed, line["epoch"], line.get(ERROR), line.get(LOSS)]
            for curve in self.curves
            for seed, lines in curve.seeds.items()
            for line in lines
        ]
        return _csv(["curve", "seed", "epoch", ERROR, LOSS], rows)

    def draw(self, ax: Any, *, quantity: str = "error") -> Any:
        """Draw the curves on axes of matplotlib.

        Args:
            ax: where to draw.
            quantity: "error", or "loss", of training.

        Raises:
            InvalidValue: for another quantity.
        """
        from mho.comparison.figures import curves_over_epochs

        if quantity not in QUANTITIES:
            raise InvalidValue(f"no quantity {quantity!r}{nearest(quantity, QUANTITIES)}")
        label = f"test {self.measure} (%)" if quantity == "error" else "training loss"
        return curves_over_epochs(self.curves, ax, name=QUANTITIES[quantity], label=label)

    @property
    def quantities(self) -> list[str]:
        """Return what can be drawn: the error, and the loss where two curves have it."""
        return ["error", *(["loss"] if sum(curve.has(LOSS) for curve in self.curves) > 1 else [])]

    def write(self, out: str | os.PathLike[str], *, style: str = "page", width: float | None = None) -> list[Path]:
        """Write the comparison.

        Args:
            out: a file whose ending says what it gets: .png, .svg, .pdf: the error curves; .csv: every epoch. Or a
                folder, which gets the page report.html, both tables as CSV, and each figure.
            style: style of figures, "page" or "paper".
            width: width of figures in inches; None: that of the style.

        Returns:
            The files, each replaced at once or not at all.

        Raises:
            InvalidValue: for another ending, style or width, or a folder that does not exist.
        """
        from mho.report.gallery import Picture, picture_bytes
        from mho.report.styles import find_style

        path, look = expanded(out), find_style(style, width)
        kind = path.suffix.lower()
        if path.is_dir() or not kind:
            return self._write_folder(path, style, width)
        if kind not in (*FIGURES, ".csv"):
            raise InvalidValue(f"{path} has the ending {kind}; give .png, .svg, .pdf or .csv, or a folder")
        if not path.parent.is_dir():
            raise InvalidValue(f"{path} cannot be written: there is no folder {path.parent}")
        if kind == ".csv":
            write_atomically(path, self.curves_csv().encode())
        else:
            sizes = {name: self._size(name) for name in SIZES}
            picture = Picture(self.draw, sizes["wide"], (self.draw, sizes["narrow"]))
            write_atomically(path, picture_bytes(picture, kind[1:], look)[0])
        return [path]

    def page(self) -> str:
        """Return the comparison as one HTML page that needs nothing but itself."""
        from mho.report.drawing import svg
        from mho.report.template import render

        figures = [
            (
                "Error" if quantity == "error" else "Training loss",
                [
                    svg(
                        partial(self.draw, quantity=quantity),
                        size=self._size(kind),
                        name=f"{quantity}-{kind}",
                        kind=kind,
                        label=f"Test error or loss of {len(self.curves)} curves against epochs; numbers in curves.csv",
                    )
                    for kind in SIZES
                ],
            )
            for quantity in self.quantities
        ]
        return render(
            "comparison.html",
            title=f"{len(self.curves)} curves",
            measure=self.measure,
            figures=figures,
            rows=list(zip(self.curves, self.differences, strict=True)),
            first=self.curves[0].label,
            notes=self.notes,
            meaning=MEANING,
        )

    def _write_folder(self, folder: Path, style: str, width: float | None) -> list[Path]:
        from mho.report.gallery import gallery

        folder.mkdir(parents=True, exist_ok=True)
        with gallery() as pictures:
            page = self.page()
        files = {"report.html": page, "final.csv": self.to_csv(), "curves.csv": self.curves_csv()}
        for name, text in files.items():
            write_atomically(folder / name, text.encode())
        figures = pictures.save(folder, format="svg" if style == "page" else "pdf", style=style, width=width)
        return [*(folder / name for name in files), *figures]

    def _size(self, kind: str) -> tuple[float, float]:
        """Return the size of a figure, with room for its legend."""
        from mho.comparison.figures import legend_lines

        width, height = SIZES[kind]
        return width, height + LEGEND * legend_lines(self.curves, width)


@in_words
def compare(*sources: str | os.PathLike[str], labels: Mapping[str, str] | None = None) -> Comparison:
    """Put curves of several trainings beside each other; the first is what the others are compared with.

    Args:
        sources: folders of runs, of sweeps (each point is a curve; FOLDER:3 is point 3, FOLDER:best that of the lowest
            error, or those of a tie) or of `mho reproduce`; a paper's committed curves, "gokmen_2017:nm_bm" or
            "gokmen_2017"; a metrics.jsonl; a CSV with a column `epoch` and one or several of errors in per cent.
        labels: name of a source to the label of its curve, or to the beginning of the labels of its several curves.

    Returns:
        The comparison: final errors with intervals, differences, paired where seeds pair, and what differs otherwise.

    Raises:
        InvalidValue: naming every source that cannot be read; or for curves of other data or another measure, which
            cannot stand beside each other, and for more than 32.
    """
    if not sources:
        raise InvalidValue("nothing to compare; give the folders of two runs, or a run and a paper's curve")
    curves, faults = list[Curve](), list[str]()
    for source in map(str, sources):
        try:
            found = read_source(source)
        except InvalidValue as error:
            faults += error.faults
            continue
        label = (labels or {}).get(source)
        if label is not None:
            named = (
                [label]
                if len(found) == 1
                else [f"{label}: {curve.label.partition(': ')[2] or curve.label}" for curve in found]
            )
            found = [dataclasses.replace(curve, label=name) for curve, name in zip(found, named, strict=True)]
        curves += found
    faults += _faults(curves)
    if faults:
        raise InvalidValue("; ".join(faults), faults)
    measure = next((curve.origin.measure for curve in curves if curve.origin.measure), "error")
    return Comparison(curves=_labelled(curves), notes=tuple(_notes(curves)), measure=measure)


def _faults(curves: Sequence[Curve]) -> list[str]:
    """Return why curves cannot stand beside each other."""
    faults = []
    for what, name in (("data", "data"), ("measures", "measure")):
        found: dict[str, list[str]] = {}
        for curve in curves:
            value = getattr(curve.origin, name)
            if value is not None:
                found.setdefault(value, []).append(curve.label)
        if len(found) > 1:
            each = "; ".join(f"{value}: {_some(labels)}" for value, labels in found.items())
            faults.append(f"errors on other {what} cannot be compared ({each}); name only curves of the same {what}")
    if len(curves) > MOST:
        faults.append(f"{len(curves)} curves, and a figure tells {MOST} apart; name points of a sweep as FOLDER:NUMBER")
    return faults


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")


def _labelled(curves: Sequence[Curve]) -> tuple[Curve, ...]:
    """Return curves with labels that are all different: what comes again has its source in it, or a number.

    A beginning that all have, such as the folder of a sweep, is left out.
    """
    begins = {
        curve.label[: found.end()] if (found := re.match(r"[^,:]+[,:] ", curve.label)) else "" for curve in curves
    }
    if len(curves) > 1 and len(begins) == 1:
        curves = [dataclasses.replace(curve, label=curve.label.removeprefix(*begins)) for curve in curves]
    often = Counter(curve.label for curve in curves)
    wanted = [
        curve.label if often[curve.label] == 1 or curve.source == curve.label else f"{curve.label} ({curve.source})"
        for curve in curves
    ]
    often, seen, labelled = Counter(wanted), Counter[str](), list[Curve]()
    for curve, label in zip(curves, wanted, strict=True):
        seen[label] += 1
        labelled.append(dataclasses.replace(curve, label=f"{label} #{seen[label]}" if often[label] > 1 else label))
    return tuple(labelled)


def _notes(curves: Sequence[Curve]) -> list[str]:
    """Say what differs between curves beside their errors."""
    notes = []
    last: dict[int, list[str]] = {}
    for curve in curves:
        last.setdefault(curve.last, []).append(curve.label)
    if len(last) > 1:
        each = "; ".join(f"{epoch}: {_some(labels)}" for epoch, labels in sorted(last.items()))
        notes.append(
            f"Numbers of epochs differ ({each}): differences are taken at the last epoch that both curves have."
        )
    for name, words in (("train_images", "training"), ("test_images", "test")):
        counts: dict[int, list[str]] = {}
        for curve in curves:
            value = getattr(curve.origin, name)
            if value is not None:
                counts.setdefault(value, []).append(curve.label)
        if len(counts) > 1:
            each = "; ".join(f"{count or 'all'}: {_some(labels)}" for count, labels in sorted(counts.items()))
            notes.append(f"Numbers of {words} examples differ ({each}).")
    unknown = [curve.label for curve in curves if curve.origin.data is None]
    if unknown:
        notes.append(
            f"What data {_some(unknown)} {'was' if len(unknown) == 1 else 'were'} trained on is not known here."
        )
    for curve in curves:
        errors = [line[ERROR] for lines in curve.seeds.values() for line in lines]
        if curve.origin.data is None and max(errors) <= 1.0:
            notes.append(f"No error of {curve.label} is above 1: they are taken as per cent; multiply shares by 100.")
        ended = {lines[-1]["epoch"] for lines in curve.seeds.values()}
        if len(ended) > 1:
            notes.append(
                f"Seeds of {curve.label} end at epochs {min(ended)} to {max(ended)}; its error is of {curve.last}."
            )
    return notes


def _difference(curve: Curve, first: Curve) -> Difference:
    epochs = [epoch for epoch in curve.epochs if curve.at(epoch) and first.at(epoch)]
    if not epochs:
        nothing = Interval(float("nan"), None, None, 0)
        return Difference(epoch=0, interval=nothing, pairs=0, reason="no epoch in common")
    epoch = epochs[-1]
    mine, other = curve.at(epoch), first.at(epoch)
    shared = sorted(mine.keys() & other.keys())
    reason = ""
    if not (curve.origin.seeds_known and first.origin.seeds_known):
        reason = "seeds not known"
    elif curve.origin.data_seed != first.origin.data_seed:
        reason = f"data seeds {curve.origin.data_seed} and {first.origin.data_seed}"
    elif not shared:
        reason = "no seed in common"
    if reason:
        mean = sum(mine.values()) / len(mine) - sum(other.values()) / len(other)
        return Difference(epoch=epoch, interval=Interval(mean, None, None, 1), pairs=0, reason=reason)
    return Difference(epoch=epoch, interval=interval(mine[seed] - other[seed] for seed in shared), pairs=len(shared))


def _ends(found: Interval) -> dict[str, float | None]:
    return {"mean": found.mean, "low": found.low, "high": found.high}


def _csv(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerows([names, *rows])
    return text.getvalue()


def as_json(found: Comparison) -> str:
    """Return a comparison as one line of JSON."""
    return json.dumps(found.to_dict())
