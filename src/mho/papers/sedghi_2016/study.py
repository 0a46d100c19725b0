"""Parameter errors of the spectral method against the number of samples."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import numpy as np

from mho.learning.spectral import SpectralRNN
from mho.learning.spectral.problem import CHUNK, Problem, Sequence, parameter_errors
from mho.papers.journal import Journal
from mho.papers.study import Study
from mho.runs.work import OnProgress

PER_DECADE = 2
"""Lines a factor of ten in samples."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Samples(Study):
    """A stream of 10⁵ to 10⁷ samples, and the errors of the weights on the way: a line each √10 times more samples.

    Attributes:
        problem: the network and its inputs.
        first: samples of the first line.
    """

    epochs: int = 5
    problem: Problem = dataclasses.field(default_factory=Problem)
    first: int = 100_000

    def quick(self) -> Samples:
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
        p = self.problem
        rnn = SpectralRNN(
            p.hidden, activation="quadratic" if p.quadratic else "linear", bidirectional=p.bidirectional,
            density=p.density, seed=seed,
        )  # fmt: skip
        if journal.tensors:
            rnn = SpectralRNN.from_state(journal.tensors, journal.notes)
        for epoch in range(journal.epochs, self.epochs):
            target = round(self.first * 10 ** (epoch / PER_DECADE) / CHUNK) * CHUNK
            begun = seen = rnn.n_samples_seen_ if journal.tensors or epoch else 0
            while seen < target:
                on_progress(epoch, (seen - begun) / (target - begun))
                if stop():
                    if seen:
                        journal.save(**_state(rnn))
                    return False
                rnn.partial_fit(*sequence.chunk(seen // CHUNK))
                seen = rnn.n_samples_seen_
            numbers = {"samples": seen, **parameter_errors(rnn.weights_, sequence.weights)}
            for name, value in rnn.report_.relative.items():
                numbers[f"estimated_{_named(name)}_error"] = 100 * value
            for name in [name for name in numbers if name.endswith("_error") and not name.startswith("estimated")]:
                numbers[name.replace("error", "slope")] = _slope([*journal.lines, numbers], name)
            state = _state(rnn)
            numbers["kilobytes"] = sum(tensor.nbytes for tensor in state["tensors"].values()) / 1000
            journal.finish_epoch(numbers, **state)
        return True


def _named(name: str) -> str:
    return {"response_0": "input", "response_1": "recurrent"}.get(name, name)


def _state(rnn: SpectralRNN) -> dict[str, Any]:
    tensors, notes = rnn.state()
    return {"tensors": tensors, "notes": notes}


def _slope(lines: list[dict[str, Any]], name: str) -> float:
    """Return the slope of log error against log samples, by least squares; 0 for a single line."""
    if len(lines) < 2:
        return 0.0
    return float(
        np.polyfit([math.log(line["samples"]) for line in lines], [math.log(line[name]) for line in lines], 1)[0]
    )
