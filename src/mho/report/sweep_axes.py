"""Axes of swept fields in figures."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import final

from mho.runs.points import PointErrors, Value

LOG_SPAN = 5.0
"""Values that span less than this factor are drawn on a linear axis however they are spaced."""


@final
@dataclasses.dataclass(frozen=True)
class Axis:
    """Axis of a swept field: its `values` sorted, numbers before words, and the kind of axis that shows them."""

    field: str
    values: list[Value]
    categorical: bool
    log: bool

    def place(self, value: Value) -> float:
        """Return where a value stands on the axis."""
        return float(self.values.index(value)) if self.categorical else float(value)


def axis(field: str, points: Sequence[PointErrors], log: bool | None = None) -> Axis:
    """Return the axis of a field; logarithmic where its values are drawn so, else where they lie so."""
    found = {(isinstance(v, bool), v): v for v in (point.values[field] for point in points)}.values()
    numbers = sorted(v for v in found if isinstance(v, (int, float)) and not isinstance(v, bool))
    words = sorted((v for v in found if isinstance(v, (bool, str))), key=str)
    categorical = bool(words) or len(numbers) < 2 or math.isinf(numbers[0]) or math.isinf(numbers[-1])
    return Axis(
        field, [*numbers, *words], categorical, not categorical and (_log_spaced(numbers) if log is None else log)
    )


def _log_spaced(values: Sequence[float]) -> bool:
    """Return True if the median of positive values is nearer to the middle by ratio than by difference."""
    low, middle, high = values[0], statistics.median(values), values[-1]
    if low <= 0 or high / low < LOG_SPAN:
        return False
    by_ratio = math.log(middle / low) / math.log(high / low)
    by_difference = (middle - low) / (high - low)
    return len(values) == 2 or abs(by_ratio - 0.5) < abs(by_difference - 0.5)
