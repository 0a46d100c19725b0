"""Bars of trainings that run side by side, by epochs, with the time left; nothing where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self, final

from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from mho.bar import progress_console

REFRESH = 0.5
"""Seconds between two looks at the run folders."""
WHOLE = "the whole"
BESIDE, LEAST = 58, 16
"""Columns of a terminal beside the names of trainings, and the least that these have."""


@final
class _WholeLast(Progress):
    """Bars of which that of the whole stands below all others, whenever these came."""

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        return super().make_tasks_table(sorted(tasks, key=lambda task: task.description == WHOLE))


@final
class EpochBars:
    """A bar for each training, and one for the whole, on standard error.

    Attributes:
        console: standard error.
    """

    def __init__(self) -> None:
        self.console = progress_console()
        self._bars = _WholeLast(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=12),
            TextColumn("{task.percentage:>3.0f} %", table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            console=self.console,
            refresh_per_second=round(1 / REFRESH),
        )
        self._tasks: dict[str, TaskID] = {}
        self._shown = 0.0

    def __enter__(self) -> Self:
        if self.live:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:  # else it would print an empty line
            self._bars.stop()

    @property
    def live(self) -> bool:
        """True if there are bars that move: elsewhere `say` shows lines."""
        return self.console.is_terminal

    def say(self, text: str) -> None:
        """Print a line for the reader, above the bars."""
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def due(self) -> bool:
        """Return whether it is time to look at the run folders again."""
        now = time.monotonic()
        if now - self._shown < REFRESH:
            return False
        self._shown = now
        return True

    def show(self, name: str, *, done: float, total: float, note: str = "") -> None:
        """Show how many epochs of a training are done; its bar is made when it is first named.

        Args:
            name: name of the training, or `WHOLE`, whose bar stays below all others.
            done, total: epochs.
            note: behind the bar.
        """
        if name not in self._tasks:
            room = max(LEAST, self.console.width - BESIDE)
            shown = name if len(name) <= room else f"{name[: room - 1]}…"
            self._tasks[name] = self._bars.add_task(shown.replace("[", "\\["), total=total, note="")
        self._bars.update(self._tasks[name], completed=done, note=note)

    def forget(self, name: str) -> None:
        """Remove the bar of a training."""
        if name in self._tasks:
            self._bars.remove_task(self._tasks.pop(name))
