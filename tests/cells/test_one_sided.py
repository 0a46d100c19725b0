"""Two devices that only rise: directions, refresh, and the same answers from every path."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import mho
from mho.cells import OneSided
from mho.devices import ConstantStep, SoftBounds
from mho.errors import InvalidValue
from mho.training.drivers import AutogradDriver, OnlineDriver

QUIET = mho.Read(noise=0.0, bound=None)
STEP = ConstantStep(dw_min=0.01, up_down=1.0, c2c=0.0, w_max=0.6, w_min=-0.6)


def array_of(cell: OneSided, device: mho.Device = STEP, rows: int = 3, columns: int = 5, **more) -> mho.Crossbar:
    rpu = mho.RPU(device=device, cell=cell, update=mho.Pulses(length=5), forward=QUIET, backward=QUIET)
    return mho.Crossbar(rpu, rows, columns, seed=2, **more)


def test_each_direction_moves_its_own_device() -> None:
    array = array_of(OneSided(), rows=1, columns=2)
    array.write(torch.tensor([[0.1, -0.2]]))
    assert array.device_weights.flatten().numpy() == pytest.approx([-0.5, -0.6, -0.6, -0.4], abs=1e-6)
    array.pulse(torch.tensor([[1.0, -1.0]]), torch.ones(1, 1), length=1)
    assert array.device_weights.flatten().numpy() == pytest.approx([-0.49, -0.6, -0.6, -0.39], abs=1e-6)
    assert array.weight.flatten().numpy() == pytest.approx([0.11, -0.21], abs=1e-6)
    assert int(array.counters()["coincidences"]) == 2
    assert array.forward(torch.eye(2))[:, 0].numpy() == pytest.approx([0.11, -0.21], abs=1e-6)
    assert array.backward(torch.ones(1, 1))[0].numpy() == pytest.approx([0.11, -0.21], abs=1e-6)


def test_update_is_that_of_a_single_device_in_the_mean() -> None:
    x, d = torch.full((400, 50), 0.5), torch.full((400, 60), 0.2) * torch.tensor([1.0, -1.0]).repeat(30)
    wide = ConstantStep(dw_min=0.0005, up_down=1.0, c2c=0.0, w_max=5.0, w_min=-5.0)
    array = array_of(OneSided(refresh_every=10**9), wide, 60, 50)
    array.write(torch.zeros(60, 50))
    array.update(x, d, 0.001)
    moved = array.weight[0].double()
    # a cell takes BL·p·q·400 steps of 0.0005: 0.04 ± 0.0045; the cells of a row share their trains
    assert float(moved[0::2].mean()) == pytest.approx(0.04, rel=0.02)
    assert float(moved[1::2].mean()) == pytest.approx(-0.04, rel=0.02)


@pytest.mark.parametrize("device", [STEP, SoftBounds(dw_min=0.05, write_noise=0.01, stuck=0.1)], ids=["step", "soft"])
def test_reference_and_compiled_agree(device: mho.Device) -> None:
    cell = OneSided(refresh_every=4, refresh_at=0.3, refresh_error=0.01)
    arrays = [array_of(cell, device, replicas=2, backend=backend) for backend in ("cpu", "reference")]
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        x, d = torch.rand(2, 3, 5, generator=generator), torch.rand(2, 3, 3, generator=generator) - 0.5
        for array in arrays:
            array.update(x, d, 0.1)
    assert torch.allclose(arrays[0].weight, arrays[1].weight, atol=1e-6)
    assert torch.allclose(arrays[0].forward(x), arrays[1].forward(x), atol=1e-5)
    for counter, values in arrays[0].counters().items():
        assert torch.equal(values, arrays[1].counters()[counter]), counter
    assert (arrays[0].counters()["refreshes"] > 0).all()


def test_refresh_keeps_the_weight_and_frees_the_range() -> None:
    array = array_of(OneSided(refresh_every=10), rows=1, columns=40)
    array.write(torch.zeros(1, 40))
    for k in range(240):  # up as often as down: both devices rise
        array.update(torch.ones(1, 40), torch.full((1, 1), 0.3 if k % 2 else -0.3), 0.05)
    assert int(array.counters()["refreshes"]) > 0
    assert int(array.counters()["bound_hits"]) == 0
    without = array_of(OneSided(refresh_every=10**9), rows=1, columns=40)
    without.write(torch.zeros(1, 40))
    for k in range(240):
        without.update(torch.ones(1, 40), torch.full((1, 1), 0.3 if k % 2 else -0.3), 0.05)
    assert int(without.counters()["bound_hits"]) > 0
    assert int(without.counters()["refreshes"]) == 0


def test_refresh_error_is_that_of_two_programmings() -> None:
    array = array_of(OneSided(refresh_every=1, refresh_at=0.1, refresh_error=0.01), rows=1, columns=10_000)
    array.write(torch.full((1, 10_000), 0.3))
    array.update(torch.zeros(1, 10_000), torch.zeros(1, 1), 0.1)
    found = array.weight.flatten().double()
    assert float(found.mean()) == pytest.approx(
        0.3 - 0.01 / math.sqrt(2 * math.pi), abs=5 * 0.014 / 100
    )  # g⁻ is clipped
    assert float(array.device_weights[0, 0].std()) == pytest.approx(0.01, rel=5 / math.sqrt(20_000))


def test_online_and_autograd_train_alike() -> None:
    x, y = torch.rand(8, 6), torch.tensor([0, 2, 1, 1, 0, 2, 1, 0])
    found = []
    for kind in (OnlineDriver, AutogradDriver):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
        rpu = mho.RPU(device=STEP, cell=OneSided(refresh_every=3, refresh_at=0.2, refresh_error=0.01))
        made = mho.convert(net, rpu, seed=3, replicas=2)
        driver = kind(made, mho.AnalogSGD(made, lr=0.1), torch.nn.functional.cross_entropy)
        for k in range(8):
            driver.step(x[k : k + 1], y[k : k + 1])
        found.append([a for a in made.modules() if isinstance(a, mho.Crossbar)])
    for online, autograd in zip(*found, strict=True):
        assert torch.allclose(online.weight, autograd.weight, atol=1e-5)
        assert (online.counters()["refreshes"] > 0).all()
        assert torch.equal(online.counters()["refreshes"], autograd.counters()["refreshes"])


def test_tiles_and_files() -> None:
    rpu = mho.RPU(device=STEP, cell=OneSided(refresh_every=7), tile=(4, 3))
    assert mho.RPU.from_toml(rpu.to_toml()) == rpu
    array = mho.arrays.build_array(rpu, 5, 7, seed=1)
    w = torch.rand(5, 7) * 0.4 - 0.2
    array.write(w)
    assert np.allclose(array.weight[0].numpy(), w.numpy(), atol=1e-6)
    array.update(torch.rand(9, 7), torch.rand(9, 5), 0.01)
    assert int(array.counters()["refreshes"]) == 0


@pytest.mark.parametrize("fields", [{"refresh_every": 0}, {"refresh_at": 1.5}, {"refresh_error": -1}])
def test_faults(fields: dict[str, float]) -> None:
    with pytest.raises(InvalidValue, match=next(iter(fields))):
        OneSided(**fields)


def test_a_cell_with_a_stuck_device_keeps_its_weight() -> None:
    array = array_of(OneSided(refresh_every=1, refresh_at=0.5), ConstantStep(stuck=0.3), rows=1, columns=400)
    array.write(torch.full((1, 400), 0.9))
    before = array.weight.clone()
    array.update(torch.zeros(1, 400), torch.zeros(1, 1), 0.1)
    assert torch.allclose(array.weight, before, atol=1e-6)
    assert int(array.counters()["refreshes"]) > 0
