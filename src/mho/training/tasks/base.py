"""Base of tasks: a loss, errors and further metrics, and how an epoch's batches are drawn."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, dataclass_transform

import numpy as np
import torch
from torch import Tensor

from mho.data import Dataset
from mho.errors import InvalidValue, InWords
from mho.training.tasks.chance import Chance


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Task(abc.ABC, metaclass=InWords):
    """Task of a training: loss, error and batches. Subclass it: annotated fields are options, then `loss` and `error`.

    Options have defaults; a config sets them in its section [task]. A subclass is a frozen dataclass without further
    words. Its name in a config is `module:Class`, or, in this room, the name of its file.

    Attributes:
        measure: what the error is, for titles and axes.
        examples: word for several examples, which `examples_of` may make more exact.
        shuffled: whether `order` depends on the seed of the data order.
        units: what losses and further numbers are measured in, for headings, by their names in metrics.jsonl without
            "test_".
        lr: learning rate where a training names none, for a mini-batch of 1.
        classes: whether targets are (B,) classes and outputs (B, classes) logits, whose odds the diagnosis looks at.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    measure: ClassVar[str] = "error"
    examples: ClassVar[str] = "examples"
    shuffled: ClassVar[bool] = True
    classes: ClassVar[bool] = False
    lr: ClassVar[float] = 0.01
    units: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)

    @abc.abstractmethod
    def loss(self, out: Tensor, y: Tensor, /) -> Tensor:
        """Return the mean loss of a batch: outputs and targets (B, ...), to a tensor without axes that has a gradient.

        The online driver computes torch's own cross_entropy and mse_loss fastest; give these as
        `loss = staticmethod(torch.nn.functional.cross_entropy)`.
        """

    @abc.abstractmethod
    def error(self, out: Tensor, y: Tensor) -> Tensor:
        """Return the error of each example (B,), where 1 is 100 %; it must not depend on the batch's other examples."""

    def metrics(self, out: Tensor, y: Tensor) -> Mapping[str, Tensor]:
        """Return further numbers of each example (B,) by name; metrics.jsonl has their test means as test_NAME."""
        return {}

    def derived(self, loss: float) -> Mapping[str, float]:
        """Return numbers that follow from a mean loss, by name; metrics.jsonl has them as train_NAME, test_NAME, ..."""
        return {}

    def predict(self, out: Tensor) -> Tensor:
        """Return the answers (B, ...) that outputs (B, ...) mean; by default the classes, or else the outputs."""
        return out.argmax(dim=1) if self.classes else out

    def score(self, out: Tensor, y: Tensor) -> float:
        """Return how good outputs (B, ...) are for targets (B, ...), 1 at best; by default 1 less the mean error."""
        return float((1 - self.error(out, y).double()).mean())

    def examples_of(self, data: Dataset) -> str:
        """Return the word for several examples of these data, by default `examples`.

        metrics.jsonl has their rate as {word}_per_second; its singular is the word without its last "s".
        """
        return self.examples

    def prepare(self, data: Dataset) -> tuple[Task, Dataset]:
        """Return the task with what it takes from the data, and the data as examples; by default both as they are.

        Raises:
            InvalidValue: for data that are not of this task.
        """
        return self, data

    def chance(self, data: Dataset) -> Chance | None:
        """Return what guessing reaches on the test of these data, as `prepare` returned them; by default None: unknown.

        A task of a user's own has its chance level named by `mho.training.tasks.chance_of`.
        """
        return None

    def sample(
        self,
        answer: Callable[[Sequence[int]], Tensor],
        data: Dataset,
        count: int,
        *,
        prompt: str,
        temperature: float,
        seed: int,
    ) -> str:
        """Return a text that goes on from a prompt; only tasks that learn which symbol follows have such.

        Args:
            answer: the network, from the indices of all symbols so far to logits (symbols,) of the next. Between two
                calls the sequence only grows.
            data: as `prepare` returned them.
            count: symbols to draw, at least 1.
            prompt: what the text begins with.
            temperature: by which the logits are divided; 0: the likeliest symbol each time.
            seed: seed of the draws.

        Raises:
            InvalidValue: where the task does not learn a text, or for a prompt with an unknown symbol.
        """
        raise InvalidValue(
            "a text can be sampled from a run that learned a text, by the task next_character, and the task of this "
            f"run is {type(self).__name__}; use predict(x) for its answers"
        )

    def order(self, epoch: int, count: int, *, batch_size: int, seed: int) -> Tensor:
        """Return the places of an epoch's examples, int64; each `batch_size` of them in turn are a step.

        By default a permutation that depends on the seed and the epoch only.

        Args:
            epoch: counted from 0.
            count: examples there are.
            batch_size: examples per step.
            seed: seed of the data order.
        """
        return epoch_order(seed, epoch, count)

    def test_batches(self, count: int, *, batch_size: int) -> Sequence[Tensor]:
        """Return the places of examples in the batches of a test, int64, each example once.

        Args:
            count: examples there are.
            batch_size: number of examples of the largest batch.
        """
        batches: tuple[Tensor, ...] = torch.arange(count).split(batch_size)
        return batches

    def check(self, out: Tensor, y: Tensor) -> None:
        """Raise InvalidValue if the outputs (B, ...) of the network do not go with targets (B, ...).

        By default whatever makes `loss` or `error` raise, or return a tensor of another shape.
        """
        shapes = f"the network gives outputs of shape {example_shape(out)} and the targets have {example_shape(y)}"
        try:
            loss, error = self.loss(out, y), self.error(out, y)
        except Exception as raised:  # it runs the user's code, which may raise anything
            raise InvalidValue(f"{shapes}, and the task cannot compare them: {first_line(raised)}") from raised
        if loss.dim() or error.shape != out.shape[:1]:
            raise InvalidValue(
                f"{shapes}; loss returns shape {tuple(loss.shape)}, which must be (), and error {tuple(error.shape)}, "
                f"which must be {tuple(out.shape[:1])}"
            )


def epoch_order(data_seed: int, epoch: int, count: int) -> Tensor:
    """Return the order of the examples in one epoch, a permutation that depends on nothing else."""
    generator = np.random.Generator(np.random.Philox(key=[data_seed, epoch]))
    return torch.from_numpy(generator.permutation(count))


def refuse_text(data: Dataset) -> None:
    """Raise InvalidValue for data whose inputs are one long sequence of indices, as those of a text."""
    if data.x_train.dim() == 1 and not data.x_train.is_floating_point():
        raise InvalidValue(
            f"data {data.name!r}: x_train is one sequence of {len(data.x_train):,} indices, as of a text; use the task "
            "next_character, which cuts it into examples"
        )


def check_logits(logits: int, y: Tensor, have: str) -> None:
    """Raise InvalidValue unless a network gives a logit for each class of the targets, which `have` names."""
    most = int(y.max())
    if most >= logits:
        raise InvalidValue(
            f"the network gives {logits} logits and {have} up to {most}; give at least {most + 1} outputs"
        )


def example_shape(batch: Tensor) -> str:
    """Return the shape of one example of a batch in words: 3×32×32."""
    return "×".join(map(str, batch.shape[1:])) or "a single number"


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its type."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
