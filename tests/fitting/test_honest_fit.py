"""Fits of data that the fit's own models did not make: noises told apart, the range that was measured, what is said."""

from __future__ import annotations

import dataclasses
import math
import random

import numpy as np
import pytest
import typer

from benchmarks.fit_recovery import LOW, SPAN, staircase, steps
from mho.cli import device_fit
from mho.devices import ConstantStep, ExpStep, LinearStep, PowStep, SoftBounds
from mho.errors import InvalidValue
from mho.fitting import fit_laws
from mho.fitting.ends import ALLOWED, _crossing, noise_ends, told_by
from mho.fitting.estimate import CYCLE, NOISE
from mho.fitting.filter import compiled_step, likelihood
from mho.fitting.line import misses
from mho.fitting.maximum import fit_devices
from mho.fitting.parameters import defaults, evaluates, limits, shapes_bounds, used_fields
from mho.fitting.population import random_effects
from mho.fitting.ranking import held_out
from mho.fitting.weights import Scale, measured_range, scale_of, weight_trace
from mho.fitting.worth import hard_to_train
from mho.measurements import Measurement, Trace


def soft_staircase(seed, *, pulses=50, c2c=0.3, noise=0.004, up=0.06, down=0.07):
    """Soft bounds from 0 to 1 in plain Python, one ramp up and one down."""
    draw, g = random.Random(seed), 0.05
    out, signs = [g], [1] * pulses + [-1] * pulses
    for sign in signs:
        step = up * (1 - g) if sign > 0 else -down * g
        g = min(max(g + step * (1 + c2c * draw.gauss(0, 1)), 0.0), 1.0)
        out.append(g + noise * draw.gauss(0, 1))
    return Trace(f"device {seed}", 1e-6 * (2 + 40 * np.array(out)), np.array(signs))


def fitted(*traces, law=SoftBounds, **more):
    return fit_laws(Measurement("simulated", traces, "S"), [law], **more)


def estimate(found, name):
    return next(p for p in found.best.parameters if p.name == name)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_noises_of_a_short_staircase_are_told_apart(seed):
    found = fitted(soft_staircase(seed))
    c2c, noise = estimate(found, "c2c"), estimate(found, "read_noise")
    assert abs(c2c.value - 0.3) < 3 * c2c.error < 0.3
    true_noise = 0.004 * 40e-6 / found.best.scale.unit
    assert abs(noise.value - true_noise) < 3 * noise.error < 2 * true_noise


def test_devices_share_their_read_noise():
    found = fitted(*(soft_staircase(seed, noise=0.01, pulses=32) for seed in range(4)))
    noise, c2c = estimate(found, "read_noise"), estimate(found, "c2c")
    values = {fit.estimates["read_noise"].value for fit in found.best.fits}
    assert len(values) == 1
    assert abs(noise.value - 0.01 * 40e-6 / found.best.scale.unit) < 3 * noise.error
    assert abs(c2c.value - 0.3) < 3 * c2c.error < 0.6


def test_where_noises_cannot_be_told_apart_both_ends_are_said():
    found = fitted(soft_staircase(5, pulses=16, noise=0.03, up=0.15, down=0.15))
    assert any("hardly be told apart" in sentence and "95 %" in sentence for sentence in found.untold)
    c2c = estimate(found, "c2c")
    assert abs(c2c.value - 0.3) < 3 * c2c.error


@pytest.mark.parametrize(("even", "growing"), [(0.02, 0.0), (0.002, 0.03)])
def test_noise_that_grows_with_the_conductance_is_said(even, growing):
    draw, clean = random.Random(4), soft_staircase(3, pulses=150, noise=0.0, up=0.02, down=0.02)
    g = clean.values / 40e-6 - 0.05
    noisy = np.array([v + (even + growing * v) * draw.gauss(0, 1) for v in g])
    found = fitted(Trace("a", noisy, clean.pulses))
    assert any("grows with the conductance" in sentence for sentence in found.untold) == (growing > 0)


