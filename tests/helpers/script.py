"""A user's training script on arrays, and what every one of them must do."""

from __future__ import annotations

import abc
import contextlib
import io
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import mho
from mho.data import digits_8x8
from mho.nn import ArrayLayer

RPU = mho.presets.gokmen_2017(managed=True, pulses=10).replace(
    device=mho.devices.ConstantStep(w_max=mho.per_cell(2.0, spread=0.1), w_min=mho.per_cell(-2.0, spread=0.1))
)
"""Arrays of Gokmen 2017 whose bounds hold the weights of all these networks: what clipping says is tested elsewhere."""
STEPS = [20, pytest.param(200, marks=pytest.mark.long)]
SMOOTHED = 5
"""Losses of so many steps are one mean."""
DIGITAL = (mho.nn.StaysDigital, "they stay digital")
"""What `convert` says of layers that have no array form."""

Words = tuple[type[Warning], str]


class Script(abc.ABC):
    """A training script: making it converts its networks, and each step trains them on the batch of its number.

    What has a `state_dict` among its attributes is what the script saves: networks, optimizers, schedulers.
    """

    @abc.abstractmethod
    def __init__(self, seed: int) -> None:
        """Make networks from torch's generator, which is seeded alike each time, and arrays from this seed."""

    @abc.abstractmethod
    def step(self, number: int) -> float:
        """Train one step, and return its loss. Torch's generator is seeded with the number."""

    @abc.abstractmethod
    def score(self) -> float:
        """Return the loss on data that are not trained on. Networks are in evaluation mode, gradients off."""

    def parts(self) -> dict[str, Any]:
        """Return what the script saves, by name."""
        return {name: part for name, part in vars(self).items() if hasattr(part, "state_dict")}

    def networks(self) -> list[nn.Module]:
        """Return the networks."""
        return [part for part in self.parts().values() if isinstance(part, nn.Module)]

    def layers(self) -> list[ArrayLayer]:
        """Return the layers on arrays."""
        return [module for network in self.networks() for module in network.modules() if isinstance(module, ArrayLayer)]


class Classification(Script):
    """The usual script of a classifier: a model and its optimizer, made by `__init__`."""

    model: nn.Module
    optimizer: torch.optim.Optimizer

    def step(self, number: int) -> float:
        images, target = batch(number)
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(images), target)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def score(self) -> float:
        images, target = held_out()
        return F.cross_entropy(self.model(images), target).item()


def batch(number: int, size: int = 64) -> tuple[Tensor, Tensor]:
    """Return images (B, 1, 8, 8) of digits and their classes (B,), drawn by number."""
    data = digits_8x8()
    drawn = torch.randint(0, len(data.x_train), (size,), generator=torch.Generator().manual_seed(number))
    return standard(data.x_train[drawn]), data.y_train[drawn]


def held_out() -> tuple[Tensor, Tensor]:
    """Return 64 images of digits that are not trained on, and their classes."""
    data = digits_8x8()
    return standard(data.x_test[:64]), data.y_test[:64]


def standard(images: Tensor) -> Tensor:
    """Return images of digits at mean 0 and standard deviation 1, nearly, as `transforms.Normalize` does."""
    return (images - 0.3) / 0.38


def check(
    make: Callable[[int], Script], steps: int, *, told: tuple[Words, ...] = (), falls_until: int | None = None
) -> Script:
    """Train a script, and hold that it learns, that arrays do it, that all was said, and that it can be continued.

    Args:
        make: makes the script from a seed of its arrays.
        steps: of training.
        told: what is said while the script is made, in order: a category, and a pattern in the words. Nothing else may
            be said, then or later.
        falls_until: the step until which the loss falls; None: the last.

    Returns:
        The script, trained.
    """
    script = begun(make, 0, told)
    before = [layer.weight.clone() for layer in script.layers()]
    with silence():
        untrained = evaluated(script)
        losses = torch.tensor([stepped(script, number) for number in range(steps)])
        trained = evaluated(script)
    falls(losses[:falls_until])
    assert trained < untrained
    for layer, weight in zip(script.layers(), before, strict=True):
        trains = layer.anchor.requires_grad
        assert bool((layer.weight != weight).any()) is trains, layer.name
        assert all(int(array.counters()["coincidences"].sum() > 0) == trains for array in layer.crossbars), layer.name
    _continues(script, begun(make, 9, told), steps)
    return script


def falls(losses: Tensor) -> None:
    """Hold that losses (steps,) fall from the first few to the last few."""
    assert losses.isfinite().all()
    # batches differ: three standard errors of the difference of two means, from neighbours, whom a trend hardly parts
    error = float((losses.diff().square().mean() / 2 * 2 / SMOOTHED).sqrt())
    assert losses[-SMOOTHED:].mean() < losses[:SMOOTHED].mean() - 3 * error, (losses, error)


def begun(make: Callable[[int], Script], seed: int, told: tuple[Words, ...]) -> Script:
    """Return a new script, which must say what is expected while it is made."""
    torch.manual_seed(0)
    with says(*told):
        return make(seed)


def stepped(script: Script, number: int) -> float:
    """Train one step of a number, and return its loss."""
    torch.manual_seed(number)
    return script.step(number)


def evaluated(script: Script) -> float:
    """Return the script's score. Nothing that is saved may change by it but streams of evaluation."""
    held = [layer.weight.clone() for layer in script.layers()]
    for network in script.networks():
        network.eval()
    with torch.no_grad():
        score = script.score()
    for network in script.networks():
        network.train()
    assert all(torch.equal(layer.weight, weight) for layer, weight in zip(script.layers(), held, strict=True))
    return score


def _continues(script: Script, other: Script, number: int) -> None:
    """Hold that another script, made with another seed, goes on to the same bits from what this one has saved."""
    for name, part in script.parts().items():
        file = io.BytesIO()
        torch.save(part.state_dict(), file)
        file.seek(0)
        other.parts()[name].load_state_dict(torch.load(file, weights_only=True))
    with silence():
        for n in (number, number + 1):
            assert stepped(script, n) == stepped(other, n)
    for one, two in zip(script.networks(), other.networks(), strict=True):
        states = one.state_dict(), two.state_dict()
        assert [key for key in states[0] if not torch.equal(states[0][key], states[1][key])] == []


@contextlib.contextmanager
def says(*told: Words, ignored: str = "(?!)") -> Iterator[None]:
    """Hold that these warnings come, in order, and no others, but for words of other libraries that match a pattern."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
    heard = [(warning.category, str(warning.message)) for warning in found]
    heard = [(category, words) for category, words in heard if not re.search(ignored, words)]
    assert len(heard) == len(told), heard
    for (category, words), (expected, pattern) in zip(heard, told, strict=True):
        assert category is expected, heard
        assert re.search(pattern, words), heard


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Make an error of every warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
