"""Papers: their curves as data, and mho reproduce, which trains and judges them."""

from __future__ import annotations

import contextlib
import dataclasses
import html
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import final

import numpy as np
import pytest
from click.testing import Result
from matplotlib.figure import Figure
from typer.testing import CliRunner

import mho
from mho.cli import app, reproduce_list
from mho.data import mnist
from mho.errors import InvalidValue, MhoError, WrongUse
from mho.papers import PAPERS, jobs
from mho.papers.expected import read_expected
from mho.papers.experiment_study import ExperimentStudy
from mho.papers.jobs import address, job
from mho.papers.matrix_figure import MatrixRow, matrix_figure
from mho.papers.page import write_paper_page
from mho.papers.page_figures import matrix_drawings, paper_styles, sweep_drawings
from mho.papers.records import Record, read_included, read_record, read_records
from mho.papers.reproduction import Reproduction
from mho.papers.scale import Scale
from mho.papers.sweep_figure import SweepLine, sweep_figure
from mho.papers.verdicts import Verdict, judge, measure, seed_means
from mho.report.curve_styles import curve_style
from mho.runs import Experiment, Run
from mho.runs.engine import Engine
from mho.runs.worker import Answer, Task, run_task

LENET, MLP, SHIFTED = PAPERS["gokmen_2017"], PAPERS["gokmen_2016"], PAPERS["kim_2019"]
PROTOCOLS = {"gokmen_2016": (30, 0.01, (25, 30)), "gokmen_2017": (30, 0.01, (25, 30)), "kim_2019": (5, 0.05, (4, 5))}
"""Epochs and learning rate of a paper's curves, and the epochs of the mean that is judged."""


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from mho.cli import main; main()", "reproduce", *words]


