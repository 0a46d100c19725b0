"""Whole training steps of networks at larger mini-batches beside the same networks in plain torch, and in aihwkit."""

from __future__ import annotations

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mho.benchmarks import aihwkit_peer
from mho.benchmarks.beside import AIHWKIT, TORCH, beside_torch
from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Result, Suite, Tell
from mho.benchmarks.steps import LR, Step
from mho.benchmarks.timing import Block, Samples, alternate
from mho.config import RPU
from mho.data import Dataset
from mho.models import LSTM, LeNet, ResNet20, Transformer
from mho.nn import convert
from mho.presets import gokmen_2017
from mho.training import AnalogSGD, choose_driver
from mho.training.drivers import Driver

SPEC = gokmen_2017(pulses=10, update_management=True)
WARM_UP = 2
"""Turns before the first that counts: the first gradients are large, and the caches cold."""
SECONDS = 1.0
"""Seconds of a round, about."""
RANDOM = "Random inputs and labels; with others more or fewer lines pulse."
CHARACTERS, LENGTH, CONTEXT = 82, 100, 64
MHO = "mho"
NORMS = (nn.BatchNorm2d, nn.LayerNorm)
Batch = tuple[Tensor, Tensor]


@final
@dataclasses.dataclass(frozen=True)
class Load:
    """A network with batches to train on.

    Attributes:
        network: in words.
        build: makes it, in plain torch.
        batch: examples of a step.
        examples: makes the k-th batch of so many examples, from the data set of the plan where it takes pictures.
        loss: mean over a batch.
        peers: whether aihwkit has all layers of it.
    """

    network: str
    build: Callable[[], nn.Module]
    batch: int
    examples: Callable[[Plan, int, int], Batch]
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy
    peers: bool = True

    @property
    def name(self) -> str:
        """Network and mini-batch."""
        return f"{self.network}, mini-batch {self.batch}"

    def batches(self, plan: Plan) -> Iterator[Batch]:
        """Yield batch after batch without end; every contestant meets the same."""
        k = 0
        while True:
            yield self.examples(plan, k, self.batch)
            k += 1

    def made(self) -> nn.Module:
        """Return the network that every contestant starts from."""
        torch.manual_seed(0)
        return self.build()


def pictures(plan: Plan, k: int, count: int) -> Batch:
    """Return the k-th batch of the plan's pictures."""
    data: Dataset = plan.pictures()
    chosen = torch.arange(k * count, (k + 1) * count) % len(data.train_labels)
    return data.train_images[chosen], data.train_labels[chosen]


def colours(plan: Plan, k: int, count: int) -> Batch:
    """Return images (3, 32, 32) of random numbers and random labels."""
    generator = torch.Generator().manual_seed(k)
    return torch.randn(count, 3, 32, 32, generator=generator), torch.randint(10, (count,), generator=generator)


def characters(plan: Plan, k: int, count: int, *, length: int) -> Batch:
    """Return sequences of random characters, and those that follow each."""
    text = torch.randint(CHARACTERS, (count, length + 1), generator=torch.Generator().manual_seed(k))
    return text[:, :-1], text[:, 1:]


def each_character(out: Tensor, y: Tensor) -> Tensor:
    """Return the cross entropy of logits (B, T, characters)."""
    return F.cross_entropy(out.flatten(0, 1), y.flatten())


def lenets(*batches: int) -> tuple[Load, ...]:
    """Return LeNet at some mini-batches."""
    return tuple(Load("LeNet", LeNet, batch, pictures) for batch in batches)


def resnets(batch: int) -> tuple[Load, ...]:
    """Return ResNet-20 at a mini-batch."""
    return (Load("ResNet-20", ResNet20, batch, colours),)


def lstms(batch: int, length: int) -> tuple[Load, ...]:
    """Return two LSTM layers on sequences of a length."""
    examples = functools.partial(characters, length=length)
    network = f"LSTM 2×64, {length} characters"
    return (Load(network, functools.partial(LSTM, carries=False), batch, examples, each_character, peers=False),)


def transformers(batch: int, length: int) -> tuple[Load, ...]:
    """Return a transformer on sequences of a length."""
    examples = functools.partial(characters, length=length)
    network = f"transformer 2×128, {length} characters"
    build = functools.partial(Transformer, CHARACTERS, length)
    return (Load(network, build, batch, examples, each_character, peers=False),)


