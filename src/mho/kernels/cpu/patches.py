"""A convolution as vectors through an array: gather the patches of maps, and scatter errors back.

The numbers that a row of patches takes for one element of the kernel are neighbours in the maps, and the numbers that
belong to one patch are neighbours in the vectors: squares of eight by eight are transposed between the two. Maps are
copied into a frame first, with zeros around them, and with every stride-th pixel side by side: so runs are dense and
need no mask. This takes 0.2 ns per number; masked runs of the kernel's width took 1.0, and 2.0 without AVX-512.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.vectors import SQUARE, add_lines, transpose_gathered, transpose_spread
from mho.kernels.cpu.records import MapSizes, ScatterForm, ScatterRoom

TOGETHER = 8  # channels whose errors are transposed together: whole squares of any kernel
ZERO = np.float32(0.0)
ONE = np.float32(1.0)


def gather_patches(start: Any, stop: Any, counts: Any, maps: Any, out: Any, geometry: Any, bias: Any) -> None:
    """Write the patches of images `start` to `stop` as vectors.

    Args:
        start: first image.
        stop: the image behind the last.
        counts: not added to.
        maps: (B, C, H, W).
        out: takes the vectors, (B, L, N), N = C·kh·kw, and with `bias` a last column of ones.
        geometry: `mho.kernels.records.PatchGeometry`; padding reads 0.
        bias: True writes a column of ones.
    """
    sizes = MapSizes(maps.shape[1], maps.shape[2], maps.shape[3], out.shape[1], out.shape[2])
    taken = sizes.columns - 1 if bias else sizes.columns
    # a patch smaller than a square has nothing to transpose
    if taken < SQUARE:
        pass_patches(start, stop, maps.reshape(-1), out.reshape(-1), sizes, geometry, False)
    else:
        lines, across = frame_size(sizes, geometry)
        frame = np.zeros(sizes.channels * lines * geometry.sw * across, np.float32)
        places = np.empty(taken, np.int64)
        set_places(places, sizes, geometry)
        gather_images(start, stop, maps.reshape(-1), out.reshape(-1), sizes, geometry, frame, places)
    if bias:
        set_bias(out.reshape(-1), start * sizes.vectors, stop * sizes.vectors, sizes.columns)


def frame_size(sizes: Any, geometry: Any) -> Any:
    """Return the lines of a map's frame, and the numbers in each of the `sw` parts of a line.

    A part has a SQUARE more numbers than patches reach, as runs are read in whole squares.
    """
    kh, kw, sh, sw, dh, dw, across = (
        geometry.kh,
        geometry.kw,
        geometry.sh,
        geometry.sw,
        geometry.dh,
        geometry.dw,
        geometry.across,
    )
    lines = (sizes.vectors // across - 1) * sh + (kh - 1) * dh + 1
    return lines, across + (kw - 1) * dw // sw + 1 + SQUARE


def set_places(places: Any, sizes: Any, geometry: Any) -> None:
    """Write the places in a frame of the N numbers of the first patch; other patches add an offset.

    Args:
        places: takes them, (C·kh·kw,) int64.
        sizes: `mho.kernels.cpu.records.MapSizes`.
        geometry: `mho.kernels.records.PatchGeometry`.
    """
    kh, kw, sw, dh, dw = geometry.kh, geometry.kw, geometry.sw, geometry.dh, geometry.dw
    lines, across = frame_size(sizes, geometry)
    for c in range(sizes.channels):
        for i in range(kh):
            for j in range(kw):
                place = ((c * lines + i * dh) * sw + j * dw % sw) * across + j * dw // sw
                places[np.uintp((c * kh + i) * kw + j)] = place


def set_bias(out: Any, first: Any, last: Any, columns: Any) -> None:
    """Write ones into the last column of vectors `first` to `last`.

    Args:
        out: vectors, flat float32; written.
        first: first vector, counted over images times L.
        last: the vector behind the last.
        columns: numbers of a vector, the bias column included.
    """
    for v in range(first, last):
        out[np.uintp((v + 1) * columns - 1)] = ONE


def gather_images(
    start: Any, stop: Any, pixels: Any, out: Any, sizes: Any, geometry: Any, frame: Any, places: Any
) -> None:
    """Gather the patches of images `start` to `stop`, square by square along each row of patches.

    Args:
        start: first image.
        stop: the image behind the last.
        pixels: maps (B, C, H, W), flat float32.
        out: takes the vectors (B, L, N), flat float32; a bias column is not written.
        sizes: `mho.kernels.cpu.records.MapSizes`.
        geometry: `mho.kernels.records.PatchGeometry`.
        frame: memory of an image's frame, flat float32, with zeros where no pixel is.
        places: places in the frame of the numbers of the first patch, as `set_places` writes them.
    """
    vectors, columns, taken = sizes.vectors, sizes.columns, places.shape[0]
    sh, sw, across = geometry.sh, geometry.sw, geometry.across
    line = sw * frame_size(sizes, geometry)[1]
    for b in range(start, stop):
        pass_pixels(pixels, b, sizes, geometry, frame, False)
        # `base` moves down the frame with each row of patches, and `t` along a line: a patch differs from the first one
        # by an offset that all of its numbers share
        for first in range(0, vectors, across):
            base = first // across * sh * line
            for t in range(0, across, SQUARE):
                rows = min(SQUARE, across - t)
                to = (b * vectors + first + t) * columns
                for column in range(0, taken, SQUARE):
                    k = min(column, taken - SQUARE)  # the last square may overlap the one before
                    transpose_gathered(out, to + k, columns, rows, frame, places, k, base + t)


def pass_pixels(pixels: Any, b: Any, sizes: Any, geometry: Any, frame: Any, back: Any) -> None:
    """Copy the maps of image b into their frames or, with `back`, add the frames to the maps.

    Pixels that no patch reaches are left out.

    Args:
        pixels: maps (B, C, H, W), flat float32.
        b: image.
        sizes: `mho.kernels.cpu.records.MapSizes`.
        geometry: `mho.kernels.records.PatchGeometry`.
        frame: frame of the image, flat float32.
        back: True adds the frame to the maps; False copies the maps into the frame.
    """
    channels, height, width = sizes.channels, sizes.height, sizes.width
    sw, top, left = geometry.sw, geometry.top, geometry.left
    lines, across = frame_size(sizes, geometry)
    for part in range(sw):
        first = max(0, (left - part + sw - 1) // sw)  # the first number of this part that is a pixel
        size = min(across - SQUARE, (width + left - part + sw - 1) // sw) - first
        column = first * sw + part - left
        for c in range(channels):
            for y in range(max(0, -top), min(height, lines - top)):
                at = ((b * channels + c) * height + y) * width + column
                to = ((c * lines + y + top) * sw + part) * across + first
                if back:
                    for u in range(size):
                        pixels[np.uintp(at + u * sw)] += frame[np.uintp(to + u)]
                else:
                    for u in range(size):
                        frame[np.uintp(to + u)] = pixels[np.uintp(at + u * sw)]


def pass_patches(start: Any, stop: Any, pixels: Any, vectors: Any, sizes: Any, geometry: Any, back: Any) -> None:
    """Gather the patches of images `start` to `stop` number by number or, with `back`, scatter their errors.

    Args:
        start: first image.
        stop: the image behind the last.
        pixels: maps (B, C, H, W), flat float32.
        vectors: patches or their errors (B, L, N), flat float32.
        sizes: `mho.kernels.cpu.records.MapSizes`.
        geometry: `mho.kernels.records.PatchGeometry`.
        back: True scatters; a constant, so that each caller has the branch of its own alone.
    """
    channels, height, width, count, columns = sizes
    kh, kw, sh, sw, dh, dw, top, left, across = geometry
    for v in range(start * count, stop * count):
        b, t = v // count, v % count
        y0, x0, at = t // across * sh - top, t % across * sw - left, v * columns
        for c in range(channels):
            for i in range(kh):
                for j in range(kw):
                    y, x = y0 + i * dh, x0 + j * dw
                    # an index outside the map is computed, but not used
                    inside = 0 <= y < height and 0 <= x < width
                    place = np.uintp(((b * channels + c) * height + y) * width + x)
                    if not back:
                        vectors[np.uintp(at)] = pixels[place] if inside else ZERO
                    elif inside:
                        pixels[place] += vectors[np.uintp(at)]
                    at += 1


def turn(start: Any, stop: Any, counts: Any, values: Any, out: Any) -> None:
    """Transpose the matrix of each sample: out[s, j, i] = values[s, i, j].

    Args:
        start: first sample.
        stop: the sample behind the last.
        counts: not added to.
        values: (S, n, m).
        out: takes (S, m, n).
    """
    rows, columns = values.shape[1], values.shape[2]
    source, target = values.reshape(-1), out.reshape(-1)
    for s in range(start, stop):
        turn_sample(source, target, s * rows * columns, rows, columns)


def turn_sample(source: Any, target: Any, base: Any, rows: Any, columns: Any) -> None:
    """Transpose the matrix of `rows` × `columns` numbers that begins at `base` in both."""
    # smaller than a square: number by number
    if rows < SQUARE or columns < SQUARE:
        for i in range(rows):
            for j in range(columns):
                target[np.uintp(base + j * rows + i)] = source[np.uintp(base + i * columns + j)]
        return
    # along the longer side, so that eight lines are written or read at a time, which a cache can hold side by side
    long, short = max(rows, columns), min(rows, columns)
    for outer in range(0, short, SQUARE):
        for inner in range(0, long, SQUARE):
            i, j = (inner, outer) if rows > columns else (outer, inner)
            i, j = min(i, rows - SQUARE), min(j, columns - SQUARE)  # the last square may overlap the one before
            transpose_spread(target, base + j * rows + i, rows, source, base + i * columns + j, columns, SQUARE)


def scatter_patches(start: Any, stop: Any, counts: Any, vectors: Any, maps: Any, geometry: Any) -> None:
    """Add the errors of patches to maps, in the order of the vectors: the adjoint of `gather_patches`.

    Args:
        start: first image.
        stop: the image behind the last.
        counts: not added to.
        vectors: errors, (B, L, N); a bias column is ignored.
        maps: (B, C, H, W); added to.
        geometry: `mho.kernels.records.PatchGeometry`; errors of padding are dropped.
    """
    sizes = MapSizes(maps.shape[1], maps.shape[2], maps.shape[3], vectors.shape[1], vectors.shape[2])
    taken = sizes.channels * geometry.kh * geometry.kw
    if taken < SQUARE:
        pass_patches(start, stop, maps.reshape(-1), vectors.reshape(-1), sizes, geometry, True)
        return
    # helpers allocate nothing: Numba's reference counts are atomic, so all memory is made here, in the kernel
    lines, across = frame_size(sizes, geometry)
    frame = np.empty(sizes.channels * lines * geometry.sw * across, np.float32)
    beside = (geometry.kw - 1) * geometry.dw // geometry.sw + SQUARE
    width = beside + (geometry.across + SQUARE - 1) // SQUARE * SQUARE + beside
    transposed = np.zeros(max(SQUARE, min(TOGETHER, sizes.channels) * geometry.kh * geometry.kw) * width, np.float32)
    sums = np.empty((geometry.kw, 4), np.int64)
    step, runs = set_sums(sums, across, width, geometry)
    form = ScatterForm(width, beside, step * geometry.dw // geometry.sw - step * width, runs)
    room = ScatterRoom(frame, transposed, sums)
    scatter_images(start, stop, vectors.reshape(-1), maps.reshape(-1), sizes, geometry, room, form)


def set_sums(sums: Any, across: Any, width: Any, geometry: Any) -> Any:
    """Write how a row of the kernel adds to a line of a frame, in runs of elements that meet the same part of the line.

    The elements of a row of the kernel are taken from right to left, so that each pixel adds its errors from the left
    patch to the right one: in the order of the vectors, as the reference does, which fixes the rounding.

    Args:
        sums: takes for each run where it begins in the line, its length in numbers, where its last element lies in the
            transposed errors, and its number of elements, (kw, 4) int64.
        across: numbers of a part of a line, from `frame_size`.
        width: numbers of a line of transposed errors.
        geometry: `mho.kernels.records.PatchGeometry`.

    Returns:
        The step from an element of a run to the next, and the number of runs.
    """
    kw, sw, dw, patches = geometry.kw, geometry.sw, geometry.dw, geometry.across
    # elements of the kernel that lie a multiple of the stride apart meet the same part of a frame's line
    step = 1
    while step * dw % sw != 0:
        step += 1
    runs = min(step, kw)
    for begin in range(runs):
        count = (kw - 1 - begin) // step + 1
        last = begin + (count - 1) * step
        low, high = begin * dw // sw, last * dw // sw
        run = sums[np.uintp(begin)]
        run[0], run[1] = begin * dw % sw * across + low, (patches + high - low + SQUARE - 1) // SQUARE * SQUARE
        run[2], run[3] = last * width + low - high, count
    return step, runs


def scatter_images(
    start: Any, stop: Any, errors: Any, pixels: Any, sizes: Any, geometry: Any, room: Any, form: Any
) -> None:
    """Scatter the errors of images `start` to `stop`, by rows of patches and groups of channels.

    Args:
        start: first image.
        stop: the image behind the last.
        errors: errors of the patches (B, L, N), flat float32.
        pixels: maps (B, C, H, W), flat float32; added to.
        sizes: `mho.kernels.cpu.records.MapSizes`.
        geometry: `mho.kernels.records.PatchGeometry`.
        room: `mho.kernels.cpu.records.ScatterRoom`.
        form: `mho.kernels.cpu.records.ScatterForm`.
    """
    channels, vectors, columns = sizes.channels, sizes.vectors, sizes.columns
    kh, kw, sh, sw, dh, patches = geometry.kh, geometry.kw, geometry.sh, geometry.sw, geometry.dh, geometry.across
    lines, across = frame_size(sizes, geometry)
    frame, transposed, width, beside = room.frame, room.transposed, form.width, form.beside
    for b in range(start, stop):
        for i in range(frame.shape[0]):
            frame[np.uintp(i)] = ZERO
        # rows of patches in the outer loop, so that a pixel adds the errors of upper patches first: the order of
        # vectors
        for row in range(vectors // patches):
            for c in range(0, channels, TOGETHER):
                end = min(c + TOGETHER, channels)
                low = max(0, min(c * kh * kw, end * kh * kw - SQUARE))
                for t in range(0, patches, SQUARE):
                    rows, at = min(SQUARE, patches - t), (b * vectors + row * patches + t) * columns
                    for column in range(low, end * kh * kw, SQUARE):
                        k = min(column, end * kh * kw - SQUARE)  # the last square may overlap the one before
                        transpose_spread(
                            transposed, (k - low) * width + beside + t, width, errors, at + k, columns, rows
                        )
                for own in range(c, end):
                    for i in range(kh):
                        to = (own * lines + row * sh + i * dh) * sw * across
                        at = ((own * kh + i) * kw - low) * width + beside
                        for k in range(form.runs):
                            run = room.runs[np.uintp(k)]
                            add_lines(frame, to + run[0], run[1], transposed, at + run[2], form.step, run[3])
        pass_pixels(pixels, b, sizes, geometry, frame, True)
