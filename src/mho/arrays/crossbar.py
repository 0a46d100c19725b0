"""Crossbar: the state of one array and its three cycles."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mho import random
from mho.arrays.base import Array, Floats, not_finite, seed_list
from mho.arrays.circuits import drives_of, fields_of, levels_of, shared_field, tables_of
from mho.arrays.refresh import Refresh, lowest, spread_over_pair
from mho.arrays.sight import Sight
from mho.cells import OneSided
from mho.cells.one_sided import SIDE, OneWay
from mho.compiler.hooks import kernel_name
from mho.compiler.law import WRITTEN
from mho.config import RPU
from mho.errors import InvalidValue, LawError, MhoError, WrongUse
from mho.kernels import counts as count
from mho.kernels import ops
from mho.random import Operation

NOTHING = np.empty((0, 0, 0, 0), np.float32)


@final
class Crossbar(Array):
    """R replicas of one M×N array of cross-points, in the paper's normalised units.

    Weights start uniform within ±1/√in, the same for all devices of a weight, clipped to each
    device's bounds. Every draw is named by (seed, array name, operation, vector number, line), so
    results do not depend on threads, on how calls are split, or on the other replicas.

    Args:
        rpu: what the array is made of.
        out_features: M, rows of the weight matrix, at least 1.
        in_features: N, columns, at least 1.
        seed: seed of replica 0, the others get seed + 1, ...; or a list of one seed a replica.
        replicas: R, at least 1.
        name: enters every draw; arrays of one network need names of their own. Or a list of one name a replica,
            for replicas that are different arrays of one size.
        backend: "cpu" (compiled) or "reference" (NumPy, slow).

    Raises:
        InvalidValue: for sizes or seeds out of range, an RPU with lists of another length than R, or a matrix
            larger than the RPU's tile.
    """

    state: Tensor
    hidden: Tensor
    reference: Tensor
    refreshed: Tensor
    vectors: Tensor
    totals: Tensor

    def __init__(
        self,
        rpu: RPU,
        out_features: int,
        in_features: int,
        *,
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str | Sequence[str] = "crossbar",
        backend: ops.Backend = "cpu",
    ) -> None:
        seeds = seed_list(seed, replicas)
        names = [name] * replicas if isinstance(name, str) else list(name)
        if len(names) != replicas:
            raise InvalidValue(f"{len(names)} names for {replicas} replicas; give one name, or one a replica")
        super().__init__(rpu, out_features, in_features, seeds=seeds, name=names[0], backend=backend)
        self.names = names
        _check_size(self)
        shape = (replicas, out_features * self.pulsed, in_features)
        self.register_buffer("vectors", torch.zeros(len(Operation), dtype=torch.int64))
        self.register_buffer("totals", torch.zeros((replicas, count.SIZE), dtype=torch.int64))
        self.register_buffer("state", torch.zeros(shape))
        self._model = rpu.device.model()
        if isinstance(rpu.cell, OneSided):
            self._model = self._model.with_hooks(OneWay)
        if self._model.hidden:
            self.register_buffer("hidden", torch.zeros(replicas, len(self._model.hidden), *shape[1:]))
        if self.referenced:
            self.register_buffer("reference", torch.zeros(shape))
        if isinstance(rpu.cell, OneSided):
            self.register_buffer("refreshed", torch.zeros(replicas, dtype=torch.int64))
        drawn = {field: values[:, : shape[1]] for field, values in self._drawn().items()}
        # side by side: an update takes all fields of a few cross-points, here from one line of the cache
        fields = torch.empty((*shape, len(drawn)))
        for place, (field, values) in enumerate(drawn.items()):
            fields[..., place] = torch.from_numpy(values)
            self.register_buffer(f"cell_{kernel_name(field)}", fields[..., place])
        for field, values in self._drawn_tables().items():
            self.register_buffer(f"cell_{field}", torch.from_numpy(values[:, : shape[1]].copy()))
        self._levels = {
            Operation.FORWARD: levels_of(rpu.forward, replicas),
            Operation.BACKWARD: levels_of(rpu.backward, replicas),
        }
        self._drives = drives_of(rpu, replicas)
        self._cache: dict[Hashable, Any] = {}
        self.reset_weights()

    @property
    def device_weights(self) -> Tensor:
        state = self.state.view(self.replicas, self.pulsed, self.out_features, self.in_features)
        return torch.cat([state, self.reference[:, None]], dim=1) if self.referenced else state

    @property
    def tile_shapes(self) -> dict[str, tuple[int, int]]:
        return dict.fromkeys(self.names, (self.out_features, self.in_features))

    def cell_parameters(self) -> dict[str, Tensor]:
        shape = (self.replicas, -1, self.out_features, self.in_features)
        shared = {name for name, table in self.rpu.device.tables().items() if not table.spread}
        fields = self._cells().broadcast(tuple(self.state.shape))
        fields = {name: values for name, values in fields.items() if name not in shared and name != SIDE}
        if self.referenced:
            others = self._reference_fields() | self._reference_part(self._drawn_tables())
            fields = {name: np.concatenate([values, others[name]], axis=1) for name, values in fields.items()}
        return {name: torch.tensor(values).view(*shape, *values.shape[3:]) for name, values in fields.items()}

    def hidden_states(self) -> dict[str, Tensor]:
        shape = (self.replicas, self.pulsed, self.out_features, self.in_features)
        return {name: self.hidden[:, k].reshape(shape).clone() for k, name in enumerate(self._model.hidden)}

    def read_vectors(self, inputs: Floats, *, backward: bool) -> Floats:
        operation = Operation.BACKWARD if backward else Operation.FORWARD
        return self._read(inputs, operation, evaluation=not self.training)

    def update_vectors(self, x: Floats, d: Floats, lr: float) -> None:
        if self._drives:
            first = int(self._view("vectors")[Operation.UPDATE])
            self._pulse(x, d, self._trains(lr))
            if self._cells().ages and x.shape[1]:
                self._let_pass(1.0, ops.Stream(self._keys(Operation.UPDATE), first))
        else:
            self._advance(Operation.UPDATE, x.shape[1])
            totals = self._view("totals")
            self._touch()
            ops.exact_update(self._view("state"), x, d, lr, totals, backend=self.backend)
            if found_bad(totals):
                raise self._not_finite(x, d)

    def pulse_vectors(self, p: Floats, q: Floats, length: int | None = None) -> None:
        if not self._drives:
            raise WrongUse(f"{self.name}: an array with Exact updates takes no pulses; give update=mho.Pulses()")
        ones = np.ones(self.replicas, np.float32)
        self._pulse(p, q, ops.Trains(ones, ones, length or self._drives[0][0].length, managed=False))

    # Inside --------------------------------------------------------------------------------------

    def _trains(self, lr: float) -> ops.Trains:
        """How the lines are driven at a learning rate."""
        gains = np.array([pulses.gains(lr, step) for pulses, step in self._drives], np.float32)
        pulses = self._drives[0][0]
        columns, rows = np.ascontiguousarray(gains.T)
        return ops.Trains(columns, rows, pulses.length, pulses.update_management)

    def _pulse(self, x: Floats, d: Floats, trains: ops.Trains) -> None:
        stream = self._advance(Operation.UPDATE, x.shape[1])
        totals = self._view("totals")
        self._touch()
        ops.update(self._view("state"), self._cells(), x, d, trains, stream, totals, backend=self.backend)
        if found_bad(totals):
            raise self._not_finite(x, d)
        if isinstance(self.rpu.cell, OneSided):
            self._refresh(self.rpu.cell, slice(None)).after(stream.first, x.shape[1])

    def _read(self, inputs: Floats, operation: Operation, *, evaluation: bool) -> Floats:
        backward = operation is Operation.BACKWARD
        stream = self._advance(Operation.EVALUATION if evaluation else operation, inputs.shape[1])
        totals = self._view("totals")
        sight = self._sight()
        width = self.in_features if backward else self.out_features

        def read(seen: Floats, vectors: Floats, stream: ops.Stream) -> Floats:
            return ops.read(
                seen, vectors, width, self._levels[operation], stream, totals,
                backward=backward, evaluation=evaluation, backend=self.backend,
            )  # fmt: skip

        if sight is not None and sight.varies:
            out = read_each(sight, inputs, stream, read)
        else:
            out = read(self._view("state") if sight is None else sight.refresh(), inputs, stream)
        if found_bad(totals):
            raise self._not_finite(*((None, inputs) if backward else (inputs, None)))
        return out

    def _not_finite(self, x: Floats | None, d: Floats | None) -> MhoError:
        """The error for values that a kernel found to be no number, told by where they come from."""
        totals = self._view("totals")
        name = self.names[int(totals[:, count.NOT_FINITE].argmax())]
        totals[:, count.NOT_FINITE] = 0
        fault = not_finite(name, x, d)
        if fault is not None:
            return fault
        if x is not None and d is not None:
            return LawError(
                f"{name}: {type(self.rpu.device).__name__}.pulse returned NaN; the weights concerned were left "
                "as they were. mho.testing.check_device(device) shows at which states"
            )
        if self._cells().shows:
            return LawError(f"{name}: {self._asked('read', 'seen')} returned NaN, at a state it must have a value for")
        return InvalidValue(f"{name}: a read overflowed float32; inputs or weights are far beyond any array's range")

    def _asked(self, function: str, hook: str) -> str:
        """Return the names of the law's function and the effects' hooks that are asked at one place."""
        law = [f"{self._model.law.name}.{function}"] if function in self._model.law.functions else []
        return " or ".join([*law, *(f"{cls.__name__}.{hook}" for cls in self._model.filling(hook))])

    def _program(self, values: Tensor) -> None:
        fields = self._cells().broadcast(tuple(self.state.shape))
        if isinstance(self.rpu.cell, OneSided):
            lines = torch.from_numpy(spread_over_pair(values.numpy(), lowest(fields)))
        else:
            lines = values[:, None].expand(-1, self.pulsed, -1, -1).reshape(self.state.shape)
        if self.referenced:
            lines = lines + self.reference
        lines = self._within(lines, fields, self._stuck_at()[0])
        self.state.copy_(lines)
        for k, name in enumerate(self._model.hidden):
            if name == WRITTEN:
                self.hidden[:, k].copy_(lines)
            else:
                self.hidden[:, k].zero_()
        self._touch()

    def _program_reference(self, values: Tensor, error: float) -> None:
        stream = self._advance(Operation.PROGRAMMING, 1)
        if error:
            shape = self.reference.shape
            normals = [random.programming_normals(key, stream.first, shape[1] * shape[2]) for key in stream.key]
            values = values + error * torch.from_numpy(np.stack(normals)).view(shape)
        self.reference.copy_(self._within(values, self._reference_fields(), self._stuck_at()[1]))
        self._touch()

    def _within(self, values: Tensor, fields: dict[str, Floats], stuck_at: Tensor) -> Tensor:
        """What devices with these fields hold when they are programmed to values."""
        if "w_max" in fields:
            values = values.clamp(torch.tensor(fields["w_min"]), torch.tensor(fields["w_max"]))
        held = ops.held(self._model, fields)
        if held is not None:
            low, high = torch.tensor(fields["w_min"]), torch.tensor(fields["w_max"])
            values = torch.where(torch.from_numpy(held), low + (high - low) * stuck_at, values)
        return values

    def _stuck_at(self) -> tuple[Tensor, Tensor]:
        """Return where between its bounds each device would be stuck, 0 to 1: those that are pulsed, and references."""
        lines = self.state.shape[1]
        if not self._model.filling("holds"):
            return torch.empty(0), torch.empty(0)
        shape = (self.replicas, self.out_features * self.devices, self.in_features)
        named = zip(self._seeds(), self._numbers(), strict=True)
        places = np.stack(
            [random.field_uniforms(seed, number, "stuck_at", shape[1] * shape[2]) for seed, number in named]
        )
        whole = torch.from_numpy(places.reshape(shape))
        return whole[:, :lines], whole[:, lines:]

    def _rest(self, dt: float) -> None:
        if self._cells().ages:
            self._let_pass(dt, self._advance(Operation.PROGRAMMING, 1))

    def _let_pass(self, dt: float, stream: ops.Stream) -> None:
        """A time dt without pulses; its normals are those of the stream's vector."""
        totals, number = self._view("totals"), np.array([stream.first], np.int64)
        self._touch()
        times = np.full(1, dt, np.float32)
        ops.rester(self._view("state"), self._cells(), stream.key, number, totals, times, backend=self.backend)()
        if found_bad(totals):
            totals[:, count.NOT_FINITE] = 0
            raise LawError(
                f"{self.name}: {self._asked('rest', 'aged')} returned NaN; the weights concerned were left as "
                "they were. Look at what it does at the bounds, and for a dt above 1"
            )

    def _drawn_tables(self) -> dict[str, Floats]:
        """The tables in which cells differ, of all devices: (R, devices·out, in, ...)."""
        shape = (self.replicas, self.out_features * self.devices, self.in_features)
        return tables_of(self.rpu, self._seeds(), self._numbers(), shape)

    def _reference_part(self, drawn: dict[str, Floats]) -> dict[str, Floats]:
        """What of all devices' fields or tables belongs to the references."""
        return {name: values[:, self.state.shape[1] :] for name, values in drawn.items()}

    def _drawn(self) -> dict[str, Floats]:
        """The fields that differ from cell to cell, of all devices: (R, devices·out, in)."""
        shape = (self.replicas, self.out_features * self.devices, self.in_features)
        try:
            return fields_of(self.rpu, self._seeds(), self._numbers(), shape)
        except InvalidValue as error:
            raise InvalidValue(f"{self.name}: {error}") from None

    def _reference_fields(self) -> dict[str, Floats]:
        """Every field of the reference devices (R, out, in), drawn when asked for: no kernel needs them."""
        drawn = self._reference_part(self._drawn())
        each = {
            field: drawn[field] if field in drawn else shared_field(self.rpu, field, self.replicas)
            for field in self.rpu.device.parameters()
        }
        return ops.Cells(self._model, each, {}, NOTHING).broadcast(tuple(self.reference.shape))

    def _sight(self) -> Sight | None:
        """What reads see in place of the state, where that is something else."""
        if "sight" not in self._cache:
            cells, reference = self._cells(), self.reference if self.referenced else None
            counts, pairs = self._view("totals"), isinstance(self.rpu.cell, OneSided)
            other = cells.shows or self.rpu.cell.is_difference
            self._cache["sight"] = (
                Sight(self.state, reference, cells, counts, self.backend, pairs=pairs) if other else None
            )
        found: Sight | None = self._cache["sight"]
        return found

    def _touch(self) -> None:
        """Take note that devices move. Lanes share the marks."""
        sight = self._sight()
        if sight is not None:
            sight.touch()

    def _evaluate(self, inputs: Floats) -> Floats:
        return self._read(inputs, Operation.FORWARD, evaluation=True)

    def _counts(self) -> Tensor:
        return self.totals

    def _refreshes(self) -> Tensor:
        return self.refreshed.clone()

    def _refresh(self, cell: OneSided, replicas: slice) -> Refresh:
        """What refreshes the cells of some replicas."""
        key = ("refresh", replicas.start, replicas.stop)
        if key not in self._cache:
            keys, refreshed = self._keys(Operation.PROGRAMMING)[replicas], self._view("refreshed")[replicas]
            state, cells = self._view("state")[replicas], self._cells().part(replicas)
            self._cache[key] = Refresh(cell, state, cells, keys, refreshed)
        found: Refresh = self._cache[key]
        return found

    def _numbers(self) -> list[int]:
        return [random.array_number(name) for name in self.names]

    def _cells(self) -> ops.Cells:
        if "cells" not in self._cache:
            fields: dict[str, Floats] = {}
            for field, parameter in self.rpu.device.parameters().items():
                if parameter.varies:
                    fields[field] = getattr(self, f"cell_{kernel_name(field)}").numpy()
                else:
                    fields[field] = shared_field(self.rpu, field, self.replicas)
            if isinstance(self.rpu.cell, OneSided):
                fields[SIDE] = np.ones(tuple(self.state.shape), np.float32)
                fields[SIDE][:, self.out_features :] = -1
            tables = {field: self._table(field) for field in self.rpu.device.tables()}
            shape = (self.replicas, 0, *self.state.shape[1:])
            hidden = self.hidden.numpy() if self._model.hidden else np.empty(shape, np.float32)
            self._cache["cells"] = ops.Cells(self._model, fields, tables, hidden)
        cells: ops.Cells = self._cache["cells"]
        return cells

    def _table(self, field: str) -> Floats:
        """A table of the law as kernels take it: (R, P·N, ...)."""
        table = self.rpu.device.tables()[field]
        if table.spread:
            own: Floats = getattr(self, f"cell_{field}").numpy()
            return own.reshape(self.replicas, -1, *table.values.shape)
        cells = self.state.shape[1] * self.state.shape[2]
        return np.broadcast_to(table.values, (self.replicas, cells, *table.values.shape))

    def _view(self, buffer: str) -> npt.NDArray[Any]:
        """A buffer as NumPy, on the same memory."""
        if buffer not in self._cache:
            self._cache[buffer] = getattr(self, buffer).numpy()
        view: npt.NDArray[Any] = self._cache[buffer]
        return view

    def _advance(self, operation: Operation, vectors: int) -> ops.Stream:
        """The stream of an operation at its next vector, which is then counted on."""
        counted = self._view("vectors")
        first = int(counted[operation])
        counted[operation] = first + vectors
        return ops.Stream(self._keys(operation), first)

    def _keys(self, operation: Operation) -> npt.NDArray[np.uint32]:
        """Keys (R, 2) of the streams of an operation."""
        if operation not in self._cache:
            named = zip(self._seeds(), self._numbers(), strict=True)
            self._cache[operation] = np.stack([random.stream_key(seed, number, operation) for seed, number in named])
        keys: npt.NDArray[np.uint32] = self._cache[operation]
        return keys

    def _apply(self, fn: Any, recurse: bool = True) -> Crossbar:
        probe = fn(torch.zeros(1))
        if probe.device.type != "cpu" or probe.dtype != torch.float32:
            raise WrongUse(
                f"{self.name}: arrays live on the CPU in float32, and were asked to move to {probe.device} as "
                f"{probe.dtype}; move the digital layers on their own, or leave the model where it is"
            )
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._cache.clear()
        return self

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        self._cache.clear()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_cache": {}}


