"""Effects and laws of the tests, in a module of their own so that files and other processes can name them."""

from __future__ import annotations

import torch

import mho
from mho.devices import StepDevice

HALF = 0.5


def sagging(w, rate, dt):
    """A helper: relax w to half of itself."""
    return w - soften(w) * rate * dt


def soften(w):
    """A helper's helper."""
    return w * HALF


class Sag(mho.Effect):
    """Weights sag towards half of themselves, with noise."""

    rate: float = 0.01
    noise: float = mho.per_cell(0.001, spread=0.3)

    @staticmethod
    def aged(w, cell, dt, z):
        return sagging(w, cell.rate, dt) + cell.noise * z * dt**0.5


class Everything(mho.Effect):
    """Fills every hook; the names of its fields are those of other effects and laws."""

    dw_min: float = mho.per_cell(0.01, spread=0.2)
    stuck: float = mho.per_cell(0.1, distribution="bernoulli")

    @staticmethod
    def holds(cell):
        return cell.stuck > 0

    @staticmethod
    def written(w, cell, z):
        return w + cell.dw_min * z

    @staticmethod
    def seen(w, cell, z):
        return min(w, cell.w_max - cell.dw_min) + cell.dw_min * z

    @staticmethod
    def aged(w, cell, dt, z):
        return w + cell.dw_min * z * dt

    @staticmethod
    def accepts_pulse(up, cell):
        return up or cell.dw_min > 0.008

    @staticmethod
    def moves_up(up, cell):
        return up if cell.dw_min < 0.012 else not up


class Swaying(StepDevice):
    """Two hidden states, steps from a helper of mho, fields of mho's laws."""

    kick: float = 0.5
    states = ("last", "count")

    @staticmethod
    def pulse(w, h, up, cell, z):
        way = 1.0 if up else -1.0
        step = cell.dw_min * way * (1 + cell.c2c * z) * (1 + cell.kick * h.last * way) / (1 + 0.1 * h.count)
        return w + step, (way, h.count + 1)


class Assisted(mho.Device):
    """A step from a helper of a helper."""

    dw_min: float = 0.1
    w_max: float = 1.0
    w_min: float = -1.0

    @staticmethod
    def pulse(w, up, cell, z):
        return sagging(w, 0.0 - cell.dw_min, 1.0) if up else w


class Net(torch.nn.Sequential):
    """A small network for 8×8 images of the data set digits, scaled to 28×28."""

    def __init__(self) -> None:
        super().__init__(torch.nn.AvgPool2d(7), torch.nn.Flatten(), torch.nn.Linear(16, 10))
