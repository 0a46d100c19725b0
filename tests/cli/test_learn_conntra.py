"""mho learn conntra, as a user types it."""

from __future__ import annotations

import json

import pytest

import mho as package
from tests.helpers.command import mho

NUMBERS = ("epoch", "train_loss", "train_error", "test_error", "evaluations", "changes", "seconds")


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def without_time(metrics):
    return [{name: value for name, value in line.items() if "second" not in name} for line in metrics]


def test_one_line_trains_irises(tmp_path) -> None:
    done = mho("learn", "conntra", "--data", "iris", "--hidden", "8", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "conntra-1"
    metrics = lines(folder)
    assert json.loads(done.stdout) == metrics[-1]
    assert set(metrics[-1]) == set(NUMBERS)
    assert metrics[-1]["test_error"] < 10
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["weights"], summary["weight_bytes"]) == (67, 17)  # 5·8 + 9·3, two bits each
    assert summary["stopped"] == "converged"
    read = package.learning.load_conntra(folder / "weights.safetensors")
    data = package.data.load("iris")
    error = 100 * float((read.model(data.x_test).argmax(1) != data.y_test).double().mean())
    assert error == pytest.approx(summary["test_error"])
    # the folder's own config trains the same network
    again = mho("learn", "conntra", "runs/conntra-1/config.toml", "--out", "again", cwd=tmp_path)
    assert "two bits" in again.stdout or "32 times less" in again.stdout
    assert without_time(lines(tmp_path / "again")) == without_time(metrics)


def test_resume_goes_on_with_more_sweeps(tmp_path) -> None:
    words = ("learn", "conntra", "--data", "iris", "--hidden", "8", "--out", "run", "--levels=-1,-0.5,0,0.5,1")
    whole = mho(*words[:-3], "--out", "whole", words[-1], "--sweeps", "4", cwd=tmp_path)
    assert whole.returncode == 0
    assert mho(*words, "--sweeps", "2", cwd=tmp_path).returncode == 0
    refused = mho(*words, "--sweeps", "4", cwd=tmp_path)
    assert (refused.returncode, "add --resume" in refused.stderr) == (1, True)
    assert mho(*words, "--sweeps", "4", "--resume", cwd=tmp_path).returncode == 0
    assert without_time(lines(tmp_path / "run")) == without_time(lines(tmp_path / "whole"))
    other = mho(*words, "--resume", "--seed", "5", cwd=tmp_path)
    assert other.returncode == 1
    assert "seed (0 there, 5 here)" in other.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--levels", "a"), "give numbers with commas"),
        (("--levels=1", "--data", "irs"), "did you mean 'iris'?"),
        (("--levels=1", "--data", "irs"), "levels has 1 different values"),
        (("--model", "resnet18"), "conv1 (Conv2d)"),
        (("--model", "lenet", "--hidden", "3"), "no effect with --model"),
        (("--loss", "entropy"), "did you mean 'cross_entropy'"),
        (("--set", "conntra.scal=1"), "scal"),
        (("--resume",), "--resume needs --out"),
        (("--hidden", "x"), "give numbers with commas"),
    ],
)
def test_wrong_words_are_refused_and_leave_no_folder(tmp_path, words, told) -> None:
    done = mho("learn", "conntra", *words, cwd=tmp_path)
    assert done.returncode != 0
    assert told in done.stderr
    assert not list(tmp_path.iterdir()) or not list((tmp_path / "runs").iterdir())
