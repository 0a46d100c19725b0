"""Hardware that a cell needs: banks that reads see, events in an update, digital work and memory."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.errors import Faults
from mho.periphery import Read


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Converters:
    """Resolution of the converters of a read, 2 to 24 bits.

    Attributes:
        dac_bits: bits of inputs; None: the description of the array has ideal, continuous inputs.
        adc_bits: bits of outputs; None: the description of the array has ideal, continuous outputs.
    """

    dac_bits: int | None = None
    adc_bits: int | None = None

    def __post_init__(self) -> None:
        faults = Faults("Converters")
        faults.number("dac_bits", self.dac_bits, low=2, high=24, integer=True, optional=True)
        faults.number("adc_bits", self.adc_bits, low=2, high=24, integer=True, optional=True)
        faults.raise_any()

    @classmethod
    def of(cls, read: Read) -> Converters:
        """Return the converters of a read."""
        return cls(dac_bits=read.dac_bits, adc_bits=read.adc_bits)


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class BankCost:
    """One bank of devices, which is an array of its own.

    Attributes:
        name: name of the bank.
        devices: cross-points of a weight, at least 1.
        references: how many of the `devices` no pulse moves, at least 0.
        answers: rows of a weight that a read of the bank alone converts, at least 1.
        read: whether forward and backward reads see it.
        fixed_reference: whether reads subtract numbers that stay; they are not among the devices.
    """

    name: str = "devices"
    devices: int = 1
    references: int = 0
    answers: int = 1
    read: bool = True
    fixed_reference: bool = False

    def __post_init__(self) -> None:
        faults = Faults("BankCost")
        faults.number("devices", self.devices, low=1, integer=True)
        faults.number("references", self.references, low=0, integer=True)
        faults.number("answers", self.answers, low=1, integer=True)
        faults.flag("read", self.read)
        faults.flag("fixed_reference", self.fixed_reference)
        faults.raise_any()

    @property
    def lines(self) -> int:
        """Return the number of cross-points of a weight in this bank that pulses move."""
        return self.devices - self.references


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class EventCost:
    """An event of an update, at most: each of its columns is taken to be written, also where no pulse is due.

    Attributes:
        every: vectors from one event to the next, at least 1.
        cyclic: whether it concerns one column of the array, else all.
        source: bank whose columns are read.
        target: bank whose columns are written.
        reads: how often each of its columns is read, at least 0.
        writes: how often each of its columns is written, at least 0.
        slots: pulse slots of a write, at least 1.
        operations: digital additions and multiplications for each weight of these columns, at least 0. Comparisons, and
            what a pulse does to a buffer, are not among them.
        converters: converters of the readings.
    """

    every: int
    cyclic: bool
    source: str
    target: str
    reads: int = 1
    writes: int = 1
    slots: int = 1
    operations: int = 0
    converters: Converters = Converters()

    def __post_init__(self) -> None:
        faults = Faults("EventCost")
        for name, low in (("every", 1), ("reads", 0), ("writes", 0), ("slots", 1), ("operations", 0)):
            faults.number(name, getattr(self, name), low=low, integer=True)
        faults.flag("cyclic", self.cyclic)
        faults.raise_any()

    def columns(self, total: int) -> float:
        """Return the mean number of columns, out of `total`, that the event concerns per vector of an update."""
        return (1 if self.cyclic else total) / self.every


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class CellCost:
    """Hardware that a cell needs, for each weight, line and vector.

    Attributes:
        banks: first the bank that updates pulse.
        events: events of an update.
        answers: rows of a weight that forward reads convert, whose answers are added digitally, at least 1.
        sums: number of sums of banks that are read separately, at least 1: columns that backward reads convert for each
            input.
        slots: slots of the pulse trains of a vector, at least 0; 0 where the gradient of vectors adds up digitally.
        per_weight: numbers of digital memory for each weight, at least 0.
        per_row: numbers of digital memory for each row, at least 0.
        per_column: numbers of digital memory for each column, at least 0.
    """

    banks: tuple[BankCost, ...] = (BankCost(),)
    events: tuple[EventCost, ...] = ()
    answers: int = 1
    sums: int = 1
    slots: int = 1
    per_weight: int = 0
    per_row: int = 0
    per_column: int = 0

    def __post_init__(self) -> None:
        faults = Faults("CellCost")
        lowest = {"answers": 1, "sums": 1, "slots": 0, "per_weight": 0, "per_row": 0, "per_column": 0}
        for name, low in lowest.items():
            faults.number(name, getattr(self, name), low=low, integer=True)
        names = [bank.name for bank in self.banks]
        if not names:
            faults.add("banks is empty; give at least one")
        faults.found += [
            f"an event moves {name!r}, and the banks are {names}"
            for event in self.events
            for name in (event.source, event.target)
            if name not in names
        ]
        faults.raise_any()

    @property
    def lines(self) -> int:
        """Return the number of rows that a weight takes of the array of its largest bank."""
        return max(bank.devices for bank in self.banks)

    @property
    def read(self) -> tuple[BankCost, ...]:
        """Return the banks that forward and backward reads see."""
        return tuple(bank for bank in self.banks if bank.read)

    def bank(self, name: str) -> BankCost:
        """Return a bank by its name."""
        return next(bank for bank in self.banks if bank.name == name)

    def operations(self, rows: int, columns: int) -> float:
        """Return the digital additions and multiplications per vector of an update.

        Pulse trains need one product per line, for its probability. A digital gradient needs a product for each error,
        and a product and a sum for each weight.

        Args:
            rows: rows of the array.
            columns: columns of the array.
        """
        vector = rows + columns if self.slots else rows + 2 * rows * columns
        return vector + sum(event.operations * event.columns(columns) * rows for event in self.events)

    def memory(self, rows: int, columns: int) -> int:
        """Return how many numbers of digital memory an array takes, a vector and its errors included.

        Args:
            rows: rows of the array.
            columns: columns of the array.
        """
        return self.per_weight * rows * columns + (1 + self.per_row) * rows + (1 + self.per_column) * columns
