"""The operations of an array: shapes documented here, arithmetic in the backends.

Throughout: R replicas, T vectors, M outputs, N inputs, P = M·devices physical lines. All
floats are float32, C-contiguous.
"""

from __future__ import annotations

import dataclasses
import functools
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mho.compiler import compile as compiler
from mho.compiler import threads
from mho.compiler.explain import explain
from mho.compiler.hooks import hook_record
from mho.compiler.model import DeviceModel
from mho.compiler.program import Call, Step
from mho.errors import LawError
from mho.kernels import counts as count
from mho.kernels import reference
from mho.kernels.cpu.lists import SLACK
from mho.random import SLOTS_A_TRAIN

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]
Backend = Literal["cpu", "reference"]
BACKENDS = ("cpu", "reference")
Slope = Literal["tanh", "sigmoid", "relu"]
"""Functions whose slope follows from their value."""
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

    def part(self, replicas: slice) -> Levels:
        """Those of some replicas."""
        return dataclasses.replace(self, numbers=self.numbers[replicas])


@dataclasses.dataclass(frozen=True)
class Cells:
    """What devices do, their fields and their tables, and the states that reads do not see.

    Attributes:
        model: the law, and the hooks beside it.
        fields: for each either (R, P, N), or (R, 16) of one number where cells do not differ.
        tables: for each (R, P·N, ...), on the memory of one table where cells do not differ.
        hidden: (R, H, P, N), in the order of `model.hidden`.
    """

    model: DeviceModel
    fields: dict[str, Floats]
    tables: dict[str, Floats]
    hidden: Floats

    def kernel(self, template: str, entry: str) -> Any:
        """A kernel with the law in it."""
        return compiler.load(template, entry, self.model, tuple(self.fields), tuple(self.tables))

    @functools.cached_property
    def varies(self) -> bool:
        """Whether reads of one weight differ."""
        return self.model.varies

    @functools.cached_property
    def shows(self) -> bool:
        """Whether reads see something else than the weight."""
        return self.model.shows

    @functools.cached_property
    def ages(self) -> bool:
        """Whether devices change with time."""
        return self.model.ages

    def explain(self, error: Any) -> LawError:
        """What an error of the compiler means to the user."""
        return LawError(explain(self.model, error))

    @functools.cached_property
    def flat(self) -> tuple[Floats, ...]:
        """The fields on their memory as flat arrays, each from its first number to its last."""
        return tuple(
            np.lib.stride_tricks.as_strided(v, ((v.size - 1) * _step(v) + 1,), (v.itemsize,))
            for v in self.fields.values()
        )

    @functools.cached_property
    def strides(self) -> npt.NDArray[np.int64]:
        """How the flat arrays lie, (fields, 7): steps to the next replica, line and column; then whether a field comes
        by itself (0), is the first of four side by side (1), or another of them (2); and for the first, the
        numbers of the other three, counted from 1."""
        rows = np.zeros((len(self.fields), 7), np.int64)
        values = list(self.fields.values())
        for row, v in zip(rows, values, strict=True):
            row[:3] = np.array(v.strides) // v.itemsize if v.ndim == 3 else (v.shape[1], 0, 0)
        own = [f for f, v in enumerate(values) if v.ndim == 3]
        if len(own) == 4 and all(
            values[f].ctypes.data - values[own[0]].ctypes.data == 4 * place and rows[f, 2] == 4
            for place, f in enumerate(own)
        ):
            rows[own, 3] = (1, 2, 2, 2)
            rows[own[0], 4:] = [1 + f for f in own[1:]]
        return rows

    def part(self, replicas: slice) -> Cells:
        """Those of some replicas."""
        fields, tables = (
            {name: values[replicas] for name, values in each.items()} for each in (self.fields, self.tables)
        )
        return Cells(self.model, fields, tables, self.hidden[replicas])

    def broadcast(self, shape: tuple[int, ...]) -> dict[str, Floats]:
        """Every field in the shape of the state, and every table in that shape with its own axes behind."""
        fields = {name: v if v.ndim == 3 else np.broadcast_to(v[:, :1, None], shape) for name, v in self.fields.items()}
        return fields | {name: v.reshape(*shape, *v.shape[2:]) for name, v in self.tables.items()}


