"""Steps as measured, in bins of the state: nodes of mean steps, and tables of jumps."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import final

import numpy as np

from mho.errors import InvalidValue
from mho.fitting.steps import Steps, mean_steps, single_steps
from mho.fitting.weights import ReadingNoise, WeightTrace
from mho.measurements.record import Floats

NODES = 9
BINS = 16
POINTS = 21
FEWEST = 20
"""Steps that a bin of a table needs of its own; a bin with fewer takes in its neighbours' too."""
SMOOTH = 0.1
"""Weight, in steps, of the wish that three neighbouring nodes lie on a line: it fills what no step tells."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Piecewise:
    """Mean step against state, linear between nodes, in weights.

    Attributes:
        w_min, w_max: the range of the states.
        dw_min: mean step in the middle of the range, over both directions.
        up: (K,) step up at K evenly spaced states from w_min to w_max, over dw_min; at least 0.
        down: (K,) likewise.
        c2c: standard deviation of a step over its mean, after read noise.
        noise: standard deviation of noise that each reading draws anew.
    """

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
        w_min, w_max: the range of the states.
        up_states: (B,) middles of the bins of up steps.
        up_points: (Q,) of the cumulative distribution, from 0 to 1.
        up: (B, Q) change at one up pulse at these points, ascending in each row.
        down_states, down_points, down: likewise of down pulses; most are negative.
        pooled: bins that took in their neighbours' steps, of all.
    """

    w_min: float
    w_max: float
    up_states: Floats
    up_points: Floats
    up: Floats
    down_states: Floats
    down_points: Floats
    down: Floats
    pooled: int


def piecewise_from(traces: Sequence[WeightTrace], *, noise: ReadingNoise, nodes: int = NODES) -> Piecewise:
    """Fit the mean steps of all devices together: least squares on nodes with straight lines between them.

    Args:
        traces: one per device; steps of several pulses count as so many.
        noise: of readings.
        nodes: K, at least 2.

    Raises:
        InvalidValue: where there are no pulses of a direction.
    """
    low, high = _range(traces)
    places = np.linspace(low, high, nodes)
    mean, left, size = {}, [], []
    for sign, word in ((1, "up"), (-1, "down")):
        mean[sign] = _means(traces, sign, word, noise, nodes)
        steps = _joined([single_steps(trace, sign) for trace in traces], word)
        there = np.interp(steps.states, places, mean[sign])
        left.append(((steps.sizes - there) ** 2 - noise.of_step(steps.pulses)) * steps.pulses)
        size.append(there**2)
    middle = float(np.mean([np.interp(0.5 * (low + high), places, m) for m in mean.values()]))
    dw_min = middle if middle > 0 else max(float(np.mean(list(mean.values()))), 1e-12)
    own, whole = float(np.mean(np.concatenate(left))), float(np.mean(np.concatenate(size)))
    c2c = math.sqrt(max(own, 0.0) / max(whole, 1e-300))
    return Piecewise(low, high, dw_min, mean[1] / dw_min, mean[-1] / dw_min, c2c, noise.single)


def jump_table_from(
    traces: Sequence[WeightTrace], *, noise: ReadingNoise, bins: int = BINS, points: int = POINTS
) -> Jumps:
    """Quantiles of the steps of all devices together in bins of the state.

    A bin with few steps of its own takes in its neighbours' until it has enough; where readings have noise, each bin's
    mean is that of stretches of pulses, and the distance of each quantile from it is shrunk by the share of the
    variance that is the noise's.

    Args:
        traces: one per device.
        noise: of readings.
        bins: B, at least 2.
        points: Q, at least 2.

    Raises:
        InvalidValue: where there are no pulses of a direction.
    """
    low, high = _range(traces)
    edges, levels = np.linspace(low, high, bins + 1), np.linspace(0, 1, points)
    middles = (edges[1:] + edges[:-1]) / 2
    found, pooled = {}, 0
    for sign, word in ((1, "up"), (-1, "down")):
        steps = _joined([single_steps(trace, sign) for trace in traces], word)
        means = np.interp(middles, np.linspace(low, high, NODES), _means(traces, sign, word, noise, NODES))
        place = np.clip(np.searchsorted(edges, steps.states, side="right") - 1, 0, bins - 1)
        rows = np.empty((bins, points))
        for b in range(bins):
            enough = min(FEWEST, len(place))
            reach = next(r for r in range(bins) if r == bins - 1 or (abs(place - b) <= r).sum() >= enough)
            pooled += reach > 0
            mine = abs(place - b) <= reach
            sizes, extra = sign * steps.sizes[mine], float(noise.of_step(steps.pulses[mine]).mean())
            variance = float(sizes.var())
            share = math.sqrt(max(variance - extra, 0.0) / variance) if variance > 0 else 0.0
            mean = sizes.mean() if extra == 0 and reach == 0 else sign * means[b]
            share *= math.sqrt(float(steps.pulses[mine].mean()))  # a mean over n pulses has 1/n of the variance of one
            rows[b] = mean + share * (np.quantile(sizes, levels) - sizes.mean())
        found[sign] = rows
    return Jumps(low, high, middles, levels, found[1], middles, levels, found[-1], pooled)


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


def _range(traces: Sequence[WeightTrace]) -> tuple[float, float]:
    """Return the lowest and the highest state that was measured on any device."""
    return min(trace.range[0] for trace in traces), max(trace.range[1] for trace in traces)


def _means(traces: Sequence[WeightTrace], sign: int, word: str, noise: ReadingNoise, count: int) -> Floats:
    """(count,) mean steps of a direction at even states over the range, at least 0."""
    steps = _joined([mean_steps(trace, sign, noise) for trace in traces], word)
    return np.maximum(nodes_of(steps.states, steps.sizes, *_range(traces), count, steps.pulses), 0.0)


def _joined(parts: Sequence[Steps], word: str) -> Steps:
    """Steps of all devices, one after another."""
    joined = Steps(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(Steps)))
    if not len(joined.states):
        raise InvalidValue(
            f"there are no {word} pulses in the data, so no table has their steps; measure both directions"
        )
    return joined
