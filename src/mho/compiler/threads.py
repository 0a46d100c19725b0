"""Spreads the lines of a kernel over threads.

Kernels release the GIL, so plain Python threads serve: no threading layer of Numba is loaded,
which would be a second pool beside torch's and may not be entered from two threads at once.
Lines are independent, so the split never changes a bit.
"""

from __future__ import annotations

import concurrent.futures
import functools
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

from mho.compiler.numba_internals import GONE, POSTED, sequence_runner, server
from mho.errors import InvalidValue, in_words

WORK_A_THREAD = 1_000_000
"""Weight-vector pairs below which handing work to a thread (20 to 100 µs) costs more than it saves."""

_threads = 1


class _Here(threading.local):
    """State of a thread: whether it runs one job of several."""

    alone = False


_here = _Here()


@in_words
def set_threads(count: int) -> None:
    """Use this many threads for every array from now on (1 to 1024; the default is 1)."""
    global _threads
    if not isinstance(count, int) or not 1 <= count <= 1024:
        raise InvalidValue(f"threads is {count!r}; give an integer from 1 to 1024")
    _threads = count


def threads() -> int:
    """Threads in use."""
    return _threads


def spread(jobs: Sequence[Callable[[], None]]) -> None:
    """Call every job, each on a thread of its own; kernels inside a job are not spread any further."""
    if len(jobs) == 1:
        jobs[0]()
        return
    pool = _pool(os.getpid(), _threads)
    others = [pool.submit(_alone, job) for job in jobs[1:]]
    try:
        _alone(jobs[0])
    finally:
        concurrent.futures.wait(others)
    for other in others:
        other.result()


@final
class Team:
    """Threads that run sequences of native code at the same time as the thread that asks for it.

    Waking a thread takes 50 µs and more, so each waits some 3 ms for the next sequence before it sleeps.

    Args:
        size: how many, the asking thread included.
    """

    def __init__(self, size: int) -> None:
        self._busy = threading.Lock()
        self._posts = [np.zeros(5, np.int64) for _ in range(size - 1)]
        self._pool = concurrent.futures.ThreadPoolExecutor(max(1, size - 1), thread_name_prefix="mho-team")

    def run(self, sequences: Sequence[npt.NDArray[np.int64]], failed: npt.NDArray[np.int64]) -> list[int] | None:
        """Run a sequence on each thread, the first on the calling thread; they may meet.

        Args:
            sequences: (n, 2) each, as `sequence_runner` takes them.
            failed: (1,), becomes 1 where a sequence has failed, so that others do not wait for it for ever.

        Returns:
            What each returned; None, without running any, where the team is busy with those of another thread.
        """
        if not self._busy.acquire(blocking=False):
            return None
        try:
            for own, pairs in zip(self._posts, sequences[1:], strict=True):
                self._post(own, pairs, failed)
            first = sequences[0]
            answer = sequence_runner()(len(first), first.ctypes.data)
            if answer:
                failed[0] = 1
        except BaseException:  # such as an interrupt: nobody may wait for what this thread will not do
            failed[0] = 1
            raise
        finally:
            for own in self._posts:
                while own[0] == POSTED:
                    time.sleep(0)
            self._busy.release()
        return [answer, *(int(own[3]) for own in self._posts)]

    def _post(self, own: npt.NDArray[np.int64], pairs: npt.NDArray[np.int64], failed: npt.NDArray[np.int64]) -> None:
        """Give a sequence to the thread of a post, and wake a thread where none waits there."""
        serve, post = server()
        own[4] = failed.ctypes.data
        if not post(own.ctypes.data, pairs.ctypes.data, len(pairs)):
            try:
                self._pool.submit(serve, own.ctypes.data)
            except BaseException:
                own[0] = GONE
                raise


@functools.cache
def team(process: int, size: int) -> Team:
    """Return the team of a process: threads do not survive a fork."""
    return Team(size)


def _alone(job: Callable[[], None]) -> None:
    _here.alone = True
    try:
        job()
    finally:
        _here.alone = False


def run(kernel: Callable[..., None], lines: int, work: int, counts: npt.NDArray[np.int64], *arguments: Any) -> None:
    """Call kernel(start, stop, counts, *arguments) over all lines; it adds to counts (R, SIZE)."""
    parts = 1 if _here.alone else min(_threads, lines, max(1, work // WORK_A_THREAD))
    if parts <= 1:  # 0 where there are no vectors
        kernel(0, lines, counts, *arguments)
        return
    private = np.zeros((parts, *counts.shape), np.int64)
    ends = [lines * part // parts for part in range(parts + 1)]
    pool = _pool(os.getpid(), _threads)
    jobs = [pool.submit(kernel, ends[part], ends[part + 1], private[part], *arguments) for part in range(1, parts)]
    kernel(ends[0], ends[1], private[0], *arguments)
    for job in jobs:
        job.result()
    counts += private.sum(axis=0)


@functools.cache
def _pool(process: int, count: int) -> concurrent.futures.ThreadPoolExecutor:
    """Return the pool of threads of a process, by its id: threads do not survive a fork."""
    return concurrent.futures.ThreadPoolExecutor(max(1, count - 1), thread_name_prefix="mho")