def test_the_likelihood_with_noise_that_lasts_is_that_of_a_normal():
    """Far from bounds a walk, noise that fades and noise of readings are one normal of a known covariance."""
    count, noise, slow, lasts = 12, 0.02, 0.03, 4.0
    cell = {"dw_min": 0.01, "up_down": 1.0, "c2c": 0.5, "w_max": 50.0, "w_min": -50.0}
    names = used_fields(ConstantStep)
    readings = np.cumsum(np.random.default_rng(0).normal(0.01, 0.02, count))
    found = likelihood(
        compiled_step(ConstantStep, names), np.array([cell[n] for n in names]), (-50.0, 50.0), noise, readings,
        np.ones(count - 1, np.int64), slow=(slow, lasts),
    )[0]  # fmt: skip
    # the first weight is as likely anywhere: differences to the first reading have all there is to know
    k = np.arange(count)
    walk = (0.5 * 0.01) ** 2 * np.minimum(k[:, None], k[None])
    cover = walk + slow**2 * np.exp(-abs(k[:, None] - k[None]) / lasts) + noise**2 * np.eye(count)
    differences = np.hstack([-np.ones((count - 1, 1)), np.eye(count - 1)])
    cover, left = differences @ cover @ differences.T, readings[1:] - readings[0] - 0.01 * k[1:]
    expected = -0.5 * (left @ np.linalg.solve(cover, left) + np.linalg.slogdet(2 * np.pi * cover)[1])
    assert found.sum() == pytest.approx(expected, abs=1e-8)


def test_noise_that_lasts_is_no_noise_of_steps():
    draw, u, out = np.random.default_rng(1), 0.0, []
    signs = np.array([1] * 300 + [-1] * 300)
    g = np.concatenate([[0.1], 0.1 + np.cumsum(signs * 0.8 / 300)])
    for _ in g:
        u = 0.9 * u + 0.05 * math.sqrt(1 - 0.81) * draw.normal()
        out.append(u + 0.01 * draw.normal())
    found = fitted(Trace("a", g + np.array(out), signs), law=ConstantStep)
    slow, lasts = estimate(found, "slow_noise"), estimate(found, "slow_pulses")
    # 600 readings hold about 30 lengths of a noise that lasts 9.5: its deviation is known to an eighth, three of these
    assert slow.value * found.best.scale.unit == pytest.approx(0.05, rel=0.38)
    assert lasts.value == pytest.approx(-1 / math.log(0.9), rel=0.8)
    assert estimate(found, "c2c").value < 2  # a walk that explains the same readings has 7
    assert any("noise that lasts" in sentence for sentence in found.untold)


def test_the_device_ends_where_the_measurement_does():
    trace = soft_staircase(1, pulses=40, c2c=0.1, noise=0.002, up=0.02, down=0.02)
    found = fitted(trace)
    device = {name: p.mean for name, p in found.best.device.parameters().items()}
    assert type(found.best.device) is LinearStep
    assert (device["w_max"], device["w_min"]) == pytest.approx((0.6, -0.6))
    assert any("nobody has seen the device there" in sentence for sentence in found.untold)
    # the same steps on the measured range as the soft bounds beyond it
    law = {p.name: p.value for p in found.best.parameters}
    soft, line = (type("Cell", (), values) for values in (law, device))
    for w in (-0.6, 0.0, 0.5):
        for up in (True, False):
            assert LinearStep.pulse(w, up, line, 0.0) == pytest.approx(SoftBounds.pulse(w, up, soft, 0.0), abs=1e-5)
    far = fitted(trace, extrapolate=True).best.device
    assert type(far) is SoftBounds
    assert shapes_bounds(SoftBounds)
    assert not shapes_bounds(ConstantStep)


