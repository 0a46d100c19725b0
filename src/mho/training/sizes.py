"""The sizes of data for which a network is built."""

from __future__ import annotations

from mho.data import Dataset
from mho.models import Sizes


def sizes_of(data: Dataset) -> Sizes:
    """Return the sizes of data, as the task's `prepare` returned them.

    Classes and characters are as many as `Dataset.symbols` has, else as the largest index of x and y says; a sequence
    with a target of its own at every step shares them between x and y.
    """
    x, y = data.x_train, data.y_train
    indices = 0 if x.is_floating_point() else 1 + max(int(x.max()), int(data.x_test.max()))
    every_step = bool(indices) and not y.is_floating_point() and x.dim() > 1 and x.shape == y.shape
    if y.is_floating_point():
        outputs = y[0].numel()
    else:
        outputs = max(len(data.symbols), 1 + max(int(y.max()), int(data.y_test.max())))
    if every_step:
        indices = outputs = max(indices, outputs)
    return Sizes(example=tuple(x.shape[1:]), indices=indices, outputs=outputs, every_step=every_step)
