"""A task, trained in a process of its own: on this machine or on another."""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import final

import torch
from filelock import FileLock, Timeout

from mho.compiler.threads import set_threads
from mho.errors import MhoError, WrongUse
from mho.runs.folder import PROGRESS
from mho.runs.results import Result
from mho.runs.work import FOLDERS, Work
from mho.spoken import at_the_shell, voice
from mho.version import VERSION

MARK = ".sweep"
"""A file in the coordinator's folder: a worker that reads the expected mark from it sees that folder."""
LOCK = ".lock"
LOCK_SECONDS = 60.0
PROGRESS_SECONDS = 0.5


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A training, and where it runs; any process can take it.

    Attributes:
        work: the training.
        name: of the run folder.
        folder: of the sweep or the reproduction, absolute.
        mark: content of that folder's `MARK`.
        threads: for the arrays.
        data_folder: folder with the data set's files, or None.
        watched: whether the worker keeps `PROGRESS` up to date.
        version: of mho; another version may give other bits.
        voice: how the process that made the task names options in messages; the worker does likewise.
    """

    work: Work
    name: str
    folder: str
    mark: str
    threads: int
    data_folder: str | None
    watched: bool = False
    version: str = VERSION
    voice: str = dataclasses.field(default_factory=voice)


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """The outcome of a task.

    Attributes:
        results: one per replica; empty if the task failed, was stopped, or has its results in the folder only.
        fault: why the task failed, or "".
        stopped: whether the task stopped on demand, at a checkpoint.
        files: the run folder's files, where the worker does not see the coordinator's folder.
    """

    results: tuple[Result, ...] = ()
    fault: str = ""
    stopped: bool = False
    files: dict[str, bytes] = dataclasses.field(default_factory=dict)


def run_task(task: Task, stop: Callable[[], bool] = lambda: False) -> Answer:
    """Train a task to its end, from its checkpoint on, if any.

    Args:
        task: the training.
        stop: asked after each step; True stops at a checkpoint.
    """
    with at_the_shell(task.voice):
        return _answer(task, stop)


def _answer(task: Task, stop: Callable[[], bool]) -> Answer:
    try:
        if task.version != VERSION:
            raise WrongUse(
                f"the coordinator has mho {task.version} and this worker has mho {VERSION}, which may give other "
                "bits; install the same version everywhere"
            )
        folder = Path(task.folder)
        if _sees(folder, task.mark):
            return _run(task, folder / FOLDERS / task.name, stop)
        with tempfile.TemporaryDirectory(prefix="mho-") as place:
            answer = _run(task, Path(place) / task.name, stop)
            return dataclasses.replace(answer, files=_files(Path(place) / task.name))
    except MhoError as error:
        return Answer(fault=str(error))
    except Exception as error:
        # a point that fails must not end the others; the type says where to look
        return Answer(fault=f"{type(error).__name__}: {error}")


def installed_version() -> str:
    """Return the version of mho where this is called."""
    return VERSION


def _run(task: Task, folder: Path, stop: Callable[[], bool]) -> Answer:
    set_threads(task.threads)
    torch.set_num_threads(1)  # as in mho train: its sums do not depend on threads
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # a worker whose coordinator was killed may live for a moment longer
        with FileLock(folder / LOCK, timeout=LOCK_SECONDS):
            results = task.work.run(
                folder,
                data_folder=Path(task.data_folder) if task.data_folder is not None else None,
                on_progress=_ProgressFile(folder / PROGRESS) if task.watched else _ignore,
                stop=stop,
            )
    except Timeout:
        raise WrongUse(f"another process trains in {folder}; end it, or wait for it, and start again") from None
    return Answer(stopped=True) if results is None else Answer(results=results)


@final
class _ProgressFile:
    """Writes progress to a file, at most twice a second. A reader may meet half a line, and reads again."""

    def __init__(self, file: Path) -> None:
        self.file, self.written = file, -math.inf

    def __call__(self, epoch: int, fraction: float) -> None:
        now = time.monotonic()
        if now - self.written >= PROGRESS_SECONDS:
            self.written = now
            self.file.write_text(json.dumps({"epoch": epoch, "fraction": fraction}))


def _ignore(epoch: int, fraction: float) -> None:
    """Leave progress unwritten."""


def _sees(folder: Path, mark: str) -> bool:
    try:
        return (folder / MARK).read_text(encoding="utf-8") == mark
    except OSError:
        return False


def _files(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")]
    return {file.name: file.read_bytes() for file in files}
