"""A network by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import final

from torch import nn


@final
@dataclasses.dataclass(frozen=True)
class Network:
    """A network by name: how it is built, and the shape of one image of its, for example (channels, height, width)."""

    build: Callable[[], nn.Module]
    image: tuple[int, ...]
