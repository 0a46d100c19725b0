"""Published devices against the equations and the numbers that their source prints, written here anew."""

from __future__ import annotations

import dataclasses
import math
import tomllib
import types
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

import mho
from mho.errors import InvalidValue
from mho.presets import DEVICES
from mho.testing import check_device
from tests.helpers.command import mho as run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Printed:
    """A preset as aihwkit prints it; `up` and `down` are shapes of the step, `noise` the noise of a pulse over Δ."""

    step: float
    bounds: tuple[float, float]
    spreads: tuple[float, float, float, float]  # of the step, of up_down, of the upper and the lower bound
    up: Callable[[float], float]
    down: Callable[[float], float]
    noise: Callable[[float, float], float]  # of the state, and the size of the step there over Δ
    up_down: float = 0.0
    write_noise: float = 0.0
    lognormal: bool = False


def exponential(a: float, b: float, gamma: float, up: float, down: float, span: float) -> tuple[Callable, Callable]:
    return (
        lambda w: max(1 - up * math.exp(gamma * (2 * a * w / span + b)), 0),
        lambda w: max(1 - down * math.exp(-gamma * (2 * a * w / span + b)), 0),
    )


def linear(high: float, low: float, gamma_up: float = 1.0, gamma_down: float = 1.0) -> dict[str, Callable]:
    return {"up": lambda w: 1 - gamma_up * w / high, "down": lambda w: 1 - gamma_down * w / low}


def shapes(pair: tuple[Callable, Callable]) -> dict[str, Callable]:
    return dict(zip(("up", "down"), pair, strict=True))


PRINTED = {
    "reram_es": Printed(
        step=0.00135, up_down=0.259359, bounds=(1, -1), spreads=(0.2, 0.05, 0.3, 0.3), write_noise=75,
        noise=lambda w, step: 5 * step, **shapes(exponential(-0.5, -0.5, 5, -1.18445, -0.081404, 2)),
    ),
    "reram_sb": Printed(
        step=0.002, bounds=(1.25, -0.75), spreads=(0.3, 0.01, 0.24, 0.4), write_noise=56,
        noise=lambda w, step: 3.75, **linear(1.25, -0.75),
    ),
    "capacitor": Printed(
        step=0.005, bounds=(1, -1), spreads=(0.1, 0.06, 0.07, 0.07),
        noise=lambda w, step: 0.3, **linear(1, -1, 0.05, 0.05),
    ),
    "ecram": Printed(
        step=0.002, bounds=(1.1724, -0.8276), spreads=(0.1, 0.01, 0.05, 0.05),
        noise=lambda w, step: 0.3 * step, **linear(1.1724, -0.8276, 0.1153, 0.5085),
    ),
    "ecram_mo": Printed(
        step=2.8214e-4, bounds=(1.1714, -0.8286), spreads=(0.1, 0.01, 0.05, 0.05),
        noise=lambda w, step: 2 * step, **linear(1.1714, -0.8286, 0.4152, 0.7342),
    ),
    "pcm": Printed(
        step=0.01, bounds=(2, 0), spreads=(0.2, 0.05, 0.1, 0.0),
        noise=lambda w, step: 0.6 * (step + (0.042 + 0.108 * abs(w)) / 0.01),
        **shapes(exponential(-1, 0, 2.5, -27.235, -2.235, 2)),
    ),
    "reram_array_om": Printed(
        step=0.0949, bounds=(1, -1), spreads=(0.7829, 0.01, 0.3499, 0.5695), write_noise=1.4113, lognormal=True,
        noise=lambda w, step: 0.4158, **linear(1, -1),
    ),
    "reram_array_hfo2": Printed(
        step=0.4622, bounds=(1, -1), spreads=(0.7125, 0.01, 0.4295, 0.5990), write_noise=0.5841, lognormal=True,
        noise=lambda w, step: 0.2174, **linear(1, -1),
    ),
}  # fmt: skip
STATES = {"reram_es": 1152, "reram_sb": 1000, "capacitor": 400, "ecram": 1000, "ecram_mo": 7089, "pcm": 12.71}
"""Range over the mean step in the middle; those of the arrays are 2/Δ over the mean of the lognormal factor."""


