"""Coordination of a sweep: batches go to an engine, and results are written as they come."""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import final

from filelock import FileLock, Timeout

from mho.errors import WrongUse
from mho.files import refuse_full, write_atomically
from mho.runs.batches import Batch, batch, batches
from mho.runs.engine import Engine
from mho.runs.folder.files import RESUME
from mho.runs.results import FAILED, RESULTS, Result, Results
from mho.runs.sweep import SPEC, Sweep
from mho.runs.train_work import TrainWork
from mho.runs.work import FOLDERS
from mho.runs.worker import MARK, Answer, Task

LOCK = ".lock"
POLL_SECONDS = 0.25


@final
@dataclasses.dataclass(frozen=True)
class Ended:
    """News for a display: rows that came to an end, or a batch whose rows are tried again one by one.

    Attributes:
        batch: that ended.
        results: one per row; none where the rows are tried again.
        again: why they are.
        instead: the batches of single rows that take its place.
    """

    batch: Batch
    results: tuple[Result, ...]
    again: str = ""
    instead: tuple[Batch, ...] = ()


@final
class Coordinator:
    """A sweep in its folder: `results.json` and its tables, `sweep.toml`, and run folders of its batches in `runs`.

    Killed at any moment and started again it does what is missing: a row is in the file once its batch is done, and
    a batch that was begun continues from its checkpoint.

    Args:
        sweep: its rows are run.
        folder: of results and runs; it must not exist, or be empty, unless `resume`.
        resume: do what is missing. Rows that failed are tried again.

    Raises:
        WrongUse: if the folder holds something already, or results of another sweep, or another process works in it.
    """

    def __init__(self, sweep: Sweep, folder: Path, *, resume: bool = False) -> None:
        if not resume:
            refuse_full(folder, known={RESULTS: "holds a sweep"}, cure=RESUME)
        self.sweep, self.folder = sweep, folder.absolute()

    def run(
        self,
        engine: Engine,
        *,
        threads: int = 1,
        data_folder: Path | None = None,
        on_start: Callable[[Results, list[Batch]], None] = lambda results, batches: None,
        on_tick: Callable[[], None] = lambda: None,
        on_end: Callable[[Ended], None] = lambda ended: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Results:
        """Run what is missing.

        Args:
            engine: what trains.
            threads: of each batch.
            data_folder: folder with the data set's files; None: where `mho.data.load` looks.
            on_start: sees the results so far, and the batches to come.
            on_tick: called a few times per second.
            on_end: sees each batch when its results are written.
            stop: asked a few times per second; True ends the sweep at checkpoints.
        """
        with self._alone():
            results = Results(self.folder, self.sweep)
            results.forget_unfinished()
            results.write()
            write_atomically(self.folder / SPEC, self.sweep.to_toml().encode())
            mark = uuid.uuid4().hex
            write_atomically(self.folder / MARK, mark.encode())

            missing = batches(self.sweep, done=results.done)
            on_start(results, missing)
            work = _Work(engine, missing, str(self.folder), mark, threads, data_folder)
            for answer, one in work.answers(stop, on_tick):
                if answer.fault and len(one.rows) > 1:
                    # one point must not take the others of its batch with it
                    single = [batch(self.sweep, [row]) for row in one.rows]
                    for each in single:
                        work.submit(each)
                    on_end(Ended(one, (), again=answer.fault, instead=tuple(single)))
                else:
                    on_end(Ended(one, self._record(results, one, answer)))
            return results

    def _record(self, results: Results, one: Batch, answer: Answer) -> tuple[Result, ...]:
        """Write the results of a batch."""
        place = f"{FOLDERS}/{one.name}"
        if answer.files:
            (self.folder / place).mkdir(parents=True, exist_ok=True)
            for name, content in answer.files.items():
                write_atomically(self.folder / place / name, content)
        found = answer.results or (Result(status=FAILED, message=answer.fault, folder=place, replica=0),)
        results.add({row.number: result for row, result in zip(one.rows, found, strict=True)})
        return found

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder's lock; the system lets go of it if this process is killed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / LOCK, timeout=0):
                yield
        except Timeout:
            raise WrongUse(
                f"another mho sweep works in {self.folder}; wait for its end, or give another --out"
            ) from None


@final
class _Work:
    """The batches of a sweep that an engine trains."""

    def __init__(
        self, engine: Engine, missing: list[Batch], folder: str, mark: str, threads: int, data_folder: Path | None
    ) -> None:
        self._engine, self._folder, self._mark, self._threads = engine, folder, mark, threads
        self._data_folder = str(data_folder.absolute()) if data_folder else None
        self._batches: dict[str, Batch] = {}
        for one in missing:
            self.submit(one)

    def submit(self, one: Batch) -> None:
        self._batches[one.name] = one
        self._engine.submit(
            Task(
                work=TrainWork(tables=one.tables, replicas=len(one.rows)),
                name=one.name,
                folder=self._folder,
                mark=self._mark,
                threads=self._threads,
                data_folder=self._data_folder,
                watched=True,
            )
        )

    def answers(self, stop: Callable[[], bool], on_tick: Callable[[], None]) -> Iterator[tuple[Answer, Batch]]:
        """Yield batches that end, with their answers; once `stop` says so only those that still come to their end."""
        stopping = False
        while self._engine.unfinished:
            if not stopping and stop():
                stopping = True
                self._engine.stop()
            for task, answer in self._engine.wait(POLL_SECONDS):
                if answer.results or not (answer.stopped or stopping):
                    yield answer, self._batches.pop(task.name)
            on_tick()
