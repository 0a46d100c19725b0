"""The curves of Wu et al. 2025: residual learning beside SGD on devices of several responses and noises."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial

from mho.cells import Cell, Residual, Single
from mho.config import RPU
from mho.devices import Device, PiecewiseStep, PowStep, per_cell, table
from mho.periphery import Pulses, Read
from mho.presets import floating_point
from mho.runs import Experiment
from mho.training import Training

GAMMA = 0.5
"""γ_res of the responses."""
BOUNDS = (0.6, 0.7, 0.8)
"""τ: devices reach from -τ to τ."""
NOISES = (0.1, 0.6, 1.2)
"""Noise of a pulse from cycle to cycle, in steps."""
STATES = 1200
NODES = 33
"""Nodes of the exponential response, taken as linear between them: off by at most a thousandth of a step."""
RULES = ("sgd", "residual")
TRAINING = Training(model="mlp", data="mnist", epochs=30, lr=0.05, lr_steps={16: 0.025}, batch_size=10)


def power(bound: float, *, noise: float = 0.3) -> Device:
    """Return devices of the power response (1 ∓ w/τ)^γ, τ = `bound`."""
    return PowStep(
        dw_min=per_cell(2 * bound / STATES, spread=0.3),
        up_down=per_cell(1.0, spread=0.01),
        c2c=noise,
        w_max=per_cell(bound, spread=0.3),
        w_min=per_cell(-bound, spread=0.3),
        gamma_up=GAMMA,
        gamma_down=GAMMA,
    )


def exponential(bound: float) -> Device:
    """Return devices of the exponential response (exp(γ(1 ∓ w/τ)) - 1)/(exp(γ) - 1), τ = `bound`."""
    places = [2 * node / (NODES - 1) - 1 for node in range(NODES)]
    up = [math.expm1(GAMMA * (1 - place)) / math.expm1(GAMMA) for place in places]
    return PiecewiseStep(
        dw_min=per_cell(2 * bound / STATES, spread=0.3),
        c2c=0.3,
        w_max=per_cell(bound, spread=0.3),
        w_min=per_cell(-bound, spread=0.3),
        up=table(up),
        down=table(up[::-1]),
    )


def rule(name: str) -> Cell:
    """Return the cell of a rule of `RULES`."""
    if name == "sgd":
        return Single(reference="symmetry_point")
    return Residual(n=2, visible=0.4, every=2, transfer=Read(noise=0.06, bound=12.0, dac_bits=7, adc_bits=9))


def network(name: str, make: Callable[[], Device]) -> Experiment:
    """Return 784-256-128-10 on arrays of a rule and of what `make` returns."""
    read = Read(noise=0.06, bound=12.0, dac_bits=7, adc_bits=9, noise_management=True, bound_management=True)
    rpu = RPU(
        device=make(),
        cell=rule(name),
        forward=read,
        backward=read,
        update=Pulses(length=31, length_management=True),
    )
    return Experiment(training=TRAINING, rpu=rpu)


def digital() -> Experiment:
    """Return the network in floating point, at twice the rate."""
    return Experiment(training=dataclasses.replace(TRAINING, lr=0.1, lr_steps={16: 0.05}), rpu=floating_point())


DEVICES: dict[str, Callable[[], Device]] = {
    **{f"noise_{noise:g}": partial(power, 0.7, noise=noise) for noise in NOISES},
    **{f"power_{bound:g}": partial(power, bound) for bound in BOUNDS},
    **{f"exponential_{bound:g}": partial(exponential, bound) for bound in BOUNDS},
}

CURVES: dict[str, Callable[[], Experiment]] = {
    "floating_point": digital,
    **{f"{name}_{device}": partial(network, name, make) for name in RULES for device, make in DEVICES.items()},
}
