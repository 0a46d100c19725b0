"""A classifier of sequences: an LSTM before a head, all on arrays."""

from __future__ import annotations

import pytest
import torch.nn.functional as F
from torch import nn

import mho
from tests.helpers.script import RPU, STEPS, Classification, check


class SequenceClassifier(nn.Module):
    """An LSTM that reads an image row by row, and two layers on its last state."""

    def __init__(self, hidden=32):
        super().__init__()
        self.lstm = nn.LSTM(8, hidden, batch_first=True)
        self.fc1 = nn.Linear(hidden, 24)
        self.fc2 = nn.Linear(24, 10)
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("weight"):
                nn.init.orthogonal_(parameter)
        for module in (self.fc1, self.fc2):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, images):
        _, (last, _) = self.lstm(images.squeeze(1))
        return self.fc2(F.relu(self.fc1(last[-1])))


class Rows(Classification):
    def __init__(self, seed):
        self.model = mho.convert(SequenceClassifier(), RPU, seed=seed, quiet=True)
        self.optimizer = mho.AnalogSGD(self.model, lr=0.3)


@pytest.mark.parametrize("steps", STEPS)
def test_a_classifier_behind_an_lstm_trains(steps):
    script = check(Rows, steps)
    assert {row.name: row.became for row in script.model.conversion} == {
        "lstm.ih_l0": "array 128×9, gates digital",
        "lstm.hh_l0": "array 128×33, gates digital",
        "fc1": "array 24×33",
        "fc2": "array 10×25",
    }
