"""A small causal transformer for texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import torch
import torch.nn.functional as F
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
        width: numbers of a character between the layers.
        heads: of the attention, which share the width.
        layers: how many.

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
            self.add_module(f"layer{number}", TransformerLayer(width, heads))
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, characters)
        self.register_buffer("later", torch.ones(context, context).triu(1).bool(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x.long()
        length = x.shape[1]
        places = torch.arange(length, device=x.device).expand(x.shape)
        out = self.characters(x) + self.places(places)
        later = self.get_buffer("later")[:length, :length]
        for number in range(1, self.layers + 1):
            out = self.get_submodule(f"layer{number}")(out, later)
        logits: Tensor = self.fc(self.norm(out))
        return logits


@final
class TransformerLayer(nn.Module):
    """Attention and a feed-forward part, each after a layer normalisation and beside a shortcut: (B, T, width) to same.

    It computes what nn.TransformerEncoderLayer(width, heads, 4·width, dropout=0, activation="gelu", norm_first=True)
    computes, and has its names, but calls each of its parts: in evaluation mode torch's layer takes a way of its own
    around them, and so around arrays.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.self_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, 4 * width)
        self.linear2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, later: Tensor) -> Tensor:
        """Return the layer's answer; `later` (T, T) is True where a step may not see another."""
        normed = self.norm1(x)
        x = x + self.self_attn(normed, normed, normed, attn_mask=later, need_weights=False)[0]
        out: Tensor = x + self.linear2(F.gelu(self.linear1(self.norm2(x))))
        return out


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
