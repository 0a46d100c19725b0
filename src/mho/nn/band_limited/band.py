"""Band of frequencies that a band-limited convolution keeps."""

from __future__ import annotations

import dataclasses
import math
from typing import final

import torch
from torch import Tensor

CHUNK = 2**22
"""Real numbers of maps that are transformed at once: whole spectra take 16 MiB in float32, however large the batch."""


def samples_at_once(size: tuple[int, int], channels: int) -> int:
    """Return how many samples of a batch to transform at once, at least 1: such that their spectra take about 16 MiB.

    Args:
        size: height and width of the transform in pixels.
        channels: channels of a sample.
    """
    return max(1, CHUNK // (size[0] * size[1] * channels))


@final
@dataclasses.dataclass(frozen=True)
class Band:
    """Low frequencies that are kept of maps transformed at one size, in the one-sided spectrum of real maps.

    Kept are rows 0 to k_h − 1 and the last k_h − 1 rows, which are the negative frequencies, of columns 0 to k_w − 1;
    each once where the two sets of rows meet.

    Attributes:
        size: H and W of the transform, at least 1.
        kept: k_h and k_w, from 1 to ⌊H/2⌋ + 1 and ⌊W/2⌋ + 1.
    """

    size: tuple[int, int]
    kept: tuple[int, int]

    @property
    def rows(self) -> int:
        """Return the number of rows of the spectrum that are kept."""
        return min(2 * self.kept[0] - 1, self.size[0])

    @property
    def coefficients(self) -> int:
        """Return the number of complex coefficients that are kept of a map."""
        return self.rows * self.kept[1]

    @property
    def whole(self) -> int:
        """Return the number of complex coefficients of the whole one-sided spectrum of a map."""
        return self.size[0] * (self.size[1] // 2 + 1)

    @property
    def compression(self) -> float:
        """Share of the coefficients that is dropped, in per cent: the share asked for, but for the rounding of k."""
        return 100 * (1 - self.coefficients / self.whole)


def fixed_band(size: tuple[int, int], compression: float, *, axes: int) -> Band:
    """Return the band of a compression: k = ⌊(⌊n/2⌋ + 1)·(1 − C/100)^(1/axes)⌋ of each axis, at least 1.

    Args:
        size: H and W of the transform.
        compression: C, in per cent, from 0 to below 100.
        axes: 2 for maps; 1 for sequences, which lie along W with H = 1.

    Source: Dziedzic et al. 2019, section 3; the square root, 2 axes, is the paper's.
    """
    share = (1 - compression / 100) ** (1 / axes)
    # 1e-9: a product that is whole but for rounding, 20 · 0.8, is whole
    kept = [max(1, math.floor((n // 2 + 1) * share + 1e-9)) for n in size]
    return Band(size, (kept[0], kept[1]))


def energy_band(x: Tensor, size: tuple[int, int], energy: float) -> Band:
    """Return the smallest band that holds at least a share of the energy of a batch of maps.

    The bands grow by one share s of both axes: k = ⌊(⌊n/2⌋ + 1)·s⌋. The energy is Σ|F|² over the batch, the channels
    and the whole, two-sided spectrum, so that the share is also that of Σx² (Parseval).

    Args:
        x: maps (B, C, h, w) of at most H and W.
        size: H and W of the transform.
        energy: share in per cent, from above 0 to 100.

    Source: Dziedzic et al. 2019, energy-based compression.
    """
    height, width = size
    halves = (height // 2 + 1, width // 2 + 1)
    power = torch.zeros(height, halves[1], dtype=torch.float64, device=x.device)
    for part in x.split(samples_at_once(size, x.shape[1])):
        power += torch.view_as_real(torch.fft.rfft2(part, s=size)).square().sum(dim=(0, 1, 4)).double()
    twice = torch.full((halves[1],), 2.0, dtype=torch.float64, device=x.device)  # a column and its mirror image
    twice[0] = 1
    if width % 2 == 0:
        twice[-1] = 1
    rows = torch.arange(height, device=x.device)
    frequency = torch.minimum(rows, height - rows)  # |f| of each row
    # a coefficient is in the band from the share s on that makes k greater than |f| on both axes
    needed = torch.maximum(
        ((frequency + 1.0) / halves[0])[:, None], (torch.arange(halves[1], device=x.device) + 1.0) / halves[1]
    )
    shares, place = needed.double().flatten().unique(return_inverse=True)
    held = torch.zeros_like(shares).index_add_(0, place, (power * twice).flatten()).cumsum(0)
    # 1e-12: 100 per cent are reached although sums are rounded
    count = int((held < held[-1] * (energy / 100) * (1 - 1e-12)).sum())
    share = float(shares[min(count, len(shares) - 1)])
    kept = [max(1, math.floor(half * share + 1e-6)) for half in halves]  # 1e-6: float32 of `needed`
    return Band(size, (kept[0], kept[1]))
