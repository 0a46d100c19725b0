"""The live display of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, final

from mho.bar import Bar
from mho.compiler.clock import preparing
from mho.compiler.listeners import on_compile
from mho.runs import Comparison, Run
from mho.training import Progress as TrainingProgress
from mho.training.callbacks import NAMES


@final
class TrainingDisplay(Bar[TrainingProgress]):
    """Epoch, errors, examples per second and time left on a terminal, below one line for each epoch that has ended.

    Args:
        run: that is trained.
        comparison: the run beside its twin in floating point; None without.
    """

    def __init__(self, run: Run, comparison: Comparison | None = None) -> None:
        self.run, self.comparison = run, comparison
        self.settings = run.experiment.training
        self.examples, self.measure, self.words = run.loop.examples, run.loop.task.measure, run.loop.words
        self._compiled, self._announced = 0.0, False
        done = run.loop.progress
        super().__init__(
            f"epoch {{task.fields[epoch]}}/{self.settings.epochs}",
            f"{self.measure} {{task.fields[train]}}  {{task.fields[rate]}}  left",
            total=self.settings.epochs * self.examples * (1 if comparison is None else 2),
            done=self._done(done),
            epoch=min(done.epoch + 1, self.settings.epochs),
            rate="",
            train="–",
        )

    def __enter__(self) -> Self:
        loop = self.run.loop
        self.say(
            f"training with autograd, because {loop.driver.reason}"
            if loop.driver.reason
            else "training with the fast engine (no autograd)"
        )
        if loop.validation is not None:
            count = len(loop.validation[0])
            self.say(f"{count:,} training {self.words} kept aside for validation, {self.examples:,} to train on")
        if loop.chance is not None:
            self.say(f"chance: {loop.chance.error:.2f} % {self.measure}, by answering {loop.chance.answer} always")
        if self.comparison is not None:
            self.say("float: the same network in floating point, an epoch after each of the run's")
        if self.run.shifted is not None:
            self.say(str(self.run.shifted))
        self._compiled = preparing.seconds
        on_compile.append(self._compiles)
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        on_compile.remove(self._compiles)
        super().__exit__(kind, error, trace)

    def step(self, progress: TrainingProgress) -> None:
        if not self.due():
            return
        seen = max(progress.position, 1)
        speed = self.settings.replicas * progress.position / max(progress.seconds, 1e-9)
        train = 100 * sum(progress.errors) / seen / len(progress.errors)
        if not progress.position:  # the run waits for its twin
            self.update(self._done(progress), rate="floating point")
            return
        self.update(
            self._done(progress),
            epoch=progress.epoch + 1,
            rate=f"{speed:,.0f} {self.words}/s",
            train=f"{train:.2f} %",
        )

    def epoch(self, progress: TrainingProgress) -> None:
        """Show the errors of an epoch that ended, in a line that stays."""
        self.update(self._done(progress))
        if self._announced:
            seconds = preparing.seconds - self._compiled
            self.say(f"kernels compiled, or read from the disk, in {seconds:.0f} s: no part of the time of training")
            self._announced = False
        line = progress.metrics[-1]
        self.say(
            f"epoch {line['epoch']}/{self.settings.epochs}  {self.measure} train {_error(line, 'train_error')}  "
            f"{self._last(progress)}  {line[f'{self.words}_per_second']:,.0f} {self.words}/s"
        )

    def _compiles(self, line: str) -> None:
        self._announced = True
        self._bar.update(self._task, rate="compiling")

    def _done(self, progress: TrainingProgress) -> int:
        """Return the examples that were trained on, those of the twin included."""
        twin = 0
        if self.comparison is not None:
            other = self.comparison.twin.loop.progress
            twin = other.epoch * self.examples + other.position
        return progress.epoch * self.examples + progress.position + twin

    def _last(self, progress: TrainingProgress) -> str:
        """Return the last errors of validation, where there is such, of the test, and of floating point."""
        line = progress.metrics[-1] if progress.metrics else {}
        parts = ("validation", "test") if self.run.loop.validation is not None else ("test",)
        shown = [f"{part} {_error(line, f'{part}_error')}" if line else f"{part} –" for part in parts]
        if self.comparison is not None:
            other = self.run.compared
            shown.append(f"(float {other[-1]['test_error']:.2f} %)" if other else "(float –)")
        return "  ".join(shown)


def _error(line: Mapping[str, Any], name: str) -> str:
    """Return an error in per cent; of replicas that differ in a value the lowest and the highest."""
    each = line.get(f"{name}_replicas")
    if each and NAMES in line:
        return f"{min(each):.2f} to {max(each):.2f} %"
    return f"{line[name]:.2f} %"
