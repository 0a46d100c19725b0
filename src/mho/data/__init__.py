"""Data sets as tensors: images (n, 1, 28, 28) float32 in [0, 1], labels (n,) int64."""

from __future__ import annotations

from pathlib import Path

from mho.data.dataset import Dataset
from mho.data.digits import digits
from mho.data.mnist import mnist
from mho.errors import InvalidValue, nearest

__all__ = ["Dataset", "digits", "load", "mnist"]


def load(name: str, folder: Path | None = None) -> Dataset:
    """Load a data set by name: "digits" (embedded) or "mnist" (from `folder`, see `mho.data.mnist`)."""
    if name == "digits":
        if folder is not None:
            raise InvalidValue("a data folder has no effect on the embedded digits; leave it out, or use mnist")
        return digits()
    if name == "mnist":
        return mnist(folder)
    raise InvalidValue(f"no data set {name!r}{nearest(name, ('digits', 'mnist'))}")
