"""Network of two GRU layers for texts, and for other sequences."""

from __future__ import annotations

from typing import final

from torch import nn

from mho.models.network import Network
from mho.models.recurrent import HIDDEN, LAYERS, LENGTH, RecurrentNetwork, options_for


@final
class GRU(RecurrentNetwork):
    """Two GRU layers of 64 units and a linear layer: characters (B, T) to logits (B, T, characters).

    As `LSTM`, whose sources are in `RecurrentNetwork`, with gated recurrent units in place of LSTM cells. Layers are
    gru and fc.
    """

    layer_name = "gru"

    def _layers(self, inputs: int, hidden: int, layers: int) -> nn.Module:
        return nn.GRU(inputs, hidden, layers, batch_first=True)


NETWORK = Network(
    GRU,
    (LENGTH,),
    lambda sizes, options: GRU(**options_for(sizes, options)),
    axes=(0, 2, 3),
    options={"hidden": HIDDEN, "layers": LAYERS},
    task={"length": LENGTH},
)
