"""Crossbar: the state of an array and its three cycles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mho import random
from mho.config import RPU
from mho.errors import InvalidValue, LawError, MhoError, WrongUse
from mho.kernels import counts as count
from mho.kernels import ops
from mho.periphery import Pulses, Read
from mho.random import Operation

Floats = npt.NDArray[np.float32]


@final
class Crossbar(nn.Module):
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
        name: enters every draw; arrays of one network need names of their own.
        backend: "cpu" (compiled) or "reference" (NumPy, slow).

    Raises:
        InvalidValue: for sizes or seeds out of range.
    """

    state: Tensor
    seeds: Tensor
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
        name: str = "crossbar",
        backend: ops.Backend = "cpu",
    ) -> None:
        super().__init__()
        if not isinstance(rpu, RPU):
            raise InvalidValue(f"rpu is {rpu!r}; give a mho.RPU, for example mho.presets.gokmen_2017()")
        for label, size in (("out_features", out_features), ("in_features", in_features)):
            if not isinstance(size, int) or size < 1:
                raise InvalidValue(f"{label} is {size!r}; give an integer of at least 1")
        if backend not in ops.BACKENDS:
            raise InvalidValue(f"backend is {backend!r}; give 'cpu' or 'reference'")
        self.rpu, self.name, self.backend = rpu, name, backend
        self.out_features, self.in_features = out_features, in_features
        self.devices = rpu.cell.devices
        seeds = seed_list(seed, replicas)
        shape = (len(seeds), out_features * self.devices, in_features)
        self.register_buffer("seeds", torch.tensor(seeds, dtype=torch.int64))
        self.register_buffer("vectors", torch.zeros(len(Operation), dtype=torch.int64))
        self.register_buffer("totals", torch.zeros((len(seeds), count.SIZE), dtype=torch.int64))
        self.register_buffer("state", torch.zeros(shape))
        for field, values in self._draw_cells(seeds, shape).items():
            self.register_buffer(f"cell_{field}", torch.from_numpy(values))
        self._levels = {
            Operation.FORWARD: levels_of(rpu.forward, len(seeds)),
            Operation.BACKWARD: levels_of(rpu.backward, len(seeds)),
        }
        self._mean_step = rpu.device.mean_step()
        self._cache: dict[str | Operation, Any] = {}
        self.reset_weights()

    # State ---------------------------------------------------------------------------------------

    @property
    def replicas(self) -> int:
        """R."""
        return len(self._view("state"))

    @property
    def weight(self) -> Tensor:
        """The exact weights (R, out, in): the mean over the devices of each."""
        stacked = self.state.view(self.replicas, self.devices, self.out_features, self.in_features)
        return stacked[:, 0] if self.devices == 1 else stacked.mean(dim=1)

    def write(self, weight: Tensor) -> None:
        """Program every device of a weight to its value, clipped to the device's bounds.

        Args:
            weight: (R, out, in), or (out, in) for all replicas alike.

        Raises:
            InvalidValue: for another shape, or values that are not finite.
        """
        given = torch.as_tensor(weight, dtype=torch.float32, device="cpu").detach()
        shape = (self.replicas, self.out_features, self.in_features)
        if given.shape not in (shape, shape[1:]):
            raise InvalidValue(f"{self.name}: weights of shape {tuple(given.shape)}; give {shape} or {shape[1:]}")
        if not torch.isfinite(given).all():
            raise InvalidValue(f"{self.name}: the weights to write hold NaN or infinite values")
        values = given.expand(shape)[:, None].expand(-1, self.devices, -1, -1).reshape(self.state.shape)
        fields = self._cells().broadcast(tuple(self.state.shape))
        if "w_max" in fields:
            values = values.clamp(torch.tensor(fields["w_min"]), torch.tensor(fields["w_max"]))
        self.state.copy_(values)

    def reset_weights(self) -> None:
        """Start again from the initial weights of this array's seeds: uniform within ±1/√in."""
        cells = self.out_features * self.in_features
        number = random.array_number(self.name)
        starts = np.stack([random.initial_uniforms(int(s), number, cells) for s in self.seeds.tolist()])
        starts *= np.float32(self.in_features**-0.5)
        self.write(torch.from_numpy(starts.reshape(self.replicas, self.out_features, self.in_features)))

    def read(self) -> Tensor:
        """Weights (R, out, in) as forward reads of unit vectors see them, noise and bounds included."""
        units = torch.eye(self.in_features).expand(self.replicas, -1, -1)
        seen = self._read(units.contiguous().numpy(), Operation.FORWARD, evaluation=True)
        return torch.from_numpy(seen).transpose(1, 2)

    def cell_parameters(self) -> dict[str, Tensor]:
        """Every field of the law as drawn: name to (R, devices, out, in)."""
        shape = (self.replicas, self.devices, self.out_features, self.in_features)
        fields = self._cells().broadcast(tuple(self.state.shape))
        return {name: torch.tensor(values).view(shape) for name, values in fields.items()}

    def counters(self) -> dict[str, Tensor]:
        """What happened since the start, int64 (R,) each.

        pulses: voltage pulses on rows and columns; coincidences: steps of cross-points;
        saturated_probabilities: lines whose pulse probability would have exceeded 1; bound_hits: steps
        clipped at a device's bound; clipped_reads: outputs that stayed clipped; halvings: rounds of bound
        management; evaluation_...: the same in evaluation.
        """
        return {name: self.totals[:, i].clone() for i, name in enumerate(count.COUNTERS)}

    # The three cycles ----------------------------------------------------------------------------

    def forward(self, x: Tensor) -> Tensor:
        """Forward cycle: x (R, T, in) to y (R, T, out), or without R where R = 1.

        In evaluation mode (`eval()`) the noise comes from a stream of its own, so that evaluating
        never changes training.

        Raises:
            InvalidValue: for a wrong shape, or NaN or infinite values.
        """
        return self._cycle(x, backward=False)

    def backward(self, d: Tensor) -> Tensor:
        """Backward cycle: δ (R, T, out) to Wᵀδ (R, T, in), or without R where R = 1."""
        return self._cycle(d, backward=True)

    def update(self, x: Tensor, d: Tensor, lr: float) -> None:
        """Update cycle: W += lr·δ xᵀ in expectation, one vector after another.

        Args:
            x: (R, T, in) inputs, or (T, in) where R = 1.
            d: (R, T, out) = -∂L/∂y, likewise.
            lr: learning rate η, greater than 0.

        Raises:
            InvalidValue: for a wrong shape, values that are not finite, or lr ≤ 0.
        """
        check_lr(lr)
        inputs = self._vectors(x, self.in_features, "x")
        errors = self._vectors(d, self.out_features, "d")
        self._same_vectors(inputs, errors)
        self.update_vectors(inputs, errors, lr)

    def pulse(self, p: Tensor, q: Tensor) -> None:
        """Drive the lines with given pulse probabilities; signs give the direction of the steps.

        Args:
            p: columns, (R, T, in) or (T, in) where R = 1, from -1 to 1.
            q: rows, (R, T, out) likewise. A cross-point moves up where p and q have the same sign.

        Raises:
            InvalidValue: for a probability above 1, a wrong shape, or an array without pulses.
        """
        columns = self._vectors(p, self.in_features, "p")
        rows = self._vectors(q, self.out_features, "q")
        for label, values in (("p", columns), ("q", rows)):
            if values.size and np.abs(values).max() > 1:
                raise InvalidValue(
                    f"{self.name}: {label} holds a probability of {np.abs(values).max():g}; give values from -1 to 1"
                )
        self._same_vectors(columns, rows)
        if not isinstance(self.rpu.update, Pulses):
            raise WrongUse(f"{self.name}: an array with Exact updates takes no pulses; give update=mho.Pulses()")
        ones = np.ones(self.replicas, np.float32)
        self._pulse(columns, rows, ops.Trains(ones, ones, self.rpu.update.length, managed=False))

    # The same cycles for layers, whose vectors are (R, T, ...) float32 NumPy already -----------------

    def read_vectors(self, inputs: Floats, *, backward: bool) -> Floats:
        """As `forward` or `backward`: (R, T, in) to (R, T, out), or back."""
        operation = Operation.BACKWARD if backward else Operation.FORWARD
        return self._read(inputs, operation, evaluation=not self.training)

    def update_vectors(self, x: Floats, d: Floats, lr: float) -> None:
        """As `update`: x (R, T, in) and d (R, T, out)."""
        if isinstance(self.rpu.update, Pulses):
            self._pulse(x, d, self._trains(lr))
        else:
            self._advance(Operation.UPDATE, x.shape[1])
            totals = self._view("totals")
            ops.exact_update(self._view("state"), x, d, lr, totals, backend=self.backend)
            if found_bad(totals):
                raise self._not_finite(x, d)

    # Inside --------------------------------------------------------------------------------------

    def _trains(self, lr: float) -> ops.Trains:
        """How the lines are driven at a learning rate."""
        pulses = self.rpu.update
        assert isinstance(pulses, Pulses)
        gains = [np.full(self.replicas, gain, np.float32) for gain in pulses.gains(lr, self._mean_step)]
        return ops.Trains(gains[0], gains[1], pulses.length, pulses.update_management)

    def _pulse(self, x: Floats, d: Floats, trains: ops.Trains) -> None:
        stream = self._advance(Operation.UPDATE, x.shape[1])
        totals = self._view("totals")
        ops.update(self._view("state"), self._cells(), x, d, trains, stream, totals, backend=self.backend)
        if found_bad(totals):
            raise self._not_finite(x, d)

    def _cycle(self, values: Tensor, *, backward: bool) -> Tensor:
        width = self.out_features if backward else self.in_features
        inputs = self._vectors(values, width, "d" if backward else "x")
        out = torch.from_numpy(self.read_vectors(inputs, backward=backward))
        return out if values.dim() == 3 else out[0]

    def _read(self, inputs: Floats, operation: Operation, *, evaluation: bool) -> Floats:
        backward = operation is Operation.BACKWARD
        stream = self._advance(Operation.EVALUATION if evaluation else operation, inputs.shape[1])
        totals = self._view("totals")
        out = ops.read(
            self._view("state"),
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
        self._view("totals")[:, count.NOT_FINITE] = 0
        for values, what in ((x, "the input (x)"), (d, "the gradient (d)")):
            if values is not None and not np.isfinite(values).all():
                kind = "NaN" if np.isnan(values).any() else "infinite values"
                return InvalidValue(f"{self.name}: {what} holds {kind}; the loss may have diverged: try a smaller lr")
        if x is not None and d is not None:
            return LawError(
                f"{self.name}: {type(self.rpu.device).__name__}.pulse returned NaN; the weights concerned were left "
                "as they were. mho.testing.check_device(device) shows at which states"
            )
        return InvalidValue(
            f"{self.name}: a read overflowed float32; inputs or weights are far beyond any array's range"
        )

    def _vectors(self, values: Tensor, width: int, label: str) -> Floats:
        """Check shape and values, and return them as (R, T, width) NumPy."""
        given = torch.as_tensor(values)
        if given.device.type != "cpu":
            raise WrongUse(
                f"{self.name}: {label} lies on {given.device}; arrays compute on the CPU, give {label}.cpu()"
            )
        array: Floats = np.ascontiguousarray(given.detach().numpy(), np.float32)
        replicas = self.replicas
        if array.ndim == 2 and replicas == 1:
            array = array[None]
        if array.ndim != 3 or array.shape[0] != replicas or array.shape[2] != width:
            rank = f"({replicas}, T, {width})" + (f" or (T, {width})" if replicas == 1 else "")
            raise InvalidValue(f"{self.name}: {label} has shape {tuple(given.shape)}; give {rank}")
        if not np.isfinite(array).all():
            raise self._not_finite(*((None, array) if label in "dq" else (array, None)))
        return array

    def _same_vectors(self, x: Floats, d: Floats) -> None:
        if x.shape[1] != d.shape[1]:
            raise InvalidValue(f"{self.name}: x has {x.shape[1]} vectors and d has {d.shape[1]}; give as many")

    def _draw_cells(self, seeds: Sequence[int], shape: tuple[int, ...]) -> dict[str, Floats]:
        number, cells = random.array_number(self.name), shape[1] * shape[2]
        fields = {
            field: np.stack([parameter.draw(random.field_normals(s, number, field, cells)) for s in seeds]).reshape(
                shape
            )
            for field, parameter in self.rpu.device.parameters().items()
            if parameter.varies
        }
        parameters = self.rpu.device.parameters()
        if "w_max" in parameters:
            high, low = (fields.get(name, parameters[name].mean) for name in ("w_max", "w_min"))
            crossed = int(np.sum(np.asarray(low) >= np.asarray(high)))
            if crossed:
                raise InvalidValue(
                    f"{self.name}: the spreads of w_min and w_max are so wide that they crossed in "
                    f"{crossed} cells; narrow them, or move the means apart"
                )
        return fields

    def _cells(self) -> ops.Cells:
        if "cells" not in self._cache:
            fields: dict[str, Floats] = {}
            for field, parameter in self.rpu.device.parameters().items():
                if parameter.varies:
                    fields[field] = getattr(self, f"cell_{field}").numpy()
                else:
                    fields[field] = np.full((self.replicas, 16), parameter.mean, np.float32)
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
            number = random.array_number(self.name)
            keys = [random.stream_key(int(s), number, operation) for s in self.seeds.tolist()]
            self._cache[operation] = np.stack(keys)
        found: npt.NDArray[np.uint32] = self._cache[operation]
        return found

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

    def extra_repr(self) -> str:
        """Shown by print(model)."""
        return f"{self.out_features}×{self.in_features}, devices={self.devices}, replicas={self.replicas}"


def seed_list(seed: int | Sequence[int], replicas: int) -> list[int]:
    """One seed a replica: seed, seed + 1, ..., or the list given.

    Raises:
        InvalidValue: for a list of another length, or a seed outside 0 to 2⁶³ - 1.
    """
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 1:
        raise InvalidValue(f"replicas is {replicas!r}; give an integer of at least 1")
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        seeds = [int(seed) + r for r in range(replicas)]
    elif isinstance(seed, Sequence) and not isinstance(seed, str):
        seeds = list(seed)
    else:
        raise InvalidValue(f"seed is {seed!r}; give an integer of at least 0, or one a replica")
    if len(seeds) != replicas:
        raise InvalidValue(f"{len(seeds)} seeds for {replicas} replicas; give one seed a replica")
    if not all(isinstance(s, int) and 0 <= s < 2**63 for s in seeds):
        raise InvalidValue(f"seed is {seed!r}; give integers from 0 to 2**63 - 1")
    return seeds


def found_bad(totals: npt.NDArray[np.int64]) -> bool:
    """Whether a kernel met a value that is no number. Asked after every cycle: `any` alone costs 5 µs."""
    return bool(totals[0, count.NOT_FINITE]) or (len(totals) > 1 and bool(totals[:, count.NOT_FINITE].any()))


def check_lr(lr: float) -> None:
    """Raise unless lr is a positive, finite number."""
    if isinstance(lr, bool) or not isinstance(lr, (int, float)) or not 0 < lr < float("inf"):
        raise InvalidValue(f"lr is {lr!r}; give a number greater than 0, for example 0.01")


def levels_of(read: Read, replicas: int) -> ops.Levels:
    """What a kernel needs for a `Read`, for each replica. A converter of b bits has 2ᵇ⁻¹ - 1 steps to full scale."""
    infinite = float("inf")
    bound = infinite if read.bound is None else float(read.bound)
    full = 1.0 if read.dac_bits is not None else infinite
    input_bound = full if read.input_bound is None else float(read.input_bound)
    numbers = (
        float(read.noise),
        bound,
        input_bound,
        0.0 if read.dac_bits is None else input_bound / (2 ** (read.dac_bits - 1) - 1),
        0.0 if read.adc_bits is None else bound / (2 ** (read.adc_bits - 1) - 1),
    )
    return ops.Levels(
        np.tile(np.array(numbers, np.float32), (replicas, 1)),
        read.noise_management,
        read.max_halvings if read.bound_management else 0,
    )
