"""The noise-free line of a fit, held against plain least squares of the same law."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

import numpy as np

from mho.devices.symmetry import quiet_step
from mho.fitting.estimate import CYCLE, NOISE, Estimate, TraceFit
from mho.fitting.search import climb
from mho.fitting.weights import ramps, smoothed
from mho.measurements.record import Floats

CLEAR = 0.03
"""Part of the range by which a line misses the readings clearly."""
MORE = 1.5
"""Times the distance of least squares from which a line is worse."""
WANDERS = 3.0
"""Times what the law's own noise makes a device wander."""


def quiet_path(fit: TraceFit, values: dict[str, float] | None = None) -> tuple[Floats, Floats]:
    """States of a law without noise, (K,), and the variance that its noise would add by then, (K,).

    Each connected series starts where a line through its first readings does.

    Args:
        fit: its law and readings.
        values: of the law's fields; None: as fitted.
    """
    trace = fit.series
    values = fit.values if values is None else values
    cell: Any = types.SimpleNamespace(**values)
    groups = ramps(trace.pulses)
    line = smoothed(trace.readings, groups, 2)
    path, wander = np.empty(len(line)), np.zeros(len(line))
    w, variance, h = 0.0, 0.0, 1e-5 * (cell.w_max - cell.w_min)
    for k in range(len(line)):
        if k == 0 or (groups[k] != groups[k - 1] and trace.pulses[k - 1] == 0):
            w, variance = float(np.clip(line[k], cell.w_min, cell.w_max)), 0.0
        else:
            up = bool(trace.pulses[k - 1] > 0)
            for _ in range(abs(int(trace.pulses[k - 1]))):
                near = w - h if w + h > cell.w_max else w + h
                step = quiet_step(fit.law, w, up, cell)
                slope = 1 + (quiet_step(fit.law, near, up, cell) - step) / (near - w)
                variance = slope * slope * variance + (values.get(CYCLE, 0.0) * step) ** 2
                w = float(np.clip(w + step, cell.w_min, cell.w_max))
        path[k], wander[k] = w, variance
    return path, wander


def misses(fits: Sequence[TraceFit]) -> list[str]:
    """Return a sentence for each device whose line misses the readings where least squares of the same law does not."""
    sentences = []
    for fit in fits:
        if CYCLE not in fit.problem.fields:
            continue
        span = fit.series.range[1] - fit.series.range[0]
        path, wander = quiet_path(fit)
        far = _distance(fit, path)
        expected = WANDERS * float(np.sqrt(wander.mean()))
        if far < max(CLEAR * span, expected):
            continue
        held = fit.problem.held | {CYCLE: Estimate(0.0, None, "least squares")}
        if NOISE in held and held[NOISE].value == 0:
            del held[NOISE]
        squares = fit.problem.replaced(held=held)
        start = fit.problem.values(fit.places)
        start[NOISE] = max(far, squares.floor)
        end = climb(squares, squares.adopt(start))
        near = _distance(fit, quiet_path(fit, squares.values(end.places))[0])
        if far > MORE * near:
            name = f" of device {fit.series.device}" if len(fits) > 1 else ""
            sentences.append(
                f"The line of {fit.law.__name__}{name} misses the readings by {100 * far / span:.1f} % of the range, "
                f"and plain least squares of the same law by {100 * near / span:.1f} %: do not trust this fit."
            )
    return sentences


def _distance(fit: TraceFit, path: Floats) -> float:
    """Root mean square distance of readings from a line."""
    return float(np.sqrt(np.mean((fit.series.readings - path) ** 2)))
