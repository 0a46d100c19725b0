"""A band-limited convolution on arrays: maps are limited digitally, and the filters' arrays read them.

The mask is idempotent, (F_x M)·(F_w M) = (F_x M)·F_w: a band-limited convolution is the plain convolution of
band-limited maps. So arrays hold the filters as those of a Conv2d, and the limit stays in digital logic before them.
"""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from mho.errors import InvalidValue
from mho.nn.band_limited.band import Band
from mho.nn.band_limited.geometry import Geometry
from mho.nn.band_limited.layer import BandLimitedConv2d
from mho.nn.band_limited.limit import BandLimit
from mho.nn.conv import CONV2D, Conv2d, geometry_of
from mho.nn.kinds import LayerKind, register


@final
class LimitedMaps:
    """Pads maps as a convolution does, and takes from them all frequencies that its band does not keep.

    Args:
        geometry: geometry of the convolution.
        mode: its padding mode.
        limit: its compression or energy.
    """

    def __init__(self, geometry: Geometry, mode: str, limit: BandLimit) -> None:
        self.geometry, self.mode, self.limit = geometry, mode, limit

    def __call__(self, x: Tensor) -> Tensor:
        """Return (B, C, h + padding, w + padding) for maps (B, C, h, w); a differentiable function of torch."""
        geometry = self.geometry
        if self.mode != "zeros":
            x, geometry = geometry.pad(x, self.mode)
        size = geometry.transform_size(x.shape[2:])
        low = limit_maps(x, self.limit.band(x, size))
        sides = zip(x.shape[2:], geometry.before, geometry.after, size, strict=True)
        # the padding of zeros is not empty any more: ripples of the maps run into it, and around the transform
        rows, columns = (
            (torch.arange(before + n + after, device=x.device) - before) % length for n, before, after, length in sides
        )
        return low[:, :, rows][:, :, :, columns]

    def __str__(self) -> str:
        return f"its input band-limited digitally ({self.limit})"


def limit_maps(x: Tensor, band: Band) -> Tensor:
    """Return maps (B, C, H, W) of the size of a band's transform: x, padded with zeros, without what the band drops."""
    spectrum = torch.fft.rfft2(x, s=band.size)
    kept = torch.zeros(spectrum.shape[2:], dtype=torch.bool, device=x.device)
    kept[: band.kept[0], : band.kept[1]] = True
    kept[band.size[0] - (band.rows - band.kept[0]) :, : band.kept[1]] = True
    maps: Tensor = torch.fft.irfft2(spectrum * kept, s=band.size)
    return maps


def _make(module: BandLimitedConv2d, *, replicas: int, **options: Any) -> Conv2d:
    """Make the layer on arrays.

    Raises:
        InvalidValue: for several replicas in energy mode.
    """
    limit = module.limit
    if limit.energy is not None and replicas > 1:
        raise InvalidValue(
            f"{options['name']}: energy={limit.energy:g} takes one band for a batch, and replicas would share it; use "
            "replicas=1, or mho.band_limit(model, compression=...) before convert"
        )
    own = BandLimit(compression=limit.compression, energy=limit.energy, axes=limit.axes)
    layer = CONV2D.make(module, replicas=replicas, **options)
    assert isinstance(layer, Conv2d)
    layer.limited = LimitedMaps(module.geometry, module.padding_mode, own)
    return layer


def _twin(layer: Conv2d) -> BandLimitedConv2d:
    assert isinstance(layer.limited, LimitedMaps)
    limit = layer.limited.limit
    return BandLimitedConv2d(**geometry_of(layer), compression=limit.compression, energy=limit.energy)


KIND = register(
    LayerKind(
        replaces=BandLimitedConv2d,
        layer=Conv2d,
        make=_make,
        matrices=CONV2D.matrices,
        vectors=CONV2D.vectors,
        fault=CONV2D.fault,
        passage=CONV2D.passage,
        digital=lambda layer: str(layer.limited),
        twin=_twin,
    )
)
