"""From arrays back to plain torch, and what a converted model prints and saves."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mho
from mho.errors import InvalidValue
from mho.nn import ArrayLayer, LayerKind, Matrix

EXACT = mho.presets.floating_point()
NOISY = mho.presets.gokmen_2017()


class Net(nn.Module):
    """One of each kind and geometry: groups, strides, uneven padding, band limits, both dropouts, a shared layer."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding="valid", groups=2)
        self.same = nn.Conv2d(4, 4, 2, padding="same", padding_mode="reflect", bias=False)
        self.limited = mho.nn.BandLimitedConv2d(4, 4, 3, padding=1, dilation=1, compression=40)
        self.norm = nn.BatchNorm2d(4)
        self.channels, self.elements = nn.Dropout2d(0.2), nn.Dropout(0.3)
        self.first, self.shared = nn.Linear(72, 5), nn.Linear(5, 5)
        self.again = self.shared

    def forward(self, x: Tensor) -> Tensor:
        maps = self.limited(self.same(torch.relu(self.grouped(x))))
        x = self.elements(self.first(self.channels(self.norm(maps)).flatten(1)))
        return self.again(torch.tanh(self.shared(x)))


def net() -> Net:
    torch.manual_seed(3)
    return Net()


def images() -> Tensor:
    return torch.randn(3, 2, 7, 7, generator=torch.Generator().manual_seed(4))


def converted(digital: nn.Module, rpu: mho.RPU = EXACT, **options: object) -> nn.Module:
    return mho.convert(digital, rpu, quiet=True, **options)


def train(model: nn.Module, steps: int) -> None:
    optimizer = mho.AnalogSGD(model, lr=0.1)
    for step in range(steps):
        x = torch.randn(4, 6, generator=torch.Generator().manual_seed(step))
        model(x).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


# To torch and back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile", [None, (4, 8)])
def test_the_twin_has_the_types_the_keys_and_the_answers_of_the_model_that_was_converted(tile):
    digital = net().eval()
    model = converted(digital, EXACT.replace(tile=tile), exclude=["norm"])
    twin = mho.to_digital(model)
    assert [type(module) for module in twin.modules()] == [type(module) for module in digital.modules()]
    assert repr(twin) == repr(digital)
    for name, value in digital.state_dict().items():
        assert torch.equal(twin.state_dict()[name], value), name
    torch.testing.assert_close(
        twin(images()), model(images()), rtol=1e-4, atol=1e-6
    )  # sums of float32 in another order
    assert twin.again is twin.shared
    net().load_state_dict(twin.state_dict(), strict=True)


def test_the_twin_of_a_trained_model_has_its_weights_and_can_be_converted_again():
    model = converted(nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)))
    train(model, 3)
    twin = mho.to_digital(model)
    x = torch.randn(4, 6)
    torch.testing.assert_close(twin(x), model(x), rtol=1e-5, atol=1e-6)
    assert not hasattr(twin, "conversion")
    again = converted(twin)
    assert all(torch.equal(again[i].weight, model[i].weight) for i in (0, 2))


def test_mode_hooks_and_what_is_frozen_are_kept_and_the_model_is_left_as_it_is():
    digital, seen = net(), []
    digital.first.requires_grad_(False)
    digital.channels.register_forward_hook(lambda module, x, out: seen.append("channels"))
    digital.first.register_forward_hook(lambda module, x, out: seen.append("first"))
    digital.elements.eval()
    model = converted(digital, NOISY, exclude=["norm"])
    assert not model.elements.training
    before = {name: value.clone() for name, value in model.state_dict().items()}
    drawn = torch.get_rng_state()
    twin = mho.to_digital(model, read=True)
    assert torch.equal(torch.get_rng_state(), drawn)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert isinstance(model.first, ArrayLayer)
    assert [module.training for module in twin.modules()] == [module.training for module in digital.modules()]
    trains = {name: p.requires_grad for name, p in digital.named_parameters()}
    assert {name: p.requires_grad for name, p in twin.named_parameters()} == trains
    twin(images())
    assert seen == ["channels", "first"]


def test_a_read_sees_noise_of_the_size_that_the_rpu_says():
    model = converted(nn.Sequential(nn.Linear(40, 50)), NOISY.replace(forward=mho.Read(noise=0.06, bound=12.0)))
    exact, read = (mho.to_digital(model, read=read)[0] for read in (False, True))
    noise = torch.cat([(read.weight - exact.weight).flatten(), read.bias - exact.bias]).detach()
    assert abs(float(noise.std()) / 0.06 - 1) < 0.08  # 2,050 draws: 1.6 % a standard error
    weight, bias = model[0].read()
    assert torch.equal(weight, read.weight)  # the next read of the model itself
    assert torch.equal(bias, read.bias)
    assert not torch.equal(model[0].read()[0], weight)


