"""Pulse trains in NumPy."""

from __future__ import annotations

import dataclasses
from typing import Any, final

import numpy as np
import numpy.typing as npt

from mho.kernels.counts import NOT_FINITE, PULSES, SATURATED_PROBABILITIES
from mho.kernels.ops import Counts, Drive, Floats
from mho.kernels.patterns import even_slots, first_slots
from mho.random import (
    BLOCKS_A_WORD,
    COUNTERS_A_LINE,
    LOWER_BITS,
    LOWER_COUNTER,
    ONE,
    SLOTS_A_TRAIN,
    SLOTS_A_WORD,
    UPPER_BITS,
    lower_threshold,
    mix,
    threshold,
    upper_threshold,
    vector_keys,
)

ZERO = np.float32(0.0)
LARGEST = np.finfo(np.float32).max


@final
@dataclasses.dataclass(frozen=True)
class BitTrains:
    """Pulse trains of T vectors, a bit per slot.

    Attributes:
        columns: True where a column pulses, (R, T, N, BL).
        rows: True where a row pulses, (R, T, P, BL).
        x: (R, T, N), whose signs are those of the columns' pulses.
        d: δ, (R, T, M), whose signs are those of the rows' pulses.
    """

    columns: npt.NDArray[np.bool_]
    rows: npt.NDArray[np.bool_]
    x: Floats
    d: Floats


def trains(counts: Counts, drive: Drive, keys: npt.NDArray[np.uint32], first: int, drawn: BitTrains) -> None:
    """Draw pulse trains: P(A = 1) = min(1, C_x|x|) and P(B = 1) = min(1, C_δ|δ|) in each of BL slots.

    Update management multiplies C_x by m = √(max|δ|/max|x|) of a vector, and divides C_δ by it.
    Source: T. Gokmen, Y. Vlasov 2016, arXiv 1603.07341, stochastic update; T. Gokmen, M. Onen, W. Haensch 2017, arXiv
    1705.08014, update management.

    Args:
        counts: (R, SIZE); pulses of all lines are added, probabilities above 1 to the saturated probabilities, and
            vectors that are not finite to NOT_FINITE.
        drive: gains, length and management.
        keys: keys of the stream, (R, 2) uint32.
        first: number of the first vector, which names its draws.
        drawn: x and δ; its columns and rows are written.
    """
    x, d, length = drawn.x, drawn.d, drive.length
    copies = drawn.rows.shape[2] // d.shape[2]
    for r, t in np.ndindex(x.shape[:2]):
        x_max, d_max = np.abs(x[r, t]).max(), np.abs(d[r, t]).max()
        counts[r, NOT_FINITE] += not np.isfinite(x_max + d_max)
        if not (x_max > 0 and d_max > 0):
            continue
        cx, cd, last = drive.x_gain[r], drive.d_gain[r], length
        if drive.length_managed:
            cx, cd, last = fitted_gains(x_max, d_max, cx, cd, length)
            if last == 0:
                continue
        elif drive.managed:
            balance = np.sqrt(d_max) / np.sqrt(x_max)
            cx, cd = cx * balance, cd / balance
        number = np.array([first + t], np.uint64)
        p = cx * np.abs(x[r, t])
        q = cd * np.tile(np.abs(d[r, t]), copies)
        if drive.deterministic:
            drawn.columns[r, t, :, :last] = first_slots(rounded(p, last), last)
            drawn.rows[r, t, :, :last] = even_slots(rounded(q, last), last)
        else:
            for start in range(0, length, SLOTS_A_TRAIN):
                slots = min(SLOTS_A_TRAIN, length - start)
                block = np.array([BLOCKS_A_WORD * (start // SLOTS_A_TRAIN)], np.uint32)
                k0, k1, k2, k3 = vector_keys(keys[r, :1], keys[r, 1:], number, block)
                drawn.columns[r, t, :, start : start + slots] = bernoulli(p, slots, k0, k1)
                drawn.rows[r, t, :, start : start + slots] = bernoulli(q, slots, k2, k3)
            drawn.columns[r, t, :, last:] = drawn.rows[r, t, :, last:] = False
        counts[r, SATURATED_PROBABILITIES] += (p > 1).sum() + (q > 1).sum()
        counts[r, PULSES] += drawn.columns[r, t].sum() + drawn.rows[r, t].sum()


def fitted_gains(x_max: Any, d_max: Any, x_gain: Any, d_gain: Any, length: int) -> tuple[Any, Any, int]:
    """Return C_x, C_δ and the slots BL of a vector under length management; all 0 where nothing is to be sent.

    K = η/Δ·max|x|·max|δ| coincidences are wanted where both are largest, and sent in BL = min(⌈K⌉, length) slots. Both
    sides peak at √(K/BL); where K > BL, x peaks at 1 and δ at K/BL, so that only the largest δ are cut.
    """
    wanted = min((x_gain * x_max) * (d_gain * d_max), LARGEST)
    if not wanted > 0:  # a product below the smallest number
        return ZERO, ZERO, 0
    slots = min(np.ceil(wanted), np.float32(length))
    in_a_slot = wanted / slots
    peak = min(ONE, np.sqrt(in_a_slot))
    return peak / x_max, in_a_slot / peak / d_max, int(slots)


def rounded(p: Floats, slots: int) -> Counts:
    """Return the pulses (lines,) that lines of probabilities p (lines,) send in `slots` slots, rounded."""
    return np.rint(np.float32(slots) * np.minimum(p, ONE)).astype(np.int64)


def bernoulli(p: Floats, length: int, k0: Any, k1: Any) -> npt.NDArray[np.bool_]:
    """Return bits (lines, slots), each set with the probability p (lines,) of its line, by the keys k0 and k1."""
    lines = np.arange(p.size, dtype=np.uint32)[:, None] * COUNTERS_A_LINE
    slots = np.arange(length, dtype=np.uint32)
    limits = threshold(np.minimum(p, np.float32(1)))[:, None]
    if length == 1:
        only: npt.NDArray[np.bool_] = (mix(lines, k0, k1) >> np.uint32(1)) < limits
        return only
    words, byte = slots // np.uint32(SLOTS_A_WORD), np.uint32(8) * (slots % np.uint32(SLOTS_A_WORD))
    upper = (mix(lines + words, k0, k1) >> byte) & UPPER_BITS
    lower = mix(lines + LOWER_COUNTER + byte + words, k0, k1) >> (np.uint32(32) - LOWER_BITS)
    undecided = upper == upper_threshold(limits)
    set_: npt.NDArray[np.bool_] = (upper < upper_threshold(limits)) | (undecided & (lower < lower_threshold(limits)))
    return set_
