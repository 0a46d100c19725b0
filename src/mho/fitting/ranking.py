"""Laws in the order of what they say of readings that their fit has not seen."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import final

import numpy as np

from mho.fitting.estimate import CYCLE, Estimate, TraceFit
from mho.fitting.problem import Problem
from mho.fitting.search import FLAT, climb
from mho.fitting.starts import MORE, ROUGH
from mho.measurements.record import Floats

CYCLES = (0.0, 0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 2.0, 4.0)
"""c2c at which laws are compared."""
LEAST = 1e100
"""Log density that stands for one of minus infinity, so that a law without a value leaves the other laws' numbers."""
UNLIKELY = 10.0
"""Adjusted log likelihood below the largest at which a law's profile is not followed on."""
BLOCKS = 20
"""Contiguous blocks that each device's readings are cut into."""
SHARED = math.sqrt(1 + BLOCKS / (BLOCKS - 1))
"""Factor of a standard error over blocks: each is predicted from the others, which overlap between predictions."""
DECISIVE = 10.0
"""A difference in log density of a device that decides whatever its standard error, which a single hard block may make
large. Of several devices it is larger, as chance differences are, by the root of their number."""
NOTHING = 0.5
"""A difference in log density that says nothing, though nested laws may differ by less and in every block."""


@final
@dataclasses.dataclass(frozen=True)
class Score:
    """Score of a law: how well it predicts.

    Attributes:
        total: log density of all readings, each predicted one step ahead from those before it by parameters as a fit
            without its block has them, and all laws with the same c2c.
        behind: how much more the best law has.
        error: standard error of that difference, from the differences in single blocks, and wider by what fits share
            that have most readings in common (Nadeau and Bengio 2003, Machine Learning 52:239).
        devices: that were measured.
    """

    total: float
    behind: float
    error: float
    devices: int = 1

    @property
    def as_good(self) -> bool:
        """True if the law is within one standard error of the best, or so near that no data could tell."""
        return self.behind <= max(min(self.error, DECISIVE * math.sqrt(self.devices)), NOTHING)


def blocks_of(count: int) -> list[slice]:
    """Contiguous blocks of a series of predictions, of two or more where there are so many."""
    blocks = max(min(BLOCKS, count // 2), 1)
    edges = np.linspace(0, count, blocks + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]


@final
class Profile:
    """A law's fits with c2c held at those of `CYCLES` at which they are likely, and at others when these are asked for.

    Read noise follows in each device by itself.

    Args:
        fits: one per device, with the c2c that each has.

    Attributes:
        evidence: log likelihood of all devices, adjusted for the parameters of the mean steps, by places in `CYCLES`;
            of place 0 alone for a law without c2c.
    """

    def __init__(self, fits: Sequence[TraceFit]) -> None:
        own = [fit.values[CYCLE] for fit in fits if CYCLE in fit.problem.fields]
        self.evidence: dict[int, float] = {}
        self._last = len(CYCLES) - 1 if own else 0
        self._ends: dict[int, list[tuple[Problem, Floats]]] = {}
        begin = int(np.argmin(np.abs(np.array(CYCLES) - np.mean(own)))) if own else 0
        self._find(begin, [fit.problem.alone(fit.places) for fit in fits])
        for way in (1, -1):
            place = begin
            while 0 <= place + way <= self._last and self.evidence[place] > max(self.evidence.values()) - UNLIKELY:
                self._find(place + way, self._ends[place])
                place += way

    def blocks(self, place: int) -> Floats:
        """Log density of each block of all devices at a place in `CYCLES`, as `held_out` has it, (blocks,)."""
        place = min(place, self._last)
        while place not in self._ends:
            near = min(self._ends, key=lambda k: abs(k - place))
            self._find(near + (1 if place > near else -1), self._ends[near])
        return np.concatenate([held_out(problem, places) for problem, places in self._ends[place]])

    def _find(self, place: int, near: Sequence[tuple[Problem, Floats]]) -> None:
        """Fit with the c2c of a place, from ends near it."""
        self._ends[place], self.evidence[place] = [], 0.0
        for problem, places in near:
            cycle = {CYCLE: Estimate(CYCLES[place], None)} if self._last else {}
            other = problem.replaced(held=problem.held | cycle)
            end = climb(other, other.follow(problem, places), steps=MORE, enough=ROUGH)
            self._ends[place].append((other, end.places))
            evidence = -end.minus - other.shape_information(end.places)
            self.evidence[place] += evidence if math.isfinite(evidence) else -LEAST


def at_one_noise(profiles: Sequence[Profile]) -> list[Floats]:
    """Blocks of every law, (laws, blocks), at the c2c that the law of the largest evidence has.

    A free curve can follow what is wander, and then has less c2c: with each law at its own, the most flexible one would
    be ahead by far more than its parameters are worth. So regressions are compared with one variance (Mallows 1973,
    Technometrics 15:661).
    """
    best = max(profiles, key=lambda one: max(one.evidence.values())).evidence
    place = max(best, key=lambda k: best[k])
    return [one.blocks(place) for one in profiles]


def held_out(problem: Problem, places: Floats) -> Floats:
    """Log density of each block by parameters as a fit without it has them, to first order, (blocks,).

    Without a block the best parameters are one Newton step of its scores away, which costs it g·J⁻¹·g: g are its
    scores, J the information of all readings. Summed over blocks this is what held-out readings lose to parameters that
    were fitted to others (Stone 1977, J. R. Stat. Soc. B 39:44). Fits without a block would ask of each law where its
    bounds are when the extreme readings are left out, and a single reading beyond such a bound would decide the order.
    """
    scores, density, totals = problem.scores(places), problem.look([places])[0, 0], []
    density = np.where(problem.weights > 0, np.nan_to_num(density, nan=-LEAST, neginf=-LEAST), 0.0)
    information = scores @ scores.T + FLAT * np.eye(len(scores))
    for block in blocks_of(len(density)):
        slope = scores[:, block].sum(axis=1)
        # least squares: where a law is steep, scores may be so large that the information is singular in float64
        newton = np.linalg.lstsq(information, slope, rcond=None)[0]
        totals.append(float(density[block].sum() - slope @ newton))
    return np.array(totals)


def scores(parts: Sequence[Floats], devices: int) -> list[Score]:
    """Scores of laws from their blocks, (laws, blocks): paired, because a hard reading is hard for all of them."""
    totals = [float(part.sum()) for part in parts]
    best = parts[int(np.argmax(totals))]
    found = []
    for part, total in zip(parts, totals, strict=True):
        apart = best - part
        error = SHARED * float(np.std(apart, ddof=1) * np.sqrt(len(apart))) if len(apart) > 1 else 0.0
        found.append(Score(total, float(apart.sum()), error, devices))
    return found


def order(found: Sequence[Score], free: Sequence[int]) -> list[int]:
    """Numbers of the laws, best first: those as good as the best by how few parameters they have.

    Among equals the order is as given: by score it would hang on the rounding of the machine.
    """
    return sorted(
        range(len(found)),
        key=lambda k: (not found[k].as_good, *((free[k], 0.0) if found[k].as_good else (0, found[k].behind))),
    )
