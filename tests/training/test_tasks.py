"""Tasks, and a user's own task, network and data: in one file outside the package, through every door."""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import mho
from mho.data import Dataset, as_dataset, load, text
from mho.errors import CheckpointError, InvalidValue, WrongUse
from mho.runs import Experiment, Run, merged
from mho.training import TASKS, Classification, Loop, NextCharacter, Regression, Task, choose_driver, find_task
from mho.training.checkpoint import load_checkpoint, save_checkpoint
from tests.helpers.checkout import ROOT

OWN = '''
"""A task, networks and data of a user, in one file."""

import torch
import torch.nn.functional as F
from torch import nn

import mho


class Absolute(mho.training.Task):
    """Mean absolute error."""

    scale: float = 1.0
    measure = "absolute error"

    def loss(self, out, y):
        return F.l1_loss(out, y)

    def error(self, out, y):
        return (out - y).abs().mean(dim=1) / self.scale


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(x)))


def deep():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def numbers():
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(48, 4, generator=generator)
    y = torch.stack([x[:, 0] - x[:, 1], x[:, 2] * x[:, 3]], dim=1)
    return (x[:32], y[:32]), (x[32:], y[32:])


class Reader(nn.Module):
    """Characters by an embedding, which stays digital, and two layers on arrays."""

    def __init__(self):
        super().__init__()
        self.embedding, self.hidden, self.out = nn.Embedding(12, 6), nn.Linear(6, 8), nn.Linear(8, 12)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(self.embedding(x))))


built = deep()
number = 3
'''
OPTIONS = {"task": "own_task:Absolute", "model": "own_task:Net", "data": "own_task:numbers", "epochs": 2, "lr": 0.02}
TEXT = "the cat sat on the mat. " * 40


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A working folder with the file; the module is imported anew."""
    (tmp_path / "own_task.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_task", raising=False)
    yield tmp_path
    sys.modules.pop("own_task", None)


def experiment(options: dict | None = None, /, **training: object) -> Experiment:
    tables = {"training": training} | ({"task": options} if options else {})
    return Experiment.from_dict(mho.presets.gokmen_2017().to_dict() | tables)


def go(folder: Path, made: Experiment, *, stop_at: int = 0, resume: bool = False, together: int = 64) -> Run:
    run = Run(made, folder, load(made.training.data), resume=resume)
    run.loop.together = 1 if stop_at else together
    run.train(on_step=lambda progress: progress.steps == stop_at, on_epoch=lambda progress: None)
    return run


def lasting(run: Run) -> list[dict]:
    return [{k: v for k, v in line.items() if "second" not in k} for line in run.loop.progress.metrics]


# A user's own ------------------------------------------------------------------------------------


def test_an_own_task_goes_through_both_drivers_and_resumes(own):
    online = go(own / "online", experiment(**OPTIONS))
    assert online.loop.driver.name == "online"
    assert [line["epoch"] for line in lasting(online)] == [1, 2]
    parts = go(own / "parts", experiment(**OPTIONS), stop_at=41)
    assert parts.loop.progress.steps == 41
    resumed = go(own / "parts", experiment(**OPTIONS), resume=True)
    assert lasting(resumed) == lasting(online)
    for name, value in online.loop.tensors().items():
        assert torch.equal(value, resumed.loop.tensors()[name]), name
    autograd = go(own / "autograd", experiment(**OPTIONS, driver="autograd"))
    assert autograd.loop.driver.name == "autograd"
    assert lasting(autograd)[-1]["test_error"] == pytest.approx(lasting(online)[-1]["test_error"], rel=0.05)
    again = Experiment.from_toml((own / "online" / "config.toml").read_text())
    assert again == experiment(**OPTIONS)


def test_replicas_of_an_own_task_are_the_runs_of_their_seeds(own):
    both = go(own / "both", experiment(**OPTIONS, replicas=2, seed=3))
    alone = go(own / "alone", experiment(**OPTIONS, seed=4))
    assert [line["test_error_replicas"][1] for line in lasting(both)] == [line["test_error"] for line in lasting(alone)]
    assert lasting(both)[-1]["train_loss_replicas"][1] == lasting(alone)[-1]["train_loss"]


def test_options_of_a_task_are_a_section(own):
    made = experiment({"scale": 2.0}, **OPTIONS)
    assert made.task.scale == 2.0
    assert Experiment.from_toml(made.to_toml()) == made
    one, two = go(own / "one", experiment(**OPTIONS)), go(own / "two", made)
    assert lasting(two)[0]["test_error"] == pytest.approx(lasting(one)[0]["test_error"] / 2)
    with pytest.raises(InvalidValue, match=r"task\.scal: no such field; did you mean 'scale'\?"):
        experiment({"scal": 2.0}, **OPTIONS)
    with pytest.raises(CheckpointError, match=r"task\.scale was 2\.0 and is 3\.0"):
        Run(experiment({"scale": 3.0}, **OPTIONS), own / "two", load(OPTIONS["data"]), resume=True)


def test_a_changed_source_is_noticed(own):
    made = experiment(**OPTIONS)
    go(own / "run", made, stop_at=5)
    config = (own / "run" / "config.toml").read_text()
    for field in ("task", "model", "data"):
        assert f"{field}_hash = " in config
    (own / "own_task.py").write_text(OWN + "\nchanged = True\n")
    with pytest.raises(InvalidValue, match=r"the source of own_task:Net has changed .* delete the line model_hash"):
        Experiment.from_toml(config)
    lines = "".join(line for line in config.splitlines(keepends=True) if "_hash" not in line)
    with pytest.raises(CheckpointError, match=r"training\.model_hash was '\w+' and is '\w+'"):
        Run(Experiment.from_toml(lines), own / "run", load(OPTIONS["data"]), resume=True)
    named = merged(made.to_dict(), {"training": {"model": "own_task:deep"}})
    assert "model_hash" not in named["training"]
    assert "data_hash" in named["training"]


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"model": "own_task:Nett"}, ["training.model: 'own_task:Nett' cannot be imported", "did you mean 'Net'?"]),
        ({"model": "nowhere:Net"}, ["No module named 'nowhere'", "PYTHONPATH"]),
        ({"model": "own_task:number"}, ["'own_task:number' is 3; give a class or a function"]),
        ({"model": "own_task:built"}, ["is a model already, whose weights no seed decides"]),
        ({"task": "own_task:Net"}, ["is no subclass of mho.training.Task"]),
        ({"task": "clasification"}, ["no task 'clasification'; did you mean 'classification'?"]),
        ({"data": "numbers.xls"}, ["no data set 'numbers.xls'", "csv:FILE", ".csv or .npz or .txt"]),
        (
            {"data": "digits", "model": "resnet"},
            ["no model 'resnet'", "digits can train gru, lenet, lstm, mlp"],
        ),
        ({"data": "digits", "model": "resnet18"}, ["3×224×224", "1×28×28", "use gru or lenet or lstm or mlp"]),
        ({"task": "next_character", "data_seed": 1}, ["data_seed is 1", "no effect"]),
        ({"lr": 1e9}, ["lr is 1000000000.0; give a number greater than 0 and at most 1e6"]),
    ],
)
def test_wrong_names_are_told_with_their_cure(own, changes, parts):
    with pytest.raises(InvalidValue) as caught:
        experiment(**(OPTIONS | changes))
    for part in parts:
        assert part in str(caught.value)


def test_an_incomplete_task_is_told_what_it_lacks(own):
    (own / "own_task.py").write_text("import mho\nclass Half(mho.training.Task):\n    def loss(self, out, y): ...\n")
    with pytest.raises(InvalidValue, match="lacks error"):
        find_task("own_task:Half")


# Network, data and task together -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (
            {"model": "lenet"},
            ["model lenet and data numbers", "shape 4", "layer conv1 (Conv2d), which takes 1 channels"],
        ),
        ({"task": "classification"}, ["y_train has shape (32, 2)", "use the task regression"]),
        ({"task": "regression", "model": "lenet"}, ["model lenet and data numbers do not fit", "gets 4"]),
        ({"task": "regression", "data": "digits", "model": "mlp"}, ["y_train is torch.int64", "task classification"]),
    ],
)
def test_what_does_not_fit_is_told_before_training(own, changes, parts):
    made = experiment(**(OPTIONS | changes))
    with pytest.raises(InvalidValue) as caught:
        Run(made, own / "run", load(made.training.data))
    for part in parts:
        assert part in str(caught.value)
    assert not (own / "run").exists()


@pytest.mark.parametrize(
    ("task", "out", "y", "part"),
    [
        (Classification(), (2, 3), torch.tensor([0, 3]), "3 logits and the data have classes up to 3"),
        (Classification(), (2, 3, 1), torch.tensor([0, 1]), "shape 3×1"),
        (Regression(variance=1.0), (2, 1), torch.zeros(2), "shape 1 and the targets have a single number"),
        (NextCharacter(length=4), (2, 5, 9), torch.zeros(2, 4, dtype=torch.int64), "for sequences of 4"),
        (NextCharacter(length=4), (2, 4, 9), torch.full((2, 4), 9), "9 logits and the text has characters up to 9"),
    ],
)
def test_outputs_that_a_task_cannot_take(task, out, y, part):
    with pytest.raises(InvalidValue, match=part):
        task.check(torch.zeros(out), y)


@pytest.mark.parametrize(
    ("y", "part"),
    [
        (torch.ones(6, dtype=torch.int64), "every example for training is of class 1; give examples of at least two"),
        (torch.eye(3)[[0, 1, 2, 0, 1, 2]], r"a single 1 in each row; .* y_train.argmax\(axis=1\)"),
        (torch.eye(3, dtype=torch.int64)[[0, 1, 2, 0, 1, 2]], r"y_train.argmax\(axis=1\)"),
    ],
)
def test_classes_that_nothing_can_learn(y, part):
    x = torch.zeros(6, 4)
    with pytest.raises(InvalidValue, match=part):
        Classification().prepare(Dataset("numbers", x, y, x, y))


def test_the_default_check_asks_loss_and_error(own):
    task = find_task("own_task:Absolute")()
    task.check(torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(InvalidValue, match="outputs of shape 3 and the targets have 5, and the task cannot compare"):
        task.check(torch.zeros(2, 3), torch.zeros(2, 5))


# mho's tasks -------------------------------------------------------------------------------------


def test_tasks_have_the_names_of_their_files():
    assert {"classification": Classification, "next_character": NextCharacter, "regression": Regression} == TASKS
    assert mho.training.Task is Task


@pytest.mark.parametrize("task", [Classification(), Regression(variance=0.3), NextCharacter(length=5)])
def test_errors_do_not_depend_on_how_many_come_at_once(task):
    """Runs are cut into steps in many ways, and their metrics must not differ by a bit."""
    generator = torch.Generator().manual_seed(2)
    shape = (37, 5, 7) if isinstance(task, NextCharacter) else (37, 7)
    out = torch.randn(shape, generator=generator)
    y = torch.randint(7, shape[:-1], generator=generator)
    if isinstance(task, Regression):
        y = torch.randn(shape, generator=generator)
    whole = {"error": task.error(out, y), **task.metrics(out, y)}
    for place in range(len(out)):
        one, target = out[place : place + 1], y[place : place + 1]
        for name, value in {"error": task.error(one, target), **task.metrics(one, target)}.items():
            assert torch.equal(value[0], whole[name][place]), name


def test_regression_reports_the_share_of_variance(own):
    made = experiment(**(OPTIONS | {"task": "regression"}))
    assert made.to_dict()["task"] == {"variance": "none"}
    run = go(own / "run", made)
    data, line = load(OPTIONS["data"]), lasting(run)[-1]
    variance = data.y_train.double().var(correction=0).item()
    assert line["test_error"] == pytest.approx(100 * line["test_loss"] / variance)
    assert line["train_error"] == pytest.approx(100 * line["train_loss"] / variance, rel=1e-5)
    assert "examples_per_second" in run.loop.progress.metrics[-1]
    assert "learning rate" in {finding.check for finding in run.diagnose().findings}
    assert lasting(go(own / "single", made, together=1)) == lasting(run)
    constant = dataclasses.replace(data, y_train=torch.ones_like(data.y_train))
    with pytest.raises(InvalidValue, match="all targets of y_train are 1"):
        Regression().prepare(constant)


def test_next_characters_come_as_parallel_streams():
    data = text("abcdefghijklmnopqrstuvwxyz" * 10, test_share=0.2)
    task, cut = NextCharacter(length=3).prepare(data)
    assert cut.x_train.shape == (69, 3)
    assert torch.equal(cut.x_train.flatten()[1:], cut.y_train.flatten()[:-1])
    steps = task.order(0, 69, batch_size=4, seed=0).view(-1, 4)
    assert len(steps) == 17
    for before, after in itertools.pairwise(steps):
        assert torch.equal(after, before + 1)  # stream b goes on where it was
    assert steps[0].tolist() == [0, 17, 34, 51]
    with pytest.raises(InvalidValue, match="less than one per stream of 70"):
        task.order(0, 69, batch_size=70, seed=0)
    with pytest.raises(InvalidValue, match="at least one sequence of 999"):
        NextCharacter(length=999).prepare(data)


def test_next_character_learns_a_text(own):
    (own / "cat.txt").write_text(TEXT)
    options = {"task": "next_character", "model": "own_task:Reader", "data": "cat.txt", "epochs": 3, "lr": 0.1}
    made = experiment({"length": 8}, **options, exclude=["embedding"], batch_size=4)
    run = go(own / "run", made)
    line = run.loop.progress.metrics[-1]
    assert 0 < line["test_loss"] < run.loop.progress.metrics[0]["train_loss"] < 2 * np.log(12)
    assert line["test_error"] < 80  # the most frequent character alone is wrong in 79 % or more
    assert "sequences_per_second" in line
    parts = go(own / "parts", made, stop_at=20)
    assert lasting(go(own / "parts", made, resume=True)) == lasting(run)
    assert "data_hash" in (own / "run" / "config.toml").read_text()
    assert parts.loop.driver.name == "autograd"


def test_report_names_what_a_task_measures(own):
    from mho.report import write_report

    go(own / "run", experiment(**(OPTIONS | {"task": "regression"})))
    page = write_report(own / "run").read_text()
    for words in ("Unexplained variance against epochs", "test loss", "examples/s", "unexplained variance (%)"):
        assert words in page
    summary = json.loads((own / "run" / "summary.json").read_text())
    summary["schema"] = 99
    (own / "run" / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(InvalidValue, match="has schema 99, and this mho reads up to 2"):
        write_report(own / "run")


def test_a_loss_through_torch_moves_weights_as_the_compiled_one():
    """Whatever function a task gives, the online driver takes its δ."""
    torch.manual_seed(0)
    x, y, net = torch.rand(5, 4), torch.randint(3, (5,)), nn.Sequential(nn.Linear(4, 3))
    weights = [net[0].weight.detach()]
    for loss in (F.cross_entropy, lambda out, y: F.cross_entropy(out, y)):
        model = mho.convert(net, mho.presets.floating_point(), seed=0, quiet=True)
        choose_driver(model, mho.AnalogSGD(model, lr=0.1), loss).step(x, y)
        weights.append(model[0].crossbars[0].weight[0, :, :4])
    start, compiled, through_torch = weights
    assert torch.allclose(compiled, through_torch, atol=1e-6)
    assert not torch.allclose(compiled, start, atol=1e-4)


# Data --------------------------------------------------------------------------------------------


def test_data_from_files_and_pairs(tmp_path):
    x, y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 1, 0], np.int32)
    file = tmp_path / "mine.npz"
    np.savez(file, x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    data = load(str(file))
    assert data.name == "mine"
    assert data.x_train.dtype == torch.float32
    assert data.y_train.dtype == torch.int64
    assert torch.equal(as_dataset(((x, y), (x[:2], y[:2])), "pairs").x_train, data.x_train)
    np.savez(file, x_train=x, y_trian=y, x_test=x, y_test=y)
    with pytest.raises(InvalidValue, match="y_train is missing; did you mean 'y_trian'"):
        load(str(file))
    file.write_bytes(b"no archive")
    with pytest.raises(InvalidValue, match=r"mine\.npz cannot be read .* numpy\.savez"):
        load(str(file))
    with pytest.raises(InvalidValue, match="there is no file"):
        load("nowhere.npz")
    with pytest.raises(InvalidValue, match="no effect"):
        load(str(file), tmp_path)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"x_train": torch.zeros(3, 4)}, "x_train has 3 examples and y_train has 5"),
        ({"x_test": torch.zeros(2, 5)}, r"shape \(4,\) torch.float32, and of x_test \(5,\)"),
        ({"x_train": torch.full((5, 4), float("nan"))}, "x_train holds NaN"),
        ({"x_train": torch.zeros(5, 4, dtype=torch.uint8)}, "x / 255"),
        ({"y_test": "ab"}, "y_test"),
        ({"x_test": torch.zeros(0, 4), "y_test": torch.zeros(0)}, "at least one example"),
    ],
)
def test_data_that_do_not_go_together(change, part):
    shapes = {"x_train": (5, 4), "y_train": (5,), "x_test": (2, 4), "y_test": (2,)}
    good = {name: torch.zeros(shape) for name, shape in shapes.items()}
    assert isinstance(as_dataset(good, "good"), Dataset)
    with pytest.raises(InvalidValue, match=part):
        as_dataset(good | change, "bad")


def test_data_of_a_function_of_another_kind(own):
    with pytest.raises(InvalidValue, match=r"got a Net; give \(\(x_train, y_train\), \(x_test, y_test\)\)"):
        load("own_task:Net")
    with pytest.raises(InvalidValue, match="is an int; give a function"):
        load("own_task:number")


# Versions ----------------------------------------------------------------------------------------


def test_a_run_of_another_version_is_refused(own, monkeypatch):
    made = experiment(**OPTIONS)
    go(own / "run", made, stop_at=5)
    file = own / "run" / "checkpoint.safetensors"
    tensors, notes = load_checkpoint(file)
    monkeypatch.setattr("mho.training.checkpoint.PHYSICS_VERSION", 99)
    with pytest.raises(CheckpointError, match=r"version of the physics '\d+', and this mho has '99'.*--out"):
        Run(made, own / "run", load(OPTIONS["data"]), resume=True)
    monkeypatch.undo()
    monkeypatch.chdir(own)
    monkeypatch.setattr("mho.training.checkpoint.FORMAT", "mho checkpoint 1")
    save_checkpoint(file, tensors, notes)
    monkeypatch.undo()
    monkeypatch.chdir(own)
    with pytest.raises(CheckpointError, match=r"format 'mho checkpoint 1', and this mho has 'mho checkpoint 2'"):
        load_checkpoint(file)


def test_a_sweep_of_another_version_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    from mho.runs import results
    from mho.runs.sweep import Sweep

    sweep = Sweep({"sweep": {"seeds": 2}})
    results.Results(tmp_path, sweep).write()
    assert results.Results(tmp_path, sweep).done == set()
    now = results.PHYSICS_VERSION
    monkeypatch.setattr(results, "PHYSICS_VERSION", now + 1)
    with pytest.raises(WrongUse, match=rf"version {now} of the physics .* has version {now + 1}.*--out"):
        results.Results(tmp_path, sweep)


def test_sections_that_are_misspelt_name_the_nearest():
    from mho.runs.sweep import Sweep

    with pytest.raises(InvalidValue, match="unknown section 'trainig'; did you mean 'training'"):
        Experiment.from_dict({"trainig": {"epochs": 1}})
    with pytest.raises(InvalidValue, match=r"there is \[sweeps\]; did you mean \[sweep\]"):
        Sweep({"sweeps": {"grid": {"forward.noise": [0.0]}}})
    draw = {"forward.noise": {"low": 0.0, "high": 0.1}}
    with pytest.raises(InvalidValue, match=r"sweep\.random: count is missing"):
        Sweep({"sweep": {"random": draw}})


def test_loop_takes_a_prepared_task(own):
    """A loop of one's own, without a run folder."""
    made = experiment(**OPTIONS)
    task, data = made.task.prepare(load(OPTIONS["data"]))
    model = mho.convert(nn.Sequential(nn.Linear(4, 2)), made.rpu, seed=0, quiet=True)
    loop = Loop(model, mho.AnalogSGD(model, lr=0.01), data, made.training, task)
    loop.run()
    assert len(loop.progress.metrics) == 2
    assert isinstance(loop.data.x_train, Tensor)


