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
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mho.errors import InvalidValue, in_words

WORK_A_THREAD = 1_000_000
"""Weight-vector pairs below which handing work to a thread (20 to 100 µs) costs more than it saves."""

_threads = 1


class _Here(threading.local):
    """What a thread knows of itself: whether it runs one job of several."""

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
    """A pool a process: threads do not survive a fork."""
    return concurrent.futures.ThreadPoolExecutor(max(1, count - 1), thread_name_prefix="mho")
