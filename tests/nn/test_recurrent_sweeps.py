"""All steps of a recurrent layer as one node of autograd: as step by step, and as torch, on every kind of array."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import mho
from mho.errors import InvalidValue, WrongUse
from mho.kernels import gates
from mho.kernels.records import GruErrors, LstmErrors, LstmMemory
from mho.nn import array_layers
from tests.helpers.recurrent import EXACT, HIDDEN, INPUTS, LAYERS, NOISY, tensors

RPUS: dict[str, mho.RPU] = {
    "plain": NOISY,
    "tiles": NOISY.replace(tile=(6, 6)),
    "scale": NOISY.replace(scale=2.0),
    "a scale per output": NOISY.replace(scale=mho.Scale("max", per="output")),
    "learned scales": EXACT.replace(scale=mho.Scale(0.5, per="output", learned=True)),
    "several devices": NOISY.replace(cell=mho.cells.Replicated(3)),
    "a reference": NOISY.replace(cell=mho.cells.Referenced()),
    "several banks": mho.presets.tiki_taka_v2(),
    "several sums": mho.presets.residual(),
    "reads that vary": NOISY.replace(device=mho.devices.ConstantStep(read_variation=0.05)),
    "rounded": NOISY.replace(forward=mho.Read(dac_bits=7, adc_bits=9, bound=12.0, noise=0.0)),
}


def step_by_step(model: nn.Module) -> nn.Module:
    """A copy whose every call of a matrix is watched, so that each step is a node of its own."""
    twin = copy.deepcopy(model)
    for layer in array_layers(twin).values():
        layer.register_forward_hook(lambda *_: None)
    return twin


def nodes(answer: Tensor) -> int:
    """How many reads autograd's graph of an answer has."""
    seen, found = set(), [answer.grad_fn]
    while found:
        node = found.pop()
        if node is not None and node not in seen:
            seen.add(node)
            found += [before for before, _ in node.next_functions]
    return sum("Swept" in type(node).__name__ or "LayerCycles" in type(node).__name__ for node in seen)


def step(model: nn.Module, x: Tensor, states: Any = None) -> list[Tensor]:
    """Outputs, last states and gradient of a step of training, and the numbers of the next vectors of all arrays."""
    optimizer = mho.AnalogSGD(model, lr=0.1)
    own = x.clone().requires_grad_()
    answers = [value for value in tensors(model(own, states)) if value.is_floating_point()]
    generator = torch.Generator().manual_seed(5)
    sum((value * torch.randn(value.shape, generator=generator)).sum() for value in answers).backward()
    assert own.grad is not None
    before = [array.vectors.clone() for layer in array_layers(model).values() for array in layer.crossbars]
    optimizer.step()
    return [*(value.detach() for value in answers), own.grad, *before]


@pytest.mark.parametrize("kind", ["relu", "gru", "projected"])
@pytest.mark.parametrize("rpu", RPUS)
@pytest.mark.filterwarnings("ignore::mho.arrays.ClippedWeights")
def test_all_steps_at_once_are_the_steps_one_by_one(kind, rpu):
    model = mho.convert(LAYERS[kind](INPUTS, HIDDEN, 2, bidirectional=True), RPUS[rpu], seed=1, quiet=True)
    twin = step_by_step(model)
    for length, sequences in ((4, 3), (1, 1)):
        x = torch.randn(length, sequences, INPUTS)
        assert nodes(model.eval()(x)[0]) < nodes(twin.eval()(x)[0]) or length == 1
        model.train()
        twin.train()
        for mine, theirs in zip(step(model, x), step(twin, x), strict=True):
            # digital functions differ by an ulp; noise, and the numbers that name it, do not
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
        twin.load_state_dict(model.state_dict())
    assert all(sweep._ahead._is_native == (rpu not in ("tiles", "reads that vary")) for sweep in kept(model))


def kept(model: Any) -> list[Any]:
    return list(model.sweeps._kept.values())


def test_scales_that_are_learned_learn_alike():
    model = mho.convert(LAYERS["projected"](INPUTS, HIDDEN), RPUS["learned scales"], quiet=True)
    twin, x = step_by_step(model), torch.randn(5, 2, INPUTS)
    for _ in range(2):
        step(model, x)
        step(twin, x)
    before = {name: value.clone() for name, value in model.state_dict().items() if name.endswith("log_factor")}
    assert len(before) == 3
    for name, value in before.items():
        torch.testing.assert_close(value, twin.state_dict()[name], rtol=1e-5, atol=1e-5)
        assert not torch.equal(value, torch.full_like(value, np.log(0.5))), name


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_used_several_times_before_the_backward_is_that_of_torch(kind):
    digital = LAYERS[kind](INPUTS, HIDDEN, 2)
    model = mho.convert(digital, EXACT, quiet=True)
    found = []
    for net, optimizer in (
        (model, mho.AnalogSGD(model, lr=0.1)),
        (digital, torch.optim.SGD(digital.parameters(), 0.1)),
    ):
        x = torch.arange(60.0).reshape(4, 3, INPUTS).div(60).requires_grad_()
        first, state = net(x)
        second, _ = net(2 * x, state)
        third, _ = net(x[:2, :2] - 1)
        (first.square().sum() + second.sum() + third.square().sum()).backward()
        optimizer.step()
        found.append([x.grad, *(net.state_dict() if net is digital else mho.to_digital(net).state_dict()).values()])
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


