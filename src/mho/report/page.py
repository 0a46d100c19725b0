"""A run folder as one HTML page that needs nothing but itself."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from mho.arrays import ArrayRow
from mho.files import write_atomically
from mho.intervals import FROM, error_interval
from mho.report.drawing import svg
from mho.report.figures import error_curves, loss_curves
from mho.report.template import PER_CENT, render
from mho.runs.folder import REPORT, RunFolder, read_folder
from mho.runs.unordered import unordered
from mho.text import duration, plain_number
from mho.training import best_line

SIZES = {"wide": (7.6, 3.7), "narrow": (3.8, 3.2)}
"""Inches; the page shows the figure that fits."""
MEANINGS = {
    "pulses": "voltage pulses sent along rows and columns",
    "coincidences": "pulses that met at a cross-point: each is one step of a device",
    "saturated_probabilities": "rows or columns whose pulse probability would have exceeded 1 and was cut to 1",
    "bound_hits": "steps cut at a device's weight bound; per cent of the coincidences",
    "clipped_reads": "outputs that stayed clipped at the bound of a read",
    "halvings": "times that bound management halved the inputs and read again",
    "evaluation_clipped_reads": "clipped reads in evaluation",
    "evaluation_halvings": "halvings in evaluation",
}
LAST_EPOCHS = 6
MOST_NAMED = 8
"""So many replicas that differ in a value have a curve and a name each."""


def write_report(folder: Path) -> Path:
    """Write `report.html` from config.toml, metrics.jsonl and summary.json of a run folder.

    The same folder gives the same bytes. An empty metrics.jsonl gives a page without results.

    Returns:
        The path of the page, replaced at once or not at all.

    Raises:
        InvalidValue: naming every file that is missing or damaged, and what to do.
    """
    path = Path(folder) / REPORT
    write_atomically(path, _render(read_folder(path.parent)).encode())
    return path


def _render(run: RunFolder) -> str:
    return render(
        "page.html",
        run=run,
        headlines=_headlines(run),
        curves={name: _curves(run, name) for name in SIZES} if run.metrics else {},
        losses={name: _losses(run, name) for name in SIZES} if _has_losses(run) else {},
        named=_named(run),
        zero_errors=any(
            line.get(name) == 0 for line in run.metrics for name in ("test_error", "validation_error", "train_error")
        ),
        replicas=_replicas(run),
        window=_window(run.metrics),
        further=_further(run.metrics),
        heading=lambda name: _heading(run, name),
        best=_best(run),
        rate=_rate(run),
        totals=_totals(run.arrays),
        counters=_counters(run),
        meanings=_meanings(run),
        bits=unordered(run.config),
    )


# Numbers -----------------------------------------------------------------------------------------


def _headlines(run: RunFolder) -> list[tuple[str, str, str]]:
    """Number, what it is, and a remark."""
    if not run.metrics:
        return []
    last, window = run.metrics[-1], _window(run.metrics)
    spread = last.get("test_error_replicas")
    remark = f"{len(spread)} replicas: {min(spread):.2f} to {max(spread):.2f}{PER_CENT}" if spread else ""
    if run.values_differ and spread:
        number, remark = f"{min(spread):.2f} to {max(spread):.2f}{PER_CENT}", f"{len(spread)} replicas of unlike arrays"
    else:
        number = f"{last['test_error']:.2f}{PER_CENT}"
    lines = [(number, f"test {run.measure} after epoch {last['epoch']}", remark)]
    if run.twin:
        exact = f"test {run.measure} in floating point after epoch {run.twin[-1]['epoch']}"
        lines.append((f"{run.twin[-1]['test_error']:.2f}{PER_CENT}", exact, "the same network on exact arrays"))
    if run.chance is not None:
        guessing = f"answering {run.chance.answer} always"
        lines.append((f"{run.chance.error:.2f}{PER_CENT}", f"chance: test {run.measure} of guessing", guessing))
    if window and not run.values_differ:
        span = f"epochs {window[0]['epoch']} to {window[-1]['epoch']}"
        over = [row["mean"] for row in _replicas(run)]
        mean = error_interval(over) if over else error_interval([statistics.fmean(w["test_error"] for w in window)])
        what = f"95{PER_CENT} confidence interval over" if mean.count >= FROM else "range of"
        remark = f"{mean.spread()}{PER_CENT}: {what} {mean.count} replicas" if mean.spread() else ""
        lines.append((f"{mean.mean:.2f}{PER_CENT}", f"mean test {run.measure}, {span}", remark))
    for name, words in run.units.items():
        value = last.get(f"test_{name}")
        if isinstance(value, float) and math.isfinite(value):
            lines.append((f"{value:.3f}", f"{words}, test" if words.startswith(name) else f"{words}, test {name}", ""))
    best = _best(run)
    if best is not None:
        what = f"lowest validation {run.measure}, epoch {best['epoch']}"
        lines.append(
            (f"{best['validation_error']:.2f}{PER_CENT}", what, f"test there {best['test_error']:.2f}{PER_CENT}")
        )
    planned = f" of {run.planned_epochs}" if run.planned_epochs else ""
    early = run.validation is not None and run.validation.out_of_patience
    lines.append((f"{last['epoch']}{planned}", "epochs finished", "stopped early by patience" if early else ""))
    seconds = _column(run.metrics, "seconds")
    if seconds:
        lines.append((duration(sum(seconds)), "training time", "without tests and compilation"))
    rates = _column(run.metrics, _rate(run))
    if rates and seconds and sum(seconds) > 0:
        rate = sum(r * s for r, s in zip(rates, seconds, strict=True)) / sum(seconds)
        lines.append((plain_number(rate), f"{run.examples}/s", f"{len(spread)} replicas together" if spread else ""))
    return lines


def _best(run: RunFolder) -> Mapping[str, Any] | None:
    """Return the line of the lowest validation error; None without validation."""
    best = best_line(run.metrics)
    return None if best is None else run.metrics[best]


def _rate(run: RunFolder) -> str:
    """Name of the training rate in metrics.jsonl."""
    return f"{run.examples}_per_second"


def _further(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the numbers of test, validation and training that stand beside error and training loss."""
    names = metrics[-1] if metrics else ()
    return [
        name
        for name in names
        if name.startswith(("test_", "validation_", "train_"))
        and name not in ("test_error", "validation_error", "train_error", "train_loss")
        and not name.endswith("_replicas")
    ]


