"""Pulse trains: one word of bits for each line and vector."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.counts import NOT_FINITE, PULSES, SATURATED_PROBABILITIES
from mho.kernels.cpu.bits import popcount, tile_keys
from mho.random import ONE, SLOTS_A_LINE, mix, threshold

ZERO = np.float32(0.0)
LARGEST = np.float32(3.4028235e38)
LISTED = 1024  # lines drawn together: five lists of them stay in the first-level cache
LIMIT = 0
COUNTER = 1
KEY_0 = 2
KEY_1 = 3
BITS = 4


def trains(
    start: Any,
    stop: Any,
    counts: Any,
    x: Any,
    d: Any,
    x_gain: Any,
    d_gain: Any,
    length: Any,
    managed: Any,
    streams: Any,
    first: Any,
    x_words: Any,
    x_down: Any,
    d_words: Any,
    d_down: Any,
) -> None:
    """Draw the trains of vectors `start` to `stop`, counted over replicas times T.

    x (R, T, N), d (R, T, M), x_gain and d_gain (R,) float32; streams (R, 2) uint32; x_words (R, T, W) and d_words (R, P, T)
    uint32, x_down and d_down likewise uint8: where the line pulses for a negative value. P is M
    times the devices of a weight: copies repeat d, each with its own train.
    """
    vectors, columns, rows, lines = x.shape[1], x.shape[2], d.shape[2], d_words.shape[1]
    longest = max(columns, lines)
    room = LISTED + 2 * (longest + 8)
    lists = np.empty((5, room), np.uint32)
    runs = np.empty((room + 2, 3), np.int64)
    errors = np.empty(lines, np.float32)
    keys = np.empty((4, vectors), np.uint32)
    keyed = -1
    found, driven = 0, 0
    for q in range(start, stop):
        r, t = np.uintp(q // vectors), np.uintp(q % vectors)
        if keyed != q // vectors:
            keyed = q // vectors
            tile_keys(keys, streams[r, 0], streams[r, 1], np.uint64(first), vectors, np.uint32(0))
        for line in range(lines):
            errors[np.uintp(line)] = d[r, t, np.uintp(line if line < rows else line % rows)]
            d_words[r, np.uintp(line), t] = np.uint32(0)
            d_down[r, np.uintp(line), t] = np.uint8(errors[np.uintp(line)] < ZERO)
        x_words[r, t, :] = np.uint32(0)
        for j in range(columns):
            x_down[r, t, np.uintp(j)] = np.uint8(x[r, t, np.uintp(j)] < ZERO)
        x_max, d_max = largest(x[r, t]), largest(errors)
        counts[r, NOT_FINITE] += not (x_max <= LARGEST and d_max <= LARGEST)
        if x_max > ZERO and d_max > ZERO:
            cx, cd = x_gain[r], d_gain[r]
            if managed:
                # not √(d/x), which over- or underflows where the roots do not
                balance = np.sqrt(d_max) / np.sqrt(x_max)
                cx, cd = cx * balance, cd / balance
            for side in range(2):
                begin = found
                if side == 0:
                    found, saturated = list_lines(lists, found, x[r, t], cx, keys[0, t], keys[1, t])
                else:
                    found, saturated = list_lines(lists, found, errors, cd, keys[2, t], keys[3, t])
                counts[r, SATURATED_PROBABILITIES] += saturated
                runs[driven, 0], runs[driven, 1], runs[driven, 2] = 2 * q + side, begin, found
                driven += 1
        if found >= LISTED or driven >= LISTED or q == stop - 1:
            draw_words(lists, found, length)
            for i in range(driven):
                q_run, begin, end = runs[i, 0] // 2, runs[i, 1], runs[i, 2]
                r_run, t_run = np.uintp(q_run // vectors), np.uintp(q_run % vectors)
                bits = lists[BITS, begin:end]
                pulses = np.int32(0)
                for k in range(end - begin):
                    pulses = np.int32(pulses + np.int32(popcount(bits[np.uintp(k)])))
                counts[r_run, PULSES] += pulses
                if runs[i, 0] % 2 == 0 and end - begin == columns:  # no column was left out: side by side
                    row = x_words[r_run, t_run]
                    for k in range(columns):
                        row[np.uintp(k)] = bits[np.uintp(k)]
                    continue
                for k in range(end - begin):
                    line = np.uintp(lists[COUNTER, np.uintp(begin + k)] // SLOTS_A_LINE)
                    if runs[i, 0] % 2 == 0:
                        x_words[r_run, t_run, line] = bits[np.uintp(k)]
                    else:
                        d_words[r_run, line, t_run] = bits[np.uintp(k)]
            found, driven = 0, 0


def largest(values: Any) -> Any:
    """Largest absolute value of a vector, compared as integers: floats may not be reordered."""
    found = np.int32(0)
    for i in range(values.shape[0]):
        found = max(found, np.int32(np.float32(values[np.uintp(i)]).view(np.int32) & np.int32(0x7FFFFFFF)))
    return np.int32(found).view(np.float32)


def list_lines(lists: Any, found: Any, values: Any, gain: Any, k0: Any, k1: Any) -> Any:
    """Append the driven lines of one vector to the list; returns its new end, and how many lines saturate."""
    limits, counters, low, high = lists[LIMIT], lists[COUNTER], lists[KEY_0], lists[KEY_1]
    lines = values.shape[0]
    zeros, saturated = np.int32(0), np.int32(0)
    for i in range(lines):
        p = gain * abs(values[np.uintp(i)])
        at = np.uintp(found + i)
        limits[at] = threshold(min(p, ONE))
        counters[at] = np.uint32(np.uint32(i) * SLOTS_A_LINE)
        low[at] = k0
        high[at] = k1
        zeros = np.int32(zeros + np.int32(p == ZERO))
        saturated = np.int32(saturated + np.int32(p > ONE))
    if 8 * zeros < lines:
        return found + lines, saturated
    end = found
    for i in range(lines):
        limit = limits[np.uintp(found + i)]
        counters[np.uintp(end)] = np.uint32(np.uint32(i) * SLOTS_A_LINE)
        limits[np.uintp(end)] = limit
        end += limit > np.uint32(0)
    return end, saturated


def draw_words(lists: Any, found: Any, length: Any) -> None:
    """Draw the trains of all listed lines: bit k is set with the probability of the line's limit.

    The lines of many vectors are drawn together, filled up to eights, so that this loop, most of the work,
    runs in full vectors: twice as fast as vector by vector on LeNet's first layer.
    """
    limits, counters, low, high, bits = lists[LIMIT], lists[COUNTER], lists[KEY_0], lists[KEY_1], lists[BITS]
    full = (found + 7) // 8 * 8
    for i in range(found, full):
        limits[np.uintp(i)] = np.uint32(0)
    for i in range(full):
        bits[np.uintp(i)] = np.uint32(0)
    for k in range(length):
        slot = np.uint32(k)
        bit = np.uint32(np.uint32(1) << slot)
        for i in range(full):
            at = np.uintp(i)
            drawn = np.uint32(mix(np.uint32(counters[at] + slot), low[at], high[at]) >> np.uint32(1))
            bits[at] = np.uint32(bits[at] | (bit if drawn < limits[at] else np.uint32(0)))
