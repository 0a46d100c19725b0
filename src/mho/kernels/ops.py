"""The operations of an array: shapes documented here, arithmetic in the backends.

Throughout: R replicas, T vectors, M outputs, N inputs, P = M·devices physical lines. All
floats are float32, C-contiguous.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numba.core.errors import NumbaError

from mho.errors import LawError
from mho.kernels import compile as compiler
from mho.kernels import counts as count
from mho.kernels import reference, threads
from mho.kernels.cpu.lists import SLACK
from mho.kernels.law import Law, read_law

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]
Backend = Literal["cpu", "reference"]
BACKENDS = ("cpu", "reference")
TRAINING_SLOTS = (count.CLIPPED_READS, count.HALVINGS)
EVALUATION_SLOTS = (count.EVALUATION_CLIPPED_READS, count.EVALUATION_HALVINGS)
NO_COUNTS = np.zeros((0, count.SIZE), np.int64)


@dataclasses.dataclass(frozen=True)
class Stream:
    """Random stream of one operation: key (R, 2) uint32, and the number of its next vector."""

    key: npt.NDArray[np.uint32]
    first: int


@dataclasses.dataclass(frozen=True)
class Levels:
    """What a read does, in the units of the array (see `mho.Read`).

    Attributes:
        numbers: (R, 5), for each replica: noise, output bound, input bound, input step, output step; steps of 0
            are continuous.
        noise_management: whether inputs are scaled by their largest.
        halvings: how often bound management may halve; 0: no bound management.
    """

    numbers: Floats
    noise_management: bool
    halvings: int


@dataclasses.dataclass(frozen=True)
class Cells:
    """A law and its fields: for each either (R, P, N), or (R, 16) of one number where cells do not differ."""

    law: type
    fields: dict[str, Floats]

    @functools.cached_property
    def flat(self) -> tuple[Floats, ...]:
        """The fields as flat arrays."""
        return tuple(values.reshape(-1) for values in self.fields.values())

    @functools.cached_property
    def strides(self) -> npt.NDArray[np.int64]:
        """Steps in the flat arrays: replica, line, column."""
        steps = [(v.shape[1] * v.shape[2], v.shape[2], 1) if v.ndim == 3 else (16, 0, 0) for v in self.fields.values()]
        return np.array(steps, np.int64)

    def broadcast(self, shape: tuple[int, ...]) -> dict[str, Floats]:
        """Every field in the shape of the state."""
        return {name: v if v.ndim == 3 else np.broadcast_to(v[:, :1, None], shape) for name, v in self.fields.items()}


@dataclasses.dataclass(frozen=True)
class Trains:
    """How lines are driven: gains C_x and C_δ of each replica (R,), slots, update management."""

    x_gain: Floats
    d_gain: Floats
    length: int
    managed: bool


def read(
    state: Floats,
    x: Floats,
    outputs: int,
    levels: Levels,
    stream: Stream,
    counts: Counts,
    *,
    backward: bool,
    evaluation: bool,
    backend: Backend = "cpu",
) -> Floats:
    """Read the array: x (R, T, in) to (R, T, outputs), through state (R, P, N).

    Backward, x is δ over the M rows and the outputs are the N columns. Adds to counts (R, SIZE).
    """
    replicas, vectors = x.shape[:2]
    out = np.empty((replicas, vectors, outputs), np.float32)
    clipped, halvings = EVALUATION_SLOTS if evaluation else TRAINING_SLOTS
    arguments = (
        state, x, out, backward, stream.key, stream.first,
        levels.numbers, levels.noise_management, levels.halvings, clipped, halvings,
    )  # fmt: skip
    if backend == "reference":
        reference.read(counts, *arguments)
    else:
        kernel = compiler.load("mho.kernels.cpu.read", "read")
        threads.run(kernel, replicas * vectors, state.size * vectors, counts, *arguments)
    return out


def update(
    state: Floats,
    cells: Cells,
    x: Floats,
    d: Floats,
    trains: Trains,
    stream: Stream,
    counts: Counts,
    *,
    backend: Backend = "cpu",
) -> None:
    """Pulse the array in place: x (R, T, N), d (R, T, M), state (R, P, N). Adds to counts (R, SIZE).

    Raises:
        LawError: if the law cannot be compiled.
    """
    if backend == "reference":
        _reference_update(state, cells, x, d, trains, stream, counts)
        return
    replicas, vectors, columns = x.shape
    lines = state.shape[1]
    x_trains = np.empty((replicas, vectors, 2, columns + SLACK), np.uint32)
    d_trains = np.empty((replicas, vectors, 2, lines + SLACK), np.uint32)
    x_found, d_found = np.empty((replicas, vectors), np.int64), np.empty((replicas, vectors), np.int64)
    drawn = (x_trains, x_found, d_trains, d_found)
    draw = compiler.load("mho.kernels.cpu.trains", "trains")
    threads.run(
        draw, replicas * vectors, (x.size + d.size) * trains.length, counts,
        x, d, trains.x_gain, trains.d_gain, trains.length, trains.managed,
        stream.key, stream.first, *drawn, lines // d.shape[2],
    )  # fmt: skip
    law = read_law(cells.law)
    try:
        kernel = compiler.load("mho.kernels.cpu.update", "update", law, tuple(cells.fields))
        threads.run(
            kernel, replicas * lines, state.size * vectors, counts,
            state, cells.flat, cells.strides, *drawn, stream.key, stream.first,
        )  # fmt: skip
    except NumbaError as error:
        raise LawError(_explain(law, error)) from None


def exact_update(state: Floats, x: Floats, d: Floats, lr: float, counts: Counts, *, backend: Backend = "cpu") -> None:
    """w += lr·δ xᵀ, vector after vector, in place: x (R, T, N), d (R, T, M), state (R, P, N)."""
    if backend == "reference":
        reference.outer(counts, state, x, d, lr)
        return
    kernel = compiler.load("mho.kernels.cpu.outer", "outer")
    lines = x.shape[0] * state.shape[1]
    threads.run(kernel, lines, state.size * x.shape[1], counts, state, x, d, np.float32(lr))


@dataclasses.dataclass(frozen=True)
class Geometry:
    """How patches lie on maps of one size: pairs of (height, width)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    corner: tuple[int, int]
    """Zeros above and left of the map."""
    out: tuple[int, int]

    @functools.cached_property
    def numbers(self) -> tuple[int, ...]:
        """In the order in which kernels take them."""
        return (*self.kernel, *self.stride, *self.dilation, *self.corner, self.out[1])


