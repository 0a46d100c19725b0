"""Sweeps: their description, batches, results file, and the command line. Engines are in test_engines.py."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mho.cli.configs import read_experiment
from mho.errors import InvalidValue, WrongUse
from mho.presets import floating_point, gokmen_2017
from mho.runs.axes import Axes, Draw
from mho.runs.batches import batches, groups
from mho.runs.results import FAILED, Result, Results, read_table
from mho.runs.sweep import Sweep
from tests.helpers.checkout import ROOT
from tests.helpers.command import mho
from tests.helpers.inline import Inline

EXAMPLE = ROOT / "examples" / "noise_sweep.toml"
TINY = {"epochs": 1, "train_images": 12, "test_images": 10}


def sweep(table, **sections) -> Sweep:
    training = TINY | sections.pop("training", {})
    return Sweep({"preset": "gokmen_2017", "training": training, **sections, "sweep": table})


def faults_of(table, **sections) -> str:
    with pytest.raises(InvalidValue) as found:
        sweep(table, **sections)
    return str(found.value)


# description


def test_points_are_every_combination_of_grid_rows_and_draws_with_every_seed():
    described = sweep(
        {
            "seeds": [3, 1],
            "grid": {"forward.noise": [0.0, 0.1], "update": {"update_management": [True, False]}},
            "list": {"update.length": [1, 10], "training.lr": [0.02, 0.01]},
            "random": {"count": 3, "device.dw_min.mean": {"low": 1e-4, "high": 1e-2, "log": True}},
        }
    )
    assert len(described.points) == 2 * 2 * 2 * 3
    assert len(described.rows) == 2 * len(described.points)
    assert [row.number for row in described.rows] == list(range(len(described.rows)))
    assert {(row.point, row.seed) for row in described.rows} == {(p, s) for p in range(24) for s in (3, 1)}
    together = {(point["update.length"], point["training.lr"]) for point in described.points}
    assert together == {(1, 0.02), (10, 0.01)}
    drawn = {point["device.dw_min.mean"] for point in described.points}
    assert len(drawn) == 3
    assert all(1e-4 <= value <= 1e-2 for value in drawn)
    assert described.points[0] | {"device.dw_min.mean": 0} == {
        "forward.noise": 0.0,
        "update.update_management": True,
        "update.length": 1,
        "training.lr": 0.02,
        "device.dw_min.mean": 0,
    }


def test_a_draw_depends_on_seed_field_and_number_only():
    draw = Draw(low=0.0, high=1.0)
    alone = Axes(draws={"forward.noise": draw}, count=2)
    beside = Axes(draws={"backward.noise": draw, "forward.noise": draw}, count=4, grid={"update.length": [1]})
    values = [point["forward.noise"] for point in beside.points()]
    assert [point["forward.noise"] for point in alone.points()] == values[:2]
    assert values != [point["backward.noise"] for point in beside.points()]
    other = Axes(draws={"forward.noise": draw}, count=2, draw_seed=1)
    assert [point["forward.noise"] for point in other.points()] != values[:2]


@given(st.integers(0, 2**62), st.floats(1e-6, 1e3), st.floats(1.01, 1e6), st.booleans())
def test_draws_stay_within_their_range(seed, low, factor, log):
    draw = Draw(low=low, high=low * factor, log=log)
    assert low <= draw.value(seed, "forward.noise", 0) <= low * factor
    whole = Draw(low=math.ceil(low), high=math.ceil(low) + 5, log=log, integer=True).value(seed, "update.length", 1)
    assert isinstance(whole, int)
    assert math.ceil(low) <= whole <= math.ceil(low) + 5


def test_draws_are_uniform_and_whole_numbers_include_both_ends():
    count = 2000
    flat = [Draw(low=0.0, high=1.0).value(0, "a.b", n) for n in range(count)]
    log = [math.log10(Draw(low=1e-4, high=1e-2, log=True).value(0, "a.b", n)) for n in range(count)]
    # five standard deviations of the mean of uniform numbers
    margin = 5 / math.sqrt(12 * count)
    assert abs(sum(flat) / count - 0.5) < margin
    assert abs(sum(log) / count + 3.0) < 2 * margin
    whole = [Draw(low=1, high=4, integer=True).value(0, "a.b", n) for n in range(count)]
    assert {
        n: abs(whole.count(n) / count - 0.25) < 5 * math.sqrt(3 / 16 / count) for n in range(1, 5)
    } == dict.fromkeys(range(1, 5), True)


def test_a_point_that_is_drawn_again_is_one_point():
    described = sweep({"random": {"count": 20, "update.length": {"low": 1, "high": 3, "integer": True}}})
    assert sorted(point["update.length"] for point in described.points) == [1, 2, 3]


def test_all_faults_are_told_at_once():
    told = faults_of(
        {
            "seeds": [1, 1],
            "replica": 2,
            "grid": {"forward.nois": [0.1], "update.length": 5, "training.seed": [1], "noise": [1], "cell.n": []},
            "list": {"device.dw_min.mean": [0.1, 0.2], "training.lr": [0.01], "backward.bound": 3},
            "random": {"backward.noise": 0.1, "forward.bound": {"low": 2, "high": 1, "logg": True}},
        },
        training={"epochz": 2, "replicas": 2},
        forward={"noise": [0.0, 0.1]},
    )
    for fault in (
        "training.epochz: no such field; did you mean 'epochs'?",
        "training.replicas is 2",
        'forward.noise is [0.0, 0.1]; write "forward.noise" = [0.0, 0.1] under [sweep.grid]',
        "sweep.seeds is [1, 1], with a seed twice",
        "sweep.replica: no such field; did you mean 'replicas'?",
        "forward.nois: no such field; did you mean 'noise'?",
        "sweep.grid: update.length is 5; give a list of values",
        "training.seed cannot be swept: write seeds",
        "noise cannot be swept: write section.key",
        "sweep.grid: cell.n is an empty list",
        "device.dw_min.mean has 2, training.lr has 1; give each one value per row",
        "sweep.list: backward.bound is 3; give a list of values",
        "sweep.random: backward.noise is 0.1; write { low",
        "sweep.random: forward.bound: low is 2 and high is 1; low must be below high",
        "sweep.random: forward.bound: logg: no such field; did you mean 'log'?",
    ):
        assert fault in told


FAULTS = {
    "nothing": ({}, "there is no table [sweep]"),
    "section": ({"grid": {"foward.noise": [1]}}, "did you mean 'forward'?"),
    "value of one point": ({"grid": {"update.length": [1, 0]}}, "update.length is 0; give an integer from 1 to "),
    "layer": ({"grid": {"layers.conv3.forward.noise": [1]}}, "'conv3' matches no layer; did you mean 'conv"),
    "another network's layer": (
        {"grid": {"training.model": ["lenet", "mlp"], "layers.conv2.forward.noise": [1]}},
        "'conv2' matches no layer",
    ),
    "list in a list": (
        {"grid": {"forward.noise": [[0.1, 0.2]]}},
        "a swept value is a number, true or false, or a word",
    ),
    "twice": ({"grid": {"forward.noise": [1, 1.0]}}, "with a value twice; seeds are what repeats a point"),
    "row twice": ({"list": {"forward.noise": [1, 2, 1]}}, "has the row [1] twice"),
    "two axes": (
        {"grid": {"forward.noise": [1]}, "list": {"forward.noise": [2]}},
        "forward.noise is swept twice; name it in one of grid, list and random",
    ),
    "one holds the other": (
        {"grid": {"device.dw_min": [0.1], "device.dw_min.mean": [0.1]}},
        "device.dw_min and device.dw_min.mean are both swept",
    ),
    "replicas": ({"grid": {"training.replicas": [1, 2]}}, "rows are trained side by side by themselves"),
    "exclude": ({"grid": {"training.exclude": ["conv1"]}}, "training.exclude cannot be swept: it is a list"),
    "draws": ({"random": {"count": 3}}, "sweep.random names no field"),
    "no logarithm": (
        {"random": {"count": 1, "forward.noise": {"low": 0, "high": 1, "log": True}}},
        "low is 0, which has no logarithm",
    ),
    "rows": ({"seeds": 1000, "grid": {"forward.noise": [n / 7 for n in range(200)]}}, "a sweep has at most 100,000"),
    "seeds": ({"seeds": 0}, "sweep.seeds is 0; give an integer from 1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_a_description(fault):
    table, message = FAULTS[fault]
    assert message in faults_of(table)


def test_toml_round_trip_keeps_the_order_of_fields():
    table = {"seeds": 2, "grid": {"update.length": [1, 2], "forward.noise": [0.1], "forward.bound": ["none", 3.0]}}
    layers = {"conv2": {"cell": {"kind": "Replicated", "n": 3}}}
    described = sweep(table, forward={"bound_management": False}, layers=layers)
    again = Sweep.from_toml(described.to_toml())
    assert again.points == described.points
    assert again.content() == described.content()
    assert again.axes.fields == ["update.length", "forward.noise", "forward.bound"]


# batches


def numbers(described: Sweep) -> list[list[int]]:
    return sorted([row.number for row in group] for group in groups(described))


def test_rows_that_differ_in_numbers_of_the_arrays_are_one_group():
    grid = {
        "forward.noise": [0.0, 0.1],
        "device.dw_min.mean": [0.001, 0.002],
        "device.w_max.spread": [0.1, 0.3],
        "layers.conv2.backward.noise": [0.1, 0.2],
    }
    assert numbers(sweep({"seeds": 2, "grid": grid})) == [list(range(32))]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("update.length", [1, 10]),
        ("update.update_management", [True, False]),
        ("tile.rows", [16, 64]),
        ("cell.n", [2, 3]),
        ("forward.adc_bits", [6, 8]),
        ("training.lr", [0.01, 0.02]),
        ("training.epochs", [1, 2]),
        ("training.data_seed", [0, 1]),
        ("layers.conv2.update.length", [1, 10]),
    ],
)
def test_what_replicas_share_splits_groups(field, values):
    sections = {"cell": {"kind": "Replicated", "n": 4}} if field == "cell.n" else {}
    described = sweep({"seeds": 2, "grid": {field: values, "forward.noise": [0.0, 0.1]}}, **sections)
    assert numbers(described) == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_no_bound_is_a_group_of_its_own():
    described = sweep({"grid": {"forward.bound": ["none", 3.0, 12.0]}}, forward={"bound_management": False})
    assert numbers(described) == [[0], [1, 2]]


def test_digital_layers_are_not_shared():
    described = sweep({"seeds": 3}, training={"exclude": ["fc2"]})
    assert numbers(described) == [[0], [1], [2]]


def test_batches_hold_each_row_once_and_keep_their_folders_when_some_rows_are_done():
    described = sweep({"seeds": 5, "replicas": 4, "grid": {"forward.noise": [0.0, 0.1], "update.length": [1, 2]}})
    whole = batches(described)
    assert sorted(row.number for one in whole for row in one.rows) == list(range(20))
    assert max(len(one.rows) for one in whole) <= 4
    assert len({one.name for one in whole}) == len(whole)
    done = {row.number for row in whole[0].rows} | {whole[1].rows[0].number}
    rest = batches(described, done=done)
    assert sorted(row.number for one in rest for row in one.rows) == sorted(set(range(20)) - done)
    assert {one.name for one in whole[2:]} < {one.name for one in rest}
    longer = sweep(described.tables["sweep"], training={"epochs": 9, "checkpoint_every": 3})
    assert [one.name for one in batches(longer)] == [one.name for one in whole]


def test_another_law_starts_the_device_afresh():
    described = sweep({"list": {"device.law": ["ConstantStep", "Ideal"], "update.kind": ["Pulses", "Exact"]}})
    first, second = (described.experiment(point, {}).rpu for point in described.points)
    assert type(first.device).__name__ == "ConstantStep"
    assert type(second.device).__name__ == "Ideal"
    assert numbers(described) == [[0], [1]]


# results


def result(error: float = 10.0, **fields) -> Result:
    values = {"epoch": 1, "train_error": 1.0, "test_error": error, "train_loss": 0.5, "test_errors": [error]}
    return Result(**{**values, "seconds": 1.0, "folder": "runs/0000", "replica": 0, **fields})


def test_results_are_sorted_rows_with_typed_columns(tmp_path):
    grid = {"forward.bound": ["none", 3.0], "update.update_management": [True, False]}
    described = sweep({"seeds": 2, "grid": grid}, forward={"bound_management": False})
    results = Results(tmp_path, described)
    for number in (5, 0, 7):
        results.add({number: result(float(number))})
    table = parquet.read_table(tmp_path / "results.parquet")
    assert table["point"].to_pylist() == [0, 2, 3]
    assert table["seed"].to_pylist() == [0, 1, 1]
    assert table["forward.bound"].to_pylist() == [None, 3.0, 3.0]
    assert table["update.update_management"].type == pa.bool_()
    assert table["test_errors"].to_pylist() == [[0.0], [5.0], [7.0]]
    again = Results(tmp_path, described)
    assert again.done == {0, 5, 7}
    before = results.file.read_bytes()
    again.write()
    assert results.file.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"results.csv", "results.json", "results.parquet"}
    header, first, *_ = (tmp_path / "results.csv").read_text().splitlines()
    assert header.startswith(
        "point,forward.bound,update.update_management,seed,status,message,epoch,train_error,test_err"
    )
    assert first.startswith("0,none,true,0,done,,1,1.0,0.0,0.5,0.0,")


def test_without_pyarrow_a_sweep_is_written_and_read_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    described = sweep({"seeds": 2})
    Results(tmp_path, described).add({1: result(3.0)})
    assert {file.name for file in tmp_path.iterdir()} == {"results.csv", "results.json"}
    again = Results(tmp_path, described)
    assert again.done == {1}
    assert again.records == [{"point": 0, "seed": 1, **dataclasses.asdict(result(3.0))}]


def test_failed_rows_and_rows_of_fewer_epochs_are_not_finished(tmp_path):
    table = {"seeds": 3}
    results = Results(tmp_path, sweep(table))
    results.add({0: result(), 1: Result(status=FAILED, message="why", folder="runs/0001", replica=0)})
    assert (results.done, results.failed) == ({0}, [1])
    results.forget_unfinished()
    assert (results.done, results.failed) == ({0}, [])
    longer = Results(tmp_path, sweep(table, training={"epochs": 2}))
    longer.forget_unfinished()
    assert longer.done == set()
    longer.add({0: result(epoch=2)})
    with pytest.raises(WrongUse, match=r"rows of 2 epochs.*epochs is 1; epochs can only grow"):
        Results(tmp_path, sweep(table))


def test_a_file_of_another_sweep_is_refused_and_what_differs_is_named(tmp_path):
    table = {"seeds": 2, "grid": {"forward.noise": [0.0, 0.1], "update.length": [1, 2]}}
    Results(tmp_path, sweep(table)).write()
    Results(tmp_path, sweep(table | {"replicas": 3}, training={"checkpoint_every": 7}))
    other = sweep({"seeds": 3, "grid": {"forward.noise": [0.0, 0.2], "update.length": [1, 2]}}, training={"lr": 0.1})
    with pytest.raises(WrongUse) as found:
        Results(tmp_path, other)
    told = str(found.value)
    assert "grid.forward.noise was [0.0, 0.1] and is [0.0, 0.2]" in told
    assert "seeds was [0, 1] and is [0, 1, 2]" in told
    assert "\n  training.lr was 0.01 and is 0.1" in told
    assert "give another --out" in told
    turned = {"seeds": 2, "grid": {"update.length": [1, 2], "forward.noise": [0.0, 0.1]}}
    with pytest.raises(WrongUse, match="another order"):
        Results(tmp_path, sweep(turned))


def test_damaged_and_foreign_files_are_refused(tmp_path):
    described = sweep({"seeds": 1})
    results = Results(tmp_path, described)
    results.add({0: result()})
    whole = results.file.read_bytes()
    for part in (b"", whole[: len(whole) // 2], whole[:-9] + b"\0" * 9, b"not JSON at all"):
        results.file.write_bytes(part)
        with pytest.raises(WrongUse, match="damaged"):
            read_table(results.file)
    results.file.write_text('{"head": {"format": "other"}, "rows": []}')
    with pytest.raises(WrongUse, match="not the results of a sweep"):
        Results(tmp_path, described)


# command line


def write_sweep(folder: Path, seeds: int = 1, **grid: list[object]) -> None:
    lines = ['preset = "gokmen_2017"', "[training]", *(f"{key} = {value}" for key, value in TINY.items())]
    lines += ["[sweep]", f"seeds = {seeds}", "[sweep.grid]"]
    lines += [f'"{key.replace("_", ".")}" = {json.dumps(value)}' for key, value in grid.items()]
    (folder / "try.toml").write_text("\n".join(lines))


def test_list_shows_rows_and_batches_and_runs_nothing(tmp_path):
    write_sweep(tmp_path, seeds=2, forward_noise=[0.0, 0.1], update_length=[1, 10])
    assert "4 points × 2 seeds = 8 rows, 2 batches" in mho("sweep", "try.toml", "--list", cwd=tmp_path).stdout
    rows = json.loads(mho("sweep", "try.toml", "--list", "--json", cwd=tmp_path).stdout)["rows"]
    assert rows[3] == {"point": 1, "forward.noise": 0.0, "update.length": 10, "seed": 1, "batch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["try.toml"]


def test_a_sweep_as_a_user_types_it(tmp_path, monkeypatch):
    write_sweep(tmp_path, seeds=2, forward_noise=[0.0, 0.1])
    done = mho("sweep", "try.toml", "--set", "update.length=10", "--processes", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 rows done, 0 failed" in done.stdout
    folder = tmp_path / "runs" / "try-1"
    assert "  forward.noise = 0.1, seed 1: test error " in done.stderr
    names = {"results.csv", "results.json", "results.parquet", "sweep.toml", "report.html", "runs"}
    assert names == {file.name for file in folder.iterdir() if not file.name.startswith(".")}
    records = read_table(folder / "results.json").records
    page = folder / records[0]["folder"] / "report.html"
    assert page.exists()

    again = mho("sweep", "try.toml", "--out", "runs/try-1", cwd=tmp_path)
    assert again.returncode == 1
    assert "holds a sweep; add --resume to continue it, or give another --out" in again.stderr
    before = (folder / "results.json").read_bytes()
    resumed = mho("sweep", "--out", "runs/try-1", "--resume", "--json", cwd=tmp_path)
    assert json.loads(resumed.stdout)["done"] == 4
    assert json.loads(resumed.stdout)["rows"] == records
    assert "nothing is left to train" in resumed.stderr
    assert (folder / "results.json").read_bytes() == before

    monkeypatch.setattr("mho.runs.local.LocalEngine", lambda processes: Inline())  # a process was begun above
    longer = mho("sweep", "--out", "runs/try-1", "--resume", "--set", "training.epochs=2", cwd=tmp_path)
    assert longer.returncode == 0, longer.stderr
    grown = read_table(folder / "results.json").records
    assert [record["test_errors"][0] for record in grown] == [record["test_error"] for record in records]
    assert {record["epoch"] for record in grown} == {2}
    assert [record["folder"] for record in grown] == [record["folder"] for record in records]
    assert "after epoch 2" in page.read_text()


MISTAKES = {
    "no file": (["sweep"], "no sweep is given"),
    "missing file": (["sweep", "nowhere.toml"], "nowhere.toml"),
    "not TOML": (["sweep", "broken.toml"], "broken.toml: this is not TOML"),
    "field": (["sweep", "try.toml", "--set", "sweep.grid.forward.nois=[1]"], "did you mean 'noise'?"),
    "file is named": (["sweep", "try.toml", "--set", "update.length=0"], "try.toml with the options beside it: "),
    "no effect": (["sweep", "try.toml", "--set", "forward.noise=1"], "--set forward.noise has no effect"),
    "engine": (["sweep", "try.toml", "--engine", "rya"], "did you mean 'ray'?"),
    "address": (["sweep", "try.toml", "--address", "a:1"], "--address has no effect on the local engine"),
    "processes": (["sweep", "try.toml", "--engine", "ray", "--processes", "2"], "--processes has no effect on Ray"),
    "words": (["sweep", "try.toml", "--engine", "ray", "--address", "here"], "write HOST:PORT"),
    "cluster": (
        ["sweep", "try.toml", "--engine", "ray", "--address", "127.0.0.1:9"],
        "no Ray cluster at 127.0.0.1:9 ([Errno 111] Connection refused); start a cluster with: ray start --head",
    ),
    "no folder": (["sweep", "--resume", "--out", "nowhere"], "nowhere holds no sweep.toml to continue"),
    "resume": (["sweep", "try.toml", "--resume"], "--resume needs --out"),
    "train": (["train", "try.toml"], "try.toml describes a sweep; train it with mho sweep try.toml"),
    "train's file": (["train", "broken.toml"], "broken.toml: this is not TOML"),
    "train's preset": (["train", "preset.toml"], "preset.toml: no preset 'gokmen'; did you mean 'gokmen_2017'?"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_get_one_message(mistake, tmp_path):
    write_sweep(tmp_path, forward_noise=[0.0, 0.1])
    (tmp_path / "broken.toml").write_text("[sweep.grid")
    (tmp_path / "preset.toml").write_text('preset = "gokmen"')
    words, message = MISTAKES[mistake]
    done = mho(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(list(tmp_path.iterdir())) == 3


def test_without_ray_its_name_is_told(tmp_path, monkeypatch):
    write_sweep(tmp_path, forward_noise=[0.0])
    monkeypatch.setitem(sys.modules, "ray", None)
    done = mho("sweep", "try.toml", "--engine", "ray", cwd=tmp_path)
    assert done.returncode == 1
    assert "run: pip install ray" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["try.toml"]


def test_mho_train_starts_from_the_preset_that_a_config_names(tmp_path):
    (tmp_path / "own.toml").write_text('preset = "floating_point"\n[training]\nepochs = 3')
    assert read_experiment(tmp_path / "own.toml", None, {}, [], None).rpu == floating_point()
    assert read_experiment(tmp_path / "own.toml", "gokmen_2017", {}, [], None).rpu == gokmen_2017()


def test_the_example_is_a_sweep_of_a_few_batches():
    described = Sweep.from_toml(EXAMPLE.read_text())
    assert len(described.rows) == 24
    assert len(batches(described)) == 4
