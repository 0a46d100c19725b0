"""Run folders: one experiment, its config, metrics, checkpoint and report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

import torch

from mho.data import Dataset
from mho.diagnosis import Diagnosis, diagnose
from mho.errors import CheckpointError, MhoError
from mho.hardware import array_table
from mho.learning import ZeroShiftReport, zero_shift
from mho.models import build_model, forget
from mho.runs.build import build
from mho.runs.experiment import Experiment, changes
from mho.runs.folder import (
    BEST,
    CHECKPOINT,
    CONFIG,
    METRICS,
    REPORT,
    SUMMARY,
    holds_metrics,
    read_summary,
    refuse_used,
    write_config,
    write_metrics,
    write_summary,
)
from mho.runs.folder.summary import summary_of
from mho.runs.outcome import Line, outcome
from mho.runs.replicas import replica_names, replica_values
from mho.training import AnalogSGD, Loop, Progress, sizes_of
from mho.training.checkpoint import fill, load_checkpoint, save_checkpoint
from mho.training.fit_check import check_fit
from mho.training.idle import idle_settings, with_part_noted


@final
class Run:
    """One experiment in its folder.

    Args:
        experiment: what to train.
        folder: where; it must not exist, or be empty, unless `resume`.
        data: the data set of the experiment, as `mho.data.load` gives it.
        resume: continue from the folder's checkpoint, if any.

    Raises:
        WrongUse: if the folder holds something already.
        CheckpointError: if its checkpoint is damaged, of another version of mho, or of another experiment (naming the
            fields).
        InvalidValue: if network, data and task do not go together, naming their shapes.

    Attributes:
        sizes: of the data, for which the network was built.
        idle: settings that have no effect on these data, a sentence each.
        shifted: what zero-shifting did to the arrays; None where there was none, or where the run is resumed.
        names: of the replicas, by the values in which they differ, or else their seeds.
        compared: the lines of the same network in floating point, where it is trained beside the run.
    """

    def __init__(self, experiment: Experiment, folder: Path, data: Dataset, *, resume: bool = False) -> None:
        self.experiment, self.folder = experiment, folder
        settings = experiment.training
        if not resume:
            refuse_used(folder)
        stored = None
        if resume and (folder / CHECKPOINT).exists():
            stored = load_checkpoint(folder / CHECKPOINT)
            self._check_same(stored[1])

        task, examples = experiment.task.prepare(data)
        self.sizes = sizes_of(examples)  # of all examples, so that the network has a place for each class
        whole, examples = examples, with_part_noted(examples, settings, task)
        check_fit(build_model(settings.model, self.sizes, experiment.model), settings.model, task, examples)
        self.model = build(experiment, self.sizes)
        self.arrays = array_table(self.model, examples.x_train[:1])
        self.optimizer = AnalogSGD(self.model, lr=settings.lr)
        self.names: list[str] = replica_names(experiment)
        self.compared: Sequence[Line] = ()
        labels = self.names if replica_values(experiment) else ()
        self.loop = Loop(self.model, self.optimizer, examples, settings, task, names=labels)
        self.idle = idle_settings(settings, whole, trained=self.loop.examples, words=self.loop.words)
        self._diagnosis: Diagnosis | MhoError | None = None
        self.shifted = self._shift() if stored is None else None
        self._shifts = [dataclasses.asdict(s) | {"told": str(s)} for s in self.shifted.arrays] if self.shifted else []
        if stored is not None:
            self._restore(*stored)
            self._catch_up()

    @property
    def finished(self) -> bool:
        """Return True if every epoch is done, or the patience is over."""
        return self.loop.finished

    def diagnose(self) -> Diagnosis | MhoError | None:
        """Look for what spoils the training of a finished run, once.

        Returns:
            What the checks found, at the last learning rate; why, where they cannot be made; None before the end.
        """
        if self.finished and self._diagnosis is None:
            settings, data = self.experiment.training, self.loop.data
            last = min(self.loop.progress.epoch, settings.epochs)
            forget(self.model)
            try:
                found = diagnose(
                    self.model,
                    data.x_train,
                    data.y_train,
                    loss=None if self.loop.task.classes else self.loop.task.loss,
                    lr=settings.rate(last),
                    batch_size=settings.batch_size,
                    history=self.loop.progress.metrics,
                    reference_error=self.compared[-1]["test_error"] if self.compared else None,
                    chance=None if self.loop.chance is None else self.loop.chance.error,
                )
                self._diagnosis = dataclasses.replace(found, for_command_line=True)
            except MhoError as error:  # as of a network whose numbers have run away; its training counts all the same
                self._diagnosis = error
        return self._diagnosis

    @property
    def outcome(self) -> list[str]:
        """Return what the training has come to, in sentences, the result first; [] before the first epoch has ended."""
        metrics, task = self.loop.progress.metrics, self.loop.task
        if not metrics:
            return []
        twin = self.compared[-1] if self.compared else None
        return outcome(metrics[-1], measure=task.measure, units=task.units, chance=self.loop.chance, twin=twin)

    @property
    def concluded(self) -> bool:
        """Return True if the run is finished and summary.json has its diagnosis."""
        return self.finished and read_summary(self.folder).get("diagnosis") is not None

    def conclude(self) -> Diagnosis | MhoError | None:
        """Find what spoils the training of a finished run, and write it into summary.json.

        The run is complete without it: interrupted, it can be called again.

        Returns:
            What the checks found; the error that says why they cannot be made; None before the end of the run, when
            nothing is written.
        """
        found = self.diagnose()
        if found is not None:
            self._write_summary()
        return found

    def train(
        self,
        *,
        on_step: Callable[[Progress], bool],
        on_epoch: Callable[[Progress], None],
        until: int | None = None,
    ) -> bool:
        """Train to the end, writing metrics and checkpoints on the way; `conclude` does what comes after it.

        Args:
            on_step: sees the progress every few steps; True asks to stop, which stores a checkpoint first.
            on_epoch: sees it after each epoch, when everything is written.
            until: number of epochs after which to pause; None: the last.

        Returns:
            Whether the run came to its end, or to the epoch `until`.
        """
        self._open()
        every = self.experiment.training.checkpoint_every

        def after_step(progress: Progress) -> None:
            stop = on_step(progress)
            if stop or progress.steps % every == 0:
                self._save(CHECKPOINT)
            if stop:
                raise _Stop

        def after_epoch(progress: Progress) -> None:
            if self.loop.is_best:
                self._save(BEST)  # first: killed after it, the run resumes from a checkpoint that comes here again
            self._save(CHECKPOINT)
            self._write_summary()
            write_metrics(self.folder, progress.metrics)  # last: see _catch_up
            on_epoch(progress)

        try:
            self.loop.run(on_step=after_step, on_epoch=after_epoch, until=until)
        except _Stop:
            self._write_summary()
            return False
        return True

    def _shift(self) -> ZeroShiftReport | None:
        settings = self.experiment.zero_shifting
        return None if settings is None else zero_shift(self.model, **dataclasses.asdict(settings))

    def _open(self) -> None:
        made = not self.folder.exists()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_config(self.folder, self.experiment.to_toml())
            write_metrics(self.folder, self.loop.progress.metrics)
            self._write_summary()
            # a page of fewer epochs
            (self.folder / REPORT).unlink(missing_ok=True)
        except OSError:
            if made and self.folder.is_dir():
                for name in (CONFIG, METRICS, SUMMARY):
                    (self.folder / name).unlink(missing_ok=True)
                self.folder.rmdir()
            raise

    def _save(self, name: str) -> None:
        notes = {
            "config": self.experiment.to_dict(),
            "progress": dataclasses.asdict(self.loop.progress),
            "zero_shifting": self._shifts,
            "sizes": dataclasses.asdict(self.sizes),
        }
        save_checkpoint(self.folder / name, self.loop.tensors(), notes)

    def _restore(self, tensors: dict[str, torch.Tensor], notes: dict[str, Any]) -> None:
        fill(self.model.state_dict(keep_vars=True), tensors, "model.", self.folder / CHECKPOINT)
        self.loop.restore(tensors, Progress(**notes["progress"]))
        self._shifts = notes.get("zero_shifting", [])

    def _check_same(self, notes: dict[str, Any]) -> None:
        changed = changes(notes["config"], self.experiment)
        if changed:
            raise CheckpointError(
                f"{self.folder / CHECKPOINT} belongs to another experiment:\n  "
                + "\n  ".join(changed)
                + "\nrepeat the old values, or give another --out"
            )

    def _catch_up(self) -> None:
        """Write what a finished run lacks: killed after its last checkpoint, its other files are an epoch behind."""
        if not self.finished:
            return
        if not holds_metrics(self.folder, self.loop.progress.metrics):
            self._open()
        elif not (self.folder / SUMMARY).exists():
            self._write_summary()

    def _write_summary(self) -> None:
        write_summary(self.folder, summary_of(self, self._diagnosis, self._shifts))


class _Stop(Exception):
    """Ends a run after a step."""
