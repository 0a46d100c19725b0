"""What a law may declare beyond w, and the options that every law shares: reference, compiled, and equation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import mho
from mho.devices import ConstantStep, Device, JumpTable, PiecewiseStep, SoftBounds, table
from mho.errors import InvalidValue, LawError
from tests.helpers.laws import Doomed, Fading, Lazy, Nodes, TwoDraws, Unreadable

EXACT = ConstantStep(dw_min=0.01, up_down=1.0, c2c=0.0, w_max=0.6, w_min=-0.6)
CELLS = 20_000
QUIET = mho.Read(noise=0.0, bound=None)


def row(device: Device, cells: int = CELLS, *, start: float = 0.0, backend: str = "cpu", seed: int = 1) -> mho.Crossbar:
    """An array of one line of cells at a weight."""
    rpu = mho.RPU(device=device, update=mho.Pulses(length=1), forward=QUIET, backward=QUIET)
    array = mho.Crossbar(rpu, 1, cells, seed=seed, backend=backend)
    array.write(torch.full((1, cells), start))
    return array


def drive(array: mho.Crossbar, pulses: int, up: bool = True) -> None:
    """Send every cell as many pulses."""
    cells = array.in_features
    array.pulse(torch.ones(pulses, cells), torch.full((pulses, 1), 1.0 if up else -1.0))


def state(array: mho.Crossbar) -> np.ndarray:
    return array.weight.view(-1).double().numpy()


DEVICES = {
    "pieces": PiecewiseStep(dw_min=0.02),
    "nodes a cell": PiecewiseStep(dw_min=0.02, up=table([1.5, 0.2, 0.7], spread=0.4)),
    "jumps": JumpTable(),
    "jumps of two devices": JumpTable(
        up=np.stack([np.full((2, 3), 0.1), np.full((2, 3), 0.01)]), up_states=[-0.5, 0.5], up_points=[0.0, 0.5, 1.0]
    ),
    "hidden state": Lazy(),
    "two draws": TwoDraws(),
    "read and rest": Fading(),
    "every option": SoftBounds(
        dw_min=0.02, write_noise=mho.per_cell(0.02, spread=0.3), read_variation=0.05, stuck=0.2,
        decay=0.01, decay_to=0.1, drift=0.001, diffusion=0.01,
    ),
    "closed form and write noise": ConstantStep(dw_min=0.005, write_noise=0.02, stuck=0.1),
}  # fmt: skip


@pytest.mark.parametrize("name", DEVICES)
def test_reference_and_compiled_agree(name: str) -> None:
    arrays = [
        mho.Crossbar(mho.RPU(device=DEVICES[name]), 5, 19, seed=[4, 9], replicas=2, backend=backend)
        for backend in ("cpu", "reference")
    ]
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        p, x = torch.rand(2, 6, 19, generator=generator) * 2 - 1, torch.rand(2, 3, 19, generator=generator)
        q, d = torch.rand(2, 6, 5, generator=generator) * 2 - 1, torch.rand(2, 3, 5, generator=generator) - 0.5
        for array in arrays:
            array.pulse(p, q)
            array.update(x, d, 0.05)
            array.rest(2.5)
    compiled, interpreted = arrays
    # functions of math differ in the last bit of float32 in each of about a hundred pulses
    assert torch.allclose(compiled.weight, interpreted.weight, atol=1e-5)
    assert torch.allclose(compiled.forward(x), interpreted.forward(x), atol=1e-4)
    assert torch.allclose(compiled.backward(d), interpreted.backward(d), atol=1e-4)
    for counter, values in compiled.counters().items():
        # a weight that differs in its last bit may clip once more
        assert torch.allclose(values.double(), interpreted.counters()[counter].double(), rtol=1e-3), counter


@pytest.mark.parametrize("name", ["nodes a cell", "hidden state", "every option", "read and rest"])
def test_training_step_by_step_or_online_is_the_same(name: str) -> None:
    def model() -> torch.nn.Module:
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
        return mho.convert(net, mho.RPU(device=DEVICES[name]), seed=3)

    from mho.training.drivers import AutogradDriver, OnlineDriver

    x, y = torch.rand(4, 6), torch.tensor([0, 2, 1, 1])
    weights = []
    for kind in (OnlineDriver, AutogradDriver):
        made = model()
        driver = kind(made, mho.AnalogSGD(made, lr=0.1), torch.nn.functional.cross_entropy)
        for k in range(4):
            driver.step(x[k : k + 1], y[k : k + 1])
        weights.append(torch.cat([a.weight.flatten() for a in made.modules() if isinstance(a, mho.Crossbar)]))
    assert torch.allclose(*weights, atol=1e-5)


def test_write_noise_is_read_and_not_accumulated() -> None:
    array = row(ConstantStep(dw_min=0.01, up_down=1.0, c2c=0.0, w_max=5.0, w_min=-5.0, write_noise=0.1))
    drive(array, 30)
    seen = state(array)
    # 0.1/√20000 = 0.0007 for the mean and 0.0005 for the standard deviation: five of them
    assert seen.mean() == pytest.approx(0.3, abs=0.0035)
    assert seen.std() == pytest.approx(0.1, abs=0.0025)
    drive(array, 30, up=False)
    back = state(array)
    assert back.mean() == pytest.approx(0.0, abs=0.0035)
    assert back.std() == pytest.approx(0.1, abs=0.0025)  # accumulated it would be 0.77
    assert abs(np.corrcoef(seen, back)[0, 1]) < 0.036  # 5/√20000


def test_stuck_devices_hold_values_of_their_own() -> None:
    array = row(ConstantStep(dw_min=0.01, c2c=0.0, up_down=1.0, w_max=0.6, w_min=-0.6, stuck=0.2, write_noise=0.01))
    before = state(array)
    drive(array, 5)
    array.rest(3.0)
    held = state(array) == before
    assert held.mean() == pytest.approx(0.2, abs=0.015)  # 5·√(0.2·0.8/20000)
    values = before[held]
    assert values.std() == pytest.approx(1.2 / math.sqrt(12), rel=0.05)
    array.write(torch.zeros(1, CELLS))
    assert np.array_equal(state(array)[held], values)


def test_decay_drift_and_diffusion_follow_their_equations() -> None:
    start, updates = 0.3, 20
    options = {"decay": 0.02, "decay_to": 0.1, "drift": 0.001, "diffusion": 0.005}
    array = row(ConstantStep(dw_min=0.01, c2c=0.0, w_max=5.0, w_min=-5.0, **options), start=start)
    for _ in range(updates):
        array.update(torch.zeros(1, CELLS), torch.zeros(1, 1), 0.01)
    factor = math.exp(-0.02)
    sums = (1 - factor**updates) / (1 - factor)
    mean = 0.1 + 0.2 * factor**updates + 0.001 * sums
    std = 0.005 * math.sqrt((1 - factor ** (2 * updates)) / (1 - factor**2))
    assert state(array).mean() == pytest.approx(mean, abs=5 * std / math.sqrt(CELLS))
    assert state(array).std() == pytest.approx(std, rel=5 / math.sqrt(2 * CELLS))
    one = row(ConstantStep(c2c=0.0, w_max=5.0, w_min=-5.0, decay=0.02), start=start)
    one.rest(50.0)
    assert state(one) == pytest.approx(start * math.exp(-1.0), rel=1e-5)  # float32


def test_read_variation_is_new_for_every_vector_and_leaves_the_weight() -> None:
    array = row(ConstantStep(w_max=5.0, w_min=-5.0, read_variation=0.1), cells=400, start=0.2)
    x = torch.full((2_000, 400), 0.05)
    y = array.forward(x)[:, 0].double().numpy()
    assert y.mean() == pytest.approx(400 * 0.05 * 0.2, abs=5 * 0.1 / math.sqrt(2_000))
    # each y has a standard deviation of σ·‖x‖ = 0.1·0.05·20 = 0.1
    assert y.std() == pytest.approx(0.1, rel=5 / math.sqrt(4_000))
    assert abs(np.corrcoef(y[1:], y[:-1])[0, 1]) < 5 / math.sqrt(2_000)
    assert torch.equal(array.weight, torch.full_like(array.weight, 0.2))


def test_two_draws_are_independent() -> None:
    array = row(TwoDraws(dw_min=0.1, w_max=50.0, w_min=-50.0, first=1.0, second=0.0))
    other = row(TwoDraws(dw_min=0.1, w_max=50.0, w_min=-50.0, first=0.0, second=1.0))
    for each in (array, other):
        drive(each, 1)
    z0, z1 = (state(each) / 0.1 - 1 for each in (array, other))
    assert abs(np.corrcoef(z0, z1)[0, 1]) < 5 / math.sqrt(CELLS)
    for z in (z0, z1):
        assert z.mean() == pytest.approx(0, abs=5 / math.sqrt(CELLS))
        assert z.std() == pytest.approx(1, abs=5 / math.sqrt(2 * CELLS))


def test_hidden_state_delays_a_step() -> None:
    """Lazy moves by its step only at the second pulse of a direction in a row: h remembers."""
    array = row(Lazy(dw_min=0.1, w_max=1.0, w_min=-1.0), cells=50)
    seen = [0.0]
    for up in (True, True, False, False, True):
        drive(array, 1, up)
        seen.append(float(state(array)[0]))
    assert seen == pytest.approx([0.0, 0.0, 0.1, 0.1, 0.0, 0.0], abs=1e-6)
    assert array.first.hidden.shape == (1, 1, 1, 50)
    copy = row(Lazy(dw_min=0.1, w_max=1.0, w_min=-1.0), cells=50)
    copy.load_state_dict(array.state_dict())
    for each in (array, copy):
        drive(each, 1)
    assert np.array_equal(state(array), state(copy))


def test_law_shows_what_reads_see() -> None:
    array = row(Fading(), cells=8, start=0.3)
    x = torch.eye(8)
    assert array.forward(x)[:, 0].numpy() == pytest.approx(0.3**2 / 0.6, rel=1e-5)
    array.rest(2.0)
    assert state(array) == pytest.approx(0.3 - 2 * 0.01, rel=1e-5)
    assert array.forward(x)[:, 0].numpy() == pytest.approx(0.28**2 / 0.6, rel=1e-5)


def test_piecewise_steps_are_those_of_their_nodes() -> None:
    device = PiecewiseStep(dw_min=0.001, up=[1.0, 3.0, 0.5], down=[0.0, 2.0], c2c=0.0, w_max=0.6, w_min=-0.6)
    for w in (-0.6, -0.45, -0.2, 0.0, 0.1, 0.37, 0.6):
        up = np.interp(w, [-0.6, 0, 0.6], [1.0, 3.0, 0.5]) * 0.001
        down = np.interp(w, [-0.6, 0.6], [0.0, 2.0]) * 0.001
        for size, rises in ((up, True), (down, False)):
            array = row(device, cells=3, start=w)
            drive(array, 1, rises)
            expected = np.clip(w + size if rises else w - size, -0.6, 0.6)
            assert state(array)[0] == pytest.approx(expected, abs=2e-7)  # float32 at 0.6


def test_nodes_of_cells_have_their_spread() -> None:
    array = row(PiecewiseStep(up=table([1.0, 2.0, 4.0], spread=0.1)))
    nodes = array.cell_parameters()["up"]
    assert nodes.shape == (1, 1, 1, CELLS, 3)
    found = nodes.view(-1, 3).double()
    assert found.mean(0).numpy() == pytest.approx([1.0, 2.0, 4.0], rel=5 * 0.1 / math.sqrt(CELLS))
    assert (found.std(0) / found.mean(0)).numpy() == pytest.approx(0.1, rel=5 / math.sqrt(2 * CELLS))
    assert abs(float(np.corrcoef(found.numpy().T)[0, 1])) < 5 / math.sqrt(CELLS)


def test_jump_tables_draw_their_distribution() -> None:
    jumps = np.array([[0.0, 0.01, 0.04], [-0.02, 0.0, 0.01], [0.0, 0.0, 0.002]])
    device = JumpTable(up=jumps, up_states=[-0.4, 0.0, 0.4], up_points=[0.0, 0.5, 1.0], w_max=1.0, w_min=-1.0)
    from scipy.stats import kstest

    for start, quantiles in ((-0.5, jumps[0]), (-0.19, jumps[1]), (0.1, jumps[1])):
        array = row(device, start=start)
        drive(array, 1)
        moved = state(array) - np.float32(start)
        # 8 digits of float32 and an inverse normal true to 1e-5 do not show in a test of 20,000 draws
        assert kstest(moved, lambda v, q=quantiles: np.interp(v, q, [0.0, 0.5, 1.0])).pvalue > 1e-3


def test_cells_of_several_measured_devices_share_them_out() -> None:
    up = np.stack([np.full((2, 2), size) for size in (0.01, 0.02, 0.03, 0.04)])
    array = row(JumpTable(up=up, up_states=[-0.5, 0.5], up_points=[0.0, 1.0]))
    drive(array, 1)
    sizes, counts = np.unique(state(array).round(3), return_counts=True)
    assert sizes == pytest.approx([0.01, 0.02, 0.03, 0.04])
    assert counts == pytest.approx(CELLS / 4, rel=5 * math.sqrt(3 / CELLS))


@pytest.mark.parametrize("name", DEVICES)
def test_toml_round_trip(name: str) -> None:
    rpu = mho.RPU(device=DEVICES[name])
    assert mho.RPU.from_toml(rpu.to_toml()) == rpu


def test_options_that_are_off_stand_in_no_file_and_take_no_memory() -> None:
    text = mho.RPU().to_toml()
    assert not [name for name in mho.devices.Options.__dataclass_fields__ if name in text]
    assert not any(key.endswith("hidden") for key in row(ConstantStep(), cells=3).state_dict())
    assert "write_noise = 0.02" in mho.RPU(device=ConstantStep(write_noise=0.02)).to_toml()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ConstantStep(write_noise=-1), "write_noise is -1"),
        (lambda: ConstantStep(stuck=1.5), "stuck is 1.5"),
        (lambda: ConstantStep(decay_to=0.1), "no effect without decay"),
        (lambda: ConstantStep(decay=1e-8), "lost in float32"),
        (lambda: mho.RPU(device=Fading(), cell=mho.cells.Referenced()), "one of their two devices"),
        (lambda: mho.devices.Ideal(diffusion=0.1), "no effect"),
        (lambda: PiecewiseStep(up=[1.0]), "at least 2 nodes"),
        (lambda: PiecewiseStep(up=[1.0, -1.0]), "at least 0"),
        (lambda: PiecewiseStep(up=3.0), "give a table"),
        (lambda: PiecewiseStep(up=[[1.0, 2.0], [3.0]]), "no array of numbers"),
        (lambda: JumpTable(up_states=[0.1, 0.0]), "ascending"),
        (lambda: JumpTable(up=[[0.0, 1.0]]), "one row per state"),
        (lambda: table([math.nan]), "finite"),
        (lambda: ConstantStep(c2c=mho.per_cell(0.5, spread=0.1, distribution="bernoulli")), "c2c: .*no spread"),
    ],
)
def test_faults_are_told(make: Any, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        make()


def test_contract_breaches_are_told() -> None:
    for name, value in (("drift", 1.0), ("effects", ())):
        for body in ({"__annotations__": {name: float}, name: value}, {name: value}):
            with pytest.raises(LawError, match=f"Taken.{name}: an option of every device has this name"):
                type("Taken", (Device,), body)
    with pytest.raises(LawError, match="a hidden state h needs a name"):
        Doomed()
    with pytest.raises(InvalidValue, match="dt is -1"):
        row(EXACT, cells=2).rest(-1)


@pytest.mark.parametrize(
    "options",
    [
        {"stuck": [0.0, 0.3]},
        {
            "stuck": [0.3, 0.0],
            "write_noise": mho.per_cell([0.0, 0.02], std=[0.0, 0.01]),
            "diffusion": [0.0, 0.01],
            "read_variation": [0.1, 0.0],
            "decay": [0.1, 0.0],
        },
    ],
)
def test_options_of_one_replica_are_its_own(options: dict[str, Any]) -> None:
    def run(rpu: mho.RPU, seeds: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        array = mho.Crossbar(rpu, 3, 7, seed=seeds, replicas=len(seeds))
        x, d = torch.rand(4, 7, generator=torch.Generator().manual_seed(1)), torch.full((4, 3), 0.3)
        array.update(x.expand(len(seeds), -1, -1), d.expand(len(seeds), -1, -1), 0.1)
        return array.weight, array.forward(x.expand(len(seeds), -1, -1))

    rpu = mho.RPU(device=ConstantStep(dw_min=0.01, **options))
    both = run(rpu, [4, 5])
    for r in range(2):
        for whole, alone in zip(both, run(rpu.of_replica(r), [4 + r]), strict=True):
            assert torch.equal(whole[r : r + 1], alone)


def test_programming_forgets_the_hidden_state() -> None:
    array = row(Lazy(), cells=4)
    drive(array, 1)
    assert (array.first.hidden == 1).all()
    array.reset_weights()
    assert (array.first.hidden == 0).all()


def test_places_in_tables_are_those_of_float32() -> None:
    arrays = [row(Nodes(), cells=2_000, backend=backend) for backend in ("cpu", "reference")]
    w = torch.arange(2_000).view(1, -1) % 13 * 0.1 - 0.6
    for array in arrays:
        array.write(w)
        drive(array, 1)
    assert torch.equal(arrays[0].weight, arrays[1].weight)


def test_a_read_that_is_no_number_is_told_every_time() -> None:
    array = row(Unreadable(), cells=2, start=-0.1)
    for _ in range(2):
        with pytest.raises(LawError, match="read returned NaN"):
            array.forward(torch.ones(1, 2))
