"""Converted parts under one optimizer or two, and torch's schedulers on AnalogSGD."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler as schedulers
from torch.optim.swa_utils import SWALR

import mho
from mho.errors import WrongUse
from mho.nn import array_layers
from mho.training import choose_driver

RPU = mho.presets.gokmen_2017()


def part(inputs: int, outputs: int, seed: int) -> nn.Module:
    return mho.convert(nn.Sequential(nn.Linear(inputs, outputs), nn.Dropout(0.1)), RPU, seed=seed, quiet=True)


class Autoencoder(nn.Module):
    """Two parts, each converted on its own."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.encoder, self.decoder = part(6, 4, 0), part(4, 6, seed)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(torch.tanh(self.encoder(x)))


def weights(model: nn.Module) -> list[Tensor]:
    return [layer.weight.clone() for layer in array_layers(model).values()]


def test_two_parts_of_equal_seeds_are_refused_with_the_edit_to_make():
    with pytest.raises(
        WrongUse, match=r"encoder\.0 and decoder\.0 .*: convert decoder .*convert\(decoder, rpu, seed=1\)"
    ):
        mho.AnalogSGD(Autoencoder(seed=0), lr=0.1)
    with pytest.raises(WrongUse, match=r"convert 1 with a seed of its own, mho\.convert\(1, rpu, seed=6\)"):
        mho.AnalogSGD(nn.ModuleList([part(6, 4, 5), part(6, 4, 5)]), lr=0.1)
    layers = nn.Sequential(*(mho.nn.Linear(4, 4, rpu=RPU) for _ in range(2)))
    with pytest.raises(WrongUse, match=r'name="1", or another seed, seed=1'):
        mho.AnalogSGD(layers, lr=0.1)


@pytest.mark.parametrize("apart", [False, True], ids=["one module", "ModuleList"])
def test_two_parts_train_under_one_optimizer(apart):
    model = Autoencoder(seed=1)
    whole = nn.ModuleList([model.encoder, model.decoder]) if apart else model
    before, optimizer = weights(model), mho.AnalogSGD(whole, lr=0.1)
    for _ in range(2):
        model(torch.randn(4, 6)).sub(1).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert all(not torch.equal(old, new) for old, new in zip(before, weights(model), strict=True))


def test_two_parts_train_in_turn_under_two_optimizers():
    """As a GAN: the generator learns through the discriminator, which must not move then."""
    generator, discriminator = part(3, 6, 0), part(6, 1, 1)
    optimizers = [mho.AnalogSGD(net, lr=0.1) for net in (generator, discriminator)]
    for _ in range(2):
        for own, loss in ((discriminator, lambda fake: discriminator(fake.detach())), (generator, discriminator)):
            held = {net: weights(net) for net in (generator, discriminator)}
            loss(generator(torch.randn(5, 3))).sub(1).square().mean().backward()
            optimizers[own is discriminator].step()
            for optimizer in optimizers:
                optimizer.zero_grad()
            moved = {
                net for net in held if any(not torch.equal(*pair) for pair in zip(held[net], weights(net), strict=True))
            }
            assert moved == {own}


SCHEDULERS = {
    "OneCycleLR": lambda o: schedulers.OneCycleLR(o, 0.1, total_steps=10),
    "OneCycleLR, fixed momentum": lambda o: schedulers.OneCycleLR(o, 0.1, total_steps=10, cycle_momentum=False),
    "OneCycleLR, own range": lambda o: schedulers.OneCycleLR(
        o, 0.1, total_steps=10, base_momentum=0.5, max_momentum=0.6
    ),
    "CyclicLR": lambda o: schedulers.CyclicLR(o, 0.001, 0.1, step_size_up=2),
    "CyclicLR, fixed momentum": lambda o: schedulers.CyclicLR(o, 0.001, 0.1, step_size_up=2, cycle_momentum=False),
    "StepLR": lambda o: schedulers.StepLR(o, 2),
    "MultiStepLR": lambda o: schedulers.MultiStepLR(o, [1, 3]),
    "ExponentialLR": lambda o: schedulers.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda o: schedulers.CosineAnnealingLR(o, 5),
    "CosineAnnealingWarmRestarts": lambda o: schedulers.CosineAnnealingWarmRestarts(o, 3),
    "LambdaLR": lambda o: schedulers.LambdaLR(o, lambda epoch: 0.5**epoch),
    "LinearLR": lambda o: schedulers.LinearLR(o),
    "PolynomialLR": lambda o: schedulers.PolynomialLR(o),
    "ReduceLROnPlateau": lambda o: schedulers.ReduceLROnPlateau(o, patience=0),
    "SequentialLR": lambda o: schedulers.SequentialLR(
        o, [schedulers.ConstantLR(o), schedulers.ExponentialLR(o, 0.9)], [2]
    ),
    "ChainedScheduler": lambda o: schedulers.ChainedScheduler(
        [schedulers.ConstantLR(o), schedulers.ExponentialLR(o, 0.9)]
    ),
    "SWALR": lambda o: SWALR(o, 0.05),
}


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("make", SCHEDULERS.values(), ids=SCHEDULERS)
@pytest.mark.filterwarnings("ignore:momentum=")
@pytest.mark.filterwarnings("ignore:.*epoch parameter in `scheduler.step:UserWarning")  # SequentialLR's own
def test_schedulers_act_as_on_torchs_sgd(make, momentum):
    digital = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2) if momentum else nn.Tanh())
    model = mho.convert(digital, RPU, exclude=["1"] if momentum else [], quiet=True)
    ours = mho.AnalogSGD(model, lr=0.05, momentum=momentum)
    theirs = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.05, momentum=momentum)
    pairs = [(optimizer, make(optimizer)) for optimizer in (ours, theirs)]
    for _ in range(4):
        model(torch.randn(2, 3)).square().sum().backward()
        for optimizer, scheduler in pairs:
            optimizer.step()
            scheduler.step(*((1.0,) if isinstance(scheduler, schedulers.ReduceLROnPlateau) else ()))
        ours.zero_grad()
        assert {group["lr"] for group in ours.param_groups} == {theirs.param_groups[0]["lr"]}
        assert ours.param_groups[-1]["momentum"] == theirs.param_groups[0]["momentum"]


@pytest.mark.parametrize("driver", ["autograd", "online"])
def test_momentum_that_a_scheduler_sets_is_told_once(driver):
    model = mho.convert(nn.Sequential(nn.Linear(3, 2)), RPU, quiet=True)
    optimizer = mho.AnalogSGD(model, lr=0.05)
    scheduler = schedulers.OneCycleLR(optimizer, 0.1, total_steps=10)
    driven = choose_driver(model, optimizer, prefer=driver)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            driven.step(torch.randn(2, 3), torch.tensor([0, 1]))
            scheduler.step()
        other = pickle.loads(pickle.dumps(copy.deepcopy(optimizer)))
        other.step()
    assert len(told) == 1
    assert "momentum=0.95 was set" in str(told[0].message)
    assert "cycle_momentum=False" in str(told[0].message)
