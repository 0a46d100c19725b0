"""The live display of a training run."""

from __future__ import annotations

import time
from types import TracebackType
from typing import final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from mho.compiler.cache import on_compile
from mho.runs import Run
from mho.training import Progress as TrainingProgress

REFRESH = 0.25


@final
class TrainingDisplay:
    """Epoch, examples a second, errors and time left on a terminal; one line an epoch elsewhere."""

    def __init__(self, run: Run) -> None:
        self.settings = run.experiment.training
        self.driver = run.loop.driver
        self.shifted = run.shifted
        self.examples, self.measure, self.words = run.loop.examples, run.loop.task.measure, run.loop.task.examples
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn(f"{{task.fields[rate]:,.0f}} {self.words}/s  {self.measure}"),
            TextColumn("train {task.fields[train]}  {task.fields[tested]}  left"),
            TimeRemainingColumn(),
            console=self.console,
            refresh_per_second=4,
        )
        done = run.loop.progress
        self.task = self.bar.add_task(
            "train",
            total=self.settings.epochs * self.examples,
            completed=done.epoch * self.examples + done.position,
            epoch=min(done.epoch + 1, self.settings.epochs),
            epochs=self.settings.epochs,
            rate=0.0,
            train="–",
            tested=_last(done),
        )
        self.shown = 0.0

    def __enter__(self) -> TrainingDisplay:
        on_compile.append(self.console.print)
        driver = self.driver
        self.console.print(f"driven by {driver.name}, because {driver.reason}" if driver.reason else "driven online")
        if self.shifted is not None:
            self.console.print(str(self.shifted), highlight=False)
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        on_compile.remove(self.console.print)
        self.bar.stop()

    def step(self, progress: TrainingProgress) -> None:
        """Refresh at most four times a second: a step takes about a millisecond."""
        now = time.monotonic()
        if not self.console.is_terminal or now - self.shown < REFRESH:
            return
        self.shown = now
        seen = max(progress.position, 1)
        self.bar.update(
            self.task,
            completed=progress.epoch * self.examples + progress.position,
            epoch=progress.epoch + 1,
            rate=self.settings.replicas * progress.position / max(progress.seconds, 1e-9),
            train=f"{100 * sum(progress.errors) / seen / len(progress.errors):.2f} %",
        )

    def epoch(self, progress: TrainingProgress) -> None:
        """Show the errors of test and validation of the epoch that ended."""
        self.bar.update(self.task, completed=progress.epoch * self.examples, tested=_last(progress))
        if not self.console.is_terminal:
            line = progress.metrics[-1]
            rate = f"{line[f'{self.words}_per_second']:,.0f} {self.words}/s"
            self.console.print(
                f"epoch {line['epoch']}/{self.settings.epochs}  {rate}  "
                f"{self.measure} train {line['train_error']:.2f} %  {_last(progress)}"
            )


def _last(progress: TrainingProgress) -> str:
    """Return the last errors of validation, where there is such, and test."""
    line = progress.metrics[-1] if progress.metrics else {}
    parts = ("validation", "test") if "validation_error" in line else ("test",)
    return "  ".join(f"{part} {line[f'{part}_error']:.2f} %" if line else f"{part} –" for part in parts)
