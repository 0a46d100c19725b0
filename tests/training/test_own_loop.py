"""Loops of one's own: the library's loop with callbacks, the page of a history, and TensorBoard."""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import mho
from mho.data import Dataset, digits
from mho.errors import InvalidValue
from mho.report import write_history_report
from mho.report.figures import history_curves
from mho.runs import Experiment, Run
from mho.runs.build import build
from mho.training import Regression, TensorBoard, fit

SETTINGS = {"epochs": 3, "validation": 15, "patience": 1, "data_seed": 4}
LINES = [
    {"epoch": 1, "train_loss": 2.0, "test_loss": 2.1, "reward": 1.0, "seconds": 0.5},
    {"epoch": 2, "train_loss": 1.0, "test_loss": 1.3, "reward": 5.0, "seconds": 0.4},
]


def tables(replicas: int) -> dict:
    training = SETTINGS | {"model": "mlp", "train_images": 45, "test_images": 20, "replicas": replicas}
    return mho.presets.gokmen_2017(pulses=1, update_management=True).to_dict() | {"training": training}


def without_times(lines: list[dict]) -> list[dict]:
    return [{name: value for name, value in line.items() if "second" not in name} for line in lines]


@pytest.mark.parametrize("replicas", [1, 2])
def test_fit_gives_the_bits_and_the_lines_of_mho_train(tmp_path, replicas):
    experiment = Experiment.from_dict(tables(replicas))
    run = Run(experiment, tmp_path / "run", digits())
    run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    model, seen = build(experiment), []
    data = digits().first(45, 20)
    history = fit(model, mho.AnalogSGD(model, lr=0.01), data, callbacks=[seen.append], **SETTINGS)
    assert without_times(history) == without_times(run.loop.progress.metrics)
    assert seen == history
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_callbacks_run_in_turn_after_each_epoch_and_may_step_a_scheduler():
    x = torch.linspace(-1, 1, 12).reshape(12, 1)
    model = mho.convert(torch.nn.Linear(1, 1), mho.presets.floating_point(), quiet=True)
    optimizer = mho.AnalogSGD(model, lr=0.4)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    rates = []
    fit(
        model,
        optimizer,
        ((x, 0.5 * x), (x, 0.5 * x)),
        epochs=3,
        task="regression",
        batch_size=4,
        callbacks=[lambda line: scheduler.step(), lambda line: rates.append(optimizer.param_groups[0]["lr"])],
    )
    assert rates == [0.2, 0.1, 0.05]
    assert model.training


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 0}, "epochs is 0; give an integer of at least 1"),
        ({"patience": 2}, "patience is 2: it would have no effect"),
        ({"callbacks": [3]}, "a callback is 3; give functions of one argument"),
        ({"callbacks": print}, r"callbacks is the function print; give a list .*, for example callbacks=\[print\]"),
        ({"callbacks": None}, "callbacks is None; give a list of functions"),
        ({"task": "regresion"}, "no task 'regresion'; did you mean 'regression'"),
        ({"task": Regression}, r"task is the class Regression; give a task, for example mho\.training\.Regression\(\)"),
        ({"task": mho.training.NextCharacter(), "data_seed": 1}, "data_seed is 1: it would have no effect"),
        ({"task": Regression()}, "y_train is torch.int64; regression takes float32"),
        ({"validation": 6}, "validation is 6, and there are 6 training examples"),
        ({"driver": "onlin"}, "driver is 'onlin'; did you mean 'online'"),
    ],
    ids=str,
)
def test_wrong_settings_of_fit_are_told(options, words):
    model = mho.convert(torch.nn.Linear(2, 2), mho.presets.floating_point(), quiet=True)
    x, y = torch.ones(6, 2), torch.tensor([0, 1] * 3)
    with pytest.raises(InvalidValue, match=words):
        fit(model, mho.AnalogSGD(model, lr=0.1), Dataset("six", x, y, x, y), **{"epochs": 1} | options)


def test_the_page_of_a_history_has_its_curves_and_numbers(tmp_path):
    page = mho.report(LINES, out=tmp_path / "page.html", title="Mine & <yours>").read_text()
    assert "<h1>Mine &amp; &lt;yours&gt;</h1>" in page
    assert "<h2>Loss</h2>" in page
    assert "<h2>Reward</h2>" in page
    assert "Seconds</h2>" not in page
    assert page.count("<svg") == 4  # two figures, wide and narrow
    for number in ("2.000", "1.300", "5.000", "0.4000"):
        assert f"<td>{number}</td>" in page
    assert "http" not in page.replace('xmlns="http://www.w3.org', "").replace('xlink="http://www.w3.org', "")


