"""Batches in processes of this machine."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import final

from mho.errors import show_warning
from mho.runs.engine import ATTEMPTS, Engine, died
from mho.runs.worker import Answer, Task, run_task

SPAWN = multiprocessing.get_context("spawn")
"""Never fork: threads of torch and of the kernels would not survive it."""
_stop: ctypes.c_bool | None = None


@final
class LocalEngine(Engine):
    """Each process is a pool of its own, so that a process that dies takes nothing else with it.

    Args:
        processes: at most so many batches at a time.
    """

    def __init__(self, processes: int) -> None:
        # shared memory without a lock, which a worker that is killed could leave locked for all others
        self._stop: ctypes.c_bool = SPAWN.RawValue(ctypes.c_bool, False)
        self._waiting: collections.deque[Task] = collections.deque()
        self._running: dict[Future[Answer], tuple[ProcessPoolExecutor, Task]] = {}
        self._idle: list[ProcessPoolExecutor] = []
        self._processes = processes
        self._begun: collections.Counter[str] = collections.Counter()

    @property
    def unfinished(self) -> int:
        return len(self._waiting) + len(self._running)

    def submit(self, task: Task) -> None:
        self._waiting.append(task)
        self._fill()

    def wait(self, seconds: float) -> list[tuple[Task, Answer]]:
        ended, _ = concurrent.futures.wait(self._running, seconds, concurrent.futures.FIRST_COMPLETED)
        answers = []
        for future in ended:
            pool, task = self._running.pop(future)
            try:
                answers.append((task, future.result()))
                self._idle.append(pool)
            except BrokenProcessPool:
                pool.shutdown(wait=False)
                if self._stop.value:
                    answers.append((task, Answer(stopped=True)))
                elif self._begun[task.name] < ATTEMPTS:
                    self._waiting.appendleft(task)
                else:
                    answers.append((task, died(ATTEMPTS, "killed, or crashed")))
        self._fill()
        return answers

    def stop(self) -> None:
        self._stop.value = True
        self._waiting.clear()

    def close(self) -> None:
        # what still runs, after an error of the coordinator, is not waited for to its end
        self.stop()
        for pool, _ in self._running.values():
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in self._idle:  # waited for: else the interpreter's own end may find a pool half closed
            pool.shutdown()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._processes:
            task = self._waiting.popleft()
            self._begun[task.name] += 1
            future, pool = self._begin(task)
            self._running[future] = pool, task

    def _begin(self, task: Task) -> tuple[Future[Answer], ProcessPoolExecutor]:
        while self._idle:
            pool = self._idle.pop()
            # its process may have died while it had nothing to do
            with contextlib.suppress(BrokenProcessPool):
                return pool.submit(_run, task), pool
        pool = ProcessPoolExecutor(1, SPAWN, initializer=_prepare, initargs=(self._stop,))
        with _deaf():
            return pool.submit(_run, task), pool


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Processes begun in here never hear Ctrl-C, not even while they import; this process hears it afterwards.

    Windows has no signal masks: there a worker hears it until `_prepare` runs, and is begun anew. Not tried.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare(stop: ctypes.c_bool) -> None:
    """In a new worker: no worker outlives the coordinator, which decides on Ctrl-C; a warning is one line."""
    global _stop
    warnings.showwarning = show_warning  # type: ignore[assignment]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stop = stop
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _run(task: Task) -> Answer:
    assert _stop is not None
    stop = _stop
    return run_task(task, lambda: bool(stop.value))
