"""Confidence intervals: the single meaning of ± in terminals, pages and files."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable
from typing import final

CONFIDENCE = 0.95
FROM = 3
"""Values from which on there is a confidence interval: of two it would be 13 times as wide as they lie apart."""
MEANING = (
    "±: half of the 95 % confidence interval of the mean over seeds (Student's t), from three seeds on; of two seeds "
    "both ends are given, of one seed there is no interval"
)
"""A sentence for wherever an `Interval` is shown."""


@final
@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean, and the interval beside it.

    Attributes:
        mean: mean of the values.
        low, high: ends of the interval: of the 95 % confidence interval of the mean from three values on, cut at the
            least and the greatest value that is possible; the values themselves where there are two; None for one
            value.
        count: number of values.
    """

    mean: float
    low: float | None
    high: float | None
    count: int

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends; of a single value the value twice."""
        return (self.mean, self.mean) if self.low is None or self.high is None else (self.low, self.high)

    def spread(self, show: Callable[[float], str] = "{:.2f}".format) -> str:
        """Return what stands beside the mean: "± 1.77", or both ends where these lie unevenly; "" for one value.

        Args:
            show: writes a number.
        """
        if self.low is None or self.high is None:
            return ""
        below, above = self.mean - self.low, self.high - self.mean
        if self.count >= FROM and math.isclose(below, above, rel_tol=1e-6, abs_tol=1e-12):
            return f"± {show(above)}"
        return f"({show(self.low)} to {show(self.high)})"

    def text(self, show: Callable[[float], str] = "{:.2f}".format) -> str:
        """Return the mean and what stands beside it: "20.97 ± 1.77", "20.97 (19.20 to 22.74)" or "20.97"."""
        return f"{show(self.mean)} {self.spread(show)}".rstrip()


def interval(values: Iterable[float], *, least: float = -math.inf, most: float = math.inf) -> Interval:
    """Return the mean of values that are independent and about normal, and its interval.

    Args:
        values: at least one.
        least, most: beyond which no value is possible: 0 and 100 for errors in per cent.
    """
    given = list(values)
    mean, count = statistics.fmean(given), len(given)
    if count == 1:
        return Interval(mean, None, None, 1)
    if count < FROM:
        return Interval(mean, min(given), max(given), count)
    from scipy.special import stdtrit  # a third of a second, which single seeds need not wait for

    half = float(stdtrit(count - 1, 0.5 + CONFIDENCE / 2)) * statistics.stdev(given) / math.sqrt(count)
    return Interval(mean, max(mean - half, least), min(mean + half, most), count)


def error_interval(errors: Iterable[float]) -> Interval:
    """Return the interval of errors in per cent: at least 0, and at most 100 where no value is above it.

    Errors of a regression, a share of the variance, may be above 100.
    """
    given = list(errors)
    return interval(given, least=0.0, most=100.0 if max(given) <= 100.0 else math.inf)
