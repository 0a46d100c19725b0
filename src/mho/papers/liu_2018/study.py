"""Trainings behind the curves of Liu, Quek & Lin 2018."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from mho.config import RPU
from mho.data import load
from mho.learning.boltzmann import BoltzmannMachine
from mho.papers.journal import Journal
from mho.papers.liu_2018.small import HIDDEN, VISIBLE, KnownDistribution
from mho.papers.study import Study
from mho.report.drawing import save
from mho.report.machine_figures import corrupted, machine_drawings
from mho.runs.folder import CHECKPOINT
from mho.runs.work import OnProgress

SAVED = 500
"""Steps between checkpoints within an epoch."""
PICTURES = ("filters", "samples", "reconstructions")
SIDE = 28


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Small(Study):
    """10 + 10 units that learn from examples of a known distribution; the seed draws the distribution too."""

    epochs: int = 60
    method: str = "vpf"
    k: int | None = None
    lr: float = 0.1
    batch_size: int = 20
    examples: int = 1000
    weight_std: float = 0.1

    def quick(self) -> Study:
        return dataclasses.replace(self, epochs=5)

    def run(
        self,
        folder: Path,
        *,
        seed: int,
        data_folder: Path | None,
        on_progress: OnProgress,
        stop: Callable[[], bool],
    ) -> bool:
        known = KnownDistribution.of_seed(seed, self.examples)
        machine = BoltzmannMachine(
            [VISIBLE, HIDDEN], method=self.method, k=self.k, lr=self.lr, batch_size=self.batch_size,
            weight_std=self.weight_std, epochs=self.epochs, seed=seed,
        )  # fmt: skip
        return follow(machine, known.examples, Journal(folder), known.numbers, on_progress, stop)


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Pictures(Study):
    """A machine that learns binarised MNIST: pixels above ½ are 1.

    Attributes:
        layers: units, the visible layer first.
        linked: layers with links inside.
        method: "vpf" or "cd".
        k: Gibbs sweeps of "cd".
        lr: learning rate at the start.
        lr_end: at the end; None: `lr`.
        weight_std: standard deviation of the initial couplings.
        visible_bias: where the biases of visible units begin.
        batch_size: examples per step.
        train_images: the first so many of MNIST's training images; 0: all.
        test_images: the first so many of its test images.
        rpu: arrays of the couplings; None: floating point.
        chains: number of chains of annealed importance sampling, after each epoch.
        temperatures: number of temperatures of the annealing.
    """

    epochs: int = 10
    layers: tuple[int, ...] = (784, 500)
    linked: tuple[int, ...] = ()
    method: str = "vpf"
    k: int | None = None
    lr: float = 0.02
    lr_end: float | None = 0.0
    weight_std: float = 0.1
    visible_bias: str = "data"
    batch_size: int = 100
    train_images: int = 0
    test_images: int = 1000
    rpu: RPU | None = None
    chains: int = 100
    temperatures: int = 500

    def quick(self) -> Study:
        layers = tuple(min(size, 100) if place else size for place, size in enumerate(self.layers))
        return dataclasses.replace(
            self, epochs=1, layers=layers, train_images=1000, test_images=100, chains=10, temperatures=20
        )

    def with_images(self, *, train: int, test: int) -> Study:
        return dataclasses.replace(self, train_images=train or self.train_images, test_images=test or self.test_images)

    def prepare(self, data_folder: Path | None) -> None:
        load("mnist", data_folder)

    def run(
        self,
        folder: Path,
        *,
        seed: int,
        data_folder: Path | None,
        on_progress: OnProgress,
        stop: Callable[[], bool],
    ) -> bool:
        data = load("mnist", data_folder).first(self.train_images, self.test_images)
        train, test = ((x.flatten(1) > 0.5).to(torch.float32) for x in (data.x_train, data.x_test))
        machine = BoltzmannMachine(
            list(self.layers), intra_layer=list(self.linked) or None, method=self.method, k=self.k, lr=self.lr,
            lr_end=self.lr_end, weight_std=self.weight_std, visible_bias=self.visible_bias,
            batch_size=self.batch_size, epochs=self.epochs, rpu=self.rpu, seed=seed,
        )  # fmt: skip
        journal = Journal(folder)

        def numbers(machine: BoltzmannMachine) -> dict[str, float]:
            if machine.finished:
                drawings = machine_drawings(machine, test, (SIDE, SIDE))
                for name in PICTURES:
                    save(drawings[name].draw, journal.picture(name), size=drawings[name].size)
            return self.measured(machine, test)

        return follow(machine, train, journal, numbers, on_progress, stop)

    def measured(self, machine: BoltzmannMachine, test: Tensor) -> dict[str, float]:
        """Return reconstruction errors [% of the pixels concerned] and log-likelihoods [nats] of test images."""
        flipped, cut, known = corrupted(test, (SIDE, SIDE), seed=0)
        found = machine.log_likelihood(test, chains=self.chains, temperatures=self.temperatures)
        filled = machine.reconstruct(cut, known=known, sweeps=20)
        return {
            "flipped_error": 100 * float(((machine.reconstruct(flipped) > 0.5).to(test.dtype) - test).abs().mean()),
            "rows_error": 100 * float(((filled > 0.5).to(test.dtype) - test)[:, ~known].abs().mean()),
            "log_likelihood": found.mean,
            "log_z_error": found.log_z.high - found.log_z.value,
            "pseudo_log_likelihood": float(machine.pseudo_log_likelihood(test).mean()),
        }


def follow(
    machine: BoltzmannMachine,
    examples: Tensor,
    journal: Journal,
    numbers: Callable[[BoltzmannMachine], dict[str, float]],
    on_progress: OnProgress,
    stop: Callable[[], bool],
) -> bool:
    """Learn to the last epoch from where a journal is, and write a line of it an epoch.

    Args:
        machine: that has not learned yet.
        examples: (n, units) of 0 and 1.
        journal: journal of the run folder.
        numbers: returns the numbers of a line.
        on_progress: sees finished epochs, and the share of the next.
        stop: says whether to stop.

    Returns:
        Whether the last epoch is finished.
    """
    if journal.tensors:
        machine.restore_state(journal.tensors, journal.notes, file=journal.folder / CHECKPOINT)

    def after_step(machine: BoltzmannMachine) -> bool:
        progress = machine.progress_
        if progress.position == 0:
            measure = machine.plan().rule.measure
            line = {"loss": progress.history[-1][measure], **numbers(machine)}
            tensors, notes = machine.state()
            journal.finish_epoch(line, tensors=tensors, notes=notes)
        on_progress(progress.epoch, progress.position / len(examples))
        asked = stop()
        if progress.position and (asked or progress.steps % SAVED == 0):
            tensors, notes = machine.state()
            journal.save(tensors=tensors, notes=notes)
        return asked

    machine.fit(examples, resume=True, on_step=after_step)
    return machine.finished
