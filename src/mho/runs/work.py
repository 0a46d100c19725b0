"""The interface between engines, which run tasks in processes, and what a task trains."""

from __future__ import annotations

import abc
from collections.abc import Callable
from pathlib import Path

from mho.runs.results import Result

FOLDERS = "runs"
"""Name of the folder, in that of a sweep or a reproduction, that holds the run folders."""

OnProgress = Callable[[int, float], None]
"""Takes the number of finished epochs, and the finished share (0 to 1) of the epoch that runs."""


class Work(abc.ABC):
    """A training in a run folder. It is pickled to cross to another process, so its fields are plain values."""

    @abc.abstractmethod
    def run(
        self,
        folder: Path,
        *,
        data_folder: Path | None,
        on_progress: OnProgress,
        stop: Callable[[], bool],
    ) -> tuple[Result, ...] | None:
        """Train to the last epoch, from the folder's checkpoint on, if any.

        Args:
            folder: the run folder; it exists.
            data_folder: folder with the data set's files; None: where `mho.data.load` looks.
            on_progress: to be called often.
            stop: to be asked often; True means to write a checkpoint and return None.

        Returns:
            One result a replica, or none at all where results stand in the folder only; None if `stop` said so.
        """
