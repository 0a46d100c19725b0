"""What holds for every cell of several banks: bits, replicas, resume, tiles, drivers, files, commands, faults."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import mho
from mho.cells import AGAD, Cell, ERider, MixedPrecision, PeriodicCarry, Residual, Stop, TikiTaka
from mho.cells.schedule import ROUNDS
from mho.compiler.program import Call
from mho.errors import InvalidValue, MhoError
from mho.nn import ArrayLayer
from mho.per_replica import of_replica
from mho.testing import check_cell
from tests.helpers.command import mho as command
from tests.helpers.golden_cases import Small, half_squares

SOFT = mho.devices.SoftBounds(
    dw_min=mho.per_cell(0.01, spread=0.2), up_down=mho.per_cell(1.0, spread=0.1), w_max=0.6, w_min=-0.6
)
RULES: dict[str, Cell] = {
    "v1": TikiTaka(buffer=False, every=2, transfer_lr=3.0, visible=0.2, reference_std=0.05),
    "v2": TikiTaka(every=1, buffer_scale=2.0, max_pulses=3, momentum=0.2, auto_scale=False),
    "chopped": TikiTaka(every=2, buffer_scale=1.0, chopper=0.3, random_chopper=True, visible=0.3, forget=False),
    "regular": TikiTaka(every=1, buffer_scale=1.0, chopper=0.5, weigh_reads=True, slow_reference="symmetry_point"),
    "agad": AGAD(every=1, buffer_scale=1.0, chopper=0.4, visible=0.1, reference_std=0.2),
    "rider": ERider(every=1, buffer_scale=1.0, chopper=0.0, tracking=0.1),
    "e-rider": ERider(every=2, buffer_scale=1.0, chopper=0.5, random_chopper=True, visible=0.3),
    "residual": Residual(n=3, every=1, slower=2, fast_lr=3.0, transfer_lr=0.5),
    "residual v2": Residual(n=3, every=2, slower=2, buffer=True, smoothing=0.5, transfer_lr=2.0, threshold=0.5),
    "warm": Residual(n=2, every=1, warm_start=True, fast_lr=3.0),
    "mixed": MixedPrecision(every=3),
    "carry": PeriodicCarry(n=3, base=2.0, every=2, slower=3, carry_at=0.1, reset_error=0.02),
}
LISTS: dict[str, dict[str, Any]] = {
    "v1": {"fast_lr": [1.0, 0.3, 2.0], "transfer_lr": [3.0, 1.0, 2.0], "visible": [0.0, 0.2, 0.4]},
    "v2": {"fast_lr": [1.0, 0.3, 2.0], "buffer_scale": [2.0, 1.0, 3.0], "threshold": [1.0, 0.5, 1.5]},
    "chopped": {
        "visible": [0.3, 0.0, 0.1], "chopper": [0.3, 0.1, 0.9], "reference_std": [0.0, 0.1, 0.2],
        "reference_mean": [0.0, 0.1, -0.2],
    },
    "regular": {"chopper": [0.5, 0.9, 0.3]},
    "agad": {"chopper": [0.5, 0.9, 0.3], "reference_std": [0.0, 0.4, 0.2], "visible": [0.0, 0.0, 0.2]},
    "rider": {"chopper": [0.0, 0.5, 0.0], "visible": [0.1, 0.0, 0.3]},
    "e-rider": {"chopper": [0.5, 1.0, 0.2], "fast_lr": [1.0, 0.3, 2.0]},
    "residual": {"visible": [0.4, 0.2, 0.3], "fast_lr": [3.0, 1.0, 2.0], "transfer_lr": [0.5, 0.1, 1.0]},
    "residual v2": {"threshold": [0.5, 1.0, 0.7], "smoothing": [0.5, 1.0, 0.2], "reference_std": [0.0, 0.1, 0.2]},
    "warm": {"visible": [0.4, 0.2, 0.3]},
    "mixed": {"threshold": [1.0, 2.0, 3.5]},
    "carry": {"base": [2.0, 3.0, 1.5], "carry_at": [0.1, 0.2, 0.15], "reset_error": [0.0, 0.1, 0.02]},
}  # fmt: skip
PULSES = mho.Pulses(length=5, update_management=True)


def rpu_of(cell: Cell, **options: Any) -> mho.RPU:
    return mho.RPU(**{"device": SOFT, "cell": cell, "update": PULSES} | options)


def batch(vectors: int, rows: int, columns: int, replicas: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(replicas, vectors, columns, generator=generator) * 2 - 1
    return x, torch.rand(replicas, vectors, rows, generator=generator) - 0.3


def states(array: mho.arrays.Array) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in array.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.parametrize("name", RULES)
def test_every_rule_passes_the_checks_of_cells(name: str) -> None:
    """Both back ends, a split of vectors, a checkpoint in the middle, a second replica, its file."""
    report = check_cell(RULES[name], device=SOFT)
    assert report.moved > 1e-3
    array = mho.Crossbar(rpu_of(RULES[name]), 3, 5)
    array.update(*batch(40, 3, 5), 0.05)
    counted = array.counters()
    for bank in array.banks:
        if name != "warm" or bank == "bank_0":  # where the other bank waits for its stage
            assert counted[f"{bank}.coincidences" if len(array.banks) > 1 else "coincidences"] > 0, bank


@pytest.mark.parametrize("name", RULES)
def test_long_updates_are_many_short_ones(name: str) -> None:
    """In one call a column is read several times, and its sign may change several times."""
    whole, split = (mho.Crossbar(rpu_of(RULES[name]), 3, 5, seed=2, replicas=2) for _ in range(2))
    x, d = batch(90, 3, 5, 2)
    whole.update(x, d, 0.05)
    for start, stop in [(0, 1), (1, 4), (4, 9), (9, 61), (61, 90)]:
        split.update(x[:, start:stop], d[:, start:stop], 0.05, dt=float(stop == 90))
    same(states(whole), states(split))
    same({"read": whole.forward(x)}, {"read": split.forward(x)})


@pytest.mark.parametrize("name", RULES)
def test_replicas_with_settings_of_their_own_equal_arrays_alone(name: str) -> None:
    cell = dataclasses.replace(RULES[name], **LISTS[name])
    together = mho.Crossbar(rpu_of(cell), 3, 5, seed=[4, 4, 9], replicas=3)
    x, d = batch(40, 3, 5, 3)
    seen = []
    for k in range(2):
        together.update(x[:, 20 * k : 20 * k + 20], d[:, 20 * k : 20 * k + 20], 0.05)
        seen.append(together.forward(x))
        together.advance([1.0, 2.0 + k, 1.0 - k])
    for r, seed in enumerate([4, 4, 9]):
        alone = mho.Crossbar(rpu_of(of_replica(cell, r)), 3, 5, seed=seed)
        for k in range(2):
            alone.update(x[r, 20 * k : 20 * k + 20], d[r, 20 * k : 20 * k + 20], 0.05)
            assert torch.equal(alone.forward(x[r]), seen[k][r])
            alone.advance([1.0, 2.0 + k, 1.0 - k][r])
        assert torch.equal(alone.weight[0], together.weight[r])
        for label, value in alone.counters().items():
            assert int(value) == int(together.counters()[label][r]), label
        for label in cell.buffers():
            assert torch.equal(alone.buffer(label)[0], together.buffer(label)[r]), label


@pytest.mark.parametrize("name", RULES)
def test_both_back_ends_agree_to_the_bit(name: str) -> None:
    one, other = (mho.Crossbar(rpu_of(RULES[name]), 3, 5, seed=2, backend=b) for b in ("cpu", "reference"))
    x, d = batch(24, 3, 5)
    for array in (one, other):
        array.update(x[0], d[0], 0.05)
    same(states(one), states(other))


@pytest.mark.parametrize("name", RULES)
def test_tiles_train_and_their_counters_add_up(name: str) -> None:
    rpu = rpu_of(RULES[name], tile=(4, 4))
    torch.manual_seed(0)
    model = mho.convert(torch.nn.Linear(8, 6), rpu, seed=4, quiet=True)  # 6×9 with the bias
    (array,) = model.crossbars
    before = array.weight.clone()
    optimizer = mho.AnalogSGD(model, lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        half_squares(model(torch.randn(5, 8)), torch.zeros(5, 6)).backward()
        optimizer.step()
    assert (array.weight - before).abs().amax(dim=(0, 1)).min() > 0  # in every column
    each = [batch.counters() for batch in array.batches]
    for label, value in array.counters().items():
        assert int(value) == sum(int(counts[label].sum()) for counts in each), label
    assert int(array.counters()["pulses"]) > 0


def test_arrays_of_other_names_and_seeds_change_signs_at_other_readings() -> None:
    cell = TikiTaka(every=1, chopper=0.5, random_chopper=True)
    named = [("a", 1), ("b", 1), ("a", 2)]
    arrays = [mho.Crossbar(rpu_of(cell), 3, 32, seed=seed, name=name) for name, seed in named]
    for array in arrays:
        array.update(*batch(32, 3, 32), 0.05)
    signs = [tuple(array.buffer("sign")[0].tolist()) for array in arrays]
    assert len(set(signs)) == 3  # equal by chance once in 2^32


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("name", RULES)
def test_both_drivers_train_alike(name: str, size: int) -> None:
    """A convolution and two fully connected layers; the gradient of the loss is rounded once."""
    ends = []
    for kind in ("autograd", "online"):
        torch.manual_seed(0)
        model = mho.convert(Small(), rpu_of(RULES[name]), seed=4, quiet=True)
        optimizer = mho.AnalogSGD(model, lr=0.02)
        driver = mho.training.choose_driver(model, optimizer, half_squares, prefer=kind)
        assert driver.name == kind
        generator = torch.Generator().manual_seed(1)
        for step in range(4):
            x, y = torch.rand(size, 1, 8, 8, generator=generator), torch.rand(size, 4, generator=generator)
            driver.step(x, y)
            optimizer.advance(1.0 + step)
        layers = [module for module in model.modules() if isinstance(module, ArrayLayer)]
        ends.append({f"{n}.{k}": v.clone() for n, layer in enumerate(layers) for k, v in layer.state_dict().items()})
    same(*ends)


@pytest.mark.parametrize("name", RULES)
def test_files_hold_every_setting(name: str) -> None:
    cell = dataclasses.replace(RULES[name], **LISTS[name])
    for each in (RULES[name], cell):
        assert mho.RPU.from_toml(rpu_of(each).to_toml()) == rpu_of(each)


NET = """
from torch import nn
class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(784, 8), nn.Tanh(), nn.Linear(8, 10))
"""


@pytest.mark.parametrize("kind", ["TikiTaka", "AGAD", "ERider", "Residual", "MixedPrecision", "PeriodicCarry"])
def test_the_command_line_trains_every_kind_and_resumes(kind: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    words = ["--data", "digits", "--model", "net:Net", "--set", f"cell.kind={kind}", "--set", "device.law=SoftBounds"]
    words += ["--set", "training.train_images=60", "--set", "training.test_images=40", "--json"]
    if kind == "Residual":
        words += ["--set", "cell.warm_start=true", "--set", "cell.n=3"]

    def train(*more: str) -> dict[str, Any]:
        done = command("train", *words, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        line: dict[str, Any] = json.loads(done.stdout)
        return {name: value for name, value in line.items() if "second" not in name}

    whole = train("--epochs", "2", "--out", "whole")
    first = train("--epochs", "1", "--out", "parts")
    assert first["epoch"] == 1
    done = command("train", "--epochs", "2", "--out", "parts", "--resume", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {k: v for k, v in json.loads(done.stdout).items() if "second" not in k} == whole


# What is refused ---------------------------------------------------------------------------------------------------

READ = mho.Read(noise=0.01, bound=None)
FAULTS: dict[str, tuple[type[Cell], dict[str, Any], str]] = {
    "every 0": (TikiTaka, {"every": 0}, "every is 0"),
    "every of residual": (Residual, {"every": 0}, "every is 0"),
    "every of mixed": (MixedPrecision, {"every": 0}, "every is 0"),
    "every of carry": (PeriodicCarry, {"every": 0}, "every is 0"),
    "every in a list": (TikiTaka, {"every": [1, 2]}, "every is"),
    "chopper without buffer": (TikiTaka, {"buffer": False, "chopper": 0.1}, "chopper needs the buffer"),
    "scale without buffer": (TikiTaka, {"buffer": False, "buffer_scale": 2.0}, "buffer_scale has no effect"),
    "momentum without buffer": (TikiTaka, {"buffer": False, "momentum": 0.2}, "momentum has no effect"),
    "slow_update with buffer": (TikiTaka, {"slow_update": mho.Pulses()}, "slow_update has no effect"),
    "random without chopper": (TikiTaka, {"random_chopper": True}, "random_chopper has no effect"),
    "weigh without chopper": (TikiTaka, {"weigh_reads": True}, "weigh_reads .* give chopper"),
    "average without scale": (TikiTaka, {"auto_scale": False, "average": 10}, "average has no effect"),
    "reference": (TikiTaka, {"reference": "symetry_point"}, "did you mean 'symmetry_point'"),
    "visible": (TikiTaka, {"visible": -0.1}, "visible is -0.1"),
    "threshold": (TikiTaka, {"threshold": 0.0}, "threshold is 0"),
    "max_pulses": (TikiTaka, {"max_pulses": 33}, "max_pulses is 33"),
    "momentum": (TikiTaka, {"momentum": 1.5}, "momentum is 1.5"),
    "chopper above 1": (AGAD, {"chopper": 1.2}, "chopper is 1.2"),
    "fast": (TikiTaka, {"fast": "SoftBounds"}, "fast is 'SoftBounds'; give a device"),
    "transfer": (TikiTaka, {"transfer": 0.1}, "transfer is 0.1"),
    "lists": (TikiTaka, {"visible": [0.1, 0.2], "fast_lr": [1.0, 1.0, 2.0]}, "lists of different lengths"),
    "list of residual": (Residual, {"visible": [0.1, 1.2]}, "replica 1: visible is 1.2"),
    "agad without chopper": (AGAD, {"chopper": 0.0}, "chopper is 0"),
    "smoothing": (AGAD, {"smoothing": 0.0}, "smoothing is 0"),
    "tracking": (ERider, {"tracking": 2.0}, "tracking is 2"),
    "residual of one": (Residual, {"n": 1}, "n is 1"),
    "residual buffer": (Residual, {"smoothing": 0.5}, "smoothing has no effect"),
    "mixed threshold": (MixedPrecision, {"threshold": 0.5}, "threshold is 0.5"),
    "carry base": (PeriodicCarry, {"base": 1.0}, "base is 1"),
    "carry_at": (PeriodicCarry, {"carry_at": 1.5}, "carry_at is 1.5"),
    "misspelt": (TikiTaka, {"visibel": 0.1}, "visible"),
}


@pytest.mark.parametrize(("kind", "settings", "says"), FAULTS.values(), ids=FAULTS)
def test_settings_that_cannot_work_are_refused_in_words(kind: type[Any], settings: dict[str, Any], says: str) -> None:
    with pytest.raises(MhoError, match=says):
        kind(**settings)


LINEAR = mho.devices.ConstantStep()
APART: dict[str, tuple[mho.Device, Cell, Any, str]] = {
    "no symmetry point": (LINEAR, TikiTaka(), PULSES, "ConstantStep has none.*reference='zero'"),
    "no symmetry point, v1": (LINEAR, TikiTaka(buffer=False), PULSES, "ConstantStep has none"),
    "no symmetry point of fast": (SOFT, TikiTaka(fast=LINEAR), PULSES, "ConstantStep has none"),
    "no symmetry point of slow": (LINEAR, AGAD(slow_reference="symmetry_point"), PULSES, "slow_reference="),
    "no symmetry point, residual": (LINEAR, Residual(), PULSES, "ConstantStep has none"),
    "no symmetry point of a middle bank": (SOFT, Residual(n=3, slow=LINEAR), PULSES, "ConstantStep has none"),
    "carry without bounds": (mho.devices.Ideal(), PeriodicCarry(), PULSES, "no range or no pulses"),
    "gains": (SOFT, TikiTaka(), mho.Pulses(x_gain=1.0), "no say beside the automatic scaling"),
} | {
    f"{what} {name}": (device, RULES[name], update, says)
    for name in RULES
    for what, device, update, says in [
        ("exact", mho.devices.Ideal(), mho.Exact(), "Exact"),
        ("ideal", mho.devices.Ideal(), PULSES, "Ideal"),
    ]
}


@pytest.mark.parametrize(("device", "cell", "update", "says"), APART.values(), ids=APART)
def test_parts_that_do_not_go_together_are_refused(device: mho.Device, cell: Cell, update: Any, says: str) -> None:
    with pytest.raises(MhoError, match=says):
        mho.RPU(device=device, cell=cell, update=update)


def test_lists_of_another_length_than_the_replicas_are_refused() -> None:
    cell = TikiTaka(visible=[0.1, 0.2])
    with pytest.raises(InvalidValue, match=r"cell\.visible"):
        mho.Crossbar(rpu_of(cell), 3, 5, replicas=3)
    with pytest.raises(InvalidValue, match="lists of different lengths"):
        rpu_of(cell, forward=mho.Read(noise=[0.1, 0.2, 0.3]))


@pytest.mark.parametrize(
    ("one", "other"), [("v2", "agad"), ("agad", "v1"), ("agad", "e-rider"), ("residual", "v2"), ("mixed", "carry")]
)
def test_a_checkpoint_of_another_rule_is_refused_in_words(one: str, other: str) -> None:
    array, stranger = (mho.Crossbar(rpu_of(RULES[name]), 3, 5) for name in (one, other))
    with pytest.raises(RuntimeError, match=r"checkpoint is of another cell.*make the model with the RPU"):
        array.load_state_dict(stranger.state_dict())


def test_a_resume_with_another_rule_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    words = ["--data", "digits", "--model", "net:Net", "--set", "device.law=SoftBounds", "--set", "cell.kind=TikiTaka"]
    words += ["--set", "training.train_images=50", "--set", "training.test_images=20", "--epochs", "1"]
    assert command("train", *words, "--out", "run", cwd=tmp_path).returncode == 0
    done = command("train", "--out", "run", "--resume", "--set", "cell.kind=AGAD", "--epochs", "2", cwd=tmp_path)
    assert done.returncode == 1
    assert "cell.kind" in done.stderr


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (TikiTaka(auto_scale=False, fast_lr=2.0), "fast_lr is 2.0 and would have no effect"),
        (TikiTaka(buffer=False, auto_scale=False, transfer_lr=2.0), "transfer_lr is 2.0 and would have no effect"),
    ],
    ids=["fast", "transfer"],
)
def test_rates_that_given_gains_would_overrule_are_refused(cell: TikiTaka, says: str) -> None:
    device = mho.devices.SoftBounds()
    with pytest.raises(InvalidValue, match=says):
        mho.RPU(device=device, cell=cell, update=mho.Pulses(x_gain=1.0, d_gain=1.0))
    mho.RPU(device=device, cell=cell, update=mho.Pulses(x_gain=1.0))


def test_a_bank_may_have_the_name_of_a_buffer() -> None:
    """Keys of the pulses that a bank sends stand apart from the memory of their target."""
    bank = mho.Crossbar(mho.RPU(), 2, 3).first
    state = bank.memory("state")
    assert bank.keys_from("state").shape == (1, 2)
    assert bank.memory("state") is state


@pytest.mark.parametrize("name", ["v2", "chopped", "regular", "agad", "rider", "e-rider"])
def test_stops_of_buffered_cells_enter_no_python(name: str) -> None:
    array = mho.Crossbar(rpu_of(RULES[name]), 5, 4)
    (event,) = RULES[name].events()
    steps = event.plan(array.part(), Stop.of_columns(3))
    assert all(isinstance(step, Call) for step in steps), steps


@pytest.mark.parametrize("name", ["v1", "v2", "chopped", "agad"])
def test_an_update_of_more_rounds_than_a_program_holds_equals_its_parts(name: str) -> None:
    whole, split = (mho.Crossbar(rpu_of(RULES[name]), 3, 2) for _ in range(2))
    rounds = 2 * 2 * ROUNDS  # vectors in which both columns have had that many events, at most one every 2
    x, d = batch(2 * rounds + 31, 3, 2)
    whole.update(x, d, 0.05)
    for start, stop in [(0, 1), (1, rounds - 3), (rounds - 3, 2 * rounds + 31)]:
        split.update(x[:, start:stop], d[:, start:stop], 0.05, dt=float(start > 1))
    same(states(whole), states(split))
