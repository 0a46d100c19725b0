"""A progress bar over a sequence, on standard error."""

from __future__ import annotations

import time
from types import TracebackType
from typing import final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

REFRESH = 0.25
"""Seconds between two looks."""


@final
class Bar:
    """Samples, samples a second and time left on a terminal; one line at the end elsewhere.

    Args:
        seen: samples of the sequence before this piece.
        samples: of this piece.
        show: whether anything is shown.
    """

    def __init__(self, seen: int, samples: int, *, show: bool) -> None:
        self.seen, self.samples, self.show = seen, samples, show
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("samples {task.fields[seen]:,}"), BarColumn(bar_width=24), TaskProgressColumn(),
            TextColumn("{task.fields[rate]:,.0f} samples/s  left"), TimeRemainingColumn(),
            console=self.console, refresh_per_second=4,
        )  # fmt: skip
        self.task = self.bar.add_task("learn", total=samples, seen=seen, rate=0.0)
        self.began, self.shown = time.monotonic(), 0.0

    def __enter__(self) -> Bar:
        if self.show and self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()
        if self.show and not self.console.is_terminal and kind is None:
            rate = self.samples / max(time.monotonic() - self.began, 1e-9)
            self.console.print(f"samples {self.seen + self.samples:,}  {rate:,.0f} samples/s", highlight=False)

    def step(self, rows: int) -> None:
        """Refresh at most four times a second, after so many rows of the whole sequence."""
        now = time.monotonic()
        if not self.show or not self.console.is_terminal or now - self.shown < REFRESH:
            return
        self.shown = now
        rate = (rows - self.seen) / max(now - self.began, 1e-9)
        self.bar.update(self.task, completed=rows - self.seen, seen=rows, rate=rate)
