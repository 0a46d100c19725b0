"""Engines, which train the batches of a sweep: a queue that gives answers in any order."""

from __future__ import annotations

import abc

from mho.runs.worker import Answer, Task

ATTEMPTS = 3
"""How often a batch is begun, or continued from its checkpoint, if its worker dies."""


class Engine(abc.ABC):
    """Engine of a sweep: takes tasks, and gives the answer of each once.

    A worker that dies is replaced, and its task continued, up to `ATTEMPTS` times in all.
    """

    @abc.abstractmethod
    def submit(self, task: Task) -> None:
        """Queue a task."""

    @abc.abstractmethod
    def wait(self, seconds: float) -> list[tuple[Task, Answer]]:
        """Tasks that have ended since the last call; waits at most this long for the first."""

    @property
    @abc.abstractmethod
    def unfinished(self) -> int:
        """Tasks that were submitted and not yet given back."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Ask what runs to stop soon, and begin nothing more."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of all workers."""


def died(attempts: int, reason: str) -> Answer:
    """Return the answer for a task whose worker died every time."""
    return Answer(fault=f"its worker died {attempts} times ({reason}); is there enough memory?")
