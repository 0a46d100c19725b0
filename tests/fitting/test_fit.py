"""Laws fitted to measured pulses: devices recovered from their own data, and what the fit makes of them."""

from __future__ import annotations

import json
import math
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

import mho
from mho.devices import ConstantStep, ExpStep, LinearStep, PowStep, SoftBounds
from mho.errors import InvalidValue, LawError
from mho.fitting import fit_laws, jump_table_from, lag_one, piecewise_from
from mho.fitting.filter import compiled_step, likelihood
from mho.fitting.maximum import fit_devices
from mho.fitting.parameters import defaults, limits, used_fields
from mho.fitting.ranking import Score, blocks_of, order
from mho.fitting.weights import ReadingNoise, Scale, ramps, weight_trace
from mho.measurements import Measurement, Trace, read_measured
from tests.helpers.command import mho as run_mho
from tests.helpers.measured_files import damaged

BOUNDS = {"w_max": 0.6, "w_min": -0.6}
SKEW = {"w_max": 0.6, "w_min": -0.4}
WIDE = {"w_max": 0.5, "w_min": -0.7}
CASES = [
    (ConstantStep(dw_min=0.004, up_down=1.0, c2c=0.3, **BOUNDS), 400),
    (ConstantStep(dw_min=0.01, up_down=1.3, c2c=0.1, **SKEW), 250),
    (ConstantStep(dw_min=0.02, up_down=0.8, c2c=0.6, **WIDE), 100),
    (SoftBounds(dw_min=0.004, up_down=1.0, c2c=0.3, **BOUNDS), 300),
    (SoftBounds(dw_min=0.01, up_down=1.5, c2c=0.1, **SKEW), 100),
    (SoftBounds(dw_min=0.02, up_down=0.8, c2c=0.6, **WIDE), 50),
    (LinearStep(dw_min=0.006, up_down=1.0, gamma_up=0.5, gamma_down=0.5, c2c=0.3, **BOUNDS), 400),
    (LinearStep(dw_min=0.01, up_down=1.3, gamma_up=0.3, gamma_down=0.7, c2c=0.1, **SKEW), 250),
    (LinearStep(dw_min=0.02, up_down=0.8, gamma_up=0.7, gamma_down=0.5, c2c=0.5, **WIDE), 200),
    (ExpStep(dw_min=0.006, up_down=1.0, a_up=0.03, a_down=0.03, gamma_up=3.0, gamma_down=3.0, c2c=0.2, **BOUNDS), 400),
    (ExpStep(dw_min=0.01, up_down=1.2, a_up=0.05, a_down=0.02, gamma_up=2.5, gamma_down=3.5, c2c=0.1, **SKEW), 200),
    (ExpStep(dw_min=0.02, up_down=0.8, a_up=0.1, a_down=0.1, gamma_up=2.0, gamma_down=1.5, c2c=0.3, **WIDE), 200),
    (PowStep(dw_min=0.005, up_down=1.0, gamma_up=1.5, gamma_down=1.5, c2c=0.3, **BOUNDS), 250),
    (PowStep(dw_min=0.01, up_down=1.3, gamma_up=2.0, gamma_down=1.2, c2c=0.1, **SKEW), 250),
    (PowStep(dw_min=0.02, up_down=0.8, gamma_up=0.6, gamma_down=2.5, c2c=0.3, **WIDE), 100),
]
"""Five laws in three settings, and the pulses of a ramp. Both bounds are reached where a law's shape and its bounds can
else not be told apart: LinearStep (a slope over a bound), ExpStep (a place in the range)."""
FIRST_AT_LEAST = 13


class Bent(mho.Device):
    """A user's law: steps fall with the square of the room that is used up."""

    dw_min: float = mho.per_cell(0.01, spread=0.2)
    bend: float = 0.8
    c2c: float = 0.2
    w_max: float = mho.per_cell(0.6, spread=0.1)
    w_min: float = mho.per_cell(-0.6, spread=0.1)

    @staticmethod
    def pulse(w, up, cell, z):
        place = (w - cell.w_min) / (cell.w_max - cell.w_min)
        used = place if up else 1 - place
        step = cell.dw_min * (1 - cell.bend * used * used) * (1 + cell.c2c * z)
        return w + step if up else w - step


