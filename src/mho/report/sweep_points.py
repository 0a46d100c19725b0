"""The results of a sweep as a page needs them: points with their errors over seeds, and confidence bands."""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from typing import final

from scipy.special import stdtrit

from mho.config import NONE
from mho.runs.results import DONE, ResultTable

CONFIDENCE = 0.95
LOG_SPAN = 5.0
"""Values that span less than this factor are drawn on a linear axis however they are spaced."""

Value = bool | int | float | str


@final
@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean, and half the width of its confidence interval; None where one seed tells no spread."""

    mean: float
    half: float | None
    count: int


@final
@dataclasses.dataclass(frozen=True)
class PointErrors:
    """One point: its number, its values, and by seed the results that are not NaN (errors in per cent)."""

    number: int
    values: dict[str, Value]
    test: dict[int, float]
    train: list[float]
    loss: list[float]
    seconds: float
    epoch: int

    @property
    def interval(self) -> Interval:
        """Test error over seeds."""
        return interval(self.test.values())


@final
@dataclasses.dataclass(frozen=True)
class Axis:
    """How the values of a field lie: `values` sorted, numbers before words; what kind of axis shows them."""

    field: str
    values: list[Value]
    categorical: bool
    log: bool

    def place(self, value: Value) -> float:
        """Where a value stands on the axis."""
        return float(self.values.index(value)) if self.categorical else float(value)


def read_points(table: ResultTable) -> list[PointErrors]:
    """Points of which at least one row is done."""
    points = []
    done = [record for record in table.records if record["status"] == DONE]
    for number, group in itertools.groupby(done, key=lambda record: record["point"]):
        rows = list(group)
        points.append(
            PointErrors(
                number,
                {name: NONE if rows[0][name] is None else rows[0][name] for name in table.fields},
                {row["seed"]: row["test_error"] for row in rows},
                [row["train_error"] for row in rows],
                [row["train_loss"] for row in rows],
                sum(row["seconds"] for row in rows),
                max(row["epoch"] for row in rows),
            )
        )
    return points


def interval(values: Iterable[float]) -> Interval:
    """Mean and confidence interval (Student's t) of values that are independent and about normal."""
    given = list(values)
    half = None
    if len(given) > 1:
        quantile = float(stdtrit(len(given) - 1, 0.5 + CONFIDENCE / 2))
        half = quantile * statistics.stdev(given) / math.sqrt(len(given))
    return Interval(statistics.fmean(given), half, len(given))


def over_seeds(points: Sequence[PointErrors]) -> Interval:
    """Mean over points, with the interval of its spread over seeds.

    Each seed gives one number, its mean over those points; so differences between points do not widen the interval.
    Seeds that not every point has are left out of it.
    """
    if len(points) == 1:
        return points[0].interval
    shared = set.intersection(*(set(point.test) for point in points))
    if not shared:
        return Interval(statistics.fmean(error for point in points for error in point.test.values()), None, 0)
    return interval(statistics.fmean(point.test[seed] for point in points) for seed in shared)


def axis(field: str, points: Sequence[PointErrors], log: bool | None = None) -> Axis:
    """The axis of a field; logarithmic where its values are drawn so, else where they lie so."""
    found = {(isinstance(v, bool), v): v for v in (point.values[field] for point in points)}.values()
    numbers = sorted(v for v in found if isinstance(v, (int, float)) and not isinstance(v, bool))
    words = sorted((v for v in found if isinstance(v, (bool, str))), key=str)
    categorical = bool(words) or len(numbers) < 2 or math.isinf(numbers[0]) or math.isinf(numbers[-1])
    return Axis(
        field, [*numbers, *words], categorical, not categorical and (_log_spaced(numbers) if log is None else log)
    )


def _log_spaced(values: Sequence[float]) -> bool:
    """Whether the median of positive values is nearer to the middle by ratio than by difference."""
    low, middle, high = values[0], statistics.median(values), values[-1]
    if low <= 0 or high / low < LOG_SPAN:
        return False
    by_ratio = math.log(middle / low) / math.log(high / low)
    by_difference = (middle - low) / (high - low)
    return len(values) == 2 or abs(by_ratio - 0.5) < abs(by_difference - 0.5)
