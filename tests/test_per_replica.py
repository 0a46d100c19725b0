"""Lists in an RPU: replicas that differ in their values, each equal to the run of its own."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import mho
from mho import RPU, Pulses, Read
from mho.cells import Replicated, Single
from mho.data import digits
from mho.devices import ConstantStep
from mho.errors import InvalidValue, WrongUse
from mho.nn import ArrayLayer
from mho.report import write_report
from mho.runs import Experiment, Run
from tests.helpers.laws import Ferro

MANY = RPU(
    device=ConstantStep(
        dw_min=mho.per_cell([0.001, 0.004, 0.002], spread=[0.3, 0.0, 0.1]),
        up_down=[1.0, 1.2, 0.9],
        c2c=[0.3, 0.0, 1.5],
        w_max=mho.per_cell(0.6, std=[0.1, 0.05, 0.0]),
        w_min=mho.per_cell((-0.6, -0.5, -0.4), spread=0.3),
    ),
    forward=Read(noise=[0.06, 0.0, 0.2], bound=[12.0, 1.0, 0.5], input_bound=[2.0, 1.0, 0.5], bound_management=True),
    backward=Read(noise=[0.0, 0.1, 0.06], bound=(0.5, 2.0, 12.0), noise_management=True, adc_bits=9),
    update=Pulses(length=7, x_gain=[1.0, 0.5, 2.0], update_management=True),
)


class OwnStep(mho.Device):
    """A law whose mean step is its own."""

    step: float = 0.002
    scale: float = 2.0
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, up, cell, z):
        step = cell.step / cell.scale
        return w + step if up else w - step

    def mean_step(self) -> float:
        return self.step / self.scale if self.scale > 1 else 1.0


RPUS = {
    "every field": MANY,
    "device": RPU(device=ConstantStep(dw_min=[0.001, 0.002, 0.004])),
    "equal": RPU(forward=Read(noise=[0.1, 0.1, 0.1])),
    "own mean step": RPU(device=OwnStep(step=[0.002, 0.004, 0.001], scale=[2.0, 4.0, 1.0])),
    "no closed form": RPU(device=Ferro(gamma=mho.per_cell([1.5, 0.5, 1.0], spread=0.1), c2c=[0.2, 0.1, 0.0])),
}


def refused(*parts: str):
    """Expect an error whose message holds all parts, in this order."""
    return pytest.raises(InvalidValue, match="(?s)" + ".*".join(re.escape(part) for part in parts))


# The same bits as alone


SIZES = {"cpu": (5, 19), "reference": (3, 5)}
"""Rows and columns of an array; in the reference a pulse takes 0.1 ms."""


def drive(array: mho.Crossbar, replica: int | None = None) -> list[torch.Tensor]:
    """Some cycles of three replicas, or of one of them alone."""
    generator = torch.Generator().manual_seed(0)
    seen = []
    for _ in range(3):
        x = torch.randn(3, 6, array.in_features, generator=generator)
        d = torch.randn(3, 6, array.out_features, generator=generator) * 0.1
        if replica is not None:
            x, d = x[replica : replica + 1], d[replica : replica + 1]
        seen += [array.forward(x), array.backward(d)]
        array.update(x, d, 0.02)
    return [*seen, array.read(), array.weight, array.state, *array.cell_parameters().values()]


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("cell", [Single(), Replicated(3)], ids=["Single", "Replicated"])
@pytest.mark.parametrize("name", RPUS)
def test_each_replica_of_an_array_equals_the_array_of_its_values(name, cell, backend):
    rpu = RPUS[name].replace(cell=cell)
    together = mho.Crossbar(rpu, *SIZES[backend], seed=4, replicas=3, backend=backend)
    seen = drive(together)
    for r in range(3):
        alone = mho.Crossbar(rpu.of_replica(r), *SIZES[backend], seed=4 + r, backend=backend)
        for mine, theirs in zip(seen, drive(alone, r), strict=True):
            assert torch.equal(mine[r], theirs[0])
        counted = together.counters()
        for counter, count in alone.counters().items():
            assert counted[counter][r] == count[0], counter


def test_replicas_of_one_seed_differ_by_their_values():
    array = mho.Crossbar(RPUS["device"], 5, 19, seed=[7, 7, 7], replicas=3)
    drive(array)
    moved = [array.weight[r] - mho.Crossbar(RPU(), 5, 19, seed=7).weight[0] for r in range(3)]
    assert moved[0].abs().max() < moved[2].abs().max()


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(36, 3)
    )


@pytest.mark.parametrize("cell", [Single(), Replicated(2)], ids=["Single", "Replicated"])
def test_each_replica_of_a_network_equals_the_network_of_its_values(cell):
    other = MANY.replace(cell=cell, update=Pulses(length=3, d_gain=[0.1, 0.2, 0.3]))
    main = RPUS["no closed form"].replace(cell=cell)
    together = mho.convert(net(), main, layers={"5": other}, seed=5, replicas=3, quiet=True)
    alone = [
        mho.convert(net(), main.of_replica(r), layers={"5": other.of_replica(r)}, seed=5 + r, quiet=True)
        for r in range(3)
    ]
    optimizers = [mho.AnalogSGD(model, lr=0.05) for model in (together, *alone)]
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        x, y = torch.rand(2, 1, 8, 8, generator=generator), torch.randint(0, 3, (2,), generator=generator)
        mho.replica_loss(F.cross_entropy, together(x), y).backward()
        for model in alone:
            F.cross_entropy(model(x), y).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    for r, model in enumerate(alone):
        for mine, theirs in zip(together.model, model, strict=True):
            if isinstance(mine, ArrayLayer):
                assert torch.equal(mine.crossbars[0].state[r], theirs.crossbars[0].state[0])


TRAINING = {"train_images": 30, "test_images": 40, "epochs": 1, "replicas": 2, "seed": 3}


def go(experiment: Experiment, folder: Path, stop_at: int = 0, resume: bool = False) -> Run:
    run = Run(experiment, folder, digits(), resume=resume)
    run.loop.together = 1 if stop_at else run.loop.together
    run.train(on_step=lambda progress: progress.steps == stop_at, on_epoch=lambda progress: None)
    return run


def test_a_run_with_lists_resumes_and_each_replica_equals_the_run_of_its_values(tmp_path):
    main = mho.presets.gokmen_2017().replace(device=ConstantStep(dw_min=mho.per_cell([0.001, 0.004], spread=0.3)))
    conv2 = main.replace(device=ConstantStep(), forward=Read(noise=[0.0, 0.1]))
    tables = main.to_dict() | {"training": TRAINING, "layers": {"conv2": conv2.to_dict()}}
    experiment = Experiment.from_dict(tables)
    assert Experiment.from_toml(experiment.to_toml()) == experiment
    assert experiment.layers["conv2"] == conv2
    go(experiment, tmp_path / "both", stop_at=17)
    both = go(experiment, tmp_path / "both", resume=True)
    for r in range(2):
        tables = main.of_replica(r).to_dict() | {"layers": {"conv2": conv2.of_replica(r).to_dict()}}
        tables["training"] = TRAINING | {"replicas": 1, "seed": 3 + r}
        alone = go(Experiment.from_dict(tables), tmp_path / f"alone{r}")
        for name in ("conv1", "conv2", "fc1", "fc2"):
            mine, theirs = (getattr(model, name).crossbars[0].state for model in (both.model.model, alone.model))
            assert torch.equal(mine[r], theirs[0]), name
        line, own = (run.loop.progress.metrics[-1] for run in (both, alone))
        assert line["test_error_replicas"][r] == own["test_error"]


def test_the_config_and_the_report_show_lists_on_one_line(tmp_path):
    rpu = mho.presets.gokmen_2017().replace(device=ConstantStep(dw_min=[0.001, 0.002], w_max=[0.6, 1e-7 + 0.6]))
    tables = rpu.to_dict() | {"training": TRAINING | {"train_images": 2, "exclude": []}}
    go(Experiment.from_dict(tables), tmp_path / "run")
    assert "dw_min = [0.001, 0.002]\n" in (tmp_path / "run" / "config.toml").read_text()
    assert "dw_min = [0.001, 0.002]" in write_report(tmp_path / "run").read_text()
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["arrays"][0]["replicas"] == 2


# Descriptions


def numbers(low: float, high: float, length: int):
    """A number or a list of them."""
    values = st.floats(low, high)
    return values | st.lists(values, min_size=length, max_size=length)


@st.composite
def rpus(draw) -> RPU:
    length = draw(st.integers(1, 4))
    some = {name: draw(numbers(1e-6, 1e3, length)) for name in ("dw_min", "up_down", "c2c", "mean", "spread", "gain")}
    return RPU(
        device=ConstantStep(
            dw_min=mho.per_cell(some["dw_min"], std=some["spread"]),
            up_down=some["up_down"],
            c2c=some["c2c"],
            w_max=mho.per_cell(some["mean"], spread=some["spread"]),
        ),
        forward=Read(noise=draw(numbers(0, 1e3, length)), bound=draw(st.none() | numbers(1e-3, 1e3, length))),
        update=Pulses(d_gain=some["gain"]),
    )


@given(rpus())
def test_lists_come_back_from_toml_pickle_and_plain_tables(rpu):
    text = rpu.to_toml()
    assert RPU.from_toml(text) == rpu
    assert RPU.from_dict(json.loads(json.dumps(rpu.to_dict()))) == rpu
    assert pickle.loads(pickle.dumps(rpu)) == rpu
    assert hash(rpu) == hash(RPU.from_toml(text))
    for r in range(rpu.replicas or 0):
        assert rpu.of_replica(r).replicas is None
        assert RPU.from_toml(rpu.of_replica(r).to_toml()) == rpu.of_replica(r)


def test_lists_are_kept_as_tuples_and_each_replica_has_numbers():
    assert MANY.replicas == 3
    assert RPU().replicas is None
    assert RPU().of_replica(5) == RPU()
    assert MANY.device.c2c == (0.3, 0.0, 1.5)
    assert MANY.of_replica(1).device == ConstantStep(
        dw_min=mho.per_cell(0.004),
        up_down=1.2,
        c2c=0.0,
        w_max=mho.per_cell(0.6, std=0.05),
        w_min=mho.per_cell(-0.5, spread=0.3),
    )
    assert MANY.of_replica(2).forward == Read(noise=0.2, bound=0.5, input_bound=0.5, bound_management=True)
    assert "c2c=(0.3, 0.0, 1.5)" in str(MANY)
    with refused("no replica 3", "0 to 2"):
        MANY.of_replica(3)


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: Read(noise=[0.1, -0.1]), ("Read", "replica 1: noise is -0.1", "from 0")),
        (lambda: Read(bound=[12.0, None]), ("bound is [12.0, None]", "one number per replica", "None is none")),
        (lambda: Read(noise=[0.1, True]), ("noise is [0.1, True]", "True is none")),
        (lambda: Read(noise=[]), ("noise is an empty list",)),
        (lambda: Read(noise=[0.1, 0.2], bound=[1.0]), ("different lengths: noise has 2, bound has 1",)),
        (lambda: Read(noise=[0.1, 0.2], dac_bits=99), ("Read: dac_bits is 99; give an integer from 2 to 24",)),
        (lambda: Read(dac_bits=[7, 8]), ("dac_bits is [7, 8]", "cannot differ between replicas", "noise, bound and")),
        (lambda: Read(noise_management=[True, False]), ("noise_management is [True, False]", "cannot differ")),
        (lambda: Pulses(length=(1, 10), x_gain=[1, 2]), ("length is [1, 10]", "cannot differ", "x_gain and d_gain")),
        (lambda: Replicated([1, 2]), ("n is [1, 2]", "cannot differ", "the fields of a device")),
        (lambda: mho.Tile(rows=[1, 2]), ("rows is [1, 2]", "cannot differ")),
        (lambda: ConstantStep(dw_min=[0.001, 0.0]), ("replica 1: dw_min is 0.0", "greater than 0")),
        (lambda: ConstantStep(w_max=[0.6, -0.7]), ("replica 1: w_min is -0.6 and w_max is -0.7",)),
        (lambda: ConstantStep(c2c=[0.1, mho.per_cell(1)]), ("c2c is [0.1, PerCell", "one number per replica")),
        (lambda: ConstantStep(c2c=mho.per_cell([1.0, 0.0], spread=0.1)), ("replica 1: c2c: spread is relative",)),
        (lambda: ConstantStep(c2c=mho.per_cell([1.0, 2.0], spread=[0.1] * 3)), ("mean has 2, spread has 3",)),
        (lambda: ConstantStep(dw_min=mho.per_cell([1.0, 2.0]), c2c=[1.0]), ("dw_min.mean has 2, c2c has 1",)),
        (
            lambda: RPU(device=ConstantStep(c2c=[1.0, 2.0]), forward=Read(noise=[0.1] * 3), update=Pulses(x_gain=[1])),
            ("device.c2c has 2, forward.noise has 3, update.x_gain has 1", "one value per replica"),
        ),
        (lambda: RPU.from_toml("[cell]\nkind = ['Single']"), ("cell.kind is ['Single']", "cannot differ")),
        (lambda: RPU.from_toml("[device]\nlaw = ['Ideal']"), ("device.law is ['Ideal']", "cannot differ")),
        (lambda: RPU.from_toml("[forward]\nbound = [1, 'none']"), ("forward.bound is [1, 'none']", "one number")),
        (lambda: RPU.from_toml("[update]\nlength = [1, 10]"), ("update.length is [1, 10]", "cannot differ")),
        (lambda: mho.testing.check_device(MANY.device), ("takes one device", "dw_min.mean", "of_replica(0)")),
    ],
)
def test_lists_that_cannot_be_are_refused_with_the_rule(make, parts):
    with refused(*parts):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: mho.Crossbar(MANY, 2, 3, replicas=2),
        lambda: mho.nn.Linear(3, 2, rpu=MANY, replicas=2),
        lambda: mho.convert(net(), MANY, replicas=2, quiet=True),
        lambda: mho.convert(net(), RPU(), layers={"0": MANY}, replicas=2, quiet=True),
        lambda: Experiment.from_dict(MANY.to_dict() | {"training": {"replicas": 2}}),
        lambda: Experiment.from_dict({"layers": {"conv2": MANY.to_dict()}, "training": {"replicas": 2}}),
    ],
)
def test_lists_of_another_length_than_the_replicas_are_refused_with_both_numbers(make):
    with refused("device.dw_min.mean", "3 replicas, and replicas is 2; give replicas = 3, or lists of 2"):
        make()


def test_a_device_with_lists_has_no_one_mean_step():
    with pytest.raises(WrongUse, match="of_replica"):
        MANY.device.mean_step()
    assert MANY.of_replica(1).device.mean_step() == 0.004
