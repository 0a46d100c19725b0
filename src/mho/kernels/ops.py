"""Records that describe an array to a back end, and the digital operations between arrays.

Throughout: R replicas, T vectors, M outputs, N inputs, P = M·devices physical lines. All
floats are float32, C-contiguous.
"""

from __future__ import annotations

import dataclasses
import functools
from types import SimpleNamespace
from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt

from mho.compiler import compile as compiler
from mho.compiler.explain import explain
from mho.compiler.hooks import hook_record
from mho.compiler.model import DeviceModel
from mho.compiler.program import Call
from mho.errors import InvalidValue, LawError
from mho.kernels import counts as count
from mho.kernels.records import DeviceArrays, Means, PatchGeometry

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]
Slope = Literal["tanh", "sigmoid", "relu"]
"""Functions whose slope follows from their value."""
NO_COUNTS = np.zeros((0, count.SIZE), np.int64)


@final
@dataclasses.dataclass(frozen=True)
class Circuit:
    """Circuit of a read, in the units of the array (see `mho.Read`).

    Attributes:
        numbers: (R, 5), for each replica: noise, output bound, input bound, input step, output step, as
            `mho.kernels.circuit` numbers them; steps of 0 are continuous.
        noise_management: whether inputs are scaled by their largest.
        halvings: how often bound management may halve; 0: no bound management.
    """

    numbers: Floats
    noise_management: bool
    halvings: int

    def part(self, replicas: slice) -> Circuit:
        """Return the circuit of some replicas."""
        return dataclasses.replace(self, numbers=self.numbers[replicas])


