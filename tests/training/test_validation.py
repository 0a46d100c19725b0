"""Held-out examples, early stopping and the best checkpoint: chosen by validation error, resumed to the bit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from safetensors import safe_open

import mho
from mho.data import Dataset, digits
from mho.errors import CheckpointError, InvalidValue
from mho.papers.experiment_study import ExperimentStudy
from mho.report import error_curves, write_report
from mho.runs import Experiment, Run
from mho.runs.batches import batches
from mho.runs.folder import BEST, CHECKPOINT
from mho.runs.sweep import Sweep
from mho.training import Classification, Training, best_line
from mho.training.loop import Loop
from mho.training.validation import held_out
from tests.helpers.command import mho as command

SMALL = {"train_images": 60, "test_images": 40, "epochs": 4, "validation": 20, "model": "mlp", "seed": 2}
"""Of its four epochs the second has the lowest validation error."""


def experiment(**changes: object) -> Experiment:
    tables = mho.presets.gokmen_2017(pulses=1, update_management=True).to_dict()
    return Experiment.from_dict(tables | {"training": SMALL | changes})


def go(folder: Path, *, stop_at: int = 0, resume: bool = False, **changes: object) -> Run:
    run = Run(experiment(**changes), folder, digits(), resume=resume)
    run.loop.together = 1 if stop_at else run.loop.together
    run.train(on_step=lambda progress: progress.steps == stop_at, on_epoch=lambda progress: None)
    return run


def lines(folder: Path) -> list[dict]:
    read = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if "second" not in key} for line in read]


def tensors(file: Path) -> dict[str, torch.Tensor]:
    with safe_open(file, framework="pt") as content:
        return {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118


def equal(one: Path, other: Path) -> bool:
    ours, theirs = tensors(one), tensors(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def same(one: Path, other: Path) -> None:
    assert lines(one) == lines(other)
    assert equal(one / CHECKPOINT, other / CHECKPOINT)
    assert equal(one / BEST, other / BEST)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    go(folder)
    return folder


def test_every_example_is_on_one_side_and_the_seed_draws_them():
    kept, held = held_out(100, 0.2, seed=3, shuffled=True)
    assert len(held) == 20
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(100))
    assert torch.equal(held, held_out(100, 20, seed=3, shuffled=True)[1])
    assert not torch.equal(held, held_out(100, 20, seed=4, shuffled=True)[1])
    assert held_out(100, 20, seed=0, shuffled=False)[1].tolist() == list(range(80, 100))
    assert len(held_out(100, 0.001, seed=0, shuffled=True)[1]) == 1
    with pytest.raises(InvalidValue, match=r"validation is 100, and there are 100 training examples.*0\.1"):
        held_out(100, 100, seed=0, shuffled=True)


def test_held_out_examples_are_not_trained_on_and_the_test_stays(tmp_path):
    run = go(tmp_path / "run", epochs=1)
    x, y = run.loop.validation
    assert (len(x), len(y), len(run.loop.data.x_train), run.loop.progress.steps) == (20, 20, 40, 40)
    assert torch.equal(run.loop.data.x_test, digits().x_test[:40])
    together = torch.cat([x, run.loop.data.x_train]).flatten(1)
    assert torch.equal(together.sort(0).values, digits().x_train[:60].flatten(1).sort(0).values)


def test_errors_and_losses_are_means_over_the_held_out_examples(tmp_path):
    """On exact arrays, whose reads have no noise, so that another read gives equal numbers; 300 are two batches."""
    tables = mho.presets.floating_point().to_dict()
    training = SMALL | {"epochs": 1, "train_images": 330, "validation": 300, "batch_size": 10}
    run = Run(Experiment.from_dict(tables | {"training": training}), tmp_path / "run", digits())
    run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    x, y = run.loop.validation
    with torch.no_grad():
        out = run.model.eval()(x)
    line = run.loop.progress.metrics[-1]
    assert line["validation_error"] == pytest.approx(100 * (out.argmax(1) != y).double().mean().item())
    # means of two batches, in float32
    assert line["validation_loss"] == pytest.approx(torch.nn.functional.cross_entropy(out, y).item(), rel=1e-5)


def test_without_validation_nothing_is_written_of_it(tmp_path):
    run = go(tmp_path / "run", validation=0, epochs=1)
    assert not (tmp_path / "run" / BEST).exists()
    assert "validation" not in json.loads((tmp_path / "run" / "summary.json").read_text())
    assert not [key for key in run.loop.progress.metrics[-1] if "validation" in key]
    config = (tmp_path / "run" / "config.toml").read_text()
    assert "validation" not in config
    assert "patience" not in config


def test_best_line_is_the_first_of_the_lowest():
    def at(*errors: float) -> int | None:
        return best_line([{"validation_error": error} for error in errors])

    assert at(5.0, 3.0, 3.0, 4.0) == 1
    assert at(float("nan"), 7.0) == 1
    assert at(float("nan"), float("nan")) == 0
    assert at() is None
    assert best_line([{"test_error": 1.0}]) is None


def test_the_best_checkpoint_is_that_of_the_lowest_validation_error(whole, tmp_path):
    best = best_line(lines(whole))
    assert best is not None
    assert 0 < best < 3, "the best epoch must be one in the middle, or nothing is shown"
    go(tmp_path / "short", epochs=best + 1)
    assert equal(whole / BEST, tmp_path / "short" / CHECKPOINT)
    assert not equal(whole / BEST, whole / CHECKPOINT)
    assert json.loads((whole / "summary.json").read_text())["validation"] == {"examples": 20, "out_of_patience": False}


def test_patience_stops_after_so_many_epochs_without_a_lower_error(whole, tmp_path):
    run = go(tmp_path / "run", epochs=30, patience=2)
    metrics = run.loop.progress.metrics
    errors = [line["validation_error"] for line in metrics]
    assert run.finished
    assert len(errors) < 30
    assert len(errors) - 1 - errors.index(min(errors)) == 2
    assert run.diagnose() is not None
    assert lines(tmp_path / "run")[:4] == lines(whole)[: len(errors)]
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["validation"]["out_of_patience"]


@pytest.mark.parametrize("step", [1, 40, 79, 121])
def test_stopped_and_resumed_equals_in_one_go(whole, tmp_path, step):
    go(tmp_path / "run", stop_at=step)
    go(tmp_path / "run", resume=True)
    same(tmp_path / "run", whole)


def test_killed_between_the_best_and_the_last_checkpoint(whole, tmp_path, monkeypatch):
    """As if the process died once best.safetensors of the best epoch is written."""
    folder, best = tmp_path / "run", best_line(lines(whole))
    save = Run._save

    def killed(self: Run, name: str) -> None:
        if name == CHECKPOINT and self.loop.progress.epoch == best + 1:
            raise KeyboardInterrupt
        save(self, name)

    monkeypatch.setattr(Run, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        go(folder)
    monkeypatch.undo()
    go(folder, resume=True)
    same(folder, whole)


def test_killed_and_resumed_with_patience_equals_in_one_go(tmp_path):
    settings = {**SMALL, "epochs": 30, "patience": 2, "checkpoint_every": 7}
    run = [sys.executable, "-c", "from mho.cli import main; main()", "train", "--resume"]
    run += [
        "--set",
        "update.update_management=true",
        *(w for k, v in settings.items() for w in ("--set", f"training.{k}={v}")),
    ]
    folder = tmp_path / "killed"
    process = subprocess.Popen([*run, "--out", str(folder)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    began = time.monotonic()
    while not (folder / BEST).exists() and time.monotonic() - began < 300:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    for place in (folder, tmp_path / "whole"):
        assert command(*run[3:], "--out", str(place), cwd=tmp_path).returncode == 0
    same(folder, tmp_path / "whole")


def test_patience_may_be_told_anew_and_validation_may_not(tmp_path):
    folder = tmp_path / "run"
    done = go(folder, epochs=30, patience=1).loop.progress.epoch
    assert Run(experiment(epochs=30, patience=1), folder, digits(), resume=True).finished
    more = go(folder, epochs=done + 1, resume=True)
    assert more.loop.progress.epoch == done + 1
    whole = go(tmp_path / "whole", epochs=done + 1)
    assert whole.finished
    same(folder, tmp_path / "whole")
    with pytest.raises(CheckpointError, match=r"training\.validation was 20 and is 10"):
        Run(experiment(validation=10), folder, digits(), resume=True)
    with pytest.raises(CheckpointError, match=r"training\.validation was 20 and is 0"):
        Run(experiment(validation=0), folder, digits(), resume=True)


def test_replicas_stop_by_their_mean(tmp_path):
    run = go(tmp_path / "run", replicas=2, epochs=2)
    line = run.loop.progress.metrics[-1]
    assert line["validation_error"] == sum(line["validation_error_replicas"]) / 2
    assert len(line["validation_loss_replicas"]) == 2
    assert (tmp_path / "run" / BEST).exists()


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"validation": -0.1}, r"validation is -0\.1; give an integer of at least 0, or a share below 1"),
        ({"validation": 1.0}, r"validation is 1\.0; give an integer of at least 0, or a share below 1"),
        ({"validation": "some"}, r"validation is 'some'; give an integer"),
        ({"validation": True}, "validation is True; give an integer"),
        ({"patience": 3}, r"patience is 3: it would have no effect.*give validation = 0\.1"),
        ({"validation": 0.1, "patience": 1.5}, r"patience is 1\.5; give an integer of at least 0"),
    ],
    ids=str,
)
def test_wrong_settings_are_named(training, words):
    with pytest.raises(InvalidValue, match=words):
        Training(**training)


def test_all_examples_held_out_is_an_error_of_the_run(tmp_path):
    with pytest.raises(InvalidValue, match="validation is 60, and there are 60 training examples"):
        go(tmp_path / "run", validation=60)
    assert not (tmp_path / "run").exists()


def test_the_last_of_a_text_is_held_out():
    x = torch.arange(12).reshape(12, 1).float()
    data = Dataset("line", x, torch.arange(12) % 2, x, torch.arange(12) % 2)

    class InOrder:
        shuffled = False
        loss = staticmethod(Classification.loss)

        def order(self, epoch, count, *, batch_size, seed):
            return torch.arange(count)

        def examples_of(self, data):
            return "examples"

        def chance(self, data):
            return None

    model = mho.convert(torch.nn.Sequential(torch.nn.Linear(1, 2)), mho.presets.floating_point(), quiet=True)
    loop = Loop(model, mho.AnalogSGD(model, lr=0.1), data, Training(validation=3), InOrder())
    assert loop.validation[0].flatten().tolist() == [9.0, 10.0, 11.0]


def test_rows_of_a_sweep_with_patience_stop_by_themselves():
    tables = {
        "training": {"epochs": 3, "validation": 0.1},
        "sweep": {"seeds": 2, "grid": {"forward.noise": [0.0, 0.1]}},
    }
    assert len(batches(Sweep(tables))) == 1
    tables["training"]["patience"] = 1
    assert [len(one.rows) for one in batches(Sweep(tables))] == [1, 1, 1, 1]


def test_a_curve_of_a_paper_takes_no_patience_and_keeps_its_address():
    with pytest.raises(InvalidValue, match="patience 1, and might stop before the epochs that are judged"):
        ExperimentStudy(experiment=experiment(patience=1))
    study = ExperimentStudy(experiment=experiment(validation=0))
    assert not {"validation", "patience"} & study.to_dict()["training"].keys()
    assert ExperimentStudy(experiment=experiment()).to_dict()["training"]["validation"] == 20


def test_the_command_line_takes_both_and_says_what_it_kept(tmp_path):
    words = ["train", "--out", "run", "--model", "mlp", "--epochs", "30", "--validation", "20", "--patience", "1"]
    words += ["--set", "training.train_images=60", "--set", "training.test_images=40"]
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    metrics = lines(tmp_path / "run")
    best = metrics[best_line(metrics)]
    assert "stopped early, with no lower validation error for 1 epoch" in done.stdout
    assert f"lowest validation error {best['validation_error']:.2f} % after epoch {best['epoch']}" in done.stdout
    assert f"validation {metrics[0]['validation_error']:.2f} %  test" in done.stderr
    again = command("train", "--out", "run", "--resume", cwd=tmp_path)
    assert again.returncode == 0
    assert "is finished, with no lower validation error for 1 epoch; give more --patience" in again.stderr
    wrong = command("train", "--validation", "half", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "give a share such as 0.1, or a number such as 5000" in " ".join(wrong.stderr.split())
    assert os.listdir(tmp_path) == ["run"]


def test_the_page_shows_the_validation_and_its_best_epoch(whole, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    page = write_report(folder).read_text()
    line = lines(folder)[best_line(lines(folder))]
    for text in (
        f"lowest validation error, epoch {line['epoch']}",
        f"epoch {line['epoch']}, of the lowest validation error on 20 training images that were kept aside",
        f'<td class="best">{line["validation_error"]:.2f}</td>',
        '<th scope="col">validation loss (nats)</th>',
        "Test, validation and train error",
        "var(--validation)",
    ):
        assert text in page, text
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"validation": {"examples": 0, "out_of_patience": 1}}))
    with pytest.raises(InvalidValue, match=r"summary\.json is damaged: validation is .*not a number of examples"):
        write_report(folder)


def test_a_curve_of_validation_has_its_own_line_and_the_best_epoch_its_mark():
    data = [{"epoch": n, "test_error": 5.0, "train_error": 3.0, "validation_error": e} for n, e in ((1, 6.0), (2, 4.0))]
    ax = error_curves(data, Figure().add_subplot())
    drawn = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
    assert drawn["validation"] == [6.0, 4.0]
    assert [2, 2] in [list(line.get_xdata()) for line in ax.lines]
    for line in data:
        del line["validation_error"]
    assert len(error_curves(data, Figure().add_subplot()).lines) == 2
