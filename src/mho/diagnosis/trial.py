"""A short training of LeNet on a device: its worth with plain and with zero-shifted SGD, and without its noise."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

import torch

from mho import presets
from mho.arrays import ClippedWeights
from mho.cells import Cell, Referenced, Single
from mho.data import load
from mho.devices import Device
from mho.diagnosis.rules import PLAIN, SHIFTED
from mho.errors import Faults, shown
from mho.learning import zero_shift
from mho.models import build_model
from mho.nn import convert
from mho.training import AnalogSGD, fit

if TYPE_CHECKING:  # its room need not be imported to train
    from mho.fitting.progress import Watch

EPOCHS, RATE, SHIFT = 6, 0.01, 2000
"""Passes over the digits, learning rate, and pulses that bring devices to their symmetry points."""
NOISES = ("c2c", "noise", "noise_slope", "write_noise", "read_variation", "diffusion")
"""Fields of devices that make steps and readings noisy."""
GUESSING, LOST = 90.0, 80.0
"""Test error of guessing a digit, and the error from which a network has hardly learnt."""
CLEAR = 3.0
"""Points of error below which two of these trainings do not differ: they are judged by 360 digits."""


@final
@dataclasses.dataclass(frozen=True)
class Trained:
    """How one way of training ended.

    Attributes:
        way: "plain SGD" or "zero-shifted SGD".
        error: test error after the last epoch, in per cent.
    """

    way: str
    error: float


@final
@dataclasses.dataclass(frozen=True)
class Trial:
    """What LeNet learns on a device from the embedded digits.

    Attributes:
        epochs: passes over the digits, at least 1.
        ways: the trainings and their test errors in per cent, plain SGD first, then zero-shifted SGD if it was tried.
        quiet: test error of the best way on the same device with its noises at 0, in per cent; None for a device
            without such a field, as tables of jumps.
        left_out: why zero-shifted SGD was not tried; "" if it was.
    """

    epochs: int
    ways: tuple[Trained, ...]
    quiet: float | None
    left_out: str = ""

    @property
    def best(self) -> Trained:
        """Return the way of training with the lowest test error."""
        return min(self.ways, key=lambda way: way.error)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return sentences with the test errors in per cent, and with what limits the device by them."""
        errors = "; ".join(f"{way.error:.1f} % with {way.way}" for way in self.ways)
        quiet = "" if self.quiet is None else f"; {self.quiet:.1f} % with {self.best.way} and the device's noises at 0"
        after = f"{self.epochs} epoch{'s' if self.epochs > 1 else ''}"
        told = [f"LeNet on the digits, test error after {after} (guessing: {GUESSING:.0f} %): {errors}{quiet}."]
        if self.left_out:
            told.append(self.left_out)
        return (*told, *self._limits())

    def _limits(self) -> list[str]:
        plain, best, told = self.ways[0], self.best, []
        if plain.error - best.error > CLEAR:
            told.append(
                "The imbalance of its steps limits this device with plain SGD: train with "
                f"--set cell.kind=Referenced --set zero_shifting.pulses={SHIFT}."
            )
        if self.quiet is not None and best.error - self.quiet > CLEAR:
            told.append(f"Its noise costs {best.error - self.quiet:.0f} points of error with {best.way}.")
        if min(best.error, best.error if self.quiet is None else self.quiet) > LOST:
            told.append(
                "LeNet hardly learns in any of these ways: what limits this device is neither the zero nor noise alone."
            )
        return told or ["Neither zero-shifting nor less noise makes a clear difference."]


def trial(device: Device, *, epochs: int = EPOCHS, seed: int = 0, watch: Watch | None = None) -> Trial:
    """Train LeNet on the embedded digits with a device: with plain SGD, and with zero-shifted SGD.

    Reads, bounds, noise management and update management are those of `mho.presets.gokmen_2017` with one pulse per
    train. The better of the two ways is trained once more without noise of the device's steps and readings. Three
    trainings of the default length take a minute or so.

    Args:
        device: of numbers, not lists.
        epochs: passes over the digits, at least 1.
        seed: of devices, noise and initial weights.
        watch: is told of each epoch.

    Raises:
        InvalidValue: for numbers out of range, or what is no device.
    """
    faults = Faults("trial")
    faults.number("epochs", epochs, low=1, integer=True)
    faults.number("seed", seed, low=0, integer=True)
    if not isinstance(device, Device):
        faults.add(f"device is {shown(device)}; give a device, for example mho.devices.SoftBounds()")
    faults.raise_any()
    cells: dict[str, Cell] = {PLAIN: Single()}
    noisy = [name for name in NOISES if (p := device.parameters().get(name)) is not None and p.mean]
    left_out = ""
    if math.isnan(float(device.symmetry_point())):
        left_out = "Zero-shifting was not tried: the device has no symmetry point."
    else:
        cells[SHIFTED] = Referenced()
    whole, done = epochs * (len(cells) + bool(noisy)), 0

    def error(of: Device, way: str) -> float:
        rpu = presets.gokmen_2017(pulses=1, update_management=True).replace(device=of, cell=cells[way])
        torch.manual_seed(seed)
        model = convert(build_model("lenet"), rpu, seed=seed, quiet=True)
        if way == SHIFTED:
            with warnings.catch_warnings():  # that bounds clip initial weights is part of what the trial shows
                warnings.simplefilter("ignore", ClippedWeights)
                zero_shift(model, pulses=SHIFT)

        def after(line: object) -> None:
            nonlocal done
            done += 1
            if watch is not None:
                watch(f"training LeNet with {way}", done, whole)

        return float(
            fit(model, AnalogSGD(model, lr=RATE), load("digits"), epochs=epochs, callbacks=[after])[-1]["test_error"]
        )

    ways = tuple(Trained(way, error(device, way)) for way in cells)
    best = min(ways, key=lambda way: way.error)
    quiet = error(_without(device, noisy), best.way) if noisy else None
    return Trial(epochs, ways, quiet, left_out)


def _without(device: Device, noises: Sequence[str]) -> Device:
    silent: dict[str, Any] = dict.fromkeys(noises, 0.0)
    return dataclasses.replace(device, **silent)
