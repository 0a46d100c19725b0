"""Coordinate descent over discrete weights: candidate levels evaluated per second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor, nn

from mho.benchmarks.plan import Plan
from mho.benchmarks.results import Chart, Line, Result, Table, Tell, digits, span
from mho.benchmarks.timing import Samples, alternate
from mho.learning.combinatorial.train import conntra

LOSSES = {"cross entropy": "cross_entropy", "squared error": "squared"}
EXAMPLES = 1000
HIDDEN, CLASSES = 64, 10
SWEEPS = 3
"""In the first sweep more than half of the weights change, in the third a tenth of them."""


def run(plan: Plan, tell: Tell) -> Result:
    """Train a perceptron of 64 tanh units by both losses, again and again from the same levels."""
    data = plan.pictures()
    count = plan.pick(EXAMPLES, 50)
    x, y = data.x_train[:count].flatten(1), data.y_train[:count]
    trainings = {name: Training(x, y, loss) for name, loss in LOSSES.items()}
    tell(f"conntra: {plan.rounds} rounds of {len(trainings)} losses")
    alternate(trainings, plan.rounds)
    rates = {name: training.rates() for name, training in trainings.items()}
    return Result(
        suite="conntra",
        title="CoNNTrA: candidate levels evaluated per second",
        method=(
            f"{x.shape[1]}-{HIDDEN}-{CLASSES} with tanh and levels -1, 0, 1 on {len(x):,} images of {plan.data}, "
            f"scale unit, random order, one thread. A round trains {SWEEPS} sweeps by each loss in turn, from the same "
            f"levels, {plan.rounds} rounds. An evaluation is the change of the loss of all images by one level of one "
            "weight; weights of pixels that are 0 in all images are neither tried nor counted. Keeping the level that "
            "wins is part of the time."
        ),
        records=tuple(
            {
                "loss": name,
                "sweep": sweep,
                "changes": trainings[name].changes[sweep - 1],
                **samples.record("evaluations_per_s"),
            }
            for name, sweeps in rates.items()
            for sweep, samples in enumerate(sweeps, 1)
        ),
        tables=(_table(trainings, rates),),
        charts=(_chart(rates),),
    )


@final
class Training:
    """A block of `alternate`: trains from the same start each time, and keeps the rate of each sweep.

    Attributes:
        changes: weights that changed in each sweep, the same in all rounds.
    """

    def __init__(self, x: Tensor, y: Tensor, loss: str) -> None:
        self.x, self.y, self.loss = x, y, loss
        self.changes: list[int] = []
        self._rates: list[list[float]] = []

    def __call__(self) -> float:
        """Train, and return the seconds of an evaluation."""
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(self.x.shape[1], HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, CLASSES))
        records = conntra(model, self.x, self.y, loss=self.loss, scale="unit", sweeps=SWEEPS).records
        self._rates.append([record["evaluations"] / record["seconds"] for record in records])
        self.changes = [record["changes"] for record in records]
        seconds, evaluations = (sum(float(record[name]) for record in records) for name in ("seconds", "evaluations"))
        return seconds / evaluations

    def rates(self) -> list[Samples]:
        """Return evaluations per second of each sweep, without the round that does not count."""
        return [Samples(sweep) for sweep in zip(*self._rates[1:], strict=True)]


# For people --------------------------------------------------------------------------------------


def _table(trainings: Mapping[str, Training], rates: Mapping[str, list[Samples]]) -> Table:
    rows: list[tuple[Any, ...]] = [
        (name, str(sweep), span(samples), digits(trainings[name].changes[sweep - 1]))
        for name, sweeps in rates.items()
        for sweep, samples in enumerate(sweeps, 1)
    ]
    return Table(
        title="Evaluations per second",
        columns=("loss", "sweep", "evaluations per second (quartiles)", "weights changed"),
        rows=tuple(rows),
        names=2,
    )


def _chart(rates: Mapping[str, list[Samples]]) -> Chart:
    return Chart(
        title="Evaluations per second",
        x_label="",
        y_label="evaluations per second",
        lines=tuple(
            Line(label=name, x=tuple(f"sweep {k}" for k in range(1, len(sweeps) + 1)), y=tuple(sweeps))
            for name, sweeps in rates.items()
        ),
        bars=True,
    )
