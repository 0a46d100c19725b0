"""Measured jump tables as devices: what is drawn is what was measured."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import mho
from mho.cli import app
from mho.devices import JumpTable, PiecewiseStep, SoftBounds
from mho.errors import InvalidValue
from mho.fitting.table_devices import tables_as_read
from mho.measurements import Measurement, Trace, read_measured
from mho.measurements.jump_table_device import jump_table_device
from mho.measurements.jump_tables import JumpTables
from tests.helpers.measured_files import DEVICES

PULSES = 10_000
ROUNDING = 1e-6
"""What float32 makes of a jump: far less than the jumps of a table lie apart."""


def below(jumps: np.ndarray, points: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The probability of a jump of at most v by a row of the table; jumps may be equal over a range of points."""
    k = np.clip(np.searchsorted(jumps, v, side="right") - 1, 0, len(jumps) - 2)
    width = np.where(jumps[k + 1] > jumps[k], jumps[k + 1] - jumps[k], 1.0)
    part = np.clip((v - jumps[k]) / width, 0, 1)
    found = points[k] + part * (points[k + 1] - points[k])
    return np.where(v < jumps[0], 0.0, np.where(v >= jumps[-1], 1.0, found))


def distance(moved: np.ndarray, jumps: np.ndarray, points: np.ndarray) -> float:
    """The Kolmogorov-Smirnov distance, asked beside the jumps of the table rather than on them."""
    places = np.unique(np.concatenate([jumps - ROUNDING, jumps + ROUNDING]))
    counted = np.searchsorted(np.sort(moved), places, side="right") / len(moved)
    return float(np.abs(counted - below(jumps, points, places)).max())


def enode() -> JumpTables:
    tables = read_measured([DEVICES / "enode"])
    assert isinstance(tables, JumpTables)
    return tables


def test_enode_draws_its_tables_in_every_bin() -> None:
    device, _, _ = jump_table_device(enode())
    wide = dataclasses.replace(device, w_max=2.0, w_min=-2.0)  # so that no draw is clipped
    rpu = mho.RPU(device=wide, update=mho.Pulses(length=1))
    sides: list[tuple[float, Any, Any, Any]] = [
        (1.0, device.up, device.up_states, device.up_points),
        (-1.0, device.down, device.down_states, device.down_points),
    ]
    worst = []
    for sign, jumps, states, points in sides:
        for row, state in enumerate(states.values):
            array = mho.Crossbar(rpu, 1, PULSES, seed=row)
            array.write(torch.full((1, PULSES), float(state)))
            array.pulse(torch.ones(1, PULSES), torch.full((1, 1), sign))
            moved = array.weight.view(-1).double().numpy() - float(state)
            worst.append(distance(moved, jumps.values[0, row].astype(float), points.values.astype(float)))
    assert len(worst) == 96
    # one in a thousand for the largest of 96, by the law of Kolmogorov, which atoms only make safer
    assert max(worst) < math.sqrt(-math.log(0.001 / 96 / 2) / (2 * PULSES))


def test_weights_are_conductances() -> None:
    tables = enode()
    device, zero, unit = jump_table_device(tables, w_max=1.0)
    assert zero + unit * device.up_states.values[0] == pytest.approx(tables.states_up[0])
    assert zero + unit * device.w_max == pytest.approx(tables.states_up[-1])
    assert device.up.values[0] * unit == pytest.approx(tables.jumps_up, rel=1e-5)
    assert mho.testing.check_device(device).symmetry_point is not None


def test_wrong_draws_are_seen() -> None:
    """The distance tells a table from one whose jumps are a fifth larger."""
    device, _, _ = jump_table_device(enode())
    jumps, points = device.up.values[0, 20].astype(float), device.up_points.values.astype(float)
    u = np.random.default_rng(0).random(PULSES)
    limit = math.sqrt(-math.log(0.001 / 96 / 2) / (2 * PULSES))
    assert distance(np.interp(u, points, jumps), jumps, points) < limit
    assert distance(1.2 * np.interp(u, points, jumps), jumps, points) > limit