def held(model: DeviceModel, fields: dict[str, Floats]) -> npt.NDArray[np.bool_] | None:
    """Return which devices never move, in the shape of their fields; None where all of them do."""
    hooks: Any = model.filling("holds")
    if not hooks:
        return None
    whole = np.zeros(np.shape(fields["w_max"]), np.bool_)
    for hook in hooks:
        try:
            whole |= hook.holds(hook_record(hook, SimpleNamespace(**fields)))
        except ValueError:  # what is written for one device may ask `if`, which has no answer for many
            for place in np.ndindex(whole.shape):
                one = SimpleNamespace(**{name: values[place] for name, values in fields.items()})
                whole[place] |= bool(hook.holds(hook_record(hook, one)))
    return whole


def _step(values: Floats) -> int:
    """From one number to the next, in numbers: fields may lie side by side."""
    return values.strides[-1] // values.itemsize


@dataclasses.dataclass(frozen=True)
class Trains:
    """How lines are driven: gains C_x and C_δ of each replica (R,), slots, update management."""

    x_gain: Floats
    d_gain: Floats
    length: int
    managed: bool

    def part(self, replicas: slice) -> Trains:
        """Those of some replicas."""
        return dataclasses.replace(self, x_gain=self.x_gain[replicas], d_gain=self.d_gain[replicas])


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
    out = np.empty((*x.shape[:2], outputs), np.float32)
    arguments = _read_arguments(state, x, out, levels, stream.key, backward, evaluation)
    if backend == "reference":
        reference.read(counts, *(*arguments, stream.first))
    else:
        kernel = compiler.load("mho.kernels.cpu.read", "read")
        lines, work = x.shape[0] * x.shape[1], state.size * x.shape[1]
        threads.run(kernel, lines, work, counts, *arguments, stream.first)
    return out


def reader(
    state: Floats,
    x: Floats,
    out: Floats,
    levels: Levels,
    key: npt.NDArray[np.uint32],
    number: npt.NDArray[np.int64],
    counts: Counts,
    *,
    backward: bool,
    evaluation: bool,
    backend: Backend = "cpu",
) -> Step:
    """A read of x into `out`, to be done again and again; number[0] is that of the first vector."""
    arguments = _read_arguments(state, x, out, levels, key, backward, evaluation)
    if backend == "reference":
        return lambda: reference.read(counts, *(*arguments, int(number[0])))
    kernel = compiler.load("mho.kernels.cpu.read", "read")
    lines, work = x.shape[0] * x.shape[1], state.size * x.shape[1]
    return Call(kernel, lines, work, counts, arguments, number)


def _read_arguments(
    state: Floats,
    x: Floats,
    out: Floats,
    levels: Levels,
    key: npt.NDArray[np.uint32],
    backward: bool,
    evaluation: bool,
) -> tuple[Any, ...]:
    slots = EVALUATION_SLOTS if evaluation else TRAINING_SLOTS
    return (
        state, x, out, backward, key, levels.numbers, levels.noise_management, levels.halvings, *slots
    )  # fmt: skip


Drawn = tuple[npt.NDArray[np.uint32], Counts, npt.NDArray[np.uint32], Counts]
"""Trains of x and of d, for each side the lines that pulse with their bits, and where those of each vector are."""


def room_for_trains(x: Floats, lines: int, length: int) -> Drawn:
    """Where an update of an array of this many lines with x (R, T, N) writes its trains of `length` slots."""
    replicas, vectors, columns = x.shape
    trains = vectors * trains_a_vector(length)
    return (
        np.empty((replicas, 2, trains * (columns + SLACK)), np.uint32),
        np.empty((replicas, trains, 2), np.int64),
        np.empty((replicas, 2, trains * (lines + SLACK)), np.uint32),
        np.empty((replicas, trains, 2), np.int64),
    )


