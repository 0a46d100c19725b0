"""The online driver takes graphs: branches, shared layers, groups, tiles, and what only torch can run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import mho
from mho.compiler import threads
from mho.nn import ArrayLayer
from mho.training import Driver, choose_driver
from tests.helpers.own_cell import Leaky

NOISY = mho.presets.gokmen_2017(update_management=True)
TILED = NOISY.replace(tile=(3, 20))
pytestmark = pytest.mark.filterwarnings("ignore::mho.nn.StaysDigital")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Torch on one thread, as in mho train: gradients of its layer norm depend on the number of threads by an ulp."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(count)


class Net(nn.Module):
    """Three convolutions of 4 channels, the last with 2 groups, and two fully connected layers."""

    def __init__(self, forward: Callable[[Net, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.inside, self.fc = nn.Linear(16, 16), nn.Linear(16, 3)
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.written = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.written(self, x)


def residual(m: Net, x: Tensor) -> Tensor:
    """Sums, a convolution used twice, a value that four operations take, groups, and a recurrent layer."""
    x = torch.relu(m.conv1(x))
    y = F.relu(m.conv2(x))
    x = torch.relu(m.conv2(y) + x)
    x = F.max_pool2d(torch.relu(torch.add(x, m.grouped(x))), 2).flatten(1)
    for _ in range(2):
        x = torch.relu(m.inside(x)) + x
    return m.fc(m.inside(x))


def side_by_side(m: Net, x: Tensor) -> Tensor:
    """Concatenations, a value used as it is and with channels first, and a sum of two convolutions."""
    a, b = m.conv1(x), m.conv1(-1.0 * x)
    c = m.conv2(a) + m.grouped(b)
    x = torch.cat([c, a, b], dim=1)[:, ::3].contiguous()
    x = F.max_pool2d(x.relu(), 2).reshape(x.shape[0], -1)
    return m.fc(torch.cat((x[:, :8], m.inside(x)[:, :8]), dim=1))


def unknown(m: Net, x: Tensor) -> Tensor:
    """Products as of attention, a layer norm, a function without a node, and draws of torch."""
    x = F.gelu(m.conv1(x))
    q, k, v = (part.flatten(2) for part in (x, m.conv2(x), m.grouped(x)))
    x = torch.softmax(q.transpose(1, 2) @ k / q.size(-1) ** 0.5, dim=-1) @ v.transpose(1, 2)
    x = F.layer_norm(x, x.shape[1:]).mean(dim=2)
    return m.fc(m.inside(F.dropout(x[:, :16], 0.3)))


def normalised(m: Net, x: Tensor) -> Tensor:
    x = F.relu(m.norm1(m.conv1(x)), inplace=True)
    x = torch.relu(m.norm2(m.conv2(x)) + x)
    x = F.max_pool2d(x, 2).flatten(1)
    return m.fc(m.scale * m.norm3(m.inside(x)))


def norms() -> Net:
    net = Net(normalised, norm1=nn.BatchNorm2d(4), norm2=nn.BatchNorm2d(4), norm3=nn.LayerNorm(16))
    net.scale = nn.Parameter(torch.linspace(0.5, 1.5, 16))
    return net


def half_squares(out: Tensor, target: Tensor) -> Tensor:
    """Half of the sum of squares: its gradient, out - target, is rounded once."""
    return 0.5 * (out - target).square().sum()


def driver_of(net: Callable[[], nn.Module], rpu: mho.RPU, kind: str, replicas: int = 1, **options: float) -> Driver:
    torch.manual_seed(5)
    model = mho.convert(net(), rpu, quiet=True, seed=3, replicas=replicas)
    driver = choose_driver(model, mho.AnalogSGD(model, lr=0.05, **options), half_squares, prefer=kind)
    assert driver.name == kind
    return driver


def batch(step: int, size: int = 2, side: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    return torch.randn(size, 1, side, side, generator=generator), torch.randn(size, 3, generator=generator)


def train(driver: Driver, steps: range) -> list[np.ndarray]:
    outs = []
    for step in steps:
        torch.manual_seed(step)  # of F.dropout
        outs.append(driver.step(*batch(step)).out)
    return outs


def same(one: Driver, other: Driver) -> None:
    ours, theirs = one.model.state_dict(), other.model.state_dict()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


@contextlib.contextmanager
def threads_of(count: int) -> Iterator[None]:
    threads.set_threads(count)
    try:
        yield
    finally:
        threads.set_threads(1)


ARRAYS = {"whole": (NOISY, 3), "tiles": (TILED, 3), "one": (NOISY, 1), "two banks": (NOISY.replace(cell=Leaky()), 1)}


@pytest.mark.parametrize(("rpu", "replicas"), ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize("forward", [residual, side_by_side], ids=lambda forward: forward.__name__)
def test_a_graph_has_the_bits_of_autograd(forward, rpu, replicas):
    """All digital functions here are exact, or torch's own in both."""
    online, autograd = (driver_of(lambda: Net(forward), rpu, kind, replicas) for kind in ("online", "autograd"))
    before = {name: value.clone() for name, value in online.model.state_dict().items()}
    for ours, theirs in zip(train(online, range(4)), train(autograd, range(4)), strict=True):
        assert np.array_equal(ours, theirs)
    same(online, autograd)
    moved = {name for name, value in online.model.state_dict().items() if not torch.equal(value, before[name])}
    for layer in (m for m in online.model.modules() if isinstance(m, ArrayLayer)):
        assert any(f"{layer.name}." in name and name.endswith("state") for name in moved), layer.name


