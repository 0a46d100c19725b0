"""scikit-learn's digits, brought to MNIST's size."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from mho.data.dataset import Dataset

TRAIN = 1437


def digits() -> Dataset:
    """1,797 handwritten digits (UCI, by way of scikit-learn): 1,437 to train, 360 to test.

    The 8×8 pixels are enlarged to 24×24 by bilinear interpolation and framed by 2 empty pixels, which is
    how MNIST places its digits.
    """
    from sklearn.datasets import load_digits  # 0.6 s to import: only who wants digits pays

    pixels, labels = load_digits(return_X_y=True)
    small = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    images = F.pad(F.interpolate(small, size=(24, 24), mode="bilinear", align_corners=False), (2, 2, 2, 2))
    classes = torch.tensor(labels, dtype=torch.int64)
    return Dataset("digits", images[:TRAIN], classes[:TRAIN], images[TRAIN:], classes[TRAIN:])
