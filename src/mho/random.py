"""Counter-based random streams: the value of a draw depends on its name, never on the order of draws.

A draw is named by (seed, array, operation, vector number, line or cross-point, draw). The first four
pass through Philox4x32-10 (Salmon et al. 2011) and give 64-bit keys; the rest is one counter in a
keyed 32-bit mix (triple32, C. Wellons 2018, avalanche bias 0.021), whose second key word enters
between its rounds. Related keys (equal second word, first words close together) would give shifted copies
of a single stream; keys come from Philox, where two are related with a probability of about 2⁻⁴⁸.

Every function below works on NumPy arrays as it stands (the reference) and is inlined into the
compiled kernels from this very source: `np.uint32(...)` around a result is the wrap to 32 bits
that NumPy does by itself and Numba does not.
"""

from __future__ import annotations

import enum
import functools
import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

Words = Any  # np.uint32, scalar or array: both are legal everywhere below

PHILOX_M0 = np.uint64(0xD2511F53)
PHILOX_M1 = np.uint64(0xCD9E8D57)
PHILOX_W0 = np.uint32(0x9E3779B9)
PHILOX_W1 = np.uint32(0xBB67AE85)
LOW_WORD = np.uint64(0xFFFFFFFF)
WORD = np.uint64(32)

# Pulse slots. Slot k of a line pulses where 31 bits, drawn for it, lie below the line's threshold. The upper seven come
# four slots at a time, from one word; the other 24 are drawn only where the seven do not decide, once in 128
# slots. Slot k is bit 8·(k mod 4) + k div 4 of a train, where a comparison of four bytes at once leaves it.
# A single slot takes its 31 bits from one word.
# Trains of more than 32 slots are sent as several, each with the keys of the next BLOCKS_A_WORD blocks.
COUNTERS_A_LINE = np.uint32(128)
SLOTS_A_TRAIN = 32
BLOCKS_A_WORD = 64
# Blocks that no halving and no word of slots reaches.
READING_BLOCK = np.uint32(0x80000000)
RESTING_BLOCK = np.uint32(0x80000001)
# What makes further normals of one pulse: a counter that no cross-point has, and another key.
SECOND_DRAW = np.uint32(0x80000000)
WRITING_KEY = np.uint32(0x9E3779B9)
LOWER_COUNTER = np.uint32(64)
SLOTS_A_WORD = 4
MIX_SHIFTS = (17, 11, 15, 14)
MIX_FACTORS = (0xED5AD4BB, 0xAC4C1B51, 0x31848BAB)
UPPER_BITS = np.uint32(0x7F)
LOWER_BITS = np.uint32(24)

ONE = np.float32(1.0)
HALF = np.float32(0.5)
TWO = np.float32(2.0)
PROBABILITY_SCALE = np.float32(2147483648.0)
UNIFORM_SCALE = np.float32(2.0**-23)

# -log(1 + y) = y² L(y) - y on [√½ - 1, √2 - 1]: minimax fit, error 1.9e-6
L0 = np.float32(0.4998751221663642)
L1 = np.float32(-0.3326238931546224)
L2 = np.float32(0.2545876400849634)
L3 = np.float32(-0.22070333559585328)
L4 = np.float32(0.14106232253642134)
# -Φ⁻¹(u) = A(t) / B(t), t = √(-ln u), u in [2⁻³³, ½]: minimax fit, error 5.6e-6
A0 = np.float32(-2.8481420642552764)
A1 = np.float32(-2.7026421409396226)
A2 = np.float32(5.210621228854008)
A3 = np.float32(2.5759593175345823)
B1 = np.float32(3.8078889242827385)
B2 = np.float32(1.817251949930823)
ROOT_HALF = np.int32(0x3F3504F3)
EXPONENT = np.int32(-0x800000)
LN2_AN_EXPONENT = np.float32(0.6931471805599453 * 2.0**-23)
LN2_32 = np.float32(32 * 0.6931471805599453)


