"""A layer's name names its draws; an optimizer keeps layers by object and labels them by path."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import mho
from mho.errors import WrongUse
from mho.hardware import array_table
from mho.nn import array_layers
from mho.training import choose_driver

EXACT = mho.presets.floating_point()
NOISY = mho.presets.gokmen_2017(update_management=True)
X, Y = torch.linspace(-1, 1, 40).reshape(2, 20), torch.tensor([0, 3])


def two_layers(*, first: str = "linear", second: str = "linear", seed: int = 0) -> nn.Sequential:
    return nn.Sequential(
        mho.nn.Linear(20, 20, rpu=NOISY, name=first),
        nn.Tanh(),
        mho.nn.Linear(20, 20, rpu=NOISY, name=second, seed=seed),
    )


def test_two_layers_of_equal_name_and_seed_raise_with_the_cure():
    with pytest.raises(WrongUse, match=r"0 and 2 have the same name 'linear' and seed 0.*name=\"2\".*seed=1"):
        mho.AnalogSGD(two_layers(), lr=0.1)


@pytest.mark.parametrize("options", [{"second": "out"}, {"seed": 1}], ids=str)
@pytest.mark.parametrize("driver", ["online", "autograd"])
def test_layers_that_differ_in_name_or_seed_have_their_own_devices_and_all_learn(options, driver):
    model = two_layers(**options)
    before = [model[i].crossbars[0].weight.clone() for i in (0, 2)]
    assert not torch.equal(*before)
    assert not torch.equal(*(model[i].crossbars[0].cell_parameters()["dw_min"] for i in (0, 2)))
    optimizer = mho.AnalogSGD(model, lr=0.1, layers={"2": 0.2})
    assert optimizer.rates() == {"0": 0.1, "2": 0.2}
    choose_driver(model, optimizer, prefer=driver).step(X, Y)
    for i, old in zip((0, 2), before, strict=True):
        assert (model[i].crossbars[0].weight != old).any()


def test_overlapping_seeds_of_replicas_and_equal_dropouts_raise():
    def pair(seed: int) -> nn.Sequential:
        return nn.Sequential(*(mho.nn.Linear(4, 4, rpu=NOISY, replicas=3, seed=s) for s in (0, seed)))

    with pytest.raises(WrongUse, match="seed 2"):
        mho.AnalogSGD(pair(2), lr=0.1)
    mho.AnalogSGD(pair(3), lr=0.1)
    drops = nn.Sequential(mho.nn.Linear(4, 4, rpu=NOISY), mho.nn.Dropout(0.5), mho.nn.Dropout(0.5))
    with pytest.raises(WrongUse, match="1 and 2 have the same name 'dropout'"):
        mho.AnalogSGD(drops, lr=0.1)


class Pair(nn.Module):
    """Two converted networks as parts of one module."""

    def __init__(self, seed: int, replicas: int = 1) -> None:
        super().__init__()
        net = nn.Sequential()
        net.add_module("fc", nn.Linear(20, 20))
        self.encoder = mho.convert(net, NOISY, replicas=replicas, quiet=True)
        self.decoder = mho.convert(net, NOISY, seed=seed, replicas=replicas, quiet=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(torch.tanh(self.encoder(x)))


def test_two_converted_models_under_one_optimizer():
    with pytest.raises(WrongUse, match=r"encoder.fc and decoder.fc have the same name 'fc' and seed 0.*seed=1"):
        mho.AnalogSGD(Pair(0), lr=0.1)
    model = Pair(1)
    optimizer = mho.AnalogSGD(model, lr=0.1, layers={"decoder.*": 0.0001})
    assert optimizer.rates() == {"encoder.fc": 0.1, "decoder.fc": 0.0001}
    before = [layer.crossbars[0].weight.clone() for layer in array_layers(model).values()]
    F.cross_entropy(model(X), Y).backward()
    optimizer.step()
    for layer, old in zip(array_layers(model).values(), before, strict=True):
        assert (layer.crossbars[0].weight != old).any()
    assert [row.layer for row in array_table(model, X)] == ["encoder.fc", "decoder.fc"]


@pytest.mark.parametrize("replicas", [1, 3])
def test_paths_do_not_depend_on_the_number_of_replicas(replicas):
    assert list(array_layers(Pair(5, replicas))) == ["encoder.fc", "decoder.fc"]
    model = mho.convert(mho.models.LeNet(), EXACT, replicas=replicas, quiet=True)
    assert list(mho.AnalogSGD(model, lr=0.1, layers={"conv*": 0.2}).rates()) == ["conv1", "conv2", "fc1", "fc2"]
    assert list(array_layers(mho.convert(nn.Linear(2, 2), EXACT, replicas=replicas, quiet=True))) == ["model"]


def test_a_layer_in_two_places_is_one_layer():
    layer = mho.nn.Linear(20, 20, rpu=NOISY)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    optimizer = mho.AnalogSGD(model, lr=0.1)
    assert optimizer.rates() == {"0": 0.1}


def test_a_loaded_state_of_other_labels_still_pulses_the_layers_by_object():
    model, other = two_layers(second="out"), Pair(1)
    optimizer = mho.AnalogSGD(model, lr=0.1)
    optimizer.load_state_dict(mho.AnalogSGD(other, lr=0.3).state_dict())
    before = model[0].crossbars[0].weight.clone()
    F.cross_entropy(model(X), Y).backward()
    optimizer.step()
    assert (model[0].crossbars[0].weight != before).any()
