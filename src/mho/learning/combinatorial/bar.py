"""The progress of a descent on a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from mho.compiler.cache import on_compile
from mho.learning.combinatorial.descent import Progress as Descended


@final
class Bar:
    """Sweep, evaluations a second, loss and changes; on standard error, and only where that is a terminal.

    Args:
        sweeps: at most.
        show: False: show nothing.
    """

    def __init__(self, sweeps: int, *, show: bool = True) -> None:
        self.sweeps, self.console = sweeps, Console(stderr=True)
        self.show = show and self.console.is_terminal
        self.bar = Progress(
            TextColumn("sweep {task.fields[sweep]}/{task.fields[sweeps]}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]:,.0f} evaluations/s  loss {task.fields[loss]:.4g}"),
            TextColumn("{task.fields[changes]:,} changes  left at most"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self.task = self.bar.add_task(
            "descent", total=sweeps, sweep=1, sweeps=sweeps, rate=0.0, loss=float("nan"), changes=0
        )

    def __enter__(self) -> Bar:
        if self.show:
            on_compile.append(self.console.print)
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.show:
            on_compile.remove(self.console.print)
            self.bar.stop()

    def step(self, progress: Descended) -> None:
        """Show how far a descent has come."""
        if self.show:
            self.bar.update(
                self.task,
                completed=progress.sweep - 1 + progress.visited / progress.weights,
                sweep=progress.sweep,
                rate=progress.evaluations / max(progress.seconds, 1e-9),
                loss=progress.loss,
                changes=progress.changes,
            )
