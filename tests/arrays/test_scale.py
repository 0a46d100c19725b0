"""The digital factor between the weights of a layer and those of its arrays: W = s·A."""

from __future__ import annotations

import copy
import dataclasses
import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import mho
from mho.arrays import ClippedWeights, build_array
from mho.cells import OneSided, Referenced, Replicated
from mho.config import RPU
from mho.errors import InvalidValue, MhoError
from mho.periphery import Pulses, Read, Scale
from mho.training import choose_driver

MANAGED = mho.presets.gokmen_2017(managed=True, pulses=3)
CELLS = {
    "Single": MANAGED,
    "Replicated": MANAGED.replace(cell=Replicated(3)),
    "Referenced": MANAGED.replace(cell=Referenced()),
    "OneSided": MANAGED.replace(cell=OneSided()),
    "update management": mho.presets.gokmen_2017(managed=True, pulses=1, update_management=True),
    "unmanaged": mho.presets.gokmen_2017(managed=False, pulses=10),
}


def times(rpu: RPU, factor: float) -> RPU:
    """Return an RPU with steps and bounds of devices, read noise and output bounds so many times as large."""
    values = {name: getattr(rpu.device, name) for name in ("dw_min", "w_max", "w_min")}
    larger = {
        name: factor * value if isinstance(value, float) else dataclasses.replace(value, mean=factor * value.mean)
        for name, value in values.items()
    }

    def read(own: Read) -> Read:
        return dataclasses.replace(own, noise=factor * own.noise, bound=factor * own.bound)

    return rpu.replace(
        device=dataclasses.replace(rpu.device, **larger), forward=read(rpu.forward), backward=read(rpu.backward)
    )


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 7), nn.Sigmoid(), nn.Linear(7, 4))


def trained(rpu: RPU, *, driver: str = "online", count: int = 6, lr: float = 0.05, **options: object) -> nn.Module:
    torch.manual_seed(3)
    model = mho.convert(network(), rpu, quiet=True, **options)
    driven = choose_driver(model, mho.AnalogSGD(model, lr=lr), prefer=driver, per_replica=None)
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        driven.step(torch.randn(5, 1, 6, 6, generator=generator), torch.randint(0, 4, (5,), generator=generator))
    return model


def weights(model: nn.Module) -> list[torch.Tensor]:
    return [layer.weight for layer in mho.nn.array_layers(model).values()]


# What a scale means -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("driver", ["online", "autograd"])
def test_a_scale_of_four_is_a_network_on_devices_and_reads_four_times_as_large_to_the_bit(name, driver):
    # a power of two multiplies floats exactly, so that not the law alone but every draw is the same
    scaled = trained(CELLS[name].replace(scale=4.0), driver=driver, seed=1)
    larger = trained(times(CELLS[name], 4.0), driver=driver, seed=1)
    for own, other in zip(weights(scaled), weights(larger), strict=True):
        assert torch.equal(own, other)
    assert not torch.equal(weights(scaled)[0], weights(trained(CELLS[name], driver=driver, seed=1))[0])


def test_a_scale_of_five_moves_weights_as_devices_five_times_as_large_on_the_mean():
    rpu = mho.RPU(
        device=mho.devices.ConstantStep(dw_min=0.001, c2c=0.3, w_max=9.0, w_min=-9.0), update=Pulses(length=7)
    )
    x, d = torch.rand(3, 6) - 0.3, torch.randn(3, 4) / 4
    replicas, lr = 1000, 0.02
    moved = {}
    for label, own in (("scaled", rpu.replace(scale=5)), ("larger", times(rpu, 5.0))):
        array = mho.Crossbar(own, 4, 6, replicas=replicas, name=label)
        array.write(torch.zeros(4, 6))
        array.update(x.expand(replicas, -1, -1), d.expand(replicas, -1, -1), lr)
        moved[label] = array.scaled_weight
    expected = lr * d.T @ x
    for each in moved.values():
        error = each.std(dim=0) / math.sqrt(replicas)
        # no probability above 1: then the mean is η δ xᵀ; four standard errors of 24 means
        assert ((each.mean(dim=0) - expected).abs() < 4 * error).all()
    spreads = [each.var(dim=0).mean() for each in moved.values()]
    assert spreads[0] == pytest.approx(float(spreads[1]), rel=0.1)  # a variance of 1000 is known to 4.5 %


