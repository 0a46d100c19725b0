"""Geometry of a transform: places of the maps, the filter and the outputs of a convolution."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import final

import torch.nn.functional as F
from torch import Tensor

from mho.nn.band_limited.transforms import Taps


def fast_length(n: int) -> int:
    """Return the least length of at least n whose only prime factors are 2, 3 and 5.

    In Python, and not scipy.fft.next_fast_len, so that torch.compile looks into it.
    """
    rest = n
    for factor in (2, 3, 5):
        while rest % factor == 0:
            rest //= factor
    return n if rest == 1 else fast_length(n + 1)


Pair = tuple[int, int]


@final
@dataclasses.dataclass(frozen=True)
class Geometry:
    """A two-dimensional convolution without its weights; a sequence is a map of one row.

    Attributes:
        kernel: K_h and K_w.
        stride: stride of both axes.
        dilation: dilation of both axes.
        before: zeros above and left of the maps.
        after: zeros below and right of them.
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair
    after: Pair

    @property
    def reach(self) -> Pair:
        """Rows and columns from a filter's first tap to its last."""
        found = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True)]
        return found[0], found[1]

    def transform_size(self, maps: Sequence[int]) -> Pair:
        """Return H and W of the transform of maps (h, w).

        At least h + reach − 1, with which a circular convolution is linear. Where there is more padding than the filter
        reaches, also so much that all outputs fit, and that none lies where another wraps around.
        """
        sizes = []
        for n, reach, before, after in zip(maps, self.reach, self.before, self.after, strict=True):
            sizes.append(fast_length(max(n + reach - 1, n + before, n + after, n + before + after - reach + 1)))
        return sizes[0], sizes[1]

    def output_size(self, maps: Sequence[int]) -> Pair:
        """Return H' and W' for maps (h, w); 0 or less where they are smaller than the filter reaches."""
        sides = zip(maps, self.before, self.after, self.reach, self.stride, strict=True)
        found = [(n + before + after - reach) // stride + 1 for n, before, after, reach, stride in sides]
        return found[0], found[1]

    def pad(self, x: Tensor, mode: str) -> tuple[Tensor, Geometry]:
        """Return maps (B, C, h, w) padded by another mode than zeros, and the geometry that is left: none to pad."""
        edges = (self.before[1], self.after[1], self.before[0], self.after[0])
        # one row stays one row: circular and reflect refuse to pad sequences that lie as maps
        flat = x.shape[2] == 1 and not self.before[0] and not self.after[0]
        padded = F.pad(x.squeeze(2), edges[:2], mode=mode).unsqueeze(2) if flat else F.pad(x, edges, mode=mode)
        return padded, dataclasses.replace(self, before=(0, 0), after=(0, 0))

    def taps(self, maps: Sequence[int]) -> Taps:
        """Return where the taps and outputs lie on maps (h, w)."""
        return Taps(self.stride, self.dilation, self.before, self.output_size(maps))
