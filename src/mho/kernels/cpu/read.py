"""One read of an array, forward or backward, with all that its periphery does."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.vectors import BLOCK_GROUPS
from mho.kernels.circuit import BOUND, INPUT_BOUND, INPUT_STEP, NOISE, OUTPUT_STEP
from mho.kernels.counts import NOT_FINITE
from mho.kernels.cpu.bits import fill_keys
from mho.kernels.cpu.products import BLOCK_LANES, column_outputs, many_outputs, row_outputs
from mho.kernels.cpu.records import ReadScratch, ReadVector
from mho.kernels.cpu.trains import largest
from mho.random import mix, normal, vector_keys

ZERO = np.float32(0.0)
ONE = np.float32(1.0)
LARGEST = np.float32(3.4028235e38)
CHUNK = 64  # vectors whose keys are drawn together
FEW = 4  # fewer vectors are multiplied singly: packing a panel of weights would cost more than it saves
LANES = 16  # float32 numbers of the widest vector
SPARSE = 3  # backward vectors with fewer than one driven line in so many are multiplied singly, line by driven line


def read(start: Any, stop: Any, counts: Any, weights: Any, x: Any, out: Any, reading: Any, first: Any) -> None:
    """Read vectors through the array and its periphery: y = s·2ⁿ·clip(W x/(s·2ⁿ) + σξ, ±α).

    s is the largest |input| under noise management, else 1; n the number of halvings by bound management; ξ standard
    normals. Source: T. Gokmen, M. Onen, W. Haensch 2017, arXiv 1705.08014, noise and bound management.
    `mho.kernels.reference.read` is the truth.

    Args:
        start: first vector, counted over replicas times T.
        stop: the vector behind the last.
        counts: (R, SIZE); clipped outputs and halvings are added to the counters that `reading` names, values that are
            not finite to NOT_FINITE.
        weights: as reads see them, (R, P, N).
        x: forward (R, T, N); backward (R, T, M), which drives all P = M·devices lines.
        out: forward (R, T, M), the mean over the devices of a weight; backward (R, T, N), sums divided by the devices.
        reading: `mho.kernels.records.Reading`.
        first: number of the first vector, which names its noise.
    """
    lines, columns, vectors, width = weights.shape[1], weights.shape[2], x.shape[1], x.shape[2]
    outputs, terms = (columns, lines) if reading.backward else (lines, columns)
    padded = (outputs + LANES - 1) // LANES * LANES  # whole vectors, and whole groups of a block
    # a chunk bounds the memory of a call, whatever T
    chunk = CHUNK if vectors >= FEW else 1
    sums = np.empty(chunk * padded, np.float32)
    panel = np.empty(terms * BLOCK_GROUPS * BLOCK_LANES if chunk > 1 else 1, np.float32)
    seen, driven = np.empty(padded, np.float32), np.empty(lines, np.uintp)
    scaled, scales = np.empty((1, chunk, width), np.float32), np.empty(chunk, np.float32)
    keys = np.empty((4, chunk), np.uint32)
    # outputs that only fill the last vector are computed too, and must be numbers
    for i in range(sums.shape[0]):
        sums[np.uintp(i)] = ZERO
    scratch = ReadScratch(sums, padded, panel, seen, driven, scaled, scales, keys, np.empty(padded, np.int32))
    read_vectors(start, stop, counts, weights, x, out, reading, first, scratch)


def read_vectors(
    start: Any, stop: Any, counts: Any, weights: Any, x: Any, out: Any, reading: Any, first: Any, scratch: Any
) -> None:
    """Read vectors `start` to `stop` in chunks; `read` has the equation, and the arguments up to `first`.

    The loop stands outside the kernel, as only helpers are free of Numba's reference counts.

    Args:
        start: first vector, counted over replicas times T.
        stop: the vector behind the last.
        counts: as for `read`.
        weights: (R, P, N).
        x: forward (R, T, N); backward (R, T, M).
        out: forward (R, T, M); backward (R, T, N).
        reading: `mho.kernels.records.Reading`.
        first: number of the first vector.
        scratch: `mho.kernels.cpu.records.ReadScratch`.
    """
    sums, padded, scales, keys = scratch.sums, scratch.padded, scratch.scales, scratch.keys
    vectors, width = x.shape[1], x.shape[2]
    devices = weights.shape[1] // (width if reading.backward else out.shape[2])
    # chunks are finished together until an output of one is clipped: then others are likely to be clipped too
    together = devices == 1 or reading.backward
    q = start
    while q < stop:
        r, t0 = np.uintp(q // vectors), q % vectors
        count = min(scales.shape[0], vectors - t0, stop - q)
        circuit = reading.circuit[r]
        number = np.uint64(np.uint64(first) + np.uint64(t0))
        fill_keys(keys, reading.keys[r, 0], reading.keys[r, 1], number, 0, count, np.uint32(0))
        linear = is_linear(circuit)
        for i in range(count):
            at, inputs = np.uintp(i), x[r, np.uintp(t0 + i)]
            scales[at] = largest(inputs) if reading.noise_management else ONE
            # a clip or a step of the input converter acts on x/s, so scaled inputs must be computed
            if not linear and scales[at] != ZERO:
                counts[r, NOT_FINITE] += input_stage(scratch.scaled[0, at], inputs, scales[at], circuit)
        sent, begin = (x, q * width) if linear else (scratch.scaled, 0)
        summed = count >= FEW
        if summed and reading.backward:
            summed = SPARSE * driven_values(sent.reshape(-1), begin, count * width) > count * width
        if summed:
            many_outputs(sums, scratch.panel, weights, np.intp(r), sent, begin, count, reading.backward, padded)
        if together and summed and linear and circuit[OUTPUT_STEP] == ZERO:
            together = plain_outputs(out, r, t0, count, ONE / np.float32(devices), circuit, scratch)
            if together:
                q += count
                continue
        for i in range(count):
            at = np.uintp(i)
            own = sums[i * padded : (i + 1) * padded] if summed else sums[:padded]
            vector = ReadVector(
                r, t0 + i, np.uint64(first), scales[at], keys[0, at], keys[1, at], summed, own, scratch.scaled[0, at]
            )
            read_vector(counts[r], weights, x, out, reading, vector, scratch)
        q += count


def is_linear(circuit: Any) -> Any:
    """Return True if the input stage neither clips nor rounds.

    Then s·clip(W(x/s) + σξ, ±α) = clip(W x + sσξ, ±sα), so a halving needs no new products.
    """
    return circuit[INPUT_BOUND] > LARGEST and circuit[INPUT_STEP] == ZERO


def plain_outputs(out: Any, r: Any, t0: Any, count: Any, share: Any, circuit: Any, scratch: Any) -> Any:
    """Add noise to the sums of a chunk, and write them; return False where one lies beyond the bound or is no number.

    Where it returns False, `read_vector` reads each vector of the chunk. Most chunks have no such output. To ask each
    vector whether it has one takes a third of the time of a read of 16 outputs.

    Args:
        out: outputs, (R, T, outputs) float32.
        r: replica.
        t0: first vector of the chunk.
        count: vectors.
        share: factor of the outputs, behind bound and noise.
        circuit: numbers of the circuit, (5,) float32: an input stage that is linear, an output stage without steps.
        scratch: `mho.kernels.cpu.records.ReadScratch`, with the sums.
    """
    sums, padded, beyond, size = scratch.sums, scratch.padded, scratch.beyond, out.shape[2]
    for j in range(padded):
        beyond[np.uintp(j)] = 0
    for i in range(count):
        at, first, outputs = np.uintp(i), np.uintp(i * padded), out[r, np.uintp(t0 + i)]
        to = outputs if size == padded else scratch.seen
        k0, k1, noise = scratch.keys[0, at], scratch.keys[1, at], scratch.scales[at] * circuit[NOISE]
        limit = min(scratch.scales[at] * circuit[BOUND], LARGEST)
        if noise > ZERO:
            for j in range(padded):
                v = sums[first + np.uintp(j)] + noise * normal(mix(np.uint32(j), k0, k1))
                beyond[np.uintp(j)] = np.int32(beyond[np.uintp(j)] + np.int32(not (abs(v) <= limit)))
                to[np.uintp(j)] = v * share
        else:
            for j in range(padded):
                v = sums[first + np.uintp(j)]
                beyond[np.uintp(j)] = np.int32(beyond[np.uintp(j)] + np.int32(not (abs(v) <= limit)))
                to[np.uintp(j)] = v * share
        if size != padded:
            for j in range(size):
                outputs[np.uintp(j)] = to[np.uintp(j)]
    missed = np.int32(0)
    for j in range(size):
        missed = np.int32(missed + beyond[np.uintp(j)])
    return missed == 0


def driven_values(values: Any, begin: Any, size: Any) -> Any:
    """Return how many of values[begin : begin + size] are not 0, int32.

    Args:
        values: flat float32; NaN counts as driven.
        begin: the first that is looked at.
        size: how many are looked at.
    """
    found = np.int32(0)
    for i in range(size):
        found = np.int32(found + np.int32(values[np.uintp(begin + i)] != ZERO))
    return found


def read_vector(counts: Any, weights: Any, x: Any, out: Any, reading: Any, vector: Any, scratch: Any) -> None:
    """Read one vector, with the halvings of bound management.

    Args:
        counts: (SIZE,) of the replica.
        weights: (R, P, N).
        x: as for `read`.
        out: as for `read`.
        reading: `mho.kernels.records.Reading`.
        vector: `mho.kernels.cpu.records.ReadVector`.
        scratch: `mho.kernels.cpu.records.ReadScratch`.
    """
    r, t, scale, backward = vector.replica, vector.t, vector.scale, reading.backward
    inputs, outputs = x[r, np.uintp(t)], out[r, np.uintp(t)]
    size = weights.shape[2] if backward else weights.shape[1]
    rows = inputs.shape[0] if backward else outputs.shape[0]
    devices = weights.shape[1] // rows
    circuit = reading.circuit[r]
    linear = is_linear(circuit)
    if scale == ZERO:  # no line is driven: nothing is read, and no noise is drawn
        for i in range(outputs.shape[0]):
            outputs[np.uintp(i)] = ZERO
        return
    sums, seen, scaled = vector.sums, scratch.seen, vector.scaled
    if not vector.summed:
        products(sums, weights, r, inputs if linear else scaled, backward, scratch.driven)
    clipped = 0
    for halving in range(reading.halvings + 1):
        k0, k1 = vector.key_0, vector.key_1
        if halving > 0:  # the array is read again, with noise of its own
            number = np.uint64(vector.first + np.uint64(t))
            words = vector_keys(reading.keys[r, 0], reading.keys[r, 1], number, np.uint32(halving))
            k0, k1 = words[0], words[1]
            if not linear:
                counts[NOT_FINITE] += input_stage(scaled, inputs, scale, circuit)
                products(sums, weights, r, scaled, backward, scratch.driven)
        # of a linear input stage the sums are W x, and only the scale of noise, bound and steps changes by a halving
        clipped, bad = output_stage(seen, sums, size, scale if linear else ONE, circuit, k0, k1)
        counts[NOT_FINITE] += bad
        if clipped == 0 or halving == reading.halvings:
            break
        counts[reading.halvings_slot] += 1
        scale = scale * np.float32(2.0)
    counts[reading.clipped_slot] += clipped
    # the lines of a weight's devices are added in digital, in index order; a backward read has added them in the array
    share = (ONE if linear else scale) / np.float32(devices)
    for i in range(outputs.shape[0]):
        total = seen[np.uintp(i)]
        for copy in range(1, 1 if backward else devices):
            total += seen[np.uintp(copy * rows + i)]
        outputs[np.uintp(i)] = total * share


def products(sums: Any, weights: Any, r: Any, inputs: Any, backward: Any, driven: Any) -> None:
    """Multiply the inputs of one vector by the weights of a replica, forward or backward.

    Args:
        sums: takes the products, (P,) forward and (N,) backward at least, float32.
        weights: as reads see them, (R, P, N) float32.
        r: replica.
        inputs: forward (N,), backward (M,), float32.
        backward: True multiplies by the transpose.
        driven: memory for the numbers of the lines that a backward read drives, (P,) uintp.
    """
    if backward:
        column_outputs(sums, weights, r, inputs, driven)
    else:
        row_outputs(sums, weights, r, inputs)


def input_stage(scaled: Any, x: Any, scale: Any, circuit: Any) -> Any:
    """Send x through the input stage: scaled = round(clip(x/s, ±bound)); return how many numbers are not finite.

    Source: T. Gokmen, M. Onen, W. Haensch 2017, arXiv 1705.08014, noise management and input range.

    Args:
        scaled: takes the result, as long as x, float32.
        x: inputs of a vector, float32.
        scale: s, above 0.
        circuit: numbers of the circuit, as `mho.kernels.circuit` lists them, (5,) float32.
    """
    bound, step = circuit[INPUT_BOUND], circuit[INPUT_STEP]
    bad = 0
    for i in range(x.shape[0]):
        at = np.uintp(i)
        v = x[at] / scale
        bad += not (abs(v) <= LARGEST)  # in this form NaN counts too
        v = min(max(v, -bound), bound)
        scaled[at] = np.rint(v / step) * step if step > ZERO else v
    return bad


def output_stage(seen: Any, sums: Any, size: Any, scale: Any, circuit: Any, k0: Any, k1: Any) -> Any:
    """Send sums through the output stage: noise, clip and rounding, in units of `scale`.

    Args:
        seen: takes the outputs, float32, with room for whole vectors of LANES.
        sums: products of weights and inputs, float32, with room for whole vectors of LANES.
        size: how many outputs count.
        scale: factor of noise, bound and step, above 0.
        circuit: numbers of the circuit, as `mho.kernels.circuit` lists them, (5,) float32.
        k0: first key word of the noise, uint32.
        k1: second key word of the noise, uint32.

    Returns:
        How many of the first `size` outputs were clipped, and how many are not finite.
    """
    # the loops run to whole vectors, and what lies behind `size` is not counted: no scalar rest remains
    noise, bound, step = scale * circuit[NOISE], scale * circuit[BOUND], scale * circuit[OUTPUT_STEP]
    clipped, bad = np.int32(0), np.int32(0)
    full = (size + LANES - 1) // LANES * LANES
    limit = np.int32(size)
    if noise > ZERO:
        for i in range(full):
            at = np.uintp(i)
            v = sums[at] + noise * normal(mix(np.uint32(i), k0, k1))
            kept = min(max(v, -bound), bound)
            clipped = np.int32(clipped + np.int32((kept != v) & (np.int32(i) < limit)))
            bad = np.int32(bad + np.int32((not (abs(v) <= LARGEST)) & (np.int32(i) < limit)))
            seen[at] = kept
    else:
        for i in range(full):
            at = np.uintp(i)
            v = sums[at]
            kept = min(max(v, -bound), bound)
            clipped = np.int32(clipped + np.int32((kept != v) & (np.int32(i) < limit)))
            bad = np.int32(bad + np.int32((not (abs(v) <= LARGEST)) & (np.int32(i) < limit)))
            seen[at] = kept
    if step > ZERO:
        for i in range(full):
            seen[np.uintp(i)] = np.rint(seen[np.uintp(i)] / step) * step
    return clipped, bad
