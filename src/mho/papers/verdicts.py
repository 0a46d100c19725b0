"""Measured means, and whether they keep what is expected of a curve."""

from __future__ import annotations

import dataclasses
import functools
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import final

from mho.intervals import Interval, error_interval, interval
from mho.papers.checks import Check
from mho.papers.quantities import TEST_ERROR, Quantity
from mho.papers.records import Record
from mho.papers.shown import Curve, Expected

SHOWN = 6
"""Epochs of the mean that is shown where training has not come to the paper's."""


@final
@dataclasses.dataclass(frozen=True)
class Measured:
    """A mean of a quantity.

    Attributes:
        interval: over the seeds, of each seed's mean over the epochs.
        epochs: first and last of the mean.
        whole: whether these are all the epochs that a verdict needs.
        quantity: what was measured.
    """

    interval: Interval
    epochs: tuple[int, int]
    whole: bool
    quantity: Quantity = TEST_ERROR

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return self.interval.mean

    @property
    def seeds(self) -> int:
        """Return how many there are."""
        return self.interval.count

    def __str__(self) -> str:
        return self.interval.text(self.quantity.show)


def measure(record: Record, window: tuple[int, int], quantity: Quantity = TEST_ERROR) -> Measured | None:
    """Return the mean of a quantity of a curve over the epochs `window` (first and last).

    Seeds that have not come to the last of them are left out; if none has, the last epochs of the seed that has come
    farthest are taken. None without any epoch, or where the results lack the quantity.
    """
    whole = _whole_seeds(record, window, quantity)
    if whole:
        return Measured(_interval(whole, quantity), window, True, quantity)
    farthest = max(record.seeds.values(), key=len, default=[])[-SHOWN:]
    values = [line[quantity.name] for line in farthest if quantity.name in line]
    if not values:
        return None
    ends = farthest[0]["epoch"], farthest[-1]["epoch"]
    return Measured(_interval([values], quantity), ends, False, quantity)


def seed_means(record: Record, window: tuple[int, int], quantity: Quantity = TEST_ERROR) -> list[float]:
    """Return the mean of each seed that has come to the last epoch of the window."""
    return [statistics.fmean(values) for values in _whole_seeds(record, window, quantity)]


def _whole_seeds(record: Record, window: tuple[int, int], quantity: Quantity) -> list[list[float]]:
    """Return the values in the window of each seed that has all of them."""
    first, last = window
    each = [
        [line[quantity.name] for line in metrics if first <= line["epoch"] <= last and quantity.name in line]
        for metrics in record.seeds.values()
    ]
    return [values for values in each if len(values) == last - first + 1]


@final
@dataclasses.dataclass(frozen=True)
class Verdict:
    """The outcome of a curve.

    Attributes:
        curve: name.
        expected: what the paper says of it.
        measured: mean of the quantity that is judged; None if the curve was not trained.
        kept: whether all checks are kept; None where there is no verdict.
        words: the checks, or why there is no verdict.
    """

    curve: str
    expected: Curve
    measured: Measured | None
    kept: bool | None
    words: str


def judge(
    expected: Expected, records: Mapping[str, Record], curves: Sequence[str], *, kind: str, last: Mapping[str, int]
) -> list[Verdict]:
    """Return the verdicts on some curves.

    Args:
        expected: what the paper shows.
        records: results by curve, of these curves and of those that they are compared with.
        curves: names of the curves to judge.
        kind: "results" of whole trainings, "quick", or "trial", which has no verdicts.
        last: last epoch of each curve, or of its quick version; it is judged in a quick training, and where the paper
            names no epochs.
    """
    windows = {name: expected.window(epochs, kind) for name, epochs in last.items()}

    @functools.cache
    def mean(name: str, quantity: Quantity) -> Measured | None:
        return measure(records[name], windows[name], quantity) if name in records else None

    return [_verdict(name, expected, mean, windows[name], kind) for name in curves]


def _verdict(
    name: str,
    expected: Expected,
    mean: Callable[[str, Quantity], Measured | None],
    window: tuple[int, int],
    kind: str,
) -> Verdict:
    curve = expected.curves[name]
    mine = mean(name, curve.quantity)
    checks = expected.quick.get(name, ()) if kind == "quick" else curve.checks

    def none(words: str) -> Verdict:
        return Verdict(name, curve, mine, None, words)

    if mine is None:
        return none("not trained")
    if kind == "trial":
        return none("no verdict: not all images")
    if not checks:
        return none("no verdict: too short a training" if kind == "quick" else "no verdict: no claim is checked")
    if not mine.whole:
        first, last = window
        return none(
            f"no verdict: needs epochs {first} to {last}" if first < last else f"no verdict: needs epoch {last}"
        )
    missing, broken = [], []
    for check in checks:
        quantity = check.quantity or curve.quantity
        names = [name, *([check.other] if check.other is not None else [])]
        means = [found.mean for each in names if (found := mean(each, quantity)) is not None and found.whole]
        if len(means) < len(names):
            missing.append(_lack(check, name))
        elif not check.keeps(means[0], means[1] if check.other is not None else None):
            broken.append(str(check))
    if missing:
        return none(f"no verdict: needs {', '.join(missing)}")
    return Verdict(name, curve, mine, not broken, "; ".join(broken or map(str, checks)))


def _lack(check: Check, curve: str) -> str:
    """Return what a check lacks: the other curve, or a quantity of this curve."""
    if check.other is not None:
        return check.other
    return f"{check.quantity.label} of {curve}" if check.quantity is not None else curve


def _interval(seeds: Sequence[Sequence[float]], quantity: Quantity) -> Interval:
    """Return the interval of the means of seeds."""
    means = [statistics.fmean(values) for values in seeds]
    return error_interval(means) if quantity.unit == "%" else interval(means)
