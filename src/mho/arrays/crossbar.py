"""Crossbar: one matrix of cells over their banks, and its three cycles."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from mho.arrays.arguments import seed_list
from mho.arrays.base import Array
from mho.arrays.crossbar_cycles import CrossbarCycles
from mho.arrays.cycles import Cycles
from mho.arrays.faults import any_flag, fault_of, parts_of_cell
from mho.arrays.frequent import FrequentPlans
from mho.arrays.layout import check_size
from mho.arrays.own_cells import own_cells
from mho.arrays.reads import Reads
from mho.banks import Bank, Rate, UpdatePlan
from mho.banks.kept import once
from mho.banks.numbers import circuit_of
from mho.cells import CellPart
from mho.compiler.program import Step
from mho.config import RPU
from mho.errors import InvalidValue, MhoError, WrongUse
from mho.kernels import counts as count
from mho.kernels.ops import Counts, Floats
from mho.per_replica import of_replica
from mho.random import Operation


@final
class Crossbar(Array):
    """R replicas of one M×N matrix of cells, in the paper's normalised units.

    Weights start uniform within ±1/√in, the same for all devices of a weight, clipped to each
    device's bounds. Every draw is named by (seed, array name, operation, vector number, line), so
    results do not depend on threads, on how calls are split, or on the other replicas.

    Args:
        rpu: what the array is made of.
        out_features: M, rows of the weight matrix, at least 1.
        in_features: N, columns, at least 1.
        seed: seed of replica 0, the others get seed + 1, ...; or a list of one seed per replica.
        replicas: R, at least 1.
        name: enters every draw; arrays of one network need names of their own. Or a list of one name per replica,
            for replicas that are different arrays of one size.
        backend: "cpu" (compiled) or "reference" (NumPy, slow).
        cell_parameters: fields of the cells in place of what they would draw, as `cell_parameters()` of another array
            returns them: name to (R, devices, out, in), or (devices, out, in) for all replicas alike, or (out, in)
            where a weight is one device. Fields that are left out are drawn; pulse gains stay those of the RPU.

    Attributes:
        banks: populations of devices by name; the first is what updates pulse.

    Raises:
        InvalidValue: for sizes or seeds out of range, an RPU with lists of another length than R, a matrix
            larger than the RPU's tile, or fields of cells of another shape, or with values that the law refuses.
    """

    def __init__(
        self,
        rpu: RPU,
        out_features: int,
        in_features: int,
        *,
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str | Sequence[str] = "crossbar",
        backend: str = "cpu",
        cell_parameters: Mapping[str, Any] | None = None,
    ) -> None:
        seeds = seed_list(seed, replicas)
        names = list(name) if isinstance(name, Sequence) and not isinstance(name, str) else [name] * replicas
        if len(names) != replicas:
            raise InvalidValue(f"{len(names)} names for {replicas} replicas; give one name, or one per replica")
        super().__init__(rpu, out_features, in_features, seeds=seeds, name=names[0], backend=backend)
        self.names = names
        check_size(self)
        given = own_cells(
            rpu, cell_parameters, name=names[0], replicas=replicas, rows=out_features, columns=in_features
        )
        self.banks = nn.ModuleDict()
        for place, spec in enumerate(rpu.banks):
            before = "" if place == 0 else f"{spec.name}."
            fields = (*spec.device.parameters(), *spec.device.tables())
            values = {field: given[before + field] for field in fields if before + field in given}
            own = names if place == 0 else [f"{each}.{spec.name}" for each in names]
            shape = (out_features, in_features)
            self.banks[spec.name] = Bank(spec, shape, seeds=seeds, names=own, backend=self.engine, own=values)
        self._order: list[Bank] = list(self.banks.values())  # type: ignore[arg-type]
        for label, buffer in rpu.cell.buffers().items():
            kind = torch.int64 if buffer.counter else torch.float32
            size = buffer.shape(replicas, out_features, in_features)
            self.register_buffer(f"buffer_{label}", torch.full(size, buffer.start, dtype=kind))
        self._circuits = {Operation.FORWARD: rpu.forward, Operation.BACKWARD: rpu.backward}
        self._kept: dict[Hashable, Any] = {}
        self.reset_weights()

    # State ---------------------------------------------------------------------------------------

    @property
    def first(self) -> Bank:
        """Return the bank that updates pulse, whose streams name the draws of the array."""
        return self._banks()[0]

    @property
    def state(self) -> Tensor:
        """Return the state that reads see of the pulsed devices of the first bank, (R, P, in)."""
        return self.first.state

    @property
    def vectors(self) -> Tensor:
        """Return the running count of vectors of each operation."""
        return self.first.vectors

    @property
    def weight(self) -> Tensor:
        part = self.part()
        total: Tensor | None = None
        for place, terms in enumerate(self.rpu.cell.sums(part)):
            for k, term in enumerate(terms):
                gains = torch.tensor([each.sums(part)[place][k].gain for each in self._cells()])
                if k and not gains.any():
                    continue
                own = self._bank(term.bank).matrix
                if term.less is not None:
                    own = own - self.buffer(term.less)
                if term.signs is not None:
                    own = own * self.buffer(term.signs)[:, None]
                own = own if bool((gains == 1).all()) else own * gains[:, None, None]
                total = own if total is None else total + own
        assert total is not None
        return total

    @property
    def device_weights(self) -> Tensor:
        each = [bank.device_weights for bank in self._banks()]
        return each[0] if len(each) == 1 else torch.cat(each, dim=1)

    def matrix_of(self, bank: str) -> Tensor:
        return self._bank(bank).matrix

    @property
    def tile_shapes(self) -> dict[str, tuple[int, int]]:
        return dict.fromkeys(self.names, (self.out_features, self.in_features))

    def _drawn(self) -> dict[str, Tensor]:
        first, *others = self._banks()
        more = {f"{b.spec.name}.{name}": v for b in others for name, v in b.parameters_of_cells().items()}
        return first.parameters_of_cells() | more

    def hidden_states(self) -> dict[str, Tensor]:
        first, *others = self._banks()
        more = {f"{bank.spec.name}.{name}": v for bank in others for name, v in bank.hidden_states().items()}
        return first.hidden_states() | more

    def buffer(self, name: str) -> Tensor:
        """Return a digital buffer of the cell as it is, a tensor with the replicas first.

        Args:
            name: name of the buffer, of those of `rpu.cell.buffers()`.

        Raises:
            AttributeError: for a name that the cell does not have.
        """
        value: Tensor = getattr(self, f"buffer_{name}")
        return value

    # Cycles --------------------------------------------------------------------------------------

    def _read_vectors(self, inputs: Floats, *, backward: bool) -> Floats:
        operation = Operation.BACKWARD if backward else Operation.FORWARD
        return self._read(inputs, operation, evaluation=not self.training)

    def _update_vectors(self, x: Floats, d: Floats, lr: Rate) -> None:
        part, cell = self.part(), self.rpu.cell

        def plan(x: Floats, d: Floats) -> tuple[list[Step], UpdatePlan]:
            bound = cell.plan_update(part, x, d)
            return part.whole_update(bound, x.shape[1]), bound

        steps, bound, _ = self._plans().find((Operation.UPDATE, x.shape[1]), (x, d), plan)
        bound.set_rate(lr)
        self._update(steps, x, d)

    def pulse_vectors(self, p: Floats, q: Floats, length: int | None = None) -> None:
        pulses = self.first.pulses
        if not pulses:
            raise WrongUse(f"array {self.name}: an array with Exact updates takes no pulses; give update=mho.Pulses()")
        plan = self.rpu.cell.plan_pulses(self.part(), p, q, length or pulses[0][0].length)
        plan.set_rate(0.0)
        self._update(self.part().whole_update(plan, p.shape[1]), p, q)

    def _step(self, pulses: Tensor) -> None:
        plan = self.rpu.cell.plan_step(self.part(), pulses.contiguous().numpy())
        plan.set_rate(0.0)
        lines = np.empty((self.replicas, 1, 0), np.float32)  # one vector, in which no line is driven by a number
        self._update(self.part().whole_update(plan, 1), lines, lines)

    def _add(self, change: Tensor) -> None:
        self.part().first.add(change.numpy())
        self.part().first.count_on(Operation.UPDATE, 1)

    def pass_time(self, dt: float) -> None:
        if "relaxing" not in self._kept:  # here, not by `once`, whose call would cost a short update 1 %
            self._kept["relaxing"] = [bank for bank in self.part().banks.values() if bank.population.model.ages]
        relaxing = self._kept["relaxing"]
        if not relaxing:
            return
        times = np.full(1, dt, np.float32)
        for bank in relaxing:
            bank.touch()
            for step in bank.plan_relaxation(times):
                step()
            bank.count_on(Operation.TIME, 1)
        if self.flagged():
            raise self.fault(relaxing=True)

    def _cycles(self, replicas: slice, vectors: int, before: Cycles | None, *, kept: bool) -> Cycles:
        assert before is None or isinstance(before, CrossbarCycles)
        return CrossbarCycles(self, replicas, vectors, before, kept=kept)

    def _plan_reads(self, inputs: Floats, outputs: Floats, *, backward: bool) -> Reads:
        part, operation = self.part(), Operation.BACKWARD if backward else Operation.FORWARD
        stream = operation if self.training else Operation.EVALUATION
        steps = self.rpu.cell.plan_read(part, inputs, outputs, self.circuit(operation), stream, backward=backward)
        return Reads(steps, [each.reader.number(stream) for each in part.sums], part.prepare)

    @property
    def bound(self) -> tuple[object, ...]:
        return (self.part(),)

    def check_reads(self, *, x: Floats | None = None, d: Floats | None = None) -> None:
        if self.flagged():
            raise self.fault(x, d)

    # Inside --------------------------------------------------------------------------------------

    def part(self, replicas: slice = slice(None), numbers: dict[str, Counts] | None = None) -> CellPart:
        """Return some replicas for plans, on the array's memory.

        Args:
            replicas: the replicas, a slice.
            numbers: for each bank the numbers of its next vectors, which plans read; None: the banks' own.
        """
        is_whole = numbers is None and replicas == slice(None)
        if is_whole and (whole := self._kept.get("part")) is not None:
            return whole  # type: ignore[no-any-return]
        own = numbers or {}
        banks = {bank.spec.name: bank.part(replicas, own.get(bank.spec.name)) for bank in self._banks()}
        buffers = {
            label: self.engine.memory(getattr(self, f"buffer_{label}"))[replicas] for label in self.rpu.cell.buffers()
        }
        cells = self._cells()[replicas]
        settings = np.array([[*cell.numbers().values(), 0.0] for cell in cells], np.float32)
        part = CellPart(self.rpu.cell, banks, buffers, self.out_features, self.in_features, settings)
        part = self.rpu.cell.bound(part, cells)
        if is_whole:
            self._kept["part"] = part
        return part

    def circuit(self, operation: Operation, replicas: slice = slice(None)) -> Any:
        """Return the circuit of forward or backward reads of some replicas, as kernels take it."""
        key = (operation, replicas.start, replicas.stop)
        return once(self._kept, key, lambda: circuit_of(self._circuits[operation], replicas, self.replicas))

    def flagged(self) -> bool:
        """Return True if a kernel met NaN or infinite values since the flags were cleared: `any` alone costs 5 µs."""
        if "flags" not in self._kept:
            self._kept["flags"] = [bank.memory("totals")[:, count.NOT_FINITE] for bank in self._banks()]
        return any_flag(self._kept["flags"])

    def fault(self, x: Floats | None = None, d: Floats | None = None, *, relaxing: bool = False) -> MhoError:
        """Return the error for NaN or infinite values that a kernel met, named by where they come from."""
        flags = [(bank, bank.memory("totals")[:, count.NOT_FINITE]) for bank in self._banks()]
        bank, flag = next((bank, flag) for bank, flag in flags if any_flag([flag]))
        name = bank.names[int(flag.argmax())]
        self.forget_flags()
        return fault_of(bank, name, x, d, relaxing=relaxing)

    def forget_flags(self) -> None:
        """Clear the flags of NaN or infinite values that kernels have set, after an error has reported them."""
        for bank in self._banks():
            bank.memory("totals")[:, count.NOT_FINITE] = 0

    def _update(self, steps: Sequence[Step], x: Floats, d: Floats) -> None:
        for step in steps:
            step()
        if self.flagged():
            raise self.fault(x, d)

    def _read(self, inputs: Floats, operation: Operation, *, evaluation: bool) -> Floats:
        part, backward = self.part(), operation is Operation.BACKWARD
        stream = Operation.EVALUATION if evaluation else operation
        width = self.in_features if backward else self.out_features

        def plan(x: Floats) -> tuple[list[Step], Floats]:
            out = np.empty((*x.shape[:2], width), np.float32)
            steps = self.rpu.cell.plan_read(part, x, out, self.circuit(operation), stream, backward=backward)
            return [*steps, *part.counted_reads(stream, x.shape[1])], out

        part.prepare()
        steps, out, kept = self._plans().find((stream, backward, inputs.shape[1]), (inputs,), plan)
        for step in steps:
            step()
        if self.flagged():
            raise self.fault(*((None, inputs) if backward else (inputs, None)))
        return out.copy() if kept else out

    def _plans(self) -> FrequentPlans:
        """Return the plans of vectors that come often."""
        if "plans" not in self._kept:
            self._kept["plans"] = FrequentPlans()
        plans: FrequentPlans = self._kept["plans"]
        return plans

    def _evaluate(self, inputs: Floats) -> Floats:
        return self._read(inputs, Operation.FORWARD, evaluation=True)

    def _program(self, values: Tensor) -> None:
        self.rpu.cell.program(self.part(), values.contiguous().numpy())

    def _program_reference(self, values: Tensor, error: float) -> None:
        self.first.program_reference(values.contiguous().numpy(), error)

    def _counts(self) -> Tensor:
        each = [bank.totals for bank in self._banks()]
        return each[0] if len(each) == 1 else torch.stack(each).sum(dim=0)

    def _cell_counts(self) -> dict[str, Tensor]:
        banks = self._banks() if len(self.banks) > 1 else []
        each = {
            f"{bank.spec.name}.{name}": bank.totals[:, i].clone()
            for bank in banks
            for i, name in enumerate(count.COUNTERS)
        }
        counters = [label for label, buffer in self.rpu.cell.buffers().items() if buffer.counter]
        return each | {label: self.buffer(label).clone() for label in counters}

    def _advance(self, loss: Floats) -> None:
        self.rpu.cell.advance(self.part(), loss)

    def _banks(self) -> list[Bank]:
        return self._order

    def _bank(self, name: str) -> Bank:
        return self.banks[name]  # type: ignore[return-value]

    def _cells(self) -> list[Any]:
        """Return the cell of each replica, with numbers in place of lists."""
        return [of_replica(self.rpu.cell, r) for r in range(self.replicas)]  # type: ignore[type-var]

    def _names(self) -> list[str]:
        return self.names

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Crossbar:
        try:
            probe = fn(torch.zeros(1))
        except (AssertionError, RuntimeError) as error:  # of torch, for a device that it was not built for
            raise WrongUse(f"array {self.name}: arrays live on the CPU, and cannot be moved ({error})") from None
        if probe.device.type != "cpu" or probe.dtype != torch.float32:
            raise WrongUse(
                f"array {self.name}: arrays live on the CPU in float32, and cannot move to {probe.device} as "
                f"{probe.dtype}; move the digital layers on their own, or leave the model where it is"
            )
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._forget()
        return self

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *more: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *more)
        *_, strict, _, _, faults = more
        given = parts_of_cell(key.removeprefix(prefix) for key in state_dict if key.startswith(prefix))
        own = parts_of_cell(self.state_dict())
        if strict and given and given != own:  # beside the keys that torch lists
            faults.append(
                f"array {self.name}: the checkpoint is of another cell, or of other settings of it: it has {given}, "
                f"and this {type(self.rpu.cell).__name__} has {own}; make the model with the RPU of the checkpoint"
            )
        for bank in self._banks():
            bank.seeds = self._seeds()
        self._forget()

    def _forget(self) -> None:
        """Drop what is bound to memory that has been replaced."""
        self._kept.clear()
        for bank in self._banks():
            bank.forget()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": {}}
