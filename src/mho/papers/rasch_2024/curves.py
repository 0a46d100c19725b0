"""The curves of Rasch et al. 2024: learning rules on devices of few states, with references off the symmetry points."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

from mho.cells import AGAD, Cell, ERider, Single, TikiTaka
from mho.config import RPU
from mho.devices import Device, per_cell
from mho.papers.rasch_2024.study import ConstantGradient, Programming
from mho.papers.study import Study
from mho.periphery import Pulses, Read, Scale
from mho.presets import agad, floating_point, rasch_2024
from mho.runs import Experiment
from mho.training import Training

STATES = (400, 200, 100, 40, 20, 10)
OFFSETS = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Standard deviation σ_r of the error of the reference, in weights."""
RANGES = (0.5, 1.0, 2.0, 5.0, 10.0, 25.0)
"""Bounds at a fixed step, which the paper calls the symmetry index: the farther they are, the more symmetric."""
DRAWS = 3
TRANSFER = Read(noise=0.06, bound=12.0, dac_bits=7, adc_bits=9)
LONG = 30
"""Epochs of c-TTv2 on devices that forget slowly: it is still falling after ten."""
RULES = ("sgd", "ttv2", "c_ttv2", "agad", "e_rider")


def rule(
    name: str,
    *,
    offset: float | Sequence[float] = 0.0,
    mean: float = 0.0,
    fast: Device,
    every: int,
    scale: float,
    chopper: float = 0.1,
) -> Cell:
    """Return the cell of a rule.

    Args:
        name: name of `RULES`.
        offset: standard deviation of the error of the reference, or one per replica.
        mean: mean of that error.
        fast: device of the fast bank.
        every: vectors from one transfer to the next.
        scale: vectors over which the buffer takes its mean.
        chopper: chopper of c-TTv2: 1 divided by the number of readings from one change of a sign to the next. Where
            these are many, the readings are weighed.
    """
    reference = {"reference": "symmetry_point", "reference_std": offset, "reference_mean": mean}
    if name == "sgd":
        return Single(**reference)  # type: ignore[arg-type]
    common = dict(
        reference, fast=fast, transfer=TRANSFER, every=every, slow_reference="symmetry_point", buffer_scale=scale
    )
    cells: dict[str, Callable[[], Cell]] = {
        "ttv2": lambda: TikiTaka(**common),  # type: ignore[arg-type]
        "c_ttv2": lambda: TikiTaka(**common, chopper=chopper, weigh_reads=chopper < 0.5),  # type: ignore[arg-type]
        "agad": lambda: AGAD(**common),  # type: ignore[arg-type]
        "e_rider": lambda: ERider(**common),  # type: ignore[arg-type]
    }
    return cells[name]()


def array(device: Device, cell: Cell) -> RPU:
    """Return an array with the paper's converters, noise, and pulse trains of at most l_max = 5."""
    return agad(device=device).replace(cell=cell, update=Pulses(length=5, update_management=True))


def offsets(name: str, states: int, *, epochs: int = 10) -> Study:
    """Return the study of a rule at a number of states, over all offsets (Fig. 4)."""
    each = [offset for offset in OFFSETS for _ in range(DRAWS)]
    cell = rule(name, offset=each, fast=rasch_2024(states=states), every=5, scale=200.0)
    settings = tuple(f"offset_{offset:g}" for offset in OFFSETS)
    rpu = array(rasch_2024(states=states, bound_spread=0.0), cell)
    return Programming(rpu=rpu, settings=settings, draws=DRAWS, epochs=epochs)


def ranges(name: str, *, epochs: int = 10) -> Study:
    """Return the study of a rule on 400 states between bounds of ±1, over bounds at this step (Fig. 6)."""
    each = tuple(bound for bound in RANGES for _ in range(DRAWS))

    def stretched(spread: float) -> Device:
        bounds = {
            "w_max": per_cell(each, spread=spread),
            "w_min": per_cell(tuple(-bound for bound in each), spread=spread),
        }
        return dataclasses.replace(rasch_2024(states=400), **bounds)

    cell = rule(name, fast=stretched(0.3), every=5, scale=200.0)
    settings = tuple(f"range_{bound:g}" for bound in RANGES)
    return Programming(rpu=array(stretched(0.0), cell), settings=settings, draws=DRAWS, epochs=epochs)


def constant(name: str, mean: float) -> Study:
    """Return the study of a rule under a gradient that stays, its reference off by `mean` (Fig. 3)."""
    device = rasch_2024(states=40, asymmetry=0.3)
    return ConstantGradient(rpu=array(device, rule(name, mean=mean, fast=device, every=5, scale=200.0)))


# Fig. 5: networks, whose settings the paper does not print ------------------------------------------

TRAINING = Training(data="mnist", epochs=30, lr=0.3, lr_steps={7: 0.1, 15: 0.03, 23: 0.01}, batch_size=10)
FILL = {"mlp": 0.04, "lenet": 0.1}
"""Share of the range of devices that initial weights take: what is left is room for them to grow."""


def network(model: str, name: str, states: int, offset: float) -> Experiment:
    """Return a network on arrays of a rule, with a digital scale for each layer."""
    # fast devices forget between two readings of a column, so that c-TTv2 may change signs at every other
    cell = rule(name, offset=offset, fast=rasch_2024(states=states), every=2, scale=1000.0, chopper=0.5)
    rpu = array(rasch_2024(states=states, bound_spread=0.0), cell)
    rpu = rpu.replace(scale=Scale("max", fill=FILL[model]), update=Pulses(length=1, update_management=True))
    return Experiment(training=dataclasses.replace(TRAINING, model=model), rpu=rpu)


def digital(model: str) -> Experiment:
    """Return a network in floating point, at a rate of its own."""
    training = dataclasses.replace(TRAINING, model=model, lr=0.1, lr_steps={21: 0.04, 26: 0.02})
    return Experiment(training=training, rpu=floating_point())


NETWORK_RULES = ("ttv2", "c_ttv2", "agad")

CURVES: dict[str, Callable[[], Study | Experiment]] = {
    **{
        f"{name}_{states}": partial(offsets, name, states, epochs=LONG if name == "c_ttv2" and states >= 200 else 10)
        for name in RULES
        for states in STATES
    },
    **{f"{name}_constant": partial(constant, name, 0.0) for name in RULES[1:]},
    **{f"{name}_constant_offset": partial(constant, name, -0.8) for name in RULES[1:]},
    **{f"{name}_range": partial(ranges, name, epochs=LONG if name == "c_ttv2" else 10) for name in RULES},
    **{f"{model}_floating_point": partial(digital, model) for model in ("mlp", "lenet")},
    **{
        f"mlp_{name}_{states}_0.5": partial(network, "mlp", name, states, 0.5)
        for name in NETWORK_RULES
        for states in STATES
    },
    **{
        f"{model}_{name}_20_{offset:g}": partial(network, model, name, 20, offset)
        for model in ("mlp", "lenet")
        for name in NETWORK_RULES
        for offset in OFFSETS
    },
}
"""Every curve once; E-RIDER is no rule of the paper."""
