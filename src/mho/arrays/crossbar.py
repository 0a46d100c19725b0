"""Crossbar: the state of one array and its three cycles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mho import random
from mho.arrays.base import Array, Floats, not_finite, seed_list
from mho.arrays.circuits import drives_of, fields_of, levels_of, shared_field
from mho.arrays.difference import Difference
from mho.config import RPU
from mho.errors import InvalidValue, LawError, MhoError, WrongUse
from mho.kernels import counts as count
from mho.kernels import ops
from mho.random import Operation


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
    reference: Tensor
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
        if self.referenced:
            self.register_buffer("reference", torch.zeros(shape))
        drawn = {field: values[:, : shape[1]] for field, values in self._drawn().items()}
        # side by side: an update takes all fields of a few cross-points, here from one line of the cache
        fields = torch.empty((*shape, len(drawn)))
        for place, (field, values) in enumerate(drawn.items()):
            fields[..., place] = torch.from_numpy(values)
            self.register_buffer(f"cell_{field}", fields[..., place])
        self._levels = {
            Operation.FORWARD: levels_of(rpu.forward, replicas),
            Operation.BACKWARD: levels_of(rpu.backward, replicas),
        }
        self._drives = drives_of(rpu, replicas)
        self._cache: dict[str | Operation, Any] = {}
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
        fields = self._cells().broadcast(tuple(self.state.shape))
        if self.referenced:
            others = self._reference_fields()
            fields = {name: np.concatenate([values, others[name]], axis=1) for name, values in fields.items()}
        return {name: torch.tensor(values).view(shape) for name, values in fields.items()}

    def read_vectors(self, inputs: Floats, *, backward: bool) -> Floats:
        operation = Operation.BACKWARD if backward else Operation.FORWARD
        return self._read(inputs, operation, evaluation=not self.training)

    def update_vectors(self, x: Floats, d: Floats, lr: float) -> None:
        if self._drives:
            self._pulse(x, d, self._trains(lr))
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

    def _read(self, inputs: Floats, operation: Operation, *, evaluation: bool) -> Floats:
        backward = operation is Operation.BACKWARD
        stream = self._advance(Operation.EVALUATION if evaluation else operation, inputs.shape[1])
        totals = self._view("totals")
        difference = self._difference()
        out = ops.read(
            self._view("state") if difference is None else difference.refresh(),
            inputs,
            self.in_features if backward else self.out_features,
            self._levels[operation],
            stream,
            totals,
            backward=backward,
            evaluation=evaluation,
            backend=self.backend,
        )
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
        return InvalidValue(f"{name}: a read overflowed float32; inputs or weights are far beyond any array's range")

    def _program(self, values: Tensor) -> None:
        lines = values[:, None].expand(-1, self.pulsed, -1, -1).reshape(self.state.shape)
        if self.referenced:
            lines = lines + self.reference
        fields = self._cells().broadcast(tuple(self.state.shape))
        if "w_max" in fields:
            lines = lines.clamp(torch.tensor(fields["w_min"]), torch.tensor(fields["w_max"]))
        self.state.copy_(lines)
        self._touch()

    def _program_reference(self, values: Tensor, error: float) -> None:
        stream = self._advance(Operation.PROGRAMMING, 1)
        if error:
            shape = self.reference.shape
            normals = [random.programming_normals(key, stream.first, shape[1] * shape[2]) for key in stream.key]
            values = values + error * torch.from_numpy(np.stack(normals)).view(shape)
        fields = self._reference_fields()
        if "w_max" in fields:
            values = values.clamp(torch.tensor(fields["w_min"]), torch.tensor(fields["w_max"]))
        self.reference.copy_(values)
        self._touch()

    def _drawn(self) -> dict[str, Floats]:
        """The fields that differ from cell to cell, of all devices: (R, devices·out, in)."""
        shape = (self.replicas, self.out_features * self.devices, self.in_features)
        try:
            return fields_of(self.rpu, self._seeds(), self._numbers(), shape)
        except InvalidValue as error:
            raise InvalidValue(f"{self.name}: {error}") from None

    def _reference_fields(self) -> dict[str, Floats]:
        """Every field of the reference devices (R, out, in), drawn when asked for: no kernel needs them."""
        drawn, lines = self._drawn(), self.state.shape[1]
        each = {
            field: drawn[field][:, lines:] if field in drawn else shared_field(self.rpu, field, self.replicas)
            for field in self.rpu.device.parameters()
        }
        return ops.Cells(type(self.rpu.device), each).broadcast(tuple(self.reference.shape))

    def _difference(self) -> Difference | None:
        """What reads see in place of the state, where cells have a reference."""
        if self.referenced and "difference" not in self._cache:
            self._cache["difference"] = Difference(self.state, self.reference)
        found: Difference | None = self._cache.get("difference")
        return found

    def _touch(self) -> None:
        """Take note that devices move. Lanes share the marks."""
        difference = self._difference()
        if difference is not None:
            difference.touch()

    def _evaluate(self, inputs: Floats) -> Floats:
        return self._read(inputs, Operation.FORWARD, evaluation=True)

    def _counts(self) -> Tensor:
        return self.totals

    def _numbers(self) -> list[int]:
        return [random.array_number(name) for name in self.names]

    def _cells(self) -> ops.Cells:
        if "cells" not in self._cache:
            fields: dict[str, Floats] = {}
            for field, parameter in self.rpu.device.parameters().items():
                if parameter.varies:
                    fields[field] = getattr(self, f"cell_{field}").numpy()
                else:
                    fields[field] = shared_field(self.rpu, field, self.replicas)
            self._cache["cells"] = ops.Cells(type(self.rpu.device), fields)
        cells: ops.Cells = self._cache["cells"]
        return cells

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