def test_an_outlier_is_no_part_of_the_range():
    signs = np.ones(60, np.int64)
    readings = np.linspace(0, 1, 61)
    assert measured_range(readings, signs) == pytest.approx((0.0, 1.0), abs=1e-12)
    readings[30] = 7.0
    assert measured_range(readings, signs) == pytest.approx((0.0, 1.0), abs=0.02)


def test_a_line_that_misses_the_readings_is_warned_of():
    trace = soft_staircase(2, pulses=100, c2c=0.1)
    series = weight_trace(trace, scale_of(Measurement("simulated", (trace,), "S"), 0.6))
    fit = fit_devices(SoftBounds, [series])[0]
    assert not misses([fit])
    slow = dataclasses.replace(fit.estimates["dw_min"], value=fit.estimates["dw_min"].value / 4)
    wrong = dataclasses.replace(fit, estimates=fit.estimates | {"dw_min": slow})
    assert any("do not trust this fit" in sentence for sentence in misses([wrong]))


def test_a_law_is_not_fitted_where_it_overflows():
    values = defaults(ExpStep)
    assert evaluates(ExpStep, values)
    assert not evaluates(ExpStep, values | {"gamma_up": 1e4})
    assert limits(ExpStep, "gamma_up").high < 1000  # exp(710) is too large for a double


def test_what_hinders_training_is_said():
    assert not hard_to_train(ConstantStep())
    for device, part in (
        (ConstantStep(dw_min=7e-5), "saturate"),
        (ConstantStep(dw_min=0.2), "states are few"),
        (ConstantStep(c2c=20.0), "noise of a step"),
    ):
        assert any(part in sentence for sentence in hard_to_train(device))


def test_a_spread_in_per_cent_is_asked_about():
    def asked(spread):
        found = fitted(soft_staircase(1), law=ConstantStep, spread=spread)
        return any("30 % is written 0.3" in sentence for sentence in found.untold)

    assert asked(30.0)
    assert not asked(0.3)


def test_progress_is_told_and_ctrl_c_says_that_nothing_was_written(capsys, monkeypatch):
    told = []
    trace = soft_staircase(1)
    fit_laws(Measurement("s", (trace,), "S"), [ConstantStep], watch=lambda *part: told.append(part))
    assert [done for _, done, _ in told] == list(range(len(told)))
    assert told[-1] == ("done", told[-1][2], told[-1][2])

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("mho.fitting.fit_laws", stop)
    with pytest.raises(typer.Exit):
        device_fit.fit_shown(Measurement("s", (trace,), "S"), [ConstantStep])
    assert "nothing was written" in capsys.readouterr().err


@pytest.mark.parametrize("given", [None, "pulses.csv", [1.0, 2.0]])
def test_what_is_no_measurement_is_refused_with_what_makes_one(given):
    with pytest.raises(InvalidValue, match=r"measurement is .*; give what mho\.measurements\.read_pulses returned"):
        fit_laws(given, [SoftBounds])


def linear_staircase(seed, *, size=1.0, pulses=32, noise=0.0):
    """Linear steps from 0 to 1, one ramp up and one down."""
    draw, g, d = random.Random(seed), 0.1, size / pulses
    out, signs = [g + noise * draw.gauss(0, 1)], [1] * pulses + [-1] * pulses
    for sign in signs:
        step = 1.4 * d * (1 - 0.6 * g) if sign > 0 else -1.4 * d * (1 - 0.5 * (1 - g))
        g = min(max(g + step * (1 + 0.3 * draw.gauss(0, 1)), 0.0), 1.0)
        out.append(g + noise * draw.gauss(0, 1))
    return Trace(f"device {seed}", 1e-6 * (2 + 40 * np.array(out)), np.array(signs))