def nominal(device: mho.Device) -> types.SimpleNamespace:
    return types.SimpleNamespace(**{name: field.mean for name, field in device.parameters().items()})


def lognormal_mean(printed: Printed) -> float:
    """Mean of the factor exp(σ·ξ) of a step."""
    return math.exp(printed.spreads[0] ** 2 / 2) if printed.lognormal else 1.0


def test_every_published_device_is_tested():
    assert set(PRINTED) == set(DEVICES)


@pytest.mark.parametrize("name", PRINTED)
def test_steps_and_their_noise_are_the_printed_formula(name):
    printed, device = PRINTED[name], DEVICES[name]()
    cell, (high, low) = nominal(device), printed.bounds
    assert (cell.w_max, cell.w_min) == (high, low)
    for w in [0.0, *np.linspace(low, high, 7)[1:-1]]:
        for up, shape, down_by in ((True, printed.up, 0.0), (False, printed.down, printed.up_down)):
            size = (1 - down_by) * shape(w)
            quiet = device.pulse(w, up, cell, 0.0)
            way = 1 if up else -1
            # fields have six digits
            assert (quiet - w) * way == pytest.approx(printed.step * lognormal_mean(printed) * size, rel=2e-5)
            moved = (device.pulse(w, up, cell, 1.0) - quiet) * way
            noise = printed.step * lognormal_mean(printed) * printed.noise(w, size)
            assert moved == pytest.approx(noise, rel=2e-5)
    assert getattr(cell, "write_noise", 0.0) == pytest.approx(printed.write_noise * printed.step, rel=1e-5)


@pytest.mark.parametrize("name", PRINTED)
def test_devices_differ_as_printed(name):
    """Steps at w = 0 of 400,000 cells by the source's formula, against those of an array of mho."""
    printed, device = PRINTED[name], DEVICES[name]()
    spread, tilt, *of_bounds = printed.spreads
    first, second = np.random.default_rng(0).standard_normal((2, 400_000))
    gain = np.exp(spread * first) if printed.lognormal else 1 + spread * first
    ups = printed.step * (gain + tilt * second) * printed.up(0.0)
    downs = printed.step * (gain - printed.up_down - tilt * second) * printed.down(0.0)
    cell = mho.cells.OneSided() if name == "pcm" else mho.cells.Single()
    array = mho.Crossbar(mho.RPU(device=device, cell=cell), 200, 200)
    drawn = {key: values.double().numpy().ravel() for key, values in array.cell_parameters().items()}
    # 40,000 cells: a lognormal's standard deviation has an error of 2 %; draws beyond 0 are mirrored in mho (0.8 % of a
    # spread of 0.4, 4 % of 0.57)
    mean = (ups + downs) / 2
    assert drawn["dw_min"].mean() == pytest.approx(mean.mean(), rel=0.02)
    assert drawn["dw_min"].std() == pytest.approx(mean.std(), rel=0.08)
    usual = gain > 0.3  # the ratio of a step near 0 has no finite spread
    wide = (ups / downs)[usual]
    middle = np.quantile(wide, [0.25, 0.5, 0.75])
    ratio = np.quantile(drawn["up_down"], [0.25, 0.5, 0.75])
    assert ratio[1] == pytest.approx(middle[1], rel=0.01)
    # the ratio's spread is right to first order
    assert ratio[2] - ratio[0] == pytest.approx(middle[2] - middle[0], rel=0.2)
    for key, bound, relative in zip(("w_max", "w_min"), printed.bounds, of_bounds, strict=True):
        folded = np.abs(bound * (1 + relative * first))
        assert np.abs(drawn[key]).mean() == pytest.approx(folded.mean(), rel=0.02)
        assert drawn[key].std() == pytest.approx(folded.std(), rel=0.04, abs=1e-12)


