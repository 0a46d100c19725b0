"""Records that compiled kernels take: named tuples, which Numba keeps as plain numbers and arrays.

Shapes: R replicas, T vectors, P lines, M outputs, N inputs, W words of 32 slots per vector. Records that kernels
make for their helpers stand in `mho.kernels.cpu.records`.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Reading(NamedTuple):
    """A read: its stream, its circuit, and where it counts.

    Attributes:
        keys: keys of the stream that names the noise, (R, 2) uint32.
        circuit: numbers of the circuit, (R, 5) float32, in the order of `mho.kernels.circuit`.
        backward: True if rows are driven and columns read.
        noise_management: True if the inputs of a vector are divided by the largest |input|.
        halvings: how often bound management may halve the inputs; 0: no bound management.
        clipped_slot: column of `counts` for clipped outputs.
        halvings_slot: column of `counts` for halvings.
    """

    keys: Any
    circuit: Any
    backward: Any
    noise_management: Any
    halvings: Any
    clipped_slot: Any
    halvings_slot: Any


class LineLists(NamedTuple):
    """Pulse trains of one side, rows or columns: for each train the list of lines that pulse.

    Lists follow one another closely: few lines pulse, and memory that is not written takes no room in a cache.

    Attributes:
        lines: (R, 2, L) uint32. lines[:, 0] are numbers of lines, ascending within a list, with the highest bit set if
            the line is driven by a negative value; lines[:, 1] the bits of the slots in which the line pulses.
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
        managed: True if update management balances the two sides of each vector.
        length_managed: True if each vector has as many slots as it needs.
        deterministic: True if the number of pulses is rounded instead of drawn.
        patterns: trains of deterministic lines, from `mho.kernels.patterns.packed`.
        keys: keys of the stream, (R, 2) uint32.
        copies: devices of a weight, each with its own train of δ.
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
    """Fields, hidden states and tables of the devices of a bank.

    Attributes:
        fields: fields of the law, a tuple of flat float32 arrays.
        strides: layout of the fields, (fields, 7) int64, see `mho.kernels.ops.Population.strides`.
        hidden: states that reads do not see, (R, H, P, N) float32.
        tables: tables of the law, a tuple of (R, P·N, ...) float32.
    """

    fields: Any
    strides: Any
    hidden: Any
    tables: Any


class PulseStream(NamedTuple):
    """Stream of the moves of an update, and the vectors whose trains are applied.

    Attributes:
        keys: keys of the stream, (R, 2) uint32.
        words: trains of a vector, W.
        span: the first vector that is applied, and the vector behind the last, (2,) int64; read at each run.
    """

    keys: Any
    words: Any
    span: Any


class Window(NamedTuple):
    """Vectors of an update that each column takes part in, read at each run.

    Attributes:
        begin: first vector of each column, (N,) int64.
        end: the vector behind the last of each column, (N,) int64.
        span: the smallest `begin` and the largest `end`, (2,) int64; vectors outside are skipped.
    """

    begin: Any
    end: Any
    span: Any


class Events(NamedTuple):
    """Events of a halt, K of them.

    Attributes:
        following: number of the next event, (1,) int64; a halt adds K.
        columns: takes the columns that halt, (K,) int64.
        numbers: takes the numbers of their events, (K,) int64.
        vector: takes how many vectors the array has had at the last of them, (1,) int64.
    """

    following: Any
    columns: Any
    numbers: Any
    vector: Any


class Chopping(NamedTuple):
    """Choppers of the replicas: when the signs of columns change.

    Attributes:
        probability: probability of a change per reading, (R,) float32, 0 to 1; 0: signs stay.
        period: readings from a change to the next, (R,) int64; 0: changes are drawn.
        keys: keys of the draws, (R, 2) uint32.
    """

    probability: Any
    period: Any
    keys: Any


class Signs(NamedTuple):
    """Signs of columns, which choppers change.

    Attributes:
        sign: +1 or -1, (R, N) float32.
        age: readings since the last change of the sign, (R, N) float32.
    """

    sign: Any
    age: Any


class Means(NamedTuple):
    """Running means of the largest |x| and the largest |δ| of vectors.

    Attributes:
        x: mean of the largest |x|, (R,) float32.
        d: mean of the largest |δ|, (R,) float32.
        seen: number of vectors in the means, (R,) float32.
    """

    x: Any
    d: Any
    seen: Any


class LstmMemory(NamedTuple):
    """Memory of an LSTM, (S, H) float32 each: c of the time step before, c' = f·c + i·g, and tanh c'."""

    c: Any
    new_c: Any
    tanh_c: Any


class LstmErrors(NamedTuple):
    """Errors that come back to a time step of an LSTM, (S, H) float32 each: δ of h, and δ of c'."""

    h: Any
    new_c: Any


class GruErrors(NamedTuple):
    """Errors that a time step of a GRU sends back, float32.

    Attributes:
        given: δ of the answer of the input array, (S, 3H).
        answer: δ of the answer of the recurrent array, (S, 3H).
        past: δ of h past the recurrent array, (S, H).
    """

    given: Any
    answer: Any
    past: Any


class PatchGeometry(NamedTuple):
    """Layout of patches on maps, in pixels; see `mho.kernels.feature_maps.Geometry`.

    Attributes:
        kh: height of the kernel.
        kw: width of the kernel.
        sh: stride, down.
        sw: stride, across.
        dh: dilation, down.
        dw: dilation, across.
        top: zeros above the map.
        left: zeros left of the map.
        across: patches in a row.
    """

    kh: Any
    kw: Any
    sh: Any
    sw: Any
    dh: Any
    dw: Any
    top: Any
    left: Any
    across: Any
