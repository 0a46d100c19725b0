"""Loops that people write around a network: accumulation, checkpointing, mixed precision, schedules, averages."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.checkpoint import checkpoint

import mho
from mho.errors import WrongUse
from tests.helpers.script import RPU, STEPS, Classification, batch, check, held_out


class Perceptron(nn.Module):
    """Two hidden layers of rectifiers."""

    def __init__(self, checkpointed=False):
        super().__init__()
        self.checkpointed = checkpointed
        self.first = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU())
        self.second = nn.Sequential(nn.Linear(32, 24), nn.ReLU())
        self.last = nn.Linear(24, 10)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x):
        for block in (self.first, self.second):
            x = checkpoint(block, x, use_reentrant=False) if self.checkpointed and self.training else block(x)
        return self.last(x)


class Plain(Classification):
    def __init__(self, seed):
        self.model = mho.convert(Perceptron(), RPU, seed=seed, quiet=True)
        self.optimizer = mho.AnalogSGD(self.model, lr=0.05)


class Accumulation(Plain):
    """Four backwards a step."""

    PARTS = 4

    def step(self, number):
        whole = 0.0
        for images, target in zip(*(part.chunk(self.PARTS) for part in batch(number)), strict=True):
            loss = F.cross_entropy(self.model(images), target) / self.PARTS
            loss.backward()
            whole += loss.item()
        assert all(len(layer.memory.pending) == self.PARTS for layer in self.layers())
        self.optimizer.step()
        self.optimizer.zero_grad()
        return whole


class Checkpointing(Plain):
    """Two blocks are computed again in the backward."""

    def __init__(self, seed):
        self.model = mho.convert(Perceptron(checkpointed=True), RPU, seed=seed, quiet=True)
        self.optimizer = mho.AnalogSGD(self.model, lr=0.05)


class MixedPrecision(Plain):
    """Autocast to bfloat16, a scaled loss, and clipping of what is unscaled."""

    def __init__(self, seed):
        super().__init__(seed)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    def step(self, number):
        images, target = batch(number)
        self.optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(self.model(images), target)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.item()


class OneCycle(Plain):
    """A learning rate that rises and falls with every step."""

    def __init__(self, seed):
        super().__init__(seed)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=0.1, total_steps=210, pct_start=0.1, cycle_momentum=False
        )

    def step(self, number):
        loss = super().step(number)
        self.scheduler.step()
        return loss


class Averaged(Plain):
    """An exponential average of the weights, programmed into a copy, as the refusal of torch's own says."""

    DECAY = 0.8

    def __init__(self, seed):
        super().__init__(seed)
        self.average = copy.deepcopy(self.model).requires_grad_(False)

    def layers(self):
        """Return the layers that train: those of the average only follow."""
        return list(mho.nn.array_layers(self.model).values())

    def step(self, number):
        loss = super().step(number)
        layers = mho.nn.array_layers(self.model)
        for name, own in mho.nn.array_layers(self.average).items():
            other = layers[name]
            weight, bias = (
                self.DECAY * ours + (1 - self.DECAY) * theirs
                for ours, theirs in ((own.weight, other.weight), (own.bias, other.bias))
            )
            assert own.write(weight, bias) == 0  # a copy has the same devices, whose bounds hold both, and their mean
        return loss

    def score(self):
        images, target = held_out()
        return F.cross_entropy(self.average(images), target).item()


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("loop", [Plain, Accumulation, Checkpointing, MixedPrecision, OneCycle, Averaged])
def test_a_loop_trains(loop, steps):
    check(loop, steps)


class Shadow:
    """An average of parameters, as people write it."""

    def __init__(self, model):
        self.shadow = {name: p.data.clone() for name, p in model.named_parameters()}

    def update_parameters(self, model):
        for name, p in model.named_parameters():
            self.shadow[name] = 0.9 * self.shadow[name] + 0.1 * p.data


AVERAGES = {
    "SWA": AveragedModel,
    "EMA": lambda model: AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9)),
    "with buffers": lambda model: AveragedModel(model, use_buffers=True),
    "by hand": Shadow,
}


@pytest.mark.parametrize("average", AVERAGES.values(), ids=AVERAGES)
def test_the_first_average_of_parameters_is_refused_with_the_cure(average):
    script = Plain(0)
    averaged = average(script.model)
    script.step(0)
    with pytest.raises(WrongUse, match=r"layer\.write"):
        averaged.update_parameters(script.model)
