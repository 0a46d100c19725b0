"""Maps and filters to the kept part of their spectra, and back. Spectra lie as (F, groups, ...), frequencies first."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from mho.nn.band_limited.band import Band, samples_at_once

COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}
"""The type of a spectrum by that of its maps."""


@final
@dataclasses.dataclass(frozen=True)
class Taps:
    """Places of a filter's taps and outputs on the maps: output i is Σ_a w[a]·x[i·stride + a·dilation − before].

    Attributes:
        stride: stride of both axes.
        dilation: dilation of both axes.
        before: zeros above the first row and left of the first column.
        out: H' and W' of the output.
    """

    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    out: tuple[int, int]

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns of the full-resolution output, up to the last row and column that the stride meets."""
        return ((self.out[0] - 1) * self.stride[0] + 1, (self.out[1] - 1) * self.stride[1] + 1)


def map_spectrum(x: Tensor, groups: int, band: Band) -> Tensor:
    """Return the kept spectrum of real maps.

    Args:
        x: maps (B, C, H, W), float32 or float64; padded with zeros to the size of the band.
        groups: groups of the convolution, which divide C.
        band: the frequencies that are kept, F of them.

    Returns:
        Complex coefficients (F, groups, B, C/groups).
    """
    (height, width), (k_h, k_w) = band.size, band.kept
    samples, channels = x.shape[:2]
    kept = x.new_empty(band.rows, k_w, groups, samples, channels // groups, dtype=COMPLEX[x.dtype])
    at_once = samples_at_once(band.size, channels)
    for first in range(0, samples, at_once):
        part = slice(first, first + at_once)
        # rows first: columns beyond the band are never transformed along H
        whole = torch.fft.fft(torch.fft.rfft(x[part], n=width)[..., :k_w], n=height, dim=-2)
        ordered = whole.unflatten(1, (groups, channels // groups)).permute(3, 4, 1, 0, 2)
        kept[:k_h, :, :, part] = ordered[:k_h]
        kept[k_h:, :, :, part] = ordered[height - (band.rows - k_h) :]
    spectrum: Tensor = kept.flatten(0, 1)
    return spectrum


def maps_of(spectrum: Tensor, band: Band, taps: Taps) -> Tensor:
    """Return the real maps (B, C, H', W') of a kept spectrum (F, groups, B, C/groups), at the places of the outputs."""
    (height, width), (k_h, k_w) = band.size, band.kept
    groups, channels = spectrum.shape[1], spectrum.shape[3]
    kept = spectrum.unflatten(0, (band.rows, k_w)).permute(3, 2, 4, 0, 1)
    parts = []
    for part in kept.split(samples_at_once(band.size, groups * channels)):
        whole = part.new_zeros(len(part), groups, channels, height, k_w)
        whole[..., :k_h, :] = part[..., :k_h, :]
        whole[..., height - (band.rows - k_h) :, :] = part[..., k_h:, :]
        rows = torch.fft.ifft(whole.flatten(1, 2), dim=-2)[:, :, : taps.reach[0] : taps.stride[0]]
        parts.append(torch.fft.irfft(rows, n=width)[..., : taps.reach[1] : taps.stride[1]])
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def spread(grad: Tensor, taps: Taps) -> Tensor:
    """Return gradients of outputs (B, C, H', W') at their places of the full resolution: the adjoint of the stride."""
    if taps.stride == (1, 1):
        return grad
    full = grad.new_zeros(*grad.shape[:2], *taps.reach)
    full[:, :, :: taps.stride[0], :: taps.stride[1]] = grad
    return full


def filter_spectrum(weight: Tensor, groups: int, band: Band, taps: Taps) -> Tensor:
    """Return the kept spectrum (F, groups, O/groups, C/groups) of filters (O, C/groups, K_h, K_w).

    Two products with the waves at the taps take less time and memory than a transform of filters that are padded to
    the size of the maps.
    """
    of_rows, of_columns = _waves(weight.shape, band, taps, weight)
    by_tap = weight.permute(2, 3, 0, 1).flatten(2).to(of_rows.dtype)  # (K_h, K_w, O·C/groups)
    columns = of_columns @ by_tap  # (K_h, k_w, O·C/groups)
    kept = of_rows @ columns.flatten(1)
    spectrum: Tensor = kept.view(band.coefficients, groups, weight.shape[0] // groups, weight.shape[1])
    return spectrum


def filters_of(spectrum: Tensor, shape: Sequence[int], band: Band, taps: Taps) -> Tensor:
    """Return the real filters of a shape (O, C/groups, K_h, K_w) from a spectrum (F, groups, O/groups, C/groups).

    Only the taps of the inverse transform are computed.
    """
    of_rows, of_columns = _waves(shape, band, taps, spectrum.real)
    columns = of_rows.mH @ spectrum.reshape(band.rows, -1)  # (K_h, k_w·O·C/groups)
    # the one-sided spectrum stands for its mirror image too, which column 0 and the last of an even width do not have
    mirrored = of_columns.new_full((band.kept[1], 1), 2.0)
    mirrored[0] = 1
    if 2 * (band.kept[1] - 1) == band.size[1]:
        mirrored[-1] = 1
    by_tap = (of_columns * mirrored).mH @ columns.view(shape[2], band.kept[1], -1)  # (K_h, K_w, O·C/groups)
    filters: Tensor = by_tap.real.unflatten(2, shape[:2]).permute(2, 3, 0, 1) / math.prod(band.size)
    return filters


def _waves(shape: Sequence[int], band: Band, taps: Taps, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return exp(−2πi·f·place/n) of the kept frequencies f and the taps' places: (rows, K_h) and (k_w, K_w).

    Args:
        shape: shape of the filters (O, C/groups, K_h, K_w).
        band: the frequencies, and n of each axis.
        taps: the places a·dilation − before.
        like: a real tensor of the filters' type and device.
    """
    rows = torch.arange(band.rows, device=like.device)
    rows[band.kept[0] :] += band.size[0] - band.rows  # the last rows of the whole spectrum
    columns = torch.arange(band.kept[1], device=like.device)
    waves = []
    for axis, frequencies in enumerate((rows, columns)):
        places = torch.arange(shape[2 + axis], device=like.device) * taps.dilation[axis] - taps.before[axis]
        turns = torch.outer(frequencies, places) % band.size[axis]  # whole numbers: no accuracy is lost to large angles
        angle = turns.to(like.dtype) * (-2 * math.pi / band.size[axis])
        waves.append(torch.polar(torch.ones_like(angle), angle))
    return waves[0], waves[1]
