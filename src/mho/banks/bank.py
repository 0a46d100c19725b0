"""A bank: R×P×N devices of one law, with their state, drawn fields, random streams and counters."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from mho import random
from mho.banks.kept import once
from mho.banks.numbers import fields_of, pulses_of, shared_field, tables_of
from mho.banks.part import BankPart
from mho.banks.spec import BankSpec, FixedReference
from mho.banks.visible import VisibleWeights
from mho.compiler.hooks import kernel_name
from mho.compiler.law import WRITTEN
from mho.errors import InvalidValue
from mho.kernels import counts as count
from mho.kernels.backend import Backend, Keys
from mho.kernels.ops import Counts, Floats, Population, check_addresses, stuck_devices
from mho.per_replica import of_replica
from mho.random import Operation

NO_TABLES: dict[str, Floats] = {}


@final
class Bank(nn.Module):
    """R replicas of a population of devices on a grid of P×N cross-points.

    It knows devices, lines and streams, and what its `BankSpec` says of how they make a matrix; what the matrix is good
    for is the business of the cell above it. `part` gives some of its replicas to plans.

    Args:
        spec: law, lines of a weight, pulses.
        shape: M, N of the matrix.
        seeds: seeds of the replicas, R.
        names: under which each replica draws, R.
        backend: computes.
        own: fields and tables that cells do not draw: name to (R, devices, M, N, ...).

    Attributes:
        state: what reads see of the pulsed devices, (R, P, N), P = lines·M; block of M rows after block.
        hidden: states that reads do not see, (R, H, P, N), where the law or an option has them.
        reference: programmed devices, (R, M, N), where the spec has them.
        fixed: numbers that reads subtract, (R, M, N), where the spec has them.
        vectors: how many vectors each operation has seen, the number of the next in its stream, (operations,).
        totals: counters, (R, SIZE), in the order of `mho.kernels.counts`.

    Raises:
        InvalidValue: where spreads are so wide that bounds cross, or bounds that are given do; where a reference is to
            stand at the symmetry points of devices that have none.
    """

    state: Tensor
    hidden: Tensor
    reference: Tensor
    fixed: Tensor
    vectors: Tensor
    totals: Tensor

    def __init__(
        self,
        spec: BankSpec,
        shape: tuple[int, int],
        *,
        seeds: Sequence[int],
        names: Sequence[str],
        backend: Backend,
        own: Mapping[str, Floats],
    ) -> None:
        super().__init__()
        self.spec, self.rows, self.columns = spec, *shape
        self.seeds, self.names, self.backend = list(seeds), list(names), backend
        self.replicas = len(self.seeds)
        lines = (self.replicas, self.rows * spec.lines, self.columns)
        self._own = {field: values.reshape(*self._every_device(), *values.shape[4:]) for field, values in own.items()}
        drawn_numbers = sum(self._differs(field) for field in spec.device.parameters())
        check_addresses(self.names[0], *lines[1:], drawn_numbers)
        self.register_buffer("vectors", torch.zeros(len(Operation), dtype=torch.int64))
        self.register_buffer("totals", torch.zeros((self.replicas, count.SIZE), dtype=torch.int64))
        self.register_buffer("state", torch.zeros(lines))
        self.model = spec.device.model().with_hooks(*spec.hooks)
        if self.model.hidden:
            self.register_buffer("hidden", torch.zeros(self.replicas, len(self.model.hidden), *lines[1:]))
        if spec.reference:
            self.register_buffer("reference", torch.zeros(lines))
        drawn = {field: values[:, : lines[1]] for field, values in self._drawn_fields().items()}
        # side by side: an update takes all fields of a few cross-points, here from one line of the cache
        fields = torch.empty((*lines, len(drawn)))
        for place, (field, values) in enumerate(drawn.items()):
            fields[..., place] = torch.from_numpy(values)
            self.register_buffer(f"cell_{kernel_name(field)}", fields[..., place])
        for field, values in self._drawn_tables().items():
            self.register_buffer(f"cell_{field}", torch.from_numpy(values[:, : lines[1]].copy()))
        self.pulses = pulses_of(spec.update, spec.device, self.replicas)
        self._kept: dict[Hashable, Any] = {}
        if spec.fixed is not None:
            self.register_buffer("fixed", torch.from_numpy(self._fixed_numbers(spec.fixed)))

    # What plans are bound to ---------------------------------------------------------------------------

    def part(self, replicas: slice = slice(None), numbers: Counts | None = None) -> BankPart:
        """Return some replicas for plans, on the bank's memory.

        Args:
            replicas: the replicas, a slice.
            numbers: numbers of the next vector of each operation, which plans read; None: the bank's own, `vectors`.
        """
        reference = None if self.subtracted is None else self.memory(self.subtracted)[replicas]
        return BankPart(
            bank=self,
            state=self.memory("state")[replicas],
            reference=reference,
            population=self.population().part(replicas),
            counts=self.memory("totals")[replicas],
            numbers=self.memory("vectors") if numbers is None else numbers,
            visible=self.visible().part(replicas),
            replicas=replicas,
        )

    @property
    def subtracted(self) -> str | None:
        """Return the buffer that every read subtracts: of reference devices, or numbers that stay; None: nothing."""
        return "reference" if self.spec.reference else "fixed" if self.spec.fixed is not None else None

    def memory(self, buffer: str) -> Any:
        """Return a buffer as the back end addresses it, on the same memory."""
        return once(self._kept, buffer, lambda: self.backend.memory(getattr(self, buffer)))

    def population(self) -> Population:
        """Return the law with all its fields and hidden states, as kernels take them."""
        return once(self._kept, "population", self._made_population)

    def visible(self) -> VisibleWeights:
        """Return what reads see of the devices."""
        return once(self._kept, "visible", self._made_visible)

    def keys(self, operation: Operation) -> Keys:
        """Return the keys (R, 2) of the streams of an operation."""
        return once(
            self._kept, operation, lambda: np.stack([random.stream_key(*named, operation) for named in self._named()])
        )

    def keys_from(self, source: str) -> Keys:
        """Return the keys (R, 2) of the streams of pulses that another bank of the array sends."""
        place = ("from", source)  # a bank may have the name of a buffer
        named = zip(self.seeds, (random.array_number(f"{name}.from.{source}") for name in self.names), strict=True)
        return once(self._kept, place, lambda: np.stack([random.stream_key(*own, Operation.UPDATE) for own in named]))

    # What scripts see of the devices ---------------------------------------------------------------------

    @property
    def device_weights(self) -> Tensor:
        """Return the exact weight of every device, (R, devices, M, N); a reference comes last."""
        state = self.state.view(self.replicas, self.spec.lines, self.rows, self.columns)
        return torch.cat([state, self.reference[:, None]], dim=1) if self.spec.reference else state

    @property
    def matrix(self) -> Tensor:
        """Return the exact matrix (R, M, N) that the devices make: a mean, or a difference of two."""
        stacked = self.device_weights
        if self.spec.fixed is not None:
            return self.state - self.fixed
        if self.spec.is_difference:
            return stacked[:, 0] - stacked[:, 1]
        return stacked[:, 0] if self.spec.lines == 1 else stacked.mean(dim=1)

    def parameters_of_cells(self) -> dict[str, Tensor]:
        """Return every field of the law as drawn: name to (R, devices, M, N); a reference device comes last."""
        shape = (self.replicas, -1, self.rows, self.columns)
        shared = {name for name in self.spec.device.tables() if not self._differs(name)}
        fields = self.population().broadcast(tuple(self.state.shape))
        fields = {name: values for name, values in fields.items() if name not in {*shared, *self.spec.line_fields}}
        if self.spec.reference:
            others = self.reference_fields() | self._reference_part(self._drawn_tables())
            fields = {name: np.concatenate([values, others[name]], axis=1) for name, values in fields.items()}
        return {name: torch.tensor(values).view(*shape, *values.shape[3:]) for name, values in fields.items()}

    def hidden_states(self) -> dict[str, Tensor]:
        """Return the states of the pulsed devices that reads do not see: name to (R, lines, M, N), a copy."""
        shape = (self.replicas, self.spec.lines, self.rows, self.columns)
        return {name: self.hidden[:, k].reshape(shape).clone() for k, name in enumerate(self.model.hidden)}

    def program(self, values: Floats) -> None:
        """Program the pulsed devices to values (R, P, N), each clipped to its bounds; stuck devices stay."""
        kept = self._within(values, self.population().broadcast(tuple(self.state.shape)), self._stuck_at()[0])
        self.state.copy_(torch.from_numpy(kept))
        for k, name in enumerate(self.model.hidden):
            if name == WRITTEN:
                self.hidden[:, k].copy_(self.state)
            else:
                self.hidden[:, k].zero_()
        self.touch()

    def program_reference(self, values: Floats, error: float = 0.0) -> None:
        """Program the reference devices to values (R, M, N), with a normal error of this size, within their bounds."""
        first = int(self.vectors[Operation.PROGRAMMING])
        self.vectors[Operation.PROGRAMMING] += 1
        if error:
            cells = self.rows * self.columns
            normals = [random.programming_normals(key, first, cells) for key in self.keys(Operation.PROGRAMMING)]
            values = values + np.float32(error) * np.stack(normals).reshape(values.shape)
        kept = self._within(values, self.reference_fields(), self._stuck_at()[1])
        self.reference.copy_(torch.from_numpy(kept))
        self.touch()

    def reference_fields(self) -> dict[str, Floats]:
        """Return every field of the reference devices (R, M, N), drawn when asked for: no kernel needs them."""
        drawn = self._reference_part(self._drawn_fields())
        each = {
            field: drawn[field] if field in drawn else shared_field(self.spec.device, field, self.replicas)
            for field in self.spec.device.parameters()
        }
        nothing = np.empty((0, 0, 0, 0), np.float32)
        return Population(self.model, each, NO_TABLES, nothing).broadcast(tuple(self.reference.shape))

    def asked(self, function: str, hook: str) -> str:
        """Return the names of the law's function and the hooks that are asked at one place, for messages."""
        law = [f"{self.model.law.name}.{function}"] if function in self.model.law.functions else []
        return " or ".join([*law, *(f"{cls.__name__}.{hook}" for cls in self.model.filling(hook))])

    def touch(self) -> None:
        """Note that devices have moved; all parts share the mark."""
        self.visible().touch()

    def forget(self) -> None:
        """Drop what is bound to memory that has been replaced."""
        self._kept.clear()

    # Inside ----------------------------------------------------------------------------------------------

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if not keep_vars:  # fields lie side by side in one storage, which safetensors refuses
            for name in [name for name in self._buffers if name.startswith("cell_")]:
                destination[prefix + name] = destination[prefix + name].clone()

    def _made_visible(self) -> VisibleWeights:
        reference = None if self.subtracted is None else getattr(self, self.subtracted)
        pairs = self.spec.difference
        return VisibleWeights(
            self.state, reference, self.population(), self.memory("totals"), self.backend, pairs=pairs
        )

    def _made_population(self) -> Population:
        fields: dict[str, Floats] = {}
        for field in self.spec.device.parameters():
            if self._differs(field):
                fields[field] = self.memory(f"cell_{kernel_name(field)}")
            else:
                fields[field] = shared_field(self.spec.device, field, self.replicas)
        for field, of_lines in self.spec.line_fields.items():
            values = np.repeat(np.array(of_lines, np.float32), self.rows)[None, :, None]
            fields[field] = np.ascontiguousarray(np.broadcast_to(values, self.state.shape))
        tables = {field: self._table(field) for field in self.spec.device.tables()}
        nothing = np.empty((self.replicas, 0, *self.state.shape[1:]), np.float32)
        hidden = self.memory("hidden") if self.model.hidden else nothing
        return Population(self.model, fields, tables, hidden)

    def _table(self, field: str) -> Floats:
        """Return a table of the law as kernels take it, (R, P·N, ...)."""
        table = self.spec.device.tables()[field]
        if self._differs(field):
            own: Floats = self.memory(f"cell_{field}")
            return own.reshape(self.replicas, -1, *table.values.shape)
        cells = self.state.shape[1] * self.state.shape[2]
        return np.broadcast_to(table.values, (self.replicas, cells, *table.values.shape))

    def _fixed_numbers(self, spec: FixedReference) -> Floats:
        """Draw the reference of each weight, (R, M, N)."""
        at = np.zeros(tuple(self.state.shape))
        if spec.at == "symmetry_point":
            at = self.spec.device.symmetry_point(self.population().broadcast(at.shape) | self._drawn_tables())
            without = np.isnan(at)
            if without.any():
                raise InvalidValue(
                    f"array {self.names[0]}: {int(without.sum())} of {without.size} devices have no symmetry point, "
                    "at which their reference is to stand; take a law whose steps up and down cancel in one state, "
                    "such as SoftBounds, or reference='zero'"
                )
        for r, (seed, number) in enumerate(self._named()):
            own = of_replica(spec, r)
            normals = random.field_normals(seed, number, "reference_error", at[r].size)
            at[r] += own.mean + normals.reshape(at[r].shape).astype(np.float64) * own.std
        return at.astype(np.float32)

    def _within(self, values: Floats, fields: dict[str, Floats], stuck_at: Floats) -> Floats:
        """Return what devices with these fields hold when they are programmed to values."""
        kept: Floats = np.asarray(values, np.float32)
        if "w_max" in fields:
            kept = np.clip(kept, fields["w_min"], fields["w_max"])
        stuck = stuck_devices(self.model, fields)
        if stuck is not None:
            low, high = fields["w_min"], fields["w_max"]
            kept = np.where(stuck, low + (high - low) * stuck_at, kept)
        return np.ascontiguousarray(kept)

    def _stuck_at(self) -> tuple[Floats, Floats]:
        """Return where between its bounds every device would be stuck, 0 to 1: pulsed devices, and references."""
        if not self.model.filling("holds"):
            nothing = np.empty(0, np.float32)
            return nothing, nothing
        shape = self._every_device()
        places = [
            random.field_uniforms(seed, number, "stuck_at", shape[1] * shape[2]) for seed, number in self._named()
        ]
        whole = np.stack(places).reshape(shape)
        return whole[:, : self.state.shape[1]], whole[:, self.state.shape[1] :]

    def _drawn_fields(self) -> dict[str, Floats]:
        """Draw the fields that differ from cell to cell, of all devices: (R, devices·M, N)."""
        try:
            return fields_of(self.spec.device, self.seeds, self._numbers(), self._every_device(), self._own)
        except InvalidValue as error:
            raise InvalidValue(f"array {self.names[0]}: {error}") from None

    def _drawn_tables(self) -> dict[str, Floats]:
        """Draw the tables in which cells differ, of all devices: (R, devices·M, N, ...)."""
        return tables_of(self.spec.device, self.seeds, self._numbers(), self._every_device(), self._own)

    def _differs(self, field: str) -> bool:
        """Return whether a field or a table differs from cell to cell, and so takes memory in each."""
        tables = self.spec.device.tables()
        if field in self._own:
            return True
        return bool(tables[field].spread) if field in tables else self.spec.device.parameters()[field].varies

    def _every_device(self) -> tuple[int, int, int]:
        return (self.replicas, self.rows * self.spec.devices, self.columns)

    def _reference_part(self, drawn: dict[str, Floats]) -> dict[str, Floats]:
        """Return what of all devices' fields or tables belongs to the references."""
        return {name: values[:, self.rows * self.spec.lines :] for name, values in drawn.items()}

    def _numbers(self) -> list[int]:
        return [random.array_number(name) for name in self.names]

    def _named(self) -> list[tuple[int, int]]:
        return list(zip(self.seeds, self._numbers(), strict=True))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": {}}
