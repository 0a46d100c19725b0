"""The fully connected network of Gokmen and Vlasov 2016."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from mho.models.network import Network


@final
class MLP(nn.Module):
    """784-256-128-10 with sigmoids: images (B, 1, 28, 28) or vectors (B, 784) to logits (B, 10).

    T. Gokmen, Y. Vlasov, Front. Neurosci. 10:333 (2016). With the bias as a column the arrays are 256×785, 128×257
    and 10×129: 235,146 weights. The softmax is the loss's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 256)
        self.fc2 = nn.Linear(256, 128)
        self.fc3 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sigmoid(self.fc1(x.flatten(1)))
        logits: Tensor = self.fc3(torch.sigmoid(self.fc2(x)))
        return logits


NETWORK = Network(MLP, (1, 28, 28))
