"""Periodic carry: a weight of several digits, of which the lowest learns and carries over what fills it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from mho.banks import BankSpec, UpdatePlan
from mho.cells.base import Buffer, Cell, Term
from mho.cells.checks import check_read
from mho.cells.cost import Converters, EventCost
from mho.cells.events import Event, Stop
from mho.cells.schedule import scheduled
from mho.cells.transfer import plan_map, plan_reading, plan_sending_all
from mho.compiler.program import Step, joined
from mho.devices import Device
from mho.errors import Faults
from mho.kernels.ops import Floats, stuck_devices
from mho.per_replica import Number, power
from mho.periphery import Exact, Pulses, Read
from mho.random import Operation

if TYPE_CHECKING:
    from mho.banks import BankPart, Rate
    from mho.cells.part import CellPart

RESETS = 1 << 62
"""Resets are programmings that are numbered from here on, by the number of the event."""
ROUNDING = 1e-6
"""Error of a quotient that is a whole number of pulses."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class PeriodicCarry(Cell):
    """W = Σ_k digit_k / base^k: updates pulse the lowest digit, and full digits are carried to the next higher digit.

    Every `every` vectors the lowest digit of all weights is read; where a reading has come to the share `carry_at` of
    the nominal range, the higher digit gets reading/(base·Δ) pulses, and the device is set back to 0; every
    `slower`·`every` vectors the next digit is read, and so on. A step of the lowest digit is base^(n-1) times
    smaller in W than that of one device, so that devices of few states hold fine weights; it needs accurate setting
    back, and none of the asymmetry and symmetry points that transfers depend on. `write(w)` sets the highest digit.
    Memory per weight: n devices.

    Attributes:
        n: digits, at least 2.
        base: base of the number system, above 1.
        every: vectors from one reading of the lowest digit to the next, at least 1.
        slower: how many times rarer the next higher digit is read, at least 1.
        carry_at: share of the nominal range at which a digit is carried, above 0, at most 1.
        reset_error: standard deviation of what setting back leaves, at least 0, in weights of the digit.
        transfer: circuit that reads a digit, column after column.

    `base`, `carry_at` and `reset_error` may be lists of one number per replica.

    Source: S. Agarwal et al., Symposium on VLSI Technology (2017).
    """

    n: int = 3
    base: Number = 5.0
    every: int = 10
    slower: int = 10
    carry_at: Number = 0.5
    reset_error: Number = 0.0
    transfer: Read = dataclasses.field(default_factory=Read)
    lists: ClassVar[tuple[str, ...]] = ("base", "carry_at", "reset_error")

    def _check(self, faults: Faults) -> None:
        faults.number("n", self.n, low=2, high=16, integer=True)
        faults.number("base", self.base, above=1.0, high=1e6)
        faults.number("every", self.every, low=1, integer=True)
        faults.number("slower", self.slower, low=1, integer=True)
        faults.number("carry_at", self.carry_at, above=0.0, high=1.0)
        faults.number("reset_error", self.reset_error, low=0.0)
        check_read(self, faults, "transfer")

    def banks(self, device: Device, update: Pulses | Exact) -> tuple[BankSpec, ...]:
        return tuple(BankSpec(name=digit(k), device=device, update=update) for k in reversed(range(self.n)))

    def reads(self) -> tuple[tuple[Term, ...], ...]:
        return (tuple(Term(digit(k), power(self.base, -k)) for k in range(self.n)),)  # type: ignore[arg-type]

    def buffers(self) -> Mapping[str, Buffer]:
        return {"carries": Buffer("array", counter=True)}

    def events(self) -> tuple[Event, ...]:
        return tuple(
            Carry(self, source=digit(k), target=digit(k - 1), every=self.every * self.slower ** (self.n - 1 - k))
            for k in reversed(range(1, self.n))
        )

    def drive(
        self, lr: float, pulses: Pulses, step: float, largest: tuple[float, float]
    ) -> tuple[float, tuple[float, float]]:
        return self.base ** (self.n - 1) * lr, (1.0, 1.0)  # type: ignore[operator]

    def refuses(self, device: Device, forward: Read, backward: Read, update: Pulses | Exact) -> str | None:
        if isinstance(update, Pulses) and device.pulse_driven and "w_max" in device.parameters():
            return None
        return (
            "PeriodicCarry cells carry a digit where it fills its range, by pulses, and "
            f"{type(device).__name__} with {type(update).__name__} updates has no range or no pulses; use a device "
            "with bounds and Pulses, or Single"
        )

    def summary(self) -> str:
        return f"with {self.n} devices per weight, digits to the base {self.base}"

    def plan_update(self, part: CellPart, x: Floats, d: Floats) -> UpdatePlan:
        """Plan an update of the lowest digit, in whose units W moves base^(n-1) times as far, and the carries."""
        inner, factor = part.first.plan_update(x, d), part.setting("base").astype(np.float64) ** (self.n - 1)

        def set_rate(lr: Rate) -> None:
            inner.set_rate(factor * lr)

        plan = dataclasses.replace(inner, set_rate=set_rate)
        return scheduled(part, part.first, plan, x.shape[1], self.events())

    @staticmethod
    def decide(h: Any, omega: Any, line: Any) -> Any:
        """Return the pulses, of either sign, that the higher digit gets for the reading of a digit; see `Carry`.

        Args:
            h: unused, as there is no buffer.
            omega: the reading of the lower digit, in units of its bank.
            line: the settings of the cell and of the transfer that are numbers, base and step among them.
        """
        size = omega / (line.base * line.step)
        return int(size + 0.5) if size > 0 else int(size - 0.5)