def _heading(run: RunFolder, name: str) -> str:
    """Return the heading of a number in the table of epochs: its name, and what it is measured in."""
    part, _, number = name.partition("_")
    words = run.units.get(number, "")
    unit = words if words.startswith(number) else f"{number.replace('_', ' ')} ({words})" if words else number
    return f"{part} {unit}".replace("_", " ")


def _column(metrics: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """Return a number of every epoch, or nothing where an epoch lacks it."""
    values = [line.get(name) for line in metrics]
    numbers = [value for value in values if isinstance(value, (int, float)) and math.isfinite(value)]
    return numbers if len(numbers) == len(values) else []


def _window(metrics: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return the last epochs that a mean is taken over: at most half of all, none where that is less than two."""
    length = min(LAST_EPOCHS, len(metrics) // 2)
    return metrics[-length:] if length >= 2 else []


def _replicas(run: RunFolder) -> list[dict[str, Any]]:
    """Name and last test error of each replica, and its mean over the window."""
    if not run.metrics or not run.metrics[-1].get("test_error_replicas"):
        return []
    window = [line["test_error_replicas"] for line in _window(run.metrics)]
    means = [statistics.fmean(errors) for errors in zip(*window, strict=True)]
    return [
        {"name": run.names[number] if run.names else number, "last": error, "mean": means[number] if means else None}
        for number, error in enumerate(run.metrics[-1]["test_error_replicas"])
    ]


def _named(run: RunFolder) -> bool:
    """Return True if the curves of replicas are drawn one by one, with their names."""
    return run.values_differ and len(run.names) <= MOST_NAMED


def _totals(arrays: Sequence[ArrayRow]) -> dict[str, int]:
    return {
        "cross_points": sum(array.cross_points for array in arrays),
        "macs": sum(array.macs for array in arrays),
        "tiles": sum(array.tiles * array.groups for array in arrays),
    }


def _counters(run: RunFolder) -> dict[str, Any]:
    """Names of the columns, one row per layer, and the row of sums."""
    names = [name for name in MEANINGS if any(name in row for row in run.counters.values())]
    names += sorted({name for row in run.counters.values() for name in row} - set(names))
    sums = {name: sum(row.get(name, 0) for row in run.counters.values()) for name in names}
    return {"names": names, "rows": run.counters, "sums": sums}


def _meanings(run: RunFolder) -> dict[str, str]:
    """Return what counters mean, those of single banks included."""
    found = dict(MEANINGS)
    for name in {name for row in run.counters.values() for name in row}:
        bank, _, counter = name.rpartition(".")
        if bank and counter in MEANINGS:
            found[name] = f"in the {bank} bank: {MEANINGS[counter]}"
    return found


def _parts(run: RunFolder) -> str:
    return "Test and train" if _best(run) is None else "Test, validation and train"


def _curves(run: RunFolder, name: str) -> Markup:
    return svg(
        lambda ax: error_curves(
            run.metrics,
            ax,
            measure=run.measure,
            names=run.names if _named(run) else (),
            chance=run.chance.error if run.chance is not None else None,
            twin=run.twin,
        ),
        size=SIZES[name],
        name=f"{run.measure}-{name}",
        kind=name,
        label=f"{_parts(run)} {run.measure} in per cent against epochs; the numbers are in the table of epochs",
    )


def _has_losses(run: RunFolder) -> bool:
    """Return True if losses of training and test are measured in units that the task names."""
    return "loss" in run.units and bool(_column(run.metrics, "test_loss"))


def _losses(run: RunFolder, name: str) -> Markup:
    units = {key: words for key, words in run.units.items() if _column(run.metrics, f"test_{key}")}
    return svg(
        lambda ax: loss_curves(run.metrics, ax, units=units, chance=run.chance, twin=run.twin),
        size=SIZES[name],
        name=f"loss-{name}",
        kind=name,
        label=f"losses in {' and '.join(units.values())} against epochs; the numbers are in the table of epochs",
    )
