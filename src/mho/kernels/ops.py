"""Records that describe an array to a back end, and the digital operations between arrays.

Shapes: R replicas, T vectors, M outputs, N inputs, P = M·devices physical lines. All floats are float32 and
C-contiguous. The digital operations count nothing. Each returns a Call: its buffers are bound once, and every run reads
what lies in them then.
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
from mho.kernels.circuit import INPUT_BOUND, INPUT_STEP
from mho.kernels.records import DeviceArrays, Means

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]
VECTORS = "digital.vectors"
Slope = Literal["tanh", "sigmoid", "relu"]
"""Functions whose derivative follows from their value."""
NO_COUNTS = np.zeros((0, count.SIZE), np.int64)
"""The counters of kernels that count nothing."""


@final
@dataclasses.dataclass(frozen=True)
class Circuit:
    """Circuit of a read, in the units of the array's inputs and outputs (see `mho.Read`).

    Source: T. Gokmen, M. Onen, W. Haensch 2017, arXiv 1705.08014: noise σ, bound α, noise and bound management.

    Attributes:
        numbers: (R, 5), for each replica: noise, output bound, input bound, input step, output step, as
            `mho.kernels.circuit` numbers them; a step of 0 is no converter.
        noise_management: True if the inputs of a vector are divided by the largest |input|.
        halvings: how often bound management may halve the inputs; 0: no bound management.
        blas: True if the BLAS of NumPy forms the products, in an order of its own.
    """

    numbers: Floats
    noise_management: bool
    halvings: int
    blas: bool = False

    def part(self, replicas: slice) -> Circuit:
        """Return the circuit of the replicas in this slice."""
        return dataclasses.replace(self, numbers=self.numbers[replicas])

    @property
    def linear(self) -> bool:
        """Return True if no input stage clips or rounds."""
        return bool((np.isinf(self.numbers[:, INPUT_BOUND]) & (self.numbers[:, INPUT_STEP] == 0)).all())


@dataclasses.dataclass(frozen=True)
class Population:
    """Devices of a bank as kernels take them: their law, fields and tables, and the states that reads do not see.

    Attributes:
        model: the law, and the hooks beside it.
        fields: by name, each (R, P, N), or (R, 16) copies of one number where cross-points do not differ.
        tables: by name, each (R, P·N, ...), on the memory of a single table where cross-points do not differ.
        hidden: (R, H, P, N), in the order of `model.hidden`.
    """

    model: DeviceModel
    fields: dict[str, Floats]
    tables: dict[str, Floats]
    hidden: Floats

    def kernel(self, template: str, entry: str) -> Any:
        """Return the function `entry` of the module `template`, compiled with this law and its hooks.

        Raises:
            LawError: if the law cannot be compiled.
        """
        return compiler.load(template, entry, self.model, tuple(self.fields), tuple(self.tables))

    def calling(self, *called: str) -> Population:
        """Return the devices for a kernel that calls only these hooks.

        Effects that fill none of them are left out, and so are their fields, unless the law reads them. So devices that
        differ only in what such a kernel does not look at share its code.
        """
        if called not in self._calling:
            model, unused = self.model.calling(*called), self.model.unused_fields(*called)
            fields = {name: values for name, values in self.fields.items() if name not in unused}
            self._calling[called] = dataclasses.replace(self, model=model, fields=fields)
        return self._calling[called]

    @functools.cached_property
    def _calling(self) -> dict[tuple[str, ...], Population]:
        """Answers that `calling` has given, by the names of the hooks."""
        return {}

    def explain(self, error: Any) -> LawError:
        """Return the LawError that says in the user's terms what the compiler has refused."""
        return LawError(explain(self.model, error))

    @functools.cached_property
    def flat(self) -> tuple[Floats, ...]:
        """Return views of the fields as flat arrays, each from its first number to its last."""
        return tuple(
            np.lib.stride_tricks.as_strided(v, ((v.size - 1) * _step(v) + 1,), (v.itemsize,))
            for v in self.fields.values()
        )

    @functools.cached_property
    def strides(self) -> npt.NDArray[np.int64]:
        """Return the layout of the flat arrays, (fields, 7) int64.

        Columns 0 to 2 are the steps to the next replica, line and column, in numbers. Column 3 is 0 for a field with
        memory of its own, 1 for the first of four fields interleaved in memory, 2 for the other three of them. Columns
        4 to 6 of the first name the other three, counted from 1. Kernels load four interleaved fields at once.
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
        """Return fields, hidden states and tables as compiled kernels take them."""
        return DeviceArrays(self.flat, self.strides, self.hidden, tuple(self.tables.values()))

    def part(self, replicas: slice) -> Population:
        """Return the devices of the replicas in this slice."""
        fields = {name: values[replicas] for name, values in self.fields.items()}
        tables = {name: values[replicas] for name, values in self.tables.items()}
        return Population(self.model, fields, tables, self.hidden[replicas])

    def broadcast(self, shape: tuple[int, ...]) -> dict[str, Floats]:
        """Return every field in the shape (R, P, N) of the state, and every table in that shape plus its own axes."""
        fields = {name: v if v.ndim == 3 else np.broadcast_to(v[:, :1, None], shape) for name, v in self.fields.items()}
        return fields | {name: v.reshape(*shape, *v.shape[2:]) for name, v in self.tables.items()}


def stuck_devices(model: DeviceModel, fields: dict[str, Floats]) -> npt.NDArray[np.bool_] | None:
    """Return which devices never move.

    Args:
        model: the law and its hooks; a hook `holds` says which devices never move.
        fields: by name, all of one shape.

    Returns:
        Booleans in the shape of the fields; None if no hook holds any device.
    """
    hooks: Any = model.filling("holds")
    if not hooks:
        return None
    mask = np.zeros(np.shape(fields["w_max"]), np.bool_)
    for hook in hooks:
        try:
            mask |= hook.holds(hook_record(hook, SimpleNamespace(**fields)))
        except ValueError:  # a hook is written for a single device: its `if` cannot take an array
            for index in np.ndindex(mask.shape):
                device = SimpleNamespace(**{name: values[index] for name, values in fields.items()})
                mask[index] |= bool(hook.holds(hook_record(hook, device)))
    return mask


ADDRESSES = 2**31
"""Words that kernels can address from the first cross-point of a replica: they gather with signed 32-bit offsets."""


def check_addresses(name: str, lines: int, columns: int, fields: int = 1) -> None:
    """Raise InvalidValue if kernels cannot address the array.

    Args:
        name: name of the array, for the message.
        lines: physical lines P of a replica.
        columns: N.
        fields: numbers of a cross-point that lie side by side in memory.
    """
    if lines * columns * max(1, fields) > ADDRESSES:
        raise InvalidValue(
            f"{name}: {lines} lines and {columns} columns with {fields} drawn numbers per cross-point exceed the "
            f"{ADDRESSES} numbers that kernels can address; give rpu.replace(tile=(4096, 4096)), which spreads a layer "
            "over several crossbars"
        )


def _step(values: Floats) -> int:
    """Return the step along the last axis in numbers: more than 1 where fields are interleaved."""
    return values.strides[-1] // values.itemsize


@dataclasses.dataclass(frozen=True)
class Drive:
    """Settings of the pulse trains of an update, P(A = 1) = min(1, C_x|x|) and P(B = 1) = min(1, C_δ|δ|).

    Source: T. Gokmen, Y. Vlasov 2016, arXiv 1603.07341, stochastic update; T. Gokmen, M. Onen, W. Haensch 2017,
    arXiv 1705.08014, update management.

    Attributes:
        x_gain: C_x of each replica, (R,) in 1 per unit of x; with length management the gain of a single slot, such
            that C_x·C_δ = η/Δ.
        d_gain: C_δ of each replica, (R,) in 1 per unit of δ.
        length: slots of a train, BL; with length management the largest number of slots.
        managed: True if update management balances the two sides of each vector.
        length_managed: True if each vector has as many slots as it needs, with both sides balanced.
        deterministic: True if lines send the rounded number of pulses in slots that `mho.kernels.patterns` chooses.
    """

    x_gain: Floats
    d_gain: Floats
    length: int
    managed: bool = False
    length_managed: bool = False
    deterministic: bool = False


# Digital operations ----------------------------------------------------------------------------------


def copy_columns(values: Floats, out: Floats) -> Call:
    """Plan a copy of the columns that two matrices share.

    Args:
        values: (n, k).
        out: (n, m); its first min(k, m) columns are written.
    """
    return plain(VECTORS, "copy_columns", len(values), values.size, values, out)


def copy_rows(values: Floats, out: Floats) -> Call:
    """Plan the copy of rows to the vectors of an array, whose bias column is driven by 1.

    Args:
        values: (n, k).
        out: (n, m), m ≥ k; columns behind k are set to 1.
    """
    return plain(VECTORS, "copy_rows", len(values), values.size, values, out)


def add(values: Floats, out: Floats) -> Call:
    """Plan out += values, for arrays of equal size and any shape."""
    return plain(VECTORS, "add", 1, values.size, values.reshape(-1), out.reshape(-1))


def clear(values: Floats) -> Call:
    """Plan values = 0, for an array of any shape."""
    return plain(VECTORS, "clear", 1, values.size, values.reshape(-1))


def multiply_columns(values: Floats, factors: Floats, out: Floats) -> Call:
    """Plan the product of every column with its factor.

    Args:
        values: (R, T, n).
        factors: (R, n).
        out: takes values·factors, (R, T, n).
    """
    return plain(VECTORS, "multiply_columns", len(values) * values.shape[1], values.size, values, factors, out)


def divide_columns(values: Floats, factors: Floats, out: Floats) -> Call:
    """Plan the quotient of every column by its factor.

    Args:
        values: (R, T, n).
        factors: (R, n), none of them 0.
        out: takes values/factors, (R, T, n).
    """
    return plain(VECTORS, "divide_columns", len(values) * values.shape[1], values.size, values, factors, out)


def apply_slope(slope: Slope, errors: Floats, y: Floats, out: Floats) -> Call:
    """Plan the backward pass of an activation function, out = errors·f'(x), with f'(x) computed from y = f(x).

    Args:
        slope: which function.
        errors: δ behind the function, any shape.
        y: values of the function, as many numbers.
        out: takes δ before the function, as many numbers.
    """
    flat = (array.reshape(-1) for array in (errors, y, out))
    return plain(VECTORS, f"slope_{slope}", 1, y.size, *flat)


def normalise(x: Floats, d: Floats, means: Means, vectors: int, new_x: Floats, new_d: Floats) -> Call:
    """Plan to divide each vector by the running mean of the largest |x| and |δ|, updated vector after vector.

    Args:
        x: (R, T, N).
        d: δ, (R, T, M).
        means: running means, updated.
        vectors: number of vectors over which the means are taken, at most.
        new_x: takes x over its mean, (R, T, N); 0 as long as there is no mean.
        new_d: takes δ over its mean, (R, T, M); 0 as long as there is no mean.
    """
    return plain(VECTORS, "normalise", len(x), x.size + d.size, x, d, means, vectors, new_x, new_d)


def cross_entropy(
    logits: Floats, labels: npt.NDArray[np.int64], losses: npt.NDArray[np.float64], errors: Floats
) -> None:
    """Compute the cross-entropy loss -log softmax(logits)[label] of each replica and its errors δ = -∂loss/∂logits.

    Args:
        logits: (R, B, classes).
        labels: (R, B) int64, from 0 to classes - 1.
        losses: takes the mean over each replica's batch, (R,) float64; NaN where a label is not a class.
        errors: takes δ, (R, B, classes).
    """
    kernel = compiler.load("mho.kernels.cpu.digital.losses", "cross_entropy")
    kernel(0, len(logits), NO_COUNTS, logits, labels, losses, errors)


def plain(module: str, entry: str, lines: int, work: int, *arguments: Any, number: Counts | None = None) -> Call:
    """Return a call of a kernel of `mho.kernels.cpu` that counts nothing.

    Args:
        module: module of the kernel, inside `mho.kernels.cpu`.
        entry: name of the kernel.
        lines: independent parts that threads may share.
        work: numbers that the kernel passes over, by which a program decides how many threads it takes.
        arguments: arguments of the kernel, behind `start`, `stop` and `counts`.
        number: (1,) number of the first vector, for kernels that take it.
    """
    return Call(compiler.load(f"mho.kernels.cpu.{module}", entry), lines, work, NO_COUNTS, arguments, number)
