"""Band-limited convolutions against torch's, and against their definition on two-sided spectra."""

from __future__ import annotations

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import mho
from mho.errors import InvalidValue
from mho.hardware import array_table
from mho.nn import (
    BandLimitedConv1d,
    BandLimitedConv2d,
    NotBandLimited,
    band_limit_rows,
    band_limit_table,
    conversion_rows,
    limit_maps,
)
from mho.nn.band_limited.band import Band, energy_band, fixed_band
from mho.nn.band_limited.geometry import Geometry, fast_length
from mho.training import choose_driver

EXACT = mho.presets.floating_point()
OPTIONS = [
    {},
    {"padding": 1},
    {"padding": 2, "bias": False},
    {"stride": (2, 1), "padding": (1, 0)},
    {"dilation": 2, "padding": "same"},
    {"kernel_size": 4, "padding": "same"},
    {"padding": "valid", "kernel_size": (2, 5)},
    {"groups": 2, "stride": 2},
    {"groups": 4, "bias": False, "stride": 3, "padding": 1},
    {"padding": 1, "padding_mode": "reflect"},
    {"padding": (2, 1), "padding_mode": "circular", "dilation": (1, 2), "stride": (1, 2)},
    {"padding": (6, 9)},
    {"kernel_size": 1},
    {"kernel_size": (9, 11), "padding": (0, 1)},
]


def pair(options, **limit) -> tuple[nn.Conv2d, BandLimitedConv2d]:
    """A convolution of 4 to 8 channels, and a band-limited one of the same weights."""
    torch.manual_seed(0)
    options = {"kernel_size": 3, **options}
    plain, limited = nn.Conv2d(4, 8, **options), BandLimitedConv2d(4, 8, **options, **limit)
    limited.load_state_dict(plain.state_dict())
    return plain, limited


