"""Chance level: what an answer that does not look at the inputs reaches on the test."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, final

from torch import Tensor

DEVIATIONS = 2.0
"""So many standard errors below chance an error is still as bad as guessing: of 40 networks that guess, one passes."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Chance:
    """The chance level of a task on its data.

    Attributes:
        error: test error of guessing, in per cent.
        deviation: deviation of that error by what a test of this size holds by chance, in per cent.
        answer: what is always answered, in words: "the commonest class".
        numbers: further numbers that guessing reaches on the test, by their names in metrics.jsonl without "test_".
    """

    error: float
    deviation: float
    answer: str
    numbers: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def reached_by(self, error: float) -> bool:
        """Return whether a test of this size cannot tell an error, in per cent, from guessing, or it is worse."""
        return not error < self.error - DEVIATIONS * self.deviation

    def to_dict(self) -> dict[str, Any]:
        """Return plain tables, as summary.json has them."""
        return dataclasses.asdict(self)


def chance_of(errors: Tensor, answer: str, *, deviation: float | None = None, **numbers: float) -> Chance:
    """Return the chance level from the errors (n,) that an answer has on the examples of the test, 1 is 100 %.

    Args:
        errors: errors of the examples.
        answer: as in `Chance`.
        deviation: as in `Chance`; None: the standard error of the mean of `errors`.
        numbers: as in `Chance`.
    """
    values = errors.double()
    if deviation is None:
        deviation = 100 * float(values.std(correction=0)) / math.sqrt(len(values))
    return Chance(error=100 * float(values.mean()), deviation=deviation, answer=answer, numbers=numbers)
