"""Band-limited convolution as one node of autograd's graph."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mho.nn.band_limited.band import Band
from mho.nn.band_limited.transforms import Taps, filter_spectrum, filters_of, map_spectrum, maps_of, spread


@final
class BandLimitedConvolution(torch.autograd.Function):
    """y = F⁻¹{(F_x M)·conj(F_w M)} at full resolution, of which the stride's places are kept; M is the band.

    Backward masks likewise: with ĝ the kept spectrum of the gradient of y, dx = F⁻¹{ĝ·(F_w M)} and
    dw = F⁻¹{conj(ĝ)·(F_x M)}. Between forward and backward only kept coefficients live: those of the maps if the
    filters need a gradient, those of the filters if the maps do.

    Source: Dziedzic et al. 2019, section 3; the conjugate, because layers correlate.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, groups: int, band: Band, taps: Taps) -> Tensor:
        """Return the outputs (B, O, H', W') of maps (B, C, H, W) and filters (O, C/groups, K_h, K_w)."""
        of_maps = map_spectrum(x, groups, band)
        of_filters = filter_spectrum(weight, groups, band, taps)
        needs_maps, needs_filters = ctx.needs_input_grad[:2]
        ctx.save_for_backward(of_maps if needs_filters else None, of_filters if needs_maps else None)
        ctx.shapes, ctx.groups, ctx.band, ctx.taps = (x.shape, weight.shape), groups, band, taps
        return maps_of(of_maps @ of_filters.mH, band, taps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        """Return the gradients of the maps and of the filters from that of the outputs (B, O, H', W')."""
        of_maps, of_filters = ctx.saved_tensors
        band, taps, (map_shape, filter_shape) = ctx.band, ctx.taps, ctx.shapes
        of_grad = map_spectrum(spread(grad, taps), ctx.groups, band)  # (F, groups, B, O/groups)
        for_maps = for_filters = None
        if of_filters is not None:
            everywhere = Taps((1, 1), (1, 1), (0, 0), tuple(map_shape[2:]))
            for_maps = maps_of(of_grad @ of_filters, band, everywhere)
        if of_maps is not None:
            for_filters = filters_of(of_grad.mH @ of_maps, filter_shape, band, taps)
        return for_maps, for_filters, None, None, None
