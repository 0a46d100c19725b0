"""Mixed precision: the gradient adds up digitally, and whole steps of it are written to the devices."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from mho.banks import BankSpec, UpdatePlan
from mho.cells.base import Buffer, Cell
from mho.cells.cost import EventCost
from mho.cells.events import Event, Stop
from mho.cells.rule import TransferRule
from mho.cells.schedule import scheduled
from mho.cells.transfer import plan_map, plan_sending
from mho.compiler.program import Step
from mho.devices import Device
from mho.errors import Faults
from mho.kernels.ops import Floats
from mho.kernels.records import Window
from mho.per_replica import Number
from mho.periphery import Exact, Pulses, Read

if TYPE_CHECKING:
    from mho.cells.part import CellPart

DEVICES, GRADIENT = "devices", "gradient"


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class MixedPrecision(Cell):
    """A digital gradient beside each device: χ += η·δ·x, and every few vectors whole steps of χ become pulses.

    The array only reads; the outer product is formed digitally, in float32, so that the trains of the RPU's `update`
    are not used. After every `every` vectors each weight whose |χ| has come to threshold·Δ, Δ the nominal step, gets
    n = trunc(χ/Δ) single pulses, and χ loses n·Δ. So what the devices have been asked for and χ add up to the exact
    gradient, and |χ| < threshold·Δ after each writing, unless n was cut: what is above `max_pulses` waits in χ. Memory
    per weight: one device and one number.

    Attributes:
        every: vectors from one writing to the next, at least 1.
        threshold: nominal steps from which on χ is written, at least 1; may be a list of one number per replica.
        max_pulses: largest number of pulses of a weight at once, 1 to 32.

    Source: S. R. Nandakumar et al., Front. Neurosci. 14:406 (2020). The defaults are ours.
    """

    every: int = 100
    threshold: Number = 1.0
    max_pulses: int = 32
    digital_gradient: ClassVar[bool] = True
    lists: ClassVar[tuple[str, ...]] = ("threshold",)

    def _check(self, faults: Faults) -> None:
        faults.number("every", self.every, low=1, integer=True)
        faults.number("threshold", self.threshold, low=1.0, high=1e12)
        faults.number("max_pulses", self.max_pulses, low=1, high=32, integer=True)

    def banks(self, device: Device, update: Pulses | Exact) -> tuple[BankSpec, ...]:
        return (BankSpec(name=DEVICES, device=device, update=update),)

    def buffers(self) -> Mapping[str, Buffer]:
        return {GRADIENT: Buffer("weight")}

    def events(self) -> tuple[Event, ...]:
        return (Writing(self.every, self.max_pulses),)

    def rules(self, lr: float, steps: Mapping[str, float], columns: int) -> tuple[TransferRule, ...]:
        cure = "a higher training.lr, or a lower cell.threshold"
        limit = ("threshold", float(self.threshold), float(MixedPrecision.threshold))  # type: ignore[arg-type]
        return (TransferRule(source=DEVICES, target=DEVICES, every=self.every, cyclic=False, limit=limit, cure=cure),)

    def refuses(self, device: Device, forward: Read, backward: Read, update: Pulses | Exact) -> str | None:
        if not isinstance(update, Pulses) or not device.pulse_driven:
            return (
                "MixedPrecision cells write whole steps of a digital gradient, and "
                f"{type(device).__name__} with {type(update).__name__} updates takes no pulses; use a device with "
                "steps and Pulses, or Single"
            )
        return None

    def refuses_steps(self) -> str | None:
        return (
            "MixedPrecision cells gather a digital gradient themselves and write it, which steps from elsewhere would "
            "bypass; use Single cells with mho.AnalogOptimizer(..., rounding='buffer'), or mho.AnalogSGD"
        )

    def summary(self) -> str:
        return "with a digital gradient per weight"

    def plan_update(self, part: CellPart, x: Floats, d: Floats) -> UpdatePlan:
        """Plan the digital outer product of x (R, T, N) and δ (R, T, M), and the writings on the way."""
        bank, gradient, rate = part.first, part.buffers[GRADIENT], np.zeros(part.replicas, np.float32)

        def outer(first: int, last: int) -> None:
            own_x, own_d = (np.ascontiguousarray(values[:, first:last]) for values in (x, d))
            bank.bank.backend.plan_outer(gradient, own_x, own_d, rate, bank.counts)()

        def within(window: Window) -> list[Step]:
            return [lambda: outer(int(window.begin[0]), int(window.end[0]))]

        plan = UpdatePlan([], [lambda: outer(0, x.shape[1])], lambda lr: np.copyto(rate, lr), within)
        return scheduled(part, bank, plan, x.shape[1], self.events())

    @staticmethod
    def decide(h: Any, omega: Any, line: Any) -> Any:
        """Return the new gradient of a weight, and the whole steps that leave it as pulses, of either sign.

        Args:
            h: the digital gradient of the weight, in units of weight.
            omega: unused, as nothing is read.
            line: the settings of the cell that are numbers: the nominal step, the threshold in steps, and the most
                pulses.
        """
        steps = h.gradient / line.step
        pulses = int(min(max(steps, -line.max_pulses), line.max_pulses)) if abs(steps) >= line.threshold else 0
        return h.gradient - pulses * line.step, pulses


@final
class Writing(Event):
    """Writes whole steps of the digital gradient to all devices."""

    cyclic = False

    def __init__(self, every: int, most: int) -> None:
        self.every, self.most = every, most

    def cost(self, banks: Mapping[str, BankSpec]) -> EventCost:
        return dataclasses.replace(super().cost(banks), reads=0, slots=self.most)

    def plan(self, part: CellPart, stop: Stop) -> list[Step]:
        columns = stop.columns
        omega = np.zeros((part.replicas, part.columns, part.rows), np.float32)
        pulses = np.empty(omega.shape, np.int32)
        map_ = part.cell.transfer_map("decide")
        decide = plan_map(part, map_, (part.buffers[GRADIENT],), DEVICES, omega, columns, pulses)
        stream = part.first.stream_from(GRADIENT)
        send = plan_sending(part, DEVICES, pulses, columns, stream)

        def number() -> None:
            stream.number[0] = stop.numbers[0] * part.columns

        return [number, *decide, *send]
