"""Random crop of an image with a margin."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mho.training.augmentations.base import Augmentation, Draws

MARGIN = 4
"""Pixels of 0 around an image."""


@final
class Crop(Augmentation):
    """Put a margin of 4 pixels of 0 around each image and take a random part of the image's size.

    As for CIFAR-10 in K. He et al., CVPR 2016, arXiv 1512.03385, section 4.2, where 0 is the mean; here it is black.
    """

    def draw(self, generator: np.random.Generator, count: int) -> Draws:
        """Return the first row and column of each part, from 0 to 8."""
        return generator.integers(0, 2 * MARGIN + 1, size=(count, 2))

    def change(self, images: Tensor, draws: Draws) -> Tensor:
        height, width = images.shape[2:]
        whole = F.pad(images, (MARGIN,) * 4)
        parts = [
            image[:, row : row + height, column : column + width]
            for image, (row, column) in zip(whole, draws.tolist(), strict=True)
        ]
        return torch.stack(parts)


AUGMENTATION = Crop()
