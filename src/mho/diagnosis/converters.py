"""What the converters of reads make of the vectors that they convert."""

from __future__ import annotations

import dataclasses
from typing import final

import numpy as np

from mho.config import RPU
from mho.diagnosis.cures import Settings
from mho.diagnosis.finding import Check, Finding, NetworkNumbers, per_cent
from mho.diagnosis.numbers import ArrayNumbers
from mho.diagnosis.probe import Floats, product
from mho.periphery import Read

BITS = {"dac_bits": 7, "adc_bits": 9}
"""Of the converters of Gokmen & Vlasov 2016."""


@final
@dataclasses.dataclass(frozen=True)
class _Stage:
    """One converter of an array.

    Attributes:
        lost: share of the direction of its vectors that it changes, 0 to 1.
        side: forward or backward.
        name: dac_bits or adc_bits.
        bits: its number.
        numbers: of the array.
    """

    lost: float
    side: str
    name: str
    bits: int
    numbers: ArrayNumbers


@final
class Converters(Check):
    """Share of the direction of inputs or outputs that a converter of few bits takes.

    A converter of b bits has the levels kΔ with Δ = 2·bound/(2ᵇ - 2), |k| < 2ᵇ⁻¹; what lies between two of them becomes
    the nearer one, and outputs below Δ/2 become 0. A vector v becomes q, which lies along it by cos² = (v·q)²/(v²q²);
    lost is 1 - cos², weighted with the power v², or all of a vector that becomes 0. At one half what is converted has
    more to do with the levels than with the vector. Looked at are exact inputs and outputs, scaled by noise management
    where it is on, without the noise of reads.

    Source: T. Gokmen, Y. Vlasov, Front. Neurosci. 10:333 (2016), which asks for 7 bits in and 9 bits out.
    """

    name = "converters"
    meaning = "the levels of the converter are too far apart: what lies between them is rounded away"

    def look(self, network: NetworkNumbers) -> Finding | None:
        stages = [stage for numbers in network.arrays for stage in _stages(numbers)]
        if not stages:
            return None
        worst = max(stages, key=lambda stage: stage.lost)
        number = (
            f"{worst.side}.{worst.name}, {worst.bits}, takes {per_cent(worst.lost)} of the direction of the vectors "
            "that it converts"
        )
        found = self.found(network, worst.numbers, worst.lost, number, settings=_finer(worst.numbers.rpu))
        return dataclasses.replace(found, rank=0)


def _stages(numbers: ArrayNumbers) -> list[_Stage]:
    found = []
    weights = numbers.weights / numbers.factors[:, None]
    sides = {"forward": (numbers.inputs, weights.T), "backward": (numbers.errors, weights)}
    for side, (vectors, matrix) in sides.items():
        read: Read = getattr(numbers.rpu, side)
        if not len(vectors) or (read.dac_bits is None and read.adc_bits is None):
            continue
        sent = vectors
        if read.noise_management:
            highest = np.abs(vectors).max(axis=1, keepdims=True)
            sent = np.divide(vectors, highest, out=np.zeros_like(vectors), where=highest > 0)
        for name, bits, bound, values in (
            ("dac_bits", read.dac_bits, 1.0 if read.input_bound is None else read.input_bound, sent),
            ("adc_bits", read.adc_bits, read.bound, product(sent, np.ascontiguousarray(matrix))),
        ):
            if bits is not None and bound is not None:
                found.append(_Stage(_lost(values, bits, bound), side, name, bits, numbers))
    return found


def _lost(values: Floats, bits: int, bound: float) -> float:
    """Return the share of the direction of vectors (V, lines) that a converter takes."""
    step = np.float32(2 * bound / (2**bits - 2))
    converted = np.clip(np.rint(values / step) * step, -bound, bound)
    wanted, along, sent = (
        (a * b).sum(axis=1, dtype=np.float64)
        for a, b in ((values, values), (values, converted), (converted, converted))
    )
    kept = np.divide(np.square(along), sent, out=np.zeros_like(sent), where=sent > 0)
    return float(np.clip(1 - kept.sum() / wanted.sum(), 0, 1)) if wanted.sum() > 0 else 0.0


def _finer(rpu: RPU) -> Settings:
    """Return how to have converters of the usual bits where there are fewer."""
    return tuple(
        f"{side}.{name}={usual}"
        for side in ("forward", "backward")
        for name, usual in BITS.items()
        if (bits := getattr(getattr(rpu, side), name)) is not None and bits < usual
    )
