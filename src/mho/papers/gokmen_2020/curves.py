"""The curves of Gokmen and Haensch 2020: SGD on symmetric and asymmetric devices, Tiki-Taka on asymmetric devices."""

from __future__ import annotations

from collections.abc import Callable

from mho.cells import Cell, Single, TikiTaka
from mho.devices import ConstantStep, Device, SoftBounds, per_cell
from mho.presets import floating_point, gokmen_2017
from mho.runs import Experiment
from mho.training import Training

TRAINING = Training(model="mlp", data="mnist", epochs=30, lr=0.05, lr_steps={11: 0.02, 21: 0.01}, batch_size=1)
"""MNIST, mini-batch 1; the learning rate falls after 10 and after 20 epochs."""
DEVICE = {
    "dw_min": per_cell(0.001, spread=0.3),
    "up_down": per_cell(1.0, spread=0.02),
    "c2c": 0.3,
    "w_max": per_cell(0.6, spread=0.3),
    "w_min": per_cell(-0.6, spread=0.3),
}
"""Steps and bounds of both devices."""

TIKI_TAKA = TikiTaka(buffer=False, auto_scale=False, every=2)
"""Tiki-Taka without a buffer, at the network's rate."""


def symmetric() -> Device:
    """Return devices whose steps are the same in all states."""
    return ConstantStep(**DEVICE)


def asymmetric() -> Device:
    """Return devices whose steps fall to nothing towards each bound."""
    return SoftBounds(**DEVICE)


def network(device: Device, cell: Cell) -> Experiment:
    """Return 784-256-128-10 on arrays of a device and a cell."""
    return Experiment(training=TRAINING, rpu=gokmen_2017().replace(device=device, cell=cell))


CURVES: dict[str, Callable[[], Experiment]] = {
    "floating_point": lambda: Experiment(training=TRAINING, rpu=floating_point()),
    "sgd_symmetric": lambda: network(symmetric(), Single()),
    "sgd_asymmetric": lambda: network(asymmetric(), Single()),
    "tiki_taka": lambda: network(asymmetric(), TIKI_TAKA),
}
