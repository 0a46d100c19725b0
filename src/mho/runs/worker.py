"""One batch of a sweep, trained in a process of its own: on this machine or on another."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch
from filelock import FileLock, Timeout

from mho.compiler.threads import set_threads
from mho.data import Dataset, load
from mho.errors import MhoError, WrongUse
from mho.runs.experiment import Experiment
from mho.runs.results import Result, result_of
from mho.runs.run import VERSION, Run
from mho.training import Progress

FOLDERS = "runs"
"""Run folders of a sweep are in this folder of the sweep's own."""
MARK = ".sweep"
"""A file in the sweep's folder: who reads the expected mark from it sees the same folder as the coordinator."""
LOCK = ".lock"
LOCK_SECONDS = 60.0
PROGRESS = ".progress"
"""A file in a watched run's folder: epochs finished, and examples of the one that runs."""
PROGRESS_SECONDS = 0.5


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A batch, and where and how it is trained; plain values, so that any process can take it.

    Attributes:
        tables: config of the run.
        name: of the run folder.
        replicas: rows of the batch.
        folder: of the sweep, absolute.
        mark: content of the sweep's `MARK`.
        threads: for the arrays.
        data_folder: folder with the data set's files, or None.
        watched: whether the run keeps `PROGRESS` up to date.
        version: of mho; another one may give other bits.
    """

    tables: dict[str, Any]
    name: str
    replicas: int
    folder: str
    mark: str
    threads: int
    data_folder: str | None
    watched: bool = False
    version: str = VERSION


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of a task.

    Attributes:
        results: one a replica; empty if it failed or was stopped.
        fault: why it failed, or nothing.
        stopped: whether it stopped on demand, at a checkpoint.
        files: the run folder's files, where the worker does not see the sweep's folder.
    """

    results: tuple[Result, ...] = ()
    fault: str = ""
    stopped: bool = False
    files: dict[str, bytes] = dataclasses.field(default_factory=dict)


def run_task(task: Task, stop: Callable[[], bool] = lambda: False) -> Answer:
    """Train a batch to its end, from its checkpoint if there is one.

    Args:
        task: the batch.
        stop: asked after each step; True stops at a checkpoint.
    """
    try:
        if task.version != VERSION:
            raise WrongUse(
                f"the sweep is run by mho {task.version} and this worker has mho {VERSION}, which may give other bits; "
                "install the same version everywhere"
            )
        folder = Path(task.folder)
        if _sees(folder, task.mark):
            return _train(task, folder / FOLDERS / task.name, stop)
        with tempfile.TemporaryDirectory(prefix="mho-") as place:
            answer = _train(task, Path(place) / task.name, stop)
            return dataclasses.replace(answer, files=_files(Path(place) / task.name))
    except MhoError as error:
        return Answer(fault=str(error))
    except Exception as error:
        # whatever one point meets must not end the others; the type tells where to look
        return Answer(fault=f"{type(error).__name__}: {error}")


def installed_version() -> str:
    """The version of mho where this is called."""
    return VERSION


def _train(task: Task, folder: Path, stop: Callable[[], bool]) -> Answer:
    set_threads(task.threads)
    torch.set_num_threads(1)  # as in mho train: its sums do not depend on threads
    experiment = Experiment.from_dict(task.tables)
    data = _data(experiment.training.data, task.data_folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # a worker whose coordinator was killed may live for a moment longer
        with FileLock(folder / LOCK, timeout=LOCK_SECONDS):
            run = Run(experiment, folder, data, resume=True)
            tell = _Teller(folder / PROGRESS) if task.watched else lambda progress: None

            def on_step(progress: Progress) -> bool:
                tell(progress)
                return stop()

            ended = run.finished or run.train(on_step=on_step, on_epoch=lambda progress: None)
            if not ended:
                return Answer(stopped=True)
    except Timeout:
        raise WrongUse(f"another process trains in {folder}; end it, or wait for it, and start again") from None
    metrics = run.loop.progress.metrics
    name = f"{FOLDERS}/{task.name}"
    return Answer(results=tuple(result_of(metrics, name, r, task.replicas) for r in range(task.replicas)))


@final
class _Teller:
    """Writes progress to a file, at most so often. A reader may meet half a line, and reads again."""

    def __init__(self, file: Path) -> None:
        self.file, self.told = file, -math.inf

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self.told >= PROGRESS_SECONDS:
            self.told = now
            self.file.write_text(json.dumps({"epoch": progress.epoch, "position": progress.position}))


@functools.cache
def _data(name: str, folder: str | None) -> Dataset:
    return load(name, Path(folder) if folder is not None else None)


def _sees(folder: Path, mark: str) -> bool:
    try:
        return (folder / MARK).read_text(encoding="utf-8") == mark
    except OSError:
        return False


def _files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.startswith(".")}
