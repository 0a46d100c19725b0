"""Training of an experiment in a worker process: a batch of a sweep, or a curve of a paper."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

from mho.arrays import ArrayRow
from mho.data import Dataset, load
from mho.errors import InvalidValue
from mho.hardware import costs_per_example
from mho.runs.experiment import Experiment
from mho.runs.results import Result, result_of
from mho.runs.run import Run
from mho.runs.work import FOLDERS, OnProgress, Work
from mho.training import Progress


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainWork(Work):
    """One run of `mho train`.

    Attributes:
        tables: its config.
        replicas: how many it trains.
    """

    tables: dict[str, Any]
    replicas: int

    def run(
        self,
        folder: Path,
        *,
        data_folder: Path | None,
        on_progress: OnProgress,
        stop: Callable[[], bool],
    ) -> tuple[Result, ...] | None:
        experiment = Experiment.from_dict(self.tables)
        run = train_experiment(experiment, folder, data_folder=data_folder, on_progress=on_progress, stop=stop)
        if run is None:
            return None
        metrics, name = run.loop.progress.metrics, f"{FOLDERS}/{folder.name}"
        costs = _costs(run.arrays)
        return tuple(
            result_of(metrics, name, r, self.replicas, costs=costs, chance=run.loop.chance)
            for r in range(self.replicas)
        )


def train_experiment(
    experiment: Experiment,
    folder: Path,
    *,
    data_folder: Path | None,
    on_progress: OnProgress,
    stop: Callable[[], bool],
) -> Run | None:
    """Train an experiment in its run folder to the last epoch; a run that has a checkpoint continues from it.

    Args:
        experiment: what to train.
        folder: the run folder.
        data_folder: folder with the data set's files; None: where `mho.data.load` looks.
        on_progress: sees the number of finished epochs, and the finished share of the epoch that runs.
        stop: asked after each step; True ends the training at a checkpoint.

    Returns:
        The finished run; None if `stop` ended it.
    """
    run = Run(experiment, folder, _data(experiment.training.data, data_folder), resume=True)

    def on_step(progress: Progress) -> bool:
        on_progress(progress.epoch, progress.position / run.loop.examples)
        return stop()

    if not run.finished and not run.train(on_step=on_step, on_epoch=lambda progress: None):
        return None
    if not run.concluded:
        run.conclude()
    return run


def _costs(rows: Sequence[ArrayRow]) -> dict[str, float]:
    """Return what an example costs on mho's arrays; nothing where these cannot hold the cells."""
    try:
        return costs_per_example(rows)
    except InvalidValue:
        return {}


@functools.cache
def _data(name: str, folder: Path | None) -> Dataset:
    return load(name, folder)
