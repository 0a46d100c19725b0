"""The update cycle of a device law: every coincidence moves its cross-point, bounds kept in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.law import ROOM
from mho.kernels.cpu.bits import tile_keys
from mho.kernels.cpu.lists import append
from mho.kernels.cpu.moves import (
    ASIDE,
    ASIDE_BITS,
    BITS,
    CELL,
    INDEX,
    ITEMS,
    KEY_0,
    KEY_1,
    NEGATIVE,
    SLOTS,
    VECTOR,
    move,
)
from mho.random import BLOCKS_A_WORD, vector_keys

PIECE = 512  # lines looked at in one go
LISTED = 384  # cross-points from which a list is moved: it stays in the first-level cache
MANY = 64  # coincidences of one vector that are worth a list of their own
BLOCK = 32_768  # cross-points whose state and fields stay in the second-level cache


def update(
    start: Any,
    stop: Any,
    counts: Any,
    state: Any,
    fields: Any,
    strides: Any,
    hidden: Any,
    tables: Any,
    x_trains: Any,
    x_found: Any,
    d_trains: Any,
    d_found: Any,
    streams: Any,
    words: Any,
    span: Any,
    first: Any,
) -> None:
    """Apply the trains of the vectors of `span` (2,), one after another, to lines `start` to `stop` of R·P.

    state (R, P, N) float32; fields: one flat float32 array for each field of the law; strides (field, 7) say
    how they lie (`mho.kernels.ops.Cells.strides`); hidden (R, HIDDEN, P, N): what reads do not see; tables of the law,
    each (R, P·N, ...); trains as `trains` writes them, `words` a vector; streams (R, 2); first: number of
    the first vector of all, before which `span` does not begin.

    Coincidences are listed, and the cross-points of a list moved together in full vectors: whole blocks of columns
    take 1.1 to 3.9 times as long on LeNet, where one in six coincides. No list holds a cross-point twice, so each
    meets its vectors in order. Lines are taken in blocks, vector by vector.
    """
    lines, columns, vectors = state.shape[1], state.shape[2], x_found.shape[1]
    begin_train, end_train = span[0] * words, span[1] * words
    if not any_pulses(x_found, begin_train, end_train):
        return
    block = min(lines, max(1, BLOCK // columns))
    lanes = np.empty(SLOTS * ROOM, np.float32)
    items = np.empty(ITEMS, np.uint32)
    cursors = np.zeros(vectors, np.int64)
    keys = np.empty((4, vectors), np.uint32)
    stamps = np.zeros(block * columns if vectors > 1 else 1, np.uint32)
    scratch = (lanes, items, stamps, np.empty_like(lanes), np.empty_like(items), np.empty(ROOM, np.int64))
    number = 0
    q = start
    while q < stop:
        r, p = q // lines, q % lines
        end = min(lines, p + stop - q)
        stream = (streams[r, 0], streams[r, 1], np.uint64(first), words)
        pulse_keys(keys, stream, begin_train, end_train)
        cells = (r, state[r].reshape(-1), fields, strides, hidden.reshape(-1), tables)
        sides = (x_trains[r].reshape(-1), x_found[r], d_trains[r], d_found[r], columns)
        for t in range(begin_train, end_train):
            at = np.uintp(t)
            cursors[at] = d_found[r, at, 0]
            d_end = d_found[r, at, 0] + d_found[r, at, 1]
            while cursors[at] < d_end and (d_trains[r, 0, np.uintp(cursors[at])] & INDEX) < p:
                cursors[at] += 1
        for begin in range(p, end, block):
            number = update_block(
                counts[r], begin, min(begin + block, end), cells, sides, (cursors, begin_train, end_train), keys,
                stream, number, scratch,
            )  # fmt: skip
        q += end - p


def any_pulses(x_found: Any, begin: Any, end: Any) -> Any:
    """Return whether a column pulses in one of the trains from `begin` to `end`."""
    driven = np.int64(0)
    for r in range(x_found.shape[0]):
        for t in range(begin, end):
            driven += x_found[r, t, 1]
    return driven > 0


def pulse_keys(keys: Any, stream: Any, begin: Any, end: Any) -> None:
    """Keys of what each train from `begin` to `end` moves, as `tile_keys` writes them."""
    words = stream[3]
    if words == 1:
        tile_keys(keys, stream[0], stream[1], stream[2], begin, end, np.uint32(1))
    else:
        for t in range(begin, end):
            vector, block = np.uint64(stream[2] + np.uint64(t // words)), np.uint32(1 + BLOCKS_A_WORD * (t % words))
            drawn = vector_keys(stream[0], stream[1], vector, block)
            keys[0, np.uintp(t)], keys[1, np.uintp(t)] = drawn[0], drawn[1]


def update_block(
    counts: Any,
    start: Any,
    stop: Any,
    cells: Any,
    sides: Any,
    trains: Any,
    keys: Any,
    stream: Any,
    number: Any,
    scratch: Any,
) -> Any:
    """Lines `start` to `stop`; `trains` are the places in their lists of lines, and the first of them and their end.

    The pending list has stamp `number`; returns a number not yet used.
    """
    items, stamps = scratch[1], scratch[2]
    x_trains, x_found, d_trains, d_found, columns = sides
    cursors, begin_train, end_train = trains
    room = x_trains.size // 2
    base = np.uint32(start * columns)
    found = 0
    number += 1
    for t in range(begin_train, end_train):
        at = np.uintp(t)
        first, driven, cursor = x_found[at, 0], x_found[at, 1], cursors[at]
        d_end = d_found[at, 0] + d_found[at, 1]
        begin = found
        while cursor < d_end:
            signed = d_trains[0, np.uintp(cursor)]
            line, word = signed & INDEX, d_trains[1, np.uintp(cursor)]
            if line >= stop:
                break
            cursor += 1
            for piece in range(0, driven, PIECE):
                line_at = first + piece
                found += append(
                    items, CELL + found, BITS + found, x_trains, line_at, x_trains, line_at + room,
                    min(PIECE, driven - piece), word, word, np.uint32(line * columns), np.uint32(signed & NEGATIVE),
                )  # fmt: skip
                if found >= LISTED:
                    found = settle(counts, begin, found, t, base, number, cells, keys, stream, scratch)
                    move(counts, found, cells, stream, scratch)
                    found, begin = 0, 0
                    number += 1
        cursors[at] = cursor
        pending = settle(counts, begin, found, t, base, number, cells, keys, stream, scratch)
        if pending < found:
            begin = 0
            number += 1
        found = pending
        if found >= MANY or (found > 0 and t == end_train - 1):
            move(counts, found, cells, stream, scratch)
            found = 0
            number += 1
        else:
            for k in range(begin, found):
                stamps[np.uintp((items[np.uintp(CELL + k)] & INDEX) - base)] = np.uint32(number)
    return number


def settle(
    counts: Any,
    begin: Any,
    found: Any,
    t: Any,
    base: Any,
    number: Any,
    cells: Any,
    keys: Any,
    stream: Any,
    scratch: Any,
) -> Any:
    """Note the vector of the coincidences from `begin` on; if one is pending already, move what is pending first.

    Returns how many coincidences are pending then.
    """
    items, stamps = scratch[1], scratch[2]
    again = 0
    if begin > 0:
        for k in range(begin, found):
            again += stamps[np.uintp((items[np.uintp(CELL + k)] & INDEX) - base)] == np.uint32(number)
    if again > 0:
        found -= begin
        for k in range(found):  # moving writes behind the end of a list
            items[np.uintp(ASIDE + k)] = items[np.uintp(CELL + begin + k)]
            items[np.uintp(ASIDE_BITS + k)] = items[np.uintp(BITS + begin + k)]
        move(counts, begin, cells, stream, scratch)
        for k in range(found):
            items[np.uintp(CELL + k)] = items[np.uintp(ASIDE + k)]
            items[np.uintp(BITS + k)] = items[np.uintp(ASIDE_BITS + k)]
        begin = 0
    for k in range(begin, found):
        items[np.uintp(KEY_0 + k)] = keys[0, np.uintp(t)]
        items[np.uintp(KEY_1 + k)] = keys[1, np.uintp(t)]
        items[np.uintp(VECTOR + k)] = np.uint32(t)
    return found