def trains_a_vector(length: int) -> int:
    """Words of slots: longer trains are sent as several."""
    return -(-length // SLOTS_A_TRAIN)


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
    drawn = room_for_trains(x, state.shape[1], trains.length)
    number = np.array([stream.first], np.int64)
    for step in updater(state, cells, x, d, trains, stream.key, number, counts, drawn, backend=backend):
        step()


def updater(
    state: Floats,
    cells: Cells,
    x: Floats,
    d: Floats,
    trains: Trains,
    key: npt.NDArray[np.uint32],
    number: npt.NDArray[np.int64],
    counts: Counts,
    drawn: Drawn,
    *,
    backend: Backend = "cpu",
) -> list[Step]:
    """An update with x and d, to be done again and again; number[0] is that of the first vector.

    Args:
        drawn: from `room_for_trains`.
    """
    if backend == "reference":
        return [lambda: _reference_update(state, cells, x, d, trains, Stream(key, int(number[0])), counts)]
    draw = compiler.load("mho.kernels.cpu.trains", "trains")
    move = cells.kernel("mho.kernels.cpu.update", "update")
    vectors, lines = x.shape[1], state.shape[1]
    drawing = (
        x, d, trains.x_gain, trains.d_gain, trains.length, trains.managed, key, *drawn, lines // d.shape[2]
    )  # fmt: skip
    moving = (
        state, cells.flat, cells.strides, cells.hidden, tuple(cells.tables.values()), *drawn, key,
        trains_a_vector(trains.length),
    )  # fmt: skip
    return [
        Call(draw, len(x) * vectors, (x.size + d.size) * trains.length, counts, drawing, number),
        Call(move, len(x) * lines, state.size * vectors, counts, moving, number, cells.explain),
    ]


def seer(
    state: Floats,
    cells: Cells,
    key: npt.NDArray[np.uint32],
    number: npt.NDArray[np.int64],
    counts: Counts,
    out: Floats,
    *,
    backend: Backend = "cpu",
) -> Step:
    """Writes what a read of vector number[0] sees of state (R, P, N) into `out`, to be done again and again."""
    if backend == "reference":
        return lambda: reference.visible(
            counts, cells.model, state, cells.broadcast(state.shape), key, int(number[0]), out
        )
    return _standing("visible", state, cells, counts, number, tuple(cells.tables.values()), key, out)


def rester(
    state: Floats,
    cells: Cells,
    key: npt.NDArray[np.uint32],
    number: npt.NDArray[np.int64],
    counts: Counts,
    dt: Floats,
    *,
    backend: Backend = "cpu",
) -> Step:
    """Lets a time dt[0] pass for state (R, P, N), to be done again and again; the draws are those of number[0]."""
    if backend == "reference":
        return lambda: reference.rest(
            counts, cells.model, state, cells.hidden, cells.broadcast(state.shape), key, float(dt[0]), int(number[0])
        )
    return _standing("pass_time", state, cells, counts, number, cells.hidden, tuple(cells.tables.values()), key, dt)


def _standing(
    entry: str, state: Floats, cells: Cells, counts: Counts, number: npt.NDArray[np.int64], *arguments: Any
) -> Call:
    """A call of a kernel that passes over all cross-points of state (R, P, N), with a law in it."""
    kernel, lines = cells.kernel("mho.kernels.cpu.standing", entry), state.shape[0] * state.shape[1]
    given = (state, cells.flat, cells.strides, *arguments)
    return Call(kernel, lines, state.size, counts, given, number, cells.explain)


def exact_update(state: Floats, x: Floats, d: Floats, lr: float, counts: Counts, *, backend: Backend = "cpu") -> None:
    """w += lr·δ xᵀ, vector after vector, in place: x (R, T, N), d (R, T, M), state (R, P, N)."""
    exact_updater(state, x, d, np.full(1, lr, np.float32), counts, backend=backend)()


def exact_updater(
    state: Floats, x: Floats, d: Floats, rate: Floats, counts: Counts, *, backend: Backend = "cpu"
) -> Step:
    """An exact update, to be done again and again; rate[0] is the learning rate."""
    if backend == "reference":
        return lambda: reference.outer(counts, state, x, d, rate[0])
    kernel = compiler.load("mho.kernels.cpu.outer", "outer")
    return Call(kernel, x.shape[0] * state.shape[1], state.size * x.shape[1], counts, (state, x, d, rate))


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


def gather_patches(maps: Floats, geometry: Geometry, *, bias: bool, out: Floats | None = None) -> Floats:
    """Patches of maps (B, C, H, W) as vectors (B, L, N), with a last column of ones where there is a bias."""
    batch, channels = maps.shape[:2]
    count = geometry.out[0] * geometry.out[1]
    if out is None:
        out = np.empty((batch, count, channels * geometry.kernel[0] * geometry.kernel[1] + bias), np.float32)
    gather(maps, geometry, out, bias=bias)()
    return out


def scatter_patches(vectors: Floats, maps: Floats, geometry: Geometry) -> None:
    """Add errors of patches (B, L, N) to maps (B, C, H, W): the adjoint of `gather_patches`."""
    scatter(vectors, maps, geometry)()


# Steps of chains: what they read and write is given once --------------------------------------------


def gather(maps: Floats, geometry: Geometry, out: Floats, *, bias: bool) -> Call:
    """`gather_patches` into `out`."""
    return _plain("patches", "gather_patches", len(maps), out.size, maps, out, geometry.numbers, bias)


def scatter(vectors: Floats, maps: Floats, geometry: Geometry) -> Call:
    """`scatter_patches`."""
    return _plain("patches", "scatter_patches", len(maps), vectors.size, vectors, maps, geometry.numbers)


def copy_columns(values: Floats, out: Floats) -> Call:
    """Copy the columns that values (n, k) and out (n, m) share."""
    return _plain("digital", "copy_columns", len(values), values.size, values, out)


def clear(values: Floats) -> Call:
    """Set all to 0."""
    return _plain("digital", "clear", 1, values.size, values.reshape(-1))


def bend(slope: Slope, errors: Floats, y: Floats, out: Floats) -> Call:
    """out = errors times the slope of a function where its value is y; all of one size."""
    flat = (array.reshape(-1) for array in (errors, y, out))
    return _plain("digital", f"bend_{slope}", 1, y.size, *flat)


def _plain(module: str, entry: str, lines: int, work: int, *arguments: Any) -> Call:
    """A call of a kernel that counts nothing."""
    return Call(compiler.load(f"mho.kernels.cpu.{module}", entry), lines, work, NO_COUNTS, arguments)


@dataclasses.dataclass(frozen=True)
class Window:
    """How a pooling window lies on maps: pairs of (height, width)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    out: tuple[int, int]

    @functools.cached_property
    def numbers(self) -> tuple[int, ...]:
        """In the order in which kernels take them."""
        return (*self.kernel, *self.stride, *self.padding, *self.out)


def cross_entropy(
    logits: Floats, labels: npt.NDArray[np.int64], losses: npt.NDArray[np.float64], errors: Floats
) -> None:
    """Mean of -log softmax at the label over each replica's batch, and δ = -∂loss/∂logits.

    logits, errors (R, B, classes), labels (R, B), losses (R,): NaN where a label is no class.
    """
    kernel = compiler.load("mho.kernels.cpu.losses", "cross_entropy")
    kernel(0, len(logits), NO_COUNTS, logits, labels, losses, errors)


def max_pool(maps: Floats, window: Window, out: Floats, chosen: npt.NDArray[np.int32], *, last: bool) -> Call:
    """Largest of each window of maps (B, C, H, W), or (B, H, W, C) with `last`, into out (B, C, H', W').

    `chosen`, of the same shape, takes the place y·W + x of each; of equals it is the first, as in torch.
    """
    return _plain("pooling", "max_pool", len(maps), maps.size, maps, out, chosen, window.numbers, last)


def max_unpool(errors: Floats, chosen: npt.NDArray[np.int32], maps: Floats, *, last: bool) -> Call:
    """Add errors (B, C, H', W') to the chosen places of maps: the adjoint of `max_pool`."""
    return _plain("pooling", "max_unpool", len(maps), maps.size, errors, chosen, maps, last)


def mean_pool(maps: Floats, window: Window, out: Floats, *, last: bool, count_padding: bool) -> Call:
    """Mean of each window, as `max_pool`; windows over an edge are divided by what lies inside, or by all."""
    return _plain("pooling", "mean_pool", len(maps), maps.size, maps, out, window.numbers, last, count_padding)


def mean_unpool(errors: Floats, window: Window, maps: Floats, *, last: bool, count_padding: bool) -> Call:
    """Add errors to the windows of maps: the adjoint of `mean_pool`."""
    return _plain("pooling", "mean_unpool", len(maps), maps.size, errors, maps, window.numbers, last, count_padding)


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
    reference.update(counts, cells.model, state, cells.hidden, fields, x, d, x_bits, d_bits, stream.key, stream.first)
