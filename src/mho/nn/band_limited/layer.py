"""Band-limited convolutions in place of torch's."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal, Self, final

import torch
from torch import Tensor, nn

from mho.errors import InvalidValue, InWords
from mho.nn.band_limited.function import BandLimitedConvolution
from mho.nn.band_limited.geometry import Geometry
from mho.nn.band_limited.limit import BandLimit

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
TYPES = (torch.float32, torch.float64)


@final
class BandLimitedConv2d(nn.Conv2d, metaclass=InWords):
    """A convolution that keeps only low frequencies of its maps and filters, in forward and backward.

    y = F⁻¹{(F_x M)·conj(F_w M)} + b: maps and filters are transformed at a size H×W of at least map + kernel − 1, and
    the mask M keeps rows 0 to k_h − 1 and the last k_h − 1 rows of columns 0 to k_w − 1, with
    k = ⌊(⌊n/2⌋ + 1)·√(1 − C/100)⌋ of each axis. Strides pick outputs of the full resolution. At C = 0 it is the
    convolution of `torch.nn.Conv2d`, whose state_dict it loads. Between forward and backward it holds the kept
    coefficients of maps and filters and nothing else.

    Under autocast it computes in float32, and returns float32. `torch.compile` takes it into its graphs; energy mode
    ends a graph at each layer, because its band depends on the batch. Second derivatives raise.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype: as
            of `torch.nn.Conv2d`; float32 or float64.
        compression: C, share of the coefficients that is dropped, in per cent, from 0 to below 100.
        energy: in place of a compression: share of Σ|F_x|² over a batch that is kept at least, in per cent, greater
            than 0 and at most 100. Each batch gets the smallest band that holds it, in evaluation too, so that an
            answer depends on the other images of its batch.

    Attributes:
        limit: the compression or energy; `limit.last` is the band of the last batch, `limit.mean_compression` what
            batches lost on average since `limit.forget()`.

    Raises:
        InvalidValue: unless exactly one of compression and energy is given, within its range.

    Source: A. Dziedzic, J. Paparrizos, S. Krishnan, A. Elmore, M. Franklin, ICML 2019, arXiv 1911.09287.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        compression: float | None = None,
        energy: float | None = None,
    ) -> None:
        limit = BandLimit(compression=compression, energy=energy, axes=2)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )  # fmt: skip
        self.limit = limit

    @classmethod
    def of(cls, conv: nn.Conv2d, *, compression: float | None = None, energy: float | None = None) -> Self:
        """Return a band-limited layer that shares parameters, hooks and mode with a convolution."""
        layer = cls.__new__(cls)
        _take_over(layer, conv, BandLimit(compression=compression, energy=energy, axes=2))
        return layer

    @property
    def geometry(self) -> Geometry:
        """Kernel, stride, dilation and padding."""
        return _geometry(self)

    def forward(self, input: Tensor) -> Tensor:  # torch's name
        """Return (B, out_channels, H', W') for maps (B, in_channels, H, W), or both without B.

        Raises:
            InvalidValue: for maps of another shape or type, or smaller than the filter reaches.
        """
        _check(self, input, axes=2)
        if not input.numel():  # transforms refuse empty batches
            return super().forward(input)
        batched = input.dim() == 4
        out = _convolve(self, input if batched else input[None], self.weight)
        return out if batched else out[0]

    def extra_repr(self) -> str:
        """Shown by print(model)."""
        return f"{super().extra_repr()}, {self.limit}"  # type: ignore[no-untyped-call]


