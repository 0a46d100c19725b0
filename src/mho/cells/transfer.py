"""Transfers: a column of one bank is read, and what the reading says moves the same column of another bank."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, final

import numpy as np
import numpy.typing as npt

from mho.banks import BankSpec, Stream
from mho.banks.numbers import circuit_of
from mho.cells.choppers import Chopper
from mho.cells.cost import Converters, EventCost
from mho.cells.events import Event, Numbers, Stop
from mho.cells.sums import Sum, Summand
from mho.compiler.program import Step, joined
from mho.kernels import stops
from mho.kernels.ops import Floats
from mho.kernels.transfer import TransferMap
from mho.periphery import Read
from mho.random import Operation

if TYPE_CHECKING:
    from mho.cells.part import CellPart

LONGEST, MOST = 32, 1 << 16
"""Pulses that a train of a column holds, and trains of an event at most: their numbers in streams."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Gate:
    """A condition of a transfer: elsewhere its readings are 0.

    Attributes:
        buffer: name of a buffer per array.
        least: value of the buffer from which on the transfer takes place.
    """

    buffer: str
    least: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class ColumnEvent(Event, abc.ABC):
    """Reads a column of a bank every `every` vectors, one column after another.

    Attributes:
        every: vectors from one event to the next, at least 1.
        source: bank that is read, by the circuit, with its own noise.
        target: bank that is pulsed; the draws of its pulses are named by the number of the event.
        circuit: circuit of the reading: converters, noise, bound.
        gate: condition; None: always.
    """

    every: int
    source: str
    target: str
    circuit: Read
    gate: Gate | None = None
    cyclic = True

    @property
    def banks(self) -> tuple[str, ...]:  # type: ignore[override]
        """The banks that are read and pulsed."""
        return (self.source, self.target)

    def cost(self, banks: Mapping[str, BankSpec]) -> EventCost:
        """Return a reading of a column by the circuit, and a writing, in a train of the target's update."""
        return dataclasses.replace(super().cost(banks), converters=Converters.of(self.circuit))

    def reading(self, part: CellPart, stop: Stop) -> tuple[list[Step], Floats]:
        """Return what reads the K columns of a stop, and where the readings lie, (R, K, M)."""
        steps, omega = plan_reading(part, self.source, self.circuit, stop.columns, stop.numbers[:1])
        steps.append(stops.count_events(stop.numbers, part.banks[self.source].number(Operation.TRANSFER)))
        gate = self.gate
        if gate is not None:
            held, least = part.buffers[gate.buffer], gate.least
            steps.append(lambda: np.copyto(omega, 0, where=(held < least)[:, None, None]))
        return steps, omega


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Transfer(ColumnEvent):
    """A transfer through digital memory: a map of the cell turns a reading into pulses.

    The map is a static function of the cell, compiled like a law, `transfer(h, omega, line)`: h has the cell's buffers
    of one weight, omega is the reading, and `line` has the cell's buffers of the column, its settings that are numbers
    (a flag as 0 or 1), and four numbers more: `columns`, N of the array; `step`, the nominal step of the bank that is
    pulsed; `changes`, whether the sign of the column changes after this reading; `rate`, the learning rate of the
    update, 0 in `pulse`. It returns the new h (a number for one buffer, a tuple for several, nothing where there is
    none) and the number of pulses, negative for pulses down; at most 32 are sent.

    Attributes:
        map: name of the function.
        memory: names of the buffers per weight by the names that h has for them; None: all, by their own.
        chopper: when signs of columns change; None: they have none.
        operations: digital additions and multiplications that the map takes for a weight, for `mho map`.
        most: largest number of pulses that the map sends, 1 to 32, which `mho map` takes every write to last.
    """

    map: str = "transfer"
    memory: Mapping[str, str] | None = None
    chopper: Chopper | None = None
    operations: int = 2
    most: int = 32

    def cost(self, banks: Mapping[str, BankSpec]) -> EventCost:
        return dataclasses.replace(super().cost(banks), slots=self.most, operations=self.operations)

    def plan(self, part: CellPart, stop: Stop) -> list[Step]:
        choppers = None if self.chopper is None else self.chopper.bind(part)
        steps, omega = self.reading(part, stop)
        pulses = np.empty(omega.shape, np.int32)
        map_ = part.cell.transfer_map(self.map, self.memory)
        buffers = tuple(part.buffers[name] for name in (map_.weight if self.memory is None else self.memory.values()))
        changing = None if choppers is None else choppers.changing
        decide = plan_map(part, map_, buffers, self.target, omega, stop.columns, pulses, changing)
        if choppers is not None:
            decide = [choppers.read(stop), *decide, choppers.change(stop)]
        stream = part.banks[self.target].stream_from(self.source, stop.numbers[:1])
        return [*steps, *decide, *plan_sending(part, self.target, pulses, stop.columns, stream)]


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class PulsedTransfer(ColumnEvent):
    """A transfer without digital memory: the readings ω of a column drive rows in trains of the target's own `Pulses`.

    The column of the target moves by factor·ω in the mean, or by factor·η·ω, η the learning rate of the update. It is
    limited by the pulse probability 1 of a line, and lines above it are counted as saturated.

    Attributes:
        every: vectors from one event to the next, at least 1; each event is one column's.
        source: name of the bank whose column is read, (R, M) in the units of its weights.
        target: name of the bank that is pulsed.
        circuit: circuit of the reading: converters, noise, bound.
        gate: condition; None: always.
        factor: name of the cell's setting, a number per replica.
        times_rate: whether the learning rate multiplies it.

    Source: T. Gokmen, W. Haensch, Front. Neurosci. 14:103 (2020).
    """

    factor: str
    times_rate: bool = True

    def plan(self, part: CellPart, stop: Stop) -> list[Step]:
        target, (steps, omega) = part.banks[self.target], self.reading(part, stop)
        count = len(stop.columns)
        x = np.empty((part.replicas, count, part.columns), np.float32)
        stream = target.stream_from(self.source, stop.numbers[:1])
        plan, factor = target.plan_update(x, omega, stream), part.setting(self.factor).astype(np.float64)
        pulses = target.bank.pulses[target.replicas]
        own_gains = any(each.x_gain is not None or each.d_gain is not None for each, _ in pulses)
        full = np.array([each.length * step for each, step in pulses])

        def drive() -> None:
            rate = factor * (part.settings[:, -1] if self.times_rate else 1.0)
            # a column of probability above 1 would lose what it stands for: the rows take over what is above
            above = np.ones(part.replicas) if own_gains else np.maximum(np.sqrt(rate / full), 1)
            x[...] = 0
            x[:, np.arange(count), stop.columns] = 1 / above[:, None]
            omega[...] *= above[:, None, None]
            plan.set_rate(rate)

        return [*steps, drive, *plan.draw, *plan.move]


