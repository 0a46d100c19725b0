"""Band-limited convolutions in place of torch's."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self, final

import torch
from torch import Tensor, nn

from mho.errors import InvalidValue, InWords
from mho.nn.band_limited.function import BandLimitedConvolution
from mho.nn.band_limited.geometry import Geometry
from mho.nn.band_limited.limit import BandLimit

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
TYPES = (torch.float32, torch.float64)


class BandLimited(nn.modules.conv._ConvNd):
    """Base of band-limited convolutions, each of which is a convolution of torch too.

    Attributes:
        axes: axes of a map; a sequence is transformed as a map of one row.
        limit: the compression or energy.
    """

    axes: ClassVar[int]
    limit: BandLimit

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        compression: float | None = None,
        energy: float | None = None,
    ) -> None:
        limit = BandLimit(compression=compression, energy=energy, axes=self.axes)
        convolution: Any = super()  # torch's, whose class has the layer's number of axes
        convolution.__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )  # fmt: skip
        self.limit = limit

    @classmethod
    def of(cls, conv: nn.Module, *, compression: float | None = None, energy: float | None = None) -> Self:
        """Return a band-limited layer that shares parameters, hooks and mode with a convolution of as many axes."""
        layer = cls.__new__(cls)
        # dictionaries of its own: what is registered or moved later belongs to one of the two
        layer.__dict__.update(
            {name: copy.copy(held) if isinstance(held, dict) else held for name, held in vars(conv).items()}
        )
        layer.limit = BandLimit(compression=compression, energy=energy, axes=cls.axes)
        return layer

    @property
    def geometry(self) -> Geometry:
        """Kernel, stride, dilation and padding, on maps of one row for sequences."""
        kernel, stride, dilation = self.kernel_size, self.stride, self.dilation
        if isinstance(self.padding, str):
            total = [d * (k - 1) if self.padding == "same" else 0 for d, k in zip(dilation, kernel, strict=True)]
            before = tuple(n // 2 for n in total)
            after = tuple(n - n // 2 for n in total)
        else:
            before = after = tuple(self.padding)
        return Geometry(_pair(kernel, 1), _pair(stride, 1), _pair(dilation, 1), _pair(before, 0), _pair(after, 0))

    def forward(self, input: Tensor) -> Tensor:  # torch's name
        """Return (B, out_channels, H', W') for maps (B, in_channels, H, W), or both without B; sequences have no H.

        Raises:
            InvalidValue: for maps of another shape or type, or smaller than the filter reaches.
        """
        self._check(input)
        if not input.numel():  # transforms refuse empty batches
            answer: Tensor = super().forward(input)
            return answer
        batched, flat = input.dim() == self.axes + 2, self.axes == 1
        x, weight = input if batched else input[None], self.weight
        out = self._convolve(x.unsqueeze(2), weight.unsqueeze(2)).squeeze(2) if flat else self._convolve(x, weight)
        return out if batched else out[0]

    def extra_repr(self) -> str:
        """Return the sizes and options of the layer in words, as print(model) shows them."""
        return f"{super().extra_repr()}, {self.limit}"  # type: ignore[no-untyped-call]

    def _check(self, x: Tensor) -> None:
        """Raise InvalidValue for an input of a wrong shape or type."""
        name, sides = type(self).__name__, ("height, width" if self.axes == 2 else "length")
        if x.dim() not in (self.axes + 1, self.axes + 2) or x.shape[-self.axes - 1] != self.in_channels:
            raise InvalidValue(
                f"layer {name}: input of shape {tuple(x.shape)}; give (batch, {self.in_channels}, {sides})"
            )
        autocast = torch.is_autocast_enabled(x.device.type)
        for what, given in (("the input", x), ("the weight", self.weight)):
            if given.dtype not in TYPES and not (autocast and given.is_floating_point()):
                raise InvalidValue(
                    f"layer {name}: {what} is {given.dtype}, which transforms do not take on every device; give "
                    "float32 or float64, or use torch.autocast, under which this layer computes in float32"
                )
        if x.dtype != self.weight.dtype and not autocast:
            raise InvalidValue(
                f"layer {name}: the input is {x.dtype} and the weight {self.weight.dtype}; give both one type"
            )

    def _convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        """Convolve maps (B, C, H, W) with filters (O, C/groups, K_h, K_w), and add the bias."""
        bias, geometry = self.bias, self.geometry
        if torch.is_autocast_enabled(x.device.type):
            whole = torch.promote_types(torch.promote_types(x.dtype, weight.dtype), torch.float32)
            x, weight, bias = x.to(whole), weight.to(whole), None if bias is None else bias.to(whole)
        if self.padding_mode != "zeros":
            x, geometry = geometry.pad(x, self.padding_mode)
        out = geometry.output_size(x.shape[2:])
        if min(out) < 1:
            raise InvalidValue(
                f"{type(self).__name__}: an input of {' × '.join(map(str, x.shape[2:]))} with its padding is smaller "
                f"than the {' × '.join(map(str, geometry.reach))} that the filter reaches"
            )
        band = self.limit.band(x, geometry.transform_size(x.shape[2:]))
        answer: Tensor = BandLimitedConvolution.apply(x, weight, self.groups, band, geometry.taps(x.shape[2:]))  # type: ignore[no-untyped-call]
        return answer if bias is None else answer + bias[:, None, None]


@final
class BandLimitedConv2d(BandLimited, nn.Conv2d, metaclass=InWords):
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

    axes = 2


@final
class BandLimitedConv1d(BandLimited, nn.Conv1d, metaclass=InWords):
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

    axes = 1


def _pair(values: Sequence[int], of_rows: int) -> tuple[int, int]:
    """Return the values of two axes; of a single axis rows get `other`."""
    return (values[0], values[1]) if len(values) == 2 else (of_rows, values[0])
