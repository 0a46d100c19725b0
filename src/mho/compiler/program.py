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


def joined(steps: Sequence[Step]) -> list[Step]:
    """The same steps with runs of calls put into programs."""
    found: list[Step] = []
    for is_call, members in itertools.groupby(steps, lambda step: isinstance(step, Call)):
        group = list(members)
        found += [Program(cast(list[Call], group))] if is_call else group
    return found
