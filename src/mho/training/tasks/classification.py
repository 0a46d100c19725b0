"""Classification."""

from __future__ import annotations

from typing import final

import torch.nn.functional as F
from torch import Tensor

from mho.data import Dataset
from mho.errors import InvalidValue
from mho.training.tasks.base import Task, check_logits, example_shape, refuse_text
from mho.training.tasks.chance import Chance, chance_of

IMAGE_AXES = 4
"""Axes of a batch of images: examples, channels, height, width."""


@final
class Classification(Task):
    """Logits (B, classes) and labels (B,) from 0: cross entropy in nats; the error is the share of wrong answers.

    Guessing is to answer the commonest class of the training always: 100(1 - 1/C) % of C classes of equal frequency.
    """

    measure = "error"
    units = {"loss": "nats"}  # noqa: RUF012
    classes = True
    loss = staticmethod(F.cross_entropy)  # torch's own, which the online driver compiles

    def error(self, out: Tensor, y: Tensor) -> Tensor:
        return out.argmax(dim=1) != y

    def examples_of(self, data: Dataset) -> str:
        """Return "images" for x (n, channels, height, width), else "examples"."""
        return "images" if data.x_train.dim() == IMAGE_AXES and data.x_train.is_floating_point() else self.examples

    def prepare(self, data: Dataset) -> tuple[Task, Dataset]:
        refuse_text(data)
        for name, y in (("y_train", data.y_train), ("y_test", data.y_test)):
            if y.dim() != 1 or y.is_floating_point() or int(y.min()) < 0:
                if y.dim() == 2 and y.shape[1] > 1 and _is_one_hot(y):
                    raise InvalidValue(
                        f"data {data.name!r}: {name} has shape {tuple(y.shape)} with a single 1 in each row; "
                        f"classification takes the classes themselves, {name}.argmax(axis=1)"
                    )
                raise InvalidValue(
                    f"data {data.name!r}: {name} has shape {tuple(y.shape)} {y.dtype}, from {y.min().item():g}; "
                    "classification takes (n,) classes, integers from 0; for numbers use the task regression"
                )
        if len(data.y_train) > 1 and bool((data.y_train == data.y_train[0]).all()):
            raise InvalidValue(
                f"data {data.name!r}: every example for training is of class {int(data.y_train[0])}; give examples of "
                "at least two classes"
            )
        return self, data

    def chance(self, data: Dataset) -> Chance:
        """Return the error of answering the commonest class of the training to every example of the test."""
        return chance_of(data.y_test != data.y_train.bincount().argmax(), "the commonest class")

    def check(self, out: Tensor, y: Tensor) -> None:
        if out.dim() != 2:
            raise InvalidValue(
                f"the network gives outputs of shape {example_shape(out)}; classification takes one logit per class"
            )
        check_logits(out.shape[1], y, "the data have classes")


def _is_one_hot(y: Tensor) -> bool:
    """Return whether each row (n, classes) is of zeros and a single 1."""
    return bool(((y == 0) | (y == 1)).all() and (y.sum(dim=1) == 1).all())


TASK = Classification
