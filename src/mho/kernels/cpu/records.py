"""Records that compiled kernels make for their helpers; shapes as in `mho.kernels.records`.

A record costs nothing in a kernel: its fields are plain numbers and arrays to LLVM.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class ReadScratch(NamedTuple):
    """Memory of a read for a chunk of vectors.

    Attributes:
        sums: products of weights and inputs, flat, `padded` float32 numbers per vector.
        padded: outputs of a vector, filled up to whole vectors of lanes.
        panel: weights of a block with outputs side by side, flat float32.
        seen: outputs of a vector behind noise, bound and converter, (padded,) float32.
        driven: numbers of the lines that a backward read drives, (P,) uintp.
        scaled: inputs behind the input stage, (1, chunk, inputs) float32.
        scales: s of each vector, (chunk,) float32.
        keys: keys of each vector, (4, chunk) uint32.
        beyond: for each output of a vector, in how many vectors it lies beyond the bound, (padded,) int32; (1,) where
            reads are finished vector by vector.
    """

    sums: Any
    padded: Any
    panel: Any
    seen: Any
    driven: Any
    scaled: Any
    scales: Any
    keys: Any
    beyond: Any


class ReadVector(NamedTuple):
    """One vector of a read.

    Attributes:
        replica: number of its replica.
        t: its place among the vectors of the replica.
        first: number of the replica's first vector.
        scale: s, the largest |input| under noise management, else 1; 0: no line is driven.
        key_0: first key word of its noise.
        key_1: second key word of its noise.
        summed: True if `sums` holds its products already.
        sums: its products, (padded,) float32.
        scaled: its inputs behind the input stage, (inputs,) float32.
    """

    replica: Any
    t: Any
    first: Any
    scale: Any
    key_0: Any
    key_1: Any
    summed: Any
    sums: Any
    scaled: Any


class TrainSides(NamedTuple):
    """Trains of an update as `LineLists`: of the columns, driven by x, and of the rows, driven by δ."""

    columns: Any
    rows: Any


class TrainScratch(NamedTuple):
    """Memory of the drawing of trains for a chunk of vectors.

    Attributes:
        work: notes of the listed lines, column behind column, uint32.
        keys: key words of each vector, (4, chunk) uint32: two for the columns, two for the rows.
        gains: C_x and C_δ of each vector, (2, chunk) float32.
        lengths: for each vector, (2, chunk) uint32: slots of its trains, and the bits of the slots in the current word.
    """

    work: Any
    keys: Any
    gains: Any
    lengths: Any


class TrainSide(NamedTuple):
    """One side of an update, columns or rows, of one replica.

    Attributes:
        drive: x or δ of all vectors, flat float32 seen as uint32.
        lines: takes the lists, flat uint32: L lines, then L words.
        extents: takes where each list begins and how many lines it has, (T·W, 2) int64.
        values: numbers of a vector.
        width: physical lines: `values` times the trains of a number.
        first: place of the first vector in `drive`.
    """

    drive: Any
    lines: Any
    extents: Any
    values: Any
    width: Any
    first: Any


class TrainWord(NamedTuple):
    """A word of slots of the trains of one side.

    Attributes:
        slots: slots of this word, 1 to 32.
        most: the largest number of them that a vector sends.
        noting: True if `noted` is used.
        noted: for each vector the bits of the slots that it sends; for deterministic trains the length of its train.
        deterministic: as in `TrainDrive`.
        patterns: as in `TrainDrive`.
        side: 0 for columns, 1 for rows.
        word: number of the word.
    """

    slots: Any
    most: Any
    noting: Any
    noted: Any
    deterministic: Any
    patterns: Any
    side: Any
    word: Any


class Key(NamedTuple):
    """Key that names the draws of a vector.

    Attributes:
        word_0: first key word, uint32.
        word_1: second key word, uint32.
    """

    word_0: Any
    word_1: Any


class LineDrive(NamedTuple):
    """Numbers of a vector that drive neighbouring lines.

    Attributes:
        values: x or δ, flat float32 seen as uint32.
        at: place in `values` of the number that drives the first line.
        size: how many lines.
        gain: C_x or C_δ of the vector, a float32 seen as uint32.
        line: number of the first line.
    """

    values: Any
    at: Any
    size: Any
    gain: Any
    line: Any


class PulseList(NamedTuple):
    """List of lines that pulse, or of cross-points that coincide, from two places in flat memory on.

    Attributes:
        words: memory of the list, flat uint32.
        numbers: where in `words` the numbers of the lines or cross-points begin; a highest bit that is set says that
            the line is driven by a negative value, or the cross-point pulsed down.
        slots: where in `words` their bits begin, a word each: one bit per slot, set where there is a pulse.
    """

    words: Any
    numbers: Any
    slots: Any


class FlatMatrix(NamedTuple):
    """Matrix in flat memory: number j of row i stands at at + i·step + j.

    Attributes:
        numbers: flat float32.
        at: where in `numbers` row 0 begins.
        step: numbers from the beginning of a row to that of the next.
    """

    numbers: Any
    at: Any
    step: Any


class Places(NamedTuple):
    """Numbers of the trains of some vectors.

    Attributes:
        first: number of the first vector.
        step: from a vector to the next.
        end: how many trains have their lists before these in memory.
    """

    first: Any
    step: Any
    end: Any


class MapSizes(NamedTuple):
    """Sizes of maps and of their patches.

    Attributes:
        channels: C.
        height: H in pixels.
        width: W in pixels.
        vectors: patches of an image, L.
        columns: numbers of a patch, a bias column included, N.
    """

    channels: Any
    height: Any
    width: Any
    vectors: Any
    columns: Any


class ScatterRoom(NamedTuple):
    """Memory of a scatter.

    Attributes:
        frame: sums of an image, flat float32.
        transposed: errors with patches side by side, flat float32.
        runs: runs of a row of the kernel, (kw, 4) int64, see `mho.kernels.cpu.patches.set_sums`.
    """

    frame: Any
    transposed: Any
    runs: Any


class ScatterForm(NamedTuple):
    """Layout of a scatter, in numbers.

    Attributes:
        width: length of a line of `ScatterRoom.transposed`.
        beside: zeros at each side of a line.
        step: step from an element of a run to the element before it.
        runs: how many runs a row of the kernel has.
    """

    width: Any
    beside: Any
    step: Any
    runs: Any


class MoveScratch(NamedTuple):
    """Memory of an update for lists of cross-points that coincide.

    Attributes:
        lanes: weights, fields and hidden states of the listed cross-points, slot behind slot, flat float32.
        items: notes of the listed coincidences, note behind note, flat uint32.
        stamps: for each cross-point of a block the number of the list that last had it, uint32.
        few_lanes: as `lanes`, for cross-points with several coincidences.
        few_items: as `items`, for cross-points with several coincidences.
        chosen: places of the cross-points with several coincidences in the whole list, int64.
    """

    lanes: Any
    items: Any
    stamps: Any
    few_lanes: Any
    few_items: Any
    chosen: Any


class Devices(NamedTuple):
    """Devices of one replica.

    Attributes:
        replica: its number.
        weights: weights that reads see, flat (P·N,) float32.
        fields: as in `mho.kernels.records.DeviceArrays`, of all replicas.
        strides: as in `mho.kernels.records.DeviceArrays`.
        hidden: hidden states of all replicas, flat float32.
        tables: as in `mho.kernels.records.DeviceArrays`, of all replicas.
    """

    replica: Any
    weights: Any
    fields: Any
    strides: Any
    hidden: Any
    tables: Any


class Sides(NamedTuple):
    """Trains of one replica.

    Attributes:
        x_lines: lists of the columns, flat uint32: L lines, then L words.
        x_extents: where each list begins and how many lines it has, (T·W, 2) int64.
        d_lines: lists of the rows, flat uint32.
        d_extents: extents of the lists of the rows, (T·W, 2) int64.
        columns: columns of the array, N.
    """

    x_lines: Any
    x_extents: Any
    d_lines: Any
    d_extents: Any
    columns: Any


class Stream(NamedTuple):
    """Stream of the moves of one replica.

    Attributes:
        key_0: first word of the stream's key.
        key_1: second word.
        first: number of the first vector.
        words: trains of a vector, W.
    """

    key_0: Any
    key_1: Any
    first: Any
    words: Any


class Trains(NamedTuple):
    """Trains that are applied.

    Attributes:
        begin: first train.
        end: the train behind the last.
        keys: keys of the moves of each train, (4, T·W) uint32.
        cursors: place of the next row of each train in its list, (T·W,) int64.
    """

    begin: Any
    end: Any
    keys: Any
    cursors: Any


class Listed(NamedTuple):
    """Pending list of coincidences of a block.

    Attributes:
        train: the train whose coincidences were listed last.
        begin: where they begin in the list.
        found: length of the list.
        number: number of the list, by which it stamps its cross-points.
        base: number of the block's first cross-point.
    """

    train: Any
    begin: Any
    found: Any
    number: Any
    base: Any
