"""Curves of papers as data: the paper's numbers, their experiments, and faults of expected.toml."""

from __future__ import annotations

import dataclasses
import types

import numpy as np
import pytest

import mho
from mho.errors import InvalidValue
from mho.learning import ZeroShifting
from mho.papers import PAPERS
from mho.papers.expected import read_expected
from mho.papers.jobs import address
from mho.runs import Experiment
from tests.helpers.papers import LENET, MLP, SHIFTED

PROTOCOLS = {"gokmen_2016": (30, 0.01, (25, 30)), "gokmen_2017": (30, 0.01, (25, 30)), "kim_2019": (5, 0.05, 2)}
"""Epochs and learning rate of a paper's curves, and the epochs of the mean that is judged; those of 2016 where a name
begins with long."""


def test_what_a_paper_says_of_every_curve_can_be_shown():
    for paper in PAPERS.values():
        shown = {curve: paper.expected.paper(curve) for curve in paper.curves}
        assert all(shown.values()), shown
    assert PAPERS["rasch_2024"].expected.paper("ttv2_range") == "–"  # printed at other symmetry indices only


@pytest.mark.parametrize("paper", [PAPERS[name] for name in PROTOCOLS], ids=list(PROTOCOLS))
def test_every_curve_has_a_number_or_a_reason_and_an_experiment(paper):
    expected = paper.expected
    assert set(expected.curves) == set(paper.curves) == set(paper.choose())
    for name, make in paper.curves.items():
        experiment = make()
        assert Experiment.from_toml(experiment.to_toml()) == experiment
        training = experiment.training
        epochs, lr, _ = PROTOCOLS["gokmen_2016" if name.startswith("long_") else paper.name]
        assert (training.data, training.epochs, training.batch_size, training.lr) == ("mnist", epochs, 1, lr), name
        assert all(len(check.reason) > 20 for check in expected.curves[name].checks), name
    assert len({address(paper.study(curve)) for curve in paper.curves}) == len(paper.curves)  # none is there twice
    assert expected.epochs == PROTOCOLS[paper.name][2]


def test_the_papers_numbers():
    """PHYSICS of Gokmen 2017, section 2.7, and of 2016."""
    curves = LENET.expected.curves
    numbers = {name: curve.number for name, curve in curves.items() if curve.number is not None}
    assert numbers == {
        "floating_point": 0.8,
        "baseline": (10.0, 20.0),
        "no_backward_noise_no_w4_bound": 1.5,
        "no_backward_noise": 10.0,
        "no_w4_bound": 10.0,
        "nm_bm": 1.7,
        "no_variation": 1.05,
        "no_variation_k1_k2": 1.15,
        "no_variation_k2": 1.15,
        "devices_4_k2": 1.45,
        "devices_13_k2": 1.35,
        "um_bl1": 1.1,
        "um_bl1_devices_13_k2": 0.8,
    }
    assert {curve.mark for curve in curves.values()} == {"r", None}
    assert {name for name, curve in curves.items() if curve.mark is None} == {"nm", "bm", "um_bl2"}
    assert MLP.expected.curves["floating_point"].number == 2.0


def test_the_experiments_of_gokmen_2017():
    made = {name: make() for name, make in LENET.curves.items()}
    baseline = mho.presets.gokmen_2017(managed=False)
    assert made["baseline"].rpu == baseline
    assert made["nm_bm"].rpu == mho.presets.gokmen_2017()
    assert made["floating_point"].rpu == mho.presets.floating_point()

    both, noise, bound = (made[name] for name in ("no_backward_noise_no_w4_bound", "no_backward_noise", "no_w4_bound"))
    assert (both.rpu.backward.noise, noise.rpu.backward.noise, bound.rpu.backward.noise) == (0.0, 0.0, 0.06)
    assert (both.layers["fc2"].forward.bound, both.layers["fc2"].backward.noise) == (None, 0.0)
    assert bound.layers == {"fc2": baseline.replace(forward=mho.Read(noise=0.06, bound=None))}
    assert (noise.layers, both.rpu.forward.bound) == ({}, 12.0)
    switches = {
        name: (made[name].rpu.backward.noise_management, made[name].rpu.forward.bound_management)
        for name in ("baseline", "nm", "bm", "nm_bm")
    }
    assert switches == {"baseline": (0, 0), "nm": (1, 0), "bm": (0, 1), "nm_bm": (1, 1)}

    equal = made["no_variation"].rpu
    assert equal.device == mho.devices.ConstantStep(dw_min=0.001, up_down=1.0, c2c=0.0, w_max=0.6, w_min=-0.6)
    assert equal.forward == made["nm_bm"].rpu.forward
    for name, layers in {"k1_k2": {"conv1", "conv2"}, "k2": {"conv2"}, "w3_w4": {"fc1", "fc2"}}.items():
        experiment = made[f"no_variation_{name}"]
        assert set(experiment.layers) == layers
        assert set(map(str, experiment.layers.values())) == {str(equal)}
        assert experiment.rpu == made["nm_bm"].rpu
    for name, base, devices in (("devices_4_k2", "nm_bm", 4), ("um_bl1_devices_13_k2", "um_bl1", 13)):
        assert made[name].rpu == made[base].rpu
        assert made[name].layers == {"conv2": made[base].rpu.replace(cell=mho.cells.Replicated(devices))}
    for length in (1, 2, 10, 40):
        update = made[f"um_bl{length}"].rpu.update
        assert (update.length, update.update_management) == (length, True)
        assert made["nm_bm" if length == 10 else f"bl{length}"].rpu.update == mho.Pulses(length=length)


