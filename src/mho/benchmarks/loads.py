"""Arrays with vectors to work on: what the suites of one array time."""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import final

import numpy as np

from mho.arrays import Crossbar
from mho.benchmarks.timing import repeat
from mho.compiler import threads
from mho.compiler.program import Call as KernelCall
from mho.config import RPU
from mho.kernels.ops import Floats
from mho.periphery import Pulses

Call = Callable[[], object]

LR = 0.01
LENGTH = 10
ACTIVE = 0.06
"""Share of (cross-point, vector) pairs with at least one coincidence."""
POOLED = 0.25
"""Share of rows that a 2×2 max pooling leaves with an error."""


@final
@dataclasses.dataclass(frozen=True)
class Case:
    """An array of `rows` × `columns` and `vectors` T in one call."""

    rows: int
    columns: int
    vectors: int

    @property
    def cells(self) -> int:
        """M·N."""
        return self.rows * self.columns

    @property
    def pairs(self) -> int:
        """(Weight, vector) pairs of one call."""
        return self.cells * self.vectors

    def __str__(self) -> str:
        return f"{self.rows}×{self.columns}, T = {self.vectors}"

    def record(self) -> dict[str, int]:
        """Return the sizes as a record for JSON."""
        return dataclasses.asdict(self)


def line_probability(active: float = ACTIVE) -> float:
    """Probability p of a pulse in a slot, for rows and columns alike, with 1 - (1 - p²)^BL = `active` at BL = 10."""
    return math.sqrt(1 - (1 - active) ** (1 / LENGTH))


def update_call(array: Crossbar, vectors: int, *, driven_rows: float = 1.0) -> Call:
    """Update cycles in which `ACTIVE` of the pairs coincide at BL = 10.

    Every driven line has |value| = p / C, so that it pulses in a slot with probability p at BL = 10, signs at
    random; of the rows a share `driven_rows` is driven by each vector, chosen at random. With another bit length x
    and δ are the same, as in training. Every second call has the other sign, so that weights stay where they are.
    """
    x, d = _update_vectors(array, vectors, driven_rows)
    both = itertools.cycle((d, -d))
    return lambda: array.update_vectors(x, next(both), LR)


def _update_vectors(array: Crossbar, vectors: int, driven_rows: float = 1.0) -> tuple[Floats, Floats]:
    rng = np.random.Generator(np.random.Philox(0))
    p = line_probability(ACTIVE / driven_rows)
    gains = (1.0, 1.0)
    if isinstance(array.rpu.update, Pulses):
        gains = Pulses(length=LENGTH).gains(LR, array.rpu.device.mean_step())
    x = _signs(rng, (1, vectors, array.in_features)) * np.float32(p / gains[0])
    d = _signs(rng, (1, vectors, array.out_features)) * np.float32(p / gains[1])
    d[rng.random(d.shape) >= driven_rows] = 0.0
    return x, d


def reader(array: Crossbar, vectors: int, *, backward: bool) -> Call:
    """Reads of inputs uniform within ±1 forward, and of errors within ±0.01 backward: no output meets its bound."""
    rng = np.random.Generator(np.random.Philox(0))
    width, peak = (array.out_features, 0.01) if backward else (array.in_features, 1.0)
    values = rng.uniform(-peak, peak, (1, vectors, width)).astype(np.float32)
    return lambda: array.read_vectors(values, backward=backward)


def array_of(rpu: RPU, case: Case) -> Crossbar:
    """Return an array of a case's size."""
    return Crossbar(rpu, case.rows, case.columns, seed=0)


def cross_point_bytes(array: Crossbar) -> float:
    """Bytes of all buffers of the array for each of its cross-points."""
    return sum(buffer.nbytes for buffer in array.buffers()) / array.state.numel()


def coincidences(array: Crossbar, call: Call, vectors: int) -> float:
    """Coincidences a (cross-point, vector) pair, counted over two calls."""
    before = array.counters()["coincidences"].sum()
    call()
    call()
    found = array.counters()["coincidences"].sum() - before
    return int(found) / (2 * vectors * array.state.numel())


def on_threads(count: int, call: Call) -> Call:
    """Return the call on `count` threads; afterwards there are as many as before."""

    def called() -> None:
        before = threads.threads()
        threads.set_threads(count)
        try:
            call()
        finally:
            threads.set_threads(before)

    return called


def kernel_times(array: Crossbar, vectors: int, seconds: float) -> dict[str, float]:
    """Return the median seconds that each kernel of an update as `update_call` makes it takes, by the kernel's name.

    The kernels of a plan are called one by one, as an array itself runs those of small updates as one program.
    """
    x, d = _update_vectors(array, vectors)
    part = array.part()
    plan = array.rpu.cell.plan_update(part, x, d)
    plan.set_rate(LR)
    kernels = [step for step in part.whole_update(plan, vectors) if isinstance(step, KernelCall)]
    taken: dict[str, list[float]] = defaultdict(list)

    def update() -> None:
        np.negative(d, out=d)
        for kernel in kernels:
            began = time.perf_counter()
            kernel()
            taken[kernel.kernel.__name__].append(time.perf_counter() - began)

    repeat(update, seconds=seconds)
    return {name: statistics.median(times) for name, times in taken.items()}


def _signs(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return np.where(rng.random(shape) < 0.5, np.float32(-1), np.float32(1))
