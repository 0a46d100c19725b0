"""Files of MNIST's kind: four files of images and labels in the IDX format, as Fashion-MNIST has them too."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
import numpy.typing as npt
import platformdirs

from mho.data.dataset import Dataset
from mho.errors import DataMissing, InvalidValue

if TYPE_CHECKING:
    from torch import Tensor

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
Bytes = npt.NDArray[np.uint8]


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class IdxFiles:
    """The four files of a data set, where they are looked for and how they are known.

    Attributes:
        name: name of the data set and of the folder of its files.
        title: as its authors write it.
        mirrors: addresses of folders with the packed files.
        packed: MD5 of each packed file (.gz).
        unpacked: MD5s that the content of each file may have; without them an unpacked file is known by its sizes.
        sizes: sizes of the content of each file, where `unpacked` has no MD5.
        beside: whether files may lie in $MHO_DATA itself too, not only in its subfolder.
    """

    name: str
    title: str
    mirrors: tuple[str, ...]
    packed: Mapping[str, str]
    unpacked: Mapping[str, tuple[str, ...]]
    sizes: Mapping[str, tuple[int, ...]]
    beside: bool

    def load(self, folder: Path | None) -> Dataset:
        """Read the files, which are downloaded to the cache where they are on this machine nowhere.

        Args:
            folder: with the files; None: $MHO_DATA and the cache.

        Raises:
            DataMissing: where neither file nor network is to be had, saying where to put which files.
            InvalidValue: for a file that is not what its name says.
        """
        found = {name: self._find(name, folder) for name in NAMES}
        arrays = [self._read(name, file) for name, file in found.items()]
        x_train, y_train, x_test, y_test = arrays
        return Dataset(self.name, _images(x_train), _labels(y_train), _images(x_test), _labels(y_test))

    def is_here(self, folder: Path | None) -> bool:
        """Return whether all files are on this machine, where `load` looks for them."""
        return all(self._on_this_machine(name, self._places(folder)) for name in NAMES)

    @property
    def cache(self) -> Path:
        """Folder where downloads are kept."""
        return Path(platformdirs.user_cache_dir("mho")) / self.name

    def _find(self, name: str, folder: Path | None) -> Path:
        places = self._places(folder)
        file = self._on_this_machine(name, places)
        if file is not None:
            return file
        if folder is not None:
            raise DataMissing(
                f"no {name}.gz in {folder}; it must hold {', '.join(f'{n}.gz' for n in NAMES)} (packed or not)"
            )
        return self._download(name, places)

    def _places(self, folder: Path | None) -> list[Path]:
        """Return the folders in which files are looked for."""
        if folder is not None:
            return [folder, folder / self.name]
        given = os.environ.get("MHO_DATA")
        own = [Path(given) / self.name, *([Path(given)] if self.beside else [])] if given else []
        return [*own, self.cache]

    def _on_this_machine(self, name: str, places: list[Path]) -> Path | None:
        """Return a file, packed or not, or None if it is in none of the folders."""
        files = (file for place in places for file in (place / f"{name}.gz", place / name))
        return next((file for file in files if file.is_file()), None)

    def _download(self, name: str, places: list[Path]) -> Path:
        import pooch  # 0.1 s to import, for downloads only

        for mirror in self.mirrors:
            try:
                file = pooch.retrieve(
                    f"{mirror}{name}.gz", known_hash=f"md5:{self.packed[name]}", fname=f"{name}.gz", path=self.cache
                )
                return Path(file)
            except (OSError, ValueError):  # requests' errors are OSErrors; a wrong checksum is a ValueError
                continue
        raise DataMissing(
            f"{self.title} is not on this machine and none of {len(self.mirrors)} mirrors answered. Put "
            f"{', '.join(f'{n}.gz' for n in NAMES)} into {self.cache}, or into a folder that --data-dir or "
            f"MHO_DATA names (looked in {', '.join(map(str, places))})"
        )

    def _read(self, name: str, file: Path) -> Bytes:
        try:
            stored = file.read_bytes()
            content = gzip.decompress(stored) if file.suffix == ".gz" else stored
        except (OSError, EOFError) as error:
            raise InvalidValue(f"{file} cannot be read ({error}); replace it by the published file") from error
        if not self._is_published(name, stored, content):
            raise InvalidValue(
                f"{file} is not {self.title}'s {name} (its checksum differs); replace it by the published file"
            )
        shape = _shape(content)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)

    def _is_published(self, name: str, stored: bytes, content: bytes) -> bool:
        known = self.unpacked.get(name)
        if known is not None:
            return _md5(content) in known
        if stored is not content:
            return _md5(stored) == self.packed[name]
        shape = _shape(content)
        return shape == self.sizes[name] and len(content) == 4 + 4 * len(shape) + int(np.prod(shape))


def _shape(content: bytes) -> tuple[int, ...]:
    """Return the sizes that the head of a file has; () for a head of another form."""
    axes = content[3] if len(content) > 3 else 0
    head = content[4 : 4 + 4 * axes]
    return struct.unpack(f">{axes}I", head) if content[:3] == b"\0\0\x08" and len(head) == 4 * axes else ()


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _images(pixels: Bytes) -> Tensor:
    import torch

    return torch.from_numpy(pixels.astype(np.float32) / np.float32(255))[:, None]


def _labels(classes: Bytes) -> Tensor:
    import torch

    return torch.from_numpy(classes.astype(np.int64))
