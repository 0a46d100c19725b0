"""Update cycle: every coincidence of pulses moves its cross-point by the device law, within the bounds, in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.law import ROOM
from mho.kernels.cpu.bits import fill_keys
from mho.kernels.cpu.lists import append
from mho.kernels.cpu.moves import (
    ASIDE,
    ASIDE_BITS,
    BITS,
    INDEX,
    ITEMS,
    KEY_0,
    KEY_1,
    NEGATIVE,
    POINT,
    SLOTS,
    VECTOR,
    move,
)
from mho.kernels.cpu.records import Devices, Listed, MoveScratch, PulseList, Sides, Stream, Trains
from mho.random import BLOCKS_A_WORD, vector_keys

PIECE = 512  # lines looked at in one go
LISTED = 384  # cross-points from which a list is moved: it stays in the first-level cache
MANY = 64  # coincidences of one vector that are worth a list of their own
BLOCK = 32_768  # cross-points whose state and fields stay in the second-level cache


def update(
    start: Any, stop: Any, counts: Any, state: Any, devices: Any, columns: Any, rows: Any, pulses: Any, first: Any
) -> None:
    """Apply pulse trains, vector after vector: each coincidence A = B = 1 moves w_ij by a step of the law.

    Source: T. Gokmen, Y. Vlasov 2016, arXiv 1603.07341, stochastic update. `mho.kernels.reference.update` is the
    truth.

    Args:
        start: first line, counted over replicas times P.
        stop: the line behind the last.
        counts: (R, SIZE); coincidences and bound hits are added, steps that are not finite to NOT_FINITE.
        state: weights that reads see, (R, P, N); updated, as hidden states are.
        devices: `mho.kernels.records.DeviceArrays`.
        columns: trains of the columns, `mho.kernels.records.LineLists`.
        rows: trains of the rows, `mho.kernels.records.LineLists`.
        pulses: `mho.kernels.records.PulseStream`; its span says which vectors are applied.
        first: number of the first vector of the trains, which names the draws.
    """
    # Coincidences are listed, and the cross-points of a list moved together in full vectors: passing over whole blocks
    # of columns took 1.1 to 3.9 times as long on LeNet, where one cross-point in six coincides. A list may span several
    # vectors. No list holds a cross-point twice, so each meets its vectors in order (promise: bounds hold after every
    # pulse). Lines are taken in blocks that stay in the cache, and each block meets all vectors before the next.
    lines, width, vectors = state.shape[1], state.shape[2], columns.extents.shape[1]
    words = pulses.words
    begin_train, end_train = pulses.span[0] * words, pulses.span[1] * words
    if not any_pulses(columns.extents, begin_train, end_train):
        return
    # memory for the whole call, made in the kernel: helpers allocate nothing
    block = min(lines, max(1, BLOCK // width))
    lanes = np.empty(SLOTS * ROOM, np.float32)
    items = np.empty(ITEMS, np.uint32)
    trains = Trains(begin_train, end_train, np.empty((4, vectors), np.uint32), np.zeros(vectors, np.int64))
    stamps = np.zeros(block * width if vectors > 1 else 1, np.uint32)
    scratch = MoveScratch(lanes, items, stamps, np.empty_like(lanes), np.empty_like(items), np.empty(ROOM, np.int64))
    number = 0  # of the pending list; stamps of earlier lists are smaller, so that stamps need no clearing
    q = start
    while q < stop:
        r, p = q // lines, q % lines
        end = min(lines, p + stop - q)
        stream = Stream(pulses.keys[r, 0], pulses.keys[r, 1], np.uint64(first), words)
        pulse_keys(trains.keys, stream, begin_train, end_train)
        own = Devices(
            r, state[r].reshape(-1), devices.fields, devices.strides, devices.hidden.reshape(-1), devices.tables
        )
        sides = Sides(
            columns.lines[r].reshape(-1), columns.extents[r], rows.lines[r].reshape(-1), rows.extents[r], width
        )
        skip_lines(trains, sides, p)
        for begin in range(p, end, block):
            number = update_block(
                counts[r], begin, min(begin + block, end), own, sides, trains, stream, number, scratch
            )
        q += end - p


def skip_lines(trains: Any, sides: Any, line: Any) -> None:
    """Set the cursor of each train to its first row from `line` on; lists of rows are ascending.

    Args:
        trains: `mho.kernels.cpu.records.Trains`; its cursors are written.
        sides: `mho.kernels.cpu.records.Sides` of the replica.
        line: a row of the array, from 0.
    """
    for t in range(trains.begin, trains.end):
        at = np.uintp(t)
        cursor = sides.d_extents[at, 0]
        end = cursor + sides.d_extents[at, 1]
        while cursor < end and (sides.d_lines[np.uintp(cursor)] & INDEX) < line:
            cursor += 1
        trains.cursors[at] = cursor


def any_pulses(extents: Any, begin: Any, end: Any) -> Any:
    """Return True if a column pulses in a train from `begin` to `end`.

    Args:
        extents: (R, T·W, 2) int64: where the list of each train begins, and how many lines it has.
        begin: first train.
        end: the train behind the last.
    """
    driven = np.int64(0)
    for r in range(extents.shape[0]):
        for t in range(begin, end):
            driven += extents[r, t, 1]
    return driven > 0


def pulse_keys(keys: Any, stream: Any, begin: Any, end: Any) -> None:
    """Write the keys of the moves of each train from `begin` to `end`.

    Args:
        keys: takes two words per train in its first two rows, (4, T·W) uint32.
        stream: `mho.kernels.cpu.records.Stream`.
        begin: first train.
        end: the train behind the last.
    """
    words = stream.words
    if words == 1:
        fill_keys(keys, stream.key_0, stream.key_1, stream.first, begin, end, np.uint32(1))
    else:
        for t in range(begin, end):
            vector, block = np.uint64(stream.first + np.uint64(t // words)), np.uint32(1 + BLOCKS_A_WORD * (t % words))
            drawn = vector_keys(stream.key_0, stream.key_1, vector, block)
            keys[0, np.uintp(t)], keys[1, np.uintp(t)] = drawn[0], drawn[1]


def update_block(
    counts: Any, start: Any, stop: Any, devices: Any, sides: Any, trains: Any, stream: Any, number: Any, scratch: Any
) -> Any:
    """Apply all trains to lines `start` to `stop` of a replica, a block.

    Args:
        counts: (SIZE,) of the replica.
        start: first line.
        stop: the line behind the last.
        devices: `mho.kernels.cpu.records.Devices`.
        sides: `mho.kernels.cpu.records.Sides`.
        trains: `mho.kernels.cpu.records.Trains`; its cursors move to the first row of the next block.
        stream: `mho.kernels.cpu.records.Stream`.
        number: the last number that a list has had; lists of this block get larger ones.
        scratch: `mho.kernels.cpu.records.MoveScratch`.

    Returns:
        The last number that a list has had.
    """
    items, stamps = scratch.items, scratch.stamps
    x_lines, d_lines = sides.x_lines, sides.d_lines
    x_room, d_room = x_lines.size // 2, d_lines.size // 2
    base = np.uint32(start * sides.columns)
    found = 0
    number += 1
    for t in range(trains.begin, trains.end):
        at = np.uintp(t)
        first, driven, cursor = sides.x_extents[at, 0], sides.x_extents[at, 1], trains.cursors[at]
        d_end = sides.d_extents[at, 0] + sides.d_extents[at, 1]
        begin = found
        while cursor < d_end:
            signed = d_lines[np.uintp(cursor)]
            line, word = signed & INDEX, d_lines[np.uintp(d_room + cursor)]
            if line >= stop:
                break
            cursor += 1
            first_point, down = np.uint32(line * sides.columns), np.uint32(signed & NEGATIVE)
            for piece in range(0, driven, PIECE):
                pulsing = PulseList(x_lines, first + piece, x_room + first + piece)
                coinciding = PulseList(items, POINT + found, BITS + found)
                found += append(coinciding, pulsing, min(PIECE, driven - piece), word, first_point, down)
                # a full list is moved in the middle of a vector: its cross-points meet no other pulse of this vector
                if found >= LISTED:
                    listed = Listed(t, begin, found, number, base)
                    found = add_pending(counts, listed, devices, trains.keys, stream, scratch)
                    move(counts, found, devices, stream, scratch)
                    found, begin = 0, 0
                    number += 1
        trains.cursors[at] = cursor
        listed = Listed(t, begin, found, number, base)
        pending = add_pending(counts, listed, devices, trains.keys, stream, scratch)
        if pending < found:
            begin = 0
            number += 1
        found = pending
        # a long list runs in full vectors already; a short one waits for further vectors
        if found >= MANY or (found > 0 and t == trains.end - 1):
            move(counts, found, devices, stream, scratch)
            found = 0
            number += 1
        else:
            # cross-points that are pending carry the number of the list, by which a repetition is found
            for k in range(begin, found):
                stamps[np.uintp((items[np.uintp(POINT + k)] & INDEX) - base)] = np.uint32(number)
    return number


def add_pending(counts: Any, listed: Any, devices: Any, keys: Any, stream: Any, scratch: Any) -> Any:
    """Note the keys of the newly listed coincidences; return how many coincidences are pending then.

    If a cross-point of them is pending already, the list before is moved first, so that no list has a cross-point
    twice.

    Args:
        counts: (SIZE,) of the replica; `mho.kernels.cpu.moves.move` adds to it.
        listed: `mho.kernels.cpu.records.Listed`.
        devices: `mho.kernels.cpu.records.Devices`; weights of a list that is moved are updated.
        keys: keys of the moves of each train, (4, T·W) uint32.
        stream: `mho.kernels.cpu.records.Stream`.
        scratch: `mho.kernels.cpu.records.MoveScratch`, which has the list.
    """
    items, stamps = scratch.items, scratch.stamps
    begin, found = listed.begin, listed.found
    again = 0
    if begin > 0:
        for k in range(begin, found):
            again += stamps[np.uintp((items[np.uintp(POINT + k)] & INDEX) - listed.base)] == np.uint32(listed.number)
    if again > 0:
        found -= begin
        for k in range(found):  # set aside, as moving writes behind the end of a list
            items[np.uintp(ASIDE + k)] = items[np.uintp(POINT + begin + k)]
            items[np.uintp(ASIDE_BITS + k)] = items[np.uintp(BITS + begin + k)]
        move(counts, begin, devices, stream, scratch)
        for k in range(found):
            items[np.uintp(POINT + k)] = items[np.uintp(ASIDE + k)]
            items[np.uintp(BITS + k)] = items[np.uintp(ASIDE_BITS + k)]
        begin = 0
    for k in range(begin, found):
        items[np.uintp(KEY_0 + k)] = keys[0, np.uintp(listed.train)]
        items[np.uintp(KEY_1 + k)] = keys[1, np.uintp(listed.train)]
        items[np.uintp(VECTOR + k)] = np.uint32(listed.train)
    return found
