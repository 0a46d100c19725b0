"""A small causal transformer for texts."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from mho.errors import InvalidValue
from mho.models.network import Network, Sizes

CHARACTERS, CONTEXT = 82, 64
WIDTH, HEADS, LAYERS = 128, 4, 2
MOST = 4096
"""Longest context that is built: attention takes memory with its square."""


@final
class Transformer(nn.Module):
    """Causal transformer of two layers: characters (B, T), T up to the context, to logits (B, T, characters).

    A. Vaswani et al., NeurIPS 2017, arXiv 1706.03762, decoder without cross-attention, in the form of GPT-2 (Radford et
    al. 2019): layer normalisation before each part and at the end, GELU, learned positions. Width 128, four heads, a
    feed-forward part of 512, no dropout. Layer normalisation and attention between the projections are digital. The
    context is the length of the task's sequences, 64 where nobody says.

    Args:
        characters: different ones.
        context: longest sequence, in characters.
    """

    def __init__(self, characters: int = CHARACTERS, context: int = CONTEXT) -> None:
        super().__init__()
        self.characters = nn.Embedding(characters, WIDTH)
        self.places = nn.Embedding(context, WIDTH)
        for number in range(1, LAYERS + 1):
            layer = nn.TransformerEncoderLayer(
                WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            self.add_module(f"layer{number}", layer)
        self.norm = nn.LayerNorm(WIDTH)
        self.fc = nn.Linear(WIDTH, characters)
        self.register_buffer("later", torch.ones(context, context).triu(1).bool(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x.long()
        length = x.shape[1]
        places = torch.arange(length, device=x.device).expand(x.shape)
        out = self.characters(x) + self.places(places)
        later = self.get_buffer("later")[:length, :length]
        for number in range(1, LAYERS + 1):
            out = self.get_submodule(f"layer{number}")(out, src_mask=later)
        logits: Tensor = self.fc(self.norm(out))
        return logits


def _fitted(sizes: Sizes) -> Transformer:
    if not (sizes.indices and sizes.every_step):
        raise InvalidValue("transformer takes a text and the task next_character; use lstm or gru for other sequences")
    (context,) = sizes.example
    if context > MOST:
        raise InvalidValue(f"task.length is {context}; give at most {MOST}")
    return Transformer(max(sizes.indices, sizes.outputs), context)


NETWORK = Network(Transformer, (CONTEXT,), _fitted, task={"length": CONTEXT})
