"""Data sets as tensors, one a file; and a user's own, from a function or from a file.

A file of this room registers its data set by a constant DATA_SET; its name is the file's.
"""

from __future__ import annotations

from pathlib import Path

from mho.data.cifar10 import cifar10, cifar10_part
from mho.data.dataset import Dataset
from mho.data.digits import digits, digits_8x8
from mho.data.mnist import mnist
from mho.data.own import FILES, as_dataset, is_file, load_own, text
from mho.data.source import Source
from mho.errors import InvalidValue, nearest
from mho.imports import inhabitants, is_own

DATA_SETS: dict[str, Source] = inhabitants(__name__, __path__, "DATA_SET")

__all__ = [
    "DATA_SETS",
    "Dataset",
    "Source",
    "as_dataset",
    "check_name",
    "cifar10",
    "cifar10_part",
    "digits",
    "digits_8x8",
    "is_here",
    "load",
    "mnist",
    "text",
]


def check_name(name: str) -> None:
    """Raise InvalidValue unless `load` takes this name; nothing is loaded."""
    if name not in DATA_SETS and not is_own(name) and not is_file(name):
        raise InvalidValue(
            f"no data set {name!r}{nearest(name, DATA_SETS)} (your own is module:function, or a file that ends in "
            f"{' or '.join(FILES)})"
        )


def is_here(name: str, folder: Path | None = None) -> bool:
    """Return whether `load` with these arguments would need no download."""
    source = DATA_SETS.get(name)
    return source is None or source.here(folder)


def load(name: str, folder: Path | None = None) -> Dataset:
    """Load a data set.

    Args:
        name: a data set that comes with mho ("digits", "iris") or in files ("mnist", "cifar10", "cifar10_part": see
            their functions); or `module:function`, whose return value `as_dataset` takes; or a file: .npz with
            x_train, y_train, x_test and y_test, or .txt, a text (`text`).
        folder: with the files of a data set that has such.

    Raises:
        InvalidValue: for an unknown name, a folder without effect, or data that do not go together.
        DataMissing: where the files are not to be had.
    """
    check_name(name)
    source = DATA_SETS.get(name)
    if folder is not None and (source is None or not source.folder):
        with_files = ", ".join(known for known, one in DATA_SETS.items() if one.folder)
        raise InvalidValue(f"a data folder has no effect on the data {name}; leave it out, or use {with_files}")
    return source.load(folder) if source is not None else load_own(name)
