"""Base of recurrent networks: characters or rows of an image through recurrent layers to logits."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from mho.errors import InvalidValue
from mho.models.network import Sizes
from mho.models.stateful import Stateful

HIDDEN, LAYERS, CHARACTERS, LENGTH = 64, 2, 82, 100
"""Units, layers, and the characters and length of the sequences of a text as in Gokmen 2018."""


class RecurrentNetwork(Stateful):
    """Recurrent layers and a linear layer: sequences to logits.

    The network of A. Karpathy's char-rnn as T. Gokmen, M. J. Rasch, W. Haensch, Front. Neurosci. 12:745 (2018),
    *Training LSTM networks with resistive cross-point devices*, train it on arrays: characters as vectors of zeros and
    a single 1, two layers of 64 units, and sequences of 100 characters. With `carries` the hidden state goes on from
    each batch to the next as in both sources, while gradients end at the sequence's first character; the task
    next_character reads a text so that each sequence follows the sequence before.

    Takes indices (B, T); numbers (B, T, inputs); or images (B, channels, height, width) row by row, as a sequence of
    `height` vectors of channels·width numbers.

    Args:
        inputs: different characters, or numbers of a step.
        outputs: characters, classes, or numbers to answer.
        hidden: units of each recurrent layer: numbers that it passes on at each step.
        layers: recurrent layers, each of which reads the units of the layer before.
        indices: whether inputs are indices.
        every_step: answer after each step, (B, T, outputs); else after the last step, (B, outputs).
        carries: whether the hidden state is carried from one batch to the next.
    """

    @property
    @abc.abstractmethod
    def layer_name(self) -> str:
        """Name of the recurrent layers in the module, which is that of their arrays."""

    def __init__(
        self,
        inputs: int = CHARACTERS,
        outputs: int = CHARACTERS,
        *,
        hidden: int = HIDDEN,
        layers: int = LAYERS,
        indices: bool = True,
        every_step: bool = True,
        carries: bool = True,
    ) -> None:
        super().__init__()
        self.inputs, self.indices, self.every_step, self.carries = inputs, indices, every_step, carries
        self.add_module(self.layer_name, self._layers(inputs, hidden, layers))
        self.fc = nn.Linear(hidden, outputs)

    @abc.abstractmethod
    def _layers(self, inputs: int, hidden: int, layers: int) -> nn.Module:
        """Return the recurrent layers, which take the batch first."""

    def forward(self, x: Tensor, /) -> Tensor:
        """Return logits for sequences; begins with the state that the batch before left, where `carries`."""
        if self.indices:
            steps = F.one_hot(x.long(), self.inputs).float()
        else:
            steps = x.transpose(1, 2).flatten(2) if x.dim() == 4 else x
        out, state = self.get_submodule(self.layer_name)(steps, self._start(len(x)))
        if self.carries:
            parts = state if isinstance(state, tuple) else (state,)
            self.state = tuple(part.detach() for part in parts)
        logits: Tensor = self.fc(out if self.every_step else out[:, -1])
        return logits

    def _start(self, batch: int) -> Any:
        """Return the carried state in the form of the layers; None where sequences begin."""
        if not self.carries or self.state is None or self.state[0].shape[1] != batch:
            return None
        return self.state if len(self.state) > 1 else self.state[0]


def options_for(sizes: Sizes, options: Mapping[str, int]) -> dict[str, Any]:
    """Return the arguments of a recurrent network for data of some sizes, with other options.

    Raises:
        InvalidValue: for inputs that are no sequences.
    """
    if sizes.indices:
        inputs = sizes.indices
    elif len(sizes.example) == 2:
        inputs = sizes.example[1]
    elif len(sizes.example) == 3:
        inputs = sizes.example[0] * sizes.example[2]
    else:
        raise InvalidValue("recurrent networks take sequences (T, n), images or a text; use mlp")
    text = bool(sizes.indices) and sizes.every_step
    return {
        "inputs": inputs,
        "outputs": sizes.outputs,
        "indices": bool(sizes.indices),
        "every_step": sizes.every_step,
        "carries": text,
        **options,
    }
