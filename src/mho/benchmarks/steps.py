"""Whole training steps of the paper's LeNet: one function a contestant."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from mho.benchmarks.timing import Block
from mho.config import RPU
from mho.data import Dataset
from mho.models import LeNet
from mho.nn import convert, replica_loss
from mho.training import AnalogSGD
from mho.training.drivers import OnlineDriver
from mho.training.loop import TOGETHER

LR = 0.01
Step = Callable[[Tensor, Tensor], object]
"""Trains on images (1, 1, 28, 28) and labels (1,)."""


def lenet() -> LeNet:
    """Return the network that every contestant starts from."""
    torch.manual_seed(0)
    return LeNet()


def plain_torch() -> Step:
    """Eager torch with its own SGD, in floating point."""
    model = lenet()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)

    def step(images: Tensor, labels: Tensor) -> None:
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def mho_autograd(rpu: RPU, *, seed: int = 0, replicas: int = 1) -> Step:
    """Arrays driven by torch's autograd."""
    model = convert(lenet(), rpu, seed=seed, replicas=replicas, quiet=True)
    optimizer = AnalogSGD(model, lr=LR)

    def step(images: Tensor, labels: Tensor) -> None:
        out = model(images)
        loss = F.cross_entropy(out, labels) if replicas == 1 else replica_loss(F.cross_entropy, out, labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def online(rpu: RPU, *, seed: int = 0, replicas: int = 1) -> OnlineDriver:
    """Arrays driven by a static graph of nodes, without autograd."""
    model = convert(lenet(), rpu, seed=seed, replicas=replicas, quiet=True)
    return OnlineDriver(model, AnalogSGD(model, lr=LR), F.cross_entropy)


def mho_online(rpu: RPU, *, seed: int = 0, replicas: int = 1) -> Step:
    """Return the step of `online`."""
    return online(rpu, seed=seed, replicas=replicas).step


class Driver(Protocol):
    """Makes the step of converted networks, one per replica, with seeds from `seed` on."""

    def __call__(self, rpu: RPU, *, seed: int = 0, replicas: int = 1) -> Step: ...


DRIVERS: dict[str, Driver] = {"mho online": mho_online, "mho autograd": mho_autograd}
"""How arrays can be driven, by the contestant's name."""


def timed_block(step: Step, pictures: Dataset, images: int, *, warm_up: int) -> Block:
    """Return a block that trains on the next `images` images and returns the median seconds of a step.

    Every contestant meets the same images in the same order.
    """
    total = len(pictures.train_labels)
    position = 0

    def train(count: int) -> list[float]:
        nonlocal position
        seconds = []
        for k in range(position, position + count):
            at = k % total
            image, label = pictures.train_images[at : at + 1], pictures.train_labels[at : at + 1]
            began = time.perf_counter()
            step(image, label)
            seconds.append(time.perf_counter() - began)
        position += count
        return seconds

    train(warm_up)
    return lambda: statistics.median(train(images))


def stretches(driver: OnlineDriver, pictures: Dataset, images: int, *, warm_up: int) -> Block:
    """Return a block that trains on the next `images` images as `mho train` does, many steps at once, and returns mean
    seconds of a step.
    """
    total = len(pictures.train_labels)
    position = 0

    def train(count: int) -> float:
        nonlocal position
        began = time.perf_counter()
        for first in range(position, position + count, TOGETHER):
            chosen = torch.arange(first, min(first + TOGETHER, position + count)) % total
            driver.steps(pictures.train_images[chosen][:, None], pictures.train_labels[chosen][:, None])
        position += count
        return (time.perf_counter() - began) / count

    train(warm_up)
    return lambda: train(images)
