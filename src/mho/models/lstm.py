"""Network of two LSTM layers for texts, and for other sequences."""

from __future__ import annotations

from typing import final

from torch import nn

from mho.models.network import Network
from mho.models.recurrent import HIDDEN, LAYERS, LENGTH, RecurrentNetwork, options_for


@final
class LSTM(RecurrentNetwork):
    """Two LSTM layers of 64 units and a linear layer: characters (B, T) to logits (B, T, characters).

    `RecurrentNetwork` has the sources and what other inputs are taken. Layers are lstm and fc; with the biases as
    columns the arrays of 82 characters are 256×83 and three of 256×65, then 82×65: 76,498 weights.
    """

    layer_name = "lstm"

    def _layers(self, inputs: int, hidden: int, layers: int) -> nn.Module:
        return nn.LSTM(inputs, hidden, layers, batch_first=True)


NETWORK = Network(
    LSTM,
    (LENGTH,),
    lambda sizes, options: LSTM(**options_for(sizes, options)),
    axes=(0, 2, 3),
    options={"hidden": HIDDEN, "layers": LAYERS},
    task={"length": LENGTH},
)
