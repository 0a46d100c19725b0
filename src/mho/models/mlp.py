"""The fully connected network of Gokmen and Vlasov 2016."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from mho.errors import InvalidValue
from mho.models.network import Network, Sizes


@final
class MLP(nn.Module):
    """784-256-128-10 with sigmoids: images (B, 1, 28, 28) or vectors (B, 784) to logits (B, 10).

    T. Gokmen, Y. Vlasov, Front. Neurosci. 10:333 (2016). With the bias as a column the arrays are 256×785, 128×257
    and 10×129: 235,146 weights. The softmax is the loss's. For other data than the paper's the first and the last size
    are those of the data.

    Args:
        inputs: numbers of an input, which is flattened.
        outputs: classes, or numbers to answer.
    """

    def __init__(self, inputs: int = 784, outputs: int = 10) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, 256)
        self.fc2 = nn.Linear(256, 128)
        self.fc3 = nn.Linear(128, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs (B, outputs), logits for classes, of inputs (B, ...) of `inputs` numbers each.

        Raises:
            RuntimeError: by torch, for inputs of another shape.
        """
        x = torch.sigmoid(self.fc1(x.flatten(1)))
        logits: Tensor = self.fc3(torch.sigmoid(self.fc2(x)))
        return logits


def _fitted(sizes: Sizes, options: Mapping[str, int]) -> MLP:
    if sizes.indices:
        raise InvalidValue("mlp takes numbers and no indices; use lstm, gru or transformer")
    return MLP(math.prod(sizes.example), sizes.outputs)


NETWORK = Network(MLP, (1, 28, 28), _fitted, axes=(1, 2, 3))
