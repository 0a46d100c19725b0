"""A weight as the difference of two devices of which each is pulsed in one direction only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np

from mho.banks import BankSpec
from mho.banks.numbers import circuit_of
from mho.cells.base import Buffer, Cell
from mho.cells.checks import check_read
from mho.cells.cost import Converters, EventCost
from mho.cells.events import Event, Stop
from mho.cells.part import CellPart
from mho.cells.sums import Sum, Summand
from mho.compiler.hooks import Hooks
from mho.compiler.program import Step
from mho.devices import Device
from mho.errors import Faults
from mho.kernels.ops import Floats, stuck_devices
from mho.periphery import Exact, Pulses, Read
from mho.random import Operation

FIRST_NUMBER = 1 << 62
"""Refreshes are programmings that are numbered from here on, by the vectors seen."""

SIDE = "OneWay.side"
"""The field of devices that says in which direction they respond."""


@final
class OneWay(Hooks):
    """Devices that respond to pulses of one direction only, `side` 1 for up and -1 for down, and always rise."""

    @classmethod
    def hook_fields(cls) -> Mapping[str, str]:
        return {"side": SIDE}

    @staticmethod
    def accepts_pulse(up: bool, cell: Any) -> Any:
        return up == (cell.side > 0)

    @staticmethod
    def moves_up(up: bool, cell: Any) -> bool:
        return True


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class OneSided(Cell):
    """Two unidirectional devices: w = g⁺ - g⁻, where up pulses move g⁺ up and down pulses move g⁻ up.

    For devices whose step is good in one direction only, as that of phase-change memory. The law's down step is never
    used. Both only rise, so cells are refreshed: where g⁺ or g⁻ has come to the share `refresh_at` of its range, w
    is read, both are set back, and w is programmed anew; but not where one of them is stuck. `write(w)` sets one device
    to the lowest level that both reach, and the other |w| above it, clipped.

    Attributes:
        refresh_every: vectors of updates from one look for cells to be refreshed to the next, at least 1. A look
            comes right after its vector, also within an update of many vectors.
        refresh_at: share of the range at which a cell is refreshed, above 0, at most 1.
        refresh_error: standard deviation of what programming at a refresh adds to each device, at least 0.
        refresh_read: the circuit that reads w at a refresh, column after column.

    Source: the idea of two devices of phase-change memory per weight and of their refresh is of M. Suri et al., IEDM
    (2011); G. W. Burr et al., IEEE Trans. Electron Devices 62:3498 (2015). The defaults are ours.
    """

    refresh_every: int = 1000
    refresh_at: float = 0.75
    refresh_error: float = 0.0
    refresh_read: Read = dataclasses.field(default_factory=Read.exact)

    def _check(self, faults: Faults) -> None:
        faults.number("refresh_every", self.refresh_every, low=1, integer=True)
        faults.number("refresh_at", self.refresh_at, above=0.0, high=1.0)
        faults.number("refresh_error", self.refresh_error, low=0.0)
        check_read(self, faults, "refresh_read")

    def banks(self, device: Device, update: Pulses | Exact) -> tuple[BankSpec, ...]:
        bank = BankSpec(
            device=device, update=update, lines=2, difference=True, hooks=(OneWay,), line_fields={SIDE: (1.0, -1.0)}
        )
        return (bank,)

    def buffers(self) -> Mapping[str, Buffer]:
        return {"refreshes": Buffer("array", counter=True)}

    def events(self) -> tuple[Event, ...]:
        return (Refresh(self),)

    def refuses(self, device: Device, forward: Read, backward: Read, update: Pulses | Exact) -> str | None:
        if isinstance(update, Pulses) and device.pulse_driven:
            return None
        return (
            "OneSided cells sort pulses by their direction and set devices back to a bound, and "
            f"{type(device).__name__} with {type(update).__name__} updates has neither; use a device with steps and "
            "Pulses, or Single"
        )

    def summary(self) -> str:
        return "with 2 devices per weight, one for each direction"

    def program(self, part: CellPart, weights: Floats) -> None:
        bank = part.first.bank
        fields = bank.population().broadcast(tuple(bank.state.shape))
        bank.program(spread_over_pair(weights, lowest(fields)))


@final
class Refresh(Event):
    """Sets devices back before they come to the end of their range, every `refresh_every` vectors."""

    cyclic = False

    def __init__(self, cell: OneSided) -> None:
        self.cell, self.every = cell, cell.refresh_every

    def cost(self, banks: Mapping[str, BankSpec]) -> EventCost:
        """Return a reading of all columns by the circuit of refreshes, and their writings."""
        return dataclasses.replace(super().cost(banks), converters=Converters.of(self.cell.refresh_read))

    def plan(self, part: CellPart, stop: Stop) -> list[Step]:
        bank = part.first
        fields = bank.population.broadcast(bank.state.shape)
        low, half = lowest(fields), bank.state.shape[1] // 2
        limit = low + np.float32(self.cell.refresh_at) * (fields["w_max"] - low)
        error = np.full(part.replicas, self.cell.refresh_error, np.float32)
        stuck = stuck_devices(bank.population.model, fields)
        # a device that is stuck cannot be set back, and its partner holds the weight
        free = np.ones(limit[:, :half].shape, np.bool_) if stuck is None else ~(stuck[:, :half] | stuck[:, half:])
        read = self._reading(part)

        def refresh() -> None:
            full = bank.state >= limit
            due = (full[:, :half] | full[:, half:]) & free
            if not due.any():
                return
            values = spread_over_pair(read(int(stop.numbers[0])), low)
            bank.put(values, np.concatenate([due, due], axis=1), error, FIRST_NUMBER + int(stop.vector[0]))
            part.buffers["refreshes"] += due.sum(axis=(1, 2))

        return [refresh]

    def _reading(self, part: CellPart) -> Callable[[int], Floats]:
        """Return what reads the weights (R, M, N) for the refresh of a number: column after column, one-hot."""
        bank, circuit = part.first, self.cell.refresh_read
        seen = Sum(bank, [Summand(bank, np.ones(part.replicas, np.float32))])
        reading = circuit_of(circuit, bank.replicas, bank.bank.replicas)
        units = np.tile(np.eye(part.columns, dtype=np.float32), (part.replicas, 1, 1))
        answers = np.empty((part.replicas, part.columns, part.rows), np.float32)
        number = np.zeros(1, np.int64)

        def read(refresh: int) -> Floats:
            number[0] = refresh * part.columns
            bank.touch()
            if circuit == Read.exact():  # then the product with unit vectors is the matrix itself
                seen.look(Operation.TRANSFER, int(number[0]))
                return seen.values
            bank.numbers[Operation.TRANSFER] = number[0]
            seen.refresh()
            for step in seen.plan(units, answers, reading, Operation.TRANSFER, backward=False):
                step()
            bank.count_on(Operation.TRANSFER, part.columns)
            return answers.transpose(0, 2, 1)

        return read


def lowest(fields: dict[str, Floats]) -> Floats:
    """Return the lowest level that both devices of each cell reach, for both: (R, 2M, N)."""
    low = fields["w_min"]
    half = low.shape[1] // 2
    both = np.maximum(low[:, :half], low[:, half:])
    return np.concatenate([both, both], axis=1)


def spread_over_pair(weights: Floats, low: Floats) -> Floats:
    """Return g⁺ and g⁻ (R, 2M, N) of weights (R, M, N): one of them at its lowest level."""
    above: Floats = np.concatenate([np.maximum(weights, 0), np.maximum(-weights, 0)], axis=1)
    return low + above
