"""Maxima of a likelihood by damped Newton steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol, final

import numpy as np

from mho.measurements.record import Floats

STEPS = 50
"""Steps of a search."""
ENOUGH = 1e-5
"""The search ends where a Newton step promises half of this in log likelihood: a few thousandths of a standard error,
so that machines which round in another order give the same three digits."""
FAR = 0.5
"""What a Newton step promises where secants are tried after `STEPS`."""
LONGEST = 2.0
"""The longest step of a free number: a factor of 7 on the scale of logarithms."""
DAMPING = (0.1, 1.0, 10.0)
"""Factors on the damping that are tried side by side."""
FLAT = 0.1
"""Curvature that every free number is taken to have at least: at a turning point the scores vanish, and would have it
leap, unless damping held all the others still."""
ROUNDING = 1e-12
"""Part of the largest curvature that is rounding."""


class Likelihood(Protocol):
    """Function that a search maximises."""

    def minus(self, places: Sequence[Floats]) -> Floats: ...
    def scores(self, places: Floats) -> Floats: ...
    def __call__(self, places: Floats) -> float: ...


@final
@dataclasses.dataclass(frozen=True, eq=False)
class End:
    """End of a search.

    Attributes:
        places: the free numbers.
        minus: minus the log likelihood there.
    """

    places: Floats
    minus: float


def climb(
    problem: Likelihood, start: Floats, *, steps: int = STEPS, enough: float = ENOUGH, secants: bool = False
) -> End:
    """Return the nearest maximum from a start: damped Newton steps with the outer product of the scores as Hessian.

    Far from the best a few readings rule that Hessian, and steps stay short; there secants may take over, and damped
    steps end the search.

    Args:
        problem: the likelihood.
        start: free numbers, perhaps none.
        steps: at most so many of each kind.
        enough: promised gain in log likelihood that ends the search.
        secants: whether to go on with them where much is left after these steps.
    """
    if not len(start):
        return End(start, problem(start))
    with np.errstate(all="ignore"):
        end, left = _damped(problem, start, steps, enough)
        if secants and left > FAR:
            end, _ = _damped(problem, _secants(problem, end.places), steps, enough)
    return end


def _damped(problem: Likelihood, start: Floats, steps: int, enough: float) -> tuple[End, float]:
    """Return the end of damped Newton steps, and the gain that a further step promises."""
    places, best, damping, left = start, problem(start), 0.01, 0.0
    for _ in range(steps):
        scores = problem.scores(places)
        slope, square = scores.sum(axis=1), scores @ scores.T
        least = FLAT + ROUNDING * float(np.diag(square).max())
        size = np.diag(square) + least
        root = np.sqrt(size)
        scaled, pull = (square + least * np.eye(len(root))) / np.outer(root, root), slope / root
        left = float(pull @ np.linalg.lstsq(scaled, pull, rcond=1e-10)[0])
        if left < enough:
            return End(places, best), 0.0
        while True:
            ways = [np.linalg.solve(scaled + d * damping * np.eye(len(root)), pull) / root for d in DAMPING]
            trials = [places + np.clip(way, -LONGEST, LONGEST) for way in ways]
            found = problem.minus(trials)
            k = int(np.argmin(found))
            if found[k] < best:
                gained, places, best = best - float(found[k]), trials[k], float(found[k])
                damping = min(max(damping * DAMPING[k], 1e-9), 1e6)
                break
            damping *= 100
            if damping > 1e9:
                return End(places, best), 0.0
        if gained < enough / 10:
            return End(places, best), 0.0
    return End(places, best), left


def _secants(problem: Likelihood, start: Floats) -> Floats:
    from scipy.optimize import minimize  # a third of a second to import

    def down(places: Floats) -> Floats:
        slope: Floats = -problem.scores(places).sum(axis=1)
        return slope

    found: Floats = minimize(problem, start, jac=down, method="BFGS", options={"gtol": 0.1, "maxiter": STEPS}).x
    return found