def simulate(device, ramp, *, pulses=2000, seed=0, noise=0.0, name="cell"):
    """Pulses up and down in ramps on one cell of an array, read after each, perhaps with noise."""
    array = mho.Crossbar(mho.RPU(device=device, update=mho.Pulses(length=1)), 1, 1, seed=seed)
    array.write(torch.zeros(1, 1))
    one, readings = torch.ones(1, 1), [0.0]
    signs = np.where(np.arange(pulses) // ramp % 2 == 0, 1, -1)
    for sign in signs:
        array.pulse(one, float(sign) * one, length=1)
        readings.append(float(array.weight))
    draws = np.random.default_rng(seed).normal(size=pulses + 1)
    return Trace(name, np.array(readings) + noise * draws, signs)


def measured(*traces):
    return Measurement("simulated", traces, "S")


def fit_alone(law, trace):
    return fit_devices(law, [weight_trace(trace, Scale(0.0, 1.0))])[0]


def truth(device, name):
    return device.parameters()[name].mean


def far_off(device, fit):
    """Parameters that are more than 3 standard errors from the device's own."""
    return {
        name: (e.value - truth(device, name)) / e.error
        for name, e in fit.estimates.items()
        if name != "read_noise" and e.error and abs(e.value - truth(device, name)) > 3 * e.error
    }


# A device recovered from its own data ------------------------------------------------------------


@pytest.mark.parametrize("number", range(len(CASES)))
def test_parameters_lie_within_three_standard_errors(number):
    device, ramp = CASES[number]
    fit = fit_alone(type(device), simulate(device, ramp, pulses=1200, seed=number))
    assert not far_off(device, fit)
    # each parameter is told; only bounds that a law approaches for ever could be missing, and these have errors too
    assert all(e.error for name, e in fit.estimates.items() if name != "read_noise")


def test_the_right_law_is_first():
    device, ramp = CASES[4]
    assert fit_laws(measured(simulate(device, ramp, seed=4))).best.law is type(device)


@pytest.mark.long
def test_the_right_law_is_first_nearly_always():
    first = 0
    for number, (device, ramp) in enumerate(CASES):
        first += fit_laws(measured(simulate(device, ramp, seed=number))).best.law is type(device)
    assert first >= FIRST_AT_LEAST


def test_read_noise_is_told_from_the_noise_of_steps():
    device = SoftBounds(dw_min=0.01, up_down=1.2, c2c=0.3, **BOUNDS)
    fit = fit_alone(SoftBounds, simulate(device, 100, seed=3, noise=0.02))
    assert not far_off(device, fit)
    noise = fit.estimates["read_noise"]
    assert abs(noise.value - 0.02) < 3 * noise.error < 0.003
    # residuals of a law that is right are standard normals: 2,000 of them, 4 standard errors
    left = fit.residuals
    assert abs(np.std(left) - 1) < 4 / math.sqrt(2 * len(left))
    assert abs(lag_one(left)) < 4 / math.sqrt(len(left))


def test_a_users_law_is_fitted():
    fit = fit_alone(Bent, simulate(Bent(dw_min=0.01, bend=0.5, c2c=0.2, w_max=0.6, w_min=-0.6), 200, seed=1))
    assert abs(fit.estimates["bend"].value - 0.5) < 3 * fit.estimates["bend"].error < 0.2


def test_several_pulses_between_readings():
    device = SoftBounds(dw_min=0.005, up_down=1.2, c2c=0.3, **BOUNDS)
    whole = simulate(device, 200, seed=5)
    some = Trace("cell", whole.values[::5], np.sign(whole.pulses[::5]) * 5)
    fit = fit_alone(SoftBounds, some)
    assert not far_off(device, fit)


# The likelihood ----------------------------------------------------------------------------------


def test_without_noise_the_likelihood_is_that_of_the_steps():
    device = LinearStep(dw_min=0.006, gamma_up=0.5, gamma_down=0.3, up_down=1.1, c2c=0.3, **BOUNDS)
    trace = simulate(device, 50, pulses=100, seed=2)
    names = used_fields(LinearStep)
    step = compiled_step(LinearStep, names)
    values = np.array([truth(device, name) for name in names])
    found, mean, _ = likelihood(step, values, (-0.6, 0.6), 1e-9, trace.values, trace.pulses)
    cell = type("Cell", (), {name: truth(device, name) for name in names})
    for k in range(100):
        w, up = trace.values[k], bool(trace.pulses[k] > 0)
        expected = LinearStep.pulse(w, up, cell, 0.0)
        width = abs(LinearStep.pulse(w, up, cell, 1.0) - expected)
        z = (trace.values[k + 1] - expected) / width
        assert mean[k] == pytest.approx(expected, abs=1e-12)
        # read noise of 1e-9 widens a step noise of 1e-3 by 1e-12 of itself
        assert found[k] == pytest.approx(-0.5 * z * z - math.log(width * math.sqrt(2 * math.pi)), abs=1e-6)


def test_a_clipped_weight_has_a_density_that_sums_to_one():
    """Readings one pulse from a bound: part of the weight is at it."""
    names = used_fields(ConstantStep)
    step = compiled_step(ConstantStep, names)
    cell = {"dw_min": 0.1, "up_down": 1.0, "c2c": 0.5, "w_max": 0.6, "w_min": -0.6}
    values = np.array([cell[name] for name in names])
    grid = np.linspace(0.0, 1.2, 2401)
    density = [
        math.exp(likelihood(step, values, (-0.6, 0.6), 0.03, np.array([0.52, y]), np.array([1]))[0][0]) for y in grid
    ]
    # the trapezoid rule on a smooth density that is 0 at both ends is exact far beyond this
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-6)
    h = 0.52 + 0.03 * np.random.default_rng(0).normal(size=400_000)
    h = np.clip(np.clip(h, -0.6, 0.6) + 0.1 * (1 + 0.5 * np.random.default_rng(1).normal(size=h.size)), -0.6, 0.6)
    y = h + 0.03 * np.random.default_rng(2).normal(size=h.size)
    mass = np.interp(0.6, grid, np.cumsum(density) * (grid[1] - grid[0]))
    # 400,000 draws: 0.001 or so; the clip of the first reading's weight is a normal only nearly: 0.01
    assert mass == pytest.approx((y < 0.6).mean(), abs=0.01)


