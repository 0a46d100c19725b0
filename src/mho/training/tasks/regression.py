"""Regression."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from mho.data import Dataset
from mho.errors import Faults, InvalidValue
from mho.training.tasks.base import Task, example_shape, refuse_text
from mho.training.tasks.chance import Chance, chance_of


@final
class Regression(Task):
    """Outputs and targets (B, ...) of one shape: mean squared error, of training and test.

    The error is the mean squared error as a share of the variance of the targets, 1 - R²: 100 % is what answering
    their mean gives. metrics.jsonl has the mean squared error itself as train_loss and test_loss.

    Attributes:
        variance: variance of the targets, greater than 0; None: that of the training targets about their mean, over all
            of them and all outputs.
    """

    measure = "unexplained variance"
    loss = staticmethod(F.mse_loss)  # torch's own, which the online driver knows
    variance: float | None = None

    def __post_init__(self) -> None:
        faults = Faults("regression")
        faults.number("variance", self.variance, above=0.0, high=1e30, optional=True)
        faults.raise_any()

    def error(self, out: Tensor, y: Tensor) -> Tensor:
        if self.variance is None:
            raise InvalidValue("variance is None until prepare(data) takes it from the training targets; give a number")
        return _squares(out, y) / self.variance

    def metrics(self, out: Tensor, y: Tensor) -> Mapping[str, Tensor]:
        return {"loss": _squares(out, y)}

    def score(self, out: Tensor, y: Tensor) -> float:
        """Return R², the share of the variance of these targets that the outputs explain, the mean over the outputs."""
        from sklearn.metrics import r2_score  # a second to import

        if len(y) < 2:
            raise InvalidValue(f"R² compares targets with their mean, and y has {len(y)}; give two or more examples")
        return float(r2_score(y.reshape(len(y), -1).numpy(), out.reshape(len(y), -1).numpy()))

    def prepare(self, data: Dataset) -> tuple[Task, Dataset]:
        refuse_text(data)
        data = _numbers_of_classes(data)
        y = data.y_train
        if not y.is_floating_point():
            raise InvalidValue(
                f"data {data.name!r}: y_train is {y.dtype}; regression takes float32 numbers, one or more per example; "
                "for classes use the task classification"
            )
        variance = y.double().var(correction=0).item() if self.variance is None else self.variance
        if not variance > 0:
            raise InvalidValue(
                f"data {data.name!r}: all targets of y_train are {y.flatten()[0]:g}; give some that differ"
            )
        return dataclasses.replace(self, variance=variance), data

    def chance(self, data: Dataset) -> Chance:
        """Return the error of answering the mean of the training targets: 100 %, but for what the test's targets are.

        Answers that have nothing to do with n targets are correlated with them by 1/√n or so, which lowers the squares
        by their share 1/n at most; with twice that correlation by 4/n, which is two of the deviations 2/n.
        """
        mean = data.y_train.double().mean(dim=0).expand(data.y_test.shape)
        errors = self.error(mean, data.y_test)
        deviation = 200 * float(errors.mean()) / len(errors)
        loss = float(_squares(mean, data.y_test).mean())
        return chance_of(errors, "the mean of the targets", deviation=deviation, loss=loss)

    def check(self, out: Tensor, y: Tensor) -> None:
        if out.shape != y.shape:
            raise InvalidValue(
                f"the network gives outputs of shape {example_shape(out)} and the targets have {example_shape(y)}; "
                "regression takes equal shapes, (n, 1) for one number per example"
            )


def _numbers_of_classes(data: Dataset) -> Dataset:
    """Return data whose classes stand for integers with these as targets (n, 1), standardised; others as they are."""
    try:
        numbers = torch.tensor([int(symbol) for symbol in data.symbols], dtype=torch.float64)
    except ValueError:
        return data
    if not len(numbers) or data.y_train.is_floating_point() or data.y_train.dim() != 1:
        return data
    train = numbers[data.y_train]
    mean, deviation = train.mean(), train.std(correction=0)
    if not deviation > 0:
        return data
    y_train, y_test = (((numbers[y] - mean) / deviation)[:, None].float() for y in (data.y_train, data.y_test))
    note = f"regression: a value of the target is {mean:.6g} + {deviation:.6g} · the network's output"
    scale = mean.float()[None], deviation.float()[None]
    notes = (*data.notes[:-1], note)
    return dataclasses.replace(data, y_train=y_train, y_test=y_test, symbols=(), y_scale=scale, notes=notes)


def _squares(out: Tensor, y: Tensor) -> Tensor:
    """(B,) mean over one example's numbers of (out - y)²."""
    return (out - y).double().square().flatten(1).mean(dim=1) if out.dim() > 1 else (out - y).double().square()


TASK = Regression
