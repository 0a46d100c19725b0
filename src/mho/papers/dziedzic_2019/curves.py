"""The curves of Dziedzic et al. 2019: band-limited networks against compression, and trained on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mho.papers.dziedzic_2019.study import COMPRESSIONS, BandLimited
from mho.papers.study import Study
from mho.presets import gokmen_2017
from mho.runs import Experiment
from mho.training import Training

ENERGY = 95.0
"""Per cent; drops about as much of ResNet-8's maps as a compression of 50 %."""
_lenet: dict[str, Any] = {"data": "mnist", "lr": 0.05, "flips": False, "train_images": 10_000}


def trained_on_arrays(model: str) -> Experiment:
    """LeNet on RPU-baseline arrays with all management, BL = 1: three epochs of 5,000 images."""
    training = Training(model=model, data="mnist", epochs=3, lr=0.01, batch_size=1, train_images=5000)
    return Experiment(training=training, rpu=gokmen_2017(pulses=1, update_management=True))


CURVES: Mapping[str, Callable[..., Study | Experiment]] = {
    **{f"resnet_{c}": partial(BandLimited, compression=float(c)) for c in COMPRESSIONS},
    "resnet_energy": partial(BandLimited, energy=ENERGY),
    **{f"lenet_{c}": partial(BandLimited, compression=float(c), **_lenet) for c in COMPRESSIONS},
    "lenet_energy": partial(BandLimited, energy=ENERGY, **_lenet),
    "trained_on_arrays_0": partial(trained_on_arrays, "lenet"),
    "trained_on_arrays_50": partial(trained_on_arrays, "mho.papers.dziedzic_2019.networks:lenet_50"),
}
