"""One read of an array in NumPy: y = s·2ⁿ·clip(W x/(s·2ⁿ) + σξ, ±α).

Source: T. Gokmen, M. Onen, W. Haensch 2017, arXiv 1705.08014, noise and bound management.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mho.kernels import blas
from mho.kernels.circuit import BOUND, INPUT_BOUND, INPUT_STEP, NOISE, OUTPUT_STEP
from mho.kernels.counts import NOT_FINITE
from mho.kernels.ops import Circuit, Counts, Floats
from mho.kernels.reference.rounding import in_steps, product
from mho.random import mix, normal, vector_keys


class ReadStream(NamedTuple):
    """Stream of a read, which names its noise, and its counters.

    Attributes:
        keys: keys of the stream, (R, 2) uint32.
        first: number of the first vector.
        clipped: column of `counts` for clipped outputs.
        halvings: column of `counts` for halvings.
    """

    keys: npt.NDArray[np.uint32]
    first: int
    clipped: int
    halvings: int


def read(
    counts: Counts, weights: Floats, x: Floats, out: Floats, circuit: Circuit, stream: ReadStream, *, backward: bool
) -> None:
    """Read vectors through the array and its periphery: y = s·2ⁿ·clip(W x/(s·2ⁿ) + σξ, ±α), backward with Wᵀ.

    s is the largest |input| under noise management, else 1; n the number of halvings by bound management.
    Source: T. Gokmen, M. Onen, W. Haensch 2017, arXiv 1705.08014, noise and bound management.

    Args:
        counts: (R, SIZE); clipped outputs and halvings are added to the counters that `stream` names, values that are
            not finite to NOT_FINITE.
        weights: as reads see them, (R, P, N), P = M·devices.
        x: (R, T, N), or backward δ (R, T, M), which drives all P lines.
        out: takes y, (R, T, M), the mean over the devices of a weight; or backward z, (R, T, N).
        circuit: noise σ, bounds, steps of converters, noise and bound management.
        stream: names the noise ξ, fresh for each output, vector and halving.
        backward: the direction.
    """
    rows = x.shape[2] if backward else out.shape[2]
    devices = np.float32(weights.shape[1] // rows)
    multiply = blas.product if circuit.blas else product
    for r, t in np.ndindex(x.shape[:2]):
        numbers = circuit.numbers[r]
        s = np.abs(x[r, t]).max() if circuit.noise_management else np.float32(1)
        if s == 0:
            out[r, t] = 0
            continue
        for n in range(circuit.halvings + 1):
            sums, unit, faults = sums_of(weights[r], x[r, t], s, numbers, multiply, backward=backward)
            counts[r, NOT_FINITE] += faults
            if numbers[NOISE] > 0:
                sums = sums + unit * numbers[NOISE] * noise(stream, r, int(t), n, sums.size)
            counts[r, NOT_FINITE] += (~np.isfinite(sums)).sum()
            seen: Floats = np.clip(sums, -unit * numbers[BOUND], unit * numbers[BOUND])
            clipped = (seen != sums).sum()
            if clipped == 0 or n == circuit.halvings:
                break
            counts[r, stream.halvings] += 1
            s = s * np.float32(2)
        counts[r, stream.clipped] += clipped
        seen = in_steps(seen, unit * numbers[OUTPUT_STEP])
        if not backward:
            seen = added_devices(seen, rows)
        out[r, t] = seen * (s / unit / devices)


def sums_of(
    weights: Floats, x: Floats, s: np.float32, numbers: Floats, multiply: Callable[..., Floats], *, backward: bool
) -> tuple[Floats, np.float32, int]:
    """Return the products W(x/s) of one vector, behind the input stage.

    If the input stage neither clips nor rounds, s·clip(W(x/s) + σξ, ±α) = clip(W x + sσξ, ±sα): then the sums are W x,
    as compiled back ends compute them, and their unit is s. Else their unit is 1.

    Returns:
        The sums (P,), or backward (N,); their unit; how many inputs are not finite.
    """
    if np.isinf(numbers[INPUT_BOUND]) and numbers[INPUT_STEP] == 0:
        return multiply(weights, x, backward), s, 0
    driven: Floats = x / s
    faults = int((~np.isfinite(driven)).sum())
    driven = np.clip(driven, -numbers[INPUT_BOUND], numbers[INPUT_BOUND])
    return multiply(weights, in_steps(driven, numbers[INPUT_STEP]), backward), np.float32(1), faults


def noise(stream: ReadStream, r: int, t: int, halving: int, size: int) -> Floats:
    """Return the noise ξ ~ N(0, 1) of the outputs of vector t of replica r after `halving` halvings, (size,)."""
    number, block = np.array([stream.first + t], np.uint64), np.array([halving], np.uint32)
    k0, k1, _, _ = vector_keys(stream.keys[r, :1], stream.keys[r, 1:], number, block)
    xi: Floats = normal(mix(np.arange(size, dtype=np.uint32), k0, k1))
    return xi


def added_devices(values: Floats, rows: int) -> Floats:
    """Return the sums (rows,) over the devices of each weight of values (devices·rows,), added in order."""
    by_device = values.reshape(-1, rows)
    total = by_device[0].copy()
    for values_of_device in by_device[1:]:
        total += values_of_device
    return total
