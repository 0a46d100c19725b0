"""The curves of Xiao et al. 2026: learning rules on devices of few states, with references off the symmetry points."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mho.cells import AGAD, Cell, ERider, TikiTaka
from mho.periphery import Pulses, Read, Scale
from mho.presets import agad, floating_point, reram_array_hfo2
from mho.runs import Experiment
from mho.training import Training

MEANS = (0.0, 0.4)
"""Mean error of the references of the fast bank, in weights."""
SPREADS = (0.05, 0.2, 0.3, 0.4, 0.7, 1.0)
"""Standard deviations of that error."""
RULES = ("ttv2", "agad", "e_rider")
SCALED = "e_rider_scaled"
"""E-RIDER with the rates of AGAD; ours."""
RATES = {"ttv2": 0.005, "agad": 0.05, "e_rider": 0.05, SCALED: 0.05}
"""Learning rates: of the paper, and for E-RIDER with the rates of AGAD that of AGAD."""
LENGTHS = {"ttv2": 1, "agad": 1, "e_rider": 5, SCALED: 1}
"""Slots of a pulse train; automatic scaling asks for less than one pulse, so one slot does what the paper's 31 do."""
PAPERS_LENGTH = 31
"""Slots of a pulse train in the paper's simulator, whose automatic scaling multiplies `fast_lr` by this number."""
SCALE = 0.2
"""Weights of the largest device with the paper's rates: W = 0.2·A."""
WIDE = 0.4
"""The same with twice the room, W = 0.4·A; ours."""
ROOM = Scale("max", fill=0.15)
"""Digital scale with equal rates: the largest initial weight of a layer takes 0.15 of the range of its devices."""
FALL = {21: 0.3, 31: 0.1}
"""Factors of the learning rate, by the epochs from which on they hold."""
TRANSFER = Read(noise=0.06, bound=12.0, dac_bits=7, adc_bits=9)


def around(mean: float, spread: float) -> dict[str, Any]:
    """Return the settings that all rules share, with the mean and the standard deviation of the references' errors."""
    return {
        "every": 2, "buffer_scale": 1000.0, "transfer": TRANSFER, "reference": "symmetry_point",
        "reference_mean": mean, "reference_std": spread,
    }  # fmt: skip


def rule(name: str, *, mean: float, spread: float) -> Cell:
    """Return the cell of a rule with the paper's settings.

    Args:
        name: name of `RULES`, or `SCALED`.
        mean: mean error of the reference.
        spread: standard deviation of that error.
    """
    common = around(mean, spread)
    scaled = PAPERS_LENGTH / LENGTHS[name]
    per_rate = 1 / RATES[name]  # the paper's rates that do not follow η, as factors of it
    own: dict[str, Callable[[], Cell]] = {
        "ttv2": lambda: TikiTaka(
            **common,
            fast_lr=0.005 * scaled,
            transfer_lr=0.005 * per_rate,
            threshold=0.8,
            momentum=0.1,
        ),
        "agad": lambda: AGAD(
            **common,
            fast_lr=0.01 * scaled,
            transfer_lr=0.2,
            chopper=0.1,
            weigh_reads=False,
        ),
        "e_rider": lambda: ERider(
            **common,
            auto_scale=False,
            fast_lr=0.5 * per_rate,
            transfer_lr=0.05 * per_rate,
            visible=0.1,
            chopper=0.05,
        ),
        SCALED: lambda: ERider(
            **common,
            fast_lr=0.01 * scaled,
            transfer_lr=0.2,
            visible=0.0,
            chopper=0.05,
        ),
    }
    return own[name]()


def training(lr: float) -> Training:
    """Return the training of 784-256-128-10, whose learning rate begins at `lr`."""
    steps: dict[int | str, float] = {epoch: lr * factor for epoch, factor in FALL.items()}
    return Training(model="mlp", data="mnist", epochs=40, lr=lr, lr_steps=steps, batch_size=10)


def network(cell: Cell, *, lr: float, length: int, scale: float | Scale) -> Experiment:
    """Return the network on arrays of a cell, at a learning rate, with pulse trains of a length and a digital scale."""
    rpu = agad(device=reram_array_hfo2()).replace(
        cell=cell, update=Pulses(length=length, update_management=True), scale=scale
    )
    return Experiment(training=training(lr), rpu=rpu)


def printed(name: str, mean: float, spread: float, scale: float = SCALE) -> Experiment:
    """Return the network on arrays of a rule with the paper's settings, with weights of `scale` times the devices'."""
    return network(rule(name, mean=mean, spread=spread), lr=RATES[name], length=LENGTHS[name], scale=scale)


def equal(name: str) -> Experiment:
    """Return the network on arrays of a rule at the rates of all rules, with automatic scaling of the fast bank."""
    common = around(0.4, 0.05)
    cells: dict[str, Callable[[], Cell]] = {
        "ttv2": lambda: TikiTaka(**common),
        "agad": lambda: AGAD(**common, weigh_reads=False),
        "e_rider": lambda: ERider(**common, visible=0.0),
    }
    return network(cells[name](), lr=0.05, length=1, scale=ROOM)


CURVES: dict[str, Callable[[], Experiment]] = {
    "floating_point": lambda: Experiment(training=training(0.1), rpu=floating_point()),
    **{
        f"{name}_{mean:g}_{spread:g}": partial(printed, name, mean, spread)
        for name in RULES
        for mean in MEANS
        for spread in SPREADS
    },
    **{f"{name}_equal": partial(equal, name) for name in RULES},
    f"{SCALED}_0.4_0.05": partial(printed, SCALED, 0.4, 0.05),
    **{f"{name}_wide": partial(printed, name, 0.4, 0.05, WIDE) for name in ("ttv2", "agad", SCALED)},
}
"""Every curve once; those of equal rates, with E-RIDER's fast bank scaled, and with more room are ours."""
