"""Classification."""

from __future__ import annotations

from typing import final

import torch.nn.functional as F
from torch import Tensor

from mho.data import Dataset
from mho.errors import InvalidValue
from mho.training.tasks.base import Task, example_shape, refuse_text


@final
class Classification(Task):
    """Logits (B, classes) and labels (B,) from 0: cross entropy in nats; the error is the share of wrong answers.

    Guessing among C classes of equal frequency gives 100(1 - 1/C) %.
    """

    measure = "error"
    examples = "images"
    classes = True
    loss = staticmethod(F.cross_entropy)  # torch's own, which the online driver compiles

    def error(self, out: Tensor, y: Tensor) -> Tensor:
        return out.argmax(dim=1) != y

    def prepare(self, data: Dataset) -> tuple[Task, Dataset]:
        refuse_text(data)
        for name, y in (("y_train", data.y_train), ("y_test", data.y_test)):
            if y.dim() != 1 or y.is_floating_point() or int(y.min()) < 0:
                raise InvalidValue(
                    f"data {data.name!r}: {name} has shape {tuple(y.shape)} {y.dtype}, from {y.min().item():g}; "
                    "classification takes (n,) classes, integers from 0; for numbers use the task regression"
                )
        return self, data

    def check(self, out: Tensor, y: Tensor) -> None:
        if out.dim() != 2:
            raise InvalidValue(
                f"the network gives outputs of shape {example_shape(out)}; classification takes one logit a class"
            )
        if int(y.max()) >= out.shape[1]:
            raise InvalidValue(
                f"the network gives {out.shape[1]} logits and the data have classes up to {int(y.max())}; give at "
                f"least {int(y.max()) + 1} outputs"
            )


TASK = Classification