def test_gaps_and_turns_end_a_ramp():
    assert ramps(np.array([1, 1, -1, -1, 0, 1, 1])).tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert ramps(np.array([0, 1, 1, 0, 0, -1])).tolist() == [0, 1, 1, 1, 2, 3, 3]
    names = used_fields(SoftBounds)
    values = np.array([defaults(SoftBounds)[name] for name in names])
    readings = np.array([0.0, 0.001, 0.3, 0.3005])
    found = likelihood(compiled_step(SoftBounds, names), values, (-0.6, 0.6), 1e-4, readings, np.array([1, 0, 1]))[0]
    assert np.isnan(found).tolist() == [False, True, False]
    assert found[2] > 0  # the jump over the gap is no step


def test_limits_are_those_that_a_law_keeps():
    gamma, dw_min = limits(LinearStep, "gamma_up"), limits(LinearStep, "dw_min")
    assert (gamma.low, gamma.high) == (0.0, 1.0)
    assert dw_min.low == 0
    assert dw_min.open
    for interval in (gamma, dw_min, limits(SoftBounds, "w_min"), limits(Bent, "bend")):
        for value in (0.3, 0.9):
            inside = -value if interval.high <= 0 else value
            assert interval.value(interval.free(inside)) == pytest.approx(inside, rel=1e-9)


# Order, spread, scale ----------------------------------------------------------------------------


