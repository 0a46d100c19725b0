"""An engine that trains in this process, for what is not about processes: each that starts imports torch anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from mho.runs.engine import Engine
from mho.runs.worker import Answer, Task, run_task


@final
class Inline(Engine):
    """Trains one task in each call of `wait`; `end` stands in for `run_task`."""

    def __init__(self, end: Callable[[Task, Callable[[], bool]], Answer] = run_task) -> None:
        self.tasks: list[Task] = []
        self.end, self.stopped = end, False

    @property
    def unfinished(self) -> int:
        return len(self.tasks)

    def submit(self, task: Task) -> None:
        self.tasks.append(task)

    def wait(self, seconds: float) -> list[tuple[Task, Answer]]:
        task = self.tasks.pop(0)
        return [(task, self.end(task, lambda: self.stopped))]

    def stop(self) -> None:
        self.stopped = True
        del self.tasks[1:]

    def close(self) -> None:
        pass
