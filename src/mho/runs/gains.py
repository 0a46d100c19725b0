"""Gains of improvements of an array: paired differences over seeds, and the conclusions in words."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Any, final

from mho.diagnosis.questions import Headline

CONFIDENCE = 0.95
UNCLEAR = "cannot be told from no change in trainings of this length"
LOSING = "clearly raise the error in trainings of this length"
CHANCE = 0.95
"""Share of the error of guessing from which a training has learnt hardly anything."""


@final
@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean of paired differences with its interval at 95 %, from Student's t over the seeds.

    Few seeds may agree by chance, and two that agree to the digit would leave no width at all. So an interval is at
    least as wide as that of the standard deviation pooled over all rows, with the degrees of freedom of them all, and a
    difference of a test of N examples is never taken to be known better than to one of them. All rows subtract from the
    errors of one array, so that the pooled interval is a little too narrow even where rows scatter alike. The pooled
    interval only widens that of a row's own scatter, which holds by itself: where a row scatters more than the others,
    its own interval is the wider and stands.

    Attributes:
        mean: of the differences.
        low, high: the interval.

    Source: G. W. Snedecor, W. G. Cochran, Statistical Methods (1989), for pooling; G. K. Smyth, Stat. Appl. Genet. Mol.
    Biol. 3:3 (2004), for few repetitions of many comparisons. That the own interval stands where it is wider is ours.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(
        cls, differences: Sequence[float], rows: Sequence[Sequence[float]] = (), *, resolution: float = 0.0
    ) -> Interval:
        """Return the interval of at least two differences.

        Args:
            differences: of one row, one per seed.
            rows: those of all rows that are compared, whose scatter is pooled; () takes the row alone.
            resolution: points of error that one example of the test counts.
        """
        from scipy.stats import t

        count, each = len(differences), list(rows) or [differences]
        freedom = sum(len(row) - 1 for row in each)
        pooled = math.sqrt(sum((len(row) - 1) * statistics.variance(row) for row in each) / freedom)
        own = statistics.stdev(differences) * float(t.ppf((1 + CONFIDENCE) / 2, count - 1))
        shared = max(pooled, resolution) * float(t.ppf((1 + CONFIDENCE) / 2, freedom))
        mean, half = statistics.fmean(differences), max(own, shared) / math.sqrt(count)
        return cls(mean, mean - half, mean + half)

    @property
    def is_gain(self) -> bool:
        """True if the whole interval is above 0."""
        return self.low > 0

    @property
    def is_loss(self) -> bool:
        """Whether the whole interval is below 0."""
        return self.high < 0

    @property
    def verdict(self) -> str:
        """Verdict of the interval: "gain", "loss", or "unclear" where it holds 0."""
        return "gain" if self.is_gain else "loss" if self.is_loss else "unclear"

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
        factor: the rate over the given rate.
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
    them is due to the rate; the gain of `rate` is that of this rate over the given rate.

    Attributes:
        law: of the device.
        given: the array as given, at the given learning rate.
        rate: the same array at the best of the learning rates tried.
        floating: floating point, at the best of the rates tried: what better arrays can reach.
        tried: the improvements: first those with a clear gain, the largest first; then those that cannot be told from
            no change, in the order in which they were tried; last those that clearly lose, the largest loss last.
        refused: those that could not be made, with the reasons.
        chance: test error of guessing (`Task.chance`), in per cent; None where the task does not say.
        factors: learning rates that were tried for each array, over the given rate.
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
    def unclear(self) -> tuple[Tried, ...]:
        """The improvements that these trainings cannot tell from no change, in the order in which they were tried."""
        return tuple(one for one in self.tried if one.gain is not None and one.gain.verdict == "unclear")

    @property
    def losing(self) -> tuple[Tried, ...]:
        """The improvements that clearly raise the error in trainings of this length."""
        return tuple(one for one in self.tried if one.gain is not None and one.gain.is_loss)

    @property
    def groups(self) -> tuple[tuple[str, tuple[Tried, ...]], ...]:
        """The improvements under a heading each: only those of the first and the last are in an order."""
        found = (("clear gains", self.clear), (UNCLEAR, self.unclear), (LOSING, self.losing))
        return tuple((heading, rows) for heading, rows in found if rows)

    @property
    def is_at_chance(self) -> bool:
        """Whether the array as given is hardly better than guessing at its best rate."""
        return self.chance is not None and self.rate.error > CHANCE * self.chance

    @property
    def rate_helps(self) -> bool:
        """True if another learning rate alone gains for sure."""
        return self.rate.gain is not None and self.rate.gain.is_gain

    @property
    def headlines(self) -> list[Headline]:
        """The numbers of the answer, for page and terminal."""
        lines = list[Headline]()
        if self.clear and self.clear[0].gain is not None:
            best = self.clear[0].gain
            lines.append(
                (f"{best.mean:.1f} points", f"gain of {self.clear[0].name}", f"95 %: {best.low:.1f} to {best.high:.1f}")
            )
        rate = f"at {self.rate.rate:g}, the best learning rate tried"
        guessing = "" if self.chance is None else f"guessing: {self.chance:.1f} %"
        return [
            *lines,
            (f"{self.rate.error:.1f} %", f"test {self.measure} of the array as given", rate),
            (f"{self.floating.error:.1f} %", f"test {self.measure} of floating point", guessing),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as numbers and words that JSON takes."""
        return dataclasses.asdict(self) | {"clear": [one.key for one in self.clear], "advice": self.sentence}

    @property
    def sentence(self) -> str:
        """What to improve first, or that nothing of what was tried helps, and what that is worth."""
        if self.chance is not None and min(self._errors()) > CHANCE * self.chance:
            return self._too_short()
        words = [self._wider_search()] if self.is_at_chance else [self._rate_first()] if self.rate_helps else []
        best = self.clear[0] if self.clear else None
        if best is not None and best.gain is not None:
            base = f"from {self.rate.error:.1f} % to {best.error:.1f} %"
            words.append(f"improve first: {best.name}, which lowers the test {self.measure} {base}{_of(best.gain)}")
            others = [f"{one.name} ({one.gain.mean:+.1f})" for one in self.clear[1:4] if one.gain is not None]
            if others:
                words.append(f"also clear: {', '.join(others)}")
        elif self.tried:
            words.append(
                "no single improvement of those tried helps for sure: more seeds and epochs tell smaller gains"
            )
        words.append(self._floor())
        text = "; ".join(words)
        return f"{text[0].upper()}{text[1:]}."

    def _rate_first(self) -> str:
        assert self.rate.gain is not None
        return (
            f"change the learning rate first: {self.rate.rate:g} in place of {self.given.rate:g} lowers the test "
            f"{self.measure} from {self.given.error:.1f} % to {self.rate.error:.1f} %{_of(self.rate.gain)}"
        )

    def _errors(self) -> list[float]:
        """Return the mean errors of the arrays, floating point left out."""
        return [self.rate.error, *(one.error for one in self.tried)]

    def _too_short(self) -> str:
        return (
            f"These trainings are too short to rank anything: no array is better than guessing ({self.chance:.1f} %), "
            f"and floating point ends at {self.floating.error:.1f} %. First give more epochs and images; then other "
            f"learning rates: {self._rates()}."
        )

    def _wider_search(self) -> str:
        return (
            f"first find a learning rate at which the array as given learns: at {self.rate.rate:g}, the best of those "
            f"tried, it is as bad as guessing ({self.rate.error:.1f} %, guessing {self.chance:.1f} %); try "
            f"{self._rates()}, and more epochs and images"
        )

    def _rates(self) -> str:
        wider = sorted({min(self.factors) / 10, *self.factors, 10 * max(self.factors)})
        return f"--rates {','.join(f'{factor:g}' for factor in wider)} (in a script factors=)"

    def _floor(self) -> str:
        left = self.rate.error - self.floating.error
        if left <= 0:
            return f"floating point ends at {self.floating.error:.1f} %, no better than these arrays"
        return f"floating point ends at {self.floating.error:.1f} %, so {left:.1f} points are left to gain"


def _of(gain: Interval) -> str:
    return f", a gain of {gain.mean:.1f} points (95 %: {gain.low:.1f} to {gain.high:.1f})"
