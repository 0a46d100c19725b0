"""CIFAR-10, whole or a part of it, from a folder, from the cache, or from the network."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tarfile
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import platformdirs

from mho.data.dataset import Dataset
from mho.data.source import Source
from mho.errors import DataMissing, InvalidValue

if TYPE_CHECKING:
    from torch import Tensor

WHOLE, PART = "cifar-10-binary.tar.gz", "cifar10-15k.npz"
URL = f"https://www.cs.toronto.edu/~kriz/{WHOLE}"
WHOLE_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
PART_MD5 = "1a8a422a8943577db375e14075ea5158"
"""MD5 sum of the arrays of the part one after another, in the order of `NAMES`."""
NAMES = ("train_images", "train_labels", "test_images", "test_labels")
RECORD = 1 + 3 * 32 * 32
"""Bytes of an image in the published files: its label, then red, green and blue rows."""

TRAINED, TESTED, HELD_OUT = 10_000, 1000, 46_000
"""The part: images before `TRAINED` of the published training set; those before `TESTED` of the published test set, and
those from `HELD_OUT` on of the training set."""

PART_NOTE = (
    "a part of CIFAR-10: 10,000 of its 50,000 training images; the test is 1,000 of its test images and 4,000 of its "
    "other training images"
)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

Bytes = npt.NDArray[np.uint8]


def cifar10(folder: Path | None = None) -> Dataset:
    """CIFAR-10 (A. Krizhevsky 2009): 50,000 training and 10,000 test images (3, 32, 32) of 10 classes.

    Looks for cifar-10-binary.tar.gz in `folder` if given, else in `$MHO_DATA` and its subfolder cifar10, then in the
    user's cache. Where it is missing and cifar10-15k.npz is there, that part is loaded (`cifar10_part`), with a
    warning; else the whole is downloaded to the cache, checked, and kept.

    Raises:
        DataMissing: where neither file nor network is to be had, saying where to put which file.
        InvalidValue: for a file that is not what its name says.
    """
    places = _places(folder)
    if _on_this_machine(WHOLE, places) is None and _on_this_machine(PART, places) is not None:
        warnings.warn(
            f"{WHOLE} is not on this machine: cifar10 is the part {PART}, 10,000 training and 5,000 test images, which "
            "--data cifar10_part names",
            stacklevel=2,
        )
        return cifar10_part(folder)
    return cifar10_whole(folder)


def cifar10_whole(folder: Path | None = None) -> Dataset:
    """CIFAR-10 as `cifar10` returns it, from cifar-10-binary.tar.gz only."""
    return _dataset("cifar10", _read_whole(_whole(folder, _places(folder))))


def cifar10_part(folder: Path | None = None) -> Dataset:
    """A part of CIFAR-10 (A. Krizhevsky 2009): 10,000 training and 5,000 test images (3, 32, 32) of 10 classes.

    Trained on are images 0 to 9,999 of the published training set. Tested are images 0 to 999 of the published test
    set, then images 46,000 to 49,999 of the published training set. Read from cifar10-15k.npz where it is there, else
    cut from the whole; in the same places as `cifar10`.

    Raises:
        DataMissing: where neither file nor network is to be had, saying where to put which file.
        InvalidValue: for a file that is not what its name says.
    """
    places = _places(folder)
    file = _on_this_machine(PART, places)
    if file is None:
        whole = _read_whole(_whole(folder, places))
        images, labels = whole["train_images"], whole["train_labels"]
        part = {
            "train_images": images[:TRAINED],
            "train_labels": labels[:TRAINED],
            "test_images": np.concatenate([whole["test_images"][:TESTED], images[HELD_OUT:]]),
            "test_labels": np.concatenate([whole["test_labels"][:TESTED], labels[HELD_OUT:]]),
        }
    else:
        try:
            with np.load(file, allow_pickle=False) as content:
                part = {name: content[name] for name in NAMES}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InvalidValue(f"{file} cannot be read ({error}); replace it by the file with {NAMES}") from error
    digest = hashlib.md5(usedforsecurity=False)
    for name in NAMES:
        digest.update(np.ascontiguousarray(part[name], np.uint8).tobytes())
    if digest.hexdigest() != PART_MD5:
        raise InvalidValue(
            f"{file or WHOLE} does not hold the part of CIFAR-10 that its name says (its checksum differs); replace it"
        )
    return dataclasses.replace(_dataset("cifar10_part", part), notes=(PART_NOTE,))


def cifar10_is_here(folder: Path | None = None) -> bool:
    """Return whether the whole or the part is on this machine, where `cifar10` looks."""
    return any(_on_this_machine(name, _places(folder)) is not None for name in (WHOLE, PART))


def missing_of_cifar10(folder: Path | None = None) -> str:
    """Return in words that only the part is on this machine, or "" where the whole is, or neither."""
    places = _places(folder)
    if _on_this_machine(WHOLE, places) is not None or _on_this_machine(PART, places) is None:
        return ""
    return "only cifar10_part, a part of it"


def cache_folder() -> Path:
    """Return the folder where downloads are kept."""
    return Path(platformdirs.user_cache_dir("mho")) / "cifar10"


def _places(folder: Path | None) -> list[Path]:
    """Return the folders in which files are looked for."""
    if folder is not None:
        return [folder, folder / "cifar10"]
    given = os.environ.get("MHO_DATA")
    return [*([Path(given) / "cifar10", Path(given)] if given else []), cache_folder()]


def _on_this_machine(name: str, places: list[Path]) -> Path | None:
    return next((place / name for place in places if (place / name).is_file()), None)


def _whole(folder: Path | None, places: list[Path]) -> Path:
    """Return the published file, downloaded if no folder was named and it is on this machine nowhere."""
    file = _on_this_machine(WHOLE, places)
    if file is not None:
        return file
    if folder is not None:
        raise DataMissing(f"no {WHOLE} in {folder}, and no {PART}; it must hold one of them")
    import pooch  # 0.1 s to import, for downloads only

    try:
        return Path(pooch.retrieve(URL, known_hash=f"md5:{WHOLE_MD5}", fname=WHOLE, path=cache_folder()))
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        raise DataMissing(
            f"CIFAR-10 is not on this machine and {URL} does not answer ({type(error).__name__}). Put {WHOLE} into "
            f"{cache_folder()}, or into a folder that --data-dir or MHO_DATA names (looked in "
            f"{', '.join(map(str, places))})"
        ) from error


def _read_whole(file: Path) -> dict[str, Bytes]:
    """Read the published archive.

    Raises:
        InvalidValue: for another file.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InvalidValue(f"{file} cannot be read ({error}); replace it by the published file") from error
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != WHOLE_MD5:
        raise InvalidValue(f"{file} is not the published {WHOLE} (its checksum differs); replace it")
    with tarfile.open(file) as archive:
        train = [_records(archive, f"data_batch_{number}.bin") for number in range(1, 6)]
        test = _records(archive, "test_batch.bin")
    records = {"train": np.concatenate(train), "test": test}
    return {
        name: rows
        for part, both in records.items()
        for name, rows in ((f"{part}_images", both[:, 1:].reshape(-1, 3, 32, 32)), (f"{part}_labels", both[:, 0]))
    }


def _records(archive: tarfile.TarFile, name: str) -> Bytes:
    """Return the images of one file of the archive, (n, 3073)."""
    member = archive.extractfile(f"cifar-10-batches-bin/{name}")
    assert member is not None  # the archive's checksum is right
    return np.frombuffer(member.read(), np.uint8).reshape(-1, RECORD)


def _dataset(name: str, arrays: Mapping[str, Bytes]) -> Dataset:
    x_train, y_train, x_test, y_test = (arrays[part] for part in NAMES)
    return Dataset(name, _images(x_train), _labels(y_train), _images(x_test), _labels(y_test), symbols=CLASSES)


def _images(pixels: Bytes) -> Tensor:
    import torch

    return torch.from_numpy(pixels.astype(np.float32) / np.float32(255))


def _labels(classes: Bytes) -> Tensor:
    import torch

    return torch.from_numpy(classes.astype(np.int64))


DATA_SET = Source(
    load=cifar10,
    example=(3, 32, 32),
    folder=True,
    whole=cifar10_whole,
    here=cifar10_is_here,
    missing=missing_of_cifar10,
)
