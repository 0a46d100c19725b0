"""The live display of a training run."""

from __future__ import annotations

from typing import Self, final

from mho.bar import Bar
from mho.runs import Run
from mho.training import Progress as TrainingProgress


@final
class TrainingDisplay(Bar[TrainingProgress]):
    """Epoch, examples a second, errors and time left on a terminal; one line an epoch elsewhere."""

    def __init__(self, run: Run) -> None:
        self.settings = run.experiment.training
        self.driver = run.loop.driver
        self.shifted = run.shifted
        held = run.loop.validation
        self.held_out = 0 if held is None else len(held[0])
        self.examples, self.measure, self.words = run.loop.examples, run.loop.task.measure, run.loop.words
        done = run.loop.progress
        super().__init__(
            f"epoch {{task.fields[epoch]}}/{self.settings.epochs}",
            f"{{task.fields[rate]:,.0f}} {self.words}/s  {self.measure} train {{task.fields[train]}}  "
            "{task.fields[tested]}  left",
            total=self.settings.epochs * self.examples,
            done=done.epoch * self.examples + done.position,
            epoch=min(done.epoch + 1, self.settings.epochs),
            rate=0.0,
            train="–",
            tested=_last(done),
        )

    def __enter__(self) -> Self:
        driver = self.driver
        self.say(f"driven by {driver.name}, because {driver.reason}" if driver.reason else "driven online")
        if self.held_out:
            self.say(f"{self.held_out:,} training {self.words} held out for validation, {self.examples:,} to train on")
        if self.shifted is not None:
            self.say(str(self.shifted))
        return super().__enter__()

    def step(self, progress: TrainingProgress) -> None:
        if not self.due():
            return
        seen = max(progress.position, 1)
        self.update(
            progress.epoch * self.examples + progress.position,
            epoch=progress.epoch + 1,
            rate=self.settings.replicas * progress.position / max(progress.seconds, 1e-9),
            train=f"{100 * sum(progress.errors) / seen / len(progress.errors):.2f} %",
        )

    def epoch(self, progress: TrainingProgress) -> None:
        """Show the errors of test and validation of the epoch that ended."""
        self.update(progress.epoch * self.examples, tested=_last(progress))
        if not self.is_live:
            line = progress.metrics[-1]
            rate = f"{line[f'{self.words}_per_second']:,.0f} {self.words}/s"
            self.say(
                f"epoch {line['epoch']}/{self.settings.epochs}  {rate}  "
                f"{self.measure} train {line['train_error']:.2f} %  {_last(progress)}"
            )


def _last(progress: TrainingProgress) -> str:
    """Return the last errors of validation, where there is such, and test."""
    line = progress.metrics[-1] if progress.metrics else {}
    parts = ("validation", "test") if "validation_error" in line else ("test",)
    return "  ".join(f"{part} {line[f'{part}_error']:.2f} %" if line else f"{part} –" for part in parts)
