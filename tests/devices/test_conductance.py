"""The map from weights to siemens: data of a device that files keep, and that no array depends on."""

from __future__ import annotations

import dataclasses
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import mho
from mho.devices import Conductance, SoftBounds
from mho.errors import InvalidValue, LawError
from mho.measurements.units import conductance
from mho.report import staircase
from mho.runs import Experiment
from mho.testing import pulse_response
from tests.helpers.command import mho as run

KNOWN = SoftBounds(conductance=Conductance(zero=4.0, unit=2.5, name="uS"))


def test_the_map_is_a_line_in_its_unit_and_in_siemens():
    given = KNOWN.conductance
    assert given.of(0.6) == pytest.approx(5.5)
    assert np.allclose(given.weights(given.of(np.array([-0.6, 0.1]))), [-0.6, 0.1])
    assert given.siemens().of(0.6) == pytest.approx(5.5e-6)
    assert given.for_axes().of(-0.6) == pytest.approx(2.5)
    assert given.for_axes().name == "µS"
    read = Conductance(zero=0.1, unit=0.2, name="A")
    assert read.for_axes() == read
    with pytest.raises(InvalidValue, match=r"'A', which is no unit of conductance.*voltage of the read"):
        read.siemens()


@pytest.mark.parametrize(
    ("name", "zero", "expected"),
    [("uS", 3.0, (3e-6, "S")), ("S", 3e-6, (3e-6, "S")), ("A", 3e-7, (3e-7, "A")), ("", 3.0, (3.0, "a.u."))],
)
def test_measured_units_of_conductance_become_siemens(name, zero, expected):
    made = conductance(zero, 2 * zero, name)
    assert (made.zero, made.name) == (pytest.approx(expected[0]), expected[1])
    assert made.unit == pytest.approx(2 * expected[0])


def test_files_keep_it_and_files_without_it_stay_as_they_were():
    rpu = mho.RPU(device=KNOWN)
    assert "[device.conductance]" in rpu.to_toml()
    assert mho.RPU.from_toml(rpu.to_toml()) == rpu
    assert "conductance" not in mho.RPU(device=SoftBounds()).to_toml()
    lists = mho.RPU(device=dataclasses.replace(KNOWN, c2c=[0.1, 0.2]))
    assert mho.RPU.from_toml(lists.to_toml()) == lists
    assert lists.of_replica(1).device.conductance == KNOWN.conductance


def test_layers_with_and_without_it_come_back():
    plain, known = mho.RPU(device=SoftBounds()), mho.RPU(device=KNOWN)
    for main, layer in ((plain, known), (known, plain)):
        tables = main.to_dict() | {"layers": {"conv2": layer.to_dict()}}
        if layer is plain:
            tables["layers"]["conv2"]["device"]["conductance"] = "none"
        experiment = Experiment.from_dict(tables)
        assert experiment.layers["conv2"] == layer
        assert Experiment.from_toml(experiment.to_toml()) == experiment


def test_no_array_depends_on_it():
    weights = []
    for device in (SoftBounds(), KNOWN):
        array = mho.Crossbar(mho.RPU(device=device), 5, 7, seed=3)
        array.update(torch.ones(4, 7), torch.ones(4, 5), 0.1)
        assert "conductance" not in "".join(array.cell_parameters())
        weights.append(array.weight)
    assert torch.equal(*weights)
    assert KNOWN.law_hash() == SoftBounds().law_hash()


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: Conductance(zero=float("nan"), unit=-1.0, name=""), ("zero is nan", "unit is -1.0", "name is ''")),
        (lambda: Conductance(zero=0.0, units=1.0), ("'units'", "'unit'")),
        (lambda: SoftBounds(conductance=4.0), ("conductance is 4.0", "mho.devices.Conductance")),
        (
            lambda: mho.RPU.from_toml("[device]\nlaw = 'SoftBounds'\n[device.conductance]\nzeor = 1\nunit = 2"),
            ("zeor: no such field", "did you mean 'zero'?", "zero is missing"),
        ),
        (lambda: mho.RPU.from_toml("[device]\nconductance = 3"), ("conductance is 3", "[device.conductance]")),
        (
            lambda: mho.RPU.from_toml("[device.conductance]\nzero = 1\nunit = 0"),
            ("device.conductance.unit is 0", "greater than 0"),
        ),
    ],
)
def test_what_is_no_map_is_refused(make, parts):
    with pytest.raises((InvalidValue, TypeError)) as refusal:
        make()
    for part in parts:
        assert part in str(refusal.value)


def test_a_law_may_not_have_a_field_of_this_name():
    with pytest.raises(LawError, match="conductance"):

        class Mine(mho.Device):
            conductance: float = 0.1


def test_figures_and_tables_have_it(tmp_path):
    axes = plt.figure().subplots(2)
    for device, ax in zip((KNOWN, SoftBounds()), axes, strict=True):
        staircase(pulse_response(device, cells=5, pulses=20), ax)
    right = [child for child in axes[0].child_axes if child.get_ylabel()]
    assert [child.get_ylabel() for child in right] == ["conductance (µS)"]
    assert not axes[1].child_axes
    right[0].figure.canvas.draw()
    low, high = axes[0].get_ylim()
    assert right[0].get_ylim() == pytest.approx((4 + 2.5 * low, 4 + 2.5 * high))
    plt.close("all")
    (tmp_path / "mine.toml").write_text('law = "SoftBounds"\n[conductance]\nzero = 4.0\nunit = 2.5\nname = "uS"\n')
    done = run("device", "check", "mine.toml", cwd=tmp_path)
    assert "2.5 to 5.5 µS, a step of 0.0025" in done.stdout
    done = run("device", "compare", "mine.toml", "ecram", cwd=tmp_path)
    assert "2.5 to 5.5 µS" in done.stdout
    assert "conductance" not in run("device", "compare", "ecram", "SoftBounds", cwd=tmp_path).stdout


def test_a_fit_writes_it_and_a_run_keeps_it(tmp_path):
    """A staircase of 2 to 4 µS becomes ±0.6: 0 is 3 µS, and one unit of weight 1/0.6 µS."""
    steps = np.concatenate([np.linspace(2, 4, 41), np.linspace(4, 2, 41)[1:]])
    rows = "\n".join(f"{number},{value:.4f}" for number, value in enumerate(steps))
    (tmp_path / "pulses.csv").write_text("pulse,G (uS)\n" + rows + "\n")
    done = run("device", "fit", "pulses.csv", "--law", "ConstantStep", "--out", "fitted", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    known = json.loads((tmp_path / "fitted" / "fit.json").read_text())["ranking"][0]["device"]["conductance"]
    assert known["name"] == "S"
    # the fit's bounds are those of the readings to a step, 0.05 µS
    assert known["zero"] == pytest.approx(3e-6, abs=5e-8)
    assert known["unit"] == pytest.approx(1e-6 / 0.6, rel=0.05)
    for file in ("device.toml", "JumpTable.toml"):
        assert "[device.conductance]" in (tmp_path / "fitted" / file).read_text()
    small = ["--set", "training.train_images=20", "--set", "training.test_images=20", "--epochs", "1"]
    words = ["train", "--model", "mlp", "--device", "fitted/device.toml", "--out", "run", *small]
    assert run(*words, cwd=tmp_path).returncode == 0
    config = Experiment.from_toml((tmp_path / "run" / "config.toml").read_text())
    assert config.rpu.device.conductance == Conductance(**known)
