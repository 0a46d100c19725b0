"""Timing on machines that do other things too: alternation, medians, spreads, ratios round by round."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np

Block = Callable[[], float]
"""A round of a contestant: runs it several times and returns the median seconds of one run."""


@final
@dataclasses.dataclass(frozen=True)
class Samples:
    """One value a round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median of the rounds."""
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile; a single value is both."""
        low, high = np.quantile(self.values, (0.25, 0.75))
        return float(low), float(high)

    def scaled(self, factor: float) -> Samples:
        """Return the samples in another unit, `factor` times as large."""
        return Samples(tuple(value * factor for value in self.values))

    def over(self, other: Samples) -> Samples:
        """Ratios round by round: what disturbs both sides of a round falls out."""
        return Samples(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))

    def record(self, name: str) -> dict[str, Any]:
        """Return a record for JSON: median, quartiles, extremes and all values, under names that begin with `name`."""
        return {
            name: self.median,
            f"{name}_quartiles": list(self.quartiles),
            f"{name}_min": min(self.values),
            f"{name}_max": max(self.values),
            f"{name}_samples": list(self.values),
        }


def alternate(contestants: Mapping[str, Block], rounds: int) -> dict[str, Samples]:
    """Let the contestants take turns, A B A B ..., after a round that does not count.

    Returns:
        Seconds of one run for every contestant, one value a round.
    """
    for block in contestants.values():
        block()
    measured = [{name: block() for name, block in contestants.items()} for _ in range(rounds)]
    return {name: Samples(tuple(one_round[name] for one_round in measured)) for name in contestants}


def repeat(call: Callable[[], object], *, seconds: float, least: int = 3) -> float:
    """Call again and again for some time, at least `least` times; the median seconds of a call."""
    taken: list[float] = []
    spent = 0.0
    while spent < seconds or len(taken) < least:
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
        spent += taken[-1]
    return statistics.median(taken)


def blocks_of(calls: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, Block]:
    """Calls as contestants whose rounds take about so many seconds."""

    def block(call: Callable[[], object]) -> Block:
        return lambda: repeat(call, seconds=seconds)

    return {name: block(call) for name, call in calls.items()}


def exponent(sizes: Sequence[float], times: Sequence[Samples]) -> Samples:
    """b of time = a·sizeᵇ by least squares over the logarithms, fitted for each round."""
    x = [math.log(size) for size in sizes]
    rounds = zip(*(samples.values for samples in times), strict=True)
    return Samples(tuple(float(np.polyfit(x, np.log(one_round), 1)[0]) for one_round in rounds))