def test_shapes_may_change_from_call_to_call():
    digital = nn.LSTM(INPUTS, HIDDEN, bidirectional=True)
    model = mho.convert(digital, EXACT, quiet=True)
    for length, sequences in ((4, 3), (1, 1), (30, 2), (4, 3), (2, 5), *((3, count) for count in range(1, 20))):
        x = torch.randn(length, sequences, INPUTS)
        torch.testing.assert_close(model(x)[0], digital(x)[0], rtol=1e-5, atol=1e-5)
    assert len(kept(model)) == 16


def test_the_first_state_is_read_backward_only_where_its_gradient_is_wanted():
    model = mho.convert(nn.GRU(INPUTS, HIDDEN), NOISY, quiet=True)
    array, start = model.hh_l0.crossbars[0], torch.zeros(1, 2, HIDDEN)
    mho.AnalogSGD(model, lr=0.1)
    for state, reads in ((start, 8), (start.clone().requires_grad_(), 10)):
        before = array.vectors.clone()
        model(torch.randn(5, 2, INPUTS), state)[0].sum().backward()
        moved = array.vectors - before
        assert moved[mho.random.Operation.FORWARD] == 10
        assert moved[mho.random.Operation.BACKWARD] == reads


def test_memory_of_a_use_is_kept_until_its_backward_and_then_used_again():
    model = mho.convert(nn.LSTM(INPUTS, HIDDEN), EXACT, quiet=True)
    mho.AnalogSGD(model, lr=0.1)
    x = torch.randn(4, 2, INPUTS)
    held = [model(x)[0].sum() for _ in range(3)]
    spare = model.sweeps._spare._blocks
    assert not spare
    held[0].backward(retain_graph=True)
    held[0].backward()
    with pytest.raises(RuntimeError, match="second time"):
        held[0].backward()
    held.clear()
    gc.collect()
    blocks = [block.ctypes.data for block in model.sweeps._spare._blocks]
    assert len(blocks) == 3
    with torch.no_grad():
        model(x)
    assert sorted(block.ctypes.data for block in model.sweeps._spare._blocks) == sorted(blocks)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_goes_on_with_the_same_bits_and_plans_of_its_own(copied: Callable[[Any], Any]):
    model = mho.convert(nn.LSTM(INPUTS, HIDDEN), NOISY, quiet=True)
    x = torch.randn(4, 2, INPUTS)
    model(x)
    twin = copied(model)
    assert not kept(twin)
    assert torch.equal(model(x)[0], twin(x)[0])
    other = mho.convert(nn.LSTM(INPUTS, HIDDEN), NOISY, seed=7, quiet=True)
    other(x)
    other.load_state_dict(model.state_dict())  # plans that were bound before see what is loaded
    assert torch.equal(model(x)[0], other(x)[0])


def test_checkpoints_compute_anew_what_the_backward_takes():
    digital = nn.LSTM(INPUTS, INPUTS)
    found = []
    for reentrant in (None, True, False):
        model = mho.convert(digital, EXACT, quiet=True)
        optimizer = mho.AnalogSGD(model, lr=0.1)

        def run(x: Tensor, model: nn.Module = model) -> Tensor:
            return model(model(x)[0])[0]

        x = torch.ones(4, 2, INPUTS, requires_grad=True)
        out = run(x) if reentrant is None else checkpoint(run, x, use_reentrant=reentrant)
        out.square().sum().backward()
        optimizer.step()
        found.append((x.grad, model.weight_hh_l0, model.weight_ih_l0))
    for other in found[1:]:
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(found[0], other, strict=True))


def test_what_cannot_be_done_is_said():
    model = mho.convert(nn.LSTM(INPUTS, HIDDEN), NOISY, quiet=True)
    x, start, broken = torch.randn(4, 2, INPUTS), torch.zeros(1, 2, HIDDEN), torch.full((1, 2, HIDDEN), torch.nan)
    h = start.clone().requires_grad_()
    (slope,) = torch.autograd.grad(model(x, (h, start))[0].sum(), h, create_graph=True)
    with pytest.raises(WrongUse, match=r"hh_l0: arrays have no second derivative"):
        slope.square().sum().backward()
    for states in ((broken, start), (start, broken)):
        with pytest.raises(InvalidValue, match=r"hh_l0: the input \(x\) holds NaN"):
            model(x, states)
    with pytest.raises(InvalidValue, match=r"hh_l0: the gradient \(d\) holds NaN"):
        (model(x)[0] * torch.nan).sum().backward()
    model(x)  # what was said is forgotten


def test_a_compiled_model_takes_all_steps_at_once():
    model = mho.convert(nn.GRU(INPUTS, HIDDEN), EXACT, quiet=True)
    x = torch.randn(4, 2, INPUTS)
    compiled = torch.compile(model, backend="eager")(x)[0]
    assert torch.equal(compiled, model(x)[0])
    assert nodes(compiled) == 2


