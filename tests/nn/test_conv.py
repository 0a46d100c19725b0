"""Convolutions of one and three axes and transposed ones on arrays: exact arrays against torch, and all of a kind."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import mho
from mho.hardware import array_table, planned_table
from mho.models import Network
from mho.nn import array_layers, conversion_rows

EXACT = mho.presets.floating_point()
NOISY = mho.presets.gokmen_2017(managed=True).replace(device=mho.devices.ConstantStep(w_max=5.0, w_min=-5.0))
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d}


def check_step(digital: nn.Module, x: Tensor, *more: Any, rpu: mho.RPU = EXACT) -> nn.Module:
    """Hold that an exact array answers, sends back and moves as torch, and that the digital twin has its weights."""
    model = mho.convert(digital, rpu, quiet=True)
    digital = copy.deepcopy(digital)
    optimizers = (mho.AnalogSGD(model, lr=0.1), torch.optim.SGD(digital.parameters(), lr=0.1))
    answers, slopes = [], []
    for net, optimizer in zip((model, digital), optimizers, strict=True):
        own = x.clone().requires_grad_()
        answers.append(net(own, *more))
        weights = torch.randn(answers[0].shape, generator=torch.Generator().manual_seed(5))
        (answers[-1] * weights).sum().backward()
        optimizer.step()
        slopes.append(own.grad)
    # the same sums in another order: tens of roundings of float32 at values around 1
    torch.testing.assert_close(*answers, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(*slopes, rtol=1e-5, atol=1e-5)
    back = mho.to_digital(model)
    assert (type(back), repr(back)) == (type(digital), repr(digital))
    for name, value in digital.named_parameters():
        # of a bias, as many terms as positions
        torch.testing.assert_close(dict(back.named_parameters())[name], value, rtol=1e-5, atol=1e-4)
    return model


def sizes(axes: int, low: int, high: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*[st.integers(low, high)] * axes)


@st.composite
def convolutions(draw: Any, axes: int) -> tuple[nn.Module, Tensor]:
    """Draw a convolution and an input that its kernel fits into."""
    kernel, dilation = draw(sizes(axes, 1, 3)), draw(sizes(axes, 1, 2))
    mode = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    padding = draw(st.one_of(st.sampled_from(["same", "valid"]), sizes(axes, 0, 2)))
    stride = (1,) * axes if padding == "same" else draw(sizes(axes, 1, 3))
    groups = draw(st.sampled_from([1, 2]))
    convolution = CONVOLUTIONS[axes](
        2 * draw(st.integers(1, 2)), 2 * draw(st.integers(1, 2)), kernel, stride=stride, padding=padding,
        dilation=dilation, groups=groups, bias=draw(st.booleans()), padding_mode=mode,
    )  # fmt: skip
    shape = tuple(d * (k - 1) + 1 + more for d, k, more in zip(dilation, kernel, draw(sizes(axes, 2, 4)), strict=True))
    batch = draw(st.sampled_from([(), (1,), (3,)]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    return convolution, torch.randn(*batch, convolution.in_channels, *shape, generator=generator)


@pytest.mark.parametrize("axes", CONVOLUTIONS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_convolution_answers_sends_back_and_moves_as_torch(axes, data):
    check_step(*data.draw(convolutions(axes)))


@st.composite
def transposed(draw: Any, axes: int) -> tuple[nn.Module, Tensor, tuple[int, ...] | None]:
    """Draw a transposed convolution, an input, and an output size or None."""
    kernel, stride, dilation = draw(sizes(axes, 1, 4)), draw(sizes(axes, 1, 3)), draw(sizes(axes, 1, 3))
    shape, padding = draw(sizes(axes, 2, 5)), draw(sizes(axes, 0, 1))
    most = [max(s, d) - 1 for s, d in zip(stride, dilation, strict=True)]
    more = tuple(draw(st.integers(0, m)) for m in most)
    groups = draw(st.sampled_from([1, 2]))
    net = TRANSPOSED[axes](
        2 * draw(st.integers(1, 2)), 2 * draw(st.integers(1, 2)), kernel, stride=stride, padding=padding,
        output_padding=more, groups=groups, bias=draw(st.booleans()), dilation=dilation,
    )  # fmt: skip
    least = [
        (n - 1) * s + d * (k - 1) + 1 - 2 * p
        for n, s, d, k, p in zip(shape, stride, dilation, kernel, padding, strict=True)
    ]
    size = tuple(n + draw(st.integers(0, s - 1)) for n, s in zip(least, stride, strict=True))
    batch = draw(st.sampled_from([(), (1,), (3,)]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    x = torch.randn(*batch, net.in_channels, *shape, generator=generator)
    fits = min(size) > 0 and min(n + e for n, e in zip(least, more, strict=True)) > 0
    return net, x, size if fits and draw(st.booleans()) else None if fits else (0,)


@pytest.mark.parametrize("axes", TRANSPOSED)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_transposed_convolution_answers_sends_back_and_moves_as_torch(axes, data):
    net, x, size = data.draw(transposed(axes).filter(lambda case: case[2] != (0,)))
    check_step(net, x, *([] if size is None else [size]))


KINDS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv1d": (lambda: nn.Conv1d(2, 4, 3, stride=2, padding=1, groups=2), (2, 9)),
    "conv3d": (lambda: nn.Conv3d(2, 4, (2, 3, 2), stride=(2, 1, 1), padding=1), (2, 3, 4, 3)),
    "transposed 1d": (lambda: nn.ConvTranspose1d(2, 4, 3, stride=2, output_padding=1, groups=2), (2, 5)),
    "transposed 2d": (lambda: nn.ConvTranspose2d(2, 3, (3, 2), stride=2, padding=1), (2, 3, 4)),
}
EACH = pytest.mark.parametrize("kind", KINDS)


def net_of(kind: str) -> nn.Sequential:
    build, shape = KINDS[kind]
    torch.manual_seed(3)
    net = build()
    numbers = net(torch.zeros(1, *shape)).numel()
    return nn.Sequential(net, nn.Tanh(), nn.Flatten(), nn.Linear(numbers, 3))


def batch(kind: str, seed: int = 0) -> Tensor:
    return torch.randn(4, *KINDS[kind][1], generator=torch.Generator().manual_seed(seed))


def train(model: nn.Module, kind: str, steps: int, prefer: str = "autograd") -> Any:
    driver = mho.training.choose_driver(model, mho.AnalogSGD(model, lr=0.05), prefer=prefer)
    for step in range(steps):
        driver.step(batch(kind, step), torch.tensor([0, 2, 1, 1]))
    return driver


def states(model: nn.Module) -> list[Tensor]:
    return [array.state for layer in array_layers(model).values() for array in layer.crossbars]


@EACH
@pytest.mark.parametrize("tile", [None, (5, 7)], ids=["whole", "tiles"])
def test_each_replica_is_the_run_of_its_seed(kind, tile):
    rpu = NOISY.replace(tile=tile)
    together = mho.convert(net_of(kind), rpu, seed=2, replicas=2, quiet=True)
    train(together, kind, 2)
    for r in range(2):
        alone = mho.convert(net_of(kind), rpu, seed=2 + r, quiet=True)
        train(alone, kind, 2)
        pairs = zip(array_layers(together).values(), array_layers(alone).values(), strict=True)
        for mine, theirs in pairs:
            assert torch.equal(mine.matrix()[r], theirs.matrix()[0])


@EACH
def test_tiles_answer_and_move_as_torch(kind):
    build, shape = KINDS[kind]
    model = check_step(build(), torch.randn(2, *shape), rpu=EXACT.replace(tile=(3, 2)))
    layer = next(iter(array_layers(model).values()))
    assert len(layer.crossbars[0].tile_shapes) > 1


@EACH
def test_a_state_dict_goes_on_with_the_same_bits_and_takes_that_of_torch(kind):
    model = mho.convert(net_of(kind), NOISY, seed=1, quiet=True)
    train(model, kind, 2)
    twin = mho.convert(net_of(kind), NOISY, seed=9, quiet=True)
    twin.load_state_dict(model.state_dict())
    train(model, kind, 1)
    train(twin, kind, 1)
    for name, value in model.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name]), name
    other, exact = net_of(kind), mho.convert(net_of(kind), EXACT, quiet=True)
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    exact.load_state_dict(other.state_dict())
    back = mho.to_digital(exact).state_dict()
    assert all(torch.equal(value, back[name]) for name, value in other.state_dict().items())
    assert torch.equal(exact[0].weight, other[0].weight)
    assert torch.equal(exact[0].bias, other[0].bias)


@EACH
def test_weights_are_written_in_the_shape_of_torch_and_initialisations_reach_them(kind):
    model = mho.convert(net_of(kind), EXACT, quiet=True)
    other = KINDS[kind][0]()
    assert model[0].write(other.weight, other.bias) == 0
    assert torch.equal(model[0].weight, other.weight)
    assert torch.equal(model[0].bias, other.bias)
    kept = type(other)
    model.apply(lambda module: nn.init.constant_(module.weight, 0.5) if type(module) is kept else None)
    assert set(model[0].weight.flatten().tolist()) == {0.5}
    assert torch.equal(model[0].bias, other.bias)


@EACH
def test_what_is_frozen_stays(kind):
    net = net_of(kind)
    net[0].requires_grad_(False)
    model = mho.convert(net, EXACT, quiet=True)
    assert all("frozen" in row.became for row in conversion_rows(model)[:-1])
    train(model, kind, 1)
    assert torch.equal(model[0].weight, net[0].weight)
    assert not torch.equal(model[3].weight, net[3].weight)
    assert not any(parameter.requires_grad for parameter in mho.to_digital(model)[0].parameters())


@EACH
def test_tables_count_vectors(kind):
    rows = planned_table(Network(lambda: net_of(kind), KINDS[kind][1]), NOISY)
    expected = {
        "conv1d": [("0", 2, 4, 5, 2)],
        "conv3d": [("0", 4, 25, 2 * 4 * 4, 1)],
        "transposed 1d": [("0.kernel", 6, 1, 5, 2), ("0.offset", 4, 1, 1, 1)],
        "transposed 2d": [("0.kernel", 18, 2, 12, 1), ("0.offset", 3, 1, 1, 1)],
    }
    assert [(row.layer, row.out, row.inputs, row.vectors, row.groups) for row in rows[:-1]] == expected[kind]
    model = mho.convert(net_of(kind), NOISY, quiet=True)
    assert array_table(model, torch.zeros(1, *KINDS[kind][1])) == rows
    assert [row.name for row in conversion_rows(model)] == [row.layer for row in rows]


@pytest.mark.parametrize("kind", ["conv1d", "conv3d"])
@pytest.mark.parametrize("mode", ["zeros", "circular"])
def test_both_drivers_train_patches_to_the_same_weights(kind, mode):
    net = net_of(kind)
    net[0].padding_mode = mode
    if mode != "zeros":
        net[0]._reversed_padding_repeated_twice = [1, 1] * (len(KINDS[kind][1]) - 1)
    models = [mho.convert(net, EXACT, quiet=True) for _ in range(2)]
    drivers = [train(model, kind, 3, prefer) for model, prefer in zip(models, ("online", "autograd"), strict=True)]
    assert [driver.name for driver in drivers] == ["online", "autograd"]
    for mine, theirs in zip(states(models[0]), states(models[1]), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)  # tanh and softmax of NumPy differ by an ulp


def test_a_transposed_convolution_is_left_to_autograd_with_the_reason():
    model = mho.convert(net_of("transposed 1d"), NOISY, quiet=True)
    driver = mho.training.choose_driver(model, mho.AnalogSGD(model, lr=0.1), sample=batch("transposed 1d"))
    assert driver.name == "autograd"
    assert driver.reason.startswith("0 (ConvTranspose1d) passes its arrays by a forward of its own")


def test_vectors_pulse_in_the_order_of_positions_and_the_bias_once_a_sample():
    model = mho.convert(nn.ConvTranspose2d(2, 3, 2, stride=2), EXACT, quiet=True)
    mho.AnalogSGD(model, lr=0.1)
    x = torch.arange(24.0).reshape(2, 2, 2, 3)
    model(x).sum().backward()
    (kernel,), (offset,) = model.kernel.memory.pending, model.offset.memory.pending
    assert torch.equal(torch.from_numpy(kernel.x[0][0]), x.permute(0, 2, 3, 1).flatten(0, 2))
    assert offset.x[0].tolist() == [[[1.0], [1.0]]]
    assert offset.d[0].tolist() == [[[-24.0] * 3] * 2]  # 4×6 positions


def test_parts_have_rpus_of_their_own():
    net = nn.Sequential(nn.ConvTranspose2d(2, 3, 2))
    model = mho.convert(net, EXACT, layers={"0.offset": EXACT.replace(scale=2.0)}, quiet=True)
    rows = {row.name: row.became for row in conversion_rows(model)}
    assert rows["0.kernel"] == "array 12×2, patches folded digitally"
    assert "scale" in rows["0.offset"]
    replicas = mho.convert(net, EXACT, replicas=2, quiet=True).model[0]
    assert replicas.weight.shape == (2, 2, 3, 2, 2)
    replicas.write(torch.stack([net[0].weight, -net[0].weight]), torch.ones(3))
    assert torch.equal(replicas.weight[1], -net[0].weight)
    assert replicas.bias.tolist() == [[1.0] * 3] * 2


def conv(**options: Any) -> Any:
    return mho.nn.ConvTranspose2d(2, 4, 3, rpu=EXACT, **options)


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "length": (lambda: mho.nn.Conv1d(2, 4, 5, rpu=EXACT)(torch.ones(1, 2, 3)), "a sequence of 3 is smaller"),
    "channels": (lambda: mho.nn.Conv3d(2, 4, 1, rpu=EXACT)(torch.ones(1, 3, 2, 2, 2)), r"\(batch, 2, depth, height, w"),
    "volume": (lambda: mho.nn.Conv3d(2, 4, 3, rpu=EXACT)(torch.ones(1, 2, 2, 4, 4)), "a volume of 2×4×4 is smaller"),
    "groups": (lambda: mho.nn.Conv1d(2, 4, 3, groups=4, rpu=EXACT), "4 groups; both 2 input and 4 output channels"),
    "kernel": (lambda: mho.nn.Conv1d(2, 4, (3, 3), rpu=EXACT), r"kernel_size is \(3, 3\); give one number, or 1"),
    "kernel of nothing": (lambda: mho.nn.Conv2d(2, 4, (3, 0), rpu=EXACT), r"kernel_size is \(3, 0\); give integers"),
    "stride": (lambda: mho.nn.Conv2d(2, 4, 3, stride=0, rpu=EXACT), "stride is 0; give integers of at least 1"),
    "padding": (lambda: mho.nn.Conv1d(2, 4, 3, padding=-1, rpu=EXACT), "padding is -1; give integers of at least 0"),
    "no groups": (lambda: mho.nn.Conv1d(2, 4, 3, groups=0, rpu=EXACT), "groups is 0; give an integer of at least 1"),
    "half": (lambda: conv(dilation=1.5), r"dilation is 1\.5; give integers"),
    "mirror": (
        lambda: mho.nn.Conv1d(2, 4, 3, padding=3, padding_mode="reflect", rpu=EXACT)(torch.ones(1, 2, 3)),
        r"padding=\(3,\) is too wide for maps of 3, of which padding_mode='reflect' takes it.*a padding below",
    ),
    "wrap": (
        lambda: mho.nn.Conv2d(2, 4, 1, padding=(0, 3), padding_mode="circular", rpu=EXACT)(torch.ones(1, 2, 2, 2)),
        r"padding=\(0, 3\) is too wide for maps of 2×2.*of at most",
    ),
    "list": (lambda: conv()([[1.0]]), "input .*; give a tensor"),
    "mode": (lambda: mho.nn.Conv3d(2, 4, 3, padding_mode="zero", rpu=EXACT), "padding_mode is 'zero'; give one of"),
    "same": (lambda: mho.nn.Conv1d(2, 4, 3, padding="same", stride=2, rpu=EXACT), "'same' with stride 1"),
    "transposed channels": (lambda: conv()(torch.ones(1, 3, 2, 2)), r"give \(batch, 2, height, width\)"),
    "transposed axes": (lambda: conv()(torch.ones(2, 2)), r"input of shape \(2, 2\); give"),
    "output padding": (lambda: conv(output_padding=1), "output_padding is 1; give a number from 0 to less than stride"),
    "output size": (
        lambda: conv(stride=2)(torch.ones(1, 2, 2, 2), output_size=(7, 5)),
        r"output_size is \(7, 5\); for an input of 2×2 give 2 numbers from 5×5 to 6×6",
    ),
    "no output": (lambda: conv(padding=2)(torch.ones(1, 2, 2, 2)), "leaves no output with padding"),
    "part": (lambda: conv(layers={"bias": EXACT}), "'bias' matches no part"),
    "bias": (lambda: conv(bias=False).write(torch.zeros(2, 4, 3, 3), torch.zeros(4)), "the layer has no bias"),
    "shape": (lambda: conv().write(torch.zeros(4, 2, 3, 3)), r"shape \(4, 2, 3, 3\); give \(2, 4, 3, 3\)"),
}  # fmt: skip


@EACH
def test_a_batch_of_nothing_is_answered_and_moves_nothing(kind):
    build, shape = KINDS[kind]
    digital = build()
    model = mho.convert(digital, EXACT, quiet=True)
    optimizer = mho.AnalogSGD(model, lr=0.1)
    x = torch.ones(0, *shape, requires_grad=True)
    answer = model(x)
    assert answer.shape == digital(x).shape
    answer.sum().backward()
    optimizer.step()
    assert x.grad is not None
    assert x.grad.shape == x.shape
    assert torch.equal(model.weight, digital.weight)


def test_the_size_of_an_output_without_a_batch_may_name_its_channels():
    digital = nn.ConvTranspose2d(2, 3, 3, stride=2)
    model = mho.convert(digital, EXACT, quiet=True)
    x = torch.randn(2, 2, 2)
    torch.testing.assert_close(model(x, (3, 6, 5)), digital(x, (3, 6, 5)))  # sums in another order
    with pytest.raises(mho.errors.InvalidValue, match="give 2 numbers from"):
        model(x, (1, 3, 6, 5))


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, words = BAD[case]
    with pytest.raises(mho.errors.MhoError, match=words):
        call()
