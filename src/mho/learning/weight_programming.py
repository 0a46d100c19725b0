"""The task of programming weights by learning: does a rule bring one array to given weights?"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
import numpy.typing as npt
import torch

from mho.arrays import Crossbar
from mho.config import RPU
from mho.errors import Faults, in_words

Numbers = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
BLOCK = 1000
"""Vectors between two reports, and drawn together."""
TAIL, LOOKS = 0.1, 50
"""Share of the vectors at the end over which the error is a mean, and how often it is measured there."""
TARGETS, INPUTS = 1, 2
"""What is drawn under a seed."""


@final
@dataclasses.dataclass(frozen=True)
class LearnedWeights:
    """How close an array has come to its targets, for R replicas.

    Attributes:
        error: root mean square of W - Ŵ, (R,), the mean over the last tenth of the vectors, in weights.
        vectors: numbers of vectors after which the error was measured, (K,).
        curve: errors then, (K, R).
        pulses: steps a device has made per vector, by the name of its bank, (R,).
        seconds: of the whole run.
    """

    error: Numbers
    vectors: npt.NDArray[np.int64]
    curve: Numbers
    pulses: dict[str, Numbers]
    seconds: float


@in_words
def learn_weights(
    rpu: RPU,
    *,
    vectors: int = 60_000,
    size: int = 20,
    lr: float = 0.1,
    target_std: float = 0.3,
    seeds: Sequence[int] = (0,),
    points: int = 60,
    watch: Callable[[int], None] | None = None,
) -> LearnedWeights:
    """Let an array learn given weights from random vectors, by the mean squared error of its outputs.

    The weights W of `size` rows and columns begin at 0 and see x ~ N(0, 1), one vector after another; their targets Ŵ
    are normal with mean 0. δ = 2(Ŵx - y)/size, where y is the forward read of W, noise included.

    Args:
        rpu: array; its lists have as many values as there are seeds.
        vectors: how many, at least 100.
        size: rows and columns, at least 1.
        lr: learning rate, above 0.
        target_std: standard deviation of the targets, above 0.
        seeds: of each replica: of devices and noise, targets and vectors.
        points: of the curve, at least 1.
        watch: is told the number of vectors done, a thousand or so from one time to the next.

    Raises:
        InvalidValue: for a number out of range, or lists of another length.

    Source: M. J. Rasch et al., Nat. Commun. 15:7133 (2024), Fig. 4; the factor 2 of δ is inferred.
    """
    faults = Faults("learn_weights")
    faults.number("vectors", vectors, low=100, integer=True)
    faults.number("size", size, low=1, integer=True)
    faults.number("lr", lr, above=0.0, high=1e6)
    faults.number("target_std", target_std, above=0.0, high=1e6)
    faults.number("points", points, low=1, integer=True)
    if not len(seeds):
        faults.add("seeds is empty; give one for each replica")
    faults.raise_any()
    began, replicas = time.perf_counter(), len(seeds)
    array = Crossbar(rpu, size, size, seed=list(seeds), replicas=replicas)
    array.write(torch.zeros(replicas, size, size), quiet=True)
    targets = drawn_targets(seeds, size=size, target_std=target_std)
    looks = _looks(vectors, points)
    curve, errors, tail = [], [], vectors * (1 - TAIL)
    cycles = array.cycles(slice(None), 1)
    cycles.begin()
    cycles.set_rate(lr)
    x = np.empty((replicas, BLOCK, size), np.float32)
    for vector in range(vectors):
        if vector % BLOCK == 0:
            if watch is not None:
                watch(vector)
            for r, seed in enumerate(seeds):
                x[r] = _drawn(seed, INPUTS, vector // BLOCK, (BLOCK, size))
            wanted = np.einsum("rij,rtj->rti", targets, x)
        cycles.inputs[:, 0] = x[:, vector % BLOCK]
        cycles.prepare()
        for step in cycles.forward:
            step()
        cycles.count_on(forward=True)
        np.subtract(wanted[:, vector % BLOCK], cycles.outputs[:, 0], out=cycles.errors[:, 0])
        cycles.errors *= np.float32(2 / size)
        cycles.touch()
        for step in cycles.update:
            step()
        cycles.count_on(update=True)
        if vector + 1 in looks:
            error = np.sqrt(np.square(array.weight.numpy() - targets, dtype=np.float64).mean(axis=(1, 2)))
            curve.append(error)
            if vector + 1 > tail:
                errors.append(error)
    cycles.settle()
    fault = cycles.fault(x=True, d=True)
    if fault is not None:
        raise fault
    return LearnedWeights(
        np.mean(errors, axis=0),
        np.array(sorted(looks)),
        np.array(curve),
        _steps_of_devices(array, vectors),
        time.perf_counter() - began,
    )


def drawn_targets(seeds: Sequence[int], *, size: int, target_std: float) -> Floats:
    """Return the weights (R, size, size) that `learn_weights` has arrays learn, of each seed."""
    return np.stack([_drawn(seed, TARGETS, 0, (size, size)) for seed in seeds]) * np.float32(target_std)


def _drawn(seed: int, what: int, block: int, shape: tuple[int, int]) -> Floats:
    """Return normals that are named by seed, use and block."""
    stream = np.random.Generator(np.random.Philox(key=[seed, (what << 32) + block]))
    return stream.standard_normal(shape, np.float32)


def _looks(vectors: int, points: int) -> set[int]:
    """Return after how many vectors the error is measured: evenly, and densely over the tail."""
    first = math.floor(vectors * (1 - TAIL)) + 1
    even = {math.ceil((k + 1) * vectors / points) for k in range(points)}
    return even | {int(vector) for vector in np.linspace(first, vectors, LOOKS)}


def _steps_of_devices(array: Crossbar, vectors: int) -> dict[str, Numbers]:
    """Return steps a device has made per vector by bank."""
    counters, specs = array.counters(), array.rpu.banks
    devices = array.out_features * array.in_features * vectors
    return {
        spec.name: (
            counters[f"{spec.name}.coincidences" if len(specs) > 1 else "coincidences"] / (spec.lines * devices)
        ).numpy()
        for spec in specs
    }