LOADS: dict[str, tuple[tuple[Load, ...], tuple[Load, ...]]] = {
    "batch": (lenets(1, 8, 64), lenets(1, 2)),
    "resnet20": (resnets(32), resnets(2)),
    "lstm": (lstms(10, LENGTH), lstms(2, 5)),
    "transformer": (transformers(8, CONTEXT), transformers(2, 5)),
}
"""What each suite trains, and what it trains in a quick benchmark."""


def suite(name: str) -> Suite:
    """Return the suite of this name."""
    return functools.partial(run, name)


def run(name: str, plan: Plan, tell: Tell) -> Result:
    """Time the loads of a suite: forward, backward and update."""
    absent = aihwkit_peer.missing()
    times: dict[str, dict[str, Samples]] = {}
    driven: list[str] = []
    loads = plan.pick(*LOADS[name])
    for load in loads:
        tell(f"{name}: {load.name}")
        ours = OnArrays.of(load, plan)
        driven.append(f"{load.name}: {ours}.")
        steps: dict[str, Step] = {MHO: ours.driver.step, TORCH: torch_step(load)}
        if absent is None and load.peers:
            steps[AIHWKIT] = aihwkit_step(load)
        blocks = {who: timed_block(load, own, plan) for who, own in steps.items()}
        times[load.name] = {who: taken.scaled(1e6) for who, taken in alternate(blocks, plan.rounds).items()}
    notes = [] if absent is None or not any(load.peers for load in loads) else [absent]
    if not all(load.peers for load in loads):
        notes.append("aihwkit is not compared: it lacks arrays for these layers, or puts other layers on arrays.")
    return Result(
        suite=name,
        title=f"{', '.join(times)}: whole training steps",
        method=(
            "Forward, backward and update, BL = 10, noise, bound and update management, "
            f"{plan.threads} thread(s). "
            + (f"Images of {plan.data}. " if name == "batch" else f"{RANDOM} ")
            + "All contestants start from the same weights, meet the same batches in the same order, and take turns of "
            f"about {SECONDS:g} s in one process, {plan.rounds} rounds; a round's value is the median of its steps. "
            f"Ratios are taken round by round. {' '.join(driven)}"
        ),
        notes=tuple(notes),
        **beside_torch(times, row="load", example="example"),
    )


def torch_step(load: Load) -> Step:
    """Eager torch with its own SGD, in floating point."""
    model = load.made()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)

    def step(x: Tensor, y: Tensor) -> None:
        load.loss(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


@final
@dataclasses.dataclass(frozen=True, eq=False)
class OnArrays:
    """A network on arrays with the driver that `mho train` would choose.

    Attributes:
        model: converted; what has no array form is left digital.
        driver: driver of its training steps.
    """

    model: nn.Module
    driver: Driver

    @classmethod
    def of(cls, load: Load, plan: Plan, rpu: RPU = SPEC) -> OnArrays:
        """Return the network of a load."""
        model = load.made()
        digital = [name for name, module in model.named_modules() if isinstance(module, NORMS)]
        model = convert(model, rpu, seed=0, exclude=digital, quiet=True)
        sample, _ = next(load.batches(plan))
        return cls(model, choose_driver(model, AnalogSGD(model, lr=LR), load.loss, sample=sample))

    def __str__(self) -> str:
        """Return the driver, and why it was chosen."""
        return f"driver {self.driver.name}" + (f", as {self.driver.reason}" if self.driver.reason else "")


def aihwkit_step(load: Load, rpu: RPU = SPEC) -> Step:
    """Return the same network, spec and optimiser in aihwkit."""
    return aihwkit_peer.aihwkit(rpu, load.made(), load.loss)


def timed_block(load: Load, step: Step, plan: Plan) -> Block:
    """Return a block that trains on the next batches and returns the median seconds of a step, an example."""
    batches = load.batches(plan)

    def one_round() -> float:
        taken: list[float] = []
        while sum(taken) < plan.pick(SECONDS, 0.0) or len(taken) < 2:
            x, y = next(batches)
            began = time.perf_counter()
            step(x, y)
            taken.append(time.perf_counter() - began)
        return statistics.median(taken) / load.batch

    for _ in range(plan.pick(WARM_UP, 0)):
        one_round()
    return one_round
