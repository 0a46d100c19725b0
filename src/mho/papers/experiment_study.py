"""Curves that are experiments of `mho train`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

from mho.data import is_here, load
from mho.errors import InvalidValue
from mho.papers.scale import QUICK_EPOCHS, QUICK_IMAGES
from mho.papers.study import Study
from mho.papers.timing import seconds_an_epoch
from mho.runs import Experiment
from mho.runs.experiment import MAY_GROW, lasting
from mho.runs.train_work import train_experiment
from mho.runs.work import OnProgress


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperimentStudy(Study):
    """An experiment of `mho train`, which works in the same folder as `mho train` does.

    Attributes:
        experiment: the network, its arrays and its training; seed and images are left at their defaults.

    Raises:
        InvalidValue: for an experiment that may stop early: a verdict needs the paper's epochs.
    """

    epochs: int = dataclasses.field(init=False)
    experiment: Experiment

    def __post_init__(self) -> None:
        training = self.experiment.training
        if training.patience:
            raise InvalidValue(
                f"the training of a curve has patience {training.patience}, and might stop before the epochs that are "
                "judged; leave patience at 0"
            )
        object.__setattr__(self, "epochs", training.epochs)

    def quick(self) -> ExperimentStudy:
        return self._changed(epochs=QUICK_EPOCHS, train_images=QUICK_IMAGES)

    def run(
        self,
        folder: Path,
        *,
        seed: int,
        data_folder: Path | None,
        on_progress: OnProgress,
        stop: Callable[[], bool],
    ) -> bool:
        experiment = self._changed(seed=seed).experiment
        run = train_experiment(experiment, folder, data_folder=data_folder, on_progress=on_progress, stop=stop)
        return run is not None

    def to_dict(self) -> dict[str, Any]:
        tables = self.experiment.to_dict()
        for name in set(MAY_GROW) - lasting(tables):
            section, key = name.split(".")
            tables[section].pop(key, None)
        return tables

    def description(self, seed: int) -> dict[str, Any]:
        return self._changed(seed=seed).to_dict()

    def specification(self) -> str:
        return self.experiment.to_toml()

    def with_epochs(self, epochs: int) -> ExperimentStudy:
        return self._changed(epochs=epochs)

    def with_images(self, *, train: int, test: int) -> ExperimentStudy:
        return self._changed(train_images=train, test_images=test)

    def prepare(self, data_folder: Path | None) -> None:
        _find(self.experiment.training.data, data_folder)

    def seconds_an_epoch(self, data_folder: Path | None) -> float | None:
        if not is_here(self.experiment.training.data, data_folder):
            return None
        return seconds_an_epoch(self.experiment, load(self.experiment.training.data, data_folder))

    def recorded(self, line: Mapping[str, Any]) -> dict[str, float]:
        """Return the numbers of a line but the speed, which images and seconds give."""
        return {name: value for name, value in super().recorded(line).items() if not name.endswith("_per_second")}

    def _changed(self, **training: Any) -> ExperimentStudy:
        settings = dataclasses.replace(self.experiment.training, **training)
        return ExperimentStudy(experiment=dataclasses.replace(self.experiment, training=settings))


def as_study(curve: Study | Experiment) -> Study:
    """Return what a paper's curves.py gives for a curve as a study."""
    return ExperimentStudy(experiment=curve) if isinstance(curve, Experiment) else curve


@functools.cache
def _find(name: str, data_folder: Path | None) -> None:
    load(name, data_folder)