def test_a_reading_that_repeats_at_the_end_alone_is_a_bound():
    """All other readings differ by many digits, so that two equal ones are no chance; of few digits it takes three."""
    pulses = np.array([1, 1, 1, 1, -1, -1])
    fine = Trace("a", np.array([0.1037219, 0.3130417, 0.5621938, 0.9, 0.9, 0.7014621, 0.4032219]), pulses)
    coarse = Trace("a", np.array([0.1, 0.3, 0.6, 0.9, 0.9, 0.6, 0.3]), pulses)
    short = Trace("a", np.round(fine.values, 3), pulses)
    series = [weight_trace(trace, scale_of(Measurement("s", (trace,), "S"), 0.6)) for trace in (fine, coarse, short)]
    assert series[0].plateaus == (None, pytest.approx(float(series[0].readings.max())))
    assert series[1].plateaus == series[2].plateaus == (None, None)
    again = Trace("a", fine.values, np.array([1, 1, 1, 0, -1, -1]))
    read_twice = weight_trace(again, scale_of(Measurement("s", (again,), "S"), 0.6))
    assert read_twice.plateaus == (None, None)


def test_devices_that_reach_their_bounds_once_keep_their_c2c():
    """Before a single repeat counted, c2c was 0.344 ± 0.011 here: steps cut short by the bound passed for wander."""
    found = fitted(*(linear_staircase(202_000 + k, size=0.9 + 0.2 * k / 9) for k in range(10)), law=LinearStep)
    c2c = estimate(found, "c2c")
    assert abs(c2c.value - 0.3) < 3 * c2c.error < 0.06


def test_a_shared_c2c_that_readings_hardly_tell_has_the_error_that_they_allow():
    """Steps wander by a fifth of the read noise: 0.13 ± 0.04 and the like were 4 errors off in two sets of three."""
    said = 0
    for seed in (1, 2, 3):
        devices = [soft_staircase(100 * seed + k, noise=0.05, pulses=32) for k in range(6)]
        found = fitted(*devices)
        c2c = estimate(found, "c2c")
        assert abs(c2c.value - 0.3) < 3 * c2c.error
        said += any("hardly be told apart" in sentence for sentence in found.untold)
    assert said > 0


def test_ends_of_a_profile_that_is_a_parabola_lie_at_two_errors():
    """On a grid as coarse as the profile's chords gave 1.5 to 1.9 of them."""
    sizes = np.geomspace(0.05, 2.0, 12)
    minus = 0.5 * (np.log(sizes / sizes[5]) / 0.15) ** 2
    high = _crossing(sizes, minus, np.zeros(12), ALLOWED, 1)[0]
    assert high == pytest.approx(sizes[5] * np.exp(0.3), rel=0.03)  # linear in c2c between points, not in its logarithm


def test_a_law_that_follows_the_wander_leaves_room_for_no_read_noise():
    """PowStep's exponents follow what is wander: 0.185 ± 0.030 here, of 0.3, and 3 errors of read noise excluded 0."""
    trace = soft_staircase(177, noise=0.002, pulses=30)
    made = weight_trace(trace, scale_of(Measurement("simulated", (trace,), "S"), 0.6))
    (fit,) = fit_devices(PowStep, [made], extrapolate=False)
    (wide,) = told_by(*noise_ends((fit,)))
    noise, c2c = wide.estimates[NOISE], wide.estimates[CYCLE]
    assert fit.estimates[NOISE].value > 3 * fit.estimates[NOISE].error
    assert noise.value < 3.01 * noise.error
    assert abs(c2c.value - 0.3) < 3 * c2c.error


def test_noises_that_are_known_well_are_not_called_hard_to_tell_apart():
    """A shared c2c of 6 standard errors has both ends for its error, and no sentence."""
    found = fitted(*(soft_staircase(300 + k, noise=0.01, pulses=45) for k in range(2)))
    c2c, noise = estimate(found, "c2c"), estimate(found, "read_noise")
    assert c2c.value > 4 * c2c.error
    assert noise.value > 4 * noise.error
    assert not any("Cycle-to-cycle noise and read noise can hardly" in sentence for sentence in found.untold)


