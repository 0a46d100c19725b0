"""Published devices: measured devices as fits in the literature have them, restated in mho's laws.

The numbers are those of the presets of aihwkit (M. J. Rasch et al., AICAS 2021, arXiv 2104.02184), whose authors fitted
them to the measurements that each function cites. Weights are in the units of the fit, where most ranges are -1 to 1.

With normals ξ and ξ' of each cell, aihwkit's steps at w = 0 are up = Δ·(1 + s·ξ + t·ξ'), down = Δ·(1 - p + s·ξ - t·ξ'):
p is its up_down, s and t are the spreads of step and up_down. mho has their mean, `dw_min`, and their ratio, `up_down`,
and draws each for itself: mean and ratio get the nominal values exactly, and to first order in s and t the spreads, but
not their correlation, which is 0 where p = 0. A bound's relative spread is mho's `spread`; both mirror draws beyond
0 (aihwkit's enforce_consistency). aihwkit's write_noise_std is in units of Δ, mho's `write_noise` in weights; aihwkit
does not clip what is read, mho does.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from mho.devices import Device, FallingStep, LinearStep, LinearStepAdditive, RaschSoftBounds, per_cell
from mho.devices.files import device_to_table
from mho.errors import Faults, InvalidValue, in_words, nearest
from mho.toml_files import write_toml


@in_words
def reram_es() -> Device:
    """ReRAM of HfO₂, the closer of two fits: steps that fall exponentially, unequal up and down.

    Source: N. Gong et al., "Signal and noise extraction from analog memory elements for neuromorphic computing", Nat.
    Commun. 9:2102 (2018); fit of aihwkit, ReRamESPresetDevice.

    Its ExpStep has Δ = 0.00135, p = 0.259359, a = b = -0.5, γ = 5, A = -1.18445 up and -0.081404 down. As A are
    negative, this is a `FallingStep`: B = 1.18445·exp(-2.5) = 0.0972 up and 0.081404·exp(2.5) = 0.992 down are the
    falling parts at w = 0 in units of the parts that stay, so that the steps there are Δ·(1 + B) = 0.00148 up and
    Δ·(1 - p)·(1 + B) = 0.00199 down. c2c is 5, the write noise 75·Δ = 0.101: both far above a step. Lost is the
    correlation of the drawn step with the drawn ratio (-0.6).
    """
    up, down = 1.18445 * math.exp(5 * -0.5), 0.081404 * math.exp(5 * 0.5)
    steps = _steps(0.00135, spread=0.2, up_down_spread=0.05, up_down=0.259359, up=1 + up, down=1 + down)
    return FallingStep(
        **steps,
        fall_up=_digits(up / (1 + up)),
        fall_down=_digits(down / (1 + down)),
        gamma_up=2.5,
        gamma_down=2.5,
        c2c=5.0,
        **_bounds(1.0, -1.0, 0.3, 0.3),
        write_noise=_digits(75 * 0.00135),
    )


@in_words
def reram_sb() -> Device:
    """ReRAM of HfO₂, the simpler of two fits: soft bounds, calibrated to the symmetry point.

    Source: as of `reram_es`, N. Gong et al., Nat. Commun. 9:2102 (2018); fit of aihwkit, ReRamSBPresetDevice.

    Its soft bounds with added noise are `RaschSoftBounds`: Δ = 0.002, bounds 1.25 and -0.75 with the absolute spread
    0.3, c2c 3.75, write noise 56·Δ = 0.112. The range is shifted as if a reference device had been subtracted, which is
    not modelled: the symmetry point is 0, and needs no `mho.cells.Referenced`.
    """
    return RaschSoftBounds(
        **_steps(0.002, spread=0.3, up_down_spread=0.01),
        c2c=3.75,
        **_bounds(1.25, -0.75, 0.3 / 1.25, 0.3 / 0.75),
        write_noise=_digits(56 * 0.002),
    )


@in_words
def capacitor() -> Device:
    """Capacitor cell of CMOS: nearly constant steps, and a charge that leaks.

    Source: Y. Li et al., "Capacitor-based cross-point array for analog neural network with record symmetry and
    linearity", VLSI Technology (2018); fit of aihwkit, CapacitorPresetDevice.

    Its LinearStep with added noise is `LinearStepAdditive`: Δ = 0.005, γ = 0.05 ± 0.01, c2c = 0.3. Two differences: its
    slope is γ·Δ over the mean bound, here over the bound of each cell (spread 7 %); its noise is a share of the up or
    of the down step, here of their mean. The lifetime of 10⁶ mini-batches, spread 0.3, is `decay` = 10⁻⁶ an optimizer
    step with the spread 0.3 of its inverse, to 0: adapt it to the time that a step takes in your circuit.
    """
    return LinearStepAdditive(
        **_steps(0.005, spread=0.1, up_down_spread=0.06),
        gamma_up=per_cell(0.05, spread=0.2),
        gamma_down=per_cell(0.05, spread=0.2),
        c2c=0.3,
        **_bounds(1.0, -1.0, 0.07, 0.07),
        decay=per_cell(1e-6, spread=0.3),
    )


@in_words
def ecram() -> Device:
    """Electrochemical cell (ECRAM) with lithium: nearly linear, many states.

    Source: J. Tang et al., "ECRAM as scalable synaptic cell for high-speed, low-power neuromorphic computing", IEDM
    (2018); fit of aihwkit, EcRamPresetDevice.

    Its `LinearStep`: Δ = 0.002, γ = 0.1153 up and 0.5085 down, each ± 0.05, c2c 0.3. The range -0.8276 to 1.1724 is
    shifted so that the symmetry point is 0. One difference: its slope is γ·Δ over the mean bound, here over the bound
    of each cell (spread 5 %).
    """
    return LinearStep(
        **_steps(0.002, spread=0.1, up_down_spread=0.01),
        **_gammas(0.1153, 0.5085, 0.05),
        c2c=0.3,
        **_bounds(1.1724, -0.8276, 0.05, 0.05),
    )


@in_words
def ecram_mo() -> Device:
    """Electrochemical cell (ECRAM) of metal oxides: small steps, thousands of states.

    Source: S. Kim et al., "Metal-oxide based, CMOS-compatible ECRAM for deep learning accelerator", IEDM (2019); fit of
    aihwkit, EcRamMOPresetDevice.

    Its `LinearStep`: Δ = 2.8214·10⁻⁴, γ = 0.4152 up and 0.7342 down, each ± 0.05, c2c 2. The range -0.8286 to 1.1714 is
    shifted so that the symmetry point is 0. One difference: its slope is γ·Δ over the mean bound, here over the bound
    of each cell (spread 5 %).
    """
    return LinearStep(
        **_steps(2.8214e-4, spread=0.1, up_down_spread=0.01),
        **_gammas(0.4152, 0.7342, 0.05),
        c2c=2.0,
        **_bounds(1.1714, -0.8286, 0.05, 0.05),
    )


@in_words
def pcm() -> Device:
    """Phase-change memory: large first pulses, and up pulses only, for `mho.cells.OneSided`.

    Source: S. R. Nandakumar et al., "Mixed-precision deep learning based on computational memory", Front. Neurosci.
    14:406 (2020); fit of aihwkit, PCMPresetDevice.

    Its ExpStep has Δ = 0.01, a = -1, b = 0, γ = 2.5, A = -27.235 up and -2.235 down, on the range 0 to 2. As A are
    negative, this is a `FallingStep` whose up step is Δ·28.235 = 0.282 at 0 and 0.0118 at 2; c2c 0.6, and the noise
    that does not follow the step, 0.6·(0.042 + 0.108·w), as `noise` and `noise_slope`, which is most of it above
    w = 0.5. The device crystallises by pulses and is otherwise reset: give it as `mho.RPU(device=mho.presets.pcm(),
    cell=mho.cells.OneSided())`, whose weights are -2 to 2; the down step, which aihwkit gives for symmetry, then has no
    effect but on the nominal step, the mean of both, which sets the gains of pulses. The state after a reset, 0.01 with
    0.02 from device to device, is not the device's but the cell's here: it resets to 0, and
    `OneSided(refresh_error=0.02)` comes nearest. Drift is not in the fit.
    """
    return FallingStep(
        **_steps(0.01, spread=0.2, up_down_spread=0.05, up=28.235, down=3.235),
        fall_up=_digits(27.235 / 28.235),
        fall_down=_digits(2.235 / 3.235),
        gamma_up=2.5,
        gamma_down=2.5,
        c2c=0.6,
        noise=_digits(0.6 * 0.042),
        noise_slope=_digits(0.6 * 0.108),
        **_bounds(2.0, 0.0, 0.1, 0.0),
    )


@in_words
def reram_array_om() -> Device:
    """Array of ReRAM in 14 nm CMOS with optimised material: some 20 states, wide spreads.

    Source: N. Gong, M. J. Rasch et al., "Deep learning acceleration in 14nm CMOS compatible ReRAM array: device,
    material and algorithm co-optimization", IEDM (2022); fit of aihwkit, ReRamArrayOMPresetDevice.

    Its soft bounds with added noise are `RaschSoftBounds`: Δ = 0.0949 with the lognormal factor exp(0.7829·ξ), which
    makes the mean step 0.129, and the nominal step that sets the gains of pulses; bounds ±1 with the spreads 0.3499 and
    0.5695; c2c 0.4158; write noise 1.4113·Δ = 0.134. The spread of up_down is 2·0.01; in aihwkit cells of small steps
    have more. It subtracts the symmetry point of each cell with an error of 0.05, which is not the device's: add
    `cell=mho.cells.Referenced()` and `mho.learning.zero_shift(model, write_error=0.05)`. 13.5 % of the devices of the
    array were corrupt, which aihwkit's preset leaves out, and this function too: `stuck=0.135`.
    """
    return _array(0.0949, 0.7829, _bounds(1.0, -1.0, 0.3499, 0.5695), c2c=0.4158, write_noise=1.4113)


@in_words
def reram_array_hfo2() -> Device:
    """Array of ReRAM in 14 nm CMOS with the base HfO₂: some 4 states, wide spreads.

    Source: as of `reram_array_om`, N. Gong, M. J. Rasch et al., IEDM (2022); fit of aihwkit,
    ReRamArrayHfO2PresetDevice.

    As `reram_array_om` with Δ = 0.4622, the lognormal factor exp(0.7125·ξ), which makes the mean step 0.596, the
    spreads 0.4295 and 0.5990 of the bounds, c2c 0.2174, and write noise 0.5841·Δ = 0.27. Reference: as there, error
    0.05. 9.8 % of the devices were corrupt: `stuck=0.098`.
    """
    return _array(0.4622, 0.7125, _bounds(1.0, -1.0, 0.4295, 0.5990), c2c=0.2174, write_noise=0.5841)


@in_words
def rasch_2024(*, states: float = 100.0, bound_spread: float = 0.3, asymmetry: float = 0.1) -> Device:
    """The simulated device of M. J. Rasch et al., Nat. Commun. 15:7133 (2024), by its number of states.

    Soft bounds around ±1 with added noise, c2c 0.3, and steps 2/`states` that spread lognormally, σ_d2d = 0.3.

    Args:
        states: steps of nominal size at w = 0 from -1 to 1, at least 1.
        bound_spread: σ_b, relative spread of the bounds, at least 0; 0 for the paper's slow bank.
        asymmetry: σ±, half the relative spread of the ratio of steps up and down, at least 0.

    Raises:
        InvalidValue: for a number out of range.
    """
    faults = Faults("rasch_2024")
    faults.number("states", states, low=1.0, high=1e9)
    faults.number("bound_spread", bound_spread, low=0.0, high=10.0)
    faults.number("asymmetry", asymmetry, low=0.0, high=10.0)
    faults.raise_any()
    return RaschSoftBounds(
        **_lognormal(2 / states, 0.3),
        up_down=per_cell(1.0, spread=2 * asymmetry),
        c2c=0.3,
        w_max=per_cell(1.0, spread=bound_spread),
        w_min=per_cell(-1.0, spread=bound_spread),
    )


DEVICES: dict[str, Callable[[], Device]] = {
    "reram_es": reram_es,
    "reram_sb": reram_sb,
    "reram_array_om": reram_array_om,
    "reram_array_hfo2": reram_array_hfo2,
    "capacitor": capacitor,
    "ecram": ecram,
    "ecram_mo": ecram_mo,
    "pcm": pcm,
}
"""Published devices by name."""


@in_words
def device_toml(name: str) -> str:
    """Return a published device as a device file: the docstring with its source as comments, then the fields.

    Args:
        name: name of `DEVICES`.

    Raises:
        InvalidValue: for another name, with the nearest.
    """
    if name not in DEVICES:
        raise InvalidValue(f"no published device {name!r}{nearest(str(name), DEVICES)}")
    text = inspect.cleandoc(DEVICES[name].__doc__ or "")
    head = "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())
    return head + write_toml({"device": device_to_table(DEVICES[name]())})


def _digits(value: float) -> float:
    """Six digits, so that files are easy to read."""
    return float(f"{value:.6g}")


def _steps(
    step: float, *, spread: float, up_down_spread: float, up_down: float = 0.0, up: float = 1.0, down: float = 1.0
) -> dict[str, Any]:
    """Return dw_min and up_down for aihwkit's Δ, s, t and p; `up` and `down` are factors of its steps at w = 0."""
    ups, downs, kept = step * up, step * down * (1 - up_down), 1 / (1 - up_down)
    both = ups + downs
    of_mean = math.hypot(spread * (ups + downs * kept), up_down_spread * (ups - downs * kept)) / both
    of_ratio = math.hypot(spread * (1 - kept), up_down_spread * (1 + kept))
    return {
        "dw_min": per_cell(_digits(both / 2), spread=_digits(of_mean)),
        "up_down": per_cell(_digits(ups / downs), spread=_digits(of_ratio)),
    }


