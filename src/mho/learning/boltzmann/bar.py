"""A progress bar of learning, on standard error."""

from __future__ import annotations

import time
from types import TracebackType
from typing import final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from mho.compiler.cache import on_compile
from mho.learning.boltzmann.plan import Plan
from mho.learning.boltzmann.training import Progress as Learned

REFRESH = 0.25
"""Seconds between two looks."""


@final
class Bar:
    """Epoch, examples a second, what the rule measures and time left on a terminal; one line an epoch elsewhere.

    Args:
        plan: of the machine.
        examples: that make an epoch.
        progress: where learning begins.
    """

    def __init__(self, plan: Plan, examples: int, progress: Learned) -> None:
        self.plan, self.examples, self.progress = plan, examples, progress
        self.words = plan.rule.measure.replace("_", " ")
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn(f"{{task.fields[rate]:,.0f}} examples/s  {self.words} {{task.fields[loss]}}  left"),
            TimeRemainingColumn(),
            console=self.console,
            refresh_per_second=4,
        )
        self.task = self.bar.add_task(
            "learn", total=plan.epochs * examples, completed=self._seen(), epoch=self._epoch(), epochs=plan.epochs,
            rate=0.0, loss=self._loss(),
        )  # fmt: skip
        self.shown, self.ended = 0.0, progress.epoch
        self.began, self.begun_at = time.monotonic(), self._seen()

    def __enter__(self) -> Bar:
        on_compile.append(self.console.print)
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        on_compile.remove(self.console.print)
        self.bar.stop()

    def step(self) -> None:
        """Refresh at most four times a second."""
        now, ended = time.monotonic(), self.progress.epoch > self.ended
        if not ended and (not self.console.is_terminal or now - self.shown < REFRESH):
            return
        self.shown, self.ended = now, self.progress.epoch
        rate = (self._seen() - self.begun_at) / max(now - self.began, 1e-9)
        self.bar.update(self.task, completed=self._seen(), epoch=self._epoch(), rate=rate, loss=self._loss())
        if ended and not self.console.is_terminal:
            self.console.print(
                f"epoch {self.ended}/{self.plan.epochs}  {rate:,.0f} examples/s  {self.words} {self._loss()}",
                highlight=False,
            )

    def _seen(self) -> int:
        return self.progress.epoch * self.examples + self.progress.position

    def _epoch(self) -> int:
        return min(self.progress.epoch + 1, self.plan.epochs)

    def _loss(self) -> str:
        if self.progress.position:
            return f"{self.progress.loss / self.progress.position:.4g}"
        return f"{self.progress.history[-1][self.plan.rule.measure]:.4g}" if self.progress.history else "–"
