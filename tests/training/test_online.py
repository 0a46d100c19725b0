"""The online driver trains as autograd does, replica by replica, whatever the threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import mho
from mho.cells import Replicated
from mho.compiler import threads
from mho.models import LeNet
from mho.nn import ArrayLayer
from mho.training import Driver, choose_driver
from tests.helpers.zoo import ZOO, batch_of, model_of

EXACT = mho.presets.floating_point()
NOISY = mho.presets.gokmen_2017(update_management=True)
ULP = 2.0**-23
Loss = Callable[[Tensor, Tensor], Tensor]


def driver_of(
    net: nn.Module,
    rpu: mho.RPU = EXACT,
    *,
    kind: str = "online",
    loss: Loss = F.cross_entropy,
    own: bool | None = None,
    **options: object,
) -> Driver:
    """A driver of a converted net; `driver.model` and `driver.optimizer` are its own."""
    model = mho.convert(net, rpu, quiet=True, **options)
    driver = choose_driver(model, mho.AnalogSGD(model, lr=0.05), loss, prefer=kind, per_replica=own or None)
    assert driver.name == kind
    return driver


def layers_of(model: nn.Module) -> list[ArrayLayer]:
    return [module for module in model.modules() if isinstance(module, ArrayLayer)]


def states(model: nn.Module) -> list[Tensor]:
    return [array.state.clone() for layer in layers_of(model) for array in layer.crossbars]


def same_bits(one: dict[str, Tensor], other: dict[str, Tensor], replica: int | None = None) -> None:
    """Equal tensors; with a replica, those of one network against that replica of several."""
    ours = {name.removeprefix("model."): value for name, value in one.items()}
    theirs = {name.removeprefix("model."): value for name, value in other.items()}
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        stacked = replica is not None and theirs[name].shape[:1] != value.shape[:1]
        assert torch.equal(value, theirs[name][replica : replica + 1] if stacked else theirs[name]), name


SHAPES = [(1, 1, False), (5, 1, False), (1, 3, True), (5, 3, False), (5, 3, True)]
"""Images a step, replicas, and whether each replica has images and labels of its own."""


@pytest.mark.parametrize(("size", "replicas", "own"), SHAPES, ids=str)
@pytest.mark.parametrize("name", ZOO)
def test_exact_arrays_move_as_autograd_moves_them(name, size, replicas, own):
    """Both do the same products on the arrays. Activations (up to 1), softmax and means differ by an ulp or two of
    1, 1.2e-7; what one step makes of it is scaled by lr = 0.05, sums of 576 of them and three steps stay below 8."""
    drivers = [driver_of(model_of(name), kind=kind, own=own, replicas=replicas) for kind in ("online", "autograd")]
    before = states(drivers[0].model)
    for step in range(3):
        x, y = batch_of(name, replicas, size, step, own=own)
        ours, theirs = (driver.step(x, y) for driver in drivers)
        assert ours.out.shape == theirs.out.shape
        np.testing.assert_allclose(ours.out, theirs.out, rtol=0, atol=8 * ULP)
        np.testing.assert_allclose(ours.losses, theirs.losses, rtol=0, atol=8 * ULP)
    for old, new, expected in zip(before, *(states(driver.model) for driver in drivers), strict=True):
        assert (new - old).abs().max() > 1e-4
        torch.testing.assert_close(new, expected, rtol=0, atol=8 * ULP)


@pytest.mark.parametrize(("size", "replicas", "own"), SHAPES, ids=str)
@pytest.mark.parametrize("name", ZOO)
def test_pulses_fall_as_under_autograd(name, size, replicas, own):
    """An ulp moves a pulse probability by as much: it decides one pulse in millions."""
    online, autograd = (
        driver_of(model_of(name), NOISY, kind=k, own=own, replicas=replicas) for k in ("online", "autograd")
    )
    before = states(online.model)
    x, y = batch_of(name, replicas, size, 0, own=own)
    for driver in (online, autograd):
        driver.step(x, y)
    compare_pulsed(online, autograd, before)


def compare_pulsed(online: Driver, autograd: Driver, before: list[Tensor]) -> None:
    ours, theirs = states(online.model), states(autograd.model)
    assert any(not torch.equal(old, new) for old, new in zip(before, ours, strict=True))
    differ = sum(int((a != b).sum()) for a, b in zip(ours, theirs, strict=True))
    moved = sum(int((a != b).sum()) for a, b in zip(ours, before, strict=True))
    assert differ <= 0.001 * moved
    named = dict(autograd.model.named_buffers())
    for key, value in online.model.named_buffers():
        if key.endswith((".vectors", ".samples")):
            assert torch.equal(value, named[key]), key
        elif key.endswith(".totals"):
            assert (value - named[key]).abs().max() <= 2 * differ, key


@pytest.mark.parametrize("rpu", [EXACT, NOISY, NOISY.replace(cell=Replicated(2))], ids=["exact", "pulses", "two"])
def test_lenet_steps_as_under_autograd(rpu):
    torch.manual_seed(2)
    net = LeNet()
    online, autograd = (driver_of(net, rpu, kind=kind) for kind in ("online", "autograd"))
    before = states(online.model)
    generator = torch.Generator().manual_seed(4)
    x, y = torch.rand(2, 1, 28, 28, generator=generator), torch.tensor([3, 8])
    ours, theirs = online.step(x, y), autograd.step(x, y)
    np.testing.assert_allclose(ours.out, theirs.out, rtol=0, atol=16 * ULP)  # sums of 401 and 513 products
    if rpu is EXACT:
        for new, expected in zip(states(online.model), states(autograd.model), strict=True):
            torch.testing.assert_close(new, expected, rtol=0, atol=8 * ULP)
    else:
        compare_pulsed(online, autograd, before)


@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
@pytest.mark.parametrize("kind", ["online", "autograd"])
def test_steps_together_are_steps_one_by_one(kind, own):
    """Dropout and two arrays of different T: everything that counts samples or vectors."""
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(36, 3))
    shape = (5, 3, 2) if own else (5, 2)
    images = torch.randn(*shape, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    labels = torch.randint(3, shape, generator=torch.Generator().manual_seed(2))
    one = driver_of(net, NOISY, kind=kind, replicas=3, seed=4)
    singly = [one.step(*batch) for batch in zip(images, labels, strict=True)]
    for count in (1, 2):
        threads.set_threads(count)
        try:
            other = driver_of(net, NOISY, kind=kind, replicas=3, seed=4)
            together = [*other.steps(images[:3], labels[:3]), *other.steps(images[3:], labels[3:])]
        finally:
            threads.set_threads(1)
        same_bits(one.model.state_dict(), other.model.state_dict())
        for first, second in zip(singly, together, strict=True):
            assert first.losses == second.losses
            assert np.array_equal(first.out, second.out)


def test_rates_may_change_between_any_two_steps():
    """A driver keeps the rates of the step before; a new driver at every step cannot."""
    x = torch.randn(9, 4, 6, generator=torch.Generator().manual_seed(1))
    y = torch.randint(0, 3, (9, 4), generator=torch.Generator().manual_seed(2))
    rates = [
        (0.05, 0.05),
        (0.05, 0.05),
        (0.02, 0.05),
        (0.02, 0),
        (0.02, 0),
        (0, 0.07),
        (0.05, 0.07),
        (-1, 0.07),
        (0.3, 0),
    ]

    def trained(*, anew: bool) -> list[Tensor]:
        net = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
        model = mho.convert(net, NOISY, seed=0, quiet=True)
        optimizer = mho.AnalogSGD(model, lr=0.05)
        driver = choose_driver(model, optimizer, prefer="online")
        stored = optimizer.state_dict()
        for step, own in enumerate(rates):
            for group, rate in zip(optimizer.param_groups, own, strict=True):
                group["lr"] = rate
            if step == 4:
                optimizer.load_state_dict(stored)
            driver = choose_driver(model, optimizer, prefer="online") if anew else driver
            if min(own) < 0:
                with pytest.raises(mho.errors.InvalidValue, match="lr is -1"):
                    driver.step(x[step], y[step])
            else:
                driver.step(x[step, : 2 + step % 3], y[step, : 2 + step % 3])  # several graphs in turn
        return states(model)

    torch.manual_seed(0)
    kept = trained(anew=False)
    torch.manual_seed(0)
    for own, other in zip(kept, trained(anew=True), strict=True):
        assert torch.equal(own, other)


def test_steps_of_unequal_numbers_are_refused():
    driver = driver_of(nn.Sequential(nn.Linear(4, 3)))
    assert driver.steps(torch.zeros(0, 1, 4), torch.zeros(0, 1, dtype=torch.int64)) == []
    with pytest.raises(mho.errors.InvalidValue, match="2 batches of images and 3 of targets"):
        driver.steps(torch.zeros(2, 1, 4), torch.zeros(3, 1, dtype=torch.int64))
