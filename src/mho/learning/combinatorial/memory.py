"""Memory of the kernels of CoNNTrA: one array of numbers, and one of integers with a header.

Two flat arrays in place of thirty: Numba hands every array from function to function as seven to eleven arguments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import numpy.typing as npt

from mho.learning.combinatorial.kernels import codes

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@final
class Memory:
    """Numbers and integers of one batch of n examples, which lie side by side in blocks of B.

    Row 0 of `values` is 1, the input of biases; rows from 1 on are the network's inputs, then the outputs of each
    operation in turn; the last are the network's outputs. Parts are views, by these names:

    numbers: `values` (blocks, rows, B), the present value of every feature; `proposed` (rows, B), what one change of a
    weight would make of them in one block; `changes` (rows, B), proposed minus present; `weight` (W,); `slopes` (W,),
    of the loss at each weight, or 0; `worth` (operations, L), the values of the levels of each layer; `sizes`
    (operations, M), their distinct magnitudes other than 0; `targets` (blocks, outputs, B), 1 at the class of an
    example and 0 elsewhere, or numbers; `labels` (blocks, B), the class; `head` (blocks, outputs + 1, B), with cross
    entropy e^(z - shift) of each output and then their sum, with squared error outputs minus targets; `pull` (blocks,
    hidden, B), the weight from each input of the last layer to the class; `losses` (blocks,), summed over examples;
    `given`, the inputs that are not 0, in the order of `places`; `picked` (7 + 2M,
    512), work space; `term_weights`; `gains` (L,), of the levels being tried.

    integers: `table` (operations, COLUMNS); `counts` (blocks,), examples in each; `starts` (blocks, inputs + 1), where
    the examples whose input is not 0 begin in `places`; `changed` (rows,), whether `proposed` holds a row; `moved`, a
    list of such rows; `channels`,
    which input channels of a convolution changed; `level` (W,); `groups` (operations, L), the row of a level's sum: 2m
    for plus magnitude m, 2m + 1 for minus, -1 for 0; `term_rows`; `candidates` (2, L), levels being tried, and whether
    each was tried by `try_step`.

    Attributes:
        numbers: all float64 parts, flat.
        integers: the header, then all int64 parts, flat.
        places: places in a block of the examples whose input is not 0, uint16.
        parts: views by name.
    """

    def __init__(
        self,
        sizes: Mapping[int, int],
        numbers: Mapping[str, tuple[int, ...]],
        integers: Mapping[str, tuple[int, ...]],
        places: npt.NDArray[np.uint16],
    ) -> None:
        self.places = places
        self.numbers = np.zeros(sum(math.prod(shape) for shape in numbers.values()))
        self.integers = np.zeros(codes.HEADER + sum(math.prod(shape) for shape in integers.values()), np.int64)
        for place, size in sizes.items():
            self.integers[place] = size
        self.parts: dict[str, npt.NDArray[Any]] = {}
        self._lay(self.numbers, numbers, 0)
        self._lay(self.integers, integers, codes.HEADER)

    def _lay(self, whole: npt.NDArray[Any], shapes: Mapping[str, tuple[int, ...]], at: int) -> None:
        """Note where each part begins, and make its view."""
        for name, shape in shapes.items():
            self.integers[getattr(codes, f"AT_{name.upper()}")] = at
            self.parts[name] = whole[at : at + math.prod(shape)].reshape(shape)
            at += math.prod(shape)

    def __getattr__(self, name: str) -> npt.NDArray[Any]:
        try:
            return self.__dict__["parts"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.numbers.nbytes + self.integers.nbytes + self.places.nbytes