class Operation(enum.IntEnum):
    """Purpose of a random stream. The numbers are part of every result: never renumber."""

    DEVICES = 0
    INITIAL = 1
    FORWARD = 2
    BACKWARD = 3
    UPDATE = 4
    EVALUATION = 5
    PROGRAMMING = 6
    DROPOUT = 7
    TRANSFER = 8
    TIME = 9


def philox(c0: Words, c1: Words, c2: Words, c3: Words, k0: Words, k1: Words) -> Any:
    """Return four random 32-bit words of a 128-bit counter (c0..c3) and a 64-bit key (k0, k1), by Philox4x32-10.

    Source: J. Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011. Arguments are uint32, scalars or
    arrays.
    """
    for _ in range(10):
        p0 = PHILOX_M0 * np.uint64(c0)
        p1 = PHILOX_M1 * np.uint64(c2)
        c0, c2 = np.uint32((p1 >> WORD) ^ c1 ^ k0), np.uint32((p0 >> WORD) ^ c3 ^ k1)
        c1, c3 = np.uint32(p1 & LOW_WORD), np.uint32(p0 & LOW_WORD)
        k0 = np.uint32(k0 + PHILOX_W0)
        k1 = np.uint32(k1 + PHILOX_W1)
    return c0, c1, c2, c3


def vector_keys(s0: Words, s1: Words, vector: Any, block: Words) -> Any:
    """Return four key words, uint32 each, of a vector in the stream of key (s0, s1).

    `vector` is its number (uint64), `block` (uint32) distinguishes uses of a vector, such as words of slots.
    """
    low = np.uint32(vector & LOW_WORD)
    high = np.uint32(vector >> WORD)
    return philox(low, high, block, np.uint32(block ^ block), s0, s1)


def mix(counter: Words, k0: Words, k1: Words) -> Words:
    """Return 32 random bits for a counter (uint32) under a 64-bit key (k0, k1): triple32 of C. Wellons (2018)."""
    h = np.uint32(counter + k0)
    h = np.uint32(h ^ (h >> np.uint32(17)))
    h = np.uint32(h * np.uint32(0xED5AD4BB))
    h = np.uint32(h ^ (h >> np.uint32(11)))
    h = np.uint32(h + k1)
    h = np.uint32(h * np.uint32(0xAC4C1B51))
    h = np.uint32(h ^ (h >> np.uint32(15)))
    h = np.uint32(h * np.uint32(0x31848BAB))
    return np.uint32(h ^ (h >> np.uint32(14)))


def normal(bits: Words) -> Any:
    """Return a standard normal (float32, |z| < 6.5) of 32 random bits, by inverting Φ at the tail of the upper 31.

    The lowest bit is the sign, so the argument of the logarithm is at most ½ and exact in its
    relative size: no draw can round to probability 0 or 1. Quantiles are true to 1e-5: what they say is less than a
    hundredth of what a million draws could show.
    """
    tail = np.float32(np.float32(np.int32(bits >> np.uint32(1))) + HALF)
    raw = np.float32(tail).view(np.int32)
    exponent = np.int32(np.int32(raw - ROOT_HALF) & EXPONENT)
    y = np.int32(raw - exponent).view(np.float32) - ONE
    y2 = y * y
    series = (L0 + y * L1) + y2 * ((L2 + y * L3) + y2 * L4)
    t = np.sqrt((y2 * series - y) + (LN2_32 - np.float32(exponent) * LN2_AN_EXPONENT))
    z = np.float32(((A0 + t * A1) + t * t * (A2 + t * A3)) / ((ONE + t * B1) + t * t * B2))
    return np.int32(z.view(np.int32) ^ np.int32(bits << np.uint32(31))).view(np.float32)


def uniform(bits: Words) -> Any:
    """Return a uniform float32 in (0, 1) of 32 random bits: the middles of 2²³ equal steps."""
    return (np.float32(np.int32(bits >> np.uint32(9))) + HALF) * UNIFORM_SCALE


def threshold(probability: Any) -> Words:
    """Return the 31-bit integer below which `bits >> 1` lies with a given probability (float32 in [0, 1])."""
    return np.uint32(np.rint(probability * PROBABILITY_SCALE))


