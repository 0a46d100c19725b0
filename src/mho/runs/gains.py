"""Gains of improvements of an array: paired differences over seeds, and the conclusions in words."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Any, final

CONFIDENCE = 0.95
CHANCE = 0.95
"""Share of the error of guessing from which a training has learnt hardly anything."""


@final
@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean of paired differences with its interval at 95 %, from Student's t over the seeds.

    Attributes:
        mean: of the differences.
        low, high: the interval.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, differences: Sequence[float]) -> Interval:
        """Return the interval of at least two differences."""
        from scipy.stats import t

        mean = statistics.fmean(differences)
        half = statistics.stdev(differences) / math.sqrt(len(differences))
        half *= float(t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1))
        return cls(mean, mean - half, mean + half)

    @property
    def is_gain(self) -> bool:
        """True if the whole interval is above 0."""
        return self.low > 0

    def __str__(self) -> str:
        return f"{self.mean:+.1f} ({self.low:+.1f} to {self.high:+.1f})"


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Tried:
    """One array that was trained with every seed.

    Attributes:
        key: of the improvement; "as given", "learning-rate" and "floating-point" for what none changes.
        name: phrase for tables.
        settings: what differs from the array as given, as after `--set`, without the learning rate.
        rate: learning rate at which it was trained.
        factor: the rate over the given one.
        errors: test error of each seed, in per cent.
        gain: error of the array that it is compared with less its own, in points of per cent, paired by the seed; None
            for that array itself.
        refused: why it was not trained, or not to its end; "" if it was, and only then the rest says anything.
    """

    key: str
    name: str
    settings: tuple[str, ...] = ()
    rate: float = 0.0
    factor: float = 1.0
    errors: tuple[float, ...] = ()
    gain: Interval | None = None
    refused: str = ""

    @property
    def error(self) -> float:
        """Test error, mean over the seeds; infinite where it was not trained."""
        return statistics.fmean(self.errors) if self.errors else math.inf


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Gains:
    """Gains of the improvements of an array; print them, or their `sentence`.

    Gains of improvements are counted from the array as given at the best of the learning rates tried, so that none of
    them is due to the rate; the gain of `rate` is that of this rate over the given one.

    Attributes:
        law: of the device.
        given: the array as given, at the given learning rate.
        rate: the same array at the best of the learning rates tried.
        floating: floating point, at the best of the rates tried: what better arrays can reach.
        tried: the improvements, the largest gain first.
        refused: those that could not be made, with the reasons.
        chance: test error of guessing (`Task.chance`), in per cent; None where the task does not say.
        factors: learning rates that were tried for each, over the given one.
        seeds: of devices, initial weights and noise.
        epochs, images: of each training.
        model, data: names.
        measure: what the error is.
    """

    law: str
    given: Tried
    rate: Tried
    floating: Tried
    tried: tuple[Tried, ...]
    refused: tuple[Tried, ...]
    chance: float | None
    factors: tuple[float, ...]
    seeds: tuple[int, ...]
    epochs: int
    images: int
    model: str
    data: str
    measure: str = "error"

    @property
    def clear(self) -> tuple[Tried, ...]:
        """Improvements whose gain is above 0 over its whole interval, the largest first."""
        return tuple(one for one in self.tried if one.gain is not None and one.gain.is_gain)

    @property
    def rate_helps(self) -> bool:
        """True if another learning rate alone gains for sure."""
        return self.rate.gain is not None and self.rate.gain.is_gain

    def to_dict(self) -> dict[str, Any]:
        """Return everything as numbers and words that JSON takes."""
        return dataclasses.asdict(self) | {"clear": [one.key for one in self.clear], "advice": self.sentence}

    @property
    def sentence(self) -> str:
        """Return what to improve first, or that nothing of what was tried helps, and what that is worth."""
        words = [self._rate_first()] if self.rate_helps else []
        best = self.clear[0] if self.clear else None
        if best is not None and best.gain is not None:
            base = f"from {self.rate.error:.1f} % to {best.error:.1f} %"
            words.append(f"improve first: {best.name}, which lowers the test {self.measure} {base}{_of(best.gain)}")
            others = [f"{one.name} ({one.gain.mean:+.1f})" for one in self.clear[1:4] if one.gain is not None]
            if others:
                words.append(f"also clear: {', '.join(others)}")
        elif self.tried:
            top = self.tried[0]
            none = "no single improvement of those tried helps for sure"
            words.append(f"{none}; the largest gain, {top.name}, is {top.gain} points, which chance can make")
        words.append(self._floor())
        text = "; ".join(words)
        return f"{text[0].upper()}{text[1:]}."

    def _rate_first(self) -> str:
        assert self.rate.gain is not None
        return (
            f"change the learning rate first: {self.rate.rate:g} in place of {self.given.rate:g} lowers the test "
            f"{self.measure} from {self.given.error:.1f} % to {self.rate.error:.1f} %{_of(self.rate.gain)}"
        )

    def _floor(self) -> str:
        best = min([self.rate.error, *(one.error for one in self.tried)])
        if self.chance is not None and best > CHANCE * self.chance:
            floating = f"floating point ends at {self.floating.error:.1f} %"
            return (
                f"these trainings are too short to rank anything: no array is better than guessing "
                f"({self.chance:.1f} %), and {floating}; give more epochs and images, or higher learning rates"
            )
        left = self.rate.error - self.floating.error
        if left <= 0:
            return f"floating point ends at {self.floating.error:.1f} %, no better than these arrays"
        return f"floating point ends at {self.floating.error:.1f} %, so {left:.1f} points are left to gain"


def _of(gain: Interval) -> str:
    return f", a gain of {gain.mean:.1f} points (95 %: {gain.low:.1f} to {gain.high:.1f})"
