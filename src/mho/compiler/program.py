"""Programs: several kernels in one call, whose arguments native code finds in an array of words.

Between two kernels that Python calls the interpreter is entered, for 2 to 5 µs; where several threads share it, they
wait for one another, and a wait may put a thread to sleep. A program leaves the interpreter once.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Sequence
from typing import Any, cast, final

import numpy as np
import numpy.typing as npt

from mho.compiler import threads
from mho.compiler.clock import preparing
from mho.compiler.numba_internals import (
    NumbaError,
    compile_for,
    entry_point,
    meeting_point,
    sequence_runner,
    words,
)

WORK_OF_A_PROGRAM = 2_000_000
"""Weight-vector pairs below which several threads gain less than it takes to let them meet: with 400,000 LeNet at
mini-batch 1 takes 1.5 of its time, at 8 gains 1.04 in place of 1.56."""
Step = Callable[[], None]
"""Function without arguments that is called at every step, on memory that stays: a `Call`, or a Python function."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """A kernel bound to its arguments, which is called at every step.

    Attributes:
        kernel: compiled function of start, stop, counts, the arguments and, with `number`, one more integer.
        lines: parts of the work; a call does parts 0 to `lines`, over threads.
        work: weight-vector pairs, which decide how many threads share the call.
        counts: counters (R, SIZE) int64 that it adds to.
        arguments: arrays keep their memory; numbers written there between two calls are seen.
        number: number of the first vector, (1,) int64, read at each call; None: the kernel takes none.
        explain: turns an error of the compiler into an error in the user's terms.
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

    def native(
        self, start: int = 0, stop: int | None = None, counts: npt.NDArray[np.int64] | None = None
    ) -> tuple[int, npt.NDArray[np.int64]]:
        """Return the address of the kernel's native code and the words of its arguments; both need the call to live.

        Args:
            start: first line.
            stop: the line behind the last; None: behind the last of all.
            counts: what it adds to; None: the call's own.
        """
        numbered = self.number is not None
        lines = self.lines if stop is None else stop
        values = (start, lines, self.counts if counts is None else counts, *self.arguments)
        try:
            kinds = compile_for(self.kernel, values, numbered=numbered)
        except NumbaError as error:
            raise self._explained(error) from None
        packed = [word for kind, value in zip(kinds, values, strict=False) for word in words(kind, value)]
        packed += [] if self.number is None else [self.number.ctypes.data]
        return entry_point(self.kernel, kinds, numbered=numbered), np.array(packed, np.int64)

    def _explained(self, error: NumbaError) -> Exception:
        return error if self.explain is None else self.explain(error)


