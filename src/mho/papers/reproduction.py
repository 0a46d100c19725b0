"""Training of the missing runs of a paper's curves, with results written as they come."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import final

from filelock import FileLock, Timeout

from mho.errors import InvalidValue, WrongUse
from mho.files import write_atomically
from mho.papers.collect import collect_record
from mho.papers.jobs import Job, jobs
from mho.papers.page import HEAD
from mho.papers.paper import Paper
from mho.papers.records import read_records
from mho.papers.scale import Scale
from mho.papers.study_work import study_work
from mho.papers.verdicts import Verdict, judge
from mho.runs.engine import Engine
from mho.runs.folder import State, read_metrics, read_state
from mho.runs.work import FOLDERS
from mho.runs.worker import MARK, Task
from mho.version import PHYSICS_VERSION, VERSION

LOCK = ".lock"
POLL_SECONDS = 0.25


@final
class Reproduction:
    """Some curves of a paper in a folder: `runs` with a run folder for each curve and seed, and results beside.

    Killed at any moment and started again it does what is missing: finished runs are kept, those begun continue from
    their checkpoints, and more epochs or seeds add to what is there.

    Args:
        paper: whose curves.
        curves: names of the curves.
        scale: how much of each is trained.
        folder: holds runs and results; made if it does not exist.

    Raises:
        WrongUse: if the folder holds something else, another paper, or results of another version of the physics.
    """

    def __init__(self, paper: Paper, curves: Sequence[str], scale: Scale, folder: Path) -> None:
        self.paper, self.curves, self.scale, self.folder = paper, list(curves), scale, folder.absolute()
        self.jobs = jobs(paper, curves, scale)
        self.faults: dict[str, str] = {}
        """Messages of runs that failed, by name of the run folder."""
        self._check_folder()

    @property
    def results(self) -> Path:
        """Folder of the results."""
        return self.folder / self.scale.kind

    def epochs(self, one: Job) -> int:
        """Return the epochs that a run is to have."""
        return one.study.epochs

    def state(self, one: Job) -> State:
        """Read how far a run is."""
        return read_state(self.folder / FOLDERS / one.name)

    def done(self, one: Job) -> bool:
        """Return whether nothing is missing of a run."""
        return len(read_metrics(self.folder / FOLDERS / one.name)) >= self.epochs(one)

    def missing(self) -> list[Job]:
        """Return the runs that have something to do."""
        return [one for one in self.jobs if not self.done(one)]

    def run(
        self,
        engine: Engine,
        *,
        threads: int = 1,
        data_folder: Path | None = None,
        on_start: Callable[[list[Job]], None] = lambda missing: None,
        on_tick: Callable[[], None] = lambda: None,
        on_end: Callable[[Job], None] = lambda one: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Train what is missing.

        Args:
            engine: what trains.
            threads: threads of each run.
            data_folder: folder with the data set's files; None: where `mho.data.load` looks.
            on_start: sees the runs that are missing.
            on_tick: called a few times per second.
            on_end: sees each run that ends, when its curve's results are written; `faults` says which runs failed.
            stop: asked a few times per second; True ends everything at checkpoints.

        Returns:
            True if every run came to its end, or failed, before `stop` said so.
        """
        with self._alone():
            missing = {one.name: one for one in self.missing()}
            works = {name: study_work(one.study, one.seed) for name, one in missing.items()}
            self._open()
            mark = uuid.uuid4().hex
            write_atomically(self.folder / MARK, mark.encode())
            for curve in self.curves:
                self._record(curve)
            on_start(list(missing.values()))
            data = str(data_folder.absolute()) if data_folder is not None else None
            for name, work in works.items():
                engine.submit(
                    Task(
                        work=work,
                        name=name,
                        folder=str(self.folder),
                        mark=mark,
                        threads=threads,
                        data_folder=data,
                        watched=True,
                    )
                )
            stopping = False
            while engine.unfinished:
                if not stopping and stop():
                    stopping = True
                    engine.stop()
                for task, answer in engine.wait(POLL_SECONDS):
                    if answer.fault and not stopping:
                        self.faults[task.name] = answer.fault
                    self._record(missing[task.name].curve)
                    if not answer.stopped:
                        on_end(missing[task.name])
                on_tick()
            return not stopping or not self.missing()

    def verdicts(self) -> list[Verdict]:
        """Return the verdicts on the curves, from the results in the folder."""
        last = self.paper.epochs(self.scale.kind)
        return judge(self.paper.expected, read_records(self.results), self.curves, kind=self.scale.kind, last=last)

    def _record(self, curve: str) -> None:
        """Write the results of a curve."""
        record = collect_record(self.paper, curve, self.scale, self.folder / FOLDERS)
        if record is not None:
            record.write(self.results)

    def _check_folder(self) -> None:
        if not self.folder.exists():
            return
        cure = "give another --out"
        if not self.folder.is_dir():
            raise WrongUse(f"{self.folder} is no folder; {cure}")
        file = self.folder / HEAD
        if not file.exists():
            if any(entry.name not in (LOCK, MARK) for entry in self.folder.iterdir()):
                raise WrongUse(f"{self.folder} exists, is not empty, and is not of mho reproduce; {cure}")
            return
        try:
            head = json.loads(file.read_text(encoding="utf-8"))
            paper, physics = head["paper"], head["physics"]
        except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else error
            raise InvalidValue(f"{file} is damaged or of another mho ({what}); restore it, or {cure}") from None
        if paper != self.paper.name:
            raise WrongUse(f"{self.folder} holds results of {paper}; {cure} for {self.paper.name}")
        if physics != PHYSICS_VERSION:
            raise WrongUse(
                f"{self.folder} holds results of version {physics} of the physics, and this mho has version "
                f"{PHYSICS_VERSION}: equal runs give other bits, and one table must not mix them. "
                f"{cure.capitalize()} to train with this mho, or use the mho of that time to continue there"
            )

    def _open(self) -> None:
        head = {"paper": self.paper.name, "version": VERSION, "physics": PHYSICS_VERSION}
        write_atomically(self.folder / HEAD, json.dumps(head).encode())

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder's lock; the system lets go of it if this process is killed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / LOCK, timeout=0):
                yield
        except Timeout:
            raise WrongUse(
                f"another mho reproduce works in {self.folder}; wait for its end, or give another --out"
            ) from None
