"""Trainings of Date et al. 2020: CoNNTrA, and what it is compared with."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mho.data import Dataset, load
from mho.errors import InvalidValue
from mho.learning.combinatorial import conntra, conntra_on_arrays, level_rpu
from mho.learning.combinatorial.data import error_of, outputs_of, read_examples
from mho.models import LeNet
from mho.papers.journal import Journal
from mho.papers.study import Study
from mho.periphery import Read
from mho.runs.work import OnProgress

LEVELS = "levels.safetensors"
"""CoNNTrA's own checkpoint in a run folder."""
THRESHOLD = 0.7
"""Share of the mean |w| below which a weight is rounded to 0 (F. Li, B. Zhang 2016)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _OfNetwork(Study):
    """A training of one network on one data set.

    Attributes:
        data: "iris" or "mnist".
        hidden: units of the hidden layer, 0 for LeNet.
        train_images: only the first so many, 0: all.
        test_images: likewise.
    """

    epochs: int = 10
    data: str = "iris"
    hidden: int = 8
    train_images: int = 0
    test_images: int = 0

    def with_images(self, *, train: int, test: int) -> Self:
        return dataclasses.replace(self, train_images=train or self.train_images, test_images=test or self.test_images)

    def prepare(self, data_folder: Path | None) -> None:
        self._load(data_folder)

    def _load(self, folder: Path | None) -> Dataset:
        """Return the data; irises have no files."""
        data = load(self.data, folder if self.data == "mnist" else None)
        return data.first(self.train_images, self.test_images)

    def _network(self, data: Dataset, seed: int) -> nn.Module:
        """Return the network with torch's initial weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if not self.hidden:
                return LeNet()
            inputs, outputs = data.x_train[0].numel(), int(data.y_train.max()) + 1
            return nn.Sequential(
                nn.Flatten(), nn.Linear(inputs, self.hidden), nn.Tanh(), nn.Linear(self.hidden, outputs)
            )


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Combinatorial(_OfNetwork):
    """CoNNTrA; an epoch is a sweep. The fields are options of `mho.learning.conntra`."""

    scale: str | None = None
    start: str = "random"
    loss: str = "cross_entropy"
    order: str = "random"
    batch_size: int | None = None
    batch_every: int | None = None

    def quick(self) -> Combinatorial:
        small: dict[str, Any] = {} if self.data == "iris" else {"train_images": 500, "test_images": 1000}
        if not self.hidden:
            small |= {"train_images": 100}
        size = None if self.batch_size is None else min(self.batch_size, 100)
        return dataclasses.replace(self, epochs=1 if not self.hidden else 3, batch_size=size, **small)

    def run(
        self,
        folder: Path,
        *,
        seed: int,
        data_folder: Path | None,
        on_progress: OnProgress,
        stop: Callable[[], bool],
    ) -> bool:
        journal, data = Journal(folder), self._load(data_folder)
        test = read_examples(data.x_test, data.y_test)

        def after_sweep(record: dict[str, Any], model: nn.Module) -> None:
            record["test_error"] = error_of(outputs_of(model, test.x), test)

        def callback(progress: Any) -> bool:
            on_progress(progress.sweep - 1, progress.visited / progress.weights)
            return stop()

        result = conntra(
            self._network(data, seed), data.x_train, data.y_train, seed=seed, scale=self.scale, start=self.start,
            loss=self.loss, order=self.order, batch_size=self.batch_size, batch_every=self.batch_every,
            sweeps=self.epochs, checkpoint=folder / LEVELS, callback=callback, on_sweep=after_sweep,
        )  # fmt: skip
        for record in result.records[journal.epochs :]:
            numbers = {name: record[name] for name in ("train_error", "test_error", "evaluations", "changes")}
            journal.finish_epoch(numbers | {"train_loss": record["loss"]}, seconds=record["seconds"])
        if result.stopped == "asked":
            return False
        while journal.epochs < self.epochs:  # a sweep without a change changes nothing from then on
            last = {name: value for name, value in journal.lines[-1].items() if name not in ("epoch", "seconds")}
            journal.finish_epoch(last | {"evaluations": 0, "changes": 0}, seconds=0.0)
        return True


def ternary(weight: Tensor) -> Tensor:
    """Return a layer's weights as -α, 0 and α: 0 below 0.7 of the mean |w|, α the mean |w| of the others."""
    above = weight.abs() > THRESHOLD * weight.abs().mean()
    share = above.sum().clamp(min=1)
    return weight.sign() * above * ((weight.abs() * above).sum() / share)


