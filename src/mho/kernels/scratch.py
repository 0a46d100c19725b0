"""Memory that plans need only while they run, shared by plans that run one after another."""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt


@final
class Scratch:
    """Blocks of memory that several plans share.

    Plans bound within one `lent()` get different blocks; the next `lent()` begins with the first block again.
    """

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, str], npt.NDArray[Any]] = {}
        self._taken = 0

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Give blocks to the plans bound inside; they must not run at the same time as other plans of this memory."""
        self._taken = 0
        token = _lender.set(self)
        try:
            yield
        finally:
            _lender.reset(token)

    def take(self, shape: Sequence[int], kind: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return the next block as an array of this shape; a block that is too small is replaced for later plans."""
        key, size = (self._taken, np.dtype(kind).str), math.prod(shape)
        self._taken += 1
        block = self._blocks.get(key)
        if block is None or block.size < size:
            block = self._blocks[key] = np.empty(size, kind)
        return block[:size].reshape(shape)


_lender: contextvars.ContextVar[Scratch | None] = contextvars.ContextVar("scratch", default=None)


def room(shape: Sequence[int], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return memory whose content need not survive between two runs of a plan: new, or from the Scratch that lends."""
    lender = _lender.get()
    return np.empty(shape, kind) if lender is None else lender.take(shape, kind)
