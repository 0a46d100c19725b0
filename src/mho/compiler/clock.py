"""Clock of compilation: seconds in which a process has compiled kernels or loaded them, no part of training."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import final


@final
class Stopwatch:
    """Seconds in which at least one thread is inside its `with` statement."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._began = self._seconds = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._began = time.perf_counter()
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._seconds += time.perf_counter() - self._began

    @property
    def seconds(self) -> float:
        """Return the seconds of compilation so far."""
        with self._lock:
            running = time.perf_counter() - self._began if self._inside else 0.0
            return self._seconds + running


preparing = Stopwatch()
"""Runs while a kernel of mho is compiled or read from the disk."""