def test_a_file_of_metrics_gives_the_page_of_its_lines(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    ours, theirs = (mho.report(given, out=tmp_path / f"{type(given).__name__}.html") for given in (file, LINES))
    assert ours.read_bytes() == theirs.read_bytes()


def test_numbers_of_numpy_and_torch_and_gaps_are_taken(tmp_path):
    lines = [
        {"step": np.int64(10), "loss": torch.tensor(2.0), "test_error": np.float32(3.0), "test_error_replicas": [2, 4]},
        {"step": np.int64(20), "loss": math.nan, "test_error": 1, "test_error_replicas": [1, 1]},
        {"step": np.int64(30), "loss": 0.5},
    ]
    page = write_history_report(lines, tmp_path / "page.html").read_text()
    assert "Numbers that are not finite are left out of the curves." in page
    assert "Thin lines: single replicas." in page
    assert "<td>not finite</td>" in page
    assert "<h2>Steps</h2>" in page


def test_curves_hold_the_numbers_and_a_decade_makes_the_axis_logarithmic():
    lines = [{"train_loss": 20.0, "test_loss": 10.0}, {"train_loss": 1.0}]
    ax = history_curves(lines, Figure().add_subplot(), names=["train_loss", "test_loss"], places=[1, 2], mark=1)
    drawn = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
    assert drawn["train loss"] == [20.0, 1.0]
    assert drawn["test loss"][0] == 10.0
    assert math.isnan(drawn["test loss"][1])
    assert ax.get_yscale() == "log"
    assert [2, 2] in [list(line.get_xdata()) for line in ax.lines]
    near = history_curves(lines[:1], Figure().add_subplot(), names=["train_loss", "test_loss"], places=[1])
    assert near.get_yscale() == "linear"


@pytest.mark.parametrize(
    ("history", "out", "words"),
    [
        ([], "page.html", "the history has no lines; give one mapping of names to numbers per line"),
        (3, "page.html", "the history is 3; give one mapping"),
        ([3], "page.html", "line 1 of the history is 3; give a mapping of names to numbers"),
        ([{"epoch": 1, "loss": "low"}], "page.html", "line 1 of the history has loss 'low'; give a number"),
        ([{"epoch": 1, "loss": torch.zeros(2)}], "page.html", "line 1 of the history has loss tensor"),
        ([{"epoch": 1}], "page.html", "has no numbers beside the epochs; give such as test_error"),
        ("none.jsonl", "page.html", r"there is no file none\.jsonl; give a metrics\.jsonl"),
        (
            ".",
            "page.html",
            r"\. is a folder; give the file metrics\.jsonl, or write the page of the run by  mho report \.",
        ),
        (LINES, ".", r"out is .*, a folder; give the file to write, for example report\.html"),
        (LINES, "no/page.html", r"out is .*page\.html, in .*no, which is no folder"),
    ],
    ids=["empty", "number", "line", "text", "vector", "epochs", "file", "run", "folder", "nowhere"],
)
def test_a_wrong_history_says_what_to_give(history, out, words, tmp_path):
    with pytest.raises(InvalidValue, match=words):
        mho.report(history, out=tmp_path / out)


class Writer:
    """As of torch.utils.tensorboard, whose package may not be installed."""

    def __init__(self, folder: str) -> None:
        self.folder, self.scalars, self.closed = folder, [], False

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def flush(self) -> None:
        assert not self.closed

    def close(self) -> None:
        self.closed = True


def test_tensorboard_gets_every_number_by_its_name(tmp_path, monkeypatch):
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    with TensorBoard(tmp_path / "logs") as board:
        board({"epoch": 3, "test_error": 2.0, "test_error_replicas": [1.0, 3.0], "seconds": 0.5})
        with pytest.raises(InvalidValue, match="the line has epoch None; give the number of the epoch"):
            board({"test_error": 2.0})
    writer = board._writer
    assert writer.folder == str(tmp_path / "logs")
    assert writer.closed
    assert writer.scalars == [
        ("test_error", 2.0, 3),
        ("test_error_replicas/0", 1.0, 3),
        ("test_error_replicas/1", 3.0, 3),
        ("seconds", 0.5, 3),
    ]


def test_without_tensorboard_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InvalidValue, match=r'not installed; run: pip install "mho\[tensorboard\]"'):
        TensorBoard(tmp_path)


@pytest.mark.integration
def test_the_files_of_tensorboard_hold_the_history(tmp_path):
    accumulator = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    with contextlib.closing(TensorBoard(tmp_path)) as board:
        for line in LINES:
            board(line)
    read = accumulator.EventAccumulator(str(tmp_path))
    read.Reload()
    assert [(event.step, event.value) for event in read.Scalars("reward")] == [(1, 1.0), (2, 5.0)]