@pytest.mark.parametrize("replicas", [1, 3])
def test_what_has_no_node_is_run_by_torch(replicas):
    online, autograd = (driver_of(lambda: Net(unknown), NOISY, kind, replicas) for kind in ("online", "autograd"))
    for ours, theirs in zip(train(online, range(3)), train(autograd, range(3)), strict=True):
        assert np.array_equal(ours, theirs)
    same(online, autograd)


def test_digital_parameters_step_and_statistics_run_as_under_autograd():
    options = {"momentum": 0.9, "weight_decay": 0.01}
    online, autograd = (driver_of(norms, NOISY, kind, **options) for kind in ("online", "autograd"))
    before = {name: p.detach().clone() for name, p in online.model.named_parameters() if len(p)}
    train(online, range(4)), train(autograd, range(4))
    same(online, autograd)
    for name, parameter in online.model.named_parameters():
        assert parameter.grad is None
        if name in before:
            assert not torch.equal(parameter, before[name]), name
    assert online.model.norm1.num_batches_tracked == 4


def test_looking_at_a_model_changes_nothing():
    driver = driver_of(norms, NOISY, "autograd")
    before = {name: value.clone() for name, value in driver.model.state_dict().items()}
    generator = torch.get_rng_state()
    driver.model.eval()
    choose_driver(driver.model, driver.optimizer, half_squares, sample=batch(0)[0], prefer="online")
    assert torch.equal(torch.get_rng_state(), generator)
    assert not any(module.training for module in driver.model.modules())
    assert all(torch.equal(value, before[name]) for name, value in driver.model.state_dict().items())


def test_a_resumed_graph_goes_on_with_the_same_bits():
    one, first, second = (driver_of(norms, NOISY, "online") for _ in range(3))
    train(one, range(4))
    train(first, range(2))
    second.model.load_state_dict(first.model.state_dict())
    train(second, range(2, 4))
    same(one, second)


@pytest.mark.parametrize("forward", [residual, unknown], ids=lambda forward: forward.__name__)
def test_threads_and_steps_together_change_no_bit(forward):
    """Lanes of 3 replicas on 2 threads, which meet where torch runs a part."""
    one = driver_of(lambda: Net(forward), NOISY, "online", 3)
    x, y = (torch.stack(each) for each in zip(*(batch(k) for k in range(4)), strict=True))
    torch.manual_seed(1)
    singly = [one.step(*each).out for each in zip(x, y, strict=True)]
    with threads_of(2):
        other = driver_of(lambda: Net(forward), NOISY, "online", 3)
        torch.manual_seed(1)
        together = [other.step(x[0], y[0]).out, *(outcome.out for outcome in other.steps(x[1:], y[1:]))]
    same(one, other)
    for ours, theirs in zip(singly, together, strict=True):
        assert np.array_equal(ours, theirs)