@final
class Program:
    """Several calls in a fixed order, which run without entering the interpreter in between.

    Every kernel has one entry in native code for each list of types, whatever the shapes, so a program costs no
    compilation where its kernels have run before.

    Args:
        calls: to run.
        parts: threads, 1 for the thread that runs the program. Several take the same share of each call's lines, so
            that what a thread has written is still in its caches, and wait for one another behind each call. A program
            with little work stays on one thread.
    """

    def __init__(self, calls: Sequence[Call], *, parts: int = 1) -> None:
        self._calls = tuple(calls)  # their arrays must live as long as something points to them
        shared = parts > 1 and sum(call.work for call in self._calls) >= WORK_OF_A_PROGRAM
        with preparing:
            self._run, self._words = sequence_runner(), np.zeros(3, np.int64)
            self._whole = self._alone()
            self._address = self._whole.pairs.ctypes.data  # NumPy takes 1.4 µs to say it
            self._shares = [self._share(part, parts) for part in range(parts if shared else 0)]

    def __call__(self) -> None:
        failed, calls = self._together() if self._shares else None, self._calls
        if failed is None:
            failed = self._run(len(calls), self._address)
        else:
            calls = self._shares[0].calls
        if failed:
            raise RuntimeError(f"kernel {calls[failed - 1].kernel.__name__} of a program ended with an error")

    def _together(self) -> int | None:
        """Run the shares; None where the threads are busy with another program."""
        self._words[:] = 0
        team = threads.team(os.getpid(), len(self._shares))
        failed = team.run([share.pairs for share in self._shares], self._words[2:])
        if failed is None:
            return None
        for share in self._shares[1:]:
            for counts, own in share.counts:
                counts += own
                own[...] = 0
        return max(failed)

    def _alone(self) -> _Share:
        native = [call.native() for call in self._calls]
        pairs = np.array([(entry, packed.ctypes.data) for entry, packed in native], np.int64)
        return _Share(pairs, [packed for _, packed in native], self._calls, [])

    def _share(self, part: int, parts: int) -> _Share:
        """Return what one of several threads runs, with a meeting behind each call."""
        meeting = np.array([self._words.ctypes.data, parts], np.int64)
        pairs: list[tuple[int, int]] = []
        packed_arguments, calls = [meeting], list[Call]()
        private: dict[int, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = {}
        for call in self._calls:
            own = call.counts
            if part > 0:
                own = private.setdefault(id(own), (own, np.zeros_like(own)))[1]
            begin, end = (call.lines * k // parts for k in (part, part + 1))
            if begin < end:
                entry, packed = call.native(begin, end, own)
                pairs.append((entry, packed.ctypes.data))
                packed_arguments.append(packed)
                calls.append(call)
            pairs.append((meeting_point(), meeting.ctypes.data))
            calls.append(call)
        return _Share(np.array(pairs, np.int64), packed_arguments, tuple(calls), list(private.values()))


@final
@dataclasses.dataclass(frozen=True, eq=False)
class _Share:
    """Share of one thread in a program.

    Attributes:
        pairs: (n, 2), entry points with the addresses of their packed arguments.
        packed_arguments: words of the arguments of each pair.
        calls: to which each pair belongs.
        counts: what calls add to, each beside what the thread adds to in its place.
    """

    pairs: npt.NDArray[np.int64]
    packed_arguments: list[npt.NDArray[np.int64]]
    calls: tuple[Call, ...]
    counts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]


@final
class Repeated:
    """Steps that run once for every record of a block of memory.

    Where all steps are small calls, they run as one native program over all records: what points into the block moves
    with the records. Else each record is copied to where the steps are bound, which costs as little beside large
    kernels, which may be spread over threads, or beside steps of Python.

    Args:
        steps: bound to `pattern`.
        pattern: (2, size) float32, contiguous: a record and the record behind it.
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
        words = np.concatenate([np.empty(0, np.int64), *(packed for _, packed in native)])
        start, size = self._pattern.ctypes.data, self._pattern.nbytes
        self._moving = ((words >= start) & (words < start + size)).astype(np.int64)
        self._words = words - start * self._moving
        self._counted = [np.flatnonzero(words == number.ctypes.data) for number in self._numbers]
        self._entries = np.array([entry for entry, _ in native], np.int64)
        self._starts = np.cumsum([0, *(len(packed) for _, packed in native[:-1])])[: len(native)] * 8
        self._run = sequence_runner()

    def _run_native(self, block: npt.NDArray[np.float32], records: npt.NDArray[np.int64]) -> None:
        starts = block.ctypes.data + block.strides[0] * records
        packed_arguments = self._words + starts[:, None] * self._moving
        grown = self._vectors * np.arange(len(records))
        counts = [number + grown for number in self._numbers]  # they live until the program has run
        for own, places in zip(counts, self._counted, strict=True):
            packed_arguments[:, places] = (own.ctypes.data + 8 * np.arange(len(own)))[:, None]
        pairs = np.empty((len(records), len(self._entries), 2), np.int64)
        pairs[:, :, 0] = self._entries
        first = packed_arguments.ctypes.data + packed_arguments.strides[0] * np.arange(len(records))
        pairs[:, :, 1] = first[:, None] + self._starts
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


def joined(steps: Sequence[Step], *, parts: int = 1) -> list[Step]:
    """Return steps with runs of calls put together in programs of so many threads."""
    found: list[Step] = []
    for is_call, members in itertools.groupby(steps, lambda step: isinstance(step, Call)):
        group = list(members)
        found += [Program(cast(list[Call], group), parts=parts)] if is_call else group
    return found