@pytest.mark.parametrize("per", ["layer", "output"])
def test_cycles_of_an_exact_array_are_those_of_the_scaled_matrix(per):
    exact = mho.presets.floating_point().replace(scale=Scale([2.0, 0.5], per=per, learned=per == "output"))
    array = mho.Crossbar(exact, 4, 6, seed=0, replicas=2)
    if per == "output":
        with torch.no_grad():
            array.log_factor.copy_(torch.randn(2, 4))
    matrix = array.scaled_weight
    assert torch.allclose(matrix, array.weight * array.scale[:, :, None])
    x, d = torch.randn(2, 5, 6), torch.randn(2, 5, 4)
    # float32 sums of six products
    assert torch.allclose(array.forward(x), x @ matrix.mT, atol=1e-5)
    assert torch.allclose(array.backward(d), d @ matrix, atol=1e-5)
    array.update(x, d, 0.1)
    assert torch.allclose(array.scaled_weight, matrix + 0.1 * d.mT @ x, atol=1e-5)


def test_each_output_may_have_a_factor_of_its_own_and_moves_as_the_learning_rate_says():
    rpu = mho.RPU(
        device=mho.devices.ConstantStep(dw_min=0.0005, c2c=0.3, w_max=0.6, w_min=-0.6),
        update=Pulses(length=10),
        scale=Scale("max", per="output"),
    )
    matrix = torch.tensor([0.6, 3.0, 0.0, 6.0])[:, None] * torch.linspace(-1, 1, 5)
    replicas, lr = 1000, 0.005
    array = mho.Crossbar(rpu, 4, 5, replicas=replicas)
    array.adopt(matrix)
    # devices hold 0.6, of which the largest weight takes half; no factor is below a tenth of the largest
    assert torch.allclose(array.scale[0], torch.tensor([2.0, 10.0, 2.0, 20.0]))
    before = array.scaled_weight
    assert torch.allclose(before, matrix.expand_as(before), atol=1e-6)
    x, d = torch.rand(3, 5) - 0.3, torch.randn(3, 4) / 10
    array.update(x.expand(replicas, -1, -1), d.expand(replicas, -1, -1), lr)
    moved = array.scaled_weight - before
    assert ((moved.mean(dim=0) - lr * d.T @ x).abs() < 4 * moved.std(dim=0) / math.sqrt(replicas)).all()


# Drivers, tiles, replicas -----------------------------------------------------------------------------------


SCALES = {"number": 5.0, "max": "max", "std": "std", "per output": Scale("std", per="output", fill=0.4)}


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES.keys())
def test_both_drivers_take_the_same_steps(scale):
    # the loss may differ by an ulp between drivers: in so few steps that moves no pulse
    online, autograd = (trained(MANAGED.replace(scale=scale), driver=d, count=2) for d in ("online", "autograd"))
    for own, other in zip(weights(online), weights(autograd), strict=True):
        assert torch.equal(own, other)


def test_tiles_share_the_factor_of_their_matrix():
    tiled = trained(MANAGED.replace(scale="max", tile=(4, 20)))
    layer = tiled[3]
    assert len(layer.crossbars[0].tile_shapes) > 1
    whole = trained(MANAGED.replace(scale="max"), count=0)[3]
    fresh = trained(MANAGED.replace(scale="max", tile=(4, 20)), count=0)[3]
    # reaches are medians over other devices of 30 % spread: of 343 devices 343^-1/2 · 0.3 · 1.25 = 2 %
    assert torch.allclose(fresh.crossbars[0].scale, whole.crossbars[0].scale, rtol=0.1)
    assert fresh.crossbars[0].scale.shape == (1, 1)
    autograd = trained(MANAGED.replace(scale="max", tile=(4, 20)), driver="autograd")
    assert torch.equal(layer.weight, autograd[3].weight)


