"""Operations on the maps of convolutional networks: patches for arrays, and pooling.

Shapes: B images (samples times replicas), C channels, H × W pixels; L patches of an image, N numbers of a patch. All
floats are float32 and C-contiguous. None of the kernels counts anything; each Call runs images in parallel.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from mho.compiler.program import Call
from mho.kernels.ops import Floats, plain
from mho.kernels.records import PatchGeometry

POOLING = "digital.pooling"
Positions = npt.NDArray[np.int32]


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Layout of the patches that a convolution takes from maps of one size; pairs are (height, width) in pixels.

    Attributes:
        kernel: size of the kernel.
        stride: step from a patch to the next.
        dilation: step from an element of the kernel to the next.
        corner: zeros above and left of the map.
        out: numbers of patches, L = out[0]·out[1].
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    corner: tuple[int, int]
    out: tuple[int, int]

    @functools.cached_property
    def numbers(self) -> PatchGeometry:
        """Return the layout as kernels take it."""
        return PatchGeometry(*self.kernel, *self.stride, *self.dilation, *self.corner, self.out[1])


@dataclasses.dataclass(frozen=True)
class Pooling:
    """Layout of a pooling window on maps; pairs are (height, width) in pixels.

    Attributes:
        kernel: size of the window.
        stride: step from a window to the next.
        padding: pixels added on each side, which no maximum takes.
        out: numbers of windows, (H', W').
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    out: tuple[int, int]

    @functools.cached_property
    def numbers(self) -> tuple[int, ...]:
        """Return the window in the order in which kernels take it."""
        return (*self.kernel, *self.stride, *self.padding, *self.out)


def gather_patches(maps: Floats, geometry: Geometry, *, bias: bool, out: Floats | None = None) -> Floats:
    """Return the patches of maps as the vectors that an array reads.

    Args:
        maps: (B, C, H, W).
        geometry: layout of the patches; padding reads 0.
        bias: True appends a column of ones.
        out: takes the vectors; None: new memory.

    Returns:
        Vectors (B, L, N), N = C·kh·kw in the order of torch's kernels, plus 1 with `bias`.
    """
    batch, channels = maps.shape[:2]
    count = geometry.out[0] * geometry.out[1]
    if out is None:
        out = np.empty((batch, count, channels * geometry.kernel[0] * geometry.kernel[1] + bias), np.float32)
    gather(maps, geometry, out, bias=bias)()
    return out


def scatter_patches(vectors: Floats, maps: Floats, geometry: Geometry) -> None:
    """Add the errors of patches to maps: the adjoint of `gather_patches`.

    Args:
        vectors: errors (B, L, N); a bias column is ignored.
        maps: (B, C, H, W), added to in the order of the vectors.
        geometry: layout of the patches.
    """
    scatter(vectors, maps, geometry)()


def gather(maps: Floats, geometry: Geometry, out: Floats, *, bias: bool) -> Call:
    """Plan `gather_patches` of maps (B, C, H, W) into `out` (B, L, N)."""
    return plain("patches", "gather_patches", len(maps), out.size, maps, out, geometry.numbers, bias)


def scatter(vectors: Floats, maps: Floats, geometry: Geometry) -> Call:
    """Plan `scatter_patches` of vectors (B, L, N) onto maps (B, C, H, W)."""
    return plain("patches", "scatter_patches", len(maps), vectors.size, vectors, maps, geometry.numbers)


def turn(values: Floats, out: Floats) -> Call:
    """Plan the transposition of each sample's matrix, such as from channels last to channels first.

    Args:
        values: (S, n, m).
        out: takes (S, m, n).
    """
    return plain("patches", "turn", len(values), values.size, values, out)


def max_pool(maps: Floats, window: Pooling, out: Floats, chosen: Positions, *, last: bool) -> Call:
    """Plan max-pooling, out = the largest number of each window.

    Args:
        maps: (B, C, H, W), or (B, H, W, C) with `last`. NaN counts as larger than any number, as in torch.
        window: layout of the windows, each with at least one pixel of the map.
        out: takes the maxima, (B, C, H', W').
        chosen: takes the pixel y·W + x of each maximum, (B, C, H', W') int32; of equal numbers the first.
        last: True if the channels of `maps` are its last axis.
    """
    return plain(POOLING, "max_pool", len(maps), maps.size, maps, out, chosen, window.numbers, last)


def max_unpool(errors: Floats, chosen: Positions, maps: Floats, *, last: bool) -> Call:
    """Plan the adjoint of `max_pool`: add each error to the pixel whose number was the maximum.

    Args:
        errors: (B, C, H', W').
        chosen: pixels, as `max_pool` writes them.
        maps: (B, C, H, W), or (B, H, W, C) with `last`; added to.
        last: True if the channels of `maps` are its last axis.
    """
    return plain(POOLING, "max_unpool", len(maps), maps.size, errors, chosen, maps, last)


def mean_pool(maps: Floats, window: Pooling, out: Floats, *, last: bool, count_padding: bool) -> Call:
    """Plan mean-pooling, out = the mean of each window.

    Args:
        maps: (B, C, H, W), or (B, H, W, C) with `last`.
        window: layout of the windows.
        out: takes the means, (B, C, H', W').
        last: True if the channels of `maps` are its last axis.
        count_padding: True divides by the pixels of a window with its padding, False by those inside the map.
    """
    return plain(POOLING, "mean_pool", len(maps), maps.size, maps, out, window.numbers, last, count_padding)


def mean_unpool(errors: Floats, window: Pooling, maps: Floats, *, last: bool, count_padding: bool) -> Call:
    """Plan the adjoint of `mean_pool`: spread each error evenly over the pixels of its window.

    Args:
        errors: (B, C, H', W').
        window: layout of the windows.
        maps: (B, C, H, W), or (B, H, W, C) with `last`; added to.
        last: True if the channels of `maps` are its last axis.
        count_padding: as for `mean_pool`.
    """
    return plain(POOLING, "mean_unpool", len(maps), maps.size, errors, maps, window.numbers, last, count_padding)
