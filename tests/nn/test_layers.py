"""Layers, conversion and the optimizer, as a torch user meets them."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import mho
from mho.errors import InvalidValue, MhoError, WrongUse
from mho.hardware import array_table
from mho.nn import ArrayLayer, StaysDigital, conversion_rows
from tests.helpers.own_cell import Leaky

EXACT = mho.presets.floating_point()
NOISY = mho.presets.gokmen_2017(update_management=True)


def small_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 8), nn.Tanh(), nn.Linear(8, 3)
    )


def batch(size: int = 2, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(size, 1, 8, 8, generator=generator), torch.randint(0, 3, (size,), generator=generator)


def train(model: nn.Module, steps: int, optimizer: torch.optim.Optimizer | None = None) -> None:
    optimizer = optimizer or mho.AnalogSGD(model, lr=0.05)
    for i in range(steps):
        x, y = batch(seed=i)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()


CONVOLUTIONS = [
    {},
    {"padding": 2},
    {"stride": (2, 1), "padding": (1, 0)},
    {"dilation": 2, "padding": "same"},
    {"groups": 2},
    {"groups": 4, "bias": False, "stride": 3},
    {"padding": 1, "padding_mode": "reflect"},
    {"padding": (2, 1), "padding_mode": "circular", "dilation": (1, 2)},
]


@pytest.mark.parametrize("options", CONVOLUTIONS, ids=str)
def test_exact_convolution_equals_torch_forward_backward_and_update(options):
    digital = nn.Conv2d(4, 8, 3, **options)
    model = mho.convert(digital, EXACT, quiet=True)
    x = torch.randn(3, 4, 9, 10, requires_grad=True)
    twin = x.detach().clone().requires_grad_()
    out, expected = model(x), digital(twin)
    torch.testing.assert_close(out, expected)  # same sums in another order: torch's float32 tolerance
    grad = torch.randn_like(out)
    optimizer = mho.AnalogSGD(model, lr=0.1)
    out.backward(grad)
    expected.backward(grad)
    torch.testing.assert_close(x.grad, twin.grad)
    optimizer.step()
    torch.optim.SGD(digital.parameters(), lr=0.1).step()
    torch.testing.assert_close(model(twin), digital(twin), rtol=1e-4, atol=1e-4)  # after a sum over all vectors


@pytest.mark.parametrize("shape", [(5, 6), (2, 3, 6), (2, 3, 2, 6)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_exact_linear_equals_torch(shape, bias):
    digital = nn.Linear(6, 4, bias=bias)
    model = mho.convert(digital, EXACT, quiet=True)
    x = torch.randn(shape, requires_grad=True)
    twin = x.detach().clone().requires_grad_()
    out, expected = model(x), digital(twin)
    torch.testing.assert_close(out, expected)
    out.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(x.grad, twin.grad)


def test_exact_training_follows_torch_sgd():
    digital = small_net()
    model = mho.convert(digital, EXACT, quiet=True)
    train(model, 10)
    train(digital, 10, torch.optim.SGD(digital.parameters(), lr=0.05))
    x, _ = batch()
    torch.testing.assert_close(model(x), digital(x), rtol=1e-4, atol=1e-5)  # 10 steps of float32 sums


def test_every_layer_moves_the_first_one_too():
    model = mho.convert(small_net(), NOISY, quiet=True)
    before = [layer.crossbars[0].weight.clone() for layer in model.modules() if isinstance(layer, ArrayLayer)]
    train(model, 3)
    after = [layer.crossbars[0].weight for layer in model.modules() if isinstance(layer, ArrayLayer)]
    assert [bool((a != b).any()) for a, b in zip(after, before, strict=True)] == [True] * 3


def test_weights_are_no_parameters():
    model = mho.convert(small_net(), NOISY, quiet=True)
    assert all(p.shape == (0,) for p in model.parameters())
    assert {f"{n}.arrays.0.banks.devices.state" for n in (0, 4, 6)} <= set(model.state_dict())


def test_the_digital_model_is_left_as_it_was():
    digital = small_net()
    before = copy.deepcopy(digital.state_dict())
    train(mho.convert(digital, NOISY, quiet=True), 2)
    assert all(torch.equal(value, before[name]) for name, value in digital.state_dict().items())


def test_plain_sgd_raises_at_the_second_backward():
    model = mho.convert(small_net(), NOISY, quiet=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(WrongUse, match=r"mho\.AnalogSGD"):
        train(model, 2, optimizer)


def test_a_second_backward_adds_its_vectors_in_order():
    together, apart = (mho.convert(small_net(), EXACT, quiet=True) for _ in range(2))
    (xa, ya), (xb, yb) = batch(seed=1), batch(seed=2)
    optimizer = mho.AnalogSGD(together, lr=0.1)
    F.cross_entropy(together(xa), ya).backward()
    F.cross_entropy(together(xb), yb).backward()
    optimizer.step()
    other = mho.AnalogSGD(apart, lr=0.1)
    loss = F.cross_entropy(apart(xa), ya), F.cross_entropy(apart(xb), yb)
    sum(loss).backward()
    other.step()
    # one graph runs its branches in the other order, so sums differ in their last bits
    torch.testing.assert_close(together(xa), apart(xa), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("clear", [lambda m, o: o.zero_grad(), lambda m, o: m.zero_grad()], ids=["optimizer", "model"])
def test_zero_grad_clears_what_waits(clear):
    model, expected = (mho.convert(small_net(), NOISY, quiet=True) for _ in range(2))
    optimizer = mho.AnalogSGD(model, lr=0.1)
    x, y = batch(seed=5)
    F.cross_entropy(model(x), y).backward()
    F.cross_entropy(model(x), y).backward()
    clear(model, optimizer)
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    other = mho.AnalogSGD(expected, lr=0.1)
    for _ in range(3):  # the same reads, so that every stream stands at the same vector
        other.zero_grad()
        F.cross_entropy(expected(x), y).backward()
    other.step()
    assert torch.equal(model[0].crossbars[0].weight, expected[0].crossbars[0].weight)


def test_gradients_taken_with_autograd_grad_do_not_pulse():
    model = mho.convert(small_net(), NOISY, quiet=True)
    optimizer = mho.AnalogSGD(model, lr=0.1)
    before = model[0].crossbars[0].weight.clone()
    x = batch()[0].requires_grad_()
    torch.autograd.grad(model(x).sum(), x)
    optimizer.step()
    assert torch.equal(model[0].crossbars[0].weight, before)


def test_evaluating_never_changes_training():
    one, other = (mho.convert(small_net(), NOISY, quiet=True) for _ in range(2))
    train(one, 2)
    one.eval()
    for _ in range(3):
        one(batch()[0])
    one.train()
    train(one, 2)
    train(other, 2)
    train(other, 2)
    assert torch.equal(one[0].crossbars[0].state, other[0].crossbars[0].state)


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "state_dict", "torch.save"])
def test_a_copy_continues_the_same_streams(how):
    model = mho.convert(small_net(), NOISY, seed=3, quiet=True)
    train(model, 2)
    if how == "deepcopy":
        twin = copy.deepcopy(model)
    elif how == "pickle":
        twin = pickle.loads(pickle.dumps(model))
    elif how == "torch.save":
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        twin = torch.load(file, weights_only=False)
    else:
        twin = mho.convert(small_net(), NOISY, seed=99, quiet=True)
        twin.load_state_dict(model.state_dict())
    train(model, 3)
    train(twin, 3)
    for name, value in model.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name]), name


def test_a_convolution_that_an_earlier_version_pickled_makes_its_layouts_again():
    model = mho.convert(nn.Conv2d(1, 2, 3), NOISY, seed=3, quiet=True)
    x = torch.rand(2, 1, 6, 6)
    model(x)
    layouts = {shape: copy.copy(layout) for shape, layout in model._geometries.items()}
    assert layouts
    for layout in layouts.values():  # kernels took plain tuples once
        layout.__dict__["numbers"] = tuple(layout.numbers)
    twin = type(model).__new__(type(model))
    twin.__setstate__(copy.deepcopy(model).__dict__ | {"_geometries": layouts})
    assert not pickle.loads(pickle.dumps(model))._geometries
    assert torch.equal(model(x), twin(x))


def test_moving_to_another_type_raises_and_says_why():
    model = mho.convert(small_net(), NOISY, quiet=True)
    model.to("cpu")
    with pytest.raises(WrongUse, match="CPU in float32"):
        model.half()
    with pytest.raises(WrongUse, match="CPU in float32"):
        model.to("meta")


@pytest.mark.parametrize("way", ["model", "function"])
def test_torch_compile_runs_the_arrays_between_compiled_parts(way):
    plain, compiled = (mho.convert(small_net(), NOISY, quiet=True) for _ in range(2))
    fast = torch.compile(compiled if way == "model" else lambda x: compiled(x), backend="eager")
    for step in range(3):
        x, y = batch(seed=step)
        for model, net in ((plain, plain), (fast, compiled)):
            optimizer = mho.AnalogSGD(net, lr=0.05)
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
    assert torch.equal(plain(x), fast(x))


def test_distributed_data_parallel_raises(tmp_path):
    model = mho.convert(small_net(), NOISY, quiet=True)
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        with pytest.raises(MhoError, match="DistributedDataParallel"):
            nn.parallel.DistributedDataParallel(model)(batch()[0])
        model(batch()[0])  # by itself it still answers
    finally:
        torch.distributed.destroy_process_group()


# Conversion -------------------------------------------------------------------------------------------


def test_layers_and_exclude_go_by_name_pattern():
    other = mho.presets.gokmen_2017(pulses=1).replace(cell=mho.cells.Replicated(3))
    model = mho.convert(mho.models.LeNet(), NOISY, layers={"conv*": other}, exclude=["fc2"], quiet=True)
    assert model.conv1.crossbars[0].devices == 3
    assert model.fc1.crossbars[0].devices == 1
    assert isinstance(model.fc2, nn.Linear)
    assert {row.name: row.became for row in conversion_rows(model)} == {
        "conv1": "array 16×26, with 3 devices per weight",
        "conv2": "array 32×401, with 3 devices per weight",
        "fc1": "array 128×513",
        "fc2": "digital (excluded)",
    }


def test_patterns_that_match_nothing_raise_all_at_once():
    with pytest.raises(InvalidValue) as caught:
        mho.convert(mho.models.LeNet(), NOISY, layers={"conv_2": NOISY}, exclude=["fc9"])
    assert "'conv_2' matches no layer; did you mean 'conv2'?" in str(caught.value)
    assert "'fc9'" in str(caught.value)


def test_what_stays_digital_is_told():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    with pytest.warns(StaysDigital, match="1 \\(BatchNorm1d\\)"):
        mho.convert(model, NOISY, quiet=True)
    mho.convert(model, NOISY, exclude=["1"], quiet=True)


def test_the_table_is_printed_unless_quiet(capsys):
    mho.convert(small_net(), NOISY)
    assert "array 4×10" in capsys.readouterr().err
    mho.convert(small_net(), NOISY, quiet=True)
    assert capsys.readouterr().err == ""


def test_clipped_share_is_reported():
    digital = nn.Linear(3, 2, bias=False)
    nn.init.constant_(digital.weight, 5.0)  # far beyond any bound
    model = mho.convert(nn.Sequential(digital), NOISY, quiet=True)
    assert conversion_rows(model)[0].clipped == 1.0


@pytest.mark.parametrize("model", [nn.Sequential(nn.Tanh()), nn.BatchNorm1d(3)], ids=str)
def test_a_model_with_nothing_to_convert_raises(model):
    with pytest.raises(InvalidValue, match="no layer was converted"):
        mho.convert(model, NOISY, quiet=True)


def test_a_layer_that_stands_twice_in_one_container_is_one_layer_on_arrays():
    shared = nn.Linear(4, 4)
    model = mho.convert(nn.Sequential(shared, nn.Tanh(), shared), EXACT, quiet=True)
    assert model[0] is model[2]
    assert isinstance(model[2], ArrayLayer)
    assert len(conversion_rows(model)) == 1


def test_converting_twice_raises():
    with pytest.raises(InvalidValue, match="already"):
        mho.convert(mho.convert(small_net(), NOISY, quiet=True), NOISY)


def test_array_table_gives_the_papers_arrays():
    model = mho.convert(mho.models.LeNet(), NOISY, quiet=True)
    rows = array_table(model, torch.zeros(1, 1, 28, 28))
    found = [(row.layer, row.out, row.inputs, row.vectors) for row in rows]
    assert found == [("conv1", 16, 26, 576), ("conv2", 32, 401, 64), ("fc1", 128, 513, 1), ("fc2", 10, 129, 1)]
    assert sum(row.out * row.inputs for row in rows) == 80_202


# Replicas ---------------------------------------------------------------------------------------------


def test_each_replica_equals_the_run_of_its_seed():
    def net() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(144, 3))

    together = mho.convert(net(), NOISY, seed=5, replicas=3, quiet=True)
    optimizer = mho.AnalogSGD(together, lr=0.05)
    for i in range(3):
        x, y = batch(seed=i)
        mho.replica_loss(F.cross_entropy, together(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
    for r in range(3):
        alone = mho.convert(net(), NOISY, seed=5 + r, quiet=True)
        train(alone, 3)
        for mine, theirs in zip(together.model, alone, strict=True):
            if isinstance(mine, ArrayLayer):
                assert torch.equal(mine.crossbars[0].state[r], theirs.crossbars[0].state[0])
                for name, count in mine.crossbars[0].counters().items():
                    assert count[r] == theirs.crossbars[0].counters()[name][0], name


def test_replicas_take_shared_or_own_inputs():
    model = mho.convert(small_net(), EXACT, replicas=2, quiet=True)
    x, _ = batch(3)
    shared, own = model(x), model(x.expand(2, *x.shape))
    assert shared.shape == (2, 3, 3)
    assert torch.equal(shared, own)
    dense = mho.convert(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), EXACT, replicas=2, quiet=True)
    assert torch.equal(dense(x), dense(x.expand(2, *x.shape)))
    vectors = mho.convert(nn.Linear(6, 3), EXACT, replicas=2, quiet=True)
    assert vectors(torch.ones(2, 6)).shape == (2, 2, 3)
    with pytest.raises(InvalidValue, match="shared by all"):
        model(torch.zeros(8, 8))


def test_a_batch_that_may_be_shared_or_own_is_taken_as_the_caller_says():
    """(2, 5, 6) with R = 2: five vectors for each replica, or two sequences of five, shared."""
    vectors = mho.convert(nn.Linear(6, 3), EXACT, replicas=2, quiet=True)
    x = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(1))
    with pytest.raises(InvalidValue, match=r"may be .*per_replica=False"):
        vectors(x)
    own, shared = vectors(x, per_replica=True), vectors(x, per_replica=False)
    assert own.shape == (2, 5, 3)
    assert shared.shape == (2, 2, 5, 3)
    assert torch.equal(own[1], shared[1, 1])
    images = mho.convert(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), EXACT, replicas=2, quiet=True)
    with pytest.raises(InvalidValue, match="may be"):
        images(torch.ones(2, 1, 8, 8))
    assert images(torch.ones(2, 1, 8, 8), per_replica=False).shape == (2, 2, 3)
    with pytest.raises(InvalidValue, match=r"per_replica=True; give \(2, batch"):
        vectors(torch.ones(3, 5, 6), per_replica=True)


@pytest.mark.parametrize("prefer", ["online", "autograd"])
def test_a_driver_takes_batches_as_it_was_made_for(prefer):
    def driver(per_replica: bool | None, replicas: int = 3) -> mho.training.Driver:
        model = mho.convert(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), EXACT, replicas=replicas, quiet=True)
        optimizer = mho.AnalogSGD(model, lr=0.1)
        return mho.training.choose_driver(model, optimizer, prefer=prefer, per_replica=per_replica)

    x, y = torch.ones(3, 1, 8, 8), torch.tensor([0, 1, 2])
    with pytest.raises(InvalidValue, match="may be"):
        driver(None).step(x, y)
    assert driver(False).step(x, y).out.shape == (3, 3, 3)
    assert driver(True).step(x, y[:, None]).out.shape == (3, 1, 3)
    with pytest.raises(InvalidValue, match="one replica"):
        driver(True, replicas=1)


def test_targets_shaped_as_the_outputs_of_one_replica_are_shared():
    """R = B = outputs: (2, 2) numbers are the outputs that both replicas shall have, not two numbers for each."""
    out = torch.randn(2, 2, 2, generator=torch.Generator().manual_seed(1))
    y = torch.randn(2, 2, generator=torch.Generator().manual_seed(2))
    expected = F.mse_loss(out[0], y) + F.mse_loss(out[1], y)
    assert torch.equal(mho.replica_loss(F.mse_loss, out, y), expected)
    labels = torch.tensor([[0, 1], [1, 1]])
    expected = F.cross_entropy(out[0], labels[0]) + F.cross_entropy(out[1], labels[1])
    assert torch.equal(mho.replica_loss(F.cross_entropy, out, labels), expected)


def test_digital_parameters_with_replicas_raise():
    with pytest.raises(WrongUse, match="fc2 would stay digital"):
        mho.convert(mho.models.LeNet(), NOISY, exclude=["fc2"], replicas=2, quiet=True)


def test_dropout_keeps_the_asked_share_and_scale():
    layer = mho.nn.Dropout(0.25, seed=1)
    out = layer(torch.ones(100, 1000))
    kept = float((out != 0).float().mean())
    assert kept == pytest.approx(0.75, abs=4 * (0.25 * 0.75 / 1e5) ** 0.5)  # 4 standard errors
    assert out.max() == pytest.approx(1 / 0.75)
    assert not torch.equal(layer(torch.ones(2, 50)), layer(torch.ones(2, 50)))
    assert torch.equal(layer.eval()(torch.ones(3)), torch.ones(3))


# AnalogSGD --------------------------------------------------------------------------------------------


def test_momentum_and_weight_decay_need_digital_parameters():
    model = mho.convert(small_net(), NOISY, quiet=True)
    for option in ({"momentum": 0.9}, {"weight_decay": 1e-4}):
        with pytest.raises(InvalidValue, match="would have no effect"):
            mho.AnalogSGD(model, lr=0.1, **option)
    mixed = mho.convert(small_net(), EXACT, exclude=["6"], quiet=True)
    digital = small_net()
    train(mixed, 5, mho.AnalogSGD(mixed, lr=0.05, momentum=0.9, weight_decay=0.01))
    groups = [
        {"params": [*digital[0].parameters(), *digital[4].parameters()]},
        {"params": digital[6].parameters(), "momentum": 0.9, "weight_decay": 0.01},
    ]
    train(digital, 5, torch.optim.SGD(groups, lr=0.05))
    torch.testing.assert_close(mixed[6].weight, digital[6].weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lr", [0, -0.1, float("nan"), float("inf"), "fast"])
def test_learning_rates_must_be_positive(lr):
    model = mho.convert(small_net(), NOISY, quiet=True)
    with pytest.raises(InvalidValue, match="lr is"):
        mho.AnalogSGD(model, lr=lr)


def test_optimizer_takes_a_converted_model():
    with pytest.raises(WrongUse, match="takes the converted model itself"):
        mho.AnalogSGD(small_net().parameters(), lr=0.1)
    with pytest.raises(WrongUse, match="convert it first"):
        mho.AnalogSGD(small_net(), lr=0.1)


def test_schedulers_and_layer_rates_work():
    model = mho.convert(small_net(), EXACT, quiet=True)
    optimizer = mho.AnalogSGD(model, lr=0.1, layers={"0": 0.2})
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    train(model, 1, optimizer)
    scheduler.step()
    assert {group["layer"]: group["lr"] for group in optimizer.param_groups} == {"0": 0.1, "4": 0.05, "6": 0.05}
    with pytest.raises(InvalidValue, match="matches no array layer"):
        mho.AnalogSGD(model, lr=0.1, layers={"conv": 0.2})


# Bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_bad_inputs_and_gradients_name_the_layer(bad):
    model = mho.convert(mho.models.LeNet(), NOISY, quiet=True)
    optimizer = mho.AnalogSGD(model, lr=0.1)
    x = torch.zeros(1, 1, 28, 28)
    with pytest.raises(InvalidValue, match=r"conv1: the input \(x\) holds"):
        model(x + bad)
    with pytest.raises(InvalidValue, match=r"fc2: the gradient \(d\) holds"):
        model(x).backward(torch.full((1, 10), bad))
    optimizer.zero_grad()
    out = model.conv1(x)  # the first layer reads nothing backward: its update finds the fault
    out.backward(torch.full_like(out, bad))
    with pytest.raises(InvalidValue, match=r"conv1: the gradient \(d\) holds"):
        optimizer.step()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Linear(4, 2), (3, 5)), (nn.Conv2d(2, 3, 3), (1, 3, 8, 8)), (nn.Conv2d(2, 3, 3), (1, 2, 2, 2))],
)
def test_wrong_shapes_say_what_to_give(layer, shape):
    with pytest.raises(InvalidValue, match=r"give \(batch|smaller than"):
        mho.convert(layer, NOISY, quiet=True)(torch.zeros(shape))


@pytest.mark.parametrize(
    "cell", [mho.cells.Single(), mho.cells.Replicated(3), mho.cells.Referenced(), mho.cells.OneSided(), Leaky()],
    ids=lambda cell: type(cell).__name__,
)  # fmt: skip
@pytest.mark.parametrize(("bound", "low", "high"), [(5.0, 0.0, 0.0), (0.1, 0.3, 0.7)])
def test_the_share_that_bounds_clip_is_that_of_weights(cell, bound, low, high):
    """Whatever the cell makes a weight of; uniform within ±0.2, some half lies beyond ±0.1 in one device."""
    net = nn.Sequential(nn.Linear(25, 40))
    rpu = NOISY.replace(device=mho.devices.ConstantStep(w_max=bound, w_min=-bound), cell=cell)
    share = mho.convert(net, rpu, quiet=True).conversion[0].clipped
    if isinstance(cell, mho.cells.OneSided):  # from bound to bound, a pair reaches twice as far
        assert share == 0.0
    else:
        assert low <= share <= high
