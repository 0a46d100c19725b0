"""Kernels one after another in one call: native code finds the arguments of each in a table.

Between two kernels that Python calls the interpreter is entered, for 2 to 5 µs; where several threads share it, they
wait for one another, and a wait may put a thread to sleep. A program leaves the interpreter once.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any, cast, final

import numpy as np
import numpy.typing as npt

from mho.compiler import threads
from mho.compiler.numba_internals import NumbaError, compile_for, entry_point, sequence_runner, words

Step = Callable[[], None]
"""Something to be done again and again on the same memory: a `Call`, or a function of Python."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """A kernel and its arguments, to be called again and again.

    Attributes:
        kernel: compiled; it takes start, stop, counts, the arguments and, with `number`, one integer more.
        lines: it is called for all of them: 0 to lines.
        work: weight-vector pairs, which decide over how many threads it is spread.
        counts: (R, SIZE) that it adds to.
        arguments: arrays keep their memory; what is written there between two calls is seen.
        number: array of one integer, read at each call.
        explain: what an error of the compiler means to the user.
    """

    kernel: Any
    lines: int
    work: int
    counts: npt.NDArray[np.int64]
    arguments: tuple[Any, ...]
    number: npt.NDArray[np.int64] | None = None
    explain: Callable[[NumbaError], Exception] | None = None

    def __call__(self) -> None:
        last = () if self.number is None else (int(self.number[0]),)
        try:
            threads.run(self.kernel, self.lines, self.work, self.counts, *self.arguments, *last)
        except NumbaError as error:
            raise self._explained(error) from None

    def native(self) -> tuple[int, npt.NDArray[np.int64]]:
        """Return the address of the kernel's native code and the table of its arguments; both need the call to live."""
        numbered = self.number is not None
        try:
            kinds = compile_for(self.kernel, self.values, numbered=numbered)
        except NumbaError as error:
            raise self._explained(error) from None
        table = [word for kind, value in zip(kinds, self.values, strict=False) for word in words(kind, value)]
        table += [] if self.number is None else [self.number.ctypes.data]
        return entry_point(self.kernel, kinds, numbered=numbered), np.array(table, np.int64)

    def _explained(self, error: NumbaError) -> Exception:
        return error if self.explain is None else self.explain(error)

    @property
    def values(self) -> tuple[Any, ...]:
        """All that the kernel takes, the number left out."""
        return (0, self.lines, self.counts, *self.arguments)


@final
class Program:
    """Some calls, one after another, on the thread that runs it.

    Every kernel has one entry in native code for each list of types, whatever the shapes, so a program costs no
    compilation where its kernels have run before.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = tuple(calls)  # their arrays must live as long as something points to them
        native = [call.native() for call in self._calls]
        self._tables = [table for _, table in native]
        self._pairs = np.array([(entry, table.ctypes.data) for entry, table in native], np.int64)
        self._run, self._start = sequence_runner(), self._pairs.ctypes.data

    def __call__(self) -> None:
        failed = self._run(len(self._calls), self._start)
        if failed:
            raise RuntimeError(f"kernel {self._calls[failed - 1].kernel.__name__} of a program ended with an error")


@final
class Repeated:
    """Steps that are run again and again, each time on the next record of a block of memory.

    Where all steps are small calls, they run as one native program over all records: what points into the block moves
    with the records. Else each record is copied to where the steps are bound, which costs as little beside large
    kernels, which may be spread over threads, or beside steps of Python.

    Args:
        steps: bound to `pattern`.
        pattern: (2, size) float32, contiguous: a record and the one behind it.
        numbers: numbers of vectors that calls read, (1,) each, which grow with every record.
        vectors: by how much they grow.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        pattern: npt.NDArray[np.float32],
        numbers: Sequence[npt.NDArray[np.int64]],
        vectors: int,
    ) -> None:
        self._steps, self._pattern, self._numbers, self._vectors = tuple(steps), pattern, tuple(numbers), vectors
        calls = [step for step in steps if isinstance(step, Call) and step.work < 2 * threads.WORK_A_THREAD]
        self._is_native = len(calls) == len(self._steps)
        if self._is_native:
            self._bind(calls)

    def __call__(self, block: npt.NDArray[np.float32], records: npt.NDArray[np.int64]) -> None:
        """Run the steps on records of a block.

        Args:
            block: (K + 1, size) float32, contiguous.
            records: numbers of records, each below K, in the order of the runs.
        """
        if self._is_native:
            self._run_native(block, records)
            return
        for record in records.tolist():
            place = block[record : record + 2]
            np.copyto(self._pattern, place)
            try:
                for step in self._steps:
                    step()
            finally:
                self._count(1)
            np.copyto(place, self._pattern)

    def _bind(self, calls: Sequence[Call]) -> None:
        native = [call.native() for call in calls]
        words = np.concatenate([np.empty(0, np.int64), *(table for _, table in native)])
        start, size = self._pattern.ctypes.data, self._pattern.nbytes
        self._moving = ((words >= start) & (words < start + size)).astype(np.int64)
        self._words = words - start * self._moving
        self._counted = [np.flatnonzero(words == number.ctypes.data) for number in self._numbers]
        self._entries = np.array([entry for entry, _ in native], np.int64)
        self._starts = np.cumsum([0, *(len(table) for _, table in native[:-1])])[: len(native)] * 8
        self._run = sequence_runner()

    def _run_native(self, block: npt.NDArray[np.float32], records: npt.NDArray[np.int64]) -> None:
        starts = block.ctypes.data + block.strides[0] * records
        tables = self._words + starts[:, None] * self._moving
        grown = self._vectors * np.arange(len(records))
        counts = [number + grown for number in self._numbers]  # they live until the program has run
        for own, places in zip(counts, self._counted, strict=True):
            tables[:, places] = (own.ctypes.data + 8 * np.arange(len(own)))[:, None]
        pairs = np.empty((len(records), len(self._entries), 2), np.int64)
        pairs[:, :, 0] = self._entries
        pairs[:, :, 1] = tables.ctypes.data + tables.strides[0] * np.arange(len(records))[:, None] + self._starts
        try:
            failed = self._run(pairs.shape[0] * pairs.shape[1], pairs.ctypes.data)
        finally:
            self._count(len(records))
        if failed:
            kernel = cast(Call, self._steps[(failed - 1) % len(self._steps)]).kernel
            raise RuntimeError(f"kernel {kernel.__name__} of a program ended with an error")

    def _count(self, runs: int) -> None:
        for number in self._numbers:
            number += self._vectors * runs


def joined(steps: Sequence[Step]) -> list[Step]:
    """The same steps with runs of calls put into programs."""
    found: list[Step] = []
    for is_call, members in itertools.groupby(steps, lambda step: isinstance(step, Call)):
        group = list(members)
        found += [Program(cast(list[Call], group))] if is_call else group
    return found
