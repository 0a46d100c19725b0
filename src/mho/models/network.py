"""What a registered network is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import final

from torch import nn


@final
@dataclasses.dataclass(frozen=True)
class Network:
    """How a network is built, and the shape of one of its images, for example (channels, height, width)."""

    build: Callable[[], nn.Module]
    image: tuple[int, ...]
