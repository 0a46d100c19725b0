"""Base of augmentations, whose draws are named by the seed of the data, the epoch and the image."""

from __future__ import annotations

import abc
import zlib
from collections.abc import Mapping
from typing import final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from mho.errors import InvalidValue
from mho.training.tasks.base import example_shape

STREAM = 2**63 + 1
"""Second word of the key of the draws: neither epochs, which draw orders, nor the draw of those held out have it."""
Draws = npt.NDArray[np.int64]


class Augmentation(abc.ABC):
    """A random change of images that leaves what they show."""

    @abc.abstractmethod
    def draw(self, generator: np.random.Generator, count: int) -> Draws:
        """Return whole numbers (count, k) that decide the change of each image of an epoch."""

    @abc.abstractmethod
    def change(self, images: Tensor, draws: Draws) -> Tensor:
        """Return images (B, channels, height, width), changed as their draws (B, k) say, in the same shape."""


@final
class Augmented:
    """The images of an epoch as some augmentations change them.

    Draws depend on the seed of the data, the epoch, the augmentation's name and the place of the image in the data; so
    neither batches nor a kill and resume change them.

    Args:
        kinds: augmentations by name, in the order in which they act.
        images: (n, channels, height, width) float, of training.
        seed: seed of the data.

    Raises:
        InvalidValue: for data that are no images.
    """

    def __init__(self, kinds: Mapping[str, Augmentation], images: Tensor, *, seed: int) -> None:
        if kinds and (images.dim() != 4 or not images.is_floating_point()):
            raise InvalidValue(
                f"training.augment is {list(kinds)}, and an example of the data has shape {example_shape(images)} "
                f"{images.dtype}; it changes images channels×height×width of float32: leave it out for other data"
            )
        self.kinds, self.seed, self.count = dict(kinds), seed, len(images)
        self._epoch = -1
        self._draws: dict[str, Draws] = {}

    def __call__(self, images: Tensor, places: Tensor, epoch: int) -> Tensor:
        """Return images changed.

        Args:
            images: (B, channels, height, width).
            places: places of the images in the data, (B,).
            epoch: counted from 0.
        """
        if epoch != self._epoch:
            self._epoch = epoch
            self._draws = {
                name: kind.draw(self._generator(name, epoch), self.count) for name, kind in self.kinds.items()
            }
        for name, kind in self.kinds.items():
            images = kind.change(images, self._draws[name][places.numpy()])
        return images

    def _generator(self, name: str, epoch: int) -> np.random.Generator:
        counter = [0, 0, epoch, zlib.crc32(name.encode())]
        return np.random.Generator(np.random.Philox(key=[self.seed, STREAM], counter=counter))
