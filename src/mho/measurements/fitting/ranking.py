"""Laws in the order of what they say of readings that their fit has not seen."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import final

import numpy as np

from mho.measurements.fitting.maximum import TraceFit
from mho.measurements.fitting.search import climb
from mho.measurements.record import Floats

BLOCKS = 20
"""Contiguous blocks that each device's readings are cut into."""
FOLDS = 5
"""A fifth of the blocks is held out at a time, spread over all readings."""
SHARED = math.sqrt(1 + FOLDS / (FOLDS - 1))
"""Factor of a standard error over blocks: a fold is judged by 1/FOLDS of the readings and fitted to the others."""
STEPS, ENOUGH = 20, 1e-3
"""Steps of the search without a fold, and the promised gain that ends it."""
DECISIVE = 10.0
"""A difference in log density that decides whatever its standard error, which a single hard block may make large."""
NOTHING = 0.5
"""A difference in log density that says nothing, though nested laws may differ by less and in every block."""


@final
@dataclasses.dataclass(frozen=True)
class Score:
    """How well a law predicts.

    Attributes:
        total: log density of all readings, each predicted one step ahead from those before it by parameters that were
            fitted without its block and three or so others.
        behind: how much more the best law has.
        error: standard error of that difference, from the differences in single blocks, and wider by what fits share
            that have most readings in common (Nadeau and Bengio 2003, Machine Learning 52:239).
    """

    total: float
    behind: float
    error: float

    @property
    def as_good(self) -> bool:
        """Whether the law is within one standard error of the best, or so near that no data could tell."""
        return self.behind <= max(min(self.error, DECISIVE), NOTHING)


def blocks_of(count: int) -> list[slice]:
    """Contiguous blocks of a series of predictions, of two or more where there are so many."""
    blocks = max(min(BLOCKS, count // 2), 1)
    edges = np.linspace(0, count, blocks + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]


def held_out(fit: TraceFit) -> Floats:
    """Log density of each block by parameters that were fitted without it, (blocks,)."""
    problem, count = fit.problem, len(fit.log_density)
    blocks = blocks_of(count)
    totals = np.zeros(len(blocks))
    for fold in range(min(FOLDS, len(blocks))):
        # shifted by one each round: five blocks may be just one ramp up and down
        mine = [number for number in range(len(blocks)) if (number + number // FOLDS) % FOLDS == fold]
        weights = np.ones(count)
        for number in mine:
            weights[blocks[number]] = 0.0
        places = fit.places
        if len(blocks) > 1:
            places = climb(problem.replaced(weights=weights), places, steps=STEPS, enough=ENOUGH).places
        density = problem.look([places])[0, 0]
        for number in mine:
            totals[number] = float(np.nansum(density[blocks[number]]))
    return totals


def scores(parts: Sequence[Floats]) -> list[Score]:
    """Scores of laws from their blocks, (laws, blocks): paired, because a hard reading is hard for all of them."""
    totals = [float(part.sum()) for part in parts]
    best = parts[int(np.argmax(totals))]
    found = []
    for part, total in zip(parts, totals, strict=True):
        apart = best - part
        error = SHARED * float(np.std(apart, ddof=1) * np.sqrt(len(apart))) if len(apart) > 1 else 0.0
        found.append(Score(total, float(apart.sum()), error))
    return found


def order(found: Sequence[Score], free: Sequence[int]) -> list[int]:
    """Numbers of the laws, best first: those as good as the best by how few parameters they have.

    Among equals the order is the given one: by score it would hang on the rounding of the machine.
    """
    return sorted(
        range(len(found)),
        key=lambda k: (not found[k].as_good, *((free[k], 0.0) if found[k].as_good else (0, found[k].behind))),
    )