def upper_threshold(limit: Words) -> Words:
    """Return the upper seven bits of a threshold, at most 127: a probability of 1 is decided by the lower bits."""
    return np.uint32(np.minimum(limit >> LOWER_BITS, UPPER_BITS))


def lower_threshold(limit: Words) -> Words:
    """Return the rest of a threshold behind its upper seven bits, 0 to 2²⁴."""
    return np.uint32(limit - np.uint32(upper_threshold(limit) << LOWER_BITS))


def array_number(name: str) -> int:
    """Return the 64-bit number of an array: a hash of its layer's qualified name."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def stream_key(seed: int, array: int, operation: Operation) -> npt.NDArray[np.uint32]:
    """Return the key, two uint32 words, of the stream of an array and operation under a 64-bit seed."""
    key: npt.NDArray[np.uint32] = _stream_keys(seed, array)[operation]
    return key


@functools.lru_cache(maxsize=1024)
def _stream_keys(seed: int, array: int) -> npt.NDArray[np.uint32]:
    """Return the keys of the streams of all operations, (operations, 2), for reading: together as fast as one."""
    low, high, key_0, key_1 = (_words(w) for part in (array, seed) for w in (part & 0xFFFFFFFF, part >> 32))
    out = philox(low, high, np.arange(len(Operation), dtype=np.uint32), _words(0x6D686F), key_0, key_1)
    keys: npt.NDArray[np.uint32] = np.stack(out[:2], axis=1)
    keys.setflags(write=False)
    return keys


def field_normals(seed: int, array: int, field: str, cells: int) -> npt.NDArray[np.float32]:
    """Draw a standard normal for every cross-point, (cells,) float32, whatever other fields a law has."""
    return np.asarray(normal(_cell_bits(seed, array, Operation.DEVICES, field, cells)))


def field_uniforms(seed: int, array: int, field: str, cells: int) -> npt.NDArray[np.float32]:
    """Draw a uniform number in (0, 1) for every cross-point, (cells,) float32, whatever other fields a law has."""
    return np.asarray(uniform(_cell_bits(seed, array, Operation.DEVICES, field, cells)))


def initial_uniforms(seed: int, array: int, cells: int) -> npt.NDArray[np.float32]:
    """Draw a uniform number in (-1, 1) for every cross-point, (cells,) float32, from which its weight starts."""
    bits = _cell_bits(seed, array, Operation.INITIAL, "weight", cells)
    return np.asarray(TWO * uniform(bits) - ONE)


def programming_normals(key: npt.NDArray[np.uint32], number: int, cells: int) -> npt.NDArray[np.float32]:
    """Draw a standard normal for every cross-point, (cells,) float32: the error of a programming of an array.

    Args:
        key: key of the array's stream of `Operation.PROGRAMMING`, (2,) uint32.
        number: number of the programming, counted by the array.
        cells: number of cross-points.
    """
    keys = vector_keys(key[:1], key[1:], np.array([number], np.uint64), _words(0))
    return np.asarray(normal(mix(np.arange(cells, dtype=np.uint32), keys[0], keys[1])))


def rounding_uniforms(key: npt.NDArray[np.uint32], number: int, cells: int) -> npt.NDArray[np.float64]:
    """Draw a uniform float64 in (0, 1) for every cross-point, (cells,), by which a change is rounded stochastically.

    Args:
        key: key of the stream, (2,) uint32.
        number: number of the change, counted by the array.
        cells: number of cross-points.
    """
    keys = vector_keys(key[:1], key[1:], np.array([number], np.uint64), _words(0))
    bits = mix(np.arange(cells, dtype=np.uint32), keys[0], keys[1])
    return np.asarray((bits.astype(np.float64) + 0.5) * 2.0**-32)


def _cell_bits(seed: int, array: int, operation: Operation, field: str, cells: int) -> npt.NDArray[np.uint32]:
    key = stream_key(seed, array, operation)
    number = np.array([array_number(field)], np.uint64)
    keys = vector_keys(key[:1], key[1:], number, _words(0))
    return np.asarray(mix(np.arange(cells, dtype=np.uint32), keys[0], keys[1]))


def _words(value: int) -> npt.NDArray[np.uint32]:
    return np.array([value], np.uint32)
