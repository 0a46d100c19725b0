"""A VGG, and the script that trains it on images."""

from __future__ import annotations

import torch
from torch import nn

import mho
from tests.helpers.script import RPU, Classification


class VGG(nn.Module):
    """Convolutions by a list of widths, "M" for pooling, as in K. Simonyan, A. Zisserman (2015), made small."""

    def __init__(self, widths=(8, "M", 16, 16, "M"), classes=10):
        super().__init__()
        layers, inside = [], 1
        for width in widths:
            if width == "M":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(inside, width, 3, padding=1), nn.ReLU(inplace=True)]
                inside = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(inside * 4, 32), nn.ReLU(True), nn.Dropout(0.2), nn.Linear(32, classes)
        )
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class Classifier(Classification):
    def __init__(self, seed):
        self.model = mho.convert(VGG(), RPU, seed=seed, quiet=True)
        self.optimizer = mho.AnalogSGD(self.model, lr=0.03)