@pytest.mark.parametrize("read", [False, True])
def test_one_of_several_replicas_is_chosen(read):
    model = converted(nn.Sequential(nn.Linear(6, 5), nn.Dropout(0.1)), NOISY, replicas=3)
    with pytest.raises(InvalidValue, match=r"has 3 replicas.*replica=0\), up to 2"):
        mho.to_digital(model, read=read)
    for wrong in (3, -1, True, 1.0):
        with pytest.raises(InvalidValue, match=r"give an integer from 0 to 2"):
            mho.to_digital(model, read=read, replica=wrong)
    twin = mho.to_digital(model, read=read, replica=np.int64(2))
    assert list(twin.state_dict()) == ["0.weight", "0.bias"]
    wanted = model.model[0].read()[0] if read else model.model[0].weight
    assert torch.equal(twin[0].weight, wanted[2])


def test_parts_and_single_layers_have_twins_and_a_digital_model_has_none():
    pair = nn.ModuleList([converted(nn.Sequential(nn.Linear(4, 3)), seed=seed) for seed in (0, 1)])
    assert [type(module[0]) for module in mho.to_digital(pair)] == [nn.Linear, nn.Linear]
    assert all(not hasattr(part, "conversion") for part in mho.to_digital(pair))
    layer = mho.nn.Conv2d(2, 4, 3, rpu=EXACT, padding=2, bias=False)
    twin = mho.to_digital(layer)
    x = torch.randn(2, 2, 5, 5)
    torch.testing.assert_close(twin(x), layer(x))
    with pytest.raises(InvalidValue, match="no layers on arrays"):
        mho.to_digital(twin)
    for wrong, name in ((None, "None"), (layer.state_dict(), "of type OrderedDict")):
        with pytest.raises(InvalidValue, match=f"model is {name}; give the model of mho.convert itself"):
            mho.to_digital(wrong)


@pytest.mark.parametrize("limit", [{"compression": 40}, {"energy": 95}])
def test_a_band_limited_layer_keeps_its_limit(limit):
    digital = nn.Sequential(mho.nn.BandLimitedConv2d(2, 3, 3, padding=1, **limit))
    twin = mho.to_digital(converted(digital))
    assert repr(twin) == repr(digital)
    x = images()
    torch.testing.assert_close(twin(x), digital(x), rtol=1e-4, atol=1e-5)


def test_a_kind_without_a_twin_or_without_views_is_refused():
    class Twice(nn.Linear):
        """A kind whose record has no twin, or whose matrices are copies."""

    def register(**options: object) -> None:
        mho.nn.LAYER_KINDS[Twice] = LayerKind(
            replaces=Twice,
            layer=mho.nn.Linear,
            make=lambda module, **rest: mho.nn.Linear(module.in_features, module.out_features, **rest),
            matrices=lambda module: [Matrix(module.weight.clone(), module.bias)],
            vectors=lambda given, answer: given[0],
            **options,
        )

    try:
        for options, message in (
            ({}, r"0 \(Linear\): its kind does not say"),
            ({"twin": lambda layer: Twice(4, 3)}, "views"),
        ):
            register(**options)
            with pytest.raises(InvalidValue, match=message):
                mho.to_digital(converted(nn.Sequential(Twice(4, 3))))
    finally:
        del mho.nn.LAYER_KINDS[Twice]


# Whole models in files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_whole_model_goes_through_a_file_and_continues_the_same_streams(replicas):
    digital = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Dropout(0.2), nn.Linear(5, 3).requires_grad_(False))
    model = converted(digital, NOISY, replicas=replicas)
    train(model, 2)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    other = torch.load(file, weights_only=False)
    for each in (model, other):
        train(each, 2)
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert repr(other) == repr(model)


# Printing -------------------------------------------------------------------------------------------------


def test_a_model_prints_law_and_cell_of_each_layer():
    model = converted(nn.Sequential(nn.Linear(4, 3), nn.Conv2d(2, 4, 3, padding=1, groups=2, bias=False)), NOISY)
    assert str(model) == (
        "Sequential(\n"
        "  (0): Linear(4, 3, bias=True, law=ConstantStep, cell=Single)\n"
        "  (1): Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), groups=2, bias=False, "
        "law=ConstantStep, cell=Single)\n"
        ")"
    )


def test_what_differs_from_the_usual_is_printed_too():
    device = mho.devices.SoftBounds(stuck=0.01, drift=0.1)
    rpu = mho.RPU(device=device, cell=mho.cells.Replicated(3), tile=(12, 4))
    model = converted(nn.Sequential(nn.Linear(6, 5).requires_grad_(False)), rpu, replicas=2)
    words = "law=SoftBounds, cell=Replicated(n=3), effects=Stuck+Drift, tiles=4, replicas=2, frozen"
    assert repr(model.model[0]) == f"Linear(6, 5, bias=True, {words})"
    one_sided = mho.nn.Linear(4, 3, rpu=mho.RPU(device=mho.devices.SoftBounds(), cell=mho.cells.OneSided()))
    assert "cell=OneSided)" in repr(one_sided)
