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
STRETCH = 5.0
"""W = 5·A in the long trainings: weights reach what sigmoids need while their devices stay far from the bounds."""
LONG = Training(model="mlp", data="mnist", epochs=30, lr=0.01, lr_steps={11: 0.005, 21: 0.0025}, batch_size=1)
"""The 30 epochs of Gokmen & Vlasov 2016."""
LONG_DW_MIN = 0.001
LONG_SETTLED = 4000
"""Pulses as `SETTLED`, for a step of 0.001."""
RANDOM = 0.2
"""u': steps up and down are d(1 + u'z) and d(1 - u'z)."""


def mlp(rpu: RPU, shifting: ZeroShifting | None = None, training: Training = TRAINING) -> Experiment:
    """Return the paper's network on arrays of `rpu`."""
    return Experiment(training=training, rpu=rpu, zero_shifting=shifting)


def arrays(up_down: Any, dw_min: float) -> RPU:
    """Return arrays of soft bounds with references, read with noise and bound management."""
    device = SoftBounds(
        dw_min=per_cell(dw_min, spread=0.3),
        up_down=up_down,
        c2c=0.3,
        w_max=per_cell(0.6, spread=0.3),
        w_min=per_cell(-0.6, spread=0.3),
    )
    return gokmen_2017().replace(device=device, cell=Referenced())


def soft(up_down: Any, *, pulses: int | None = None, write_error: float = 0.0) -> Experiment:
    """Return a training of 5 epochs; `pulses` shift the zero first, None: the reference stays 0."""
    shifting = None if pulses is None else ZeroShifting(pulses=pulses, write_error=write_error)
    return mlp(arrays(up_down, DW_MIN), shifting)


def stretched(up_down: Any, *, pulses: int | None = None) -> Experiment:
    """Return a training of 30 epochs with a digital factor between weights and devices."""
    shifting = None if pulses is None else ZeroShifting(pulses=pulses)
    return mlp(arrays(up_down, LONG_DW_MIN).replace(scale=STRETCH), shifting, LONG)


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
    "long_floating_point": lambda: mlp(floating_point(), training=LONG),
    **{f"long_{name}": partial(stretched, DEVICES[name]) for name in ("symmetric", "random")},
    "long_random_shifted": partial(stretched, DEVICES["random"], pulses=LONG_SETTLED),
}
"""Every curve once; number of pulses and write error are varied at the smaller imbalance."""
