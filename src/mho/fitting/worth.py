"""Numbers of a fitted device beside what training tolerates, before a network is trained."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, final

from mho.devices import Device
from mho.devices.symmetry import Points, count_of_states, nominal_cell, points_of, quiet_step
from mho.errors import WrongUse
from mho.kernels.reference.cell import ask
from mho.per_replica import lengths
from mho.spoken import one_replica

RATE, LENGTH = 0.01, 10
"""Learning rate and pulses of a train that mho train takes by default."""
SATURATED = 4.0
"""Pulses in a slot that an error signal and an input of 1 call for: above 1 the train is cut."""
COARSE = 16.0
"""States below which a single pulse is as large as a typical weight."""
WILD = 3.0
"""Noise of a step over the step from which few pulses go the way they should."""

STATES, IMBALANCE, CYCLES = 120.0, 0.05, 1.5
"""What a fully connected network on MNIST tolerates of each alone before its error rises by 0.3 points: states at
least, imbalance of steps at w = 0 and noise of a step at most (Gokmen and Vlasov 2016; a step of 0.01 on a range of
±0.6)."""


@final
@dataclasses.dataclass(frozen=True)
class Worth:
    """Numbers of a device that training depends on, nominal values without spreads but for `points`.

    Attributes:
        states: the range over the mean of an up and a down step in its middle, as `mho.testing.check_device` counts.
        imbalance: size of the difference of an up and a down step at w = 0 (in the middle of the range, if 0 is
            outside) over their mean; None where one of them is not known.
        symmetry_point: weight at which an up and a down step cancel; NaN if there is none, or more than one.
        points: symmetry points of devices that are drawn with the spreads of the fields.
        ends: (w_min, w_max).
        step_noise: standard deviation of a step at w = 0 over the mean step there.
        read_noise: standard deviation of write noise over the mean step there.
    """

    states: float
    imbalance: float | None
    symmetry_point: float
    points: Points
    ends: tuple[float, float]
    step_noise: float
    read_noise: float

    @property
    def sentences(self) -> tuple[str, ...]:
        """Numbers beside what a network tolerates, and what limits training, most first, with what to do."""
        place = "w = 0" if self.ends[0] < 0 < self.ends[1] else "the middle of the range"
        balance = "nothing is known of the balance of steps, as one direction was measured"
        if self.imbalance is not None:
            point = "none" if math.isnan(self.symmetry_point) else f"{self.symmetry_point:+.2g}"
            balance = (
                f"up and down steps at {place} differ by {100 * self.imbalance:.0f} % (tolerated: "
                f"{100 * IMBALANCE:.0f} %); symmetry point {point} of {self.ends[0]:.2g} to {self.ends[1]:.2g}"
            )
        numbers = (
            f"{self.states:,.0f} states (a fully connected network on MNIST needs {STATES:.0f} or more); {balance}; "
            f"noise of a step {100 * self.step_noise:.0f} % (tolerated: {100 * CYCLES:.0f} %); noise of a reading "
            f"{self.read_noise:.2g} steps"
        )
        return numbers, self._limits()

    def _limits(self) -> str:
        over = {
            "imbalance": 0.0 if self.imbalance is None else self.imbalance / IMBALANCE,
            "states": STATES / self.states,
            "noise": self.step_noise / CYCLES,
        }
        limits = sorted((what for what in over if over[what] > 1), key=lambda what: -over[what])
        if not limits:
            return "None of these alone keeps a network from training."
        first, *others = (self._cure(what) for what in limits)
        return " ".join([f"Training is limited first by {first}", *(f"Then by {other}" for other in others)])

    def _cure(self, what: str) -> str:
        several = (
            "use several devices per weight (--set cell.kind=Replicated --set cell.n=N; the diagnosis of a training "
            "names the number)."
        )
        if what == "states":
            return f"the number of states: {several}"
        if what == "noise":
            return f"the noise of steps: {several}"
        if math.isnan(self.symmetry_point):
            return (
                "the imbalance of steps, which drives weights to a bound, and there is no symmetry point to shift the "
                "zero to: pair two devices per weight (--set cell.kind=OneSided)."
            )
        pull = "the imbalance of steps, which drives every weight to its symmetry point"
        if self.points.scatter:
            return (
                f"{pull}{self.points.against_shifting}: try another learning rule, mho device advise compares them on "
                "the device (docs/symmetry.md)."
            )
        return (
            f"{pull}: shift the zero there (--set cell.kind=Referenced --set zero_shifting.pulses=2000), which helps "
            "where steps are fine and devices are off together (docs/symmetry.md)."
        )


def worth_of(device: Device, *, both: bool = True) -> Worth:
    """Return the numbers of a device that training depends on.

    Args:
        device: with bounds and a law of one normal per pulse, of numbers, not lists.
        both: whether steps of both directions are known.

    Raises:
        WrongUse: for a device with lists.
    """
    if lengths(device):
        raise WrongUse(f"{', '.join(lengths(device))} are lists; {one_replica()}")
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
        imbalance=abs(there[0] - there[1]) / step if both else None,
        symmetry_point=float(device.symmetry_point()),
        points=points_of(device),
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
    said, states = [], count_of_states(device)
    step = float(values["w_max"] - values["w_min"]) / states
    wanted = RATE / (LENGTH * step)
    if wanted > SATURATED:
        said.append(
            f"Pulse probabilities saturate: with steps of {step:.2g}, a learning rate of {RATE:g} and {LENGTH} pulses "
            f"per train, updates call for up to {wanted:.0f} pulses in a slot, and 1 is sent. Give a smaller "
            "training.lr, longer trains (update.length, at most 64), or a larger range with --w-max."
        )
    if states < COARSE:
        said.append(
            f"{states:.0f} states are few: one pulse moves a weight by as much as a typical weight is worth. Use "
            "several devices per weight (cell.kind = Replicated with cell.n)."
        )
    if float(values.get("c2c", 0.0)) > WILD:
        said.append(
            f"The noise of a step is {values['c2c']:.2g} times the step: a pulse hardly goes the way it should. "
            "Measure each state several times to see whether this is noise of readings, or use several devices per "
            "weight (cell.kind = Replicated with cell.n)."
        )
    return said