@final
class BandLimitedConv1d(nn.Conv1d, metaclass=InWords):
    """A convolution of sequences that keeps only low frequencies; all else as of `BandLimitedConv2d`.

    The mask keeps the first k = ⌊(⌊n/2⌋ + 1)·(1 − C/100)⌋ coefficients of a transform of length n.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype: as
            of `torch.nn.Conv1d`; float32 or float64.
        compression: C, share of the coefficients that is dropped, in per cent, from 0 to below 100.
        energy: in place of a compression: share of each batch's energy that is kept at least, in per cent.

    Attributes:
        limit: as of `BandLimitedConv2d`.

    Raises:
        InvalidValue: unless exactly one of compression and energy is given, within its range.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: int | tuple[int] | str = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        compression: float | None = None,
        energy: float | None = None,
    ) -> None:
        limit = BandLimit(compression=compression, energy=energy, axes=1)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )  # fmt: skip
        self.limit = limit

    @classmethod
    def of(cls, conv: nn.Conv1d, *, compression: float | None = None, energy: float | None = None) -> Self:
        """Return a band-limited layer that shares parameters, hooks and mode with a convolution."""
        layer = cls.__new__(cls)
        _take_over(layer, conv, BandLimit(compression=compression, energy=energy, axes=1))
        return layer

    @property
    def geometry(self) -> Geometry:
        """Kernel, stride, dilation and padding, on maps of one row."""
        return _geometry(self)

    def forward(self, input: Tensor) -> Tensor:  # torch's name
        """Return (B, out_channels, L') for sequences (B, in_channels, L), or both without B.

        Raises:
            InvalidValue: for sequences of another shape or type, or shorter than the filter reaches.
        """
        _check(self, input, axes=1)
        if not input.numel():  # transforms refuse empty batches
            return super().forward(input)
        batched = input.dim() == 3
        rows = (input if batched else input[None]).unsqueeze(2)  # maps of one row
        out = _convolve(self, rows, self.weight.unsqueeze(2)).squeeze(2)
        return out if batched else out[0]

    def extra_repr(self) -> str:
        """Shown by print(model)."""
        return f"{super().extra_repr()}, {self.limit}"  # type: ignore[no-untyped-call]


def _take_over(layer: BandLimitedConv1d | BandLimitedConv2d, conv: nn.Module, limit: BandLimit) -> None:
    """Give a layer that no constructor has run on all that a convolution holds: parameters, hooks, mode."""
    # dictionaries of its own: what is registered or moved later belongs to one of the two
    layer.__dict__.update(
        {name: copy.copy(held) if isinstance(held, dict) else held for name, held in vars(conv).items()}
    )
    layer.limit = limit


def _check(layer: nn.Conv1d | nn.Conv2d, x: Tensor, *, axes: int) -> None:
    """Raise InvalidValue for an input of a wrong shape or type."""
    name, sides = type(layer).__name__, ("height, width" if axes == 2 else "length")
    if x.dim() not in (axes + 1, axes + 2) or x.shape[-axes - 1] != layer.in_channels:
        raise InvalidValue(f"layer {name}: input of shape {tuple(x.shape)}; give (batch, {layer.in_channels}, {sides})")
    autocast = torch.is_autocast_enabled(x.device.type)
    for what, given in (("the input", x), ("the weight", layer.weight)):
        if given.dtype not in TYPES and not (autocast and given.is_floating_point()):
            raise InvalidValue(
                f"layer {name}: {what} is {given.dtype}, which transforms do not take on every device; give float32 or "
                "float64, or use torch.autocast, under which this layer computes in float32"
            )
    if x.dtype != layer.weight.dtype and not autocast:
        raise InvalidValue(
            f"layer {name}: the input is {x.dtype} and the weight {layer.weight.dtype}; give both one type"
        )


def _geometry(layer: nn.Conv1d | nn.Conv2d) -> Geometry:
    """Return a layer's geometry; sequences have a first axis of one row."""
    kernel, stride, dilation = layer.kernel_size, layer.stride, layer.dilation
    if isinstance(layer.padding, str):
        total = [d * (k - 1) if layer.padding == "same" else 0 for d, k in zip(dilation, kernel, strict=True)]
        before = tuple(n // 2 for n in total)
        after = tuple(n - n // 2 for n in total)
    else:
        before = after = tuple(layer.padding)
    return Geometry(_pair(kernel, 1), _pair(stride, 1), _pair(dilation, 1), _pair(before, 0), _pair(after, 0))


def _pair(values: Sequence[int], of_rows: int) -> tuple[int, int]:
    """Return the values of two axes; of a single axis rows get `other`."""
    return (values[0], values[1]) if len(values) == 2 else (of_rows, values[0])


def _convolve(layer: BandLimitedConv1d | BandLimitedConv2d, x: Tensor, weight: Tensor) -> Tensor:
    """Convolve maps (B, C, H, W) with filters (O, C/groups, K_h, K_w), and add the bias."""
    bias, geometry = layer.bias, layer.geometry
    if torch.is_autocast_enabled(x.device.type):
        whole = torch.promote_types(torch.promote_types(x.dtype, weight.dtype), torch.float32)
        x, weight, bias = x.to(whole), weight.to(whole), None if bias is None else bias.to(whole)
    if layer.padding_mode != "zeros":
        x, geometry = geometry.pad(x, layer.padding_mode)
    out = geometry.output_size(x.shape[2:])
    if min(out) < 1:
        raise InvalidValue(
            f"{type(layer).__name__}: an input of {' × '.join(map(str, x.shape[2:]))} with its padding is smaller than "
            f"the {' × '.join(map(str, geometry.reach))} that the filter reaches"
        )
    band = layer.limit.band(x, geometry.transform_size(x.shape[2:]))
    answer: Tensor = BandLimitedConvolution.apply(x, weight, layer.groups, band, geometry.taps(x.shape[2:]))  # type: ignore[no-untyped-call]
    return answer if bias is None else answer + bias[:, None, None]
