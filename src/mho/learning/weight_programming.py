"""The task of programming weights by learning: does a rule bring one array to given weights?"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import final

import numpy as np
import numpy.typing as npt
import torch

from mho.arrays import Crossbar
from mho.config import RPU
from mho.errors import Faults, InWords, in_words
from mho.kernels.ops import Floats
from mho.random import Operation

Numbers = npt.NDArray[np.float64]
BLOCK = 1000
"""Vectors between two reports, and drawn together."""
TAIL, LOOKS = 0.1, 50
"""Share of the vectors at the end over which the error is a mean, and how often it is measured there."""
TARGETS, INPUTS = 1, 2
"""What is drawn under a seed."""


@final
@dataclasses.dataclass(frozen=True)
class LearnedWeights:
    """Result of learning weights: how close an array has come to its targets, for R replicas.

    Attributes:
        error: root mean square of W - Ŵ, (R,), the mean over the last tenth of the vectors, in weights.
        vectors: numbers of vectors after which the error was measured, (K,).
        curve: errors then, (K, R).
        pulses: steps a device has made per vector, by the name of its bank, (R,).
        seconds: seconds of the whole run.
    """

    error: Numbers
    vectors: npt.NDArray[np.int64]
    curve: Numbers
    pulses: dict[str, Numbers]
    seconds: float


@final
class WeightProgramming(metaclass=InWords):
    """An array on its way to given weights, which learns so many vectors at a time and can be saved in between.

    The task of `learn_weights`, which has all settings. What is learned does not depend on how vectors are split into
    calls, and `state` and `restore` continue it in another process to the same bits.

    Attributes:
        array: that learns, of R replicas.
        targets: weights Ŵ, (R, size, size).

    Raises:
        InvalidValue: for a number out of range, or lists of another length.
    """

    def __init__(
        self,
        rpu: RPU,
        *,
        size: int = 20,
        lr: float = 0.1,
        target_std: float = 0.3,
        seeds: Sequence[int] = (0,),
    ) -> None:
        faults = Faults("WeightProgramming")
        faults.number("size", size, low=1, integer=True)
        faults.number("lr", lr, above=0.0, high=1e6)
        faults.number("target_std", target_std, above=0.0, high=1e6)
        if not len(seeds):
            faults.add("seeds is empty; give one for each replica")
        faults.raise_any()
        replicas = len(seeds)
        self.lr, self.seeds = lr, list(seeds)
        self.array = Crossbar(rpu, size, size, seed=self.seeds, replicas=replicas)
        self.array.write(torch.zeros(replicas, size, size), quiet=True)
        self.targets = drawn_targets(seeds, size=size, target_std=target_std)

    @property
    def vectors(self) -> int:
        """Return the number of vectors that have been learned from, at least 0."""
        return int(self.array.vectors[Operation.UPDATE])

    @property
    def error(self) -> Numbers:
        """Return the root of the mean square of W - Ŵ at present, (R,), in units of weight."""
        squares: Numbers = np.square(self.array.weight.numpy() - self.targets, dtype=np.float64)
        return np.asarray(np.sqrt(squares.mean(axis=(1, 2))))

    def learn(
        self, vectors: int, *, looks: Collection[int] = (), watch: Callable[[int], None] | None = None
    ) -> Numbers:
        """Learn from so many further vectors.

        Args:
            vectors: how many, at least 1.
            looks: numbers of vectors of the whole run after which the error is measured.
            watch: called with the number of vectors of the whole run, about every thousand vectors.

        Returns:
            Errors at these numbers, (K, R).
        """
        first, size, replicas = self.vectors, self.array.in_features, len(self.seeds)
        cycles = self.array.cycles(slice(None), 1)
        cycles.begin()
        cycles.set_rate(self.lr)
        errors, factor = [], np.float32(2 / size)
        x = np.empty((replicas, BLOCK, size), np.float32)
        for vector in range(first, first + vectors):
            if vector == first or vector % BLOCK == 0:
                if watch is not None:
                    watch(vector)
                for r, seed in enumerate(self.seeds):
                    x[r] = _drawn(seed, INPUTS, vector // BLOCK, (BLOCK, size))
                wanted = np.einsum("rij,rtj->rti", self.targets, x)
            cycles.inputs[:, 0] = x[:, vector % BLOCK]
            for step in [*cycles.preparing, *cycles.forward]:
                step()
            np.subtract(wanted[:, vector % BLOCK], cycles.outputs[:, 0], out=cycles.errors[:, 0])
            cycles.errors *= factor
            for step in cycles.update:
                step()
            if vector + 1 in looks:
                errors.append(self.error)
        cycles.store_numbers()
        fault = cycles.fault(x=True, d=True)
        if fault is not None:
            raise fault
        return np.array(errors).reshape(-1, replicas)

    def pulses(self) -> dict[str, Numbers]:
        """Return the mean number of steps of a device per vector, (R,), by the name of its bank."""
        counters, specs = self.array.counters(), self.array.rpu.banks
        devices = self.array.out_features * self.array.in_features * max(1, self.vectors)
        return {
            spec.name: (
                counters[f"{spec.name}.coincidences" if len(specs) > 1 else "coincidences"] / (spec.lines * devices)
            ).numpy()
            for spec in specs
        }

    def state(self) -> dict[str, torch.Tensor]:
        """Return all that further vectors depend on, beside the settings."""
        return {name: value.clone() for name, value in self.array.state_dict().items()}

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue from what `state` returned, of the same settings."""
        self.array.load_state_dict(dict(state))


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
        seeds: seeds of each replica: of devices and noise, targets and vectors.
        points: number of points of the curve, at least 1.
        watch: called with the number of vectors done, about every thousand vectors.

    Raises:
        InvalidValue: for a number out of range, or lists of another length.

    Source: M. J. Rasch et al., Nat. Commun. 15:7133 (2024), Fig. 4; the factor 2 of δ is inferred.
    """
    faults = Faults("learn_weights")
    faults.number("vectors", vectors, low=100, integer=True)
    faults.number("points", points, low=1, integer=True)
    faults.raise_any()
    began = time.perf_counter()
    task = WeightProgramming(rpu, size=size, lr=lr, target_std=target_std, seeds=seeds)
    looks = _looks(vectors, points)
    curve, at = task.learn(vectors, looks=looks, watch=watch), np.array(sorted(looks))
    tail = curve[at > vectors * (1 - TAIL)].mean(axis=0)
    return LearnedWeights(tail, at, curve, task.pulses(), time.perf_counter() - began)


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
