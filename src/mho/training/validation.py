"""Validation: training examples that are held out, and the epoch at which their error is lowest."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mho.data import Dataset
from mho.errors import InvalidValue
from mho.training.settings import Training
from mho.training.tasks import Task

STREAM = 2**63
"""Second word of the key of the draw: epochs, which draw the orders of the examples, come nowhere near it."""


def held_out(count: int, validation: float, *, seed: int, shuffled: bool) -> tuple[Tensor, Tensor]:
    """Return the places of the examples that are trained on, and of those that are held out: int64, ascending.

    Args:
        count: training examples there are.
        validation: the share that is held out, between 0 and 1, or their number, an integer of at least 1.
        seed: seed of the data order, which draws them.
        shuffled: whether the task draws the order of its examples; if not, as with a text, the last are held out.

    Raises:
        InvalidValue: if no example would be left to train on.
    """
    number = validation if isinstance(validation, int) else max(1, round(validation * count))
    if number >= count:
        raise InvalidValue(
            f"validation is {validation!r}, and there are {count} training examples; hold out fewer than there are, "
            "for example 0.1"
        )
    order = np.random.Generator(np.random.Philox(key=[seed, STREAM])).permutation(count) if shuffled else range(count)
    places = torch.as_tensor(order)
    return places[: count - number].sort().values, places[count - number :].sort().values


def split(data: Dataset, settings: Training, task: Task) -> tuple[Dataset, tuple[Tensor, Tensor] | None]:
    """Return the data without the training examples that are held out, and these: inputs and targets."""
    if not settings.validation:
        return data, None
    kept, held = held_out(len(data.x_train), settings.validation, seed=settings.data_seed, shuffled=task.shuffled)
    rest = dataclasses.replace(data, x_train=data.x_train[kept], y_train=data.y_train[kept])
    return rest, (data.x_train[held], data.y_train[held])


def best_line(metrics: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the place of the line with the lowest validation error, the first of equals.

    An error that is NaN counts as infinite.

    Args:
        metrics: lines of metrics.jsonl.

    Returns:
        The place, counted from 0; None without lines, or where they have no validation error.
    """
    if not any("validation_error" in line for line in metrics):
        return None
    errors = [line.get("validation_error", math.nan) for line in metrics]
    ranked = [math.inf if math.isnan(error) else error for error in errors]
    return ranked.index(min(ranked))
