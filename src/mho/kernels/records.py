"""Records that compiled kernels take: named tuples, which Numba keeps as plain numbers and arrays.

Shapes: R replicas, T vectors, P lines, M outputs, N inputs, W words of 32 slots a vector. Records that kernels
make for their helpers stand in `mho.kernels.cpu.records`.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Reading(NamedTuple):
    """A read: its stream, its circuit, and where it counts.

    Attributes:
        keys: of the stream, (R, 2) uint32.
        circuit: (R, 5) float32, a row in the order of `mho.kernels.circuit`.
        backward: whether lines are driven and columns read.
        noise_management: whether inputs are scaled by their largest.
        halvings: how often bound management may halve the inputs; 0: no bound management.
        clipped_slot: counter of clipped outputs.
        halvings_slot: counter of halvings.
    """

    keys: Any
    circuit: Any
    backward: Any
    noise_management: Any
    halvings: Any
    clipped_slot: Any
    halvings_slot: Any


class LineLists(NamedTuple):
    """Pulse trains of one side: for each train the lines that pulse.

    Lists follow one another closely: few lines pulse, and what is not written needs no place in a cache.

    Attributes:
        lines: (R, 2, L) uint32: numbers of lines in ascending order, with the highest bit set where the line is driven
            by a negative value; and the bits of the slots in which each pulses.
        extents: (R, T·W, 2) int64: where the list of each train begins, and how many lines it has.
    """

    lines: Any
    extents: Any


class TrainDrive(NamedTuple):
    """Settings of pulse trains (`mho.kernels.ops.Drive`), as kernels take them.

    Attributes:
        x_gain: C_x, (R,) float32.
        d_gain: C_δ, (R,) float32.
        length: slots of a train, BL.
        managed: whether update management balances the two sides of each vector.
        length_managed: whether each vector has as many slots as it needs.
        deterministic: whether the number of pulses is rounded, and not drawn.
        patterns: trains of deterministic lines, as `mho.kernels.patterns.packed` has them.
        keys: of the stream, (R, 2) uint32.
        copies: devices of a weight, each with its own train of d.
    """

    x_gain: Any
    d_gain: Any
    length: Any
    managed: Any
    length_managed: Any
    deterministic: Any
    patterns: Any
    keys: Any
    copies: Any


class DeviceArrays(NamedTuple):
    """Devices of a bank beside the state that reads see.

    Attributes:
        fields: of the law, each a flat float32 array.
        strides: how they lie, (fields, 7), as `mho.kernels.ops.Cells.strides`.
        hidden: (R, H, P, N) float32: what reads do not see.
        tables: of the law, each (R, P·N, ...).
    """

    fields: Any
    strides: Any
    hidden: Any
    tables: Any


class PulseStream(NamedTuple):
    """Stream of the moves of an update, and the vectors whose trains are applied.

    Attributes:
        keys: of the stream, (R, 2) uint32.
        words: trains of a vector, W.
        span: the first vector that counts, and the one behind the last, (2,) int64.
    """

    keys: Any
    words: Any
    span: Any


class Window(NamedTuple):
    """Vectors of an update that each column takes part in, read at each run.

    Attributes:
        begin: first vector of each column, (N,) int64.
        end: the vector behind its last, (N,) int64.
        span: the first vector of all columns, and the one behind the last, (2,): nothing beyond is looked at.
    """

    begin: Any
    end: Any
    span: Any


class Events(NamedTuple):
    """Where a halt writes its events.

    Attributes:
        following: number of the event that comes next, (1,); counted on by K.
        columns: takes the columns that halt, (K,).
        numbers: takes the numbers of their events, (K,).
        vector: takes how many vectors there have been at the last of them, (1,).
    """

    following: Any
    columns: Any
    numbers: Any
    vector: Any


class Chopping(NamedTuple):
    """When the signs of columns change, for each replica.

    Attributes:
        probability: of a change after a reading, (R,) float32; 0: signs stay.
        period: readings from one change to the next, (R,) int64; 0 where changes are drawn.
        keys: of the draws, (R, 2) uint32.
    """

    probability: Any
    period: Any
    keys: Any


class Signs(NamedTuple):
    """Signs of columns.

    Attributes:
        sign: +1 or -1, (R, N) float32.
        age: readings since its last change, (R, N) float32.
    """

    sign: Any
    age: Any


class Means(NamedTuple):
    """Running means of the largest sizes of vectors.

    Attributes:
        x: of the largest |x|, (R,) float32.
        d: of the largest |δ|, (R,) float32.
        seen: over how many vectors, (R,) float32.
    """

    x: Any
    d: Any
    seen: Any


class LstmMemory(NamedTuple):
    """Memory cells of an LSTM, (S, H) each: c, c' = f·c + i·g, and tanh c'."""

    c: Any
    new_c: Any
    tanh_c: Any


class LstmErrors(NamedTuple):
    """Errors that come back to a step of an LSTM, (S, H) each: δ of h, and δ of c'."""

    h: Any
    new_c: Any


class GruErrors(NamedTuple):
    """Errors that a step of a GRU sends back: δ of given and of answer (S, 3H), and δ of h (S, H) beside the matrix."""

    given: Any
    answer: Any
    past: Any


class PatchGeometry(NamedTuple):
    """Layout of patches on maps: kernel (kh, kw), stride (sh, sw), dilation (dh, dw), padding, output columns."""

    kh: Any
    kw: Any
    sh: Any
    sw: Any
    dh: Any
    dw: Any
    top: Any
    left: Any
    across: Any