# Kernels ----------------------------------------------------------------------------------------------


def numbers(*shape: int, seed: int) -> np.ndarray:
    return 3 * np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def slopes(answers: list[Tensor], errors: list[np.ndarray], given: list[Tensor]) -> list[np.ndarray]:
    found = torch.autograd.grad(answers, given, [torch.from_numpy(d).double() for d in errors])
    return [slope.numpy() for slope in found]


def close(mine: np.ndarray, theirs: Any) -> None:
    # twenty roundings of numbers up to 10
    np.testing.assert_allclose(mine, np.asarray(theirs), rtol=2e-6, atol=4e-6)


SIZES = [(1, 1), (3, 17), (10, 64)]


@pytest.mark.parametrize(("sequences", "hidden"), SIZES)
def test_kernels_of_an_lstm_step(sequences, hidden):
    given, answer = numbers(sequences, 4 * hidden, seed=1), numbers(sequences, 4 * hidden, seed=2)
    c, d, d_next = (numbers(sequences, hidden, seed=seed) for seed in (3, 4, 5))
    kept, new_c, tanh_c, d_c = np.empty_like(given), np.empty_like(c), np.empty_like(c), np.empty_like(c)
    h, errors = np.ones((sequences, hidden + 1), np.float32), np.empty_like(given)
    gates.lstm(given, answer, kept, LstmMemory(c, new_c, tanh_c), h)()
    gates.lstm_back(LstmErrors(d, d_next), kept, tanh_c, c, d_c=d_c, errors=errors)()
    x, past = (torch.from_numpy(own).double().requires_grad_() for own in (given, c))
    i, f, g, o = (x + torch.from_numpy(answer)).chunk(4, dim=1)
    new = torch.sigmoid(f) * past + torch.sigmoid(i) * torch.tanh(g)
    out = torch.sigmoid(o) * torch.tanh(new)
    close(new_c, new.detach())
    close(h[:, :hidden], out.detach())
    assert (h[:, hidden:] == 1).all()
    for mine, theirs in zip((errors, d_c), slopes([out, new], [d, d_next], [x, past]), strict=True):
        close(mine, theirs)


@pytest.mark.parametrize(("sequences", "hidden"), SIZES)
def test_kernels_of_a_gru_step(sequences, hidden):
    given, answer = numbers(sequences, 3 * hidden, seed=1), numbers(sequences, 3 * hidden, seed=2)
    h, new_h = numbers(sequences, hidden + 1, seed=3), np.ones((sequences, hidden), np.float32)
    d, past, kept = numbers(sequences, hidden, seed=4), np.empty_like(new_h), np.empty_like(given)
    given_errors, errors = np.empty_like(given), np.empty_like(given)
    gates.gru(given, answer, h, gates=kept, new_h=new_h)()
    gates.gru_back(d, kept, answer, h, GruErrors(given_errors, errors, past))()
    x, y, old = (torch.from_numpy(own.copy()).double().requires_grad_() for own in (given, answer, h[:, :hidden]))
    (r, z, n), (own_r, own_z, own_n) = x.chunk(3, dim=1), y.chunk(3, dim=1)
    new = torch.tanh(n + torch.sigmoid(r + own_r) * own_n)
    out = new + torch.sigmoid(z + own_z) * (old - new)
    close(new_h, out.detach())
    for mine, theirs in zip((given_errors, errors, past), slopes([out], [d], [x, y, old]), strict=True):
        close(mine, theirs)


@pytest.mark.parametrize("function", [torch.tanh, torch.relu])
@pytest.mark.parametrize(("sequences", "hidden"), SIZES)
def test_kernels_of_an_elman_step(sequences, hidden, function):
    given, answer, d = (numbers(sequences, hidden, seed=seed) for seed in (1, 2, 3))
    h, errors, rectified = np.empty_like(given), np.empty_like(given), function is torch.relu
    gates.elman(given, answer, h, rectified=rectified)()
    gates.elman_back(d, h, errors, rectified=rectified)()
    x = torch.from_numpy(given).double().requires_grad_()
    out = function(x + torch.from_numpy(answer))
    close(h, out.detach())
    close(errors, slopes([out], [d], [x])[0])


def test_tanh_keeps_its_bits_its_bounds_and_nan():
    x = np.concatenate([np.linspace(-15, 15, 99_991), [np.inf, -np.inf, 1e-30, np.nan]]).astype(np.float32)[None]
    whole, alone = np.empty_like(x), np.empty((x.size, 1), np.float32)
    gates.elman(x, np.zeros_like(x), whole, rectified=False)()
    gates.elman(x.T.copy(), np.zeros_like(alone), alone, rectified=False)()
    assert np.array_equal(whole[0], alone[:, 0], equal_nan=True)  # in the lanes of a vector and by itself
    assert np.nanmax(np.abs(whole)) == 1
    assert np.isnan(whole[0, -1])
    np.testing.assert_allclose(whole[0, :-1], np.tanh(x[0, :-1].astype(np.float64)), rtol=4e-7, atol=0)
