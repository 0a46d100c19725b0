"""Networks of the planted faults, small enough to train in a second."""

import torch
from torch import Tensor, nn


class Rectified(nn.Module):
    """784-24-10 with rectifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 24), nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


class Pooled(nn.Module):
    """49-24-10 with rectifiers, on means of 4×4 pixels: transfers read each of its columns often."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(49, 24), nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(torch.relu(self.fc1(nn.functional.avg_pool2d(x, 4).flatten(1))))


class Residual(nn.Module):
    """Two blocks of convolutions with batch normalisation, the second with a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 8, 5, stride=4, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8 * 9, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.conv1(x)))
        x = torch.relu(self.norm2(self.conv2(x)) + x)
        return self.fc(nn.functional.avg_pool2d(x, 2).flatten(1))