def test_the_experiments_of_gokmen_2016():
    made = {name: make() for name, make in MLP.curves.items()}
    assert {experiment.training.model for experiment in made.values()} == {"mlp"}
    rates = [made["baseline"].training.rate(epoch) for epoch in (1, 10, 11, 20, 21, 30)]
    assert rates == [0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025]
    start = made["stochastic"].rpu
    changes = {
        "dw_min_0.01": {"device.dw_min": 0.01},
        "c2c_1.5": {"device.c2c": 1.5},
        "dw_min_spread_1.1": {"device.dw_min.spread": 1.1, "device.dw_min.mean": 0.001, "device.dw_min.std": 0.0},
        "up_down_1.05": {"device.up_down": 1.05},
        "noise_0.1": {"forward.noise": 0.1, "backward.noise": 0.1},
        "bound_0.3": {"device.w_max.mean": 0.3, "device.w_min.mean": -0.3},
        "bound_spread_0.8": {"device.w_max.spread": 0.8, "device.w_min.spread": 0.8, "device.w_max.mean": 0.6},
        "up_down_spread_0.06": {"device.up_down.spread": 0.06, "device.up_down.mean": 1.0},
    }
    for name, values in changes.items():
        tables = made[name].rpu.to_dict()
        for dotted, value in values.items():
            found = tables
            for key in dotted.split("."):
                found = found[key]
            assert found == value, (name, dotted)
        touched = {dotted.split(".")[0] for dotted in values}
        assert {part for part, table in tables.items() if table != start.to_dict()[part]} == touched, name


def test_the_experiments_of_kim_2019():
    """PHYSICS of Kim 2019, section 4: the devices of the study."""
    made = {name: make() for name, make in SHIFTED.curves.items()}
    assert {experiment.training.model for experiment in made.values()} == {"mlp"}
    assert [made["random"].training.rate(epoch) for epoch in range(1, 6)] == [0.05, 0.05, 0.02, 0.01, 0.005]
    symmetric = made["symmetric"].rpu
    ratios = {"symmetric": 1.0, "imbalanced_1.5": 1.5, "imbalanced_2": 2.0}
    for name, ratio in ratios.items():
        device = mho.devices.SoftBounds(dw_min=mho.per_cell(0.005, spread=0.3), up_down=ratio)
        assert made[name].rpu == symmetric.replace(device=device)
        assert made[f"{name}_shifted"].rpu == made[name].rpu
    assert (symmetric.cell, symmetric.forward) == (mho.cells.Referenced(), mho.presets.gokmen_2017().forward)
    long = {name.removeprefix("long_"): made.pop(name) for name in list(made) if name.startswith("long_")}
    for name in ("symmetric", "random", "random_shifted"):
        device = dataclasses.replace(made[name].rpu.device, dw_min=mho.per_cell(0.001, spread=0.3))
        assert long[name].rpu == made[name].rpu.replace(device=device, scale=5.0)
    shifted = long["random_shifted"]
    assert shifted.zero_shifting == ZeroShifting(pulses=4000)
    assert [shifted.training.rate(epoch) for epoch in (1, 10, 11, 20, 21)] == [0.01, 0.01, 0.005, 0.005, 0.0025]
    shifts = {name: (one.pulses, one.write_error) for name, e in made.items() if (one := e.zero_shifting)}
    assert shifts == {
        **{f"{name}_shifted": (800, 0.0) for name in (*ratios, "random")},
        **{f"pulses_{pulses}": (pulses, 0.0) for pulses in (50, 100, 200, 400)},
        **{f"write_error_{error:g}": (800, error) for error in (0.01, 0.02, 0.05, 0.1)},
    }
    assert all(made[name].rpu == made["imbalanced_1.5"].rpu for name in shifts if name.startswith(("pulses", "write")))


