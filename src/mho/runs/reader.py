"""A network that reads a growing text, to sample what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from mho.data import Dataset
from mho.models import apart, stateful_modules
from mho.models.stateful import State
from mho.nn import replica_outputs


@final
class Reader:
    """Called with all indices so far, a reader returns one replica's logits of the next.

    A network that keeps a state reads each character once and goes on from it; another network reads as many of the
    last characters as an example of its training has. What the model itself keeps is left as it is.

    Args:
        model: of the run.
        replica: whose logits are returned.
        data: of the run, as its task prepared them.
    """

    def __init__(self, model: nn.Module, replica: int, data: Dataset) -> None:
        self._model, self._replica, self._window = model.eval(), replica, data.x_train.shape[1]
        self._stateful = stateful_modules(model)
        self._states: list[State | None] = [None] * len(self._stateful)
        self._read = 0

    def __call__(self, indices: Sequence[int]) -> Tensor:
        begin = self._read if self._stateful else max(0, len(indices) - self._window)
        self._read = len(indices)
        with apart(self._model), torch.no_grad():
            for module, state in zip(self._stateful, self._states, strict=True):
                module.state = state
            out = replica_outputs(self._model, torch.tensor([list(indices[begin:])]), per_replica=False)
            self._states = [module.state for module in self._stateful]
        logits: Tensor = out[self._replica, 0, -1]
        return logits
