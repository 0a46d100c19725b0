"""Memory that plans need only while they run, shared by plans that run one after another."""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, final

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


@final
class Pool:
    """Memory for values that plans pass to one another, each of which is free again once all that read it are planned.

    Plans are made in the order in which they run.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, npt.NDArray[Any]] = {}
        self._holds: dict[int, int] = {}
        self._free: list[npt.NDArray[Any]] = []

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Give memory to the plans bound inside; it stays theirs until it was held, and dropped as often."""
        token = _lender.set(self)
        try:
            yield
        finally:
            _lender.reset(token)

    def take(self, shape: Sequence[int], kind: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return free memory, or new memory, as an array of this shape."""
        size = math.prod(shape)
        fits = [block for block in self._free if block.size >= size and block.dtype == kind]
        if fits:
            block = min(fits, key=lambda block: block.size)
            self._free = [own for own in self._free if own is not block]
        else:
            block = np.empty(size, kind)
            self._blocks[block.ctypes.data] = block
        return block[:size].reshape(shape)

    def hold(self, values: npt.NDArray[Any]) -> None:
        """Note that a plan to come reads these values."""
        if values.ctypes.data in self._blocks:
            self._holds[values.ctypes.data] = self._holds.get(values.ctypes.data, 0) + 1

    def drop(self, values: npt.NDArray[Any]) -> None:
        """Note that a plan that reads these values was made: after the last such plan, their memory is free."""
        place = values.ctypes.data
        if place in self._blocks:
            self._holds[place] -= 1
            if not self._holds[place]:
                self._free.append(self._blocks[place])


class _Lender(Protocol):
    def take(self, shape: Sequence[int], kind: npt.DTypeLike) -> npt.NDArray[Any]: ...


_lender: contextvars.ContextVar[_Lender | None] = contextvars.ContextVar("scratch", default=None)


def room(shape: Sequence[int], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return memory whose content need not survive between two runs of a plan: new, or from what lends."""
    lender = _lender.get()
    return np.empty(shape, kind) if lender is None else lender.take(shape, kind)
