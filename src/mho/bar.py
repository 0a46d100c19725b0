"""A bar that shows how far long work has come, and that the compiler works, on standard error."""

from __future__ import annotations

import abc
import dataclasses
import time
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from mho.compiler.listeners import on_compile

WIDE = 100
"""Columns of a terminal from which on the bar is long."""
REFRESH = 0.25
"""Seconds between two looks: a step of work may take less than a millisecond."""

T = TypeVar("T")


@final
@dataclasses.dataclass
class Silence:
    """Switch for the progress bars of this process: off under `mho VERB --quiet`."""

    on: bool = False


SILENCE = Silence()


def progress_console() -> Console:
    """Return a console on standard error for progress, which `SILENCE` makes mute."""
    return Console(stderr=True, quiet=SILENCE.on)


class Bar(abc.ABC, Generic[T]):
    """Words, a bar, per cent, numbers and the time left, where standard error is a terminal; lines elsewhere.

    While it is open, lines of the compiler appear above it.

    Args:
        words: before the bar, with fields as rich writes them: "epoch {task.fields[epoch]}".
        numbers: behind the bar, with fields in this form; the time left follows.
        total: amount of work.
        done: amount that is done already.
        show: whether anything is shown.
        fields: first values of the fields that `words` and `numbers` name.
    """

    def __init__(
        self, words: str, numbers: str, *, total: float, done: float = 0.0, show: bool = True, **fields: Any
    ) -> None:
        self._console = progress_console()
        self._show = show and not SILENCE.on
        self._bar = Progress(
            TextColumn(words),
            BarColumn(bar_width=24 if self._console.width >= WIDE else 12),
            TaskProgressColumn(),
            TextColumn(numbers),
            TimeRemainingColumn(),
            console=self._console,
            refresh_per_second=round(1 / REFRESH),
        )
        self._task = self._bar.add_task("work", total=total, **fields)
        self._bar.update(self._task, completed=done)
        self._next = 0.0

    def __enter__(self) -> Self:
        on_compile.append(self.say)
        if self.is_live:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        on_compile.remove(self.say)
        self._bar.stop()

    @abc.abstractmethod
    def step(self, progress: T) -> None:
        """Show how far the work has come; call as often as you like."""

    @property
    def is_live(self) -> bool:
        """True if there is a bar that moves: elsewhere `say` shows lines."""
        return self._show and self._console.is_terminal

    def due(self) -> bool:
        """Return whether it is time to update a live bar again: at most four times per second."""
        now = time.monotonic()
        if not self.is_live or now < self._next:
            return False
        self._next = now + REFRESH
        return True

    def update(self, done: float, **fields: Any) -> None:
        """Show how much is done, and new values of fields."""
        self._bar.update(self._task, completed=done, **fields)

    def say(self, line: str) -> None:
        """Show a line above the bar, if a bar is shown; whole where a file or a program reads it."""
        if self._show:
            self._console.print(line, highlight=False, soft_wrap=not self._console.is_terminal)
