"""mho learn boltzmann, as a user types it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from mho.data import digits, digits_8x8
from mho.learning import BoltzmannMachine
from mho.presets import gokmen_2017
from mho.report.machine_figures import corrupted
from mho.runs.learn import MachineRun, learn_boltzmann
from mho.runs.machine import MachineExperiment, MachineSettings, binary_data
from mho.toml_files import parse_toml
from tests.helpers.command import mho

QUICK = ("--set", "machine.train_images=200", "--set", "machine.test_images=40", "--set", "machine.temperatures=0")


def test_one_line_learns_digits_and_leaves_a_folder(tmp_path):
    done = mho("learn", "boltzmann", "--epochs", "2", *QUICK, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pseudo-log-likelihood" in done.stdout
    assert "epoch 2/2" in done.stderr
    folder = tmp_path / "run"
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert set(lines[0]) == {
        "epoch",
        "flow",
        "test_pseudo_log_likelihood",
        "test_reconstruction_error",
        "seconds",
    }
    assert lines[1]["flow"] < lines[0]["flow"] < 164  # K of a machine of 164 units without couplings
    summary = json.loads((folder / "summary.json").read_text())
    for name in summary["pictures"]:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert len(summary["pictures"]) == 4
    assert BoltzmannMachine.load(folder / "checkpoint.safetensors").layers == [64, 100]
    again = mho("learn", "boltzmann", "--out", "run", "--resume", cwd=tmp_path)
    assert "finished" in again.stderr
    assert again.returncode == 0
    refused = mho("learn", "boltzmann", "--out", "run", "--resume", "--set", "machine.lr=0.2", cwd=tmp_path)
    assert refused.returncode == 1
    assert "lr was 0.05 and is 0.2" in refused.stderr
    # the config runs again, to the same numbers; --json prints them and nothing else
    other = mho("learn", "boltzmann", "run/config.toml", "--out", "other", "--json", cwd=tmp_path)
    assert json.loads(other.stdout) | {"seconds": 0} == lines[1] | {"seconds": 0}


@pytest.mark.parametrize("words", [["learn", "--help"], ["learn", "boltzmann", "--help"]], ids=str)
def test_help(words, tmp_path):
    done = mho(*words, cwd=tmp_path)
    assert done.returncode == 0
    assert "boltzmann" in done.stdout


@pytest.mark.parametrize("rpu", [None, gokmen_2017()], ids=["floating point", "arrays"])
def test_a_run_grows_to_the_bits_of_a_whole_one(rpu, tmp_path):
    settings = MachineSettings(layers=(64, 20), epochs=3, train_images=200, test_images=40)
    experiment = MachineExperiment(machine=settings, rpu=rpu)
    data, short = binary_data(settings), dataclasses.replace(settings, epochs=1)
    whole = MachineRun(experiment, tmp_path / "whole", data)
    whole.learn()
    MachineRun(dataclasses.replace(experiment, machine=short), tmp_path / "grown", data).learn()
    grown = MachineRun(experiment, tmp_path / "grown", data, resume=True)
    assert grown.learn()
    assert torch.equal(whole.machine.weights_, grown.machine.weights_)
    assert [line | {"seconds": 0} for line in whole.metrics] == [line | {"seconds": 0} for line in grown.metrics]
    text = (tmp_path / "grown" / "config.toml").read_text()
    assert MachineExperiment.from_dict(parse_toml(text)) == experiment


def test_a_run_that_is_stopped_within_an_epoch_goes_on_to_the_same_bits(tmp_path):
    experiment = MachineExperiment(machine=MachineSettings(layers=(64, 20), epochs=2, train_images=300, temperatures=0))
    data = binary_data(experiment.machine)
    whole = learn_boltzmann(experiment, tmp_path / "whole", data)
    run = MachineRun(experiment, tmp_path / "run", data)
    assert not run.learn(on_step=lambda: run.machine.progress_.steps == 41)
    assert not run.finished
    assert (run.machine.progress_.epoch, run.machine.progress_.position) == (1, 110)
    (tmp_path / "run" / "metrics.jsonl").unlink()  # as a kill between two files would leave it
    run = MachineRun(experiment, tmp_path / "run", data, resume=True)
    assert (tmp_path / "run" / "metrics.jsonl").read_text().count("\n") == 1
    run.learn()
    assert run.metrics[-1] | {"seconds": 0} == whole | {"seconds": 0}


def test_data_of_ones_own_and_links_inside(tmp_path):
    x = (np.random.default_rng(0).random((60, 6)) < 0.4).astype(np.float32)
    np.savez(tmp_path / "own.npz", x_train=x, y_train=np.zeros(60), x_test=x, y_test=np.zeros(60))
    words = ("--data", "own.npz", "--layers", "6,4", "--intra-layer", "0,1", "--method", "cd", "--k", "2")
    done = mho("learn", "boltzmann", *words, "--epochs", "2", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["log_likelihood"]["kind"] == "exact"
    assert summary["pictures"] == ["learning.png"]
    assert summary["title"].startswith("CD-2, 6-4")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layers", "64,a"], "integers with commas"),
        (["--layers", "784,100"], "have 64 units, and machine.layers begins with 784"),
        (["--method", "vfp"], "did you mean 'vpf'"),
        (["--set", "machine.lrr=3"], "did you mean 'lr'"),
        (["--set", "update.length=1"], "--preset gokmen_2017 or --rpu FILE"),
        (["--set", "machine.threshold=1.0"], "give a threshold between 0 and 1"),
        (["--preset", "gokmen"], "did you mean 'gokmen_2017'"),
        (["--preset", "gokmen_2017", "--rpu", "x.toml"], "give one of them"),
        (["--rpu", "x.toml"], "there is no file x.toml"),
        (["--data", "mnst"], "did you mean 'mnist'"),
        (["--data-dir", "."], "no effect on the data digits"),
        (["--resume"], "--resume needs --out"),
    ],
    ids=str,
)
def test_mistakes_end_in_one_message_and_leave_nothing(words, said, tmp_path):
    done = mho("learn", "boltzmann", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_small_digits_are_those_from_which_the_large_ones_are_made():
    """Enlarged threefold by bilinear interpolation, the middle pixel of each nine is the small pixel."""
    torch.testing.assert_close(digits().x_train[:, :, 3:27:3, 3:27:3], digits_8x8().x_train, rtol=0, atol=1e-6)


def test_corruption_flips_a_tenth_and_zeroes_twelve_rows_of_28():
    v = (torch.rand(50, 784, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    flipped, cut, known = corrupted(v, (28, 28), seed=1)
    # 0.1 ± 5·√(0.09/39200)
    assert abs(float((flipped != v).float().mean()) - 0.1) < 0.008
    assert int((~known.view(28, 28)).all(dim=1).sum()) == 12
    assert not cut[:, ~known].any()
    assert torch.equal(cut[:, known], v[:, known])