@pytest.mark.parametrize("driver", ["online", "autograd"])
@pytest.mark.parametrize(
    "rpu", [MANAGED, MANAGED.replace(tile=(4, 20)), mho.presets.floating_point()], ids=["pulses", "tiles", "exact"]
)
def test_replicas_may_differ_in_their_scale_and_each_is_the_run_of_its_own(driver, rpu):
    together = trained(rpu.replace(scale=[1.5, 6.0]), driver=driver, replicas=2, seed=4)
    for replica, scale in enumerate([1.5, 6.0]):
        alone = trained(rpu.replace(scale=scale), driver=driver, seed=4 + replica)
        for whole, own in zip(weights(together), weights(alone), strict=True):
            assert torch.equal(whole[replica], own)


def test_a_copy_and_a_stored_model_go_on_with_the_same_scale():
    model = trained(MANAGED.replace(scale="max"), driver="autograd")
    fresh = trained(MANAGED.replace(scale="max"), driver="autograd", count=0)
    with torch.no_grad():
        fresh[3].arrays[0].factor.mul_(2)
    fresh.load_state_dict(model.state_dict())
    for twin in (copy.deepcopy(model), fresh):
        for own, other in zip(weights(twin), weights(model), strict=True):
            assert torch.equal(own, other)


def test_a_driver_notices_that_a_state_has_another_scale():
    larger = network()
    with torch.no_grad():
        for parameter in larger.parameters():
            parameter.mul_(8)
    given = mho.convert(larger, MANAGED.replace(scale="max"), quiet=True).state_dict()
    answers = []
    for kind in ("online", "autograd"):
        torch.manual_seed(3)
        model = mho.convert(network(), MANAGED.replace(scale="max"), quiet=True)
        driven = choose_driver(model, mho.AnalogSGD(model, lr=0.05), prefer=kind)
        generator = torch.Generator().manual_seed(0)
        x, y = torch.randn(5, 1, 6, 6, generator=generator), torch.randint(0, 4, (5,), generator=generator)
        driven.step(x, y)
        model.load_state_dict(given)
        answers.append(driven.step(x, y).out)
    np.testing.assert_allclose(*answers, rtol=1e-5, atol=1e-5)  # digital functions may differ by an ulp


# The choice of a scale --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "fill"), [("max", 0.5), (Scale("max", fill=1.0), 1.0), ("std", 1 / 6)])
def test_the_weights_choose_how_much_of_the_devices_they_take(scale, fill):
    torch.manual_seed(0)
    digital = nn.Linear(30, 40)
    with torch.no_grad():
        digital.weight.mul_(20)
    layer = mho.convert(nn.Sequential(digital), mho.RPU(scale=scale), quiet=True)[0]
    matrix = torch.cat([digital.weight, digital.bias[:, None]], dim=1).detach()
    size = matrix.abs().max() if scale != "std" else matrix.square().mean().sqrt()
    reach = layer.crossbars[0].cell_parameters()
    held = torch.minimum(reach["w_max"], -reach["w_min"]).flatten().median()
    assert float(layer.crossbars[0].scale) == pytest.approx(float(size / (fill * held)), rel=1e-5)
    assert float(held) == pytest.approx(0.6, abs=0.1)  # the lower of two bounds of 0.6 ± 0.18 lies below 0.6


@pytest.mark.parametrize("cell", [Replicated(4), Referenced(), OneSided()], ids=lambda cell: type(cell).__name__)
def test_the_reach_is_that_of_the_cell(cell):
    array = build_array(mho.RPU(cell=cell, scale=Scale("max", fill=1.0)), 20, 30)
    array.adopt(10 * torch.eye(20, 30), quiet=True)
    top = array.weight.abs().max()
    # devices reach 0.6 ± 0.18; two in turn that only rise differ by twice as much
    assert 0.35 < float(top) / (2 if isinstance(cell, OneSided) else 1) < 0.85
    assert float(array.scale) == pytest.approx(10 / float(array.rpu.scaling.target() * array._reach()), rel=1e-5)


