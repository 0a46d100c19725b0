"""Which vectors a step pulses, and in which order: uses, checkpoints, accumulated and zeroed gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import mho

EXACT = mho.presets.floating_point()


def batch(seed: int = 0) -> Tensor:
    return torch.randn(2, 4, generator=torch.Generator().manual_seed(seed))


def layer_and_optimizer() -> tuple[mho.nn.Linear, mho.AnalogSGD]:
    layer = mho.nn.Linear(4, 4, rpu=EXACT)
    return layer, mho.AnalogSGD(layer, lr=0.1)


def plain(layer: nn.Module, x: Tensor) -> Tensor:
    for _ in range(3):
        x = torch.tanh(layer(x))
    return x


def inputs_of(layer: mho.nn.Linear) -> list[Tensor]:
    """Inputs of the pending uses in the order of the update, without the bias column."""
    return [torch.from_numpy(use.x[0][0, :, :4].copy()) for use in layer.memory.in_order()]


def forward_inputs(layer: nn.Module, x: Tensor) -> list[Tensor]:
    found: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, given: found.append(given[0].detach().clone()))
    with torch.no_grad():
        plain(layer, x)
    handle.remove()
    return found


def same(one: list[Tensor], other: list[Tensor]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a, b)


def test_a_layer_used_several_times_pulses_in_the_order_of_its_uses():
    layer, optimizer = layer_and_optimizer()
    expected = forward_inputs(layer, batch())
    plain(layer, batch()).square().sum().backward()
    same(inputs_of(layer), expected)
    seen = []
    array = layer.crossbars[0]
    array.update_vectors = lambda x, d, lr: seen.append(torch.from_numpy(x[0, :, :4].copy()))
    optimizer.step()
    same(seen, [torch.cat(expected)])  # one update


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "in reverse"])
def test_accumulated_backwards_pulse_in_the_order_of_their_forwards(order):
    layer, _ = layer_and_optimizer()
    expected = forward_inputs(layer, batch(1)) + forward_inputs(layer, batch(2))
    losses = [plain(layer, batch(seed)).square().sum() for seed in (1, 2)]
    for i in order:
        losses[i].backward()
    same(inputs_of(layer), expected)


SEGMENTS = {
    "each use": [[1], [1], [1]],
    "two together": [[2], [1]],
    "the first": [[1], 2],
    "the last": [2, [1]],
    "the middle": [1, [1], 1],
}
"""A list is a checkpointed segment of so many uses, a number so many uses outside."""


@pytest.mark.parametrize("reentrant", [True, False], ids=["reentrant", "not reentrant"])
@pytest.mark.parametrize("segments", SEGMENTS.values(), ids=SEGMENTS)
@pytest.mark.parametrize("accumulated", [False, True], ids=["one", "accumulated"])
def test_checkpoints_lose_no_vectors_and_keep_their_order(segments, reentrant, accumulated):
    def forward(layer: nn.Module, x: Tensor) -> Tensor:
        for segment in segments:
            uses = segment if isinstance(segment, int) else segment[0]

            def run(x: Tensor, uses: int = uses) -> Tensor:
                for _ in range(uses):
                    x = torch.tanh(layer(x))
                return x

            x = run(x) if isinstance(segment, int) else checkpoint(run, x, use_reentrant=reentrant)
        return x

    (layer, optimizer), (twin, other) = layer_and_optimizer(), layer_and_optimizer()
    for seed in (1, 2) if accumulated else (1,):
        forward(layer, batch(seed).requires_grad_()).square().sum().backward()
        plain(twin, batch(seed).requires_grad_()).square().sum().backward()
    same(inputs_of(layer), inputs_of(twin))
    optimizer.step()
    other.step()
    assert torch.equal(layer.crossbars[0].weight, twin.crossbars[0].weight)


CLEARS = {
    "model, to zero": lambda m, o: m.zero_grad(set_to_none=False),
    "model, to None": lambda m, o: m.zero_grad(set_to_none=True),
    "optimizer, to zero": lambda m, o: o.zero_grad(set_to_none=False),
    "optimizer, to None": lambda m, o: o.zero_grad(),
    "another optimizer": lambda m, o: torch.optim.SGD(m.parameters(), lr=1.0).zero_grad(set_to_none=False),
}


@pytest.mark.parametrize("clear", CLEARS.values(), ids=CLEARS)
def test_zeroed_gradients_take_their_vectors_with_them(clear):
    layer, optimizer = layer_and_optimizer()
    before = layer.crossbars[0].weight.clone()
    plain(layer, batch(1)).sum().backward()
    clear(layer, optimizer)
    optimizer.step()
    assert torch.equal(layer.crossbars[0].weight, before)
    for _ in range(2):
        plain(layer, batch(1)).sum().backward()
        clear(layer, optimizer)
    expected = forward_inputs(layer, batch(2))
    plain(layer, batch(2)).sum().backward()
    same(inputs_of(layer), expected)
    optimizer.step()
    assert not torch.equal(layer.crossbars[0].weight, before)


def test_clipped_gradients_keep_their_vectors():
    model = nn.Sequential(mho.nn.Linear(4, 4, rpu=EXACT), nn.Linear(4, 2))
    optimizer = mho.AnalogSGD(model, lr=0.1)
    before = model[0].crossbars[0].weight.clone()
    model(batch()).square().sum().backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
    optimizer.step()
    assert not torch.equal(model[0].crossbars[0].weight, before)


def test_gradients_that_are_only_looked_at_do_not_pulse():
    layer, _ = layer_and_optimizer()
    x = batch().requires_grad_()
    loss = plain(layer, x).sum()
    torch.autograd.grad(loss, x, retain_graph=True)
    loss.backward()
    assert len(layer.memory.in_order()) == 3
    assert all(np.isfinite(use.d[0]).all() for use in layer.memory.in_order())
