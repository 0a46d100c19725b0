"""Backpropagation through time on the same sequences: from random starts, and from the spectral answer."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from mho.errors import InvalidValue
from mho.learning.spectral import SpectralModule, SpectralRNN, Weights
from mho.learning.spectral.arrays import Floats
from mho.learning.spectral.problem import Problem, Sequence, draws, parameter_errors
from mho.papers.journal import Journal
from mho.papers.study import Study
from mho.runs.work import OnProgress

LENGTH, WARM = 20, 4
"""Times of a segment, and those at its beginning whose outputs do not count: the state before it is unknown."""
BATCH = 250
"""Segments of a mini-batch."""
RATE = 0.03
"""Learning rate of Adam, chosen of 0.003, 0.01, 0.03 and 0.1 on seed 100; the rate falls to 0 along a cosine."""
ORDER = 7
STARTS = 2**32
"""Added to a seed and multiplied by the number of a start, for networks other than the true network."""


class Segments:
    """A sequence in pieces, and Adam on the squared error of a module.

    Args:
        x: inputs (n, d_x).
        y: outputs (n, d_y).
        seed: seed of the order of the pieces.
    """

    def __init__(self, x: Floats, y: Floats, seed: int) -> None:
        kept = len(x) // LENGTH * LENGTH
        self.x = torch.from_numpy(x[:kept]).float().reshape(-1, LENGTH, x.shape[1])
        self.y = torch.from_numpy(y[:kept]).float().reshape(-1, LENGTH, y.shape[1])
        self.seed = seed

    def batches(self, number: int) -> list[Tensor]:
        """Return places of the segments of each mini-batch of a pass."""
        order = draws(self.seed, ORDER, number).permutation(len(self.x))
        return list(torch.from_numpy(order).split(BATCH))

    def step(self, module: SpectralModule, adam: torch.optim.Adam, places: Tensor) -> float:
        """Take a step, and return the mean squared error before it."""
        adam.zero_grad()
        loss = ((module(self.x[places]) - self.y[places])[:, WARM:] ** 2).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 10.0)  # a state that runs away in one segment
        adam.step()
        return float(loss.detach())


def rate(share: float) -> float:
    """Return the learning rate after a share of the training."""
    return RATE * 0.5 * (1 + float(np.cos(np.pi * share)))


def random_start(problem: Problem, seed: int, number: int) -> Weights:
    """Return a network drawn as the true network is."""
    return problem.weights(seed + STARTS * (number + 1))


def spectral_start(problem: Problem, x: Floats, y: Floats) -> tuple[Weights, float]:
    """Return the spectral answer, and the seconds that it took."""
    began = time.perf_counter()
    rnn = SpectralRNN(problem.hidden, density=problem.density).fit(x, y)
    return rnn.weights_, time.perf_counter() - began


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Starts(Study):
    """Backpropagation through time, a random start an epoch, each until it is as near as the spectral answer, or fails.

    As near: the errors of A₁, U and A₂ are all at most those of the spectral answer on the same data.

    Attributes:
        problem: the network.
        samples: samples of the sequence.
        passes: over it, at most, for each start.
    """

    epochs: int = 20
    problem: Problem = dataclasses.field(default_factory=Problem)
    samples: int = 200_000
    passes: int = 40

    def quick(self) -> Starts:
        return dataclasses.replace(self, epochs=2, passes=4)

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
        x, y = sequence.rows(self.samples)
        spectral, spectral_seconds = spectral_start(self.problem, x, y)
        aim, segments = parameter_errors(spectral, sequence.weights), Segments(x, y, seed)
        failed = sum(line["reached"] == 0 for line in journal.lines)
        for epoch in range(journal.epochs, self.epochs):
            module = SpectralModule(random_start(self.problem, seed, epoch))
            adam = torch.optim.Adam(module.parameters())
            reached, seconds, loss, errors = False, 0.0, float("nan"), aim
            for number in range(self.passes):
                on_progress(epoch, number / self.passes)
                if stop():
                    return False
                began = time.perf_counter()
                for place, batch in enumerate(batches := segments.batches(number)):
                    adam.param_groups[0]["lr"] = rate((number + place / len(batches)) / self.passes)
                    loss = segments.step(module, adam, batch)
                seconds += time.perf_counter() - began
                if not np.isfinite(loss):
                    break
                errors = parameter_errors(module.weights(), sequence.weights)
                reached = all(errors[name] <= aim[name] for name in aim)
                if reached:
                    break
            failed += not reached
            journal.finish_epoch(
                {
                    "reached": int(reached),
                    "failed_share": 100 * failed / (epoch + 1),
                    "passes": number + 1,
                    "mean_square": loss if np.isfinite(loss) else -1.0,
                    **{name: min(error, 999.0) for name, error in errors.items()},
                    **{f"spectral_{name}": error for name, error in aim.items()},
                    "spectral_seconds": spectral_seconds,
                    "descent_seconds": seconds,
                }
            )
        return True


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Refined(Study):
    """Backpropagation through time, a pass per epoch, from the spectral answer or from a random start.

    Attributes:
        start: "spectral" or "random".
        problem: the network.
        samples: samples of the sequence, from which the spectral answer is, too.
    """

    epochs: int = 40
    start: str = "spectral"
    problem: Problem = dataclasses.field(default_factory=Problem)
    samples: int = 200_000

    def __post_init__(self) -> None:
        if self.start not in ("spectral", "random"):
            raise InvalidValue(f"start is {self.start!r}; give spectral or random")

    def quick(self) -> Refined:
        return dataclasses.replace(self, epochs=2)

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
        x, y = sequence.rows(self.samples)
        if self.start == "spectral":
            begin, _ = spectral_start(self.problem, x, y)
        else:
            begin = random_start(self.problem, seed, 0)
        segments, module = Segments(x, y, seed), SpectralModule(begin)
        adam = torch.optim.Adam(module.parameters())
        restore(module, adam, journal.tensors)
        for epoch in range(journal.epochs, self.epochs):
            on_progress(epoch, 0.0)
            if stop():
                return False
            batches, total = segments.batches(epoch), 0.0
            for place, batch in enumerate(batches):
                adam.param_groups[0]["lr"] = rate((epoch + place / len(batches)) / self.epochs)
                total += segments.step(module, adam, batch)
            numbers = {"mean_square": total / len(batches), **parameter_errors(module.weights(), sequence.weights)}
            journal.finish_epoch(numbers, tensors=packed(module, adam))
        return True

    def to_dict(self) -> dict[str, object]:
        return {**super().to_dict(), "passes": self.epochs}  # the learning rate falls with their number


def packed(module: torch.nn.Module, adam: torch.optim.Adam) -> dict[str, Tensor]:
    """Return parameters and Adam's state."""
    found = {}
    for place, parameter in enumerate(module.parameters()):
        found[f"weight {place}"] = parameter.detach()
        found |= {f"{name} {place}": value for name, value in adam.state[parameter].items()}
    return found


def restore(module: torch.nn.Module, adam: torch.optim.Adam, tensors: dict[str, Tensor]) -> None:
    """Take over what `packed` returned; nothing of an empty dict."""
    for place, parameter in enumerate(module.parameters() if tensors else ()):
        with torch.no_grad():
            parameter.copy_(tensors[f"weight {place}"])
        adam.state[parameter] = {name: tensors[f"{name} {place}"].clone() for name in ("step", "exp_avg", "exp_avg_sq")}