def soft_readings(pulses: int = 400, ramps: int = 6) -> Measurement:
    """Up and down ramps of one soft-bounds cell, read after every pulse."""
    device = SoftBounds(dw_min=0.01, up_down=1.0, c2c=0.2, w_max=0.6, w_min=-0.6)
    array = mho.Crossbar(mho.RPU(device=device, update=mho.Pulses(length=1)), 1, 1, seed=5)
    array.write(torch.full((1, 1), -0.5))
    signs = np.tile(np.repeat([1, -1], pulses), ramps // 2)
    seen = [float(array.weight)]
    for sign in signs:
        array.pulse(torch.ones(1, 1), torch.full((1, 1), float(sign)))
        seen.append(float(array.weight))
    return Measurement("simulated", (Trace("a", np.array(seen), signs.astype(np.int64)),), "a.u.")


def test_tables_of_pulses_have_the_steps_of_the_device() -> None:
    measurement = soft_readings()
    made = tables_as_read(measurement, w_max=0.6)
    assert [type(one) for one in made] == [JumpTable, PiecewiseStep]
    low, high = measurement.traces[0].values.min(), measurement.traces[0].values.max()
    scale = (high - low) / 1.2  # the range of the readings became ±0.6
    for one in made:
        for w in (-0.2625, 0.0375, 0.2625):  # middles of bins
            array = mho.Crossbar(mho.RPU(device=one, update=mho.Pulses(length=1)), 1, 4_000, seed=1)
            array.write(torch.full((1, 4_000), w))
            array.pulse(torch.ones(1, 4_000), torch.ones(1, 1))
            moved = float(array.weight.double().mean()) - w
            state = (low + high) / 2 + w * scale
            expected = 0.01 * (1 - state / 0.6) / scale
            # a bin holds 20 steps or more, with 20 % noise: 4.5 % of the mean; three of them
            assert moved == pytest.approx(expected, rel=0.135), (type(one).__name__, w)
    assert made[1].c2c == pytest.approx(0.2, abs=0.05)


def test_one_direction_makes_no_table() -> None:
    measurement = soft_readings(ramps=2)
    trace = measurement.traces[0]
    only_up = Measurement("up", (Trace("a", trace.values[:300], trace.pulses[:299]),), "a.u.")
    assert tables_as_read(only_up) == ()


def test_train_on_measured_steps(tmp_path) -> None:
    measurement = soft_readings(pulses=100, ramps=4)
    file = tmp_path / "pulses.csv"
    values = measurement.traces[0].values
    file.write_text("G (uS)\n" + "\n".join(f"{v:.6f}" for v in values))
    run = ["train", "--measured", str(file), "--measured-as", "table", "--epochs", "1", "--model", "mlp"]
    told = CliRunner().invoke(app, [*run, "--out", str(tmp_path / "run")])
    assert told.exit_code == 0, told.output
    config = (tmp_path / "run" / "config.toml").read_text()
    assert 'law = "JumpTable"' in config
    for wrong, said in (
        (["train", "--measured-as", "table"], "without --measured"),
        (["train", "--measured", str(file), "--measured-as", "tabel"], "did you mean 'table'"),
    ):
        refused = CliRunner().invoke(app, wrong)
        assert refused.exit_code != 0
        assert said in str(refused.exception)


def test_train_passes_extrapolate_to_the_fit(tmp_path, monkeypatch) -> None:
    file = tmp_path / "pulses.csv"
    file.write_text("G (uS)\n" + "\n".join(f"{v:.6f}" for v in soft_readings(pulses=100, ramps=2).traces[0].values))

    def fit_shown(*_, extrapolate):
        raise InvalidValue(f"extrapolate is {extrapolate}")

    monkeypatch.setattr("mho.cli.device_fit.fit_shown", fit_shown)
    for words, told in (
        (["--measured", str(file)], "extrapolate is False"),
        (["--measured", str(file), "--extrapolate"], "extrapolate is True"),
        (["--measured", str(file), "--measured-as", "table", "--extrapolate"], "--extrapolate has no effect"),
        (["--extrapolate"], "--extrapolate has no effect"),
    ):
        done = CliRunner().invoke(app, ["train", *words])
        assert told in str(done.exception)
