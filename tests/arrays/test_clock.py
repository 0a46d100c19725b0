"""Time and events: a split of vectors into calls changes nothing, and a step of the optimizer is one unit of time."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import mho
from mho.cells import Cell, OneSided, Referenced, Single
from mho.devices import ConstantStep
from mho.errors import InvalidValue
from mho.nn import ArrayLayer
from tests.helpers.golden_cases import Small, half_squares

STEP = ConstantStep(dw_min=0.01, up_down=1.0, c2c=0.1, w_max=0.6, w_min=-0.6)
FADING = STEP.__class__(dw_min=0.01, decay=0.01, decay_to=0.1, drift=0.001, diffusion=0.002)
QUIET = mho.Read.exact()


def vectors(rows: int, columns: int, count: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(count, columns, generator=generator), torch.rand(count, rows, generator=generator) - 0.5


def layers_of(model: nn.Module) -> list[ArrayLayer]:
    return [module for module in model.modules() if isinstance(module, ArrayLayer)]


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize(
    "cell",
    [Single(), Referenced(), OneSided(refresh_every=7, refresh_at=0.3, refresh_error=0.01)],
    ids=lambda cell: type(cell).__name__,
)
def test_a_split_of_vectors_into_calls_changes_nothing(cell: Cell, backend: str) -> None:
    rpu = mho.RPU(device=FADING, cell=cell, update=mho.Pulses(length=5), forward=QUIET, backward=QUIET)
    whole, split = (mho.Crossbar(rpu, 3, 5, seed=2, backend=backend) for _ in range(2))
    x, d = vectors(3, 5)
    whole.update(x, d, 0.1)
    for start in range(0, 64, 8):
        split.update(x[start : start + 8], d[start : start + 8], 0.1, dt=float(start == 56))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, split.state_dict()[name]), name
    if isinstance(cell, OneSided):
        assert whole.counters()["refreshes"].min() > 0


def test_refresh_comes_after_its_own_vector() -> None:
    """With one big update the devices are set back on the way: they never come to their bounds."""
    rpu = mho.RPU(device=STEP, cell=OneSided(refresh_every=10), update=mho.Pulses(length=1), forward=QUIET)
    array = mho.Crossbar(rpu, 1, 4, seed=2)
    array.write(torch.zeros(1, 4))
    directions = torch.tensor([1.0, -1.0]).repeat(200)[:, None]
    array.pulse(torch.ones(400, 4), directions, length=1)
    assert int(array.counters()["bound_hits"]) == 0
    assert int(array.counters()["refreshes"]) >= 4
    assert float(array.weight.abs().max()) < 0.1


def test_a_refresh_reads_by_its_circuit() -> None:
    def spread(circuit: mho.Read) -> float:
        cell = OneSided(refresh_every=1, refresh_at=0.01, refresh_read=circuit)
        array = mho.Crossbar(mho.RPU(device=STEP, cell=cell, forward=QUIET), 20, 30, seed=1)
        array.write(torch.full((20, 30), 0.2))
        array.pulse(torch.zeros(1, 30), torch.zeros(1, 20))
        assert int(array.counters()["refreshes"]) == 600
        return float((array.weight - 0.2).std())

    assert spread(QUIET) < 1e-6
    # standard error of a standard deviation of 600 numbers: 0.01 / √1200 = 0.0003
    assert spread(mho.Read(noise=0.01, bound=None)) == pytest.approx(0.01, abs=0.0012)


def test_time_is_counted_in_steps_of_the_optimizer() -> None:
    """Whatever the learning rate, and however often an array was used: not at all, once, twice."""
    device = ConstantStep(dw_min=0.01, decay=0.1, c2c=0.0, w_max=5.0, w_min=-5.0)
    rpu = mho.RPU(device=device, forward=QUIET, backward=QUIET)
    model = nn.ModuleDict(
        {name: mho.nn.Linear(4, 4, rpu=rpu, bias=False, name=name) for name in ("idle", "once", "twice", "frozen")}
    )
    optimizer = mho.AnalogSGD(model, lr=1e-12, layers={"frozen": 1e-12})
    optimizer.param_groups[-1]["lr"] = 0.0
    for layer in model.values():
        layer.crossbars[0].write(torch.ones(4, 4))
    x = torch.rand(3, 4)
    for _ in range(3):
        y = model["twice"](model["twice"](model["once"](model["frozen"](x))))
        y.sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    for name, layer in model.items():
        assert torch.allclose(layer.crossbars[0].weight, torch.tensor(math.exp(-0.3)), atol=1e-5), name


@pytest.mark.parametrize("rates", [{}, {"fc1": 0.02}], ids=["all", "own"])
@pytest.mark.parametrize("replicas", [1, 3])
def test_both_drivers_let_time_pass_alike(replicas: int, rates: dict[str, float]) -> None:
    ends = []
    for kind in ("autograd", "online"):
        torch.manual_seed(0)
        model = mho.convert(Small(), mho.RPU(device=FADING), seed=4, replicas=replicas, quiet=True)
        optimizer = mho.AnalogSGD(model, lr=0.02, layers=rates)
        driver = mho.training.choose_driver(model, optimizer, half_squares, prefer=kind)
        generator = torch.Generator().manual_seed(1)
        for step in range(4):
            optimizer.param_groups[0]["lr"] = 0.0 if step == 2 else 0.02  # a layer that stands still ages too
            driver.step(torch.rand(2, 1, 8, 8, generator=generator), torch.rand(2, 4, generator=generator))
        ends.append([layer.state_dict() for layer in layers_of(model)])
    for one, other in zip(*ends, strict=True):
        for name, value in one.items():
            assert torch.equal(value, other[name]), name


def test_a_wrong_time_is_refused() -> None:
    array = mho.Crossbar(mho.RPU(device=FADING), 2, 3)
    x, d = vectors(2, 3, 1)
    for call in (
        lambda: array.update(x, d, 0.1, dt=-1.0),
        lambda: array.pulse(x, d, dt=math.inf),
        lambda: array.rest(0.0),
        lambda: array.rest(True),
    ):
        with pytest.raises(InvalidValue, match=r"dt is .*; give a number of optimizer steps"):
            call()