def reproduce(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """As a user types it."""
    wide = os.environ | {"COLUMNS": "160"}
    return subprocess.run(command(*words), cwd=cwd, capture_output=True, text=True, env=wide, timeout=300)


def told(*words: str) -> Result:
    """The same in this process: what it prints, its exit status, or what it raises."""
    return CliRunner().invoke(app, ["reproduce", *words], env={"COLUMNS": "160"})


@final
class Here(Engine):
    """Trains in this process, one run after another."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def submit(self, task: Task) -> None:
        self.tasks.append(task)

    def wait(self, seconds: float) -> list[tuple[Task, Answer]]:
        task = self.tasks.pop(0)
        return [(task, run_task(task))]

    @property
    def unfinished(self) -> int:
        return len(self.tasks)

    def stop(self) -> None:
        self.tasks.clear()

    def close(self) -> None:
        pass


def train(folder: Path, *curves: str, epochs: int = 2, seeds: int = 1) -> tuple[Reproduction, list[str]]:
    """Train some curves on few images; the names of the runs that were missing."""
    scale = Scale(epochs=epochs, seeds=seeds, train_images=40, test_images=20)
    work, missing = Reproduction(LENET, curves, scale, folder), []
    assert work.run(Here(), on_start=lambda jobs: missing.extend(f"{one.curve}-s{one.seed}" for one in jobs))
    return work, missing


# Curves ------------------------------------------------------------------------------------------


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
        epochs, lr, window = PROTOCOLS[paper.name]
        assert (training.data, training.epochs, training.batch_size, training.lr) == ("mnist", epochs, 1, lr), name
        assert all(len(check.reason) > 20 for check in expected.curves[name].checks), name
    assert len({address(paper.study(curve)) for curve in paper.curves}) == len(paper.curves)  # none is there twice
    assert expected.epochs == window


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


# Runs --------------------------------------------------------------------------------------------


def test_the_address_of_a_run(monkeypatch):
    name = job(LENET, "nm_bm", 0, Scale()).name
    assert job(LENET, "nm_bm", 0, Scale(epochs=60, seeds=5)).name == name  # more of the same
    others = [
        job(LENET, "nm_bm", 1, Scale()).name,
        job(LENET, "nm_bm", 0, Scale(quick=True)).name,
        job(LENET, "nm_bm", 0, Scale(test_images=10)).name,
        job(LENET, "bm", 0, Scale()).name,
    ]
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "PHYSICS_VERSION", mho.PHYSICS_VERSION + 1)
        others.append(job(LENET, "nm_bm", 0, Scale()).name)
    assert len({name, *others}) == 6
    assert job(LENET, "nm_bm", 3, Scale()).study.description(3)["training"]["seed"] == 3


# Verdicts ----------------------------------------------------------------------------------------


def record(curve: str, *seeds: list[float], physics: int = mho.PHYSICS_VERSION) -> Record:
    lines = {
        seed: [
            {"epoch": epoch, "train_error": 1.0, "test_error": error, "train_loss": 0.1, "seconds": 1.0}
            for epoch, error in enumerate(errors, 1)
        ]
        for seed, errors in enumerate(seeds)
    }
    counters = {seed: {"conv1": {"pulses": 3}} for seed in lines}
    arrays = [{"layer": "conv1", "out": 16, "in": 26, "vectors": 576, "devices": 1}]
    return Record(
        curve=curve,
        command="mho",
        physics=physics,
        version="0",
        images=60_000,
        arrays=arrays,
        seeds=lines,
        counters=counters,
    )


def curve_of(end: float, epochs: int = 30) -> list[float]:
    """50 % until epoch 24, then `end`."""
    return [50.0] * 24 + [end] * (epochs - 24)


def verdict(curve: str, *records: Record, kind: str = "results", last: int = 2) -> Verdict:
    return judge(
        LENET.expected, {one.curve: one for one in records}, [curve], kind=kind, last=dict.fromkeys(LENET.curves, last)
    )[0]


def test_the_mean_is_over_the_papers_epochs_and_all_whole_seeds():
    rising = [50.0] * 24 + [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] + [90.0] * 3  # further epochs do not count
    alone = measure(record("nm_bm", rising), (25, 30))
    assert (alone.mean, alone.seeds, alone.whole) == (3.5, 1, True)
    assert str(alone) == "3.50"  # one seed has no interval
    three = measure(record("nm_bm", curve_of(1.0), curve_of(2.0), curve_of(9.0, epochs=29)), (25, 30))
    assert (three.mean, three.seeds) == (1.5, 2)
    assert str(three) == "1.50 (1.00 to 2.00)"
    begun = measure(record("nm_bm", [9.0, 8.0], [7.0]), (25, 30))
    assert (begun.mean, begun.epochs, begun.whole) == (8.5, (1, 2), False)
    assert measure(record("nm_bm"), (25, 30)) is None


def test_verdicts():
    kept = verdict("nm_bm", record("nm_bm", curve_of(1.4)))
    assert (kept.kept, kept.words) == (True, "≥ 1.4, ≤ 2")
    assert verdict("nm_bm", record("nm_bm", curve_of(2.01))).kept is False
    assert verdict("nm_bm", record("nm_bm", curve_of(1.39))).kept is False
    thirteen, one = "um_bl1_devices_13_k2", record("um_bl1", curve_of(1.0))
    assert verdict(thirteen, one, record(thirteen, curve_of(1.0))).kept is True
    worse = verdict(thirteen, one, record(thirteen, curve_of(1.05)))
    assert (worse.kept, worse.words) == (False, "≤ um_bl1")
    needs = verdict(thirteen, record(thirteen, curve_of(1.0)))
    assert (needs.kept, needs.words) == (None, "no verdict: needs um_bl1")
    short = verdict("nm_bm", record("nm_bm", curve_of(1.7, epochs=29)))
    assert (short.kept, short.words) == (None, "no verdict: needs epochs 25 to 30")
    assert verdict("um_bl2", record("um_bl2", curve_of(1.0))).kept is None
    assert verdict("nm_bm").words == "not trained"
    assert verdict("nm_bm", record("nm_bm", curve_of(1.7)), kind="trial").kept is None


def test_quick_verdicts_judge_only_what_two_epochs_can_show():
    managed = record("nm_bm", [13.0, 12.0])
    assert verdict("nm_bm", managed, kind="quick").kept is True
    assert verdict("nm_bm", record("nm_bm", [3.0, 12.1]), kind="quick").kept is False
    assert verdict("baseline", managed, record("baseline", [90.0, 17.0]), kind="quick").kept is True
    assert verdict("baseline", managed, record("baseline", [90.0, 16.9]), kind="quick").kept is False
    assert verdict("floating_point", managed, record("floating_point", [20.0, 12.5]), kind="quick").kept is True
    assert verdict("floating_point", managed, record("floating_point", [20.0, 12.6]), kind="quick").kept is False
    other = verdict("um_bl1", record("um_bl1", [1.0, 1.0]), kind="quick")
    assert (other.kept, other.words) == (None, "no verdict: too short a training")


def test_records_are_read_as_written_and_damage_is_named(tmp_path):
    given = record("nm_bm", [3.0, 2.0], [4.0])
    file = given.write(tmp_path)
    assert read_records(tmp_path) == {"nm_bm": given}
    lines = file.read_text().splitlines(keepends=True)
    for place, text, message in (
        (1, "{", "line 2, is no result"),
        (2, lines[1], "epoch 1 stands where 2 should"),
        (0, '{"format": "x"}\n', "line 1, is no result of a curve \\(format 'x'"),
        (0, lines[0].replace('"physics"', '"code"'), "line 1, .*no 'physics'"),
        (0, re.sub(r'"physics": \d+', '"physics": "1"', lines[0]), "line 1, .*physics is '1', not a version number"),
        (1, '{"seed": 0, "epoch": 1}\n', "line 2, .*no 'train_error'"),
    ):
        file.write_text("".join([*lines[:place], text, *lines[place + 1 :]]))
        with pytest.raises(InvalidValue, match=message):
            read_record(file)
    file.write_text("")
    with pytest.raises(InvalidValue, match="is empty"):
        read_record(file)


@pytest.mark.parametrize("paper", PAPERS.values(), ids=PAPERS)
def test_the_results_that_come_with_mho_can_be_read(paper):
    for name, one in read_records(paper.results).items():
        assert name == one.curve
        assert name in paper.curves
        assert one.command.startswith(f"mho reproduce {paper.name} --curve {name} ")
        assert one.physics == mho.PHYSICS_VERSION, 'see "Reproducing a paper" in CONTRIBUTING.md'


# Training ----------------------------------------------------------------------------------------


def lasting(folder: Path) -> dict[str, list[dict[str, object]]]:
    """The results of a folder without what may depend on the machine."""
    return {
        file.stem: [
            {key: value for key, value in json.loads(line).items() if "second" not in key}
            for line in file.read_text().splitlines()
        ]
        for file in sorted((folder / "trial").glob("*.jsonl"))
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two curves with two seeds, trained in this process without a break."""
    folder = tmp_path_factory.mktemp("papers") / "whole"
    train(folder, "um_bl1", "floating_point", seeds=2)
    return folder


def test_results_have_a_line_an_epoch_and_the_command_that_makes_them(trained):
    results = lasting(trained)
    assert list(results) == ["floating_point", "um_bl1"]
    head, *lines = results["um_bl1"]
    assert head["command"] == (
        "mho reproduce gokmen_2017 --curve um_bl1 --seeds 2 --epochs 2 --train-images 40 --test-images 20"
    )
    steps = [(line["seed"], line.get("epoch")) for line in lines]
    assert steps == [(seed, epoch) for seed in (0, 1) for epoch in (1, 2, None, None)]
    assert lines[2]["counters"]["conv1"]["pulses"] > 0
    assert lines[3]["diagnosis"]["findings"]
    assert [row["layer"] for row in head["arrays"]] == ["conv1", "conv2", "fc1", "fc2"]


def test_a_run_is_that_of_mho_train(trained, tmp_path):
    (folder,) = (trained / "runs").glob("um_bl1-s1-*")
    run = Run(Experiment.from_toml((folder / "config.toml").read_text()), tmp_path / "run", mnist())
    run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    ours = [line["test_error"] for line in lasting(trained)["um_bl1"] if line.get("seed") == 1 and "epoch" in line]
    assert [line["test_error"] for line in run.loop.progress.metrics] == ours


def test_finished_curves_are_kept_and_more_epochs_and_seeds_add_to_them(trained, tmp_path):
    assert train(tmp_path, "um_bl1", epochs=1)[1] == ["um_bl1-s0"]
    assert lasting(tmp_path).keys() == {"um_bl1"}
    both = "um_bl1", "floating_point"
    everything = ["um_bl1-s0", "floating_point-s0", "um_bl1-s1", "floating_point-s1"]
    assert train(tmp_path, *both, seeds=2)[1] == everything
    assert lasting(tmp_path) == lasting(trained)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").glob("*/*")}
    assert train(tmp_path, *both)[1] == []
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").glob("*/*")}
    assert lasting(tmp_path) == lasting(trained)  # seeds that are not asked for now are kept


def test_results_are_made_anew_from_finished_runs(trained, tmp_path):
    """As after a kill between the end of a run and its results."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (tmp_path / "trial" / "um_bl1.jsonl").unlink()
    assert train(tmp_path, "um_bl1")[1] == []
    assert lasting(tmp_path) == lasting(trained)


def test_trainings_of_other_sizes_are_kept_apart(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    smaller = Reproduction(LENET, ["um_bl1"], Scale(epochs=1, train_images=30, test_images=20), tmp_path)
    assert smaller.run(Here())
    record = read_records(tmp_path / "trial")["um_bl1"]
    assert (record.images, [len(lines) for lines in record.seeds.values()]) == (30, [1])


def test_a_failed_run_is_told_and_the_others_go_on(tmp_path):
    work, _ = train(tmp_path, "um_bl1", epochs=1)
    name = work.jobs[0].name
    (tmp_path / "runs" / name / "checkpoint.safetensors").write_text("damaged")
    work, _ = train(tmp_path, "um_bl1", "floating_point")
    assert list(work.faults) == [name]
    assert "is damaged" in work.faults[name]
    assert len(lasting(tmp_path)["floating_point"]) == 5  # head, two epochs, counters, diagnosis


def test_folders_of_others_are_refused(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "reproduce.json"
    head = json.loads(file.read_text())
    with pytest.raises(WrongUse, match="holds results of gokmen_2017; give another --out"):
        Reproduction(MLP, ["baseline"], Scale(), tmp_path)
    for text, fault in (
        (json.dumps(head | {"physics": 0}), "version 0 of the physics, and this mho has version .* Give another --out"),
        ("{", "is damaged"),
        (json.dumps({"paper": "gokmen_2017"}), "no 'physics'.*give another --out"),
        (None, "is not of mho reproduce"),
    ):
        file.unlink() if text is None else file.write_text(text)
        with pytest.raises(MhoError, match=fault):
            Reproduction(LENET, ["um_bl1"], Scale(), tmp_path)


# Pages -------------------------------------------------------------------------------------------


SWEPT = {"symmetric": 20.0, "imbalanced_1.5": 40.0, "pulses_100": 30.0, "imbalanced_1.5_shifted": 21.0}


def results(*, but: str = "", seeds: int = 1) -> dict[str, Record]:
    """Made-up results of all curves."""
    found = {}
    for place, name in enumerate(LENET.curves):
        if name != but:
            found[name] = record(name, *(curve_of(1.0 + 0.1 * place + 0.05 * seed) for seed in range(seeds)))
    return found


def test_a_page_has_every_figure_with_its_curves_and_the_papers_numbers(tmp_path):
    text = write_paper_page(LENET, results(but="bl2", seeds=2), tmp_path / "page.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#|data:)', text)  # nothing is fetched
    assert "<script" not in text
    sections = re.findall(r'<section id="figure-(\d)">(.*?)</section>', text, re.S)
    assert [name for name, _ in sections] == ["3", "4", "5", "6"]
    styles = paper_styles(LENET)
    assert len(set(styles.values())) == len(LENET.expected.curves)  # no two curves of the page look alike
    for name, section in sections:
        everyone = LENET.expected.figures[name].curves
        curves = [curve for curve in everyone if curve != "bl2"]
        for svg in re.findall(r"<svg.*?</svg>", section, re.S):
            drawn = html.unescape(svg)
            assert all(f">{LENET.expected.curves[curve].label}<" in drawn for curve in curves), name
            lines = re.findall(r"stroke: (#[0-9a-f]{6})", svg)
            colors = {styles[LENET.expected.curves[curve].label].color for curve in curves}
            assert len(colors) == len(curves)
            assert colors <= set(lines)
            assert svg.count(">paper ↑<") == 1
    rows = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in re.findall(r"<tr>.*?</tr>", text, re.S)]
    managed = next(row for row in rows if "NM + BM " in row)
    assert "1.7 [r]" in managed
    assert "1.73 (1.70 to 1.75)" in managed
    assert "✓ kept: ≥ 1.4, ≤ 2" in html.unescape(managed)
    assert "recalled to one digit; seeds differ by 0.1 to 0.2" in managed
    assert any("✗ off" in row for row in rows)
    assert "not trained" in next(row for row in rows if "NM + BM, BL = 2 " in row)
    assert text.count("<details>") == len(LENET.curves) - 1
    assert write_paper_page(LENET, results(but="bl2", seeds=2), tmp_path / "again.html").read_text() == text


def test_a_sweep_is_drawn_against_its_values_with_levels_across(tmp_path):
    records = {name: record(name, [50.0] * 3 + [end, end]) for name, end in SWEPT.items()}
    text = write_paper_page(SHIFTED, records, tmp_path / "page.html").read_text()
    sections = dict(re.findall(r'<section id="figure-(\w+)">(.*?)</section>', text, re.S))
    assert list(sections) == ["global", "pulses", "write_error"]  # of random only a curve is there
    wide, narrow = re.findall(r"<svg.*?</svg>", sections["pulses"], re.S)
    for svg in (wide, narrow):
        for word in ("0", "100", "800", "shifting pulses", "up/down 1.5", "symmetric"):
            assert f">{word}</text>" in svg, word
        assert ">400</text>" not in svg  # not trained
        assert "stroke-dasharray" in svg  # the level
    assert "paper ↑" not in text  # its numbers are not known
    again = write_paper_page(SHIFTED, records, tmp_path / "again.html").read_text()
    assert again == text


def test_a_sweep_leaves_out_what_has_not_come_to_the_end():
    line = SweepLine("a", curve_style(0), [(0.0, [40.0, 44.0]), (100.0, [20.0]), (200.0, [10.0, 12.0])])
    level = SweepLine("b", curve_style(1), [(None, [9.0, 11.0])])
    ax = sweep_figure([line, level], Figure().add_subplot(), axis="pulses", log=True)
    drawn = {one.get_label(): one.get_xydata().tolist() for one in ax.get_lines()}
    assert drawn["a"] == [[0, 42], [100, 20], [200, 11]]
    assert [y for _, y in drawn["b"]] == [10, 10]
    assert ax.transData.transform((0, 10))[0] < ax.transData.transform((100, 10))[0]
    assert ax.get_xscale() == "symlog"
    near = SweepLine("a", curve_style(0), [(value, [10.0]) for value in (0.0, 0.01, 0.02, 0.1)])
    ax = sweep_figure([near], Figure().add_subplot(), axis="write error", log=False)
    assert ax.get_xticks().tolist() == [0.0, 0.02, 0.1]  # 0.01 would touch them in a narrow figure
    begun = {"symmetric": record("symmetric", [50.0] * 3 + [20.0]), "imbalanced_1.5": record("imbalanced_1.5", [50.0])}
    assert seed_means(begun["symmetric"], (4, 5)) == []
    assert sweep_drawings(SHIFTED, "pulses", begun, dict.fromkeys(begun, (4, 5))) == []


def test_a_matrix_has_a_row_for_each_curve_that_has_come_to_its_end(tmp_path):
    paper = PAPERS["dziedzic_2019"]
    figure = paper.expected.figures["lenet_matrix"]
    names = list(figure.matrix.across)

    def made(curve: str, at_the_end: bool) -> Record:
        """Means of the matrix are 10 + column, and 20 for a second seed."""
        last = paper.epochs("results")[curve]
        seeds = {
            seed: [
                {"epoch": epoch, "accuracy": 1.0, "seconds": 1.0}
                | {name: (10 * seed + 10 + place if epoch == last else math.nan) for place, name in enumerate(names)}
                for epoch in range(1, last + at_the_end)
            ]
            for seed in (0, 1)
        }
        return dataclasses.replace(record(curve), seeds=seeds, counters={})

    records = {"lenet_0": made("lenet_0", True), "lenet_50": made("lenet_50", False)}
    windows = {name: (last, last) for name, last in paper.epochs("results").items()}
    wide, narrow = matrix_drawings(paper, "lenet_matrix", records, windows)
    for svg in (wide, narrow):
        texts = re.findall(r">([^<>]+)</text>", html.unescape(svg))
        assert [text for text in texts if "." in text] == [f"{15 + place:.1f}" for place in range(len(names))]
        for text in ("compression in training (%)", "compression in test (%)", "80", "accuracy on test images (%)"):
            assert text in texts
    assert matrix_drawings(paper, "lenet_matrix", {"lenet_50": records["lenet_50"]}, windows) == []
    ax = matrix_figure(
        [MatrixRow("a", [10.0, math.nan]), MatrixRow("b", [30.0, 20.0])], Figure().add_subplot(),
        columns=["x", "y"], row_axis="r", column_axis="c", quantity=figure.quantity,
    )  # fmt: skip
    assert {(text.get_position(), text.get_text()) for text in ax.texts} == {
        ((0.5, 0.5), "10.0"), ((0.5, 1.5), "30.0"), ((1.5, 1.5), "20.0"),
    }  # fmt: skip


def test_pages_without_results_and_of_short_trainings(tmp_path):
    empty = write_paper_page(MLP, {}, tmp_path / "page.html").read_text()
    assert "Nothing is trained yet" in empty
    assert "mho reproduce gokmen_2016 --figure noise" in empty
    quick = {name: record(name, [20.0, 10.0]) for name in ("floating_point", "baseline", "nm_bm", "um_bl1")}
    text = write_paper_page(LENET, quick, tmp_path / "page.html", kind="quick").read_text()
    assert "A quick training" in text
    assert "paper ↑" not in text  # its numbers are of whole trainings
    assert "✗ off:</span> ≥ nm_bm + 5" in html.unescape(text)


def test_the_page_names_the_worst_fault_of_each_curve(tmp_path):
    def found(**fault):
        return {"findings": [{"check": "clipped outputs", "array": "fc2", "fault": bool(fault)}]}

    healthy, faulty, earlier = (record(name, [20.0, 10.0], [20.0, 10.0]) for name in ("nm_bm", "baseline", "um_bl1"))
    records = {
        "nm_bm": dataclasses.replace(healthy, diagnoses=dict.fromkeys((0, 1), found())),
        "baseline": dataclasses.replace(faulty, diagnoses={0: found(fault=1), 1: {"failed": "a read overflowed"}}),
        "um_bl1": earlier,
    }
    for one in records.values():
        assert read_record(one.write(tmp_path)) == one
    text = write_paper_page(LENET, records, tmp_path / "page.html").read_text()
    for told in ("no fault", "clipped outputs fc2; a read overflowed", "–"):
        assert f'<td class="paper">{told}</td>' in text


@pytest.mark.browser
@pytest.mark.parametrize(("name", "size"), [("screen", "1100,2600"), ("phone", "500,2600")])
def test_a_browser_shows_every_curve_without_an_error(tmp_path, name, size):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert browser is not None, "install Chromium, for example: apt-get install chromium"
    page = write_paper_page(LENET, results(seeds=2), tmp_path / "page.html")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-sync",
        "--enable-logging=stderr",
    ]
    options += [
        "--disable-background-networking",
        "--disable-component-update",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    command = [browser, *options, f"--window-size={size}"]
    shot = tmp_path / f"{name}.png"
    done = subprocess.run(
        [*command, f"--screenshot={shot}", page.as_uri()], capture_output=True, text=True, timeout=300
    )
    assert shot.stat().st_size > 50_000
    assert "CONSOLE" not in done.stderr
    dump = subprocess.run([*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=300)
    assert dump.stdout.count("<svg") == 8
    assert dump.stdout.count("<section") == 4


# The command line --------------------------------------------------------------------------------

MISTAKES = {
    "figure": (["gokmen_2017", "--figure", "7"], "gokmen_2017 has no figure '7' here; known: 3, 4, 5, 6"),
    "curve": (["gokmen_2017", "--curve", "umbl1"], "no curve 'umbl1'; did you mean 'um_bl1'?"),
    "no paper": (["--figure", "6"], "--figure needs a paper"),
    "quick": (["gokmen_2017", "--quick", "--epochs", "3"], "a quick training has 2 epochs of 5,000 images"),
    "epochs": (["gokmen_2017", "--epochs", "0"], "epochs is 0; give an integer of at least 1"),
    "seeds": (["gokmen_2017", "--seeds", "0"], "seeds is 0"),
    "threads": (["gokmen_2017", "--threads", "0"], "threads is 0"),
    "nothing": (["gokmen_2017", "--from-results", "--out", "nowhere"], "there are no results in nowhere"),
    "page": (["gokmen_2017", "--page", "x.html"], "--page goes with a paper and --from-results"),
    "both": (["gokmen_2017", "--from-results", "--list"], "exclude each other"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_and_leave_nothing(mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, message = MISTAKES[mistake]
    error = told(*words).exception
    assert isinstance(error, MhoError)
    assert message in str(error)
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_is_one_message(tmp_path):
    done = reproduce("gokmen_2018", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "mho: no paper 'gokmen_2018'; did you mean 'gokmen_2017'?\n"


def test_results_are_judged_unless_they_are_of_other_physics(tmp_path):
    for name, end in (("um_bl1", 1.1), ("um_bl1_devices_13_k2", 0.9), ("floating_point", 0.9), ("baseline", 12.0)):
        record(name, curve_of(end)).write(tmp_path / "results")
    words = [
        "gokmen_2017",
        "--figure",
        "6",
        "--from-results",
        "--out",
        str(tmp_path),
        "--page",
        str(tmp_path / "p.html"),
    ]
    done = told(*words)
    assert done.exit_code == 0
    assert "not trained" in done.stdout  # nm_bm
    assert done.stderr == ""
    assert "Figure 6" in (tmp_path / "p.html").read_text()
    record("nm_bm", curve_of(2.5)).write(tmp_path / "results")
    done = told(*words)
    assert done.exit_code == 1
    assert "NO ≥ 1.4, ≤ 2" in done.stdout
    record("nm_bm", curve_of(2.5), physics=0).write(tmp_path / "results")
    done = told(*words)
    assert done.exit_code == 0
    assert f"another version of the physics than this mho's, {mho.PHYSICS_VERSION}: nm_bm (0)" in done.stderr
    for file in (tmp_path / "results").glob("*.jsonl"):
        if file.stem != "nm_bm":
            file.unlink()
    assert "has only results of another version" in str(told(*words).exception)


def test_list_shows_every_curve_and_with_time_how_long_it_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = told("gokmen_2017", "--figure", "6", "--list", "--time", "--epochs", "1000")
    assert done.exit_code == 0
    for name in LENET.expected.figures["6"].curves:
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{name} ")]
        assert " h " in line  # 1,000 epochs of 60,000 images
        assert "included" in line
    assert list(tmp_path.iterdir()) == []


def test_list_needs_no_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ExperimentStudy, "seconds_an_epoch", None)  # nothing is timed
    monkeypatch.setattr(reproduce_list, "read_included", lambda folder: {})  # as if none had been trained
    curves = PAPERS["gokmen_2016"].expected.figures["c2c"].curves
    for name in ("c2c", "4B"):  # ours, and the paper's
        done = told("gokmen_2016", "--figure", name, "--list", "--data-dir", str(tmp_path))
        assert done.exit_code == 0
        assert all(f"\n{curve} " in done.stdout for curve in curves)
        assert "5 of 5 curves are not trained" in done.stdout
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mho.papers.records.read_records", lambda folder: {})
    words = ["--figure", "c2c", "--list", "--time", "--data-dir", str(tmp_path)]
    assert "unknown" in told("gokmen_2016", *words).stdout
    monkeypatch.undo()
    included = told("gokmen_2017", "--list").stdout
    here, curves = included_of("gokmen_2017")
    assert f"results of {here} of {curves} curves are included: mho reproduce gokmen_2017 --from-results" in included
    assert (f"{curves - here} of {curves} curves are not trained" in included) == (here < curves)


def included_of(name: str) -> tuple[int, int]:
    """How many curves of a paper have results that come with mho, and how many it has."""
    paper = PAPERS[name]
    return sum((paper.results / f"{curve}.jsonl").exists() for curve in paper.curves), len(paper.curves)


def test_list_takes_neither_torch_nor_the_modules_of_the_curves(tmp_path):
    """Where no run has begun; a folder of runs needs them, to tell what is done."""
    script = (
        "import sys; sys.argv = ['mho', 'reproduce', '--list']\n"
        "from mho.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'numba', 'mho.papers.gokmen_2017.curves') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert lines[-1] == "[]", done.stderr
    here, curves = included_of("gokmen_2017")
    assert f"results of {here} of {curves} curves are included: mho reproduce gokmen_2017 --from-results" in lines


def test_results_by_their_beginnings_are_those_that_are_read_whole():
    for paper in PAPERS.values():
        whole = read_records(paper.results)
        assert {name: (one.physics, one.seeds) for name, one in read_included(paper.results).items()} == {
            name: (record.physics, len(record.seeds)) for name, record in whole.items()
        }


def test_list_counts_runs_that_are_done(trained):
    words = [
        "--list",
        "--time",
        "--seeds",
        "3",
        "--epochs",
        "2",
        "--train-images",
        "40",
        "--test-images",
        "20",
        "--out",
        str(trained),
    ]
    done = told("gokmen_2017", "--curve", "um_bl1", *words)
    assert "2 of 3" in next(line for line in done.stdout.splitlines() if line.startswith("um_bl1 "))
    done = told("gokmen_2017", "--curve", "um_bl1", *words[:3], "2", *words[4:])
    line = next(line for line in done.stdout.splitlines() if line.startswith("um_bl1 "))
    assert "2 of 2 done" in line
    assert line.endswith(" 0 s")


def test_killed_again_and_again_it_ends_with_the_same_bits(trained, tmp_path):
    """SIGKILL at whatever it does then, and at once again from the start."""
    words = ["gokmen_2017", "--curve", "um_bl1", "--curve", "floating_point", "--seeds", "2", "--epochs", "2"]
    words += ["--train-images", "40", "--test-images", "20", "--out", "run", "--threads", "1"]
    kills = 0
    for wait in (0.0, 0.1):
        process = subprocess.Popen(command(*words), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before, began = _written(tmp_path), time.monotonic()
        while _written(tmp_path) == before and process.poll() is None and time.monotonic() - began < 300:
            time.sleep(0.002)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    done = reproduce(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert kills >= 1
    assert lasting(tmp_path / "run") == lasting(trained)
    assert "no verdict: not all images" in done.stdout
    assert "A trial on a part of the images" in (tmp_path / "run" / "trial.html").read_text()


def _written(folder: Path) -> set[tuple[str, int]]:
    """Checkpoints and metrics, by when they were written."""
    found = set()
    for name in ("metrics.jsonl", "checkpoint.safetensors"):
        for file in folder.glob(f"run/runs/*/{name}"):
            with contextlib.suppress(FileNotFoundError):
                found.add((str(file), file.stat().st_mtime_ns))
    return found


def test_quick_shows_what_management_is_for(tmp_path):
    """40 s on two cores: three runs of 10,000 images."""
    curves = [word for name in ("floating_point", "baseline", "nm_bm") for word in ("--curve", name)]
    done = reproduce("gokmen_2017", "--quick", *curves, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("yes") == 3