def _bounds(high: float, low: float, high_spread: float, low_spread: float) -> dict[str, Any]:
    return {
        "w_max": per_cell(high, spread=_digits(high_spread)),
        "w_min": per_cell(low, spread=_digits(low_spread)) if low_spread else low,
    }


def _gammas(up: float, down: float, std: float) -> dict[str, Any]:
    """Return the slopes of a linear step with an absolute spread, folded at 0 as aihwkit folds it."""
    return {name: per_cell(mean, spread=_digits(std / mean)) for name, mean in (("gamma_up", up), ("gamma_down", down))}


def _lognormal(step: float, sigma: float) -> dict[str, Any]:
    """Return dw_min that is drawn as step·exp(sigma·ξ)."""
    mean, spread = step * math.exp(sigma**2 / 2), math.sqrt(math.expm1(sigma**2))
    return {"dw_min": per_cell(_digits(mean), spread=_digits(spread), distribution="lognormal")}


def _array(step: float, sigma: float, bounds: dict[str, Any], *, c2c: float, write_noise: float) -> Device:
    """Return soft bounds whose step is drawn as step·exp(sigma·ξ)."""
    return RaschSoftBounds(
        **_lognormal(step, sigma),
        up_down=per_cell(1.0, spread=0.02),
        c2c=c2c,
        **bounds,
        write_noise=_digits(write_noise * step),
    )
