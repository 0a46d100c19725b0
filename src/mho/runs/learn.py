"""Run folders of Boltzmann machines: config, metrics, checkpoint and pictures of one machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch

from mho.errors import CheckpointError, WrongUse
from mho.learning.boltzmann import BoltzmannMachine, LogLikelihood
from mho.learning.boltzmann.likelihood import can_enumerate
from mho.runs.folder import (
    CHECKPOINT,
    SUMMARY,
    holds_metrics,
    refuse_used,
    write_config,
    write_metrics,
    write_summary,
)
from mho.runs.machine import BinaryData, MachineExperiment
from mho.version import PHYSICS_VERSION

EVERY = 2000
"""Steps between checkpoints within an epoch; others are written after each epoch and when a run is stopped."""
EVALUATED = 1000
"""Test examples that are looked at after each epoch."""


@final
class MachineRun:
    """One Boltzmann machine in its folder.

    Args:
        experiment: what to learn; layers that are not given are those of the data and 100 hidden units.
        folder: where; it must not exist, or be empty, unless `resume`.
        data: of the experiment, from `mho.runs.machine.binary_data`.
        resume: continue from the folder's checkpoint, if any.

    Raises:
        WrongUse: if the folder holds something already.
        InvalidValue: for parameters out of range, or that do not fit the data.
        CheckpointError: if its checkpoint is damaged, or of another machine (naming what differs).

    Attributes:
        machine: the machine.
    """

    def __init__(self, experiment: MachineExperiment, folder: Path, data: BinaryData, *, resume: bool = False) -> None:
        if not resume:
            refuse_used(folder)
        self.experiment, self.folder, self.data = experiment.with_layers(data), folder, data
        self.machine = BoltzmannMachine(**self.experiment.machine.parameters(experiment.rpu))
        self._likelihood: LogLikelihood | None = None
        self._began = 0.0
        plan = self.machine.plan()
        self._exact = can_enumerate(plan.structure)
        if plan.structure.sizes[0] != data.train.shape[1]:
            raise WrongUse(
                f"the data {data.name} have {data.train.shape[1]} units, and machine.layers begins with "
                f"{plan.structure.sizes[0]}; give --layers {data.train.shape[1]},..."
            )
        if resume and (folder / CHECKPOINT).exists():
            self._restore()

    @property
    def finished(self) -> bool:
        """True if every epoch is done."""
        return self.machine.finished

    @property
    def anneals(self) -> bool:
        """True if the log-likelihood is estimated by annealing, which takes a while."""
        return not self._exact and self.experiment.machine.temperatures > 0

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """Return an entry per epoch, as in metrics.jsonl."""
        return self.machine.progress_.history if hasattr(self.machine, "progress_") else []

    @property
    def likelihood(self) -> LogLikelihood | None:
        """Log-likelihood of the test examples once every epoch is done; None if it may not be estimated."""
        settings = self.experiment.machine
        if self._likelihood is None and self.finished and (self._exact or settings.temperatures):
            self._likelihood = self.machine.log_likelihood(
                self.data.test, chains=settings.chains, temperatures=max(1, settings.temperatures)
            )
        return self._likelihood

    def learn(
        self, *, on_step: Callable[[], bool] = lambda: False, on_epoch: Callable[[], None] = lambda: None
    ) -> bool:
        """Learn to the last epoch, writing metrics and checkpoints on the way; `conclude` does what comes after it.

        Args:
            on_step: called after each step; True asks to stop, which stores a checkpoint first.
            on_epoch: called after each epoch, when everything is written.

        Returns:
            Whether the last epoch is done.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        write_config(self.folder, self.experiment.to_toml())
        write_metrics(self.folder, self.metrics)
        self._began = time.perf_counter()

        def after_step(machine: BoltzmannMachine) -> bool:
            progress = machine.progress_
            ended = progress.position == 0
            if ended:
                progress.history[-1] |= self._tested() | {"seconds": time.perf_counter() - self._began}
            stop = on_step()
            if ended or stop or progress.steps % EVERY == 0:
                machine.save(self.folder / CHECKPOINT)
            if ended:
                # after the checkpoint, which holds them too: `_restore` writes what is missing
                write_metrics(self.folder, self.metrics)
                on_epoch()
                self._began = time.perf_counter()
            return stop

        self.machine.fit(self.data.train, resume=True, on_step=after_step)
        return self.finished

    def conclude(self) -> None:
        """Estimate the log-likelihood, and write summary.json and the pictures of a finished run."""
        from mho.report.machine_figures import write_machine_figures

        found = self.likelihood
        summary: dict[str, Any] = {
            "title": f"{self.machine.plan().rule.title}, {'-'.join(map(str, self.machine.layers))} on {self.data.name}",
            "physics_version": PHYSICS_VERSION,
            "log_likelihood": None
            if found is None
            else {"mean": found.mean, "low": found.low, "high": found.high, "kind": found.kind},
        }
        arrays = getattr(self.machine.network_.couplings, "arrays", {})
        summary["counters"] = {
            name: {key: int(value.sum()) for key, value in array.counters().items()} for name, array in arrays.items()
        }
        summary["pictures"] = write_machine_figures(self.machine, self.data.test, self.data.shape, self.folder)
        write_summary(self.folder, summary)

    def _tested(self) -> dict[str, float]:
        """Return what is measured on test examples after an epoch."""
        v = self.data.test[:EVALUATED]
        found = {"test_pseudo_log_likelihood": float(self.machine.pseudo_log_likelihood(v).mean())}
        if len(self.machine.layers) > 1:
            found["test_reconstruction_error"] = 100 * float((self.machine.reconstruct(v) - v).abs().mean())
        return found

    def _restore(self) -> None:
        try:
            self.machine.restore(self.folder / CHECKPOINT)
        except CheckpointError as error:
            raise CheckpointError(f"{error}\nor give another --out") from None
        if not holds_metrics(self.folder, self.metrics):
            write_metrics(self.folder, self.metrics)
        if self.finished and not (self.folder / SUMMARY).exists():
            self.conclude()


def learn_boltzmann(
    experiment: MachineExperiment, folder: Path, data: BinaryData, *, resume: bool = False
) -> dict[str, Any]:
    """Learn a machine in its folder to the last epoch, as `mho learn boltzmann` does, and return the last metrics line.

    Args: as of `MachineRun`.
    """
    torch.set_num_threads(1)
    run = MachineRun(experiment, folder, data, resume=resume)
    if run.learn():
        run.conclude()
    return run.metrics[-1]