def test_a_layer_of_no_weights_keeps_its_units():
    array = mho.Crossbar(mho.RPU(scale="std"), 3, 4)
    array.adopt(torch.zeros(3, 4))
    assert float(array.scale) == 1.0


def test_devices_without_bounds_leave_nothing_to_choose():
    with pytest.raises(InvalidValue, match="no such bounds; give a number"):
        mho.Crossbar(mho.presets.floating_point().replace(scale="max"), 3, 4)


def test_writing_keeps_a_scale_and_a_digital_checkpoint_chooses_it_anew():
    torch.manual_seed(0)
    digital = nn.Sequential(nn.Linear(6, 5))
    model = mho.convert(digital, mho.RPU(scale="max"), quiet=True)
    before = model[0].crossbars[0].scale
    model[0].write(model[0].weight / 2)
    assert torch.equal(model[0].crossbars[0].scale, before)
    with torch.no_grad():
        digital[0].weight.mul_(30)
        digital[0].bias.mul_(30)
    model.load_state_dict(digital.state_dict())
    assert torch.allclose(model[0].crossbars[0].scale, 30 * before, rtol=1e-5)
    assert torch.allclose(model[0].weight, digital[0].weight, atol=1e-6)


def test_convert_proposes_a_scale_where_bounds_clip():
    torch.manual_seed(0)
    digital = nn.Sequential(nn.Linear(30, 20), nn.Tanh(), nn.Linear(20, 4))
    with torch.no_grad():
        digital[0].weight.mul_(10)
    with pytest.warns(ClippedWeights, match=r"of layer 0 \([\d.]+ %\).*scale=\"max\""):
        mho.convert(digital, mho.RPU(), quiet=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mho.convert(digital, mho.RPU(scale="max"), quiet=True)


# A scale that learns ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("per", ["layer", "output"])
def test_the_gradient_of_a_learned_scale_is_that_of_torch(per):
    exact = mho.presets.floating_point().replace(scale=Scale(2.0, per=per, learned=True))
    torch.manual_seed(0)
    model = mho.convert(nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.ReLU(inplace=True)), exact, quiet=True)
    arrays = model[0].crossbars
    logs = [array.log_factor.detach().clone().requires_grad_() for array in arrays]
    x = torch.randn(3, 2, 5, 5)
    model(x).square().sum().backward()
    whole = torch.cat([array.weight[0] * log.exp()[0, :, None] for array, log in zip(arrays, logs, strict=True)])
    kernel = whole[:, :-1].reshape(4, 1, 3, 3)
    torch.relu(torch.conv2d(x, kernel, whole[:, -1], groups=2)).square().sum().backward()
    for array, log in zip(arrays, logs, strict=True):
        assert torch.allclose(array.log_factor.grad, log.grad, rtol=1e-4)


def test_a_learned_scale_moves_with_the_digital_parameters_and_stays_with_its_layer():
    model = mho.convert(network(), MANAGED.replace(scale=Scale("max", learned=True)), quiet=True)
    optimizer = mho.AnalogSGD(model, lr=0.05)
    driven = choose_driver(model, optimizer)
    assert driven.name == "autograd"
    assert "scale of 0 is learned" in driven.reason
    before = [layer.crossbars[0].scale for layer in mho.nn.array_layers(model).values()]
    driven.step(torch.randn(5, 1, 6, 6), torch.randint(0, 4, (5,)))
    after = [layer.crossbars[0].scale for layer in mho.nn.array_layers(model).values()]
    assert all(float((a - b).abs()) > 0 for a, b in zip(after, before, strict=True))
    frozen = mho.convert(network().requires_grad_(False), MANAGED.replace(scale=Scale(2.0, learned=True)), quiet=True)
    assert not any(p.requires_grad for p in frozen.parameters())


