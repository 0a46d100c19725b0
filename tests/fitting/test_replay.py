"""Simulated devices beside measured ones, steps seen through noise, and what a device is worth for training."""

from __future__ import annotations

import dataclasses
import math
import os
import random
import types

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import mho
from mho.cli import app
from mho.devices import ConstantStep, ExpStep, LinearStep, PiecewiseStep, SoftBounds
from mho.devices.symmetry import Points, nominal_cell
from mho.diagnosis import Trained, Trial, trial
from mho.errors import InvalidValue, WrongUse
from mho.fitting import fit_laws
from mho.fitting.replay import held_out_from, replay
from mho.fitting.steps import mean_steps, single_steps
from mho.fitting.table_devices import table_devices
from mho.fitting.tables import piecewise_from
from mho.fitting.weights import ReadingNoise, Scale, measured_range, scale_of, weight_trace
from mho.fitting.worth import worth_of
from mho.measurements import Measurement, Trace
from mho.measurements.ramps import find_ramps
from mho.measurements.units import readable


def staircase(seed=0, *, cycles=1, pulses=60, up=0.05, down=0.06, c2c=0.3, noise=0.01, slow=0.0, lasts=10.0, late=1.0):
    """Soft bounds from 0 to 1 in plain Python; steps of the last cycle are `late` times as large."""
    draw, g, shift, fade = random.Random(seed), 0.05, 0.0, math.exp(-1 / lasts)
    out, signs = [g], []
    for cycle in range(cycles):
        factor = late if cycle == cycles - 1 else 1.0
        for sign in [1] * pulses + [-1] * pulses:
            step = factor * (up * (1 - g) if sign > 0 else -down * g)
            g = min(max(g + step * (1 + c2c * draw.gauss(0, 1)), 0.0), 1.0)
            shift = fade * shift + math.sqrt(1 - fade**2) * slow * draw.gauss(0, 1)
            out.append(g + noise * draw.gauss(0, 1) + shift)
            signs.append(sign)
    return Trace(f"device {seed}", np.array(out), np.array(signs))


def measured(*traces):
    return Measurement("simulated", traces, "S")


def in_weights(trace):
    return weight_trace(trace, scale_of(measured(trace), 0.6))


# Replays ---------------------------------------------------------------------------------------------------


def test_simulated_readings_are_those_of_an_array():
    """The interpreted law and the compiled array are two ways to the same distribution."""
    device = SoftBounds(dw_min=0.02, up_down=1.2, c2c=0.5, w_max=0.6, w_min=-0.6)
    signs = np.array([1] * 20 + [-1] * 10)
    trace = in_weights(Trace("a", np.linspace(-0.6, 0.6, 31), signs))
    line = dataclasses.replace(trace, readings=np.full(31, -0.3), range=(-0.6, 0.6))
    found = replay(device, nominal_cell(device), ReadingNoise(0.0), line)
    array = mho.Crossbar(mho.RPU(device=device, update=mho.Pulses(length=1)), 1, 4_000, seed=0)
    array.write(torch.full((1, 4_000), -0.3))
    seen = []
    for sign in signs:
        array.pulse(torch.ones(1, 4_000), torch.full((1, 1), float(sign)))
        seen.append(array.weight.view(-1).double().numpy().copy())
    spread = np.std(seen, axis=1)
    # a median of 64 cells has a standard error of 1.25 σ/8, and neighbouring readings go together: five of them
    assert np.abs(found.middle[1:] - np.median(seen, axis=1)).max() < 5 * 1.25 * spread.max() / 8
    assert np.median(found.high[1:] - found.low[1:]) == pytest.approx(2 * 1.645 * np.median(spread), rel=0.25)


