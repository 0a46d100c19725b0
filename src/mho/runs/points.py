"""The results of a sweep by its points: values, errors over seeds, and their order."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

from mho.intervals import Interval, error_interval
from mho.runs.results import DONE
from mho.toml_files import NONE

Value = bool | int | float | str
SHOWN, NAMED = 2, 3
ALIKE = 1e-3
"""Decimals of the errors that are shown, in per cent; points of a tie that are named."""


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
        return error_interval(self.test.values())


def points_of(records: Iterable[Mapping[str, Any]], fields: Sequence[str]) -> list[PointErrors]:
    """Return the points of which at least one row is done, in the order of their values.

    Args:
        records: rows of a sweep, as `Results.records` has them, in the order of their points.
        fields: that are swept.
    """
    points = []
    done = [record for record in records if record["status"] == DONE]
    for number, group in itertools.groupby(done, key=lambda record: record["point"]):
        rows = list(group)
        points.append(
            PointErrors(
                number,
                {name: NONE if rows[0][name] is None else rows[0][name] for name in fields},
                {row["seed"]: row["test_error"] for row in rows},
                [row["train_error"] for row in rows],
                [row["train_loss"] for row in rows],
                sum(row["seconds"] for row in rows),
                max(row["epoch"] for row in rows),
            )
        )
    return sorted(points, key=lambda point: tuple(map(rank, point.values.values())))


def lowest(points: Sequence[PointErrors]) -> list[PointErrors]:
    """Return the points of the lowest mean test error, in their order; of a tie all.

    A tie is to the two decimals shown, and to a thousandth of the error, as that of a regression may be far below both.
    """
    least = min((point.interval.mean for point in points), default=0.0)
    tied = [point for point in points if round(point.interval.mean, SHOWN) == round(least, SHOWN)]
    return [point for point in tied if point.interval.mean - least <= ALIKE * abs(least)]


def lowest_in_words(points: Sequence[PointErrors], fields: Sequence[str]) -> str:
    """Return the values of the point of the lowest error; of a tie how many there are, and the first few.

    Args:
        points: all of a sweep.
        fields: that are swept; without any there is nothing to name.
    """
    best = lowest(points) if fields else []
    if len(best) < 2:
        return named(best[0].values) if best else ""
    more = f"; and {len(best) - NAMED} more" if len(best) > NAMED else ""
    return f"a tie of {len(best)} points: {'; '.join(named(point.values) for point in best[:NAMED])}{more}"


def chance_in_words(records: Iterable[Mapping[str, Any]]) -> str:
    """Return the chance level of the rows that are done, and how many are as bad as guessing; "" if it is not known."""
    done = [record for record in records if record["status"] == DONE and record.get("chance") is not None]
    if not done:
        return ""
    levels = sorted({round(record["chance"], 2) for record in done})
    level = f"{levels[0]:.2f}" + (f" to {levels[-1]:.2f}" if len(levels) > 1 else "")
    guessing = sum(record["guessing"] for record in done)
    many = f"{guessing} of {len(done)} rows are" if guessing != 1 else f"1 of {len(done)} rows is"
    return f"chance {level} %" + (f": {many} as bad as guessing" if guessing else "")


def rank(value: Value) -> tuple[int, float, str]:
    """Return a key that sorts values of a field: numbers, then no and yes, then words."""
    if isinstance(value, str):
        return 2, 0.0, value
    number = float(value)
    return int(isinstance(value, bool)), -math.inf if math.isnan(number) else number, ""


def value_text(given: object) -> str:
    """Return a swept value as a file has it: null is "none", numbers have up to six digits."""
    if given is None:
        return NONE
    if isinstance(given, bool):
        return "true" if given else "false"
    return f"{given:g}" if isinstance(given, float) else str(given)


def named(values: Mapping[str, object]) -> str:
    """Return a point by its values: "forward.noise = 0.06, update.length = 1"."""
    return ", ".join(f"{name} = {value_text(value)}" for name, value in values.items())
