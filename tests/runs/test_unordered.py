"""Runs whose reads a BLAS multiplies: what they say of their bits, and what they may be continued with."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import mho
from mho.data.digits import digits
from mho.errors import CheckpointError
from mho.presets import gokmen_2017
from mho.report import write_report
from mho.runs import Experiment, Run
from mho.runs.experiment import changes
from mho.runs.unordered import unordered
from mho.training import Training
from tests.helpers.command import mho as command

SHORT = ("--epochs", "1", "--model", "mlp", "--set", "training.train_images=12", "--set", "training.test_images=12")
BLAS = ("--set", "forward.matmul=blas", "--set", "backward.matmul=blas")
TRAINING = Training(model="mlp", epochs=1, train_images=6, test_images=6)
FORWARD = dataclasses.replace(gokmen_2017().forward, matmul="blas")
SENTENCE = 'forward.matmul and backward.matmul are "blas": these products'


def test_terminal_and_page_say_that_bits_depend_on_the_machine(tmp_path):
    done = command("train", *SHORT, *BLAS, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(SENTENCE) == 1
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count(SENTENCE.replace('"', "&#34;")) == 1
    assert 'matmul = "blas"' in (tmp_path / "run" / "config.toml").read_text()
    again = command("train", "--out", "run", "--resume", *SHORT, "--epochs", "2", *BLAS, cwd=tmp_path)
    assert again.returncode == 0, again.stderr


def test_runs_in_order_say_nothing_of_it(tmp_path):
    run = Run(Experiment(training=TRAINING, rpu=gokmen_2017()), tmp_path / "run", digits())
    run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    assert unordered(run.experiment.to_dict()) == ""
    assert "blas" not in write_report(tmp_path / "run").read_text().lower()


def test_the_sentence_names_the_layers():
    rpu = gokmen_2017()
    experiment = Experiment(training=TRAINING, rpu=rpu, layers={"fc*": rpu.replace(forward=FORWARD)})
    assert unordered(experiment.to_dict()).startswith('layers.fc*.forward.matmul is "blas": ')
    assert unordered({"training": {}}) == ""  # config of an older mho


def test_sweeps_say_it_once(tmp_path):
    (tmp_path / "s.toml").write_text(
        '[training]\nmodel = "mlp"\nepochs = 1\ntrain_images = 6\ntest_images = 6\n'
        '[sweep.grid]\n"forward.matmul" = ["ordered", "blas"]\n"forward.noise" = [0.0, 0.06]\n'
    )
    done = command("sweep", "s.toml", "--out", "sweep", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count('bits: forward.matmul is "blas"') == 1


def test_a_run_is_not_continued_with_another_product(tmp_path):
    ordered = Experiment(training=TRAINING, rpu=gokmen_2017())
    run = Run(ordered, tmp_path / "run", digits())
    run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    other = dataclasses.replace(ordered, rpu=gokmen_2017().replace(forward=FORWARD))
    with pytest.raises(CheckpointError, match=r"forward\.matmul was 'ordered' and is 'blas'"):
        Run(other, tmp_path / "run", digits(), resume=True)
    # configs of before the option, which have no such field, are of the ordered product
    tables = ordered.to_dict()
    assert "matmul" not in str(tables)
    assert changes(tables | {"forward": {**tables["forward"], "matmul": "ordered"}}, ordered) == []


def test_a_layer_in_order_stays_so_in_a_config_of_blas():
    rpu = gokmen_2017()
    layers = {"fc1": rpu, "fc2": rpu.replace(forward=FORWARD)}
    whole = Experiment(training=TRAINING, rpu=rpu.replace(forward=FORWARD), layers=layers)
    assert Experiment.from_toml(whole.to_toml()) == whole


def test_weights_of_the_one_load_into_a_model_of_the_other():
    models = [
        mho.convert(torch.nn.Linear(5, 3), rpu, seed=1, quiet=True)
        for rpu in (gokmen_2017(), gokmen_2017().replace(forward=FORWARD))
    ]
    mho.AnalogSGD(models[0], lr=0.1)
    models[0](torch.ones(2, 5)).sum().backward()
    models[1].load_state_dict(models[0].state_dict())
    x = torch.rand(4, 5)
    # five terms and the bias: 12 roundings of sums below 6
    torch.testing.assert_close(models[0](x), models[1](x), rtol=0, atol=12 * 2.0**-24 * 6)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("forward.matmul=bals", "matmul is 'bals'; did you mean 'blas'"),
        ("forward.matmul=1", "matmul is 1"),
        ("forward.matmull=blas", "matmul"),
        ("cell.transfer.matmul=blas", "has nothing to add up"),
    ],
)
def test_wrong_words_are_refused_with_the_cure(setting, message, tmp_path):
    kind = ("--set", "cell.kind=TikiTaka", "--set", "cell.reference=zero") if "transfer" in setting else ()
    done = command("train", *SHORT, *kind, "--set", setting, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr.replace("\n", " ")
    assert not (tmp_path / "runs").exists()
