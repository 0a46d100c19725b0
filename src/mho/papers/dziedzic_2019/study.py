"""Trainings of Dziedzic et al. 2019: band-limited networks, tested at every compression, with noise, and on arrays."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mho.data import Dataset, load
from mho.errors import InvalidValue, nearest
from mho.models import LeNet, ResNet8
from mho.nn import BandLimitedConv2d, band_limit, convert
from mho.papers.journal import Journal
from mho.papers.study import Study
from mho.presets import gokmen_2017
from mho.runs.work import OnProgress

COMPRESSIONS = (0, 10, 20, 30, 40, 50, 80)
"""Per cent of the coefficients, in training and in test."""
PIXEL_NOISE = (0.1, 0.2)
"""Standard deviations of Gaussian noise on pixels, which lie in [0, 1]."""
READ_NOISE = (0.0, 0.06, 0.2)
"""Noise of forward reads on arrays; Gokmen 2017 assumes 0.06."""
NETWORKS: dict[str, Callable[[], nn.Module]] = {"cifar10_part": ResNet8, "mnist": LeNet}
"""Networks by the data that they take."""
STATISTICS = {
    "cifar10_part": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "mnist": ((0.1307,), (0.3081,)),
}
"""Mean and standard deviation of each colour over the published training images."""
BATCH = 100
MOMENTUM, DECAY = 0.9, 5e-4
RISE = 0.25
"""Share of the steps in which the learning rate rises from 0; then it falls linearly to 0."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class BandLimited(Study):
    """A network trained by SGD with Nesterov's momentum, with a limit in every convolution.

    Each line has the mean compression of the input maps in training, in per cent. The last line has accuracies in per
    cent, which are NaN in the lines before: `accuracy` on all test images, and on the first `probe_images` of them
    `at_C` at a compression that may differ from that in training, `noise_S` with noise on the pixels, and `arrays_S`
    with the layers on arrays of RPU-baseline devices, programmed once and read with noise S and both managements.

    Attributes:
        schedule: epochs over which the learning rate rises and falls; the accuracies are of the last of them.
        data: "cifar10_part" (ResNet-8) or "mnist" (LeNet).
        compression: in training and test, in per cent; 0 trains torch's own convolutions, which are equal.
        energy: in place of a compression, in per cent.
        lr: largest learning rate.
        flips: whether half of the training images are mirrored, drawn anew in each epoch.
        train_images: only the first so many, 0: all.
        test_images: likewise.
        probe_images: likewise, of the tests at the end.
    """

    epochs: int = 5
    schedule: int = 5
    data: str = "cifar10_part"
    compression: float = 0.0
    energy: float | None = None
    lr: float = 0.1
    flips: bool = True
    train_images: int = 0
    test_images: int = 0
    probe_images: int = 1000

    def __post_init__(self) -> None:
        if self.data not in NETWORKS:
            raise InvalidValue(f"data is {self.data!r}{nearest(self.data, NETWORKS)}")
        if self.epochs > self.schedule:
            raise InvalidValue(f"epochs is {self.epochs} and schedule {self.schedule}; give at most as many epochs")
        if self.energy is not None and self.compression:
            raise InvalidValue(f"compression is {self.compression!r} and energy {self.energy!r}; give one of them")

    def quick(self) -> BandLimited:
        return dataclasses.replace(self, epochs=2, schedule=2, train_images=500, test_images=500, probe_images=50)

    def with_epochs(self, epochs: int) -> Self:
        """Return this study with another number of epochs: the first epochs of its schedule, or a longer schedule."""
        return dataclasses.replace(self, epochs=epochs, schedule=max(epochs, self.schedule))

    def with_images(self, *, train: int, test: int) -> Self:
        return dataclasses.replace(self, train_images=train or self.train_images, test_images=test or self.test_images)

    def prepare(self, data_folder: Path | None) -> None:
        load(self.data, data_folder)

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
        network = self._network(seed)
        sgd = torch.optim.SGD(network.parameters(), lr=self.lr, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True)
        _restore(network, sgd, journal.tensors)
        for epoch in range(journal.epochs, self.epochs):
            loss = self._train_epoch(network, sgd, data, seed, epoch, on_progress, stop)
            if loss is None:
                return False
            numbers = {"train_loss": loss, "compression": mean_compression(network)}
            tests = self._tests(data, seed)
            last = epoch + 1 == self.schedule
            numbers |= {name: test(network) if last else math.nan for name, test in tests.items()}
            journal.finish_epoch(numbers, tensors=_state(network, sgd))
        return True

    def _load(self, folder: Path | None) -> Dataset:
        """Return the data with pixels of mean 0 and standard deviation 1."""
        data = load(self.data, folder).first(self.train_images, self.test_images)
        mean, std = (torch.tensor(values)[:, None, None] for values in STATISTICS[self.data])
        return dataclasses.replace(data, x_train=(data.x_train - mean) / std, x_test=(data.x_test - mean) / std)

    def _network(self, seed: int) -> nn.Module:
        """Return the network with torch's initial weights; equal seeds give equal weights at every limit."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = NETWORKS[self.data]()
        if self.energy is not None:
            return band_limit(network, energy=self.energy, quiet=True)
        return band_limit(network, compression=self.compression, quiet=True) if self.compression else network

    def _train_epoch(
        self,
        network: nn.Module,
        sgd: torch.optim.Optimizer,
        data: Dataset,
        seed: int,
        epoch: int,
        on_progress: OnProgress,
        stop: Callable[[], bool],
    ) -> float | None:
        """Train an epoch; return its mean loss, or None if it was to stop, which gives the epoch up."""
        draws = np.random.Generator(np.random.Philox(key=[seed, epoch]))  # named, so that it can resume
        order = torch.from_numpy(draws.permutation(len(data.x_train)))
        mirrored = torch.from_numpy(draws.random(len(order)) < 0.5)
        batches = order.split(BATCH)
        for limit in limits(network).values():
            limit.limit.forget()
        network.train()
        total = 0.0
        for step, places in enumerate(batches):
            on_progress(epoch, step / len(batches))
            if stop():
                return None
            images = data.x_train[places]
            if self.flips:
                images = torch.where(mirrored[places][:, None, None, None], images.flip(3), images)
            sgd.param_groups[0]["lr"] = self.lr * ramp(
                (epoch * len(batches) + step + 1) / (self.schedule * len(batches))
            )
            sgd.zero_grad()
            loss = F.cross_entropy(network(images), data.y_train[places])
            loss.backward()
            sgd.step()
            total += float(loss.detach()) * len(places)
        return total / len(order)

    def _tests(self, data: Dataset, seed: int) -> dict[str, Callable[[nn.Module], float]]:
        """Return the tests of the last line by name: each takes the trained network to an accuracy in per cent."""
        x, y = data.x_test[: self.probe_images], data.y_test[: self.probe_images]
        std = torch.tensor(STATISTICS[self.data][1])[:, None, None]

        def limited(network: nn.Module, compression: int) -> float:
            return accuracy(band_limit(network, compression=compression, quiet=True), x, y)

        def noisy(network: nn.Module, noise: float, number: int) -> float:
            draws = np.random.Generator(np.random.Philox(key=[seed, 2**32 + number]))
            return accuracy(network, x + noise * torch.from_numpy(draws.standard_normal(x.shape, np.float32)) / std, y)

        def read(network: nn.Module, noise: float) -> float:
            return accuracy(on_arrays(network, noise, seed), x, y)

        return {
            "accuracy": partial(accuracy, x=data.x_test, y=data.y_test),
            **{f"at_{c}": partial(limited, compression=c) for c in COMPRESSIONS},
            **{f"noise_{s:g}": partial(noisy, noise=s, number=n) for n, s in enumerate(PIXEL_NOISE)},
            **{f"arrays_{s:g}": partial(read, noise=s) for s in READ_NOISE},
        }


def ramp(share: float) -> float:
    """Return the learning rate as a share of the largest rate, after a share of all steps."""
    return min(share / RISE, (1 - share) / (1 - RISE))


def accuracy(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """Return the share of images (n, ...) whose largest logit is that of their class, in per cent."""
    network.eval()
    with torch.no_grad():
        hits = [network(part).argmax(1) == labels for part, labels in zip(x.split(BATCH), y.split(BATCH), strict=True)]
    return 100 * float(torch.cat(hits).double().mean())


def on_arrays(network: nn.Module, noise: float, seed: int) -> nn.Module:
    """Return a network on arrays of RPU-baseline devices, whose bounds clip weights, read with a noise."""
    rpu = gokmen_2017(managed=True)
    rpu = rpu.replace(forward=dataclasses.replace(rpu.forward, noise=noise))
    digital = [name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    return convert(network, rpu, seed=seed, exclude=digital, quiet=True)


def limits(network: nn.Module) -> dict[str, BandLimitedConv2d]:
    """Return the band-limited layers of a network by name."""
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, BandLimitedConv2d)}


def mean_compression(network: nn.Module) -> float:
    """Return the share of the coefficients of all layers' input maps that was dropped in training, in per cent."""
    dropped = whole = 0.0
    for layer in limits(network).values():
        limit = layer.limit
        assert limit.last is not None
        assert limit.mean_compression is not None
        coefficients = layer.in_channels * limit.last.whole
        whole += coefficients
        dropped += coefficients * limit.mean_compression
    return dropped / whole if whole else 0.0


def _state(network: nn.Module, sgd: torch.optim.Optimizer) -> dict[str, Tensor]:
    found = {f"network {name}": value for name, value in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        found[f"momentum {name}"] = sgd.state[parameter]["momentum_buffer"]
    return found


def _restore(network: nn.Module, sgd: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    if not tensors:
        return
    network.load_state_dict({name: tensors[f"network {name}"] for name in network.state_dict()})
    for name, parameter in network.named_parameters():
        sgd.state[parameter] = {"momentum_buffer": tensors[f"momentum {name}"].clone()}
