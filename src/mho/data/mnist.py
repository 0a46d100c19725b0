"""MNIST, from a folder, from the cache, or from the network."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs
import torch

from mho.data.dataset import Dataset
from mho.data.source import Source
from mho.errors import DataMissing, InvalidValue

# MD5 of the decompressed files. The training images have two: the published file, and a lossless
# copy in which grey level 1 became 0.
FILES = {
    "train-images-idx3-ubyte": ("6bbc9ace898e44ae57da46a324031adb", "2120c626b3f721358a650005d9261aaf"),
    "train-labels-idx1-ubyte": ("a25bea736e30d166cdddb491f175f624",),
    "t10k-images-idx3-ubyte": ("2646ac647ad5339dbf082846283269ea",),
    "t10k-labels-idx1-ubyte": ("27ae3e4e09519cfbb04c329615203637",),
}
PACKED_MD5 = {
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def mnist(folder: Path | None = None) -> Dataset:
    """MNIST (Y. LeCun, C. Cortes, C. Burges): 60,000 training and 10,000 test images.

    Looks in `folder` if given, else in `$MHO_DATA` and its subfolder mnist, then in the user's cache; what is
    not there is downloaded to the cache, checked, and kept. Files may be packed (.gz) or not.

    Raises:
        DataMissing: where neither file nor network is to be had, saying where to put which files.
        InvalidValue: for a file that is not what its name says.
    """
    found = {name: _find(name, folder) for name in FILES}
    arrays = {name: _read(name, file) for name, file in found.items()}
    train, test = (arrays[f"{part}-images-idx3-ubyte"] for part in ("train", "t10k"))
    return Dataset(
        "mnist",
        _images(train),
        torch.from_numpy(arrays["train-labels-idx1-ubyte"].astype(np.int64)),
        _images(test),
        torch.from_numpy(arrays["t10k-labels-idx1-ubyte"].astype(np.int64)),
    )


def mnist_is_here(folder: Path | None = None) -> bool:
    """Return whether all files of MNIST are on this machine, where `mnist` looks for them."""
    return all(_on_this_machine(name, _places(folder)) for name in FILES)


def cache_folder() -> Path:
    """Where downloads are kept."""
    return Path(platformdirs.user_cache_dir("mho")) / "mnist"


def _find(name: str, folder: Path | None) -> Path:
    places = _places(folder)
    file = _on_this_machine(name, places)
    if file is not None:
        return file
    if folder is not None:
        raise DataMissing(
            f"no {name}.gz in {folder}; it must hold {', '.join(f'{n}.gz' for n in FILES)} (packed or not)"
        )
    return _download(name, places)


def _places(folder: Path | None) -> list[Path]:
    """Return the folders in which files are looked for."""
    if folder is not None:
        return [folder, folder / "mnist"]
    given = os.environ.get("MHO_DATA")
    return [*([Path(given) / "mnist", Path(given)] if given else []), cache_folder()]


def _on_this_machine(name: str, places: list[Path]) -> Path | None:
    """Return a file, packed or not, or None if it is in none of the folders."""
    files = (file for place in places for file in (place / f"{name}.gz", place / name))
    return next((file for file in files if file.is_file()), None)


def _download(name: str, places: list[Path]) -> Path:
    import pooch  # 0.1 s to import, for downloads only

    for mirror in MIRRORS:
        try:
            file = pooch.retrieve(
                f"{mirror}{name}.gz", known_hash=f"md5:{PACKED_MD5[name]}", fname=f"{name}.gz", path=cache_folder()
            )
            return Path(file)
        except (OSError, ValueError):  # requests' errors are OSErrors; a wrong checksum is a ValueError
            continue
    raise DataMissing(
        f"MNIST is not on this machine and none of {len(MIRRORS)} mirrors answered. Put "
        f"{', '.join(f'{n}.gz' for n in FILES)} into {cache_folder()}, or into a folder that --data-dir or "
        f"MHO_DATA names (looked in {', '.join(map(str, places))})"
    )


def _read(name: str, file: Path) -> npt.NDArray[np.uint8]:
    try:
        content = file.read_bytes()
        if file.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError) as error:
        raise InvalidValue(f"{file} cannot be read ({error}); replace it by the published file") from error
    if hashlib.md5(content, usedforsecurity=False).hexdigest() not in FILES[name]:
        raise InvalidValue(f"{file} is not MNIST's {name} (its checksum differs); replace it by the published file")
    dimensions = content[3]
    shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _images(pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(pixels.astype(np.float32) / np.float32(255))[:, None]


DATA_SET = Source(load=mnist, example=(1, 28, 28), folder=True, here=mnist_is_here)
