"""A convolution as vectors through an array: gather the patches of maps, and scatter errors back."""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.kernels.vectors import add_run, copy_run

RUN = 8  # of mho.kernels.vectors


def gather_patches(start: Any, stop: Any, counts: Any, maps: Any, out: Any, geometry: Any, bias: Any) -> None:
    """Write the patches of images `start` to `stop` as vectors.

    maps (B, C, H, W), out (B, L, N) float32, N = C·kh·kw, plus a last column of ones with `bias`. geometry:
    kernel height and width, stride, dilation, top and left padding, output width. Padding reads 0.
    """
    gather_images(start, stop, maps, out, out.reshape(-1), maps.reshape(-1), geometry, bias)


def gather_images(start: Any, stop: Any, maps: Any, out: Any, flat: Any, pixels: Any, geometry: Any, bias: Any) -> None:
    """The loop, apart from the kernel: only helpers are free of Numba's reference counts."""
    channels, height, width, vectors = maps.shape[1], maps.shape[2], maps.shape[3], out.shape[1]
    kh, kw, sh, sw, dh, dw, top, left, across = geometry
    for b in range(start, stop):
        image = maps[np.uintp(b)]
        down, aside = 0, 0
        for v in range(vectors):
            row = out[np.uintp(b), np.uintp(v)]
            y0, x0 = down * sh - top, aside * sw - left
            aside += 1
            if aside == across:
                aside, down = 0, down + 1
            inside = y0 >= 0 and x0 >= 0 and y0 + (kh - 1) * dh < height and x0 + (kw - 1) * dw < width
            if inside and dw == 1 and (vectors - v - 1) * row.shape[0] >= RUN:
                to, origin = (b * vectors + v) * row.shape[0], b * image.size + y0 * width + x0
                copy_runs(flat, np.uintp(to), pixels, np.uintp(origin), channels, height * width, width, geometry)
                if bias:
                    row[np.uintp(row.shape[0] - 1)] = np.float32(1.0)
                continue
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


def copy_runs(out: Any, to: Any, pixels: Any, origin: Any, channels: Any, size: Any, width: Any, geometry: Any) -> None:
    """Copy a patch that lies inside its image, each run of a row in vectors of eight: 17 to 5 µs for 576×26.

    What a run writes behind its end, at most seven numbers, the next run or the next vector overwrites.
    """
    kh, kw, dh = geometry[0], geometry[1], geometry[4]
    last = np.uintp(pixels.size - min(RUN, pixels.size))
    for c in range(channels):
        source = origin + np.uintp(c * size)
        for _ in range(kh):
            j = 0
            while j < kw:
                at = source + np.uintp(j)
                if at <= last:
                    copy_run(out, to + np.uintp(j), pixels, at)
                else:
                    for k in range(min(RUN, kw - j)):
                        out[to + np.uintp(j + k)] = pixels[at + np.uintp(k)]
                j += RUN
            source += np.uintp(dh * width)
            to += np.uintp(kw)


def scatter_patches(start: Any, stop: Any, counts: Any, vectors: Any, maps: Any, geometry: Any) -> None:
    """Add the errors of patches into maps, in the order of the vectors: the adjoint of `gather_patches`.

    vectors (B, L, N), maps (B, C, H, W) float32, zero at first; a bias column is left out.
    """
    scatter_images(start, stop, vectors, maps, vectors.reshape(-1), maps.reshape(-1), geometry)


def scatter_images(start: Any, stop: Any, vectors: Any, maps: Any, errors: Any, pixels: Any, geometry: Any) -> None:
    """The loop, apart from the kernel."""
    channels, height, width = maps.shape[1], maps.shape[2], maps.shape[3]
    kh, kw, sh, sw, dh, dw, top, left, across = geometry
    for b in range(start, stop):
        image = maps[np.uintp(b)]
        down, aside = 0, 0
        for v in range(vectors.shape[1]):
            row = vectors[np.uintp(b), np.uintp(v)]
            y0, x0 = down * sh - top, aside * sw - left
            aside += 1
            if aside == across:
                aside, down = 0, down + 1
            inside = y0 >= 0 and x0 >= 0 and y0 + (kh - 1) * dh < height and x0 + (kw - 1) * dw < width
            if inside and dw == 1:
                row_at, origin = (b * vectors.shape[1] + v) * row.shape[0], b * image.size + y0 * width + x0
                end = (b + 1) * image.size
                add_runs(pixels, np.uintp(origin), np.uintp(end), errors, np.uintp(row_at), maps.shape, geometry)
                continue
            at = np.uintp(0)
            for c in range(channels):
                for i in range(kh):
                    y = y0 + i * dh
                    for j in range(kw):
                        x = x0 + j * dw
                        if inside or (0 <= y < height and 0 <= x < width):
                            image[np.uintp(c), np.uintp(y), np.uintp(x)] += row[at]
                        at += np.uintp(1)


def add_runs(pixels: Any, origin: Any, end: Any, errors: Any, row: Any, shape: Any, geometry: Any) -> None:
    """Add a patch that lies inside its image, which ends at `end`, in vectors of eight: 17 to 7 µs for 64×401.

    Behind the end of a run zeros are added, to pixels of the same image.
    """
    kh, kw, dh = geometry[0], geometry[1], geometry[4]
    for c in range(shape[1]):
        start = origin + np.uintp(c * shape[2] * shape[3])
        for _ in range(kh):
            j = 0
            while j < kw:
                at, e = start + np.uintp(j), row + np.uintp(j)
                if at + np.uintp(RUN) <= end and e + np.uintp(RUN) <= np.uintp(errors.size):
                    add_run(pixels, at, errors, e, kw - j)
                else:
                    for k in range(min(RUN, kw - j)):
                        pixels[at + np.uintp(k)] += errors[e + np.uintp(k)]
                j += RUN
            start += np.uintp(dh * shape[3])
            row += np.uintp(kw)
