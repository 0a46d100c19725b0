"""Records that compiled kernels make for their helpers; shapes as in `mho.kernels.records`."""

from __future__ import annotations

from typing import Any, NamedTuple


class ReadScratch(NamedTuple):
    """Memory of a read for a chunk of vectors.

    Attributes:
        sums: flat, `padded` numbers a vector: the products of weights and inputs.
        padded: outputs of a vector, filled up to whole vectors of lanes.
        panel: weights of a block with outputs in lanes.
        seen: outputs of one vector behind noise, bound and converter.
        driven: numbers of the lines that a backward read drives.
        scaled: inputs behind the input stage, (1, chunk, inputs).
        scales: s of each vector.
        keys: of each vector, (4, chunk).
    """

    sums: Any
    padded: Any
    panel: Any
    seen: Any
    driven: Any
    scaled: Any
    scales: Any
    keys: Any


class ReadVector(NamedTuple):
    """One vector of a read.

    Attributes:
        replica: r.
        t: its place among the vectors of a replica.
        first: number of the first vector.
        scale: s, the largest of its inputs, or 1; 0: nothing is driven.
        key_0: of its noise.
        key_1: of its noise.
        summed: whether `sums` holds its products already.
        sums: (padded,).
        scaled: its inputs behind the input stage.
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
        work: what is noted of each listed line, column behind column, uint32.
        keys: of each vector, (4, chunk): two of the columns, two of the rows.
        gains: of each vector, (2, chunk) float32: of the columns, of the rows.
        lengths: of each vector, (2, chunk) uint32: slots of its trains, and the bits of those of one word.
    """

    work: Any
    keys: Any
    gains: Any
    lengths: Any


class TrainSide(NamedTuple):
    """One side of an update, columns or rows, of one replica.

    Attributes:
        drive: x or δ of all vectors, flat, as words.
        lines: takes the lists, flat, L lines and L words.
        extents: takes their places, (T·W, 2).
        values: numbers of a vector.
        width: physical lines, `values` times the devices of a weight.
        first: place of the first vector in `drive`.
    """

    drive: Any
    lines: Any
    extents: Any
    values: Any
    width: Any
    first: Any


class TrainWord(NamedTuple):
    """A word of slots that trains of one side have.

    Attributes:
        slots: of this word.
        most: the most of them that a vector sends.
        noting: whether `noted` matters.
        noted: of each vector, the bits of the slots that it sends; for deterministic trains all its slots.
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


class Places(NamedTuple):
    """Numbers of the trains of some vectors: the first, from one vector to the next, and behind the last."""

    first: Any
    step: Any
    end: Any


class MapSizes(NamedTuple):
    """Sizes of maps (C, H, W), and of their vectors: L vectors an image of N numbers, a bias column included."""

    channels: Any
    height: Any
    width: Any
    vectors: Any
    columns: Any


class ScatterRoom(NamedTuple):
    """Memory of a scatter: the frame of an image, errors with patches in lanes, and runs of a kernel's row."""

    frame: Any
    turned: Any
    runs: Any


class ScatterForm(NamedTuple):
    """Form of a scatter: numbers of a line of `turned`, zeros at its sides, step to the element before, and runs."""

    width: Any
    beside: Any
    step: Any
    runs: Any


class MoveScratch(NamedTuple):
    """Memory of an update for lists of cross-points that coincide.

    Attributes:
        lanes: weights, fields and hidden states of the listed cross-points, slot behind slot, float32.
        items: what is noted of each of them, note behind note, uint32.
        stamps: for each cross-point of a block the number of the list that last had it.
        few_lanes: as `lanes`, of those that coincide several times.
        few_items: as `items`, of those.
        chosen: their places in the whole list.
    """

    lanes: Any
    items: Any
    stamps: Any
    few_lanes: Any
    few_items: Any
    chosen: Any


class Devices(NamedTuple):
    """Devices of one replica: its number, the weights that reads see and hidden states, flat, and as `DeviceArrays`."""

    replica: Any
    weights: Any
    fields: Any
    strides: Any
    hidden: Any
    tables: Any


class Sides(NamedTuple):
    """Trains of one replica, as `LineLists` of columns and rows, and the columns of the array."""

    x_lines: Any
    x_extents: Any
    d_lines: Any
    d_extents: Any
    columns: Any


class Stream(NamedTuple):
    """Keys of one replica's stream, the number of the first vector, and trains of a vector."""

    key_0: Any
    key_1: Any
    first: Any
    words: Any


class Trains(NamedTuple):
    """Trains that are applied: from `begin` to `end`, with their keys (4, T·W) and places in the lists of lines."""

    begin: Any
    end: Any
    keys: Any
    cursors: Any


class Listed(NamedTuple):
    """Pending list of a block: where train `train` begins in it, its length, its number, the block's first cell."""

    train: Any
    begin: Any
    found: Any
    number: Any
    base: Any