def plan_reading(
    part: CellPart, bank: str, circuit: Read, columns: Numbers, number: Numbers
) -> tuple[list[Step], Floats]:
    """Plan readings of columns (K,) of a bank, each with a one-hot vector.

    Args:
        part: replicas and their memory.
        bank: its name.
        circuit: converters, noise, bound.
        columns: the columns, (K,), read at each run.
        number: number of the first of these readings since the start, (1,), read at each run.

    Returns:
        The steps, and where the readings lie, (R, K, M).
    """
    source, count = part.banks[bank], len(columns)
    reading = circuit_of(circuit, source.replicas, source.bank.replicas)
    omega = np.empty((part.replicas, count, part.rows), np.float32)
    if source.visible.varies:  # each of its vectors sees a matrix of its own
        units = np.empty((part.replicas, count, part.columns), np.float32)
        seen = Sum(source, [Summand(source, np.ones(part.replicas, np.float32))])

        def choose() -> None:
            units[...] = 0
            units[:, np.arange(count), columns] = 1

        return [choose, *seen.plan(units, omega, reading, Operation.TRANSFER, backward=False, number=number)], omega
    # the product of a one-hot vector is a column, whatever the others are
    one_hot = np.tile(np.eye(count, dtype=np.float32), (part.replicas, 1, 1))
    weights = np.empty((part.replicas, source.state.shape[1], count), np.float32)
    read = source.plan_read(weights, one_hot, omega, reading, Operation.TRANSFER, number)
    return [source.visible.plan_columns(columns, weights), *read], omega


def plan_map(
    part: CellPart,
    map_: TransferMap,
    buffers: tuple[Floats, ...],
    target: str,
    omega: Floats,
    columns: Numbers,
    pulses: npt.NDArray[np.int32],
    changing: Floats | None = None,
) -> list[Step]:
    """Plan a map of the cell for readings of K columns, as `Transfer` describes it.

    Args:
        part: replicas and their memory.
        map_: the map.
        buffers: buffers of the weights, each (R, M, N), in the order of the map.
        target: bank that is to be pulsed, whose nominal step the map is given.
        omega: readings, (R, K, M).
        columns: the columns, (K,).
        pulses: takes the pulses (R, K, M), negative for pulses down.
        changing: which columns change their sign, (R, N); None: none.
    """
    map_.check()
    bank = part.banks[target]
    own = np.array([[part.columns, step] for _, step in bank.bank.pulses[bank.replicas]], np.float32)
    still = np.zeros((part.replicas, part.columns), np.float32) if changing is None else changing
    lines = (*(part.buffers[name] for name in map_.column[:-1]), still)
    settings = (part.settings, own)
    return [bank.bank.backend.plan_transfer(map_, buffers, lines, settings, omega, columns, pulses)]


def plan_sending(
    part: CellPart, bank: str, pulses: npt.NDArray[np.int32], columns: Numbers, stream: Stream
) -> list[Step]:
    """Plan pulses (R, K, M), negative for pulses down, to the devices of K columns of a bank, K vectors of a stream."""
    target = part.banks[bank]
    backend = target.bank.backend
    draw, drawn = backend.plan_column_trains(pulses, columns, target.state.shape, target.counts)
    return [draw, *backend.plan_moves(target.state, target.population, drawn, stream.key, stream.number, target.counts)]


def plan_sending_all(
    part: CellPart, bank: str, pulses: npt.NDArray[np.int32], columns: Numbers, stream: Stream
) -> Callable[[int], None]:
    """Plan any number of pulses (R, K, M) to the devices of K columns of a bank, in as many trains as they need.

    Returns:
        What sends the pulses, and leaves 0 of them; it takes the number of the event, which names their draws together
        with the train and the column.
    """
    some = np.empty_like(pulses)
    send = joined(plan_sending(part, bank, some, columns, stream))

    def send_all(event: int) -> None:
        for train in range(-(-int(np.abs(pulses).max()) // LONGEST)):
            np.clip(pulses, -LONGEST, LONGEST, out=some)
            pulses[...] -= some
            stream.number[0] = (event * MOST + train) * len(columns)
            for step in send:
                step()

    return send_all
