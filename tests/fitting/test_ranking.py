"""Searches, the order of laws, and the noises that several devices share."""

from __future__ import annotations

import dataclasses
import math
import random

import numpy as np
import pytest

from mho.devices import ConstantStep, PowStep, SoftBounds
from mho.fitting import fit_laws
from mho.fitting.maximum import fit_devices
from mho.fitting.parameters import Interval
from mho.fitting.ranking import Profile, Score, at_one_noise, blocks_of, held_out
from mho.fitting.search import climb
from mho.fitting.weights import scale_of, weight_trace
from mho.measurements import Measurement, Trace


@dataclasses.dataclass(frozen=True)
class Line:
    """Readings about level + slope·place with unit noise, where the slope is the square of its free number."""

    readings: np.ndarray
    weights: float = 1.0

    @property
    def places(self):
        return np.linspace(0, 1, len(self.readings))

    def look(self, numbers):
        level, root = np.array(numbers).T
        left = self.readings - level[:, None] - (root**2)[:, None] * self.places
        density = -0.5 * (left**2 + math.log(2 * math.pi))
        return density[:, None]

    def minus(self, numbers):
        return -self.look(numbers)[:, 0].sum(axis=1)

    def __call__(self, numbers):
        return float(self.minus([numbers])[0])

    def scores(self, numbers):
        level, root = numbers
        left = self.readings - level - root**2 * self.places
        return np.array([left, 2 * root * left * self.places])


def test_a_parameter_at_an_end_of_its_range_does_not_stop_the_others():
    falling = 3 - np.linspace(0, 1, 200)  # the slope that is at least 0 ends at 0, where it has no score
    end = climb(Line(falling), np.array([0.0, 1e-4]))
    # the mean of the readings, to a tenth of its standard error
    assert end.places[0] == pytest.approx(2.5, abs=0.1 / math.sqrt(200))
    assert abs(end.places[1]) < 0.01


def test_held_out_blocks_are_what_fits_without_them_predict():
    readings = np.random.default_rng(0).normal(size=200) + 1
    line = Line(readings)
    found = held_out(line, np.array([readings.mean(), 0.0]))
    exact = []
    for block in blocks_of(200):
        others = np.delete(readings, np.arange(block.start, block.stop)).mean()
        exact.append(line.look([[others, 0.0]])[0, 0, block].sum())
    # to first order: the next one is a twentieth of what blocks lose, 1 in all
    assert sum(exact) == pytest.approx(found.sum(), abs=0.15)
    whole = line.look([[readings.mean(), 0.0]])[0, 0].sum()
    assert whole - found.sum() > 0.3


def test_laws_are_compared_at_the_c2c_of_the_best():
    class Known(Profile):
        def __init__(self, evidence):
            self.evidence = evidence

        def blocks(self, place):
            return np.array([float(place)])

    profiles = [Known({1: 5.0, 2: 9.0}), Known({4: 8.0, 5: 7.0})]
    assert [blocks.tolist() for blocks in at_one_noise(profiles)] == [[2.0], [2.0]]


def test_what_decides_grows_with_the_root_of_the_devices():
    assert not Score(0.0, 12.0, 20.0).as_good
    assert Score(0.0, 12.0, 20.0, devices=4).as_good
    assert not Score(0.0, 12.0, 11.0, devices=4).as_good


@pytest.mark.parametrize(
    ("interval", "v", "apart"),
    [
        (Interval(0.0, 4.0), 0.0, 1e-4),
        (Interval(0.0, 4.0), math.pi / 2, -1e-4),
        (Interval(low=1.0), 0.0, 1e-4),
        (Interval(high=1.0), 0.0, -1e-4),
        (Interval(0.0, open=True), -3.0, 1e-4),
        (Interval(), 2.0, 1e-4),
    ],
)
def test_differences_are_taken_inside_an_interval(interval, v, apart):
    other, found = interval.aside(v)
    assert found == pytest.approx(apart, rel=0.02)  # an end is taken a millionth inside, a hundredth of this
    assert interval.low <= interval.value(other) <= interval.high


def staircases(step_up, step_down, *, noise, pulses, devices, c2c=0.3, first=0):
    """Ramps up and down in plain Python on conductances from 0 to 1."""
    traces = []
    for seed in range(first, first + devices):
        draw, g = random.Random(seed), 0.1
        out, signs = [g + noise * draw.gauss(0, 1)], [1] * pulses + [-1] * pulses
        for sign in signs:
            step = step_up(g) if sign > 0 else -step_down(g)
            g = min(max(g + step * (1 + c2c * draw.gauss(0, 1)), 0.0), 1.0)
            out.append(g + noise * draw.gauss(0, 1))
        traces.append(Trace(f"device {seed}", np.array(out), np.array(signs)))
    return traces


def fits_of(law, traces):
    scale = scale_of(Measurement("simulated", tuple(traces), "S"), 0.6)
    return fit_devices(law, [weight_trace(trace, scale) for trace in traces], extrapolate=False), scale


def test_a_flexible_law_is_not_ahead_for_following_the_wander():
    traces = staircases(lambda g: 0.015 * (1 - g), lambda g: 0.018 * g, noise=0.03, pulses=200, devices=1, first=5000)
    found = fit_laws(Measurement("simulated", tuple(traces), "S"), [SoftBounds, PowStep])
    soft, power = (next(fit for fit in found.laws if fit.law is law) for law in (SoftBounds, PowStep))
    assert power.log_likelihood - soft.log_likelihood > 8  # PowStep's two exponents are worth 2
    assert soft.score.as_good
    assert found.best is soft


def test_devices_have_one_c2c_which_is_not_too_small():
    traces = staircases(lambda g: 0.09 * (1 - g), lambda g: 0.1 * g, noise=0.01, pulses=32, devices=6)
    fits, _ = fits_of(SoftBounds, traces)
    values = {fit.estimates["c2c"].value for fit in fits}
    assert len(values) == 1
    alone = [fits_of(SoftBounds, [trace])[0][0].estimates["c2c"].value for trace in traces]
    c2c = fits[0].estimates["c2c"]
    assert abs(c2c.value - 0.3) < 3 * c2c.error < 0.3
    assert c2c.value > np.mean(alone)


def test_no_read_noise_is_found_where_there_is_none():
    traces = staircases(lambda g: 0.025, lambda g: 0.022, noise=0.0, pulses=32, devices=5, first=50)
    noise = fits_of(ConstantStep, traces)[0][0].estimates["read_noise"]
    assert noise.value == 0 or noise.value <= 3 * noise.error
