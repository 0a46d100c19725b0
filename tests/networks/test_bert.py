"""A small BERT that learns masked words: encoder layers of torch, embeddings, and a head."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import mho
from mho.arrays import ClippedWeights
from mho.nn import StaysDigital
from tests.helpers.script import RPU, STEPS, Script, check

WORDS, LENGTH, WIDTH, MASK = 16, 8, 16, 0


class Bert(nn.Module):
    """Embeddings, one encoder layer, and a word for each place (J. Devlin et al. 2019)."""

    def __init__(self, tied=False):
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 2 * WIDTH, dropout=0.0, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, WORDS)
        if tied:
            self.head.weight = self.words.weight

    def forward(self, tokens):
        x = self.norm(self.words(tokens) + self.places(torch.arange(tokens.shape[1])))
        return self.head(self.encoder(x))


def sentences(number: int, size: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Return masked sentences (B, T) that count on by ones, and what was masked (-100 where nothing was)."""
    generator = torch.Generator().manual_seed(number)
    begins = torch.randint(1, WORDS - LENGTH, (size, 1), generator=generator)
    whole = begins + torch.arange(LENGTH)
    masked = torch.rand(whole.shape, generator=generator) < 0.3
    return whole.masked_fill(masked, MASK), whole.masked_fill(~masked, -100)


class MaskedWords(Script):
    def __init__(self, seed):
        self.model = mho.convert(Bert(), RPU, seed=seed, quiet=True)
        self.optimizer = mho.AnalogSGD(self.model, lr=0.3)

    def step(self, number):
        tokens, labels = sentences(number)
        loss = F.cross_entropy(self.model(tokens).flatten(0, 1), labels.flatten(), ignore_index=-100)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()

    def score(self):
        tokens, labels = sentences(10_000)
        return F.cross_entropy(self.model(tokens).flatten(0, 1), labels.flatten(), ignore_index=-100).item()


@pytest.mark.parametrize("steps", STEPS)
def test_bert_trains_and_says_what_stays_digital(steps):
    digital = (
        "norm (LayerNorm), encoder.layers.0.norm1 (LayerNorm), encoder.layers.0.norm2 (LayerNorm): they stay digital"
    )
    wide = (ClippedWeights, r"words \(.* %\), places \(")  # torch draws embeddings from N(0, 1)
    script = check(MaskedWords, steps, told=((StaysDigital, re.escape(digital)), wide))
    attention = [f"self_attn.{part}_proj" for part in ("q", "k", "v", "out")]
    inside = [f"encoder.layers.0.{name}" for name in (*attention, "linear1", "linear2")]
    assert [layer.name for layer in script.layers()] == ["words", "places", *inside, "head"]


class TiedWords(MaskedWords):
    def __init__(self, seed):
        self.model = mho.convert(Bert(tied=True), RPU, seed=seed, quiet=True)
        self.optimizer = mho.AnalogSGD(self.model, lr=0.3)


@pytest.mark.parametrize("steps", STEPS)
def test_a_head_tied_to_the_embedding_trains_on_one_array(steps):
    digital = (StaysDigital, r"no array form for layers norm \(LayerNorm\)")
    script = check(TiedWords, steps, told=(digital, (ClippedWeights, r"head \(.* %\), places \(")))
    assert [layer.name for layer in script.layers()][:2] == ["places", "encoder.layers.0.self_attn.q_proj"]
    assert script.model.words.owner is script.model.head


def test_a_head_tied_to_the_embedding_stays_tied_where_both_stay_digital():
    digital = ["words", "places", "*norm*", "head", "*self_attn"]
    model = mho.convert(Bert(tied=True), RPU, exclude=digital, quiet=True)
    assert model.head.weight is model.words.weight
