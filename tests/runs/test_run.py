"""Runs: the same bits whatever happens to them on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from mho.data import digits
from mho.errors import CheckpointError, InvalidValue, WrongUse
from mho.runs import Experiment, Run, differences, merged
from mho.training import Progress
from tests.helpers.command import mho as command

SMALL = {"train_images": 60, "test_images": 40, "epochs": 2}


def experiment(**changes: object) -> Experiment:
    from mho.presets import gokmen_2017

    tables = gokmen_2017(update_management=True).to_dict() | {"training": SMALL | changes}
    return Experiment.from_dict(tables)


def go(folder: Path, *, stop_at: int = 0, resume: bool = False, **changes: object) -> Run:
    run = Run(experiment(**changes), folder, digits(), resume=resume)
    run.loop.together = 1 if stop_at else run.loop.together
    run.train(on_step=lambda progress: progress.steps == stop_at, on_epoch=lambda progress: None)
    return run


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    with safe_open(folder / "checkpoint.safetensors", framework="pt") as content:
        return {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118


def lasting(folder: Path) -> list[dict[str, object]]:
    """Metrics without what may depend on the machine."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if "second" not in key} for line in lines]


def same(one: Path, other: Path) -> None:
    assert lasting(one) == lasting(other)
    ours, theirs = tensors(one), tensors(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    go(folder)
    return folder


@pytest.mark.parametrize("step", [1, 37, 60, 61, 119])
def test_stopped_and_resumed_equals_in_one_go(whole, tmp_path, step):
    go(tmp_path / "run", stop_at=step)
    go(tmp_path / "run", resume=True)
    same(tmp_path / "run", whole)


def test_killed_and_resumed_equals_in_one_go(whole, tmp_path):
    """SIGKILL after a random time, again and again, until the run ends."""
    folder = tmp_path / "run"
    words = ["train", "--out", str(folder), "--resume"]
    words += ["--set", "update.update_management=true", "--set", "training.checkpoint_every=7"]
    for name, value in SMALL.items():
        words += ["--set", f"training.{name}={value}"]
    kills = 0
    for wait in (0.05, 0.12):
        process = subprocess.Popen(
            [sys.executable, "-c", "from mho.cli import main; main()", *words],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        began = time.monotonic()
        before = (folder / "checkpoint.safetensors").stat().st_mtime_ns if kills else 0
        while time.monotonic() - began < 300:  # until it trains, then a little longer
            file = folder / "checkpoint.safetensors"
            if file.exists() and file.stat().st_mtime_ns != before:
                break
            time.sleep(0.005)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert command(*words, cwd=tmp_path).returncode == 0
    assert kills >= 1
    same(folder, whole)


def test_two_threads_give_the_bits_of_one(whole, tmp_path, set_threads, monkeypatch):
    from mho.compiler import threads

    monkeypatch.setattr(threads, "WORK_A_THREAD", 1000)
    set_threads(2)
    go(tmp_path / "run")
    same(tmp_path / "run", whole)


def test_resuming_a_finished_run_changes_nothing(whole):
    before = {file.name: file.read_bytes() for file in whole.iterdir()}
    run = Run(experiment(), whole, digits(), resume=True)
    assert run.finished
    assert before == {file.name: file.read_bytes() for file in whole.iterdir()}


def test_more_epochs_continue_a_finished_run(whole, tmp_path):
    go(tmp_path / "long", epochs=3)
    go(tmp_path / "grown")
    go(tmp_path / "grown", epochs=3, resume=True)
    same(tmp_path / "grown", tmp_path / "long")


def test_resume_without_a_checkpoint_starts_afresh(whole, tmp_path):
    go(tmp_path / "run", resume=True)
    same(tmp_path / "run", whole)


def test_an_existing_run_is_refused_without_resume(whole):
    with pytest.raises(WrongUse, match="--resume"):
        Run(experiment(), whole, digits())


def test_resuming_another_experiment_names_the_fields(whole):
    tables = merged(experiment().to_dict(), {"training": {"seed": 4}, "forward": {"noise": 0.1}})
    with pytest.raises(CheckpointError) as caught:
        Run(Experiment.from_dict(tables), whole, digits(), resume=True)
    assert "forward.noise was 0.06 and is 0.1" in str(caught.value)
    assert "training.seed was 0 and is 4" in str(caught.value)


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "foreign"])
def test_a_damaged_or_foreign_checkpoint_is_refused(whole, tmp_path, damage):
    folder = tmp_path / "run"
    folder.mkdir()
    content = (whole / "checkpoint.safetensors").read_bytes()
    if damage == "foreign":
        from safetensors.torch import save

        content = save({"weight": torch.zeros(3)})
    else:
        content = {"truncated": content[: len(content) // 2], "empty": b"", "text": b"not a checkpoint"}[damage]
    (folder / "checkpoint.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors"):
        Run(experiment(), folder, digits(), resume=True)


def test_no_times_are_in_a_checkpoints_tensors(whole):
    assert not [name for name in tensors(whole) if "second" in name or "time" in name]


def test_digital_layers_and_replicas_resume_too(tmp_path):
    for name, options in {"digital": {"exclude": ["fc2"]}, "replicas": {"replicas": 2}}.items():
        go(tmp_path / name / "whole", **options)
        go(tmp_path / name / "parts", stop_at=45, **options)
        go(tmp_path / name / "parts", resume=True, **options)
        same(tmp_path / name / "whole", tmp_path / name / "parts")


def test_a_replica_equals_the_run_of_its_seed(tmp_path):
    go(tmp_path / "both", replicas=2, seed=7)
    go(tmp_path / "alone", seed=8)
    both, alone = tensors(tmp_path / "both"), tensors(tmp_path / "alone")
    for name, value in alone.items():
        if name.endswith(".state"):
            stacked = both[name.replace("model.", "model.model.", 1)]
            assert torch.equal(stacked[1], value[0]), name
    assert [line["test_error_replicas"][1] for line in lasting(tmp_path / "both")] == [
        line["test_error"] for line in lasting(tmp_path / "alone")
    ]


def test_different_seeds_give_different_runs(whole, tmp_path):
    go(tmp_path / "noise", seed=1)
    go(tmp_path / "order", data_seed=1)
    folders = (whole, tmp_path / "noise", tmp_path / "order")
    states = [tensors(folder)["model.conv1.arrays.0.banks.devices.state"] for folder in folders]
    assert not any(torch.equal(a, b) for a, b in [(states[0], states[1]), (states[0], states[2])])


def test_config_toml_runs_again(whole, tmp_path):
    again = Experiment.from_toml((whole / "config.toml").read_text())
    assert again == experiment()


def test_a_full_disk_leaves_the_last_checkpoint(whole, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    go(folder, stop_at=30)
    before = (folder / "checkpoint.safetensors").read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    run = Run(experiment(), folder, digits(), resume=True)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    monkeypatch.undo()
    assert (folder / "checkpoint.safetensors").read_bytes() == before
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]
    go(folder, resume=True)
    same(folder, whole)


def test_a_full_disk_at_the_start_leaves_no_folder(tmp_path, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    run = Run(experiment(), tmp_path / "run", digits())
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    assert not (tmp_path / "run").exists()


def test_differences_and_merging():
    assert differences({"a": {"b": 1}}, {"a": {"b": 2}, "c": 3}) == ["a.b was 1 and is 2", "c was 'absent' and is 3"]
    assert merged({"cell": {"kind": "Single"}}, {"cell": {"kind": "Replicated", "n": 3}}) == {
        "cell": {"kind": "Replicated", "n": 3}
    }
    assert merged({"update": {"length": 10, "kind": "Pulses"}}, {"update": {"length": 1}}) == {
        "update": {"length": 1, "kind": "Pulses"}
    }


def test_all_faults_of_a_config_are_told_at_once():
    text = """
    [training]
    epoch = 3
    lr = -1
    [forward]
    nois = 0.1
    [devices]
    [layers.conv2.update]
    length = 99
    """
    with pytest.raises(InvalidValue) as caught:
        Experiment.from_toml(text)
    message = str(caught.value)
    for part in ("epoch: no such field; did you mean 'epochs'?", "lr is -1", "did you mean 'noise'?"):
        assert part in message
    assert "unknown section 'devices'; did you mean 'device'?" in message


def test_progress_is_what_a_checkpoint_stores():
    assert Progress().metrics == []


def test_a_learning_rate_in_steps_holds_from_its_epoch_on_and_survives_a_stop(tmp_path):
    """Stopped within epoch 2 and resumed, and compared with a loop whose rates are set by hand."""
    steps = {"lr": 0.01, "lr_steps": {2: 0.002, 3: 0.05}, "epochs": 3}
    go(tmp_path / "whole", **steps)
    go(tmp_path / "parts", stop_at=75, **steps)
    go(tmp_path / "parts", resume=True, **steps)
    same(tmp_path / "whole", tmp_path / "parts")

    run = Run(experiment(epochs=1), tmp_path / "by hand", digits())
    for epoch, rate in enumerate((0.01, 0.002, 0.05), 1):
        for group in run.optimizer.param_groups:
            group["lr"] = rate
        run.loop.settings = experiment(epochs=epoch).training
        run.loop.run()
    assert [line["test_error"] for line in run.loop.progress.metrics] == [
        line["test_error"] for line in lasting(tmp_path / "whole")
    ]
    for name, value in run.loop.tensors().items():
        assert torch.equal(value, tensors(tmp_path / "whole")[name]), name


def test_steps_of_the_learning_rate_are_read_and_written(tmp_path):
    given = experiment(model="mlp", lr_steps={21: 0.0025, "11": 0.005})
    assert given.training.lr_steps == {"11": 0.005, "21": 0.0025}
    assert Experiment.from_toml(given.to_toml()) == given
    rates = [given.training.rate(epoch) for epoch in (1, 10, 11, 20, 21, 30)]
    assert rates == [0.01, 0.01, 0.005, 0.005, 0.0025, 0.0025]
    for steps, fault in {
        (("1", 0.1),): "give an integer of at least 2",
        (("x", 0.1),): "give an integer of at least 2",
        (("2", 0.0),): "lr_steps.2 is 0.0; give a number greater than 0",
        (("2", 0.1), ("02", 0.1)): "twice",
    }.items():
        with pytest.raises(InvalidValue, match=fault.replace(".", r"\.")):
            experiment(lr_steps=dict(steps))
    with pytest.raises(InvalidValue, match="lr_steps is 3"):
        experiment(lr_steps=3)


def test_a_model_is_chosen_by_name(tmp_path):
    run = go(tmp_path / "run", model="mlp", epochs=1)
    assert [row.layer for row in run.arrays] == ["fc1", "fc2", "fc3"]
    assert (run.arrays[0].out, run.arrays[0].inputs) == (256, 785)
    assert run.loop.driver.name == "online"
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["title"].startswith("MLP on digits")
    with pytest.raises(InvalidValue, match="did you mean 'lenet'"):
        experiment(model="lenett")


def test_a_checkpoint_of_before_there_were_models_and_steps_continues(whole, tmp_path):
    """As such a run stored it: without the two fields."""
    from mho.training.checkpoint import load_checkpoint, save_checkpoint

    folder = tmp_path / "run"
    go(folder, stop_at=70)
    stored, notes = load_checkpoint(folder / "checkpoint.safetensors")
    for name in ("model", "lr_steps"):
        del notes["config"]["training"][name]
    save_checkpoint(folder / "checkpoint.safetensors", stored, notes)
    with pytest.raises(CheckpointError, match=r"training\.model was 'lenet' and is 'mlp'"):
        go(folder, resume=True, model="mlp")
    go(folder, resume=True)
    same(folder, whole)


def test_a_run_killed_between_its_last_checkpoint_and_its_metrics_catches_up(whole, tmp_path):
    folder = tmp_path / "run"
    go(folder)
    lines = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join(lines[:-1]))
    assert Run(experiment(), folder, digits(), resume=True).finished
    same(folder, whole)