@dataclasses.dataclass(frozen=True)
class Cells:
    """Devices of a bank as kernels take them: their law, fields and tables, and the states that reads do not see.

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
        """Return a compiled kernel with the law in it."""
        return compiler.load(template, entry, self.model, tuple(self.fields), tuple(self.tables))

    @functools.cached_property
    def varies(self) -> bool:
        """Return whether reads of one weight differ."""
        return self.model.varies

    @functools.cached_property
    def shows(self) -> bool:
        """Return whether reads see something else than the weight."""
        return self.model.shows

    @functools.cached_property
    def ages(self) -> bool:
        """Return whether devices change with time."""
        return self.model.ages

    def explain(self, error: Any) -> LawError:
        """Return the error that says what an error of the compiler means to the user."""
        return LawError(explain(self.model, error))

    @functools.cached_property
    def flat(self) -> tuple[Floats, ...]:
        """Fields on their memory as flat arrays, each from its first number to its last."""
        return tuple(
            np.lib.stride_tricks.as_strided(v, ((v.size - 1) * _step(v) + 1,), (v.itemsize,))
            for v in self.fields.values()
        )

    @functools.cached_property
    def strides(self) -> npt.NDArray[np.int64]:
        """Layout of the flat arrays, (fields, 7).

        Steps to the next replica, line and column; then whether a field comes by itself (0), is the first of four side
        by side (1), or another of them (2); and for the first the numbers of the other three, counted from 1.
        """
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

    @functools.cached_property
    def arrays(self) -> DeviceArrays:
        """Fields, hidden states and tables as compiled kernels take them."""
        return DeviceArrays(self.flat, self.strides, self.hidden, tuple(self.tables.values()))

    def part(self, replicas: slice) -> Cells:
        """Return the devices of some replicas."""
        fields, tables = (
            {name: values[replicas] for name, values in each.items()} for each in (self.fields, self.tables)
        )
        return Cells(self.model, fields, tables, self.hidden[replicas])

    def broadcast(self, shape: tuple[int, ...]) -> dict[str, Floats]:
        """Return every field in the shape of the state, and every table in that shape with its own axes behind."""
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


ADDRESSES = 2**31
"""Words that kernels can address from the first cross-point of a replica: they gather with signed 32-bit offsets."""


def check_addresses(name: str, lines: int, columns: int, fields: int = 1) -> None:
    """Raise InvalidValue if an array of lines × columns cross-points, its fields side by side, is too large."""
    if lines * columns * max(1, fields) > ADDRESSES:
        raise InvalidValue(
            f"{name}: {lines} lines and {columns} columns with {fields} drawn numbers a cross-point exceed the "
            f"{ADDRESSES} numbers that kernels can address; give rpu.replace(tile=(4096, 4096)), which spreads a layer "
            "over several crossbars"
        )


def _step(values: Floats) -> int:
    """Return the step from a number to the next along the last axis, in numbers: fields may lie side by side."""
    return values.strides[-1] // values.itemsize


@dataclasses.dataclass(frozen=True)
class Drive:
    """Settings of the pulse trains of an update, P(A = 1) = min(1, C_x|x|) and P(B = 1) = min(1, C_δ|δ|).

    Attributes:
        x_gain: C_x of each replica, (R,); with length management those of one slot, whose product is η/Δ.
        d_gain: C_δ of each replica, (R,).
        length: slots of a train, BL; with length management the most that it may have.
        managed: whether update management balances the two sides of each vector.
        length_managed: whether each vector has as many slots as it needs, with both sides balanced.
        deterministic: whether lines send the rounded number of pulses in slots that `mho.kernels.patterns` chooses.
    """

    x_gain: Floats
    d_gain: Floats
    length: int
    managed: bool = False
    length_managed: bool = False
    deterministic: bool = False


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Layout of patches on maps of one size: pairs of (height, width)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    corner: tuple[int, int]
    """Zeros above and left of the map."""
    out: tuple[int, int]

    @functools.cached_property
    def numbers(self) -> PatchGeometry:
        """Return the layout as kernels take it."""
        return PatchGeometry(*self.kernel, *self.stride, *self.dilation, *self.corner, self.out[1])


def gather_patches(maps: Floats, geometry: Geometry, *, bias: bool, out: Floats | None = None) -> Floats:
    """Return the patches of maps (B, C, H, W) as vectors (B, L, N), with `bias` a last column of ones."""
    batch, channels = maps.shape[:2]
    count = geometry.out[0] * geometry.out[1]
    if out is None:
        out = np.empty((batch, count, channels * geometry.kernel[0] * geometry.kernel[1] + bias), np.float32)
    gather(maps, geometry, out, bias=bias)()
    return out


def scatter_patches(vectors: Floats, maps: Floats, geometry: Geometry) -> None:
    """Add errors of patches (B, L, N) to maps (B, C, H, W): the adjoint of `gather_patches`."""
    scatter(vectors, maps, geometry)()


# Steps of graphs: what they read and write is given once --------------------------------------------


def gather(maps: Floats, geometry: Geometry, out: Floats, *, bias: bool) -> Call:
    """Plan `gather_patches` into `out` (B, L, N)."""
    return plain("patches", "gather_patches", len(maps), out.size, maps, out, geometry.numbers, bias)


def scatter(vectors: Floats, maps: Floats, geometry: Geometry) -> Call:
    """Plan `scatter_patches`."""
    return plain("patches", "scatter_patches", len(maps), vectors.size, vectors, maps, geometry.numbers)


def copy_columns(values: Floats, out: Floats) -> Call:
    """Plan to copy the columns that values (n, k) and out (n, m) share."""
    return plain("digital", "copy_columns", len(values), values.size, values, out)


def add(values: Floats, out: Floats) -> Call:
    """Add values to out, of one size."""
    return plain("digital", "add", 1, values.size, values.reshape(-1), out.reshape(-1))


def clear(values: Floats) -> Call:
    """Set all to 0."""
    return plain("digital", "clear", 1, values.size, values.reshape(-1))


def stretch(values: Floats, factors: Floats, out: Floats) -> Call:
    """Plan out (R, T, n) = values (R, T, n) times factors (R, n)."""
    return plain("digital", "stretch", len(values) * values.shape[1], values.size, values, factors, out)


def shrink(values: Floats, factors: Floats, out: Floats) -> Call:
    """Plan out (R, T, n) = values (R, T, n) divided by factors (R, n), none of which is 0."""
    return plain("digital", "shrink", len(values) * values.shape[1], values.size, values, factors, out)


def bend(slope: Slope, errors: Floats, y: Floats, out: Floats) -> Call:
    """Plan out = errors times the slope of a function where its value is y; all of one size."""
    flat = (array.reshape(-1) for array in (errors, y, out))
    return plain("digital", f"slope_{slope}", 1, y.size, *flat)


def normalise(x: Floats, d: Floats, means: Means, vectors: int, new_x: Floats, new_d: Floats) -> Call:
    """Plan to divide x and δ by running means of their largest sizes, which are updated vector after vector.

    Args:
        x: (R, T, N).
        d: δ (R, T, M).
        means: of the largest |x|, of the largest |δ|, and over how many vectors.
        vectors: over how many they are taken at most.
        new_x: takes x over its mean.
        new_d: takes δ over its mean.
    """
    return plain("digital", "normalise", len(x), x.size + d.size, x, d, means, vectors, new_x, new_d)


def plain(module: str, entry: str, lines: int, work: int, *arguments: Any, number: Counts | None = None) -> Call:
    """Return a call of a kernel of `mho.kernels.cpu` that counts nothing."""
    return Call(compiler.load(f"mho.kernels.cpu.{module}", entry), lines, work, NO_COUNTS, arguments, number)


@dataclasses.dataclass(frozen=True)
class Pooling:
    """Layout of a pooling window on maps: pairs of (height, width)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    out: tuple[int, int]

    @functools.cached_property
    def numbers(self) -> tuple[int, ...]:
        """Return the window in the order in which kernels take it."""
        return (*self.kernel, *self.stride, *self.padding, *self.out)