@pytest.mark.parametrize("seed", [200, 212, 257])
def test_a_device_that_seems_never_to_wander_does_not_tell_its_step_too_well(seed):
    """Linear steps whose c2c of 0.3 is found as 0 or 0.1, so that a line through the readings would tell the step."""
    made = staircase("linear", 64, 0.01, 1000 * seed, 1.0)
    found = fitted(made, law=LinearStep)
    step = estimate(found, "dw_min")
    up, down = steps("linear", 64, 1.0)
    g = (found.best.scale.zero - LOW) / SPAN
    truth = (up(g) + down(g)) / 2 * SPAN / found.best.scale.unit
    assert abs(step.value - truth) < 3 * step.error < truth / 3


def test_the_mean_of_devices_is_that_of_those_that_tell_it():
    mean, error, std = random_effects(np.array([1.0, 1.2, 0.8, 1.1, 0.9, 7.0]), np.array([0.02] * 5 + [5.0]))
    plain = np.array([1.0, 1.2, 0.8, 1.1, 0.9])
    assert mean == pytest.approx(1.0, abs=0.01)  # the last counts by 0.2²/5² of the others
    # the last adds (6/5)² to a sum of 5, of which the others without it would have 4
    assert error == pytest.approx(plain.std(ddof=1) / math.sqrt(5), rel=0.1)
    assert std == pytest.approx(math.sqrt(plain.var(ddof=1) - 0.02**2), rel=0.1)
    # equal errors: the plain mean, and the variance less what the errors explain
    values, own = np.array([2.0, 3.0, 5.0, 6.0]), np.full(4, 0.5)
    mean, error, std = random_effects(values, own)
    assert (mean, std**2) == pytest.approx((4.0, values.var(ddof=1) - 0.25))
    assert error == pytest.approx(values.std(ddof=1) / 2)
    # errors that explain all of it leave no spread, and their own error
    assert random_effects(values, np.full(4, 5.0)) == pytest.approx((4.0, 2.5, 0.0))
    assert random_effects(np.full(3, 0.3), np.zeros(3)) == pytest.approx((0.3, 0.0, 0.0), abs=1e-8)
    assert random_effects(np.zeros(3), np.zeros(3)) == pytest.approx((0.0, 0.0, 0.0), abs=1e-8)
    run_away = random_effects(np.array([1.0, 1.2, 1e250]), np.array([0.1, 0.1, 1e260]))
    assert np.isfinite(run_away).all()
    assert run_away[0] > 0


def test_noise_of_many_steps_hides_no_step():
    """Up steps seem 80 times too small between readings that noise has brought to the middle of the range."""
    trace = staircase("constant", 1000, 0.03, 202_000, 1.0)
    series = weight_trace(trace, scale_of(Measurement("simulated", (trace,), "S"), 0.6))
    fit = fit_devices(ConstantStep, [series], extrapolate=False)[0]
    # three times what a c2c of 0.3 leaves of the ratio of two ramps of 1,000 steps
    assert abs(fit.values["up_down"] - 8 / 7) < 3 * 0.3 * (2 / 1000) ** 0.5 * 8 / 7


def test_a_law_that_is_too_steep_for_its_information_is_ranked_all_the_same():
    """Scores of 10^90 leave nothing of the least curvature that makes the information regular."""

    class Steep:
        weights = np.ones(40)

        def scores(self, places):
            return np.full((2, 40), 1e90)

        def look(self, places):
            return np.zeros((1, 3, 40))

    assert np.isfinite(held_out(Steep(), np.zeros(2))).all()


def test_the_map_from_conductance_has_one_sign():
    assert Scale(2e-06, 4e-05).equation(3) == "w = (g - 2e-06) / 4e-05"
    assert Scale(-0.02094, 1.62871).equation(4) == "w = (g + 0.02094) / 1.629"
