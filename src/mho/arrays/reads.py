"""Reads of an array that are bound to the memory of their vectors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import final

from mho.compiler.program import Step
from mho.kernels.ops import Counts


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Reads:
    """A read of T vectors, to be run again and again as long as the array is bound to the same memory.

    Attributes:
        steps: steps of one run.
        numbers: memory from which the steps take the number of their first vector, (1,) each. Whoever runs them adds T
            to each afterwards.
        prepare: to be called once before runs, behind whatever has moved devices.
    """

    steps: Sequence[Step]
    numbers: Sequence[Counts]
    prepare: Callable[[], None]