def test_laws_as_good_as_the_best_are_ordered_by_parameters():
    found = [Score(10.0, 0.0, 0.0), Score(8.0, 2.0, 3.0), Score(9.0, 1.0, 0.6), Score(9.8, 0.2, 0.1)]
    assert order(found, [9, 5, 4, 7]) == [1, 3, 0, 2]
    blocks = blocks_of(103)
    assert [b.start for b in blocks] == [0, *[b.stop for b in blocks[:-1]]]
    assert blocks[-1].stop == 103


def test_siemens_become_weights():
    device = SoftBounds(dw_min=0.01, up_down=1.2, c2c=0.2, w_max=0.6, w_min=-0.6)
    trace = simulate(device, 150, pulses=1200, seed=7)
    siemens = Trace("cell", 40e-6 + 25e-6 * trace.values, trace.pulses)
    fitted = fit_laws(measured(siemens), [SoftBounds], w_max=1.2, extrapolate=True)
    made = fitted.best
    low, high = made.device.parameters()["w_min"].mean, made.device.parameters()["w_max"].mean
    assert (high - low) / 2 == pytest.approx(1.2, rel=1e-5)  # written with 6 digits
    # the bounds lie at 25 and 55 µS: 0.6 weights of the array are 15 µS
    assert made.scale.readings(np.array([low, high])) == pytest.approx([25e-6, 55e-6], rel=0.03)


def test_the_spread_of_devices_is_found_and_one_device_has_none():
    mean, spread = 0.01, 0.3
    steps = mean * (1 + spread * np.array([-1.2, -0.4, 0.1, 0.3, 1.2]))
    traces = [
        simulate(ConstantStep(dw_min=s, up_down=1.0, c2c=0.2, **BOUNDS), 300, pulses=600, seed=k, name=f"d{k}")
        for k, s in enumerate(steps)
    ]
    fitted = fit_laws(measured(*traces), [ConstantStep])
    dw = next(p for p in fitted.best.parameters if p.name == "dw_min")
    # what the five were made with, within three errors of their mean and the 5 % that fits add
    assert dw.spread == pytest.approx(steps.std(ddof=1) / steps.mean(), rel=0.15)
    assert fitted.best.device.parameters()["dw_min"].spread == pytest.approx(dw.spread, rel=0.01)
    up_down = next(p for p in fitted.best.parameters if p.name == "up_down")
    assert up_down.spread < 0.05  # there is none, and errors are 0.03
    one = fit_laws(measured(traces[0]), [ConstantStep])
    assert one.best.device.parameters()["dw_min"].spread == 0
    assert "says nothing about how devices differ" in one.untold[0]
    given = fit_laws(measured(traces[0]), [ConstantStep], spread=0.3)
    assert given.best.device.parameters()["w_max"].spread == 0.3
    assert given.best.device.parameters()["up_down"].spread == 0
    with pytest.raises(InvalidValue, match="leave it out"):
        fit_laws(measured(*traces), [ConstantStep], spread=0.3)


# What cannot be told -----------------------------------------------------------------------------


def test_one_direction_says_nothing_of_the_other():
    trace = simulate(SoftBounds(dw_min=0.01, up_down=1.5, c2c=0.2, **BOUNDS), 400, pulses=200, seed=1)
    fitted = fit_laws(measured(trace), [SoftBounds])
    up_down = next(p for p in fitted.best.parameters if p.name == "up_down")
    assert up_down.error is None
    assert "no down pulses" in up_down.note
    assert any("no down pulses" in sentence for sentence in fitted.untold)
    assert any("few readings (200)" in sentence for sentence in fitted.untold)


def test_a_bound_that_was_not_reached_is_said():
    trace = simulate(ConstantStep(dw_min=0.004, up_down=1.0, c2c=0.3, **BOUNDS), 40, seed=1)
    fit = fit_alone(ConstantStep, trace)
    assert fit.estimates["w_max"].error is None
    assert "not reached" in fit.estimates["w_max"].note
    assert fit.estimates["w_max"].value == pytest.approx(trace.values.max(), rel=1e-4)