def cross_entropy(
    logits: Floats, labels: npt.NDArray[np.int64], losses: npt.NDArray[np.float64], errors: Floats
) -> None:
    """Write the mean of -log softmax at the label over each replica's batch, and δ = -∂loss/∂logits.

    Args:
        logits: (R, B, classes).
        labels: (R, B).
        losses: takes the means, (R,): NaN where a label is not a class.
        errors: takes δ, (R, B, classes).
    """
    kernel = compiler.load("mho.kernels.cpu.losses", "cross_entropy")
    kernel(0, len(logits), NO_COUNTS, logits, labels, losses, errors)


def max_pool(maps: Floats, window: Pooling, out: Floats, chosen: npt.NDArray[np.int32], *, last: bool) -> Call:
    """Plan the largest of each window of maps (B, C, H, W), or (B, H, W, C) with `last`, into out (B, C, H', W').

    `chosen`, of the same shape, takes the place y·W + x of each; of equal numbers the first counts, as in torch.
    """
    return plain("pooling", "max_pool", len(maps), maps.size, maps, out, chosen, window.numbers, last)


def max_unpool(errors: Floats, chosen: npt.NDArray[np.int32], maps: Floats, *, last: bool) -> Call:
    """Plan to add errors (B, C, H', W') to the chosen places of maps: the adjoint of `max_pool`."""
    return plain("pooling", "max_unpool", len(maps), maps.size, errors, chosen, maps, last)


def mean_pool(maps: Floats, window: Pooling, out: Floats, *, last: bool, count_padding: bool) -> Call:
    """Plan the mean of each window, as `max_pool`; windows over an edge are divided by what lies inside, or by all."""
    return plain("pooling", "mean_pool", len(maps), maps.size, maps, out, window.numbers, last, count_padding)


def mean_unpool(errors: Floats, window: Pooling, maps: Floats, *, last: bool, count_padding: bool) -> Call:
    """Plan to add errors to the windows of maps: the adjoint of `mean_pool`."""
    return plain("pooling", "mean_unpool", len(maps), maps.size, errors, maps, window.numbers, last, count_padding)