def gather_patches(maps: Floats, geometry: Geometry, *, bias: bool) -> Floats:
    """Patches of maps (B, C, H, W) as vectors (B, L, N), with a last column of ones where there is a bias."""
    batch, channels = maps.shape[:2]
    count = geometry.out[0] * geometry.out[1]
    out = np.empty((batch, count, channels * geometry.kernel[0] * geometry.kernel[1] + bias), np.float32)
    kernel = compiler.load("mho.kernels.cpu.patches", "gather_patches")
    threads.run(kernel, batch, out.size, NO_COUNTS, maps, out, geometry.numbers, bias)
    return out


def scatter_patches(vectors: Floats, shape: tuple[int, ...], geometry: Geometry) -> Floats:
    """Sum errors of patches (B, L, N) into maps of this shape (B, C, H, W): the adjoint of `gather_patches`."""
    maps = np.zeros(shape, np.float32)
    kernel = compiler.load("mho.kernels.cpu.patches", "scatter_patches")
    threads.run(kernel, shape[0], vectors.size, NO_COUNTS, vectors, maps, geometry.numbers)
    return maps


def _reference_update(
    state: Floats, cells: Cells, x: Floats, d: Floats, trains: Trains, stream: Stream, counts: Counts
) -> None:
    x_bits = np.zeros((*x.shape, trains.length), np.bool_)
    d_bits = np.zeros((*d.shape[:2], state.shape[1], trains.length), np.bool_)
    reference.trains(
        counts, x, d, trains.x_gain, trains.d_gain, trains.length, trains.managed,
        stream.key, stream.first, x_bits, d_bits,
    )  # fmt: skip
    fields = cells.broadcast(state.shape)
    reference.update(counts, cells.law, state, fields, x, d, x_bits, d_bits, stream.key, stream.first)


def _explain(law: Law, error: Any) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = next((line for line in lines if not line.startswith(("Failed in", "-", "During"))), lines[0])
    source = next((line for line in lines if line.startswith("def ") or "return" in line), "")
    return (
        f"the law {law.name} at {law.place} cannot be compiled: {reason}"
        + (f" Near: {source}." if source else "")
        + " A law is scalar arithmetic on w, up, cell and z, with math functions, if and for."
    )
