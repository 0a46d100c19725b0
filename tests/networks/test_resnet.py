"""A ResNet whose stem is frozen and whose block is used twice, with batch normalisation and momentum."""

from __future__ import annotations

import pytest
import torch.nn.functional as F
from torch import nn

import mho
from tests.helpers.script import DIGITAL, RPU, STEPS, Classification, check


class BasicBlock(nn.Module):
    """Two convolutions around which the input goes (K. He et al. 2016)."""

    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + x)


class ResNet(nn.Module):
    """A stem, one block that is used twice, and a head."""

    def __init__(self, width=8):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width))
        self.layers = nn.Sequential(*[BasicBlock(width)] * 2)
        self.fc = nn.Linear(width * 4, 10)

    def forward(self, x):
        x = self.layers(F.relu(self.stem(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 2).flatten(1))


class FineTuning(Classification):
    def __init__(self, seed):
        model = ResNet()
        for parameter in model.stem.parameters():
            parameter.requires_grad = False
        self.model = mho.convert(model, RPU, seed=seed, quiet=True)
        # the running statistics of a block that is used twice mix its uses, also in torch: at a higher rate they part,
        # and evaluation is worse than training
        self.optimizer = mho.AnalogSGD(self.model, lr=0.03, momentum=0.9, weight_decay=1e-4)


@pytest.mark.parametrize("steps", STEPS)
def test_resnet_with_tied_and_frozen_parts_trains(steps):
    momentum = (UserWarning, r"momentum=0\.9 and weight_decay=0\.0001 act on the 4 digital parameters alone")
    script = check(FineTuning, steps, told=(DIGITAL, momentum))
    first, second = script.model.layers
    assert first is second
    assert len(script.layers()) == 4  # stem, two of the block, head: the second use is no array of its own
    stem, *others = script.model.conversion
    assert "frozen" in stem.became
    assert not any("frozen" in row.became for row in others)