def test_a_learned_scale_obeys_the_rate_the_mode_and_no_decay_of_its_layer():
    digital = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    model = mho.convert(digital, MANAGED.replace(scale=Scale(2.0, learned=True)), exclude=["1"], quiet=True)
    with pytest.warns(UserWarning, match="weight_decay=0.5 acts on the 2 digital parameters"):
        optimizer = mho.AnalogSGD(model, lr=0.1, weight_decay=0.5, layers={"0": 0.0})
    first, last = model[0].crossbars[0], model[2].crossbars[0]
    model(torch.randn(4, 6)).square().sum().backward()
    optimizer.step()
    assert float(first.scale) == 2.0
    assert float(last.scale) != 2.0
    before = last.scale
    optimizer.zero_grad()
    optimizer.step()  # without a gradient nothing decays
    model[2].eval()
    model(torch.randn(4, 6)).square().sum().backward()
    with pytest.warns(UserWarning, match="does not move them"):
        optimizer.step()
    assert torch.equal(last.scale, before)


def test_no_output_is_scaled_so_little_that_its_pulses_cover_those_of_the_others():
    array = mho.Crossbar(mho.RPU(scale=Scale("max", per="output")), 4, 5)
    array.adopt(torch.tensor([1e-6, 0.05, 1.0, 0.0])[:, None] * torch.ones(4, 5))
    shares = array.scale[0] / array.scale.max()
    assert torch.allclose(shares, torch.tensor([0.1, 0.1, 1.0, 0.1]))


def test_a_state_with_another_kind_of_scale_says_which_rpu_takes_it():
    models = [
        mho.convert(nn.Sequential(nn.Linear(6, 5)), MANAGED.replace(scale=scale), quiet=True)
        for scale in (None, 2.0, Scale(2.0, learned=True))
    ]
    for given in models:
        for taking in models:
            if given is not taking:
                with pytest.raises(RuntimeError, match=r"the state belongs to arrays with.* mho\.to_digital"):
                    taking.load_state_dict(given.state_dict())
    models[0].load_state_dict(mho.to_digital(models[1]).state_dict())


# Descriptions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scale", [None, 5, 0.25, "max", "std", [1.0, 2.0], Scale("std", per="output", fill=0.3, learned=True)]
)
def test_an_rpu_with_a_scale_goes_through_a_file(scale):
    rpu = mho.RPU(scale=scale)
    assert mho.RPU.from_toml(rpu.to_toml()) == rpu
    assert "scale" in str(rpu)


def test_a_file_may_name_the_factor_alone():
    assert mho.RPU.from_toml('scale = "max"').scale == "max"
    assert mho.RPU.from_toml("[scale]\nvalue = 5").scale == 5


@pytest.mark.parametrize(
    ("scale", "words"),
    [
        (0, "scale is 0; give a number greater than 0"),
        (True, "scale is True"),
        ("mx", 'scale is \'mx\'; give a number greater than 0 and at most 1e30, "max" or "std"'),
        (float("inf"), "scale is inf"),
        ([1.0, -1.0], "replica 1: scale is -1.0"),
    ],
)
def test_wrong_scales_are_refused(scale, words):
    with pytest.raises(InvalidValue, match="RPU") as error:
        mho.RPU(scale=scale)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"value": 5.0, "per": "output"}, "no effect"),
        ({"value": 5.0, "fill": 0.5}, "no effect"),
        ({"value": "max", "per": "row"}, "known: layer, output"),
        ({"value": "max", "fill": 0.0}, "fill is 0.0; give a number greater than 0"),
    ],
)
def test_options_of_a_scale_have_an_effect_or_are_refused(options, words):
    with pytest.raises(InvalidValue) as error:
        Scale(**options)
    assert words in str(error.value)


def test_what_cannot_have_a_scale_says_so():
    levels = mho.learning.level_rpu((-1.0, 0.0, 1.0)).replace(scale=2.0)
    x, y = torch.randn(8, 3), torch.randint(0, 2, (8,))
    with pytest.raises(MhoError, match="the levels are the weights themselves"):
        mho.learning.conntra_on_arrays(nn.Linear(3, 2), x, y, rpu=levels, levels=(-1.0, 0.0, 1.0))
    assert np.isfinite(float(mho.RPU(scale=2.0).scale))
