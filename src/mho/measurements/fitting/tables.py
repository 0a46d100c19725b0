"""Steps as measured, in bins of the state: nodes of mean steps, and tables of jumps."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import final

import numpy as np

from mho.errors import InvalidValue
from mho.measurements.fitting.weights import Scale, WeightTrace, scale_of, weight_trace
from mho.measurements.record import Floats, Measurement

NODES = 9
BINS = 16
POINTS = 21
FEWEST = 20
"""Steps that a bin of a table needs of its own; one with fewer takes in its neighbours' too."""
SMOOTH = 0.1
"""Weight, in steps, of the wish that three neighbouring nodes lie on a line: it fills what no step tells."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Piecewise:
    """Mean step against state, linear between nodes, in weights.

    Attributes:
        scale: from conductance to weight.
        w_min, w_max: the range of the states.
        dw_min: mean step in the middle of the range, over both directions.
        up: (K,) step up at K evenly spaced states from w_min to w_max, over dw_min; at least 0.
        down: (K,) likewise.
        c2c: standard deviation of a step over its mean, after read noise.
        noise: standard deviation of read noise, 0 if there is no sign of it.
    """

    scale: Scale
    w_min: float
    w_max: float
    dw_min: float
    up: Floats
    down: Floats
    c2c: float
    noise: float


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Jumps:
    """The distribution of steps in bins of the state, in weights.

    Attributes:
        scale: from conductance to weight.
        w_min, w_max: the range of the states.
        up_states: (B,) middles of the bins of up steps.
        up_points: (Q,) of the cumulative distribution, from 0 to 1.
        up: (B, Q) change at one up pulse at these points, ascending in each row.
        down_states, down_points, down: likewise of down pulses; most are negative.
        pooled: bins that took in their neighbours' steps, of all.
    """

    scale: Scale
    w_min: float
    w_max: float
    up_states: Floats
    up_points: Floats
    up: Floats
    down_states: Floats
    down_points: Floats
    down: Floats
    pooled: int


def piecewise_from(measurement: Measurement, *, w_max: float = 0.6, nodes: int = NODES) -> Piecewise:
    """Mean steps of all devices together, by least squares on nodes with straight lines between them.

    Args:
        measurement: its traces; steps of several pulses count as so many.
        w_max: the range of the readings becomes ±w_max.
        nodes: K, at least 2.

    Raises:
        InvalidValue: where there are no pulses of a direction.
    """
    scale, traces = _weights(measurement, w_max)
    low, high = (float(end(end(t.readings) for t in traces)) for end in (min, max))
    mean = {}
    for sign, word in ((1, "up"), (-1, "down")):
        w, step, _ = _steps(traces, sign, word)
        mean[sign] = np.maximum(nodes_of(w, step, low, high, nodes), 0.0)
    middle = float(np.mean([np.interp(0.5 * (low + high), np.linspace(low, high, nodes), m) for m in mean.values()]))
    dw_min = middle if middle > 0 else max(float(np.mean(list(mean.values()))), 1e-12)
    left, size = [], []
    for sign, word in ((1, "up"), (-1, "down")):
        w, step, _ = _steps(traces, sign, word)
        there = np.interp(w, np.linspace(low, high, nodes), mean[sign])
        left.append(step - there)
        size.append(there)
    noise = float(np.mean([t.noise for t in traces if t.noisy])) if any(t.noisy for t in traces) else 0.0
    own = max(float(np.mean(np.concatenate(left) ** 2)) - 2 * noise**2, 0.0)
    c2c = float(np.sqrt(own / max(float(np.mean(np.concatenate(size) ** 2)), 1e-300)))
    return Piecewise(scale, low, high, dw_min, mean[1] / dw_min, mean[-1] / dw_min, c2c, noise)


def jump_table_from(measurement: Measurement, *, w_max: float = 0.6, bins: int = BINS, points: int = POINTS) -> Jumps:
    """Quantiles of the steps of all devices together in bins of the state.

    A bin with few steps of its own takes in its neighbours' until it has enough; where read noise shows, the distance
    of each quantile from its bin's mean is shrunk by the share of the variance that is the noise's.

    Args:
        measurement: its traces.
        w_max: the range of the readings becomes ±w_max.
        bins: B, at least 1.
        points: Q, at least 2.

    Raises:
        InvalidValue: where there are no pulses of a direction.
    """
    scale, traces = _weights(measurement, w_max)
    low, high = (float(end(end(t.readings) for t in traces)) for end in (min, max))
    edges, levels = np.linspace(low, high, bins + 1), np.linspace(0, 1, points)
    found, pooled = {}, 0
    for sign, word in ((1, "up"), (-1, "down")):
        w, step, noise = _steps(traces, sign, word)
        place = np.clip(np.searchsorted(edges, w, side="right") - 1, 0, bins - 1)
        rows = np.empty((bins, points))
        for b in range(bins):
            reach = next(r for r in range(bins) if r == bins - 1 or (abs(place - b) <= r).sum() >= min(FEWEST, len(w)))
            pooled += reach > 0
            mine = sign * step[abs(place - b) <= reach]
            variance = float(mine.var())
            own = max(variance - 2 * noise**2, 0.0)
            share = float(np.sqrt(own / variance)) if variance > 0 else 0.0
            rows[b] = mine.mean() + share * (np.quantile(mine, levels) - mine.mean())
        found[sign] = rows
    middles = (edges[1:] + edges[:-1]) / 2
    return Jumps(scale, low, high, middles, levels, found[1], middles, levels, found[-1], pooled)


def nodes_of(w: Floats, step: Floats, low: float, high: float, count: int, weights: Floats | None = None) -> Floats:
    """(count,) values at even nodes whose straight lines fit (w, step) by least squares."""
    place = np.clip((w - low) / (high - low) * (count - 1), 0, count - 1)
    left = np.minimum(place.astype(int), count - 2)
    hats = np.zeros((len(w), count))
    rows = np.arange(len(w))
    hats[rows, left] = 1 - (place - left)
    hats[rows, left + 1] = place - left
    scaled = hats if weights is None else hats * weights[:, None]
    bend = np.diff(np.eye(count), 2, axis=0)
    answer = np.linalg.lstsq(hats.T @ scaled + SMOOTH * bend.T @ bend, scaled.T @ step, rcond=None)[0]
    return np.asarray(answer, np.float64)


def _weights(measurement: Measurement, w_max: float) -> tuple[Scale, list[WeightTrace]]:
    scale = scale_of(measurement, w_max)
    return scale, [weight_trace(trace, scale) for trace in measurement.traces]


def _steps(traces: Sequence[WeightTrace], sign: int, word: str) -> tuple[Floats, Floats, float]:
    """States, steps the way of the pulses, and their read noise (a step of n pulses has 1/n of it)."""
    w, step, noise = [], [], []
    for trace in traces:
        mine = np.sign(trace.pulses) == sign
        w.append(trace.states[mine])
        step.append(trace.steps[mine])
        if trace.noisy and mine.any():
            noise.append(trace.noise / float(np.abs(trace.pulses[mine]).mean()))
    if not sum(len(part) for part in w):
        raise InvalidValue(
            f"there are no {word} pulses in the data, so no table has their steps; measure both directions"
        )
    return np.concatenate(w), np.concatenate(step), float(np.mean(noise)) if noise else 0.0
