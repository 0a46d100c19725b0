"""A data set in memory."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, final

from mho.errors import Faults

if TYPE_CHECKING:
    from torch import Tensor


@final
@dataclasses.dataclass(frozen=True)
class Dataset:
    """Inputs x and targets y of n examples, for training and test.

    x is (n, ...) float32, or int64 where it holds indices; y is (n, ...): (n,) int64 classes, or float32 numbers. All
    examples of x have one shape. For images with labels, `train_images` is another name of `x_train`, and so on.

    Attributes:
        name: for titles and folders.
        symbols: what the indices of classes or characters stand for, such as ("a", "b"); () where nobody says.
        x_scale: mean and deviation by which inputs were standardised, each (m,) of m columns; None where they were not.
        y_scale: mean and deviation by which targets were standardised, each (1,); None where they were not.
        notes: sentences on how the data were made, for the user: parts, target, what was standardised.

    Raises:
        InvalidValue: naming every part that is empty, or does not go with the others.
    """

    name: str
    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    symbols: tuple[str, ...] = ()
    x_scale: tuple[Tensor, Tensor] | None = None
    y_scale: tuple[Tensor, Tensor] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        from torch import Tensor

        faults = Faults(f"data {self.name!r}")
        parts = ("x_train", "y_train", "x_test", "y_test")
        for name in parts:
            value = getattr(self, name)
            if not isinstance(value, Tensor) or not value.dim() or not value.numel():
                what = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
                faults.add(f"{name} is {what}; give a tensor of at least one example")
        faults.raise_any()
        for part in ("train", "test"):
            x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            if len(x) != len(y):
                faults.add(f"x_{part} has {len(x)} examples and y_{part} has {len(y)}; give one target per example")
        for name in ("x", "y"):
            train, test = getattr(self, f"{name}_train"), getattr(self, f"{name}_test")
            if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
                faults.add(
                    f"an example of {name}_train has shape {tuple(train.shape[1:])} {train.dtype}, and of {name}_test "
                    f"{tuple(test.shape[1:])} {test.dtype}; give both one shape and type"
                )
        faults.raise_any()

    @property
    def train_images(self) -> Tensor:
        """Return the training images, (n, channels, height, width) float32 in [0, 1], if examples are images."""
        return self.x_train

    @property
    def train_labels(self) -> Tensor:
        """Return the training classes (n,), int64 from 0, where the targets are classes."""
        return self.y_train

    @property
    def test_images(self) -> Tensor:
        """Return the test images, (n, channels, height, width) float32 in [0, 1], if examples are images."""
        return self.x_test

    @property
    def test_labels(self) -> Tensor:
        """Return the test classes (n,), int64 from 0, where the targets are classes."""
        return self.y_test

    def first(self, train: int, test: int) -> Dataset:
        """Return the data set with the first examples of each part only.

        Args:
            train: examples of the training part, at least 0; 0 keeps all.
            test: examples of the test part; 0 keeps all.
        """
        return dataclasses.replace(
            self,
            x_train=self.x_train[: train or None],
            y_train=self.y_train[: train or None],
            x_test=self.x_test[: test or None],
            y_test=self.y_test[: test or None],
        )