@final
class Carry(Event):
    """Reads a digit of all weights, gives the higher digit what full digits hold, and sets full digits back to 0."""

    cyclic = False

    def __init__(self, cell: PeriodicCarry, *, source: str, target: str, every: int) -> None:
        self.cell, self.source, self.target, self.every = cell, source, target, every
        self.banks = (source, target)

    def cost(self, banks: Mapping[str, BankSpec]) -> EventCost:
        """Return reads of all columns, and writes that last as a full digit's carry of nominal devices, and a reset."""
        device = banks[self.source].device
        fields = device.parameters()
        reach = min(abs(float(np.max(fields[name].mean))) for name in ("w_max", "w_min"))
        step = float(np.max(device.mean_step())) * float(np.max(self.cell.base))
        pulses = math.ceil(float(np.max(self.cell.carry_at)) * reach / step - ROUNDING)
        return dataclasses.replace(
            super().cost(banks), slots=max(pulses, 1) + 1, converters=Converters.of(self.cell.transfer)
        )

    def plan(self, part: CellPart, stop: Stop) -> list[Step]:
        low, columns, number = part.banks[self.source], stop.columns, np.zeros(1, np.int64)
        read, omega = plan_reading(part, self.source, self.cell.transfer, columns, number)
        read = joined(read)
        pulses = np.empty(omega.shape, np.int32)
        decide = joined(plan_map(part, part.cell.transfer_map("decide"), (), self.target, omega, columns, pulses))
        stream = part.banks[self.target].stream_from(self.source)
        send = plan_sending_all(part, self.target, pulses, columns, stream)
        stuck = stuck_devices(low.population.model, low.population.broadcast(low.state.shape))
        limit = (part.setting("carry_at") * _nominal_range(low))[:, None, None]
        error = part.setting("reset_error")

        def carry() -> None:
            event = int(stop.numbers[0])
            number[0] = event * part.columns
            for step in read:
                step()
            low.number(Operation.TRANSFER)[0] = number[0] + part.columns
            full = np.abs(omega) >= limit
            if not full.any():
                return
            omega[~full] = 0
            for step in decide:
                step()
            send(event)
            moved = np.ascontiguousarray(full.transpose(0, 2, 1))
            if stuck is not None:
                moved &= ~stuck
            low.put(np.zeros(low.state.shape, np.float32), moved, error, RESETS + event)
            part.buffers["carries"] += moved.sum(axis=(1, 2))

        return [carry]


def digit(k: int) -> str:
    """Return the name of a digit's bank, 0 the highest."""
    return f"digit_{k}"


def _nominal_range(bank: BankPart) -> Floats:
    """Return the weight that nominal devices of a bank reach in both directions, (R,)."""
    fields = bank.bank.spec.device.parameters()
    reach = np.minimum(*(np.abs(np.asarray(fields[name].mean, np.float32)) for name in ("w_max", "w_min")))
    return np.broadcast_to(reach, bank.bank.replicas)[bank.replicas]
