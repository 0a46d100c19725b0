"""Random mirror image."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor

from mho.training.augmentations.base import Augmentation, Draws


@final
class Flip(Augmentation):
    """Mirror each image, left for right, with probability 1/2: for images whose mirror image shows the same class."""

    def draw(self, generator: np.random.Generator, count: int) -> Draws:
        """Return 1 for each image that is mirrored, else 0."""
        return generator.integers(0, 2, size=(count, 1))

    def change(self, images: Tensor, draws: Draws) -> Tensor:
        mirrored = torch.from_numpy(draws[:, 0]).bool()[:, None, None, None]
        return torch.where(mirrored, images.flip(3), images)


AUGMENTATION = Flip()
