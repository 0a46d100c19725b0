"""A read whose products are formed outside the kernels: what the periphery does before them and behind them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.counts import NOT_FINITE
from mho.kernels.cpu.bits import fill_keys
from mho.kernels.cpu.read import CHUNK, LANES, ONE, ZERO, input_stage, is_linear, read_vector
from mho.kernels.cpu.records import ReadScratch, ReadVector
from mho.kernels.cpu.trains import largest


def send(start: Any, stop: Any, counts: Any, x: Any, reading: Any, sent: Any) -> None:
    """Send vectors through the input stage: sent = round(clip(x/s, ±bound)).

    Args:
        start: first vector, counted over replicas times T.
        stop: the vector behind the last.
        counts: (R, SIZE); inputs that are not finite are added to NOT_FINITE.
        x: forward (R, T, N); backward (R, T, M).
        reading: `mho.kernels.records.Reading`.
        sent: takes the inputs as the array gets them, in the shape of x; x itself where the input stage is linear.
    """
    vectors = x.shape[1]
    for q in range(start, stop):
        r, t = np.uintp(q // vectors), np.uintp(q % vectors)
        inputs, own, circuit = x[r, t], sent[r, t], reading.circuit[r]
        scale = largest(inputs) if reading.noise_management else ONE
        if is_linear(circuit) or scale == ZERO:
            for j in range(inputs.shape[0]):
                own[np.uintp(j)] = inputs[np.uintp(j)]
        else:
            counts[r, NOT_FINITE] += input_stage(own, inputs, scale, circuit)


def finish(
    start: Any, stop: Any, counts: Any, weights: Any, x: Any, out: Any, reading: Any, products: Any, first: Any
) -> None:
    """Finish reads from their products: noise, bounds, converters and managements, as `mho.kernels.cpu.read.read`.

    What bound management reads again behind an input stage that clips or rounds is multiplied here.

    Args:
        start: first vector, counted over replicas times T.
        stop: the vector behind the last.
        counts: as for `read`.
        weights: (R, P, N).
        x: forward (R, T, N); backward (R, T, M).
        out: as for `read`; it may be the memory of `products`.
        reading: `mho.kernels.records.Reading`.
        products: forward W x of every vector, (R, T, P); backward (R, T, N); of the inputs behind the input stage.
        first: number of the first vector, which names its noise.
    """
    vectors, size = x.shape[1], products.shape[2]
    padded = (size + LANES - 1) // LANES * LANES
    sums, seen = np.empty(padded, np.float32), np.empty(padded, np.float32)
    for i in range(padded):  # what only fills the last vector must be numbers
        sums[np.uintp(i)] = ZERO
    driven, keys = np.empty(weights.shape[1], np.uintp), np.empty((4, CHUNK), np.uint32)
    scaled, none = np.empty((1, 1, x.shape[2]), np.float32), np.empty(1, np.float32)
    scratch = ReadScratch(sums, padded, none, seen, driven, scaled, none, keys, np.empty(1, np.int32))
    q = start
    while q < stop:
        r, t0 = np.uintp(q // vectors), q % vectors
        count = min(CHUNK, vectors - t0, stop - q)
        number = np.uint64(np.uint64(first) + np.uint64(t0))
        fill_keys(keys, reading.keys[r, 0], reading.keys[r, 1], number, 0, count, np.uint32(0))
        for i in range(count):
            at, t = np.uintp(i), np.uintp(t0 + i)
            for p in range(size):
                sums[np.uintp(p)] = products[r, t, np.uintp(p)]
            scale = largest(x[r, t]) if reading.noise_management else ONE
            vector = ReadVector(r, t, np.uint64(first), scale, keys[0, at], keys[1, at], True, sums, scaled[0, 0])
            read_vector(counts[r], weights, x, out, reading, vector, scratch)
        q += count
