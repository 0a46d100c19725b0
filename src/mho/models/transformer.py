"""A small causal transformer for texts."""

from __future__ import annotations

from collections.abc import Mapping
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
        characters: number of different characters.
        context: longest sequence, in characters.
        width: numbers that stand for a character between the layers, a multiple of `heads`; the feed-forward part
            is four times as wide.
        heads: parts of the attention in each layer, each of width/heads numbers.
        layers: layers of attention and feed-forward part, one after another.

    Raises:
        InvalidValue: for a width that is no multiple of heads.
    """

    def __init__(
        self,
        characters: int = CHARACTERS,
        context: int = CONTEXT,
        *,
        width: int = WIDTH,
        heads: int = HEADS,
        layers: int = LAYERS,
    ) -> None:
        if width % heads:
            raise InvalidValue(f"width is {width} and heads is {heads}; give a width that is a multiple of heads")
        super().__init__()
        self.layers = layers
        self.characters = nn.Embedding(characters, width)
        self.places = nn.Embedding(context, width)
        for number in range(1, layers + 1):
            layer = nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            self.add_module(f"layer{number}", layer)
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, characters)
        self.register_buffer("later", torch.ones(context, context).triu(1).bool(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, T, characters) of the next character at each place of sequences (B, T).

        Args:
            x: numbers of characters, from 0 to characters - 1; T is at most the context.
        """
        x = x.long()
        length = x.shape[1]
        places = torch.arange(length, device=x.device).expand(x.shape)
        out = self.characters(x) + self.places(places)
        later = self.get_buffer("later")[:length, :length]
        for number in range(1, self.layers + 1):
            out = self.get_submodule(f"layer{number}")(out, src_mask=later)
        logits: Tensor = self.fc(self.norm(out))
        return logits


def _fitted(sizes: Sizes, options: Mapping[str, int]) -> Transformer:
    if not (sizes.indices and sizes.every_step):
        raise InvalidValue("transformer takes a text and the task next_character; use lstm or gru for other sequences")
    (context,) = sizes.example
    if context > MOST:
        raise InvalidValue(f"task.length is {context}; give at most {MOST}")
    return Transformer(sizes.outputs, context, **options)


NETWORK = Network(
    Transformer,
    (CONTEXT,),
    _fitted,
    axes=(0,),
    options={"width": WIDTH, "heads": HEADS, "layers": LAYERS},
    task={"length": CONTEXT},
)