def test_what_a_fit_needs():
    with pytest.raises(InvalidValue, match="at least 10"):
        fit_laws(measured(Trace("a", np.arange(5.0), np.ones(4, np.int64))))
    with pytest.raises(InvalidValue, match="no step to fit"):
        fit_laws(measured(Trace("a", np.ones(50), np.ones(49, np.int64))))
    with pytest.raises(LawError, match="takes no pulses"):
        fit_laws(measured(simulate(ConstantStep(), 50, pulses=60)), [mho.devices.Ideal])


# Tables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_tables_have_the_steps_that_the_pulses_had(noise):
    device = SoftBounds(dw_min=0.01, up_down=1.0, c2c=0.3, **BOUNDS)
    trace = simulate(device, 100, pulses=3000, seed=4, noise=noise)
    scale = Scale(zero=0.0, unit=1.0)
    traces, read = [weight_trace(trace, scale)], ReadingNoise(noise)
    nodes = piecewise_from(traces, noise=read)
    states = np.linspace(nodes.w_min, nodes.w_max, len(nodes.up))
    inner = abs(states) < 0.35
    # 3,000 steps of 30 % noise on 9 nodes of each direction: 2 % each, four of that; read noise blurs states
    limit = 0.08 if noise == 0 else 0.2
    assert nodes.dw_min * nodes.up[inner] == pytest.approx(0.01 * (1 - states[inner] / 0.6), rel=limit)
    assert nodes.dw_min * nodes.down[inner] == pytest.approx(0.01 * (1 + states[inner] / 0.6), rel=limit)
    table = jump_table_from(traces, noise=read)
    assert table.up.shape == (len(table.up_states), len(table.up_points))
    assert (np.diff(table.up, axis=1) >= 0).all()
    assert (np.diff(table.down, axis=1) >= 0).all()
    middle, half = len(table.up_states) // 2, len(table.up_points) // 2
    state = table.up_states[middle]
    # medians of the bin's steps
    assert table.up[middle, half] == pytest.approx(0.01 * (1 - state / 0.6), rel=0.2)
    assert table.down[middle, half] == pytest.approx(-0.01 * (1 + state / 0.6), rel=0.2)


def test_tables_need_both_directions():
    trace = simulate(SoftBounds(), 400, pulses=100)
    for make in (piecewise_from, jump_table_from):
        with pytest.raises(InvalidValue, match="no down pulses"):
            make([weight_trace(trace, Scale(zero=0.0, unit=1.0))], noise=ReadingNoise(0.0))


# The command line --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pulses_csv(tmp_path_factory):
    trace = simulate(SoftBounds(dw_min=0.02, up_down=1.0, c2c=0.2, **BOUNDS), 100, pulses=400, seed=2)
    file = tmp_path_factory.mktemp("data") / "pulses.csv"
    rows = "".join(f"{k},{1e-5 * (2 + v):.9e}\n" for k, v in enumerate(trace.values))
    file.write_text("pulse,conductance (S)\n" + rows)
    return file