def test_a_step_that_fails_leaves_no_gradients_or_vectors():
    online, autograd = (driver_of(norms, NOISY, kind) for kind in ("online", "autograd"))
    for driver in (online, autograd):
        train(driver, range(1))
        kept = {name: value.clone() for name, value in driver.model.state_dict().items() if "norm" not in name}
        x, y = batch(1)
        with pytest.raises(mho.errors.InvalidValue, match="NaN"):
            driver.step(x, y * float("nan"))
        assert all(p.grad is None for p in driver.model.parameters())
        for name, value in driver.model.state_dict().items():
            if name.endswith("state"):
                assert torch.equal(value, kept[name]), name


def test_batch_normalisation_in_evaluation_mode_stays_so():
    online, autograd = (driver_of(norms, NOISY, kind) for kind in ("online", "autograd"))
    for driver in (online, autograd):
        driver.model.norm1.eval()
        train(driver, range(2))
        assert driver.model.norm1.num_batches_tracked == 0
    same(online, autograd)


def decided(m: Net, x: Tensor) -> Tensor:
    return m.fc(m.inside(x.flatten(1))) if x.sum() > 0 else m.fc(x.flatten(1))


def forgotten(m: Net, x: Tensor) -> Tensor:
    x = x.flatten(1)
    return m.fc(x + m.inside(x).detach())


def overwritten(m: Net, x: Tensor) -> Tensor:
    y = m.inside(x.flatten(1))
    return m.fc(y + F.relu(y, inplace=True))


def gradless(m: Net, x: Tensor) -> Tensor:
    with torch.no_grad():
        x = m.inside(x.flatten(1))
    return m.fc(x)


def two_out(m: Net, x: Tensor) -> tuple[Tensor, Tensor]:
    x = m.inside(x.flatten(1))
    return m.fc(x), x


REFUSED = {
    "control flow": (decided, "cannot be traced"),
    "no gradient": (forgotten, "no error comes back to inside"),
    "changed in place": (overwritten, "changes in place what others use too"),
    "no_grad": (gradless, "runs without gradients"),
    "two outputs": (two_out, "does not return one tensor"),
    "wrong size": (lambda m, x: m.fc(x.flatten(1)[:, 1:]), "fc takes vectors of 16"),
}


@pytest.mark.parametrize(("forward", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_a_graph_is_left_to_autograd_with_the_reason(forward, reason):
    model = mho.convert(Net(forward), NOISY, quiet=True)
    driver = choose_driver(model, mho.AnalogSGD(model, lr=0.05), half_squares, sample=batch(0)[0])
    assert driver.name == "autograd"
    assert reason in driver.reason


def test_hooks_and_frozen_anchors_are_left_to_autograd():
    for spoil, reason in (
        (lambda model: model.inside.register_forward_hook(lambda *_: None), "inside has hooks"),
        (lambda model: model.inside.anchor.requires_grad_(False), "inside is frozen"),
        (lambda model: model.inside.eval(), "inside is in evaluation mode"),
    ):
        model = mho.convert(Net(residual), NOISY, quiet=True)
        optimizer = mho.AnalogSGD(model, lr=0.05)
        spoil(model)
        driver = choose_driver(model, optimizer, half_squares)
        assert driver.name == "autograd"
        assert reason in driver.reason


@pytest.mark.long
def test_resnet_has_the_bits_of_autograd():
    """ResNet-18 with digital batch normalisation: ReLU, sums and pooling are exact, torch runs the rest in both."""
    drivers = [driver_of(mho.models.ResNet18, NOISY, kind) for kind in ("online", "autograd")]
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        x, y = torch.randn(2, 3, 32, 32, generator=generator), torch.randn(2, 1000, generator=generator)
        ours, theirs = (driver.step(x, y).out for driver in drivers)
        assert np.array_equal(ours, theirs)
    same(*drivers)
