"""Limit of a layer: the share of its maps' spectra that it keeps."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from mho.errors import Faults
from mho.nn.band_limited.band import Band, energy_band, fixed_band
from mho.nn.compiled import outside_graphs


@final
class BandLimit:
    """Asked compression or energy of one layer, and what it came to.

    Args:
        compression: share of the coefficients that is dropped, in per cent, from 0 to below 100; 0 drops none.
        energy: share of each batch's energy that is kept at least, in per cent, greater than 0 and at most 100.
        axes: 2 for maps, 1 for sequences.

    Attributes:
        last: band of the last batch; None before the first.

    Raises:
        InvalidValue: unless exactly one of compression and energy is given, within its range.
    """

    def __init__(self, *, compression: float | None, energy: float | None, axes: int) -> None:
        faults = Faults("band limit")
        if (compression is None) == (energy is None):
            given = "neither is given" if compression is None else f"both are given ({compression!r}, {energy!r})"
            faults.add(f"give one of compression and energy, for example compression=50; {given}")
        if faults.number("compression", compression, low=0.0, optional=True) and (compression or 0) >= 100:
            faults.add(f"compression is {compression!r}; give per cent from 0 to below 100")
        faults.number("energy", energy, above=0.0, high=100.0, optional=True)
        faults.raise_any()
        self._compression, self._energy, self.axes = compression, energy, axes
        self.last: Band | None = None
        self._batches, self._compressions = 0, 0.0

    def band(self, x: Tensor, size: tuple[int, int]) -> Band:
        """Return the band of a batch (B, C, h, w) that is transformed at a size (H, W), and record it.

        Compiled code records the bands of energy mode only: each of them ends a graph, and fixed bands do not.
        """
        if self.energy is not None:
            return self._by_energy(x, size, self.energy)
        assert self.compression is not None
        band = fixed_band(size, self.compression, axes=self.axes)
        if not torch.compiler.is_compiling():
            self._record(band)
        return band

    @outside_graphs
    def _by_energy(self, x: Tensor, size: tuple[int, int], energy: float) -> Band:
        band = energy_band(x.detach(), size, energy)
        self._record(band)
        return band

    def _record(self, band: Band) -> None:
        self.last = band
        self._batches += 1
        self._compressions += band.compression

    @property
    def compression(self) -> float | None:
        """Return the asked share to drop, in per cent; None in energy mode."""
        return self._compression

    @property
    def energy(self) -> float | None:
        """Return the asked share of the energy to keep, in per cent; None where a compression was asked for."""
        return self._energy

    @property
    def mean_compression(self) -> float | None:
        """Return the share of coefficients dropped, in per cent, as a mean over the batches since `forget`, or None."""
        return self._compressions / self._batches if self._batches else None

    def forget(self) -> None:
        """Begin `mean_compression` anew with the next batch, and set `last` to None; the limit itself stays."""
        self.last = None
        self._batches, self._compressions = 0, 0.0

    def __str__(self) -> str:
        return f"compression {self.compression:g} %" if self.energy is None else f"energy {self.energy:g} %"
