"""mho learn spectral, as a user types it, and its runs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mho.learning import SpectralRNN
from mho.learning.spectral.problem import Problem, Sequence
from mho.runs.spectral import SpectralExperiment, SpectralRun
from tests.helpers.command import mho

QUICK = ("--samples", "60000", "--hidden", "2", "--set", "spectral.inputs=4", "--set", "spectral.outputs=2")


def test_one_line_recovers_a_network_and_leaves_a_folder(tmp_path):
    done = mho("learn", "spectral", *QUICK, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "true errors of the weights, as the network that made the data is known: input" in done.stdout
    assert "condition of the whitening" in done.stdout
    assert "samples 60,000" in done.stderr
    folder = tmp_path / "run"
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["samples"] for line in lines] == [50_000, 60_000]
    assert lines[-1]["input_error"] < 5
    summary = json.loads((folder / "summary.json").read_text())
    rnn = SpectralRNN.load(folder / "checkpoint.safetensors")
    np.testing.assert_allclose(summary["recurrent_weight"], rnn.recurrent_weight_)
    # the config runs again, to the same numbers; --json prints them and nothing else
    other = mho("learn", "spectral", "run/config.toml", "--out", "other", "--json", cwd=tmp_path)
    assert json.loads(other.stdout) | {"seconds": 0} == lines[-1] | {"seconds": 0}
    # more samples go on from the checkpoint, as if they had been there from the beginning
    more = mho("learn", "spectral", "--out", "run", "--resume", "--samples", "110000", "--json", cwd=tmp_path)
    whole = mho("learn", "spectral", *QUICK, "--samples", "110000", "--out", "whole", "--json", cwd=tmp_path)
    assert json.loads(more.stdout)["input_error"] == json.loads(whole.stdout)["input_error"]
    refused = mho("learn", "spectral", "--out", "run", "--resume", "--seed", "1", cwd=tmp_path)
    assert refused.returncode == 1
    assert "seed was 0 and is 1" in refused.stderr


def test_a_stopped_run_goes_on_to_the_bit(tmp_path):
    experiment = SpectralExperiment(samples=150_000, hidden=2, inputs=4, outputs=2)
    whole = SpectralRun(experiment, tmp_path / "whole")
    assert whole.learn()
    assert not SpectralRun(experiment, tmp_path / "parts").learn(lambda seen, total: True)
    parts = SpectralRun(experiment, tmp_path / "parts", resume=True)
    assert parts.seen == 50_000
    assert parts.learn()
    assert [line | {"seconds": 0} for line in parts.metrics] == [line | {"seconds": 0} for line in whole.metrics]


def test_a_sequence_of_ones_own(tmp_path, monkeypatch):
    x, y = Sequence(Problem(inputs=4, hidden=2, outputs=2), 0).rows(30_000)
    np.savez(tmp_path / "mine.npz", x=x, y=y)
    done = mho("learn", "spectral", "--data", "mine.npz", "--hidden", "2", "--out", "run", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"] == 30_000
    np.savez(tmp_path / "mine.npz", x=x, y=-y)
    changed = mho("learn", "spectral", "--out", "run", "--resume", cwd=tmp_path)
    assert "mine.npz has changed" in changed.stderr
    (tmp_path / "own_sequence.py").write_text(
        "import numpy as np\ndef data():\n    return np.load('mine.npz')['x'], 3\n"
    )
    np.savez(tmp_path / "wrong.npz", x=x)
    (tmp_path / "text.npz").write_text("no archive")
    for data, said in (
        ("wrong.npz", "has no array y (it has x)"),
        ("text.npz", "cannot be read as a file .npz"),
        ("none.npz", "does not exist"),
        ("nothing", "give generated, FILE.npz, or module:function"),
    ):
        wrong = mho("learn", "spectral", "--data", data, cwd=tmp_path)
        assert wrong.returncode == 1
        assert said in wrong.stderr, wrong.stderr
        assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--hidden", "0"], "hidden is 0; give an integer of at least 1"),
        (["--hidden", "11"], "more hidden units than inputs cannot be recovered"),
        (["--density", "uniform"], "density is 'uniform'; give gaussian or markov"),
        (["--linear", "--bidirectional"], "is not determined"),
        (["--set", "spectral.memory=1"], "memory is 1; give a number of at least 0 and less than 1"),
        (["--set", "spectral.no=1"], "no"),
        (["--set", "other.x=1"], "unknown section 'other'"),
        (["--resume"], "--resume needs --out"),
        (["--samples", "3000"], "3000 samples are too few"),
        (["--samples", "50000", "--set", "spectral.memory=0.5", "--density", "gaussian"], "not independent in time"),
    ],
    ids=str,
)
def test_wrong_inputs_give_a_message(options, said, tmp_path):
    done = mho("learn", "spectral", *options, cwd=tmp_path)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_help(tmp_path):
    assert "spectral" in mho("learn", "--help", cwd=tmp_path).stdout
    assert "without gradients" in mho("learn", "spectral", "--help", cwd=tmp_path).stdout