def test_fit_writes_a_device_that_train_takes(pulses_csv, tmp_path):
    words = ["device", "fit", str(pulses_csv), "--out", "fitted", "--law", "SoftBounds", "--law", "ConstantStep"]
    done = run_mho(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "SoftBounds" in done.stdout
    assert "says nothing about how devices differ" in done.stdout
    names = {file.name for file in (tmp_path / "fitted").iterdir()}
    laws, tables = {"device.toml", "ConstantStep.toml"}, {"JumpTable.toml", "PiecewiseStep.toml"}
    assert names == laws | tables | {"fit.json", "report.html"}
    numbers = json.loads((tmp_path / "fitted" / "fit.json").read_text())
    assert numbers["best"] == "SoftBounds"
    assert [law["law"] for law in numbers["ranking"]] == ["SoftBounds", "ConstantStep"]
    toml = (tmp_path / "fitted" / "device.toml").read_text()
    assert re.search(r"# w = \(g [-+] [0-9.e-]+\) / ", toml)
    assert "d2d not measured: spread = 0" in toml
    page = (tmp_path / "fitted" / "report.html").read_text()
    assert "What these data cannot determine" in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    small = ["--set", "training.train_images=30", "--set", "training.test_images=20", "--epochs", "1"]
    trained = run_mho("train", "--device", "fitted/device.toml", "--out", "run", *small, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    again = run_mho(*words, cwd=tmp_path)
    assert again.returncode == 1
    assert "not empty" in again.stderr
    assert "Traceback" not in again.stderr


def test_mistakes_end_in_one_message_and_leave_nothing(pulses_csv, tmp_path):
    (tmp_path / "words.csv").write_text("a\nb\nc\n")
    for words, part in (
        ([str(pulses_csv), "--law", "SoftBound"], "did you mean 'SoftBounds'?"),
        ([str(pulses_csv), "--w-max", "-1"], "--w-max is -1.0"),
        ([str(pulses_csv), "--turns", "x"], "--turns"),
        (["words.csv"], "words.csv"),
        (["missing.csv"], "missing.csv"),
    ):
        done = run_mho("device", "fit", *words, "--out", "fitted", cwd=tmp_path)
        assert done.returncode == 1
        assert part in done.stderr
        assert "Traceback" not in done.stderr
        assert not Path(tmp_path / "fitted").exists()


def test_train_on_what_was_measured(pulses_csv, tmp_path):
    small = ["--set", "training.train_images=30", "--set", "training.test_images=20", "--epochs", "1"]
    done = run_mho("train", "--measured", str(pulses_csv), "--out", "run", *small, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'law = "SoftBounds"' in (tmp_path / "run" / "config.toml").read_text()
    assert {"device.html", "device.toml", "fit.json", "report.html"} <= {f.name for f in (tmp_path / "run").iterdir()}
    assert "warning" not in done.stderr  # what was fitted was not typed
    both = run_mho("train", "--measured", str(pulses_csv), "--device", "x.toml", cwd=tmp_path)
    assert both.returncode == 1
    assert "give one of them" in both.stderr


def test_compare_and_train_ask_about_per_cent(tmp_path):
    (tmp_path / "loud.toml").write_text('law = "SoftBounds"\nc2c = 5\n')
    done = run_mho("device", "compare", "SoftBounds", "loud.toml", cwd=tmp_path)
    assert done.stdout.count("note:") == 1
    assert "note: loud.toml: c2c is 5, 500 % of a step in each pulse; 5 % is written 0.05" in done.stdout
    small = ["--set", "training.train_images=8", "--set", "training.test_images=8", "--epochs", "1", "--model", "mlp"]
    trained = run_mho("train", "--device", "loud.toml", "--out", "run", *small, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert trained.stderr.count("mho: warning: c2c is 5") == 1


def test_devices_are_compared(tmp_path):
    (tmp_path / "mine.toml").write_text('law = "SoftBounds"\nc2c = 0.5\nup_down = 1.5\n')
    done = run_mho("device", "compare", "SoftBounds", "mine.toml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    one, two = json.loads(done.stdout)
    # c2c is the noise of a step over it; up and down steps of 1.2 and 0.8 have a root mean square of 1.0198
    assert one["signal_to_noise"] == pytest.approx(1 / 0.3, rel=1e-6)
    assert two["signal_to_noise"] == pytest.approx(1 / (0.5 * math.sqrt((1.2**2 + 0.8**2) / 2)), rel=1e-6)
    assert two["asymmetry"] == pytest.approx(0.4, rel=1e-6)
    alone = run_mho("device", "compare", "SoftBounds", cwd=tmp_path)
    assert alone.returncode == 1
    assert "two devices or more" in alone.stderr


def check_fit_of_damaged(data: bytes) -> None:
    """A fit, or an error that names the file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "damaged.csv"
        file.write_bytes(data)
        told = ""
        try:
            assert fit_laws(read_measured([file]), [ConstantStep]).best.name == "ConstantStep"
        except InvalidValue as error:
            told = str(error)
        assert not told or "damaged.csv" in told


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(damaged())
def test_damaged_files_are_fitted_or_refused(data):
    check_fit_of_damaged(data)


@pytest.mark.long
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(damaged())
def test_many_damaged_files_are_fitted_or_refused(data):
    check_fit_of_damaged(data)
