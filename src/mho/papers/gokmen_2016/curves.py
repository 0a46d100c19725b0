"""The curves of Gokmen & Vlasov 2016, Front. Neurosci. 10:333: the fully connected network and its tolerances."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mho.config import RPU
from mho.devices import ConstantStep, per_cell
from mho.periphery import Read
from mho.presets import floating_point, gokmen_2017
from mho.runs import Experiment
from mho.training import Training

TRAINING = Training(model="mlp", data="mnist", epochs=30, lr=0.01, lr_steps={11: 0.005, 21: 0.0025}, batch_size=1)
"""MNIST, mini-batch 1; the learning rate falls after 10 and after 20 epochs."""

FAR = 100.0
"""A bound that no weight reaches."""


def mlp(rpu: RPU) -> Experiment:
    """Return the paper's network on arrays of `rpu`."""
    return Experiment(training=TRAINING, rpu=rpu)


def stochastic(*, noise: float = 0.0, **device: Any) -> Experiment:
    """Pulse trains of BL = 10 on equal devices; `noise` of both reads and fields of the device deviate."""
    equal = {"dw_min": 0.001, "up_down": 1.0, "c2c": 0.0, "w_max": FAR, "w_min": -FAR}
    read = Read(noise=noise, bound=None)
    return mlp(gokmen_2017(managed=False).replace(device=ConstantStep(**equal | device), forward=read, backward=read))


def bounds(mean: float, spread: float = 0.0) -> Experiment:
    """Weights within ±mean, upper and lower bounds drawn independently."""
    return stochastic(w_max=per_cell(mean, spread=spread), w_min=per_cell(-mean, spread=spread))


CURVES: dict[str, Callable[[], Experiment]] = {
    "floating_point": lambda: mlp(floating_point()),
    "stochastic": stochastic,
    "baseline": lambda: mlp(gokmen_2017(managed=False)),
    **{f"dw_min_{value:g}": partial(stochastic, dw_min=value) for value in (0.003, 0.01, 0.03)},
    **{f"c2c_{value:g}": partial(stochastic, c2c=value) for value in (0.75, 1.5, 3.0)},
    **{f"dw_min_spread_{s:g}": partial(stochastic, dw_min=per_cell(0.001, spread=s)) for s in (0.55, 1.1, 2.2)},
    **{f"bound_{value:g}": partial(bounds, value) for value in (0.6, 0.3, 0.15)},
    **{f"bound_spread_{s:g}": partial(bounds, 0.6, s) for s in (0.4, 0.8, 1.6)},
    **{f"up_down_{value:g}": partial(stochastic, up_down=value) for value in (1.02, 1.05, 1.1)},
    **{f"up_down_spread_{s:g}": partial(stochastic, up_down=per_cell(1.0, spread=s)) for s in (0.03, 0.06, 0.12)},
    **{f"noise_{value:g}": partial(stochastic, noise=value) for value in (0.05, 0.1, 0.2)},
}
"""Every curve once; of each tolerance the value at the limit, and a value on either side."""
