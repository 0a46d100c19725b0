"""A data set in memory."""

from __future__ import annotations

import dataclasses
from typing import final

from torch import Tensor


@final
@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images (n, channels, height, width) float32 in [0, 1] and labels (n,) int64, for training and test."""

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    def first(self, train: int, test: int) -> Dataset:
        """Only the first so many images of each part; 0 keeps all."""
        return dataclasses.replace(
            self,
            train_images=self.train_images[: train or None],
            train_labels=self.train_labels[: train or None],
            test_images=self.test_images[: test or None],
            test_labels=self.test_labels[: test or None],
        )
