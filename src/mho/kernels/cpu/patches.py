"""A convolution as vectors through an array: gather the patches of maps, and scatter errors back."""

from __future__ import annotations

from typing import Any

import numpy as np


def gather_patches(start: Any, stop: Any, counts: Any, maps: Any, out: Any, geometry: Any, bias: Any) -> None:
    """Write the patches of images `start` to `stop` as vectors.

    maps (B, C, H, W), out (B, L, N) float32, N = C·kh·kw, plus a last column of ones with `bias`. geometry:
    kernel height and width, stride, dilation, top and left padding, output width. Padding reads 0.
    """
    channels, height, width, vectors = maps.shape[1], maps.shape[2], maps.shape[3], out.shape[1]
    kh, kw, sh, sw, dh, dw, top, left, across = geometry
    for b in range(start, stop):
        image = maps[np.uintp(b)]
        for v in range(vectors):
            row = out[np.uintp(b), np.uintp(v)]
            y0, x0 = (v // across) * sh - top, (v % across) * sw - left
            inside = y0 >= 0 and x0 >= 0 and y0 + (kh - 1) * dh < height and x0 + (kw - 1) * dw < width
            at = np.uintp(0)
            for c in range(channels):
                for i in range(kh):
                    y = y0 + i * dh
                    for j in range(kw):
                        x = x0 + j * dw
                        value = np.float32(0.0)
                        if inside or (0 <= y < height and 0 <= x < width):
                            value = image[np.uintp(c), np.uintp(y), np.uintp(x)]
                        row[at] = value
                        at += np.uintp(1)
            if bias:
                row[at] = np.float32(1.0)


def scatter_patches(start: Any, stop: Any, counts: Any, vectors: Any, maps: Any, geometry: Any) -> None:
    """Add the errors of patches into maps, in the order of the vectors: the adjoint of `gather_patches`.

    vectors (B, L, N), maps (B, C, H, W) float32, zero at first; a bias column is left out.
    """
    channels, height, width = maps.shape[1], maps.shape[2], maps.shape[3]
    kh, kw, sh, sw, dh, dw, top, left, across = geometry
    for b in range(start, stop):
        image = maps[np.uintp(b)]
        for v in range(vectors.shape[1]):
            row = vectors[np.uintp(b), np.uintp(v)]
            y0, x0 = (v // across) * sh - top, (v % across) * sw - left
            inside = y0 >= 0 and x0 >= 0 and y0 + (kh - 1) * dh < height and x0 + (kw - 1) * dw < width
            at = np.uintp(0)
            for c in range(channels):
                for i in range(kh):
                    y = y0 + i * dh
                    for j in range(kw):
                        x = x0 + j * dw
                        if inside or (0 <= y < height and 0 <= x < width):
                            image[np.uintp(c), np.uintp(y), np.uintp(x)] += row[at]
                        at += np.uintp(1)