def test_the_distance_is_the_ranked_probability_score():
    """Of a sharp forecast it is the mean distance; and it is what the integral over the distribution says."""
    device = ConstantStep(dw_min=0.05, up_down=1.0, c2c=0.0, w_max=0.6, w_min=-0.6)
    trace = in_weights(Trace("a", np.arange(11) * 0.12 - 0.6, np.ones(10, np.int64)))
    flat = dataclasses.replace(trace, readings=np.full(11, -0.6), range=(-0.6, 0.6))
    sharp = replay(device, nominal_cell(device), ReadingNoise(0.0), flat)
    assert sharp.apart == pytest.approx(np.arange(11).mean() * 0.05 / 1.2)
    assert sharp.expected == pytest.approx(0, abs=1e-12)
    wide = replay(device, nominal_cell(device), ReadingNoise(0.1), flat)
    # normal forecasts of width s about m: the score of y is s (x (2Φ(x) - 1) + 2φ(x) - 1/√π), x = (y - m)/s
    x = np.arange(11) * 0.05 / math.hypot(0.1, 0)
    phi, density = (np.array([f(v) for v in x]) for f in (_normal, _density))
    score = 0.1 * (x * (2 * phi - 1) + 2 * density - 1 / math.sqrt(math.pi))
    # 64 cells, and a start that is known to 0.1/√5 only
    assert wide.apart == pytest.approx(score.mean() / 1.2, rel=0.2)
    assert wide.expected == pytest.approx(0.1 / math.sqrt(math.pi) / 1.2, rel=0.15)


