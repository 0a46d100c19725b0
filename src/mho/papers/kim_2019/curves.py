"""The curves of Kim et al. 2019, arXiv 1907.10228: imbalanced soft-bound devices, with and without zero-shifting."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from mho.cells import Referenced
from mho.config import RPU
from mho.devices import PerCell, SoftBounds, per_cell
from mho.learning import ZeroShifting
from mho.presets import floating_point, gokmen_2017
from mho.runs import Experiment
from mho.training import Training

TRAINING = Training(model="mlp", data="mnist", epochs=5, lr=0.05, lr_steps={3: 0.02, 4: 0.01, 5: 0.005}, batch_size=1)
"""MNIST, mini-batch 1; η begins above that of Gokmen & Vlasov 2016 and falls as there, in a sixth of its epochs."""
DW_MIN = 0.005
SETTLED = 800
"""Pulses after which exp(-κ) a pair has shrunk a distance to a thousandth: κ = 2·0.005/0.6."""
IMBALANCES = (1.5, 2.0)
RANDOM = 0.2
"""u': steps up and down are d(1 + u'z) and d(1 - u'z)."""


def mlp(rpu: RPU, shifting: ZeroShifting | None = None) -> Experiment:
    """Return the paper's network on arrays of `rpu`."""
    return Experiment(training=TRAINING, rpu=rpu, zero_shifting=shifting)


def soft(up_down: Any, *, pulses: int | None = None, write_error: float = 0.0) -> Experiment:
    """Soft bounds read with noise and bound management; `pulses` shift the zero first, None: the reference stays 0."""
    device = SoftBounds(
        dw_min=per_cell(DW_MIN, spread=0.3),
        up_down=up_down,
        c2c=0.3,
        w_max=per_cell(0.6, spread=0.3),
        w_min=per_cell(-0.6, spread=0.3),
    )
    rpu = gokmen_2017().replace(device=device, cell=Referenced())
    return mlp(rpu, None if pulses is None else ZeroShifting(pulses=pulses, write_error=write_error))


def random_ratio(spread: float) -> PerCell:
    """Ratio of steps d(1 + u'z) and d(1 - u'z): its logarithm is 2u'z, but for u'³."""
    sigma = 2 * spread
    return PerCell(math.exp(sigma**2 / 2), spread=math.sqrt(math.expm1(sigma**2)), distribution="lognormal")


DEVICES: dict[str, Any] = {
    "symmetric": 1.0,
    **{f"imbalanced_{ratio:g}": ratio for ratio in IMBALANCES},
    "random": random_ratio(RANDOM),
}

CURVES: dict[str, Callable[[], Experiment]] = {
    "floating_point": lambda: mlp(floating_point()),
    **{name: partial(soft, ratio) for name, ratio in DEVICES.items()},
    **{f"{name}_shifted": partial(soft, ratio, pulses=SETTLED) for name, ratio in DEVICES.items()},
    **{f"pulses_{pulses}": partial(soft, IMBALANCES[0], pulses=pulses) for pulses in (50, 100, 200, 400)},
    **{
        f"write_error_{error:g}": partial(soft, IMBALANCES[0], pulses=SETTLED, write_error=error)
        for error in (0.01, 0.02, 0.05, 0.1)
    },
}
"""Every curve once; number of pulses and write error are varied at the smaller imbalance."""
