"""Pooling of maps in either order: channels first, as in torch, or channels last, as arrays write them.

Number (c, y, x) of an image lies at c·step_c + (y·W + x)·step_s. The kernels work on flat arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mho.compiler.vectors import SQUARE, transpose_spread

ZERO = np.float32(0.0)


def steps(maps: Any, last: Any) -> Any:
    """Return channels, height and width of maps, and the steps to the next channel and to the next pixel."""
    if last:
        return maps.shape[3], maps.shape[1], maps.shape[2], 1, maps.shape[3]
    return maps.shape[1], maps.shape[2], maps.shape[3], maps.shape[2] * maps.shape[3], 1


def max_pool(start: Any, stop: Any, counts: Any, maps: Any, out: Any, chosen: Any, window: Any, last: Any) -> None:
    """Find the largest number of each window.

    Args:
        start: first image.
        stop: the image behind the last.
        counts: not added to.
        maps: (B, C, H, W), or (B, H, W, C) with `last`.
        out: takes the maxima, (B, C, H', W').
        chosen: takes the pixel y·W + x of each, (B, C, H', W') int32; of equal numbers the first.
        window: the numbers of `mho.kernels.feature_maps.Pooling`.
        last: True if channels are the last axis of `maps`.
    """
    sizes = steps(maps, last)
    row = out.shape[3] * sizes[0]
    scratch = (np.empty(row, np.float32), np.empty(row, np.int32))
    pool_largest(start, stop, maps.reshape(-1), out.reshape(-1), chosen.reshape(-1), window, sizes, scratch)


def pool_largest(
    start: Any, stop: Any, maps: Any, out: Any, chosen: Any, window: Any, sizes: Any, scratch: Any
) -> None:
    """Find the maxima on flat arrays, for a row of windows together, with the channels of a window side by side.

    Pixel after pixel of a single window, each maximum would wait for the one before. `scratch` has room for the maxima
    and the places of a row of windows.
    """
    best, places = scratch
    kh, kw, sh, sw, top, left, high, wide = window
    channels, height, width, step_c, step_s = sizes
    for b in range(start, stop):
        image, answer = b * channels * height * width, b * channels * high * wide
        for oy in range(high):
            y0, y1 = max(oy * sh - top, 0), min(oy * sh - top + kh, height)
            for y in range(y0, y1):
                for dx in range(kw):
                    for ox in range(wide):
                        x = ox * sw - left + dx
                        place = np.int32(y * width + x)
                        at, to = image + np.int64(place) * step_s, ox * channels
                        if y == y0 and x == max(ox * sw - left, 0):
                            put_first(best, places, to, maps, at, step_c, place, channels)
                        elif 0 <= x < width:
                            keep_larger(best, places, to, maps, at, step_c, place, channels)
            turn_row(
                out,
                chosen.view(np.float32),
                answer + oy * wide,
                high * wide,
                best,
                places.view(np.float32),
                wide,
                channels,
            )


def put_first(best: Any, places: Any, to: Any, maps: Any, first: Any, step_c: Any, place: Any, channels: Any) -> None:
    """Take the number of each channel at the first pixel of a window as its maximum, as torch does also for -inf."""
    for c in range(channels):
        best[np.uintp(to + c)], places[np.uintp(to + c)] = maps[np.uintp(first + c * step_c)], place


def keep_larger(best: Any, places: Any, to: Any, maps: Any, first: Any, step_c: Any, place: Any, channels: Any) -> None:
    """Replace the maximum of each channel by the number at pixel `place` where that is larger or NaN."""
    # two loops: a step that LLVM knows to be 1 makes it load whole vectors. `v != v` is true for NaN only
    if step_c == 1:
        for c in range(channels):
            v, at = maps[np.uintp(first + c)], np.uintp(to + c)
            larger = (v > best[at]) | (v != v)
            best[at] = v if larger else best[at]
            places[at] = place if larger else places[at]
    else:
        for c in range(channels):
            v, at = maps[np.uintp(first + c * step_c)], np.uintp(to + c)
            larger = (v > best[at]) | (v != v)
            best[at] = v if larger else best[at]
            places[at] = place if larger else places[at]


def turn_row(out: Any, chosen: Any, at: Any, step: Any, best: Any, places: Any, wide: Any, channels: Any) -> None:
    """Write a row of windows, channel after channel: out[at + c·step + ox] = best[ox·channels + c], and their places.

    Places are integers, seen as float32 here: they are only moved.
    """
    if wide >= SQUARE and channels >= SQUARE:
        for first in range(0, channels, SQUARE):
            c = min(first, channels - SQUARE)  # the last square may overlap the one before
            for begin in range(0, wide, SQUARE):
                ox = min(begin, wide - SQUARE)
                to, own = at + c * step + ox, ox * channels + c
                transpose_spread(out, to, step, best, own, channels, SQUARE)
                transpose_spread(chosen, to, step, places, own, channels, SQUARE)
        return
    for c in range(channels):
        for ox in range(wide):
            to, own = np.uintp(at + c * step + ox), np.uintp(ox * channels + c)
            out[to], chosen[to] = best[own], places[own]


def max_unpool(start: Any, stop: Any, counts: Any, errors: Any, chosen: Any, maps: Any, last: Any) -> None:
    """Add each error to the pixel whose number was the maximum: the adjoint of `max_pool`.

    Args:
        start: first image.
        stop: the image behind the last.
        counts: not added to.
        errors: (B, C, H', W').
        chosen: pixels as `max_pool` has written them, (B, C, H', W') int32.
        maps: (B, C, H, W), or (B, H, W, C) with `last`; added to.
        last: True if channels are the last axis of `maps`.
    """
    size = errors.shape[2] * errors.shape[3]
    unpool_largest(start, stop, errors.reshape(-1), chosen.reshape(-1), maps.reshape(-1), size, steps(maps, last))


def unpool_largest(start: Any, stop: Any, errors: Any, chosen: Any, maps: Any, size: Any, sizes: Any) -> None:
    """Add errors to the chosen pixels on flat arrays; `size` is H'·W'."""
    channels, height, width, step_c, step_s = sizes
    for b in range(start, stop):
        image, answer = b * channels * height * width, b * channels * size
        for c in range(channels):
            for i in range(size):
                at = np.uintp(answer + c * size + i)
                maps[np.uintp(image + c * step_c + np.int64(chosen[at]) * step_s)] += errors[at]


def mean_pool(
    start: Any, stop: Any, counts: Any, maps: Any, out: Any, window: Any, last: Any, count_padding: Any
) -> None:
    """Compute the mean of each window.

    Args:
        start: first image.
        stop: the image behind the last.
        counts: not added to.
        maps: (B, C, H, W), or (B, H, W, C) with `last`.
        out: takes the means, (B, C, H', W').
        window: the numbers of `mho.kernels.feature_maps.Pooling`.
        last: True if channels are the last axis of `maps`.
        count_padding: True divides by the pixels of a window with its padding, False by those inside the map.
    """
    pool_mean(start, stop, maps.reshape(-1), out.reshape(-1), window, steps(maps, last), count_padding)


def pool_mean(start: Any, stop: Any, maps: Any, out: Any, window: Any, sizes: Any, count_padding: Any) -> None:
    """Compute means of windows on flat arrays; `sizes` are those of `steps`."""
    kh, kw, sh, sw, top, left, high, wide = window
    channels, height, width, step_c, step_s = sizes
    for b in range(start, stop):
        image, answer = b * channels * height * width, b * channels * high * wide
        for oy in range(high):
            for ox in range(wide):
                y0, x0 = max(oy * sh - top, 0), max(ox * sw - left, 0)
                y1, x1 = min(oy * sh - top + kh, height), min(ox * sw - left + kw, width)
                share = divisor(oy, ox, window, height, width, count_padding)
                for c in range(channels):
                    total = ZERO
                    for y in range(y0, y1):
                        for x in range(x0, x1):
                            total += maps[np.uintp(image + c * step_c + (y * width + x) * step_s)]
                    out[np.uintp(answer + (c * high + oy) * wide + ox)] = total / share


def divisor(oy: Any, ox: Any, window: Any, height: Any, width: Any, count_padding: Any) -> Any:
    """Return the number by which torch divides the sum of a window: its pixels inside the padding or inside the map."""
    kh, kw, sh, sw, top, left = window[0], window[1], window[2], window[3], window[4], window[5]
    y0, x0 = oy * sh - top, ox * sw - left
    if count_padding:
        return np.float32((min(y0 + kh, height + top) - y0) * (min(x0 + kw, width + left) - x0))
    return np.float32((min(y0 + kh, height) - max(y0, 0)) * (min(x0 + kw, width) - max(x0, 0)))


def mean_unpool(
    start: Any, stop: Any, counts: Any, errors: Any, maps: Any, window: Any, last: Any, count_padding: Any
) -> None:
    """Spread each error evenly over its window: the adjoint of `mean_pool`.

    Args:
        start: first image.
        stop: the image behind the last.
        counts: not added to.
        errors: (B, C, H', W').
        maps: (B, C, H, W), or (B, H, W, C) with `last`; added to.
        window: the numbers of `mho.kernels.feature_maps.Pooling`.
        last: True if channels are the last axis of `maps`.
        count_padding: as for `mean_pool`.
    """
    unpool_mean(start, stop, errors.reshape(-1), maps.reshape(-1), window, steps(maps, last), count_padding)


def unpool_mean(start: Any, stop: Any, errors: Any, maps: Any, window: Any, sizes: Any, count_padding: Any) -> None:
    """Spread errors over windows on flat arrays; `sizes` are those of `steps`."""
    kh, kw, sh, sw, top, left, high, wide = window
    channels, height, width, step_c, step_s = sizes
    for b in range(start, stop):
        image, answer = b * channels * height * width, b * channels * high * wide
        for oy in range(high):
            for ox in range(wide):
                y0, x0 = max(oy * sh - top, 0), max(ox * sw - left, 0)
                y1, x1 = min(oy * sh - top + kh, height), min(ox * sw - left + kw, width)
                share = divisor(oy, ox, window, height, width, count_padding)
                for c in range(channels):
                    error = errors[np.uintp(answer + (c * high + oy) * wide + ox)] / share
                    for y in range(y0, y1):
                        for x in range(x0, x1):
                            maps[np.uintp(image + c * step_c + (y * width + x) * step_s)] += error