# As the documents say ----------------------------------------------------------------------------


def block(file: str, heading: str) -> str:
    """The first block of Python under a heading."""
    under = (ROOT / file).read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1]
    return under.split("```python\n", 1)[1].split("```", 1)[0]


def test_what_contributing_adds_works_as_written(tmp_path, monkeypatch):
    """Task, data set and network from its text, each a file, trained together and found by the registry's rule."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, heading in {"robust": "Adding a task", "xor": "Adding a data set", "pair": "Adding a network"}.items():
        (tmp_path / f"added_{name}.py").write_text(block("CONTRIBUTING.md", heading))
    names = {"model": "added_pair:Pair", "data": "added_xor:xor"}
    classified = go(tmp_path / "classified", experiment(**names, epochs=2, lr=0.05))
    assert lasting(classified)[-1]["train_error"] in (0, 25, 50, 75, 100)
    (tmp_path / "own_task.py").write_text(OWN)
    task = {"task": "added_robust:Robust", "model": "own_task:Net", "data": "own_task:numbers"}
    line = lasting(go(tmp_path / "robust", experiment({"scale": 0.5}, **task, epochs=1)))[-1]
    assert line["test_largest"] <= line["test_error"] / 100 * 0.5 <= line["test_largest"] * 2**0.5
    for name in ("robust", "xor", "pair"):
        mark = {"robust": "TASK", "xor": "DATA_SET", "pair": "NETWORK"}[name]
        assert hasattr(sys.modules[f"added_{name}"], mark)


def test_own_network_of_the_docs_trains_from_the_command_line(tmp_path):
    from tests.helpers.command import mho as command

    text = (ROOT / "docs/hour_model.md").read_text(encoding="utf-8")
    (tmp_path / "mine.py").write_text(text.split("%%writefile mine.py\n", 1)[1].split("```", 1)[0])
    words = text.split("mho train --model mine:net", 1)[1].splitlines()[0].replace("--out runs/mine", "").split()
    done = command("train", "--model", "mine:net", *words, "--out", "run", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout)
    assert line["epoch"] == 3
    assert "unexplained variance train" in done.stderr
    again = command("train", "run/config.toml", "--out", "again", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["test_error"] == line["test_error"]
    assert command("report", "run", cwd=tmp_path).returncode == 0
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text() + "\n# changed\n")
    changed = command("train", "--out", "run", "--resume", "--epochs", "4", cwd=tmp_path)
    assert changed.returncode == 1
    assert "the source of mine:net has changed" in changed.stderr
    assert "delete the line model_hash" in changed.stderr
