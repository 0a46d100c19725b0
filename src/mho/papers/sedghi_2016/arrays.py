"""The recovered network on arrays: what noise of reads costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import final

import torch

import mho
from mho.learning.spectral import SpectralRNN
from mho.learning.spectral.problem import CHUNK, Problem, Sequence
from mho.papers.journal import Journal
from mho.papers.study import Study
from mho.periphery import Read
from mho.runs.work import OnProgress

TESTED, LENGTH = 20_000, 100
"""Times that are predicted, in sequences of so many, side by side."""
BOUND = 0.6
"""Largest weight that a device holds."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class OnArrays(Study):
    """A recovered network on three arrays, read with noise at every time step; an epoch is one recovery.

    Attributes:
        problem: the network.
        samples: that it is recovered from.
        read_noise: σ of every read, in units of weight times input.
    """

    epochs: int = 1
    problem: Problem = dataclasses.field(default_factory=Problem)
    samples: int = 1_000_000
    read_noise: float = 0.0

    def quick(self) -> OnArrays:
        return dataclasses.replace(self, samples=200_000)

    def run(
        self,
        folder: Path,
        *,
        seed: int,
        data_folder: Path | None,
        on_progress: OnProgress,
        stop: Callable[[], bool],
    ) -> bool:
        journal, sequence = Journal(folder), Sequence(self.problem, seed)
        if journal.epochs >= self.epochs:
            return True
        on_progress(0, 0.0)
        if stop():
            return False
        x, y = sequence.rows(self.samples)
        rnn = SpectralRNN(self.problem.hidden, density=self.problem.density).fit(x, y)
        x_test, _ = sequence.rows(TESTED, first=self.samples // CHUNK + 1000)
        inputs = torch.from_numpy(x_test).float().reshape(-1, LENGTH, x_test.shape[1])
        true = torch.from_numpy(sequence.weights.outputs(x_test)).reshape(len(inputs), LENGTH, -1)[:, 10:]
        rpu = mho.presets.floating_point().replace(forward=Read(noise=self.read_noise, bound=None))
        with torch.no_grad():
            digital = rnn.to_torch()(inputs)[:, 10:].double()
            analog = mho.convert(rnn.to_torch(bound=BOUND), rpu, seed=seed, quiet=True).eval()(inputs)[:, 10:].double()
        numbers = {"unexplained": unexplained(analog, true), "digital_unexplained": unexplained(digital, true)}
        journal.finish_epoch(numbers)
        return True


def unexplained(found: torch.Tensor, true: torch.Tensor) -> float:
    """Return the share of the outputs' variance that predictions (batch, time, d_y) leave, in per cent."""
    centred = true - true.mean(dim=(0, 1))
    return float(100 * ((found - true) ** 2).sum() / (centred**2).sum())