def read_each(
    sight: Sight, inputs: Floats, stream: ops.Stream, read: Callable[[Floats, Floats, ops.Stream], Floats]
) -> Floats:
    """A read of inputs (R, T, in) in which every vector sees weights of its own."""
    parts = []
    for t in range(inputs.shape[1]):
        now = ops.Stream(stream.key, stream.first + t)
        parts.append(read(sight.look(now.key, now.first), np.ascontiguousarray(inputs[:, t : t + 1]), now))
    return np.concatenate(parts, axis=1)


def found_bad(totals: npt.NDArray[np.int64]) -> bool:
    """Whether a kernel met a value that is no number. Asked after every cycle: `any` alone costs 5 µs."""
    return bool(totals[0, count.NOT_FINITE]) or (len(totals) > 1 and bool(totals[:, count.NOT_FINITE].any()))


def _check_size(array: Crossbar) -> None:
    """Raise if the array is larger than its RPU's tile."""
    rows, columns = array.rpu.tile_size
    lines, width = array.out_features * array.devices, array.in_features
    if lines > (rows or lines) or width > (columns or width):
        raise InvalidValue(
            f"{array.name}: {lines} lines and {width} columns exceed the tile of {rows or 'any'}×{columns or 'any'} of "
            "its RPU; mho.arrays.build_array with the same arguments spreads them over several crossbars, as layers "
            "do, or give rpu.replace(tile=None)"
        )
