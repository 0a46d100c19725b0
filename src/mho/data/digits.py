"""scikit-learn's digits, brought to MNIST's size."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from mho.data.dataset import Dataset
from mho.data.source import Source
from mho.files import write_atomically

TRAIN = 1437


def digits() -> Dataset:
    """1,797 handwritten digits (UCI, by way of scikit-learn): 1,437 to train, 360 to test.

    The 8×8 pixels are enlarged to 24×24 by bilinear interpolation and framed by 2 empty pixels, which is
    how MNIST places its digits.
    """
    import torch
    import torch.nn.functional as F

    pixels, labels = _table()
    small = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    images = F.pad(F.interpolate(small, size=(24, 24), mode="bilinear", align_corners=False), (2, 2, 2, 2))
    classes = torch.tensor(labels, dtype=torch.int64)
    return Dataset("digits", images[:TRAIN], classes[:TRAIN], images[TRAIN:], classes[TRAIN:])


def digits_8x8() -> Dataset:
    """Return 1,797 handwritten digits as scikit-learn has them, images (1, 8, 8) in [0, 1] and classes 0 to 9.

    The first 1,437 are to train, the last 360 to test.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (1998),
    licence CC BY 4.0; scikit-learn's `load_digits`, which comes with it: nothing is downloaded.
    """
    import torch

    pixels, labels = _table()
    images = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    classes = torch.tensor(labels, dtype=torch.int64)
    return Dataset("digits 8×8", images[:TRAIN], classes[:TRAIN], images[TRAIN:], classes[TRAIN:])


def _table() -> tuple[Any, Any]:
    """Return pixels (1797, 64) and labels, kept in the user's cache: importing scikit-learn takes a second."""
    version = importlib.metadata.version("scikit-learn")
    kept = Path(platformdirs.user_cache_dir("mho")) / f"digits-{version}.npz"
    with contextlib.suppress(OSError, ValueError, KeyError), np.load(kept) as content:
        return content["pixels"], content["labels"]
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    packed = io.BytesIO()
    np.savez_compressed(packed, pixels=pixels.astype(np.uint8), labels=labels.astype(np.uint8))
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, packed.getvalue())
    return pixels, labels


DATA_SET = Source(load=lambda folder: digits(), example=(1, 28, 28))
