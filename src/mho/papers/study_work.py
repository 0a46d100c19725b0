"""Studies as tasks of an engine."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import final

from mho.errors import InvalidValue, WrongUse
from mho.papers.study import Study
from mho.runs.results import Result
from mho.runs.work import OnProgress, Work


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyWork(Work):
    """A study with its seed.

    Attributes:
        study: pickled, so that a worker that cannot import the class reports it, instead of ending.
        seed: seed of the run.
    """

    study: bytes
    seed: int

    def run(
        self,
        folder: Path,
        *,
        data_folder: Path | None,
        on_progress: OnProgress,
        stop: Callable[[], bool],
    ) -> tuple[Result, ...] | None:
        study: Study = pickle.loads(self.study)
        ended = study.run(folder, seed=self.seed, data_folder=data_folder, on_progress=on_progress, stop=stop)
        return () if ended else None


def study_work(study: Study, seed: int) -> StudyWork:
    """Return the task of a study with a seed.

    Raises:
        WrongUse: for a class that no other process can import.
        InvalidValue: for fields that cannot be pickled.
    """
    kind = type(study)
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        raise WrongUse(
            f"{kind.__name__} is defined where no other process can find it; move it to a module of the paper's folder"
        )
    try:
        return StudyWork(study=pickle.dumps(study), seed=seed)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise InvalidValue(f"{kind.__name__} cannot be sent to another process ({error}); give plain fields") from None