def test_random_imbalance_spreads_the_symmetry_points_as_its_steps_do():
    """Steps d(1 ± u'z), bounds 0.6 with 30 %: 0.59·u' for small u'; at u' = 0.2 the ratio's tails take 3 %."""
    device = SHIFTED.curves["random"]().rpu.device
    z = np.random.default_rng(0).standard_normal((3, 200_000)).astype(np.float32)
    fields = ("up_down", "w_max", "w_min")
    cell = types.SimpleNamespace(**{name: getattr(device, name).draw(one) for name, one in zip(fields, z, strict=True)})
    points = device.symmetry(cell)
    assert abs(points.mean()) < 0.002  # five standard errors
    assert points.std() == pytest.approx(0.59 * 0.2, rel=0.05)


def test_the_sweeps_of_kim_2019_stand_at_the_values_of_their_experiments():
    for name, number in (("pulses", "pulses"), ("write_error", "write_error")):
        sweep = SHIFTED.expected.figures[name].sweep
        assert sweep is not None
        for curve, value in (pair for line in sweep.lines.values() for pair in line.items()):
            shifting = SHIFTED.curves[curve]().zero_shifting
            assert (0 if shifting is None else getattr(shifting, number)) == value, curve


def test_all_faults_of_an_expected_toml_are_told_at_once(tmp_path):
    file = tmp_path / "expected.toml"
    file.write_text("""
    title = "x"
    epochs = [25, 30]
    [figures.1]
    title = "one"
    curves = ["a", "bee"]
    [figures.2]
    title = "two"
    curves = ["a", "b"]
    sweep = { axis = "pulses", lines = { one = { a = 1.0, bb = 2.0 } } }
    [figures.3]
    title = "three"
    curves = ["a"]
    sweep = { axis = "pulses", lines = { one = { a = -1.0 } }, logs = true }
    [figures.4]
    title = "four"
    curves = ["a"]
    sweep = { axis = "pulses", lines = { one = { a = 1.0 } } }
    matrix = { rows = "r", columns = "c", labels = { b = "b" }, across = { test_eror = "x" } }
    [figures.5]
    title = "five"
    curves = ["a"]
    matrix = { rows = "r", columns = "c", labels = {}, across = {} }
    [curves.a]
    label = "a"
    number = 3.0
    [curves.b]
    label = "b"
    checks = [{ at_most = 1.0, than = "aa", reason = "because" }, { reason = "because" }]
    [quick]
    c = [{ at_most = 1.0, reason = "" }]
    """)
    with pytest.raises(InvalidValue) as caught:
        read_expected(file)
    for part in (
        "no curve 'bee'",
        "figures.2.sweep: no curve 'bb' in the figure; did you mean 'b'?",
        "figures.3.sweep: a is -1",
        "figures.3.sweep: logs: no such field",
        "figures.4.matrix: no curve 'b' in the figure",
        "figures.4.matrix.across: no quantity 'test_eror'; did you mean 'test_error'?",
        "figures.4: sweep and matrix exclude each other",
        "figures.5.matrix: labels is missing",
        "mark goes with",
        "did you mean 'a'?",
        "neither at_least",
        "no curve 'c'",
        "reason is",
    ):
        assert part in str(caught.value), part


def test_a_window_may_be_the_last_epochs_of_each_curve():
    expected = SHIFTED.expected
    assert [expected.window(last) for last in (5, 30)] == [(4, 5), (29, 30)]
    assert expected.window(2, "quick") == (2, 2)
    assert expected.span == "mean over the last 2 epochs of each curve"
    assert expected.shaded([30, 30]) == (29, 30)
    assert expected.shaded([5, 30]) is None  # no one part of the figure
    assert LENET.expected.shaded([5, 30]) == (25, 30)
    assert PAPERS["wu_2025"].expected.shaded([30]) is None  # one epoch
