"""Base of cells: how banks of devices make a weight, and how vectors move them."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, final

import numpy as np

from mho.banks import BankSpec
from mho.cells.cost import BankCost, CellCost
from mho.cells.events import Event
from mho.cells.part import CellPart
from mho.cells.rule import TransferRule
from mho.cells.schedule import scheduled
from mho.cells.steps import plan_steps
from mho.cells.sums import Sum, Summand
from mho.compiler.program import Step
from mho.devices import Device
from mho.errors import Faults, InWords, LawError, nearest
from mho.imports import class_name
from mho.kernels import ops
from mho.kernels.ops import Circuit, Floats
from mho.kernels.transfer import CHANGES, RATE, TransferMap
from mho.per_replica import check_lists, of_replica
from mho.periphery import Exact, Pulses, Read
from mho.random import Operation

if TYPE_CHECKING:
    from mho.banks import UpdatePlan


@final
@dataclasses.dataclass(frozen=True)
class Term:
    """A bank in a sum that is read at once.

    Attributes:
        bank: name of the bank.
        gain: factor of its matrix.
        signs: name of a buffer per column that multiplies the matrix; None for none.
        less: name of a buffer per weight that is subtracted from the matrix first; None for none.
    """

    bank: str
    gain: float = 1.0
    signs: str | None = None
    less: str | None = None


@final
@dataclasses.dataclass(frozen=True)
class Buffer:
    """Digital memory of a cell.

    Attributes:
        per: "weight" (R, M, N), "row" (R, M), "column" (R, N), or "array" (R,).
        start: value at the start.
        counter: whether it holds int64 counts, which `Crossbar.counters` shows.
    """

    per: Literal["weight", "row", "column", "array"]
    start: float = 0.0
    counter: bool = False

    def shape(self, replicas: int, rows: int, columns: int) -> tuple[int, ...]:
        """Return the shape for an array of M = `rows` by N = `columns` weights."""
        return {
            "weight": (replicas, rows, columns),
            "row": (replicas, rows),
            "column": (replicas, columns),
            "array": (replicas,),
        }[self.per]


OWN = ("bound", "cost", "faults", "numbers", "spread", "sums", "transfer_map")
"""Methods of every cell that none replaces."""


class Cell(abc.ABC, metaclass=InWords):
    """Base of cells, which say how devices make a weight: a frozen description, and all behaviour that depends on it.

    Subclass it as a frozen dataclass. A cell of one bank says `banks` and is done. A cell of several says also which
    of them a read sees (`reads`), what it keeps digitally (`buffers`), and what happens every n vectors (`events`).
    Updates pulse the first bank, which draws under the array's name.
    """

    digital_gradient: ClassVar[bool] = False
    """Whether δ·x of the vectors adds up digitally, so that no pulse trains are sent: for `mho map`."""
    lists: ClassVar[tuple[str, ...]] = ()
    """Fields that may be lists of one number per replica, where the cell has a `_check`."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        taken = [name for name in OWN if name in inspect.get_annotations(cls) | vars(cls)]
        if taken:
            raise LawError(f"{cls.__name__}.{taken[0]}: a method of every cell has this name; rename it")

    def __post_init__(self) -> None:
        faults = Faults(type(self).__name__)
        if not (self.lists and check_lists(self, faults, self.lists)):  # type: ignore[arg-type]
            self._check(faults)
        faults.raise_any()

    def _check(self, faults: Faults) -> None:
        """Note what is wrong with the settings of one replica. Default: nothing."""

    @abc.abstractmethod
    def banks(self, device: Device, update: Pulses | Exact) -> tuple[BankSpec, ...]:
        """Return the banks: first the bank that updates pulse.

        Args:
            device: device of the RPU.
            update: update of the RPU.
        """

    def reads(self) -> tuple[tuple[Term, ...], ...]:
        """Return the sums that make the weight; the terms of each are summed before the converter (one noise, one
        bound), the sums digitally after it. Default: the first bank.
        """
        return ()

    def buffers(self) -> Mapping[str, Buffer]:
        """Return the digital memory of the cell by name: buffers for each weight, line or array. Default: none."""
        return {}

    def events(self) -> tuple[Event, ...]:
        """Return the events of the cell, such as transfers, each every so many vectors of an update. Default: none."""
        return ()

    def drive(
        self, lr: float, pulses: Pulses, step: float, largest: tuple[float, float]
    ) -> tuple[float, tuple[float, float]]:
        """Return how vectors pulse the first bank: its learning rate, and factors of x and δ. Default: `lr` and 1.

        Args:
            lr: learning rate of the array, greater than 0.
            pulses: trains of the bank.
            step: nominal step of the bank, in units of its devices.
            largest: means over the vectors of the largest |x| and the largest |δ|.
        """
        return lr, (1.0, 1.0)

    def rules(self, lr: float, steps: Mapping[str, float], columns: int) -> tuple[TransferRule, ...]:
        """Return how transfers of the cell that always take place work, for `mho.diagnose`. Default: there are none.

        Args:
            lr: learning rate of the array, greater than 0.
            steps: nominal step of each bank, in units of its devices, by the name of the bank.
            columns: columns of the array, or of its widest tile.
        """
        return ()

    def refuses(self, device: Device, forward: Read, backward: Read, update: Pulses | Exact) -> str | None:
        """Return why the cell cannot be combined with these parts, and what to do; None if it can.

        Args:
            device: device of the RPU.
            forward: circuit of forward reads.
            backward: circuit of backward reads.
            update: pulses of the update, or `Exact`.
        """
        return None

    def refuses_steps(self) -> str | None:
        """Return why a weight cannot be given single pulses of its own, and what to do; None if it can.

        Default: it can where reads see one bank.
        """
        if len({term.bank for terms in self.reads() for term in terms}) < 2:
            return None
        return (
            f"{type(self).__name__} cells gather gradients in one bank of devices and move the others by a rule of "
            "their own, which single pulses would bypass; use cells of one bank (Single, Replicated, Referenced, "
            "OneSided), or mho.AnalogSGD"
        )

    def averaged(self) -> int:
        """Return how many devices a weight is the mean of, where there may be more; 0: their number is fixed."""
        return 0

    def summary(self) -> str:
        """Return what makes a weight, for tables: "with a reference device per weight"; "" for one device."""
        return ""

    def program(self, part: CellPart, weights: Floats) -> None:
        """Program the devices to weights (R, M, N).

        Default: the first bank that reads see with a gain takes weight/gain on each of its lines, above its reference
        if there is a reference; every other bank and every buffer goes back to its start.
        """
        nothing = np.zeros_like(weights)
        wanted = dict.fromkeys(part.banks, nothing)
        for term in (term for each in part.sums for term in each.terms):
            gain = term.gain[:, None, None]
            if (gain != 0).all():
                wanted[term.bank.bank.spec.name] = weights if (gain == 1).all() else weights / gain
                break
        for name, values in wanted.items():
            own = part.banks[name]
            own.bank.program(self.spread(own.bank.spec, values, own.reference))
        for name, buffer in self.buffers().items():
            if not buffer.counter:
                part.buffers[name].fill(buffer.start)

    @final
    @staticmethod
    def spread(spec: BankSpec, weights: Floats, reference: Floats | None) -> Floats:
        """Return weights (R, M, N) for each of a bank's lines, above a reference: (R, P, N)."""
        lines = np.tile(weights, (1, spec.lines, 1))
        return lines if reference is None else lines + reference

    @final
    def faults(self, banks: Sequence[BankSpec]) -> list[str]:
        """Return what is wrong with how the cell puts its banks together, for `RPU`."""
        name, specs = type(self).__name__, {bank.name: bank for bank in banks}
        if not banks or len(specs) < len(banks):
            names = [bank.name for bank in banks]
            return [f"{name} has the banks {names}; give at least one, each with its own name"]
        found = [
            f"{name}.{field.name} is the list {value!r}, and this cell takes one value for all replicas; give a number"
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if isinstance(value := getattr(self, field.name), list)
        ]
        terms = [term.bank for terms in self.reads() for term in terms]
        moved = [bank for event in self.events() for bank in event.banks]
        for bank in dict.fromkeys([*terms, *moved]):
            if bank not in specs:
                found.append(f"{name} reads or moves a bank {bank!r}{nearest(bank, specs)}")
        for event in self.events():
            if isinstance(event.every, bool) or not isinstance(event.every, int) or event.every < 1:
                found.append(f"{name} has an event every {event.every!r} vectors; give an integer of at least 1")
        if found:
            return found
        readers = [banks[0].name, *(terms[0].bank for terms in self.reads()[1:])]
        if len(set(readers)) < len(readers):
            found.append(
                f"{name} reads its sums with the noise of the banks {readers}; the first sum has that of the first "
                "bank, every other that of its first term, and no two the same: order the terms so"
            )
        for terms_of in self.reads():
            lines = {specs[term.bank].is_difference or specs[term.bank].lines for term in terms_of}
            if len({1 if line is True else line for line in lines}) > 1:
                found.append(f"{name} sums banks of different numbers of lines before the converter; give each as many")
        return found

    @final
    def cost(self, banks: Sequence[BankSpec]) -> CellCost:
        """Return what the cell asks of hardware, for `mho map`; of replicas that differ, the most.

        Args:
            banks: as `banks` returned them.
        """
        specs, buffers = {bank.name: bank for bank in banks}, self.buffers().values()
        sums = [
            [term.bank for term in terms if np.any(term.gain)]
            for terms in self.reads() or ((Term(next(iter(specs))),),)
        ]
        seen = {name for names in sums for name in names}
        numbers = {
            per: sum(buffer.per == per and not buffer.counter for buffer in buffers)
            for per in ("weight", "row", "column")
        }
        update = banks[0].update
        each = [
            BankCost(
                name=name,
                devices=spec.devices,
                references=int(spec.reference),
                answers=1 if spec.is_difference else spec.lines,
                read=name in seen,
                fixed_reference=spec.fixed is not None,
            )
            for name, spec in specs.items()
        ]
        of_bank = {bank.name: bank for bank in each}
        return CellCost(
            banks=tuple(each),
            events=tuple(event.cost(specs) for event in self.events()),
            answers=sum(of_bank[names[0]].answers for names in sums if names),
            sums=len(sums),
            slots=0 if self.digital_gradient else update.length if isinstance(update, Pulses) else 1,
            per_weight=numbers["weight"],
            per_row=numbers["row"],
            per_column=numbers["column"],
        )

    @final
    def sums(self, part: CellPart) -> tuple[tuple[Term, ...], ...]:
        """Return `reads`, or the first bank where the cell does not say."""
        return self.reads() or ((Term(next(iter(part.banks))),),)

    @final
    def bound(self, part: CellPart, replicas: Sequence[Cell]) -> CellPart:
        """Complete a part with the sums that reads see; `replicas` are the descriptions of its replicas."""
        sums = []
        for place, terms in enumerate(self.sums(part)):
            gains = np.array([[t.gain for t in each.sums(part)[place]] for each in replicas], np.float32)
            reader = part.banks[terms[0].bank] if place else part.first
            seen = [
                Summand(
                    part.banks[term.bank],
                    gains[:, k],
                    None if term.signs is None else part.buffers[term.signs],
                    None if term.less is None else part.buffers[term.less],
                )
                for k, term in enumerate(terms)
                if gains[:, k].any()
            ]
            sums.append(Sum(reader, seen or [Summand(part.first, np.zeros(part.replicas, np.float32))]))
        part.sums = tuple(sums)
        return part

    def plan_read(
        self, part: CellPart, x: Floats, out: Floats, circuit: Circuit, operation: Operation, *, backward: bool
    ) -> list[Step]:
        """Plan a read: x (R, T, N) to out (R, T, M), or backward δ to (R, T, N).

        Args:
            part: replicas and their memory.
            x: input vectors.
            out: takes the outputs.
            circuit: the circuit.
            operation: whose streams the noise is of.
            backward: whether columns answer to rows.
        """
        first, *others = part.sums
        steps = first.plan(x, out, circuit, operation, backward=backward)
        for own in others:
            answer = np.empty_like(out)
            steps += own.plan(x, answer, circuit, operation, backward=backward)
            steps.append(ops.add(answer, out))
        return steps

    def plan_update(self, part: CellPart, x: Floats, d: Floats) -> UpdatePlan:
        """Plan an update of the first bank of `part` with x (R, T, N) and δ (R, T, M), and the events on the way."""
        bank = part.first
        return scheduled(part, bank, bank.plan_update(x, d), x.shape[1], self.events())

    def plan_pulses(self, part: CellPart, p: Floats, q: Floats, length: int) -> UpdatePlan:
        """Plan pulses of given probabilities, -1 to 1, on the first bank of `part`, events included.

        Columns are driven by p (R, T, N) and rows by q (R, T, M), in trains of `length` slots.
        """
        bank = part.first
        return scheduled(part, bank, bank.plan_pulses(p, q, length), p.shape[1], self.events())

    def plan_step(self, part: CellPart, pulses: Floats) -> UpdatePlan:
        """Plan one vector that gives each weight pulses of its own, (R, M, N), negative for pulses down; then events.

        The pulses are whole numbers of at most 32768 of either sign. Default: every pulsed device of the weight in the
        first bank gets them.
        """
        return scheduled(part, part.first, plan_steps(part, pulses), 1, self.events())

    def advance(self, part: CellPart, loss: Floats) -> None:
        """Take the mean loss of an epoch of each replica, (R,): a cell may act at a plateau. Default: nothing."""

    @final
    def numbers(self) -> dict[str, float]:
        """Return the settings that are numbers by name, flags as 0 or 1."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {name: v for name, v in values.items() if isinstance(v, (int, float))}

    @final
    def transfer_map(self, name: str = "transfer", memory: Mapping[str, str] | None = None) -> TransferMap:
        """Return the cell's map of this name with the names of all that it is given.

        Args:
            name: name of the static function.
            memory: names of the buffers per weight by the names that h has for them; None: all, by their own.
        """
        buffers = {name: buffer for name, buffer in self.buffers().items() if not buffer.counter}
        weight, column = (tuple(n for n, b in buffers.items() if b.per == per) for per in ("weight", "column"))
        weight = weight if memory is None else tuple(memory)
        numbers = of_replica(self, 0).numbers()  # type: ignore[type-var]
        return TransferMap(type(self), name, weight, (*column, CHANGES), (*numbers, RATE))

    @classmethod
    def kind(cls) -> str:
        """Return the name that a file can hold: the class for cells of mho, `module:Class` for a user's.

        Raises:
            LawError: for a class in `__main__` or in a function, which no other process can import.
        """
        return class_name(cls, "mho.cells")

    @classmethod
    def source_hash(cls) -> str:
        """Return a hash of the source of the class: cells of equal hash behave alike."""
        return hashlib.sha256(inspect.getsource(cls).encode()).hexdigest()[:16]
