"""Plans of the vectors that come often, bound once to memory of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar, final

import numpy as np

from mho.compiler.program import Call, Step, joined
from mho.compiler.threads import WORK_A_THREAD
from mho.kernels.ops import Floats

Product = TypeVar("Product")

OFTEN = 8
"""Vectors that come so often are worth a plan of their own: its native entries take 50 ms each to compile."""
MOST_FLOATS = 1 << 16
"""Larger vectors are never copied: there, kernels take a hundred times as long as binding them."""
MOST_PLANS = 16


@final
@dataclasses.dataclass(frozen=True, eq=False)
class _Kept:
    """A plan with the memory that it reads."""

    memory: tuple[Floats, ...]
    steps: Sequence[Step]
    product: Any


@final
class FrequentPlans:
    """Plans by a key that names all but the vectors themselves.

    At mini-batch 1 binding a read takes as long as the read, 10 to 20 us. A plan that is kept costs a copy instead, and
    its kernels run as one native program where they would not be spread over threads.
    """

    def __init__(self) -> None:
        self._seen: dict[Hashable, int] = {}
        self._kept: dict[Hashable, _Kept] = {}

    def find(
        self, key: Hashable, vectors: tuple[Floats, ...], plan: Callable[..., tuple[Sequence[Step], Product]]
    ) -> tuple[Sequence[Step], Product, bool]:
        """Return steps for these vectors, what the plan makes beside, and whether both are kept for the next.

        Args:
            key: equal for vectors of equal shape that go the same way.
            vectors: arguments of the plan; a plan that is kept has copies of them when this returns.
            plan: makes steps that read the memory it is given.
        """
        kept = self._kept.get(key)
        if kept is None:
            seen = self._seen[key] = self._seen.get(key, 0) + 1
            if seen < OFTEN or sum(values.size for values in vectors) > MOST_FLOATS:
                return *plan(*vectors), False
            kept = self._keep(key, vectors, plan)
        for memory, values in zip(kept.memory, vectors, strict=True):
            np.copyto(memory, values)
        return kept.steps, kept.product, True

    def _keep(
        self, key: Hashable, vectors: tuple[Floats, ...], plan: Callable[..., tuple[Sequence[Step], Any]]
    ) -> _Kept:
        if len(self._kept) >= MOST_PLANS:
            del self._kept[next(iter(self._kept))]
        memory = tuple(np.empty_like(values) for values in vectors)
        steps, product = plan(*memory)
        is_small = all(step.work < 2 * WORK_A_THREAD for step in steps if isinstance(step, Call))
        self._kept[key] = _Kept(memory, joined(steps) if is_small else steps, product)
        return self._kept[key]
