"""Progress of a Boltzmann machine, on standard error."""

from __future__ import annotations

import time
from typing import final

from mho.bar import Bar
from mho.learning.boltzmann.plan import Plan
from mho.learning.boltzmann.training import Progress


@final
class LearningBar(Bar[Progress]):
    """Epoch, examples per second, what the rule measures and time left on a terminal; one line per epoch elsewhere.

    Args:
        plan: plan of the machine.
        examples: that make an epoch.
        progress: where learning begins.
    """

    def __init__(self, plan: Plan, examples: int, progress: Progress) -> None:
        self.plan, self.examples, self.progress = plan, examples, progress
        self.words = plan.rule.measure.replace("_", " ")
        super().__init__(
            f"epoch {{task.fields[epoch]}}/{plan.epochs}",
            f"{{task.fields[rate]:,.0f}} examples/s  {self.words} {{task.fields[loss]}}  left",
            total=plan.epochs * examples, done=self._seen(), epoch=self._epoch(), rate=0.0, loss=self._loss(),
        )  # fmt: skip
        self.ended, self.began, self.begun_at = progress.epoch, time.monotonic(), self._seen()

    def step(self, progress: Progress) -> None:
        ended = progress.epoch > self.ended
        self.progress, self.ended = progress, progress.epoch
        if not (self.due() or ended):
            return
        rate = (self._seen() - self.begun_at) / max(time.monotonic() - self.began, 1e-9)
        self.update(self._seen(), epoch=self._epoch(), rate=rate, loss=self._loss())
        if ended and not self.is_live:
            self.say(f"epoch {self.ended}/{self.plan.epochs}  {rate:,.0f} examples/s  {self.words} {self._loss()}")

    def _seen(self) -> int:
        return self.progress.epoch * self.examples + self.progress.position

    def _epoch(self) -> int:
        return min(self.progress.epoch + 1, self.plan.epochs)

    def _loss(self) -> str:
        if self.progress.position:
            return f"{self.progress.loss / self.progress.position:.4g}"
        return f"{self.progress.history[-1][self.plan.rule.measure]:.4g}" if self.progress.history else "–"
