"""Embedding on an array: a column for each index, against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mho
from mho.errors import MhoError

EXACT = mho.presets.floating_point()
NOISY = mho.presets.gokmen_2017(managed=True).replace(device=mho.devices.ConstantStep(w_max=5.0, w_min=-5.0))


def converted(digital: nn.Module, rpu: mho.RPU = EXACT, **options: Any) -> nn.Module:
    return mho.convert(digital, rpu, quiet=True, **options)


@pytest.mark.parametrize("padding", [None, 0, -2])
@pytest.mark.parametrize(
    "indices",
    [torch.tensor([[1, 5, 1], [0, 6, 5]]), torch.tensor([5, 5, 0], dtype=torch.int32), torch.tensor(5)],
    ids=["batch", "vector", "one"],
)
def test_it_answers_and_moves_as_torch(padding, indices):
    digital = nn.Embedding(7, 3, padding)
    with torch.no_grad():
        digital.weight[0 if padding is None else padding] = 0.25  # read, whatever it holds
    model = converted(digital)
    out, expected = model(indices), digital(indices)
    assert torch.equal(out, expected)  # sums of one number and zeros
    for net, answer, rule in ((model, out, mho.AnalogSGD(model, lr=0.1)), (digital, expected, None)):
        answer.pow(2).sum().backward()
        (rule or torch.optim.SGD(net.parameters(), lr=0.1)).step()
    torch.testing.assert_close(model.weight, digital.weight.detach())
    back = mho.to_digital(model)
    assert (type(back), back.padding_idx) == (nn.Embedding, digital.padding_idx)
    assert torch.equal(back.weight, model.weight)


def test_one_column_is_read_and_pulsed():
    model = converted(nn.Embedding(7, 3), NOISY)
    optimizer = mho.AnalogSGD(model, lr=0.5)
    before = model.weight.clone()
    model(torch.tensor([[2, 4, 2]])).sum().backward()
    (use,) = model.memory.pending
    assert np.array_equal(use.x[0][0], np.eye(7, dtype=np.float32)[[2, 4, 2]])
    optimizer.step()
    moved = (model.weight != before).any(dim=1)
    assert moved.tolist() == [False, False, True, False, True, False, False]


def test_the_column_of_the_padding_is_read_with_noise_and_never_pulsed():
    model = converted(nn.Embedding(7, 3, padding_idx=2), NOISY)
    optimizer = mho.AnalogSGD(model, lr=0.5)
    before = model.weight.clone()
    out = model(torch.tensor([[2, 4, 2]]))
    assert (out[0, 0] != out[0, 2]).all()
    out.sum().backward()
    optimizer.step()
    assert (model.weight != before).any(dim=1).nonzero().flatten().tolist() == [4]


def test_weights_are_set_in_the_shape_of_torch():
    digital = nn.Embedding(7, 3)
    model = converted(nn.Embedding(7, 3), replicas=2)
    model.model.write(digital.weight)
    assert torch.equal(model.model.weight, digital.weight.detach().expand(2, 7, 3))
    model.model.write(torch.stack([digital.weight, -digital.weight]))
    assert torch.equal(mho.to_digital(model, replica=1).weight, -digital.weight)
    seen, _ = model.model.read()
    assert seen.shape == (2, 7, 3)
    own = converted(nn.Embedding(7, 3))
    own.load_state_dict(digital.state_dict())
    assert torch.equal(own.weight, digital.weight)
    own.apply(lambda module: nn.init.constant_(module.weight, 0.5) if isinstance(module, nn.Embedding) else None)
    assert torch.equal(own.weight, torch.full((7, 3), 0.5))


@pytest.mark.parametrize("rpu", [NOISY, NOISY.replace(tile=(2, 3))], ids=["whole", "tiles"])
def test_bits_depend_neither_on_replicas_nor_on_how_calls_are_split(rpu):
    x = torch.tensor([[1, 5, 1], [0, 6, 5], [3, 3, 2]])

    def state(seed: int, pieces: list[Tensor], replicas: int = 1) -> Tensor:
        torch.manual_seed(1)
        model = converted(nn.Embedding(7, 3), rpu, seed=seed, replicas=replicas)
        optimizer = mho.AnalogSGD(model, lr=0.1)
        outs = [mho.nn.replica_outputs(model, piece, per_replica=False) for piece in pieces]
        torch.cat(outs, dim=1).pow(2).sum().backward()
        optimizer.step()
        return next(iter(mho.nn.array_layers(model).values())).weight

    whole = state(4, [x])
    assert torch.equal(whole, state(4, [x[:1], x[1:]]))
    both = state(3, [x], replicas=2)
    assert torch.equal(both[1], whole)


def test_it_is_a_row_of_tables_and_left_to_autograd():
    model = converted(nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 2)), NOISY)
    assert [(row.name, row.became) for row in model.conversion] == [("0", "array 3×7"), ("1", "array 2×4")]
    driver = mho.training.choose_driver(model, mho.AnalogSGD(model, lr=0.1), sample=torch.ones(2, 3, dtype=torch.int64))
    assert driver.name == "autograd"


def test_frozen_weights_stay():
    model = converted(nn.Sequential(nn.Embedding.from_pretrained(torch.randn(7, 3)), nn.Linear(3, 2)))
    before = model[0].weight.clone()
    optimizer = mho.AnalogSGD(model, lr=0.1)
    model(torch.tensor([[1, 2]])).sum().backward()
    optimizer.step()
    assert torch.equal(model[0].weight, before)


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "large": (lambda: converted(nn.Embedding(7, 3))(torch.tensor([1, 7])), "index 7 is out of range.*from 0 to 6"),
    "negative": (lambda: converted(nn.Embedding(7, 3))(torch.tensor([[-1]])), "index -1 is out of range"),
    "numbers": (lambda: converted(nn.Embedding(7, 3))(torch.ones(2)), "indices are float32; give integers.*x.long()"),
    "norm": (lambda: converted(nn.Embedding(7, 3, max_norm=1.0)), r"max_norm=1.0 rescales rows.*exclude="),
    "frequency": (lambda: converted(nn.Embedding(7, 3, scale_grad_by_freq=True)), "scale_grad_by_freq=True divides"),
    "sparse": (lambda: converted(nn.Embedding(7, 3, sparse=True)), "sparse=True gives sparse gradients"),
    "padding": (
        lambda: mho.nn.Embedding(7, 3, 7, rpu=EXACT),
        "padding_idx is 7; give an integer from -7 to 6, or None",
    ),
    "sizes": (lambda: mho.nn.Embedding(0, 3, rpu=EXACT), "num_embeddings is 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, words = BAD[case]
    with pytest.raises(MhoError, match=words):
        call()


def test_options_that_arrays_refuse_may_stay_digital():
    net = nn.Sequential(nn.Embedding(7, 3, max_norm=1.0), nn.Linear(3, 2))
    model = converted(net, exclude=["0"])
    assert isinstance(model[0], nn.Embedding)
