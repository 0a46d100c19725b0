"""What a device is worth for training, told from its numbers before a network is trained."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, final

from mho.devices import Device
from mho.devices.symmetry import nominal_cell, quiet_step
from mho.kernels.reference.cell import ask

RATE, LENGTH = 0.01, 10
"""Learning rate and pulses of a train that mho train takes by default."""
SATURATED = 4.0
"""Pulses in a slot that an error signal and an input of 1 call for: above 1 the train is cut."""
COARSE = 16.0
"""States below which a single pulse is as large as a typical weight."""
WILD = 3.0
"""Noise of a step over the step from which few pulses go the way they should."""

STATES, IMBALANCE, CYCLES = 120.0, 0.05, 1.5
"""What a fully connected network on MNIST bears of each alone before its error rises by 0.3 points: states at least,
imbalance of steps at w = 0 and noise of a step at most (Gokmen and Vlasov 2016; a step of 0.01 on a range of ±0.6)."""


@final
@dataclasses.dataclass(frozen=True)
class Worth:
    """The numbers of a device that training hangs on, nominal values without spreads.

    Attributes:
        states: the range over the mean of an up and a down step in its middle, as `mho.testing.check_device` counts.
        imbalance: size of the difference of an up and a down step at w = 0 (in the middle of the range, if 0 is
            outside) over their mean.
        symmetry_point: weight at which an up and a down step cancel; NaN if there is no one such weight.
        ends: (w_min, w_max).
        step_noise: standard deviation of a step at w = 0 over the mean step there.
        read_noise: standard deviation of write noise over the mean step there.
    """

    states: float
    imbalance: float
    symmetry_point: float
    ends: tuple[float, float]
    step_noise: float
    read_noise: float

    @property
    def sentences(self) -> tuple[str, ...]:
        """The numbers beside what a network bears, and which of them limits training, with what to do."""
        point = "none" if math.isnan(self.symmetry_point) else f"{self.symmetry_point:+.2g}"
        numbers = (
            f"{self.states:,.0f} states (a fully connected network on MNIST bears {STATES:.0f} or more); up and down "
            f"steps at w = 0 differ by {100 * self.imbalance:.0f} % (bears {100 * IMBALANCE:.0f} %); symmetry point "
            f"{point} of {self.ends[0]:.2g} to {self.ends[1]:.2g}; noise of a step {100 * self.step_noise:.0f} % "
            f"(bears {100 * CYCLES:.0f} %); noise of a reading {self.read_noise:.2g} steps"
        )
        return numbers, self._limit()

    def _limit(self) -> str:
        over = {
            self._imbalance_cure(): self.imbalance / IMBALANCE,
            "The number of states limits training first: use several devices per weight (--set cell.kind=Replicated "
            "--set cell.n=13).": STATES / self.states,
            "The noise of steps limits training first: use several devices per weight (--set cell.kind=Replicated "
            "--set cell.n=13).": self.step_noise / CYCLES,
        }
        worst = max(over, key=lambda cure: over[cure])
        return worst if over[worst] > 1 else "None of these alone keeps a network from training."

    def _imbalance_cure(self) -> str:
        if math.isnan(self.symmetry_point):
            return (
                "The imbalance of steps limits training first, and there is no symmetry point to shift the zero to: "
                "pulses drive weights to a bound. Pair two devices per weight (--set cell.kind=OneSided)."
            )
        return (
            "The imbalance of steps limits training first: pulses drive every weight to its symmetry point. Shift the "
            "zero there (--set cell.kind=Referenced --set zero_shifting.pulses=2000)."
        )


def worth_of(device: Device) -> Worth:
    """The numbers of a device that training hangs on.

    Args:
        device: with bounds and a law of one normal per pulse.
    """
    cell = nominal_cell(device)
    low, high = float(cell.w_min), float(cell.w_max)
    middle = 0.0 if low < 0 < high else (low + high) / 2
    there = [abs(quiet_step(device, middle, up, cell)) for up in (True, False)]
    noise = [
        (float(ask(device, middle, (), up, cell, 1.0)[0]) - float(ask(device, middle, (), up, cell, -1.0)[0])) / 2
        for up in (True, False)
    ]
    step = max(sum(there) / 2, 1e-300)
    return Worth(
        states=(high - low) / step,
        imbalance=abs(there[0] - there[1]) / step,
        symmetry_point=float(device.symmetry_point()),
        ends=(low, high),
        step_noise=math.sqrt((noise[0] ** 2 + noise[1] ** 2) / 2) / step,
        read_noise=float(getattr(cell, "write_noise", 0.0)) / step,
    )


def hard_to_train(device: Device) -> list[str]:
    """Sentences on why a network will hardly train on this device, with what to change.

    Args:
        device: nominal values of step and bounds count; a device without `dw_min` has none to tell.
    """
    values: dict[str, Any] = {name: parameter.mean for name, parameter in device.parameters().items()}
    if "dw_min" not in values:
        return []
    told, step = [], float(values["dw_min"])
    states = float(values["w_max"] - values["w_min"]) / step
    wanted = RATE / (LENGTH * step)
    if wanted > SATURATED:
        told.append(
            f"Pulse probabilities saturate: with steps of {step:.2g}, a learning rate of {RATE:g} and {LENGTH} pulses "
            f"per train, updates call for up to {wanted:.0f} pulses in a slot, and 1 is sent. Give a smaller "
            "training.lr, longer trains (update.length, at most 64), or a larger range with --w-max."
        )
    if states < COARSE:
        told.append(
            f"{states:.0f} states are few: one pulse moves a weight by as much as a typical weight is worth. Use "
            "several devices per weight (cell.kind = Replicated with cell.n)."
        )
    if float(values.get("c2c", 0.0)) > WILD:
        told.append(
            f"The noise of a step is {values['c2c']:.2g} times the step: a pulse hardly goes the way it should. "
            "Measure each state several times to see whether this is noise of readings, or use several devices per "
            "weight (cell.kind = Replicated with cell.n)."
        )
    return told