def outputs_and_gradients(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """The output, and the gradients of a random functional of it for input and parameters."""
    x = x.detach().clone().requires_grad_()
    out = layer(x)
    generator = torch.Generator().manual_seed(1)
    out.backward(torch.randn(out.shape, generator=generator, dtype=torch.float64).to(out))
    return [out.detach(), x.grad, *(parameter.grad for parameter in layer.parameters())]


def naive(layer: BandLimitedConv2d, x: Tensor, kept: tuple[int, int]) -> Tensor:
    """The definition, for autograd: two-sided spectra of maps and filters, of which |f| < k is kept."""
    geometry = layer.geometry
    if layer.padding_mode != "zeros":
        x, geometry = geometry.pad(x, layer.padding_mode)
    size = geometry.transform_size(x.shape[2:])
    mask = torch.ones(size, dtype=torch.bool)
    for axis, (n, k) in enumerate(zip(size, kept, strict=True)):
        frequency = torch.fft.fftfreq(n, 1 / n).round().abs()
        mask &= (frequency < k)[:, None] if axis == 0 else frequency < k
    places = [
        torch.arange(k) * d - b for k, d, b in zip(geometry.kernel, geometry.dilation, geometry.before, strict=True)
    ]
    filters = torch.zeros(*layer.weight.shape[:2], *size, dtype=x.dtype)
    filters[:, :, (places[0] % size[0])[:, None], places[1] % size[1]] = layer.weight
    of_maps, of_filters = torch.fft.fft2(x, s=size) * mask, torch.fft.fft2(filters) * mask
    groups = zip(of_maps.chunk(layer.groups, 1), of_filters.chunk(layer.groups), strict=True)
    whole = torch.cat([torch.einsum("bchw,ochw->bohw", m, f.conj()) for m, f in groups], 1)
    out = torch.fft.ifft2(whole).real
    rows, columns = (
        torch.arange(n) * s for n, s in zip(geometry.output_size(x.shape[2:]), geometry.stride, strict=True)
    )
    out = out[:, :, rows[:, None], columns]
    return out if layer.bias is None else out + layer.bias[:, None, None]


# Against torch -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_at_compression_0_it_is_torchs_convolution(options):
    plain, limited = pair(options, compression=0)
    x = torch.randn(3, 4, 9, 11)
    for ours, theirs in zip(outputs_and_gradients(limited, x), outputs_and_gradients(plain, x), strict=True):
        # float32 transforms of up to 400 numbers, sums of up to 400 products: 1e-5 is the bound
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * max(1.0, float(theirs.abs().max())))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": 2, "stride": 2},
        {"dilation": 2, "padding": "same", "groups": 2},
        {"padding": 3, "padding_mode": "circular"},
        {"padding": 1, "padding_mode": "reflect", "bias": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("length", [7, 16])
def test_sequences_at_compression_0_too(options, length):
    torch.manual_seed(0)
    plain, limited = nn.Conv1d(4, 8, 3, **options), BandLimitedConv1d(4, 8, 3, **options, compression=0)
    limited.load_state_dict(plain.state_dict())
    x = torch.randn(2, 4, length)
    for ours, theirs in zip(outputs_and_gradients(limited, x), outputs_and_gradients(plain, x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(limited(x[0]), plain(x[0]), rtol=1e-5, atol=1e-5)


def test_single_maps_and_empty_batches_go_as_through_torch():
    plain, limited = pair({"padding": 1}, compression=0)
    x = torch.randn(4, 5, 6)
    torch.testing.assert_close(limited(x), plain(x), rtol=1e-5, atol=1e-5)
    empty = torch.randn(0, 4, 5, 6, requires_grad=True)
    limited(empty).sum().backward()
    assert limited(empty).shape == (0, 8, 5, 6)
    assert empty.grad.shape == empty.shape


# Against the definition --------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("compression", [10, 50, 80, 99])
def test_forward_and_backward_keep_the_band_of_the_definition(options, compression):
    _, limited = pair(options, compression=compression)
    limited.double()
    x = torch.randn(2, 4, 9, 11, dtype=torch.float64)
    ours = outputs_and_gradients(limited, x)
    kept = limited.limit.last.kept
    limited.zero_grad()
    expected = outputs_and_gradients(_Naive(limited, kept), x)
    for mine, theirs in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)  # float64: sums in another order


class _Naive(nn.Module):
    def __init__(self, layer, kept):
        super().__init__()
        self.layer, self.kept = layer, kept

    def forward(self, x):
        return naive(self.layer, x, self.kept)


@pytest.mark.parametrize("compression", [0, 50])
@pytest.mark.parametrize("size", [(5, 7), (6, 6)])
def test_gradcheck(compression, size):
    layer = BandLimitedConv2d(4, 2, 3, 2, 1, groups=2, compression=compression, dtype=torch.float64)
    x = torch.randn(2, 4, *size, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, w, b: torch.func.functional_call(layer, {"weight": w, "bias": b}, x), (x, layer.weight, layer.bias)
    )


def test_maps_without_high_frequencies_lose_nothing_but_those_of_the_filters_do():
    """A constant map is one coefficient: every compression convolves it as torch does, away from its edges."""
    plain, limited = pair({"padding_mode": "circular", "padding": 1}, compression=99)
    plain.weight.data, limited.weight.data = (torch.ones(8, 4, 3, 3) for _ in range(2))
    x = torch.full((1, 4, 16, 16), 2.0)
    assert abs(float((limited(x) - plain(x)).detach().mean())) > 0.1  # padded by zeros to 20×20, it is not constant
    low = limit_maps(x, Band((16, 16), (1, 1)))
    torch.testing.assert_close(low, x)


# The band ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(36, 36), (15, 16), (16, 15), (1, 24), (2, 3), (1, 1)])
def test_kept_coefficients_are_counted_exactly(size):
    height, width = size
    for compression in range(100):
        band = fixed_band(size, compression, axes=2)
        share = math.sqrt(1 - compression / 100)
        for n, k in zip(size, band.kept, strict=True):
            assert k == max(1, math.floor((n // 2 + 1) * share + 1e-9))
        by_hand = sum(
            min(row, height - row) < band.kept[0] and column < band.kept[1]
            for row in range(height)
            for column in range(width // 2 + 1)
        )
        assert band.coefficients == by_hand
        assert band.whole == height * (width // 2 + 1)
    assert fixed_band(size, 0, axes=2).coefficients == fixed_band(size, 0, axes=2).whole


def test_known_bands():
    """By hand: 19·√0.5 = 13.4 and 2·13 - 1 rows; 19·√0.2 = 8.5; 13·0.5 of a sequence."""
    assert fixed_band((36, 36), 50, axes=2).kept == (13, 13)
    assert fixed_band((36, 36), 50, axes=2).coefficients == 25 * 13
    assert fixed_band((36, 36), 80, axes=2).kept == (8, 8)
    assert fixed_band((1, 24), 50, axes=1) == Band((1, 24), (1, 6))
    assert fixed_band((38, 38), 36, axes=2).kept == (16, 16)  # 20 · 0.8, whole but for rounding
    assert fixed_band((36, 36), 50, axes=2).compression == pytest.approx(100 * (1 - 325 / 684))


def test_transforms_are_long_enough_and_fast():
    assert [fast_length(n) for n in (1, 7, 34, 36, 37, 121)] == [1, 8, 36, 36, 40, 125]
    geometry = Geometry(kernel=(3, 5), stride=(1, 1), dilation=(2, 1), before=(0, 2), after=(0, 2))
    assert geometry.transform_size((32, 32)) == (36, 36)  # 32 + 5 - 1


@pytest.mark.parametrize("size", [(12, 12), (9, 15), (16, 9)])
@pytest.mark.parametrize("energy", [30, 90, 99, 100])
def test_energy_mode_takes_the_smallest_band_of_the_batch(size, energy):
    torch.manual_seed(3)
    x = F.avg_pool2d(torch.randn(5, 3, size[0] + 1, size[1]), 3, 1) + 0.1
    band = energy_band(x, size, energy)
    power = torch.fft.fft2(x.double(), s=size).abs().square().sum((0, 1))
    rows, columns = (torch.fft.fftfreq(n, 1 / n).abs().round() for n in size)

    def held(kept) -> float:
        return 100 * float(power[rows < kept[0]][:, columns < kept[1]].sum() / power.sum())

    halves = [n // 2 + 1 for n in size]
    shares = sorted({(k + 1) / half for half in halves for k in range(half)})
    bands = [tuple(math.floor(half * share + 1e-9) for half in halves) for share in shares]
    bands = [kept for kept in bands if min(kept) > 0]
    assert band.kept == next(kept for kept in bands if held(kept) >= energy - 1e-9)


def test_energy_counts_both_sides_of_the_spectrum():
    """Two waves of equal energy, of which one has one coefficient in the one-sided spectrum, the other two."""
    turns = 2 * math.pi * torch.arange(12) / 12
    x = (torch.cos(3 * turns)[:, None] + torch.cos(turns)).expand(1, 1, 12, 12)
    assert energy_band(x, (12, 12), 45).kept == (2, 2)  # one-sided it would hold a third
    assert energy_band(x, (12, 12), 55).kept == (4, 4)


def test_energy_is_that_of_the_maps_and_not_of_the_filters():
    smooth = BandLimitedConv2d(1, 1, 3, padding=1, energy=95)
    rough = copy.deepcopy(smooth)
    smooth.weight.data.fill_(1.0)
    rough.weight.data.copy_(torch.tensor([[1.0, -1, 1], [-1, 1, -1], [1, -1, 1]]))
    x = F.avg_pool2d(torch.rand(4, 1, 20, 20), 5, 1)
    smooth(x), rough(x)
    assert smooth.limit.last == rough.limit.last
    first = smooth.limit.last.compression
    smooth(torch.randn(4, 1, 16, 16))  # white maps need nearly all
    assert smooth.limit.last.compression < 20 < first
    assert smooth.limit.mean_compression == pytest.approx((first + smooth.limit.last.compression) / 2)
    smooth.limit.forget()
    assert smooth.limit.mean_compression is None
    smooth(torch.zeros(1, 1, 16, 16))
    assert smooth.limit.last.kept == (1, 1)


# Memory ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [0, 50, 80])
@pytest.mark.parametrize("groups", [1, 2])
def test_only_kept_coefficients_live_until_backward(compression, groups):
    layer = BandLimitedConv2d(4, 6, 3, padding=1, groups=groups, bias=False, compression=compression)
    x = torch.randn(5, 4, 32, 32, requires_grad=True)
    band = fixed_band((36, 36), compression, axes=2)
    of_maps, of_filters = (band.coefficients * n * 8 for n in (5 * 4, 6 * 4 // groups))  # complex64: 8 bytes

    def saved(x: Tensor) -> list[int]:
        """Bytes of each tensor that is kept, with the whole memory that it holds on to."""
        found: list[Tensor] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda kept: found.append(kept) or kept, lambda kept: kept):
            layer(x)
        return [kept.untyped_storage().nbytes() for kept in found]

    assert saved(x) == [of_maps, of_filters]
    assert saved(x.detach()) == [of_maps]
    layer.weight.requires_grad_(False)
    assert saved(x) == [of_filters]
    assert saved(x.detach()) == []


@pytest.mark.parametrize("limit", [{"compression": 50}, {"energy": 80}], ids=str)
def test_large_batches_are_transformed_part_by_part(limit, monkeypatch):
    _, layer = pair({"padding": 1, "stride": 2, "groups": 2}, **limit)
    x = torch.randn(7, 4, 16, 16)
    whole = outputs_and_gradients(layer, x)
    layer.zero_grad()
    lengths = []
    rfft = torch.fft.rfft
    monkeypatch.setattr(torch.fft, "rfft", lambda x, n: lengths.append(len(x)) or rfft(x, n=n))
    monkeypatch.setattr("mho.nn.band_limited.band.CHUNK", 2 * 4 * 20 * 20)  # two samples of 4 channels
    for ours, theirs in zip(outputs_and_gradients(layer, x), whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)  # float32: batches are summed in other orders
    assert lengths == [2, 2, 2, 1] + [1] * 7  # of the maps; then of gradients of twice as many channels


# As torch users meet it --------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [{"compression": 50}, {"energy": 90}], ids=str)
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_torch_compile(limit, backend):
    _, layer = pair({"padding": 1, "stride": 2}, **limit)
    x = torch.randn(3, 4, 9, 11)
    expected = outputs_and_gradients(layer, x)
    layer.zero_grad()
    compiled = torch.compile(layer, backend=backend, fullgraph="compression" in limit)
    for ours, theirs in zip(outputs_and_gradients(compiled, x), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)  # compiled sums may run in another order


@pytest.mark.parametrize("given", [torch.float32, torch.bfloat16])
def test_autocast_computes_in_float32(given):
    _, layer = pair({"padding": 1}, compression=50)
    x = torch.randn(3, 4, 9, 11).to(given)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(x)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, layer(x.float()))
    out.sum().backward()
    assert layer.weight.grad.dtype == torch.float32


def test_data_parallel_and_copies():
    _, layer = pair({"padding": 1}, compression=50)
    x = torch.randn(3, 4, 9, 11)
    for twin in (nn.DataParallel(layer), copy.deepcopy(layer)):
        torch.testing.assert_close(twin(x), layer(x))
    torch.testing.assert_close(
        layer.double()(x.double()).float(), pair({"padding": 1}, compression=50)[1](x), rtol=1e-5, atol=1e-5
    )


def test_second_derivatives_raise():
    _, layer = pair({}, compression=50)
    x = torch.randn(1, 4, 5, 5, requires_grad=True)
    (grad,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({}, "give one of compression and energy, for example compression=50; neither is given"),
        ({"compression": 5, "energy": 5}, r"both are given \(5, 5\)"),
        ({"compression": 100}, "compression is 100; give per cent from 0 to below 100"),
        ({"compression": -1}, "compression is -1; give a number of at least 0"),
        ({"compression": "50"}, "compression is '50'; give a number"),
        ({"compression": math.nan}, "compression is nan"),
        ({"energy": 0}, "energy is 0; give a number greater than 0 and at most 100"),
        ({"energy": 101}, "energy is 101"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [BandLimitedConv1d, BandLimitedConv2d, "model"], ids=str)
def test_limits_out_of_range_raise(kind, limit, words):
    with pytest.raises(InvalidValue, match=words):
        mho.band_limit(nn.Conv2d(1, 1, 3), **limit) if kind == "model" else kind(1, 1, 3, **limit)


def test_inputs_that_do_not_fit_raise():
    _, layer = pair({}, compression=50)
    for x, words in (
        (torch.zeros(2, 3, 8, 8), r"input of shape \(2, 3, 8, 8\); give \(batch, 4, height, width\)"),
        (torch.zeros(4, 8), r"input of shape \(4, 8\)"),
        (torch.zeros(2, 4, 2, 8), "an input of 2 × 8 with its padding is smaller than the 3 × 3"),
        (torch.zeros(2, 4, 8, 8).half(), r"the input is torch.float16.*use torch.autocast"),
        (torch.zeros(2, 4, 8, 8).double(), "the input is torch.float64 and the weight torch.float32"),
        (torch.zeros(2, 4, 8, 8, dtype=torch.complex64), "the input is torch.complex64"),
    ):
        with pytest.raises(InvalidValue, match=words):
            layer(x)
    with pytest.raises(InvalidValue, match=r"BandLimitedConv1d: input of shape \(2, 3, 8\); give \(batch, 4, length\)"):
        BandLimitedConv1d(4, 4, 3, compression=0)(torch.zeros(2, 3, 8))


# Models ------------------------------------------------------------------------------------------------


class Special(nn.Conv2d):
    """A convolution that may compute something else."""


def mixed() -> nn.Sequential:
    torch.manual_seed(0)
    shared = nn.Conv2d(4, 4, 3, padding=1)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), shared, shared, nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.Flatten()
    )


def test_a_model_is_copied_and_each_convolution_is_listed(capsys):
    model = mixed()
    before = copy.deepcopy(model.state_dict())
    limited = mho.band_limit(model, compression=50, exclude=["5"])
    assert "band-limited, compression 50 %" in capsys.readouterr().err
    assert [(row.name, row.kind, row.became) for row in band_limit_rows(limited)] == [
        ("0", "Conv2d", "band-limited, compression 50 %"),
        ("1", "Conv2d", "band-limited, compression 50 %"),
        ("3", "Conv2d", "unchanged (1×1: pointwise=True limits it)"),
        ("5", "Conv2d", "unchanged (excluded)"),
    ]
    assert band_limit_table(limited).row_count == 4
    assert limited[1] is limited[2]
    assert [type(layer) for layer in model][:2] == [nn.Conv2d, nn.Conv2d]
    limited[0].weight.data.zero_()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    limited.load_state_dict(before)
    other = mho.band_limit(limited, energy=90, pointwise=True, quiet=True)
    assert [row.became for row in band_limit_rows(other)] == ["band-limited, energy 90 %"] * 4
    assert (limited[0].limit.compression, other[0].limit.energy) == (50, 90)
    assert capsys.readouterr().err == ""
    torch.testing.assert_close(
        mho.band_limit(other, compression=0, pointwise=True, quiet=True)(torch.ones(1, 3, 6, 6)),
        model(torch.ones(1, 3, 6, 6)), rtol=1e-5, atol=1e-5,
    )  # fmt: skip


def test_hooks_mode_and_frozen_parameters_stay():
    plain, seen = nn.Conv2d(1, 1, 3).eval(), []
    plain.weight.requires_grad_(False)
    plain.register_forward_hook(lambda *_: seen.append(1))
    limited = mho.band_limit(plain, compression=10, quiet=True)
    limited(torch.zeros(1, 1, 5, 5))
    assert (seen, limited.training, limited.weight.requires_grad) == ([1], False, False)
    direct = BandLimitedConv2d.of(plain, compression=10)
    assert direct.weight is plain.weight
    direct.register_forward_hook(lambda *_: seen.append(2))
    plain(torch.zeros(1, 1, 5, 5))
    assert seen == [1, 1]


def test_what_has_no_band_limited_form_is_named():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), Special(4, 4, 3), nn.ConvTranspose2d(4, 3, 3))
    with pytest.warns(NotBandLimited, match=r"1 \(Special\), 2 \(ConvTranspose2d\)"):
        limited = mho.band_limit(model, compression=50, quiet=True)
    assert type(limited[1]) is Special
    mho.band_limit(model, compression=50, exclude=["1", "2"], quiet=True)
    for given, words in (
        ({"exclude": ["8"]}, "'8' matches no layer"),
        ({"exclude": ["*"]}, "no layer was limited: layer 0: unchanged"),
    ):
        with pytest.raises(InvalidValue, match=words):
            mho.band_limit(model, compression=50, **given)
    with pytest.raises(InvalidValue, match="it has no convolution"):
        mho.band_limit(nn.Linear(2, 2), compression=50)
    with pytest.raises(InvalidValue, match="limit the digital model, then convert it"):
        mho.band_limit(mho.convert(nn.Conv2d(1, 1, 3), EXACT, quiet=True), compression=50)
    with pytest.raises(InvalidValue, match=r"does not come from mho\.band_limit"):
        band_limit_rows(nn.Linear(2, 2))


# On arrays ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [{"compression": 60}, {"energy": 80}], ids=str)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_exact_arrays_keep_the_limit(options, limit):
    _, digital = pair(options, **limit)
    model = mho.convert(digital, EXACT, quiet=True)
    words = "its input band-limited digitally (" + ("compression 60 %)" if "compression" in limit else "energy 80 %)")
    assert conversion_rows(model)[0].became.endswith(words)
    x = torch.randn(3, 4, 9, 11)
    ours, theirs = outputs_and_gradients(model, x)[:2], outputs_and_gradients(digital, x)[:2]
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)  # two ways to one sum in float32
    optimizer = mho.AnalogSGD(model, lr=0.01)
    model.zero_grad()
    outputs_and_gradients(model, x)
    optimizer.step()
    digital_step = torch.optim.SGD(digital.parameters(), lr=0.01)
    digital_step.step()
    # The update of an array is δ times the limited map, of which the plain filter's gradient is the band-limited one's
    torch.testing.assert_close(model(x), digital(x), rtol=1e-4, atol=1e-4)  # after a sum over all vectors


def test_both_drivers_train_it_and_replicas_take_a_compression_only():
    def network(**limit) -> nn.Module:
        torch.manual_seed(0)
        parts = nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(256, 3)
        return mho.band_limit(nn.Sequential(*parts), **limit, quiet=True)

    x, y = torch.randn(2, 1, 8, 8), torch.tensor([0, 2])
    ends = []
    for driver in ("online", "autograd"):
        model = mho.convert(network(compression=50), mho.presets.gokmen_2017(), quiet=True)
        stepper = choose_driver(model, mho.AnalogSGD(model, lr=0.1), prefer=driver)
        before = model[0].crossbars[0].weight.clone()
        stepper.step(x, y)
        assert (model[0].crossbars[0].weight != before).any()
        ends.append(model[0].crossbars[0].weight)
    assert torch.equal(*ends)
    alone, both = (mho.convert(network(compression=50), EXACT, replicas=r, quiet=True) for r in (1, 2))
    torch.testing.assert_close(both(x)[1], alone(x))
    with pytest.raises(InvalidValue, match="replicas would share it; use replicas=1"):
        mho.convert(network(energy=90), EXACT, replicas=2, quiet=True)


def test_sequences_stay_digital_and_it_is_said():
    model = nn.Sequential(BandLimitedConv1d(1, 2, 3, compression=50), nn.Flatten(), nn.Linear(12, 2))
    with pytest.warns(mho.nn.StaysDigital, match=r"0 \(BandLimitedConv1d\)"):
        mho.convert(model, EXACT, quiet=True)


def test_the_table_of_arrays_is_that_of_the_plain_network():
    plain = mho.models.LeNet()
    limited = mho.band_limit(plain, compression=50, quiet=True)
    x = torch.zeros(1, 1, 28, 28)
    assert list(array_table(limited, x)) == list(array_table(plain, x))
