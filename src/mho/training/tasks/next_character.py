"""Next character."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from mho.data import Dataset
from mho.errors import Faults, InvalidValue
from mho.training.tasks.base import Task, check_logits, example_shape
from mho.training.tasks.chance import Chance, chance_of

STREAM = 16
"""Sequences of a stream of the test, at least: only the first of a stream begins without what stands before it."""


@final
class NextCharacter(Task):
    """Sequences (B, T) of indices to logits (B, T, characters) of the character that follows each; cross entropy.

    The error is the share of characters whose likeliest successor is not the character that follows; metrics.jsonl has
    the cross entropy in nats per character as train_loss and test_loss, and in bits per character as train_bits and
    test_bits.

    A text (n,) is cut into n/T sequences, what is left over is dropped. The sequences are read as `batch_size` parallel
    streams, as an array meets a text: stream b is the b-th part of the text, and step k takes sequence k of each. Every
    epoch is in the order of the text; sequences beyond a whole number of steps are dropped. A network that keeps a
    state (`mho.models.Stateful`) reads on in each stream where it ended; in a test it reads streams of 16 sequences or
    more.

    Attributes:
        length: T, characters of a sequence, from 1 to 65,536.
    """

    measure = "wrong characters"
    examples = "sequences"
    shuffled = False
    lr = 1.0  # the loss is a mean over the characters: each vector's error is 1/T of that of an example alone
    units = {"loss": "nats per character", "bits": "bits per character"}  # noqa: RUF012
    length: int = 32

    def __post_init__(self) -> None:
        faults = Faults("next_character")
        faults.number("length", self.length, low=1, high=65_536, integer=True)
        faults.raise_any()

    def loss(self, out: Tensor, y: Tensor, /) -> Tensor:
        return F.cross_entropy(out.flatten(0, 1), y.flatten())

    def error(self, out: Tensor, y: Tensor) -> Tensor:
        return (out.argmax(dim=2) != y).double().mean(dim=1)

    def metrics(self, out: Tensor, y: Tensor) -> Mapping[str, Tensor]:
        return {"loss": F.cross_entropy(out.transpose(1, 2), y, reduction="none").double().mean(dim=1)}

    def derived(self, loss: float) -> Mapping[str, float]:
        return {"bits": loss / math.log(2)}

    def chance(self, data: Dataset) -> Chance:
        """Return what the frequencies of the characters in the training text reach on the test text.

        The error is that of the commonest character; the loss is the cross entropy of the frequencies, in which a
        character counts once more than it stands in the training text, so that none has the probability 0.
        """
        known = max(len(data.symbols), int(max(data.y_train.max(), data.y_test.max())) + 1)
        counts = data.y_train.flatten().bincount(minlength=known).double()
        losses = -((counts + 1) / (counts + 1).sum()).log()
        loss = float(losses[data.y_test].mean())
        wrong = (data.y_test != counts.argmax()).double().mean(dim=1)
        return chance_of(wrong, "the commonest character", loss=loss, **self.derived(loss))

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
        """Return `count` characters that go on from a prompt, each drawn by the network's probabilities.

        Without a prompt the network reads the first character of the test text.
        """
        unknown = sorted(set(prompt) - set(data.symbols))
        if unknown:
            raise InvalidValue(
                f"prompt has {', '.join(map(repr, unknown))}, which the text {data.name} does not have; its "
                f"characters are {''.join(data.symbols)!r}"
            )
        generator = np.random.Generator(np.random.Philox(key=seed))
        read = [data.symbols.index(character) for character in prompt] or [int(data.x_test.flatten()[0])]
        for _ in range(count):
            read.append(_draw(answer(read).double().numpy(), temperature, generator))
        return "".join(data.symbols[index] for index in read[-count:])

    def predict(self, out: Tensor) -> Tensor:
        """Return the likeliest successor of each character, (B, T)."""
        return out.argmax(dim=2)

    def prepare(self, data: Dataset) -> tuple[Task, Dataset]:
        parts = {}
        for name in ("x_train", "y_train", "x_test", "y_test"):
            given = getattr(data, name)
            if given.dim() != 1 or given.is_floating_point() or len(given) < self.length:
                raise InvalidValue(
                    f"data {data.name!r}: {name} has shape {tuple(given.shape)} {given.dtype}; next_character takes "
                    f"(n,) indices of at least one sequence of {self.length}, y one place ahead of x; mho.data.text "
                    "makes them of a text"
                )
            count = len(given) // self.length
            parts[name] = given[: count * self.length].view(count, self.length)
        return self, dataclasses.replace(data, **parts)

    def order(self, epoch: int, count: int, *, batch_size: int, seed: int) -> Tensor:
        steps = count // batch_size
        if not steps:
            raise InvalidValue(
                f"{count} sequences of {self.length} characters are less than one per stream of {batch_size}; give a "
                "smaller training.batch_size or task.length, or a longer text"
            )
        return torch.arange(steps * batch_size).view(batch_size, steps).T.flatten()

    def test_batches(self, count: int, *, batch_size: int) -> Sequence[Tensor]:
        streams = max(1, min(batch_size, count // STREAM))
        starts = torch.tensor([stream * count // streams for stream in range(streams + 1)])
        starts, lengths = starts[:-1], starts.diff()
        return [(starts + step)[lengths > step] for step in range(int(lengths.max()))]

    def check(self, out: Tensor, y: Tensor) -> None:
        if out.dim() != 3 or out.shape[1] != y.shape[1]:
            raise InvalidValue(
                f"the network gives outputs of shape {example_shape(out)} for sequences of {y.shape[1]}; "
                f"next_character takes {y.shape[1]}×characters"
            )
        check_logits(out.shape[2], y, "the text has characters")


def _draw(logits: npt.NDArray[np.float64], temperature: float, generator: np.random.Generator) -> int:
    """Return the index of a character drawn from logits (characters,)."""
    if temperature == 0:
        return int(logits.argmax())
    odds = np.exp((logits - logits.max()) / temperature)
    return int(np.searchsorted(odds.cumsum(), generator.random() * odds.sum(), side="right").clip(max=len(odds) - 1))


TASK = NextCharacter