class _Ternary(nn.Module):
    """A parametrization whose forward rounds to ternary, and whose backward passes gradients straight through."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (ternary(weight) - weight).detach()


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Backpropagation(_OfNetwork):
    """Adam in float32 on the same network.

    Attributes:
        weights: "float"; "rounded": those weights, and biases, rounded to ternary before they are tested;
            "straight_through": rounded in every forward pass.
        lr: learning rate.
        batch: examples of a mini-batch.
    """

    epochs: int = 20
    weights: str = "float"
    lr: float = 1e-3
    batch: int = 50

    def __post_init__(self) -> None:
        if self.weights not in ("float", "rounded", "straight_through"):
            raise InvalidValue(f"weights is {self.weights!r}; give float, rounded or straight_through")

    def quick(self) -> Backpropagation:
        small: dict[str, Any] = {} if self.data == "iris" else {"train_images": 500, "test_images": 1000}
        return dataclasses.replace(self, epochs=3, **small)

    def run(
        self,
        folder: Path,
        *,
        seed: int,
        data_folder: Path | None,
        on_progress: OnProgress,
        stop: Callable[[], bool],
    ) -> bool:
        journal, data = Journal(folder), self._load(data_folder)
        test = read_examples(data.x_test, data.y_test)
        network = self._network(data, seed)
        if self.weights == "straight_through":
            for layer in network.modules():
                if isinstance(layer, (nn.Linear, nn.Conv2d)):
                    for name in ("weight", "bias"):
                        nn.utils.parametrize.register_parametrization(layer, name, _Ternary())
        parameters = list(network.parameters())
        adam = torch.optim.Adam(parameters, lr=self.lr)
        _restore(adam, parameters, journal.tensors)
        for epoch in range(journal.epochs, self.epochs):
            on_progress(epoch, 0.0)
            if stop():
                return False
            order = np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(len(data.x_train))
            total = 0.0
            for places in torch.from_numpy(order).split(self.batch):
                adam.zero_grad()
                loss = F.cross_entropy(network(data.x_train[places]), data.y_train[places])
                loss.backward()
                adam.step()
                total += float(loss.detach()) * len(places)
            tested = self._rounded(network)
            numbers = {"train_loss": total / len(order), "test_error": error_of(outputs_of(tested, test.x), test)}
            journal.finish_epoch(numbers, tensors=_state(adam, parameters))
        return True

    def _rounded(self, network: nn.Module) -> nn.Module:
        if self.weights != "rounded":
            return network
        rounded = copy.deepcopy(network)
        with torch.no_grad():
            for parameter in rounded.parameters():
                parameter.copy_(ternary(parameter))
        return rounded


def _state(adam: torch.optim.Adam, parameters: list[nn.Parameter]) -> dict[str, Tensor]:
    found = {f"weight {k}": parameter.detach() for k, parameter in enumerate(parameters)}
    for k, parameter in enumerate(parameters):
        found |= {f"{name} {k}": value for name, value in adam.state[parameter].items()}
    return found


def _restore(adam: torch.optim.Adam, parameters: list[nn.Parameter], tensors: dict[str, Tensor]) -> None:
    if not tensors:
        return
    with torch.no_grad():
        for k, parameter in enumerate(parameters):
            parameter.copy_(tensors[f"weight {k}"])
            names = ("step", "exp_avg", "exp_avg_sq")
            adam.state[parameter] = {name: tensors[f"{name} {k}"].clone() for name in names}


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class OnArrays(_OfNetwork):
    """CoNNTrA on arrays of devices with three states; an epoch is a sweep. Not resumed within: a run takes seconds.

    Attributes:
        read_noise: σ of forward reads, in units of weight times input.
        write_error: standard deviation of a written level.
        reads: readings of the loss that are averaged.
    """

    epochs: int = 8
    read_noise: float = 0.0
    write_error: float = 0.0
    reads: int = 1

    def quick(self) -> OnArrays:
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
        journal, data = Journal(folder), self._load(data_folder)
        if journal.epochs >= self.epochs:
            return True
        test = read_examples(data.x_test, data.y_test)
        rpu = level_rpu(write_error=self.write_error, read=Read(noise=self.read_noise, bound=None))
        tested: list[float] = []

        def after_sweep(record: dict[str, Any], model: nn.Module) -> None:
            with torch.no_grad():
                tested.append(error_of(model(test.x).double(), test))

        def callback(sweep: int, visited: int) -> bool:
            on_progress(sweep - 1, 0.0)
            return stop()

        result = conntra_on_arrays(
            self._network(data, seed), data.x_train, data.y_train, rpu=rpu, seed=seed, sweeps=self.epochs,
            reads=self.reads, callback=callback, on_sweep=after_sweep,
        )  # fmt: skip
        if result.stopped == "asked":
            return False
        for place in range(journal.epochs, self.epochs):
            record = result.records[min(place, len(result.records) - 1)]
            numbers = {name: record[name] for name in ("train_error", "changes", "writes")}
            numbers |= {"train_loss": record["loss"], "test_error": tested[min(place, len(tested) - 1)]}
            journal.finish_epoch(numbers, seconds=record["seconds"])
        return True
