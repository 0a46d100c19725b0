"""A run beside its floating-point twin: what the arrays cost."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import final

import torch

from mho.data import Dataset
from mho.errors import InvalidValue
from mho.presets import floating_point
from mho.runs.experiment import Experiment
from mho.runs.folder import FLOAT
from mho.runs.run import Run
from mho.training import Progress


@final
class Comparison:
    """A run and the same network on exact arrays, trained in turn, an epoch each.

    The twin has the model, data, seeds, epochs and learning rates of the run. It is a run of its own in the folder
    `float` of the run folder, which `mho.load` reads too. No bit of the run depends on it. Replicas of equal seeds
    share a replica of the twin.

    Args:
        run: which is compared.
        data: of the run.

    Raises:
        InvalidValue: if the arrays of the run are exact already.
        CheckpointError: if the twin in the folder is of another experiment.
    """

    def __init__(self, run: Run, data: Dataset) -> None:
        self.run = run
        with _generator_kept():
            self.twin = Run(twin_of(run.experiment), run.folder / FLOAT, data, resume=True)
            self._generator = torch.get_rng_state()
        self._tell()

    @staticmethod
    def is_begun(folder: Path) -> bool:
        """Return True if a run folder has a twin, which its resume continues."""
        return (folder / FLOAT).is_dir()

    @property
    def finished(self) -> bool:
        """Return True if the run is finished, and its twin has as many epochs."""
        return self.run.finished and self.twin.loop.progress.epoch >= self.run.loop.progress.epoch

    def train(self, *, on_step: Callable[[Progress], bool], on_epoch: Callable[[Progress], None]) -> bool:
        """Train both to the end of the run, as `Run.train` does.

        Args:
            on_step: sees the progress of the run every few steps of either; True asks to stop at a checkpoint.
            on_epoch: sees it after each epoch of the run, once the twin has come as far.
        """
        self.twin.folder.mkdir(parents=True, exist_ok=True)  # a run that is stopped before its first epoch resumes both
        stopped = False

        def after_step(progress: Progress) -> bool:
            return on_step(progress) or stopped

        def after_epoch(progress: Progress) -> None:
            nonlocal stopped
            stopped = not self._follow(on_step)
            on_epoch(progress)

        if not self.run.finished and not self.run.train(on_step=after_step, on_epoch=after_epoch):
            return False
        return self.finished or self._follow(on_step)

    def _follow(self, on_step: Callable[[Progress], bool]) -> bool:
        """Train the twin to the epoch of the run; whether it came there."""
        progress = self.run.loop.progress
        with _generator_kept():
            torch.set_rng_state(self._generator)
            came = self.twin.train(on_step=lambda _: on_step(progress), on_epoch=lambda _: None, until=progress.epoch)
            self._generator = torch.get_rng_state()
        self._tell()
        return came

    def _tell(self) -> None:
        self.run.compared = self.twin.loop.progress.metrics


def twin_of(experiment: Experiment) -> Experiment:
    """Return an experiment on exact arrays, with its model, data, seeds, epochs and rates.

    Raises:
        InvalidValue: if its arrays are exact already.
    """
    exact = floating_point()
    if all(rpu == exact for rpu in (experiment.rpu, *experiment.layers.values())):
        raise InvalidValue("--compare float has no effect: the arrays of this run are exact already; leave it out")
    seeds = tuple(dict.fromkeys(experiment.training.seeds))
    training = dataclasses.replace(
        experiment.training,
        seed=seeds if len(seeds) > 1 else seeds[0],
        replicas=len(seeds),
        driver="auto",
        patience=0,
    )
    return dataclasses.replace(experiment, training=training, rpu=exact, layers={}, zero_shifting=None)


@contextlib.contextmanager
def _generator_kept() -> Iterator[None]:
    """Leave torch's random generator as it is, whatever is drawn in here."""
    before = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(before)
