"""The curves of Xiao et al. 2026: learning rules on devices of few states, with references off the symmetry points."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mho.cells import AGAD, Cell, ERider, TikiTaka
from mho.periphery import Pulses, Read
from mho.presets import agad, floating_point, reram_array_hfo2
from mho.runs import Experiment
from mho.training import Training

MEANS = (0.0, 0.4)
"""Mean error of the references of the fast bank, in weights."""
SPREADS = (0.05, 0.2, 0.3, 0.4, 0.7, 1.0)
"""Standard deviations of that error."""
RULES = ("ttv2", "agad", "e_rider")
RATES = {"ttv2": 0.005, "agad": 0.05, "e_rider": 0.05}
"""Learning rates of the paper."""
TRANSFER = Read(noise=0.06, bound=12.0, dac_bits=7, adc_bits=9)


def rule(name: str, *, mean: float, spread: float) -> Cell:
    """Return the cell of a rule with the paper's settings.

    Args:
        name: of `RULES`.
        mean: mean error of the reference.
        spread: standard deviation of that error.
    """
    common = {
        "every": 2, "buffer_scale": 1000.0, "transfer": TRANSFER, "reference": "symmetry_point",
        "reference_mean": mean, "reference_std": spread,
    }  # fmt: skip
    unscaled = 1 / RATES[name]  # a rate that does not follow η, in units of η
    cells: dict[str, Callable[[], Cell]] = {
        "ttv2": lambda: TikiTaka(
            **common,
            fast_lr=0.005,
            transfer_lr=0.005 * unscaled,
            threshold=0.8,
            momentum=0.1,  # type: ignore[arg-type]
        ),
        "agad": lambda: AGAD(
            **common,
            fast_lr=0.01,
            transfer_lr=0.2,
            chopper=0.1,
            weigh_reads=False,  # type: ignore[arg-type]
        ),
        "e_rider": lambda: ERider(
            **common,
            auto_scale=False,
            fast_lr=0.5 * unscaled,
            transfer_lr=0.05 * unscaled,
            visible=0.1,
            chopper=0.05,  # type: ignore[arg-type]
        ),
    }
    return cells[name]()


def network(name: str, mean: float, spread: float) -> Experiment:
    """Return 784-256-128-10 on arrays of a rule, whose weights are those of the devices, without a digital factor."""
    rpu = agad(device=reram_array_hfo2()).replace(
        cell=rule(name, mean=mean, spread=spread), update=Pulses(length=31, length_management=True)
    )
    return Experiment(training=training(RATES[name]), rpu=rpu)


def training(lr: float) -> Training:
    """Return the paper's training at a learning rate."""
    return Training(model="mlp", data="mnist", epochs=40, lr=lr, batch_size=10)


CURVES: dict[str, Callable[[], Experiment]] = {
    "floating_point": lambda: Experiment(training=training(0.1), rpu=floating_point()),
    **{
        f"{name}_{mean:g}_{spread:g}": partial(network, name, mean, spread)
        for name in RULES
        for mean in MEANS
        for spread in SPREADS
    },
}
