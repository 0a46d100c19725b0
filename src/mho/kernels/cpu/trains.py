"""Pulse trains: one word of bits for each line and vector."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.counts import PULSES, SATURATED_PROBABILITIES
from mho.kernels.cpu.bits import popcount
from mho.random import ONE, SLOTS_A_LINE, mix, threshold, vector_keys

ZERO = np.float32(0.0)


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

    x (R, T, N), d (R, T, M) float32; streams (R, 2) uint32; x_words (R, T, W) and d_words (R, P, T)
    uint32, x_down and d_down likewise uint8: where the line pulses for a negative value. P is M
    times the devices of a weight: copies repeat d, each with its own train.
    """
    vectors, columns, rows, lines = x.shape[1], x.shape[2], d.shape[2], d_words.shape[1]
    room = max(columns, lines)
    listed = np.empty(room, np.uint32)
    limits = np.empty(room, np.uint32)
    words = np.empty(room, np.uint32)
    errors = np.empty(lines, np.float32)
    for q in range(start, stop):
        r, t = np.uintp(q // vectors), np.uintp(q % vectors)
        x_words[r, t, :] = np.uint32(0)
        x_down[r, t, :] = np.uint8(0)
        for line in range(lines):
            errors[np.uintp(line)] = d[r, t, np.uintp(line % rows)]
            d_words[r, np.uintp(line), t] = np.uint32(0)
        x_max, d_max = largest(x[r, t]), largest(errors)
        if x_max == ZERO or d_max == ZERO:
            continue
        cx, cd = x_gain, d_gain
        if managed:
            balance = np.sqrt(d_max / x_max)
            cx, cd = x_gain * balance, d_gain / balance
        k0, k1, k2, k3 = vector_keys(
            streams[r, 0], streams[r, 1], np.uint64(first) + np.uint64(t), np.uint32(0)
        )
        found, saturated = list_lines(listed, limits, x[r, t], cx)
        pulses = draw_words(words, listed, limits, found, length, k0, k1)
        for i in range(found):
            j = np.uintp(listed[np.uintp(i)])
            x_words[r, t, j] = words[np.uintp(i)]
            x_down[r, t, j] = np.uint8(x[r, t, j] < ZERO)
        counts[r, PULSES] += pulses
        counts[r, SATURATED_PROBABILITIES] += saturated

        found, saturated = list_lines(listed, limits, errors, cd)
        pulses = draw_words(words, listed, limits, found, length, k2, k3)
        for i in range(found):
            line = np.uintp(listed[np.uintp(i)])
            d_words[r, line, t] = words[np.uintp(i)]
            d_down[r, line, t] = np.uint8(errors[line] < ZERO)
        counts[r, PULSES] += pulses
        counts[r, SATURATED_PROBABILITIES] += saturated


def largest(values: Any) -> Any:
    """Largest absolute value of a vector, compared as integers: floats may not be reordered."""
    found = np.int32(0)
    for i in range(values.shape[0]):
        found = max(found, np.int32(np.float32(values[np.uintp(i)]).view(np.int32) & np.int32(0x7FFFFFFF)))
    return np.int32(found).view(np.float32)


def list_lines(listed: Any, limits: Any, values: Any, gain: Any) -> Any:
    """List the lines that are driven and their thresholds; returns how many, and how many saturate."""
    found, saturated = 0, 0
    for i in range(values.shape[0]):
        p = gain * abs(values[np.uintp(i)])
        listed[np.uintp(found)] = np.uint32(i)
        limits[np.uintp(found)] = threshold(min(p, ONE))
        found += p > ZERO
        saturated += p > ONE
    return found, saturated


def draw_words(words: Any, listed: Any, limits: Any, found: Any, length: Any, k0: Any, k1: Any) -> Any:
    """Set bit k of words[i] with the probability of limits[i], under the counter of line listed[i].

    Lines are listed first so that this loop, which is most of the work, runs over full vectors.
    Returns the number of pulses.
    """
    for i in range(found):
        words[np.uintp(i)] = np.uint32(0)
    for k in range(length):
        for i in range(found):
            at = np.uintp(i)
            bits = mix(np.uint32(listed[at] * SLOTS_A_LINE + np.uint32(k)), k0, k1)
            hit = np.uint32(np.uint32(bits >> np.uint32(1)) < limits[at])
            words[at] = np.uint32(words[at] | np.uint32(hit << np.uint32(k)))
    pulses = np.int32(0)
    for i in range(found):
        pulses = np.int32(pulses + np.int32(popcount(words[np.uintp(i)])))
    return pulses
