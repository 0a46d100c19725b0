"""Measured errors, and whether they keep what is expected of a curve."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import final

from mho.papers.expected import Check, Curve, Expected
from mho.papers.records import Record

SHOWN = 6
"""Epochs of the mean that is shown where training has not come to the paper's."""


@final
@dataclasses.dataclass(frozen=True)
class Measured:
    """A mean test error in per cent.

    Attributes:
        mean: over the seeds, of each one's mean over the epochs.
        spread: standard deviation over the seeds, of one seed over the epochs; None for a single number.
        seeds: how many.
        epochs: first and last of the mean.
        whole: whether these are all the epochs that a verdict needs.
    """

    mean: float
    spread: float | None
    seeds: int
    epochs: tuple[int, int]
    whole: bool

    def __str__(self) -> str:
        return f"{self.mean:.2f}" + (f" ± {self.spread:.2f}" if self.spread is not None else "")


def measure(record: Record, window: tuple[int, int]) -> Measured | None:
    """The error of a curve over the epochs `window` (first and last).

    Seeds that have not come to the last of them are left out; if none has, the last epochs of the one that has come
    farthest are taken. None without any epoch.
    """
    whole = _whole_seeds(record, window)
    if whole:
        means = seed_means(record, window)
        return Measured(statistics.fmean(means), _spread(means) or _spread(whole[0]), len(means), window, True)
    farthest = max(record.seeds.values(), key=len, default=[])[-SHOWN:]
    if not farthest:
        return None
    errors = [line["test_error"] for line in farthest]
    ends = farthest[0]["epoch"], farthest[-1]["epoch"]
    return Measured(statistics.fmean(errors), _spread(errors), 1, ends, False)


def seed_means(record: Record, window: tuple[int, int]) -> list[float]:
    """The mean error of each seed that has come to the last epoch of the window."""
    return [statistics.fmean(errors) for errors in _whole_seeds(record, window)]


def _whole_seeds(record: Record, window: tuple[int, int]) -> list[list[float]]:
    """The errors in the window of each seed that has all of them."""
    first, last = window
    each = [
        [line["test_error"] for line in metrics if first <= line["epoch"] <= last] for metrics in record.seeds.values()
    ]
    return [errors for errors in each if len(errors) == last - first + 1]


@final
@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a curve.

    Attributes:
        curve: name.
        expected: what the paper says of it.
        measured: None if it was not trained.
        kept: whether all checks are; None where there is no verdict.
        words: the checks, or why there is none.
    """

    curve: str
    expected: Curve
    measured: Measured | None
    kept: bool | None
    words: str


def judge(
    expected: Expected, records: Mapping[str, Record], curves: Sequence[str], *, kind: str, last: Mapping[str, int]
) -> list[Verdict]:
    """The verdicts on some curves.

    Args:
        expected: what the paper shows.
        records: results by curve, of these curves and of those that they are compared with.
        curves: names.
        kind: "results" of whole trainings, "quick", or "trial", which has no verdicts.
        last: last epoch of each curve, which is judged in a quick training.
    """
    windows = {name: (last[name], last[name]) if kind == "quick" else expected.epochs for name in expected.curves}
    measured = {name: measure(record, windows[name]) for name, record in records.items() if name in windows}
    return [_verdict(name, expected, measured, windows[name], kind) for name in curves]


def _verdict(
    name: str, expected: Expected, measured: Mapping[str, Measured | None], window: tuple[int, int], kind: str
) -> Verdict:
    curve, mine = expected.curves[name], measured.get(name)
    checks = expected.quick.get(name, ()) if kind == "quick" else curve.checks

    def none(words: str) -> Verdict:
        return Verdict(name, curve, mine, None, words)

    if mine is None:
        return none("not trained")
    if kind == "trial":
        return none("no verdict: not all images")
    if not checks:
        return none("no verdict: too short a training" if kind == "quick" else "no verdict: no number to compare with")
    if not mine.whole:
        return none(f"no verdict: needs epochs {window[0]} to {window[1]}")
    others = [check.than for check in checks if check.than is not None]
    missing = [other for other in others if not _whole(measured.get(other))]
    if missing:
        return none(f"no verdict: needs {', '.join(missing)}")
    results = [(check, _keeps(check, mine.mean, measured)) for check in checks]
    broken = [str(check) for check, kept in results if not kept]
    return Verdict(name, curve, mine, not broken, "; ".join(broken or [str(check) for check, _ in results]))


def _whole(measured: Measured | None) -> bool:
    return measured is not None and measured.whole


def _keeps(check: Check, mean: float, measured: Mapping[str, Measured | None]) -> bool:
    other = measured[check.than] if check.than is not None else None
    # means of printed errors: what differs in the ninth digit is equal
    value = round(mean - (other.mean if other is not None else 0.0), 9)
    return (check.at_least is None or value >= check.at_least) and (check.at_most is None or value <= check.at_most)


def _spread(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