@pytest.mark.parametrize("name", PRINTED)
def test_states_and_symmetry_points_are_those_of_the_printed_formula(name):
    printed = PRINTED[name]
    report = check_device(DEVICES[name]())
    (high, low), factor = printed.bounds, 1 - printed.up_down
    middle = 0.0 if low < 0 else (high + low) / 2
    steps = printed.step * lognormal_mean(printed) * (printed.up(middle) + factor * printed.down(middle)) / 2
    assert report.states == pytest.approx((high - low) / steps, rel=1e-4)
    expected = STATES.get(name, 2 / printed.step / lognormal_mean(printed))
    assert report.states == pytest.approx(expected, rel=1e-3)
    point = brentq(lambda w: printed.up(w) - factor * printed.down(w), low, high)
    assert report.symmetry_point == pytest.approx(point, abs=1e-4)


def test_slopes_of_cells_are_folded_as_printed():
    array = mho.Crossbar(mho.RPU(device=mho.presets.ecram()), 200, 200)
    slopes = array.cell_parameters()["gamma_up"].double().numpy()
    printed = np.abs(0.1153 + 0.05 * np.random.default_rng(0).standard_normal(400_000))
    # 40,000 cells: errors of 0.2 % and 0.4 %
    assert slopes.mean() == pytest.approx(printed.mean(), rel=0.01)
    assert slopes.std() == pytest.approx(printed.std(), rel=0.02)


def test_a_capacitor_leaks_by_its_lifetime():
    array = mho.Crossbar(mho.RPU(device=mho.presets.capacitor()), 100, 100)
    array.write(torch.full((100, 100), 0.5))
    before = float(array.weight.mean())
    array.rest(1e5)
    # a lifetime of 10⁶ updates; spread 0.3 of 10,000 cells: 0.3·0.1/100 of the loss
    assert float(array.weight.mean()) == pytest.approx(before * math.exp(-0.1), rel=2e-3)


@pytest.mark.parametrize("name", DEVICES)
def test_a_device_file_has_the_source_and_reads_back(name):
    text = mho.presets.device_toml(name)
    device = DEVICES[name]()
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert any(line.startswith("# Source: ") for line in comments)
    assert "aihwkit" in text
    assert max(map(len, text.splitlines())) <= 120
    assert mho.RPU.from_dict(tomllib.loads(text)).device == device
    rpu = mho.RPU(device=device)
    assert mho.RPU.from_toml(rpu.to_toml()) == rpu


def test_other_names_get_the_nearest():
    with pytest.raises(InvalidValue, match="no published device 'reram_e'; did you mean 'reram_es'"):
        mho.presets.device_toml("reram_e")
    with pytest.raises(AttributeError, match="did you mean 'ecram_mo'"):
        _ = mho.presets.ecram_mox


def test_the_command_line_takes_published_devices_by_name(tmp_path):
    compared = run("device", "compare", "reram_es", "capacitor", cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert "FallingStep" in compared.stdout
    assert "1152" in compared.stdout
    wrong = run("device", "check", "capacitr", cwd=tmp_path)
    assert "did you mean 'capacitor'?" in wrong.stderr
    written = run("device", "toml", "ecram", "--out", "ecram.toml", cwd=tmp_path)
    assert written.stdout.strip() == "device ecram.toml"
    assert (tmp_path / "ecram.toml").read_text() == mho.presets.device_toml("ecram")
    again = run("device", "toml", "ecram", "--out", "ecram.toml", cwd=tmp_path)
    assert again.returncode == 1
    assert "ecram.toml exists" in again.stderr
    assert tomllib.loads(run("device", "toml", "PowStep", cwd=tmp_path).stdout)["device"]["law"] == "PowStep"
    configs = []
    for given in ("ecram", "ecram.toml"):
        small = ["--set", "training.train_images=20", "--set", "training.test_images=20", "--epochs", "1"]
        done = run("train", "--model", "mlp", "--device", given, "--out", f"{len(configs)}", *small, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        configs.append((tmp_path / f"{len(configs)}" / "config.toml").read_text())
    assert configs[0] == configs[1]
    assert "gamma_down" in configs[0]
