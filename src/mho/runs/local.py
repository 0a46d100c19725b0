"""Batches in processes of this machine."""

from __future__ import annotations

import collections
import concurrent.futures
import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from typing import final

from mho.runs.engine import ATTEMPTS, Engine, died
from mho.runs.worker import Answer, Task, run_task

SPAWN = multiprocessing.get_context("spawn")
"""Never fork: threads of torch and of the kernels would not survive it."""
_stop: Event | None = None


@final
class LocalEngine(Engine):
    """Each process is a pool of its own, so that one that dies takes nothing else with it.

    Args:
        processes: at most so many batches at a time.
    """

    def __init__(self, processes: int) -> None:
        self._stop = SPAWN.Event()
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
                if self._stop.is_set():
                    answers.append((task, Answer(stopped=True)))
                elif self._begun[task.name] < ATTEMPTS:
                    self._waiting.appendleft(task)
                else:
                    answers.append((task, died(ATTEMPTS, "killed, or crashed")))
        self._fill()
        return answers

    def stop(self) -> None:
        self._stop.set()
        self._waiting.clear()

    def close(self) -> None:
        for pool, _ in self._running.values():
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in self._idle:  # waited for: else the interpreter's own end may find a pool half closed
            pool.shutdown()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._processes:
            task = self._waiting.popleft()
            pool = self._idle.pop() if self._idle else self._pool()
            self._begun[task.name] += 1
            self._running[pool.submit(_run, task)] = pool, task

    def _pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, SPAWN, initializer=_prepare, initargs=(self._stop,))


def _prepare(stop: Event) -> None:
    """In a new worker: the coordinator decides on Ctrl-C, and no worker outlives it."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _run(task: Task) -> Answer:
    assert _stop is not None
    return run_task(task, _stop.is_set)
