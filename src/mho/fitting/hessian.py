"""Standard errors from the curvature of a likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mho.measurements.record import Floats

Several = Callable[[Sequence[Floats]], Floats]
"""Minus the log likelihood at each of several places."""
DROP = 0.005
"""Log likelihood that a step of the differences should cost, a tenth of a standard error: farther it is no parabola."""
FLAT = 0.05
"""A parameter is flat if the longest step costs less than this."""
LONGEST = 0.7
"""The longest step of a free number: a factor of 2 on the scale of logarithms."""
SINGULAR = 1e-5
"""Eigenvalue of the curvature, scaled to a diagonal of ones, below which its direction is not determined."""
PART = 0.2
"""Part of such a direction from which a parameter belongs to it."""


def standard_errors(minus: Several, best: Floats) -> list[tuple[float | None, list[int]]]:
    """Standard error of each parameter at a minimum of minus a log likelihood.

    Args:
        minus: minus the log likelihood at each of several places.
        best: the minimum.

    Returns:
        For each parameter its error, and no others; or None and the parameters that the data do not tell from it.
    """
    count, bottom = len(best), float(minus([best])[0])
    answers: list[tuple[float | None, list[int]]] = [(None, [k]) for k in range(count)]
    steps = [_step(minus, best, bottom, k) for k in range(count)]
    live = [k for k in range(count) if steps[k] is not None]
    if not live:
        return answers
    h = np.array([steps[k] for k in live], np.float64)
    curvature = _curvature(minus, best, bottom, live, h)
    bent = np.diag(curvature) > 0
    live, curvature = [k for k, good in zip(live, bent, strict=True) if good], curvature[np.ix_(bent, bent)]
    if not live or not np.isfinite(curvature).all():
        return answers
    size = np.sqrt(np.diag(curvature))
    values, vectors = np.linalg.eigh(curvature / np.outer(size, size))
    lost = values < SINGULAR
    inverse = (vectors[:, ~lost] / values[~lost]) @ vectors[:, ~lost].T
    loose = np.abs(vectors[:, lost]) > PART
    for place, k in enumerate(live):
        mine = loose[place]
        if mine.any():
            together = np.flatnonzero(loose[:, mine].any(axis=1))
            answers[k] = (None, [live[other] for other in together])
        else:
            answers[k] = (float(np.sqrt(inverse[place, place])) / float(size[place]), [])
    return answers


def _step(minus: Several, best: Floats, bottom: float, k: int) -> float | None:
    """Return a step of parameter k that costs about `DROP`; None if none in either direction costs anything."""

    def cost(h: float) -> tuple[float, float]:
        ahead, back = best.copy(), best.copy()
        ahead[k] += h
        back[k] -= h
        costs = minus([ahead, back]) - bottom
        return float(costs[0]), float(costs[1])

    if min(cost(LONGEST)) < FLAT:
        return None
    h = 0.01
    for _ in range(40):
        mean = sum(cost(h)) / 2
        if DROP / 4 < mean < DROP * 4:
            return h
        h = min(h * min(max((DROP / max(mean, 1e-12)) ** 0.5, 0.05), 20.0), LONGEST)
    return h


def _curvature(minus: Several, best: Floats, bottom: float, live: list[int], h: Floats) -> Floats:
    """Second differences, all in one call."""
    count = len(live)
    pairs = [(a, b) for a in range(count) for b in range(a)]
    places = []
    for a in range(count):
        for way in (1, -1):
            places.append(best.copy())
            places[-1][live[a]] += way * h[a]
    for a, b in pairs:
        for one, other in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            places.append(best.copy())
            places[-1][live[a]] += one * h[a]
            places[-1][live[b]] += other * h[b]
    costs = minus(places)
    found = np.zeros((count, count))
    for a in range(count):
        found[a, a] = (costs[2 * a] - 2 * bottom + costs[2 * a + 1]) / h[a] ** 2
    for (a, b), corner in zip(pairs, costs[2 * count :].reshape(-1, 4), strict=True):
        found[a, b] = found[b, a] = (corner[0] - corner[1] - corner[2] + corner[3]) / (4 * h[a] * h[b])
    return found
