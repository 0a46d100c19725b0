"""Small models that the online driver takes, and batches for them."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Written(nn.Module):
    """Layers conv1, conv2 (2 and 4 maps out), fc1 and fc2, and a forward of functions and methods."""

    def __init__(self, forward: Callable[[Written, Tensor], Tensor], width: int = 36) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 4, 2)
        self.fc1, self.fc2 = nn.Linear(width, 6), nn.Linear(6, 3)
        self.written = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.written(self, x)


def functions(m: Written, x: Tensor) -> Tensor:
    x = F.max_pool2d(torch.tanh(m.conv1(x)), 2, stride=1)
    x = F.avg_pool2d(F.relu(m.conv2(x), inplace=True), 2, 1, padding=1, count_include_pad=False)
    return m.fc2(torch.sigmoid(m.fc1(torch.flatten(x, 1))))


def methods(m: Written, x: Tensor) -> Tensor:
    x = F.max_pool2d(input=m.conv1(x).tanh(), kernel_size=2, padding=1)
    x = m.conv2(x.sigmoid()).relu()
    return m.fc2(m.fc1(x.view(x.size(0), -1)).tanh())


def sized(m: Written, x: Tensor) -> Tensor:
    x = F.avg_pool2d(m.conv1(x), 2)
    x = torch.max_pool2d(torch.relu(m.conv2(x)), (1, 2), (1, 1))
    return m.fc2(F.sigmoid(m.fc1(x.reshape(x.shape[0], -1))))


def widths(m: Written, x: Tensor) -> Tensor:
    sizes = x.size()
    x = F.relu(m.conv2(F.tanh(m.conv1(x))))
    return m.fc2(m.fc1(torch.reshape(x.view(-1, 100), (sizes[0], -1))))


ZOO: dict[str, Callable[[], nn.Module]] = {
    "one linear": lambda: nn.Sequential(nn.Linear(8, 3)),
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 9), nn.Sigmoid(), nn.Linear(9, 3, bias=False)),
    "max": lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Tanh(), nn.MaxPool2d(3, (2, 1), 1), nn.Flatten(), nn.Linear(72, 3)
    ),
    "max first": lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.MaxPool2d((1, 2), 1), nn.ReLU(), nn.Flatten(), nn.Linear(120, 3)
    ),
    "mean": lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Sigmoid(), nn.AvgPool2d(3, 2, 1), nn.Tanh(), nn.Flatten(), nn.Linear(36, 3)
    ),
    "mean inside": lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.Flatten(), nn.Linear(36, 3)
    ),
    "pooled twice": lambda: nn.Sequential(
        nn.AvgPool2d(2, 1), nn.Conv2d(1, 4, 2), nn.ReLU(), nn.Tanh(), nn.MaxPool2d(2, 1), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16, 3),
    ),
    "convolutions": lambda: nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=(2, 1)), nn.Tanh(), nn.Conv2d(3, 4, (3, 2), stride=(2, 1), bias=False),
        nn.Conv2d(4, 2, 2, dilation=(1, 2), padding="same"), nn.Flatten(), nn.Linear(56, 3),
    ),
    "maps out": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 2, stride=2)),
    "dropout": lambda: nn.Sequential(
        nn.Dropout(0.1), nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Dropout2d(0.4), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(36, 6), nn.Dropout(0.3), nn.Linear(6, 3), nn.Dropout(0.0),
    ),
    "functions": lambda: Written(functions, 100),
    "methods": lambda: Written(methods),
    "sized": lambda: Written(sized, 8),
    "widths": lambda: Written(widths, 100),
}  # fmt: skip
SIZES = {"one linear": (8,)}
"""Of one sample, where it is not an image of 8×8."""


def model_of(name: str) -> nn.Module:
    """One of the zoo, always with the same weights."""
    torch.manual_seed(5)
    return ZOO[name]()


def batch_of(name: str, replicas: int, size: int, seed: int, *, own: bool) -> tuple[Tensor, Tensor]:
    """Images and labels: (B, ...), or (R, B, ...) with `own`."""
    generator = torch.Generator().manual_seed(seed)
    lead = (replicas, size) if own else (size,)
    places = (3, 3) if name == "maps out" else ()
    x = torch.rand(*lead, *SIZES.get(name, (1, 8, 8)), generator=generator)
    return x, torch.randint(0, 3, (*lead, *places), generator=generator)
