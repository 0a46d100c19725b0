"""A sequence-labelling example: tags of words that depend on a hidden state, with Gaussian embeddings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mho.errors import InvalidValue
from mho.learning.spectral import SpectralModule, SpectralRNN, Weights
from mho.learning.spectral.arrays import Floats
from mho.learning.spectral.problem import Problem, Sequence, draws
from mho.papers.journal import Journal
from mho.papers.study import Study
from mho.runs.work import OnProgress

SILENT = 1.5
"""Below it no state is strong enough for a tag of its own, and a word has the tag 0, as most words of a text have."""
LENGTH, WARM, BATCH, RATE = 20, 4, 250, 0.03
"""Segments, their first times that do not count, segments of a mini-batch, learning rate of Adam (falls to 0)."""
READ_OUT_FIRST = 3
"""Passes in which only the read-out of a network that is learnt spectrally is trained, which is random at first."""
ORDER = 8
STARTS = 2**32


def tags(states: Floats) -> Any:
    """Return a tag of each word (n,): 1 + the strongest state (n, d_h), or 0 where none is above `SILENT`."""
    return np.where(states.max(axis=1) > SILENT, 1 + states.argmax(axis=1), 0)


class Tagger(torch.nn.Module):
    """A recurrent network, and a layer from its states to log-odds of tags, with biases.

    Args:
        weights: weights of the recurrent network; its outputs are replaced.
        tags: how many.
    """

    def __init__(self, weights: Weights, tags: int) -> None:
        super().__init__()
        hidden = len(weights.input)
        self.states = SpectralModule(dataclasses.replace(weights, output=np.eye(hidden)))
        self.states.forward_part.output.weight.requires_grad_(False)
        self.read_out = torch.nn.Linear(hidden, tags)

    def forward(self, x: Tensor) -> Tensor:
        """Return log-odds (batch, time, tags) of words (batch, time, d_x)."""
        return self.read_out(self.states(x))  # type: ignore[no-any-return]


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Tagging(Study):
    """Tags by a network learnt spectrally, by backpropagation through time, or by both; an epoch is a pass.

    Attributes:
        start: "spectral" or "random".
        trained: "all" weights by backpropagation, or "read_out": only the layer from states to tags.
        context: False leaves the recurrent matrix 0: tags of words by themselves.
        samples: words to learn from; as many as `tested` come after them.
        tested: words to test on.
    """

    epochs: int = 15
    start: str = "spectral"
    trained: str = "all"
    context: bool = True
    problem: Problem = dataclasses.field(default_factory=lambda: Problem(noise=0.0, recurrent=0.15))
    samples: int = 200_000
    tested: int = 50_000

    def __post_init__(self) -> None:
        if self.start not in ("spectral", "random") or self.trained not in ("all", "read_out"):
            raise InvalidValue(
                f"start is {self.start!r} and trained {self.trained!r}; give spectral or random, and all or read_out"
            )

    def quick(self) -> Tagging:
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
        kinds = self.problem.hidden + 1
        if journal.epochs >= self.epochs:
            return True
        x, _ = sequence.rows(self.samples + self.tested)
        y = tags(sequence.weights.states(x))
        tagger = self._tagger(x[: self.samples], y[: self.samples], kinds, seed)
        free = list(tagger.read_out.parameters()) if self.trained == "read_out" else list(tagger.parameters())
        free = [parameter for parameter in free if parameter.requires_grad]
        if not self.context:
            free = [p for p in free if p is not tagger.states.forward_part.recurrent.weight]
        adam = torch.optim.Adam(free)
        for parameter in free:  # so that checkpoints hold a state of each
            adam.state[parameter] = _fresh(parameter)
        words, labels = _segments(x, y)
        train = self.samples // LENGTH
        _restore(adam, free, journal.tensors)
        for epoch in range(journal.epochs, self.epochs):
            on_progress(epoch, 0.0)
            if stop():
                return False
            batches = torch.from_numpy(draws(seed, ORDER, epoch).permutation(train)).split(BATCH)
            total = 0.0
            for place, batch in enumerate(batches):
                share = (epoch + place / len(batches)) / self.epochs
                adam.param_groups[0]["lr"] = RATE * 0.5 * (1 + float(np.cos(np.pi * share)))
                adam.zero_grad()
                loss = F.cross_entropy(tagger(words[batch])[:, WARM:].flatten(0, 1), labels[batch][:, WARM:].flatten())
                loss.backward()
                if self.start == "spectral" and epoch < READ_OUT_FIRST:
                    for parameter in tagger.states.parameters():
                        parameter.grad = None
                norm = torch.nn.utils.clip_grad_norm_(free, 10.0)
                if torch.isfinite(norm):  # else a state ran away in one segment
                    adam.step()
                    total += float(loss.detach())
            with torch.no_grad():
                wrong = tagger(words[train:]).argmax(dim=2)[:, WARM:] != labels[train:][:, WARM:]
            numbers = {"train_loss": total / len(batches), "test_error": 100 * float(wrong.double().mean())}
            journal.finish_epoch(numbers, tensors=_packed(adam, free))
        return True

    def _tagger(self, x: Floats, y: Any, kinds: int, seed: int) -> Tagger:
        if self.start == "spectral":
            weights = SpectralRNN(self.problem.hidden).fit(x, np.eye(kinds)[y]).weights_
        else:
            weights = self.problem.weights(seed + STARTS)
        if not self.context:
            weights = dataclasses.replace(weights, recurrent=np.zeros_like(weights.recurrent))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Tagger(weights, kinds)

    def to_dict(self) -> dict[str, object]:
        return {**super().to_dict(), "passes": self.epochs}  # the learning rate falls with their number


def _segments(x: Floats, y: Any) -> tuple[Tensor, Tensor]:
    kept = len(x) // LENGTH * LENGTH
    words = torch.from_numpy(x[:kept]).float().reshape(-1, LENGTH, x.shape[1])
    return words, torch.from_numpy(y[:kept]).reshape(-1, LENGTH)


def _fresh(parameter: Tensor) -> dict[str, Tensor]:
    zero = torch.zeros_like(parameter)
    return {"step": torch.tensor(0.0), "exp_avg": zero, "exp_avg_sq": zero.clone()}


def _packed(adam: torch.optim.Adam, parameters: list[torch.nn.Parameter]) -> dict[str, Tensor]:
    found = {}
    for place, parameter in enumerate(parameters):
        found[f"weight {place}"] = parameter.detach()
        found |= {f"{name} {place}": value for name, value in adam.state[parameter].items()}
    return found


def _restore(adam: torch.optim.Adam, parameters: list[torch.nn.Parameter], tensors: dict[str, Tensor]) -> None:
    for place, parameter in enumerate(parameters if tensors else ()):
        with torch.no_grad():
            parameter.copy_(tensors[f"weight {place}"])
        adam.state[parameter] = {name: tensors[f"{name} {place}"].clone() for name in ("step", "exp_avg", "exp_avg_sq")}