def _normal(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def _density(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def test_the_right_law_is_off_by_its_noise_and_a_wrong_one_by_more():
    found = fit_laws(
        measured(*(staircase(seed, noise=0.004, c2c=0.1) for seed in range(3))), [SoftBounds, ConstantStep]
    )
    right, wrong = (next(law for law in found.laws if law.law is kind).match for kind in (SoftBounds, ConstantStep))
    assert 0.6 * right.expected < right.apart < 1.6 * right.expected  # three devices, whose readings go together
    assert wrong.apart > 3 * right.apart
    assert 0.75 < right.inside <= 1  # nine in ten, of few readings that go together
    assert "a simulated SoftBounds reads" in found.verdict
    assert "comes nearer" not in found.verdict


def test_a_table_that_comes_nearer_than_the_laws_given_is_named():
    found = fit_laws(measured(staircase(noise=0.0, c2c=0.1)), [ConstantStep])
    assert "Step comes nearer" in found.verdict or "JumpTable comes nearer" in found.verdict


@pytest.mark.parametrize(
    ("pulses", "begin"),
    [
        ([1] * 9 + [-1] * 9, None),
        ([1] * 9 + [-1] * 9 + [1] * 9, None),
        ([1] * 9 + [-1] * 9 + [1] * 9 + [-1] * 9, 18),
        ([1] * 9 + [0] + [-1] * 9 + [0] + [1] * 9 + [0] + [-1] * 9, 20),
        ([1] * 9 + [-1] * 9 + [1] * 4 + [0] + [1] * 5 + [-1] * 9, 18),  # a missing reading is within a ramp
        ([1] * 12 + [0] + [1] * 12, 13),
        ([1] * 20, None),
        ([0] + [1] * 9 + [-1] * 9 + [1] * 9 + [-1] * 9, 19),
        ([1, -1] * 20, None),  # a cycle of two pulses judges nothing
    ],
)
def test_the_last_cycle_is_left_out_where_another_is_left_to_fit(pulses, begin):
    trace = in_weights(Trace("a", np.cumsum([0.0, *pulses]) + 0.01 * np.arange(len(pulses) + 1), np.array(pulses)))
    assert held_out_from(trace) == begin


def test_a_cycle_that_differs_is_seen_as_one_that_the_fit_has_not_seen():
    same, other = (
        fit_laws(measured(staircase(cycles=3, late=late, c2c=0.1, noise=0.003)), [SoftBounds]) for late in (1.0, 0.5)
    )
    assert same.best.match.unseen < 2 * same.best.match.expected
    assert other.best.match.unseen > 3 * same.best.match.unseen
    assert "a cycle that its fit has not seen" in other.verdict
    for table in same.tables:
        assert table.match.unseen < 0.05


@pytest.mark.parametrize("first", [0, 1], ids=["from the first reading", "from the first pulse"])
def test_ramps_of_equal_length_turn_where_their_length_says(first):
    """A turn that is found a reading off has pulses of the wrong direction beside it, which make noise of steps."""
    for seed in range(10):
        readings = staircase(seed, cycles=3, pulses=50, noise=0.006).values[first:]
        turns = [turn.place for turn in find_ramps(readings).turns]
        assert turns == [50 * k - first for k in range(1, 6)], seed


def test_first_pulses_that_are_large_are_in_the_range_and_a_spike_is_not():
    g, out = 0.0, [0.0]
    for sign in ([1] * 20 + [-1] * 20) * 2:
        g += 0.3 * (1 - g) if sign > 0 else -0.3 * g
        out.append(g)
    signs = np.array(([1] * 20 + [-1] * 20) * 2)
    readings = np.array(out)
    assert measured_range(readings, signs) == pytest.approx((0.0, readings.max()), abs=1e-6)
    spike = readings.copy()
    spike[10] = 5.0
    assert measured_range(spike, signs)[1] == pytest.approx(readings.max(), abs=1e-3)  # lines bend a little


def test_a_simulation_begins_where_the_readings_let_it_be_known():
    """The first state is known to 0.91 of the noise, as the end of a line through three readings, and it is no bias."""
    device, inside = SoftBounds(dw_min=0.05, up_down=1.0, c2c=0.1, w_max=0.6, w_min=-0.6), []
    for seed in range(60):
        draw, w, seen = np.random.default_rng(seed), -0.5, []
        for _ in range(13):
            seen.append(w + 0.03 * draw.standard_normal())
            w = SoftBounds.pulse(w, True, nominal_cell(device), float(draw.standard_normal()))
        trace = weight_trace(Trace("a", np.array(seen), np.ones(12, np.int64)), Scale(0.0, 1.0))
        found = replay(device, nominal_cell(device), ReadingNoise(0.03), trace, seed=seed)
        inside.append((np.array(seen) >= found.low) & (np.array(seen) <= found.high))
    # nine in ten of 240 readings that go together in fours: three standard errors of 60 are 0.12
    assert np.mean(np.array(inside)[:, :4]) > 0.78
    # the end of a line through three readings has 5/6 of their variance, and 400 cells tell a width to 4 %
    wide = replay(device, nominal_cell(device), ReadingNoise(0.03), trace, cells=400)
    assert wide.high[0] - wide.low[0] == pytest.approx(2 * 1.645 * 0.03 * math.sqrt(1 + 5 / 6), rel=0.12)


@pytest.mark.parametrize("pulses", [5, 20])
def test_tables_of_several_pulses_between_readings_have_the_steps_of_one(pulses):
    g, out, signs = -0.55, [-0.55], []
    device = SoftBounds(dw_min=0.02, up_down=1.0, c2c=0.0, w_max=0.6, w_min=-0.6)
    for up in [True, False] * 2:
        for _ in range(12):
            for _ in range(pulses):
                g = SoftBounds.pulse(g, up, nominal_cell(device), 0.0)
            out.append(g)
            signs.append(pulses if up else -pulses)
    trace = weight_trace(Trace("a", np.array(out), np.array(signs)), Scale(0.0, 1.0))
    pieces = piecewise_from([trace], noise=ReadingNoise(0.0))
    places = np.linspace(pieces.w_min, pieces.w_max, len(pieces.up))
    # twenty pulses of 0.02 bend the staircase within a step: 4 % beside the mean state
    assert pieces.up * pieces.dw_min == pytest.approx(0.02 * (1 - places / 0.6), rel=0.05, abs=1e-4)
    for made in table_devices([trace], ReadingNoise(0.0)):
        assert replay(made, nominal_cell(made), ReadingNoise(0.0), trace, cells=16).apart < 0.025


def test_a_law_whose_parameters_run_away_is_left_out_beside_others():
    found = fit_laws(measured(staircase(cycles=2, pulses=50, noise=0.004)), [SoftBounds, ExpStep])
    if any("run away" in sentence for sentence in found.untold):
        assert [law.law for law in found.laws] == [SoftBounds]
    alone = fit_laws(measured(staircase(cycles=2, pulses=50, noise=0.004)), [ExpStep])
    # near a straight line, as the data are: ended at a slope of 0 it would be a constant step, 12 % off
    assert alone.best.match.apart < 0.03


def test_too_many_pulses_between_readings_are_refused():
    trace = staircase(pulses=15)
    many = Trace("a", trace.values, trace.pulses * 100_000)
    with pytest.raises(InvalidValue, match="at most 200,000"):
        fit_laws(measured(many), [SoftBounds])


# Steps through noise ---------------------------------------------------------------------------------------


def test_without_noise_mean_steps_are_the_single_ones():
    trace = in_weights(staircase(noise=0.0))
    single, mean = single_steps(trace, 1), mean_steps(trace, 1, ReadingNoise(0.0))
    np.testing.assert_allclose(mean.sizes, single.sizes)
    np.testing.assert_allclose(mean.states, single.states)
    assert set(mean.pulses) == {1.0}


@pytest.mark.parametrize(
    ("noise", "limit"),
    # 0.06 of noise makes a distance of 2.8 % of the range. Where it lasts, steps near the bounds, which are nearly 0,
    # are known to a third of the mean step, which moves the state at which the ramp ends by 7 %
    [(ReadingNoise(0.06), 0.045), (ReadingNoise(0.03, 0.06, 10.0), 0.13)],
    ids=["fresh", "lasting"],
)
def test_tables_see_steps_through_noise(noise, limit):
    """A thousand pulses of 0.003 in noise of 0.06: single steps are twenty times as noisy as they are large."""
    trace = in_weights(
        staircase(pulses=1000, up=0.004, down=0.004, c2c=0.3, noise=noise.single / 1.2, slow=noise.slow / 1.2)
    )
    _, pieces = table_devices([trace], noise)
    assert replay(pieces, nominal_cell(pieces), noise, trace).apart < limit
    assert len(mean_steps(trace, 1, noise).sizes) >= 4


def test_noise_of_a_step_is_that_of_two_readings():
    pulses = np.array([1.0, 4.0])
    np.testing.assert_allclose(ReadingNoise(0.1).of_step(pulses), [0.02, 0.02 / 16])
    slow = ReadingNoise(0.0, 0.1, 5.0).of_step(pulses)
    np.testing.assert_allclose(slow, 0.02 * (1 - np.exp(-pulses / 5)) / pulses**2)


# Worth for training ----------------------------------------------------------------------------------------


def test_the_numbers_of_a_device():
    device = SoftBounds(dw_min=0.01, up_down=1.5, c2c=0.4, w_max=0.6, w_min=-0.4, write_noise=0.05)
    worth = worth_of(device)
    # up steps are 0.012 (1 - w/0.6), down steps 0.008 (1 + w/0.4)
    assert worth.states == pytest.approx(1.0 / 0.01)
    assert worth.imbalance == pytest.approx(0.4)
    assert worth.symmetry_point == pytest.approx((0.012 - 0.008) / (0.012 / 0.6 + 0.008 / 0.4))
    assert worth.step_noise == pytest.approx(0.4 * math.sqrt((1.2**2 + 0.8**2) / 2))
    assert worth.read_noise == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("device", "said"),
    [
        (SoftBounds(dw_min=0.001, up_down=1.5), "zero_shifting.pulses"),
        (SoftBounds(dw_min=0.001, up_down=mho.per_cell(1.5, spread=0.1)), "zero_shifting.pulses"),
        (SoftBounds(dw_min=0.001, up_down=mho.per_cell(1.1, spread=0.3)), "scatter (± 0.0"),
        (ConstantStep(dw_min=0.001, up_down=1.5), "no symmetry point"),
        (ConstantStep(dw_min=0.05, up_down=1.0), "first by the number of states"),
        (ConstantStep(dw_min=0.001, up_down=1.0, c2c=5.0), "first by the noise of steps"),
        (ConstantStep(dw_min=0.05, up_down=1.0, c2c=9.0), "Then by the number of states"),
        (ConstantStep(up_down=1.0), "None of these"),
        (PiecewiseStep(dw_min=0.001, up=mho.table([1.0, 0.5]), down=mho.table([0.5, 1.0])), "None of these"),
    ],
)
def test_what_limits_training_is_said(device, said):
    numbers, limit = worth_of(device).sentences
    assert "states" in numbers
    assert said in limit


def test_a_zero_is_not_to_be_shifted_to_points_that_scatter():
    """What the diagnosis of a training says of an array of the same device: one criterion."""
    devices = {spread: SoftBounds(dw_min=0.001, up_down=mho.per_cell(1.2, spread=spread)) for spread in (0.05, 0.4)}
    for spread, scatters in ((0.05, False), (0.4, True)):
        limit = worth_of(devices[spread]).sentences[1]
        assert ("zero_shifting" in limit) is not scatters
        assert ("mho device advise compares them" in limit) is scatters
        array = mho.Crossbar(mho.RPU(device=devices[spread]), 20, 20, seed=0)
        points = devices[spread].symmetry_point(array.cell_parameters())
        assert Points.of(points).scatter is scatters


def test_what_was_not_measured_is_not_stated():
    found = fit_laws(measured(_up_only()), [SoftBounds])
    numbers, limit = found.worth.sentences
    assert "nothing is known of the balance" in numbers
    assert "imbalance" not in limit
    with pytest.raises(WrongUse, match="dw_min are lists"):
        worth_of(SoftBounds(dw_min=[0.001, 0.002]))


def _up_only():
    whole = staircase(pulses=40, noise=0.003)
    return Trace("up", whole.values[:41], whole.pulses[:40])


def test_a_device_trains_lenet_and_says_how_well():
    found = trial(ConstantStep(dw_min=0.001, up_down=1.0, c2c=0.3), epochs=1)
    assert [way.way for way in found.ways] == ["plain SGD"]
    assert found.ways[0].error < 60  # guessing is 90; the symmetric device of the papers learns at once
    assert found.quiet is not None
    assert any("no symmetry point" in sentence for sentence in found.sentences)
    for wrong, said in ((0, "epochs is 0"), (1, "give a device")):
        with pytest.raises(InvalidValue, match=said):
            trial(ConstantStep() if wrong == 0 else "ecram", epochs=wrong)


def test_a_trial_says_what_limits_the_device():
    plain, shifted = Trained("plain SGD", 90.0), Trained("zero-shifted SGD", 20.0)
    sentences = Trial(6, (plain, shifted), 10.0).sentences
    assert "imbalance" in sentences[1]
    assert "10 points" in sentences[2]
    assert "noises at 0" in Trial(6, (plain, shifted), 19.0).sentences[0]
    assert "hardly learns" in Trial(6, (plain, Trained("zero-shifted SGD", 89.0)), 88.0).sentences[-1]
    assert len(Trial(6, (Trained("plain SGD", 8.0), Trained("zero-shifted SGD", 7.0)), 6.0).sentences) == 2


def test_every_verb_takes_pulses_for_a_device_and_tells_files_of_one_name_apart(tmp_path):
    pulses = tmp_path / "pulses.csv"
    pulses.write_text("G (uS)\n" + "\n".join(f"{v:.5f}" for v in staircase(pulses=30).values))
    for folder, dw_min in (("a", 0.01), ("b", 0.02)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "device.toml").write_text(f'law = "SoftBounds"\ndw_min = {dw_min}\n')
    runner = CliRunner()
    files = [str(tmp_path / folder / "device.toml") for folder in "ab"]
    compared = runner.invoke(app, ["device", "compare", *files])
    assert os.path.join("a", "device.toml") in compared.output
    assert os.path.join("b", "device.toml") in compared.output
    assert "passes every check of a law" in runner.invoke(app, ["device", "check", str(pulses)]).output
    few = ["--epochs", "1", "--set", "training.train_images=2", "--set", "training.test_images=2", "--model", "mlp"]
    trained = runner.invoke(app, ["train", "--device", str(pulses), *few, "--out", str(tmp_path / "run")])
    assert trained.exit_code == 0, trained.output
    assert 'law = "ConstantStep"' not in (tmp_path / "run" / "config.toml").read_text()


@pytest.mark.parametrize(
    ("largest", "unit", "shown"),
    [
        (3e-5, "S", (1e6, "µS")), (9.99e-4, "S", (1e6, "µS")), (9.9999e-4, "S", (1e3, "mS")),
        (2500, "uS", (1e-3, "mS")), (3.0, "mho", (1.0, "mho")), (40.0, "kOhm", (1.0, "kOhm")),
        (1e-5, "a.u.", (1e6, "10⁻⁶ a.u.")),
        (0.0, "S", (1.0, "S")), (5.0, "", (1.0, "")),
    ],
)  # fmt: skip
def test_numbers_are_shown_in_a_unit_that_fits(largest, unit, shown):
    factor, name = readable(largest, unit)
    assert (factor, name) == (pytest.approx(shown[0]), shown[1])


def test_a_restated_device_ends_where_the_measurement_does():
    cell = types.SimpleNamespace(dw_min=0.05, up_down=1.0, c2c=0.0, w_max=2.0, w_min=-2.0, gamma_up=0.0, gamma_down=0.0)
    trace = in_weights(Trace("a", np.arange(21.0), np.ones(20, np.int64)))
    found = replay(LinearStep, cell, ReadingNoise(0.0), trace, bounds=(-0.6, 0.2))
    assert found.high.max() == pytest.approx(0.2)
