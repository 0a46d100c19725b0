"""Trainings behind the curves of Rasch et al. 2024 that are no networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import final

import numpy as np
import torch

from mho.arrays import Crossbar
from mho.config import RPU
from mho.learning import WeightProgramming
from mho.papers.journal import Journal
from mho.papers.study import Study
from mho.runs.work import OnProgress

LOOKS = 50
"""How often the error is measured in an epoch."""
BLOCK = 1000
"""Vectors between two questions whether to stop."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Programming(Study):
    """An array that learns given weights (`mho.learning.learn_weights`), at several settings side by side.

    A line has, by the name of each setting, the error in per cent, its mean over the vectors of the epoch and over the
    draws; their largest over their smallest, `ratio`; and the `vectors` so far.

    Attributes:
        rpu: the arrays; its lists have `draws` values in a row for each setting.
        settings: names of the settings.
        draws: devices and targets of each setting, the same at all settings.
        vectors: vectors of an epoch.
    """

    epochs: int = 10
    rpu: RPU
    settings: tuple[str, ...]
    draws: int = 3
    vectors: int = 10_000

    def quick(self) -> Study:
        return dataclasses.replace(self, epochs=2, vectors=5000)

    def run(
        self,
        folder: Path,
        *,
        seed: int,
        data_folder: Path | None,
        on_progress: OnProgress,
        stop: Callable[[], bool],
    ) -> bool:
        journal = Journal(folder)
        seeds = [self.draws * seed + draw for _ in self.settings for draw in range(self.draws)]
        task = WeightProgramming(self.rpu, seeds=seeds)
        if journal.tensors:
            task.restore(journal.tensors)
        for epoch in range(journal.epochs, self.epochs):
            first = epoch * self.vectors
            looks = {int(vector) for vector in np.linspace(first + 1, first + self.vectors, LOOKS)}
            errors = []
            for begun in range(0, self.vectors, BLOCK):
                on_progress(epoch, begun / self.vectors)
                if stop():  # an epoch takes seconds, and begins anew
                    return False
                errors.append(task.learn(min(BLOCK, self.vectors - begun), looks=looks))
            each = 100 * np.concatenate(errors).mean(axis=0).reshape(-1, self.draws).mean(axis=1)
            line = {name: float(error) for name, error in zip(self.settings, each, strict=True)}
            line |= {"ratio": float(each.max() / each.min()), "vectors": first + self.vectors}
            journal.finish_epoch(line, tensors=task.state())
        return True


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ConstantGradient(Study):
    """An array whose diagonal is driven down by a gradient that stays (Fig. 3).

    x = -X and δ = a·X + (1 - a)·Y, X and Y ~ N(0, 1), so that the mean of δxᵀ is -a on the diagonal and 0 elsewhere.
    A line has how far the diagonal has moved, `way`, the mean of -W over it and the draws; and the `vectors` so far.

    Attributes:
        rpu: the array.
        share: a, 0 to 1.
        size: rows and columns.
        lr: learning rate.
        draws: arrays that the mean is taken of.
        vectors: vectors of an epoch.
    """

    epochs: int = 20
    rpu: RPU
    share: float = 0.5
    size: int = 5
    lr: float = 0.1
    draws: int = 10
    vectors: int = 100

    def quick(self) -> Study:
        return self

    def run(
        self,
        folder: Path,
        *,
        seed: int,
        data_folder: Path | None,
        on_progress: OnProgress,
        stop: Callable[[], bool],
    ) -> bool:
        journal, shape = Journal(folder), (self.draws, self.size, self.size)
        array = Crossbar(self.rpu, self.size, self.size, seed=self.draws * seed, replicas=self.draws)
        array.write(torch.zeros(shape), quiet=True)
        if journal.tensors:
            array.load_state_dict(journal.tensors)
        for epoch in range(journal.epochs, self.epochs):
            on_progress(epoch, 0.0)
            if stop():
                return False
            stream = np.random.Generator(np.random.Philox(key=[seed, epoch]))
            x, y = stream.standard_normal((2, self.draws, self.vectors, self.size), np.float32)
            array.update(torch.from_numpy(-x), torch.from_numpy(self.share * x + (1 - self.share) * y), self.lr)
            way = -array.weight.diagonal(dim1=1, dim2=2).double().mean()
            line = {"way": float(way), "vectors": (epoch + 1) * self.vectors}
            journal.finish_epoch(line, tensors=dict(array.state_dict()))
        return True
