"""A run as a model: every task loads with the bits that were stored, and wrong inputs are told in words."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import r2_score

import mho
from mho.data import load as load_data
from mho.errors import CheckpointError, DataMissing, InvalidValue, MhoError
from mho.nn import replica_outputs
from mho.runs import Experiment, Run, TrainedRun
from mho.training import checkpoint as checkpoints
from mho.training.checkpoint import load_checkpoint, save_checkpoint
from tests.helpers.checkout import ROOT

MODULE = """
import torch
from torch import nn
import mho
from mho.training import Task

class Letters(nn.Module):
    def __init__(self):
        super().__init__()
        self.codes, self.out = nn.Embedding(40, 6), nn.Linear(6, 40)
    def forward(self, x):
        return self.out(self.codes(x))

class Law(mho.Device):
    dw_min: float = mho.per_cell(0.002, spread=0.3)
    w_max: float = mho.per_cell(0.6, spread=0.3)
    w_min: float = mho.per_cell(-0.6, spread=0.3)
    @staticmethod
    def pulse(w, up, cell, z):
        return w + cell.dw_min if up else w - cell.dw_min

class Distance(Task):
    measure = "distance"
    loss = staticmethod(nn.functional.mse_loss)
    def error(self, out, y):
        return (out - y).abs().mean(dim=1)

def line():
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))

def flowers():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))

def numbers():
    x = torch.rand(30, 3, generator=torch.Generator().manual_seed(0))
    y = torch.stack([x.sum(1), x[:, 0] * x[:, 1]], 1)
    return (x[:20], y[:20]), (x[20:], y[20:])
"""
SMALL = {"epochs": 1, "train_images": 30, "test_images": 20}
EXCLUDED = {"exclude": ["codes"]}
RUNS = {
    "digits": {"model": "mlp", "data": "digits", "validation": 10},
    "lenet": {"model": "lenet", "data": "digits", "replicas": 2, "validation": 10},
    "iris": {"model": "own_run:flowers", "data": "iris", "epochs": 2, "validation": 0.2},
    "digital": {"model": "mlp", "data": "digits", "exclude": ["fc3"], "validation": 10},
    "regression": {"model": "own_run:line", "data": "own_run:numbers", "task": "regression", "batch_size": 2},
    "three": {"model": "own_run:line", "data": "own_run:numbers", "task": "regression", "replicas": 3},
    "file": {"model": "own_run:line", "data": "numbers.npz", "task": "regression"},
    "own task": {"model": "own_run:line", "data": "own_run:numbers", "task": "own_run:Distance", "validation": 5},
    "letters": {"model": "own_run:Letters", "data": "letters.txt", "task": "next_character", **EXCLUDED},
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with a user's module and files."""
    (tmp_path / "own_run.py").write_text(MODULE)
    (tmp_path / "letters.txt").write_text("the quick brown fox jumps over the lazy dog, " * 40)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("own_run", None)
    import own_run

    (x, y), (x_test, y_test) = own_run.numbers()
    np.savez(tmp_path / "numbers.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    yield tmp_path
    sys.modules.pop("own_run", None)


def train(folder: Path, *, rpu: mho.RPU | None = None, stop_at: int = 0, **training: object) -> Run:
    rpu = rpu or mho.presets.gokmen_2017(pulses=1, update_management=True)
    experiment = Experiment.from_dict(rpu.to_dict() | {"training": SMALL | training})
    run = Run(experiment, folder, load_data(experiment.training.data))
    run.loop.together = 1 if stop_at else run.loop.together
    run.train(on_step=lambda progress: progress.steps == stop_at, on_epoch=lambda progress: None)
    return run


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory):
    """A run on exact arrays, whose answers have no noise; the last of its three epochs is not the best."""
    folder = tmp_path_factory.mktemp("runs") / "digits-1"
    train(folder, rpu=mho.presets.floating_point(), model="mlp", epochs=3, train_images=60, validation=20, lr=0.2)
    return folder


@pytest.fixture
def copy(digits_run, tmp_path):
    """A copy to spoil."""
    return Path(shutil.copytree(digits_run, tmp_path / "runs" / "digits-1"))


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_every_kind_answers_with_the_bits_of_the_trained_model(place, name):
    run = train(place / "run", **RUNS[name])
    torch.rand(3)  # or building the network anew would come to the state that is here
    before = torch.get_rng_state()
    loaded = mho.load("run")
    assert torch.equal(torch.get_rng_state(), before)
    assert not loaded.model.training
    x, y = run.loop.data.x_test, run.loop.data.y_test
    with torch.no_grad():
        out = replica_outputs(run.model.eval(), x, per_replica=False)  # with the noise that comes after the checkpoint
    task, replicas = run.loop.task, RUNS[name].get("replicas", 1)
    wanted = torch.stack([task.predict(own) for own in out])
    found = loaded.predict(x)
    assert torch.equal(found, wanted if replicas > 1 else wanted[0])
    assert torch.equal(loaded.data.x_test, x)
    assert len(loaded.data.x_train) >= len(run.loop.data.x_train)
    assert loaded.config == run.experiment
    assert loaded.history == run.loop.progress.metrics
    scores = loaded.score() if replicas > 1 else [loaded.score()]
    assert len(scores) == replicas
    if "validation" in RUNS[name]:
        assert mho.load("run", checkpoint="best").predict().shape == found.shape
    assert loaded.score(x, y) is not None


def test_scores_are_those_of_scikit_learn(digits_run, place):
    loaded = mho.load(digits_run)
    data, last = loaded.data, loaded.history[-1]
    assert loaded.score() == pytest.approx(1 - last["test_error"] / 100)
    assert loaded.score() == np.mean(loaded.predict(data.x_test.numpy()) == data.y_test.numpy())
    exact = mho.presets.floating_point()
    train(place / "run", rpu=exact, **RUNS["regression"])
    regression = mho.load("run")
    test = regression.data
    wanted = r2_score(test.y_test.numpy(), regression.predict(test.x_test.numpy()))
    assert regression.score() == pytest.approx(wanted)
    train(place / "own", rpu=exact, **RUNS["own task"])
    own = mho.load("own")
    assert own.score() == pytest.approx(1 - own.history[-1]["test_error"] / 100)
    with pytest.raises(InvalidValue, match="give two or more examples"):
        regression.score(test.x_test[:1], test.y_test[:1])


def test_best_has_the_weights_of_the_lowest_validation_error(digits_run):
    loaded = mho.load(digits_run, checkpoint="best")
    errors = [line["validation_error"] for line in loaded.history]
    best = loaded.history[errors.index(min(errors))]
    assert best["epoch"] < 3, "the best epoch must not be the last, or nothing is shown"
    stored = load_file(digits_run / "best.safetensors")
    for name, value in loaded.model.state_dict().items():
        assert torch.equal(value, stored[f"model.{name}"]), name
    assert loaded.score() == pytest.approx(1 - best["test_error"] / 100)


def test_an_array_gives_an_array_and_a_tensor_a_tensor(digits_run):
    loaded = mho.load(digits_run)
    x = loaded.data.x_test[:3]
    for given in (x.numpy(), x.numpy().astype(np.float64), x.tolist()):
        assert isinstance(loaded.predict(given), np.ndarray)
        assert loaded.predict(given).tolist() == loaded.predict(x).tolist()
    assert isinstance(loaded.predict(x), torch.Tensor)
    assert loaded.predict(x).dtype == torch.int64
    assert "mlp on digits" in repr(loaded)
    assert isinstance(loaded, TrainedRun)


def test_a_prediction_needs_no_data(tmp_path, monkeypatch):
    """MNIST's files may stay where the run was trained."""
    train(tmp_path / "run", model="mlp")
    config = (tmp_path / "run" / "config.toml").read_text().replace('data = "digits"', 'data = "mnist"')
    (tmp_path / "run" / "config.toml").write_text(config)
    tensors, notes = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    notes["config"]["training"]["data"] = "mnist"
    save_checkpoint(tmp_path / "run" / "checkpoint.safetensors", tensors, notes)
    loaded = mho.load(tmp_path / "run", data_folder=tmp_path / "nowhere")
    assert loaded.predict(np.zeros((4, 1, 28, 28))).shape == (4,)
    with pytest.raises(DataMissing):
        loaded.data  # noqa: B018


def test_a_run_that_was_stopped_in_an_epoch_loads(tmp_path):
    train(tmp_path / "run", model="mlp", stop_at=7)
    loaded = mho.load(tmp_path / "run")
    assert loaded.history == []
    assert loaded.predict().shape == (20,)


def test_a_changed_source_is_refused_until_its_hash_is_deleted(place):
    import own_run

    train(place / "run", rpu=mho.RPU(device=own_run.Law()), **RUNS["regression"])
    config = place / "run" / "config.toml"
    (place / "own_run.py").write_text(MODULE.replace("w + cell.dw_min if", "w + 2 * cell.dw_min if"))
    del sys.modules["own_run"]
    with pytest.raises(InvalidValue, match=r"config\.toml, to build the run's model") as caught:
        mho.load("run")
    for part in ("model_hash: the source of own_run:line", "law_hash: the source of own_run:Law"):
        assert f"{part} has changed" in str(caught.value)
    assert "restore the law, or delete the line law_hash" in str(caught.value)
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(line for line in lines if "_hash" not in line))
    assert mho.load("run").predict().shape == (10, 2)
    (place / "own_run.py").unlink()
    del sys.modules["own_run"]
    with pytest.raises(InvalidValue, match=r"'own_run:line' cannot be imported.*put the module's folder on PYTHONPATH"):
        mho.load("run")


def spoil_no_folder(run: Path) -> Path:
    return run.parent / "digits-2"


def spoil_case(run: Path) -> Path:
    return run.rename(run.parent / "v").parent / "V"


def spoil_file(run: Path) -> Path:
    return run / "config.toml"


def spoil_no_run(run: Path) -> Path:
    (run.parent / "other").mkdir()
    return run.parent / "other"


def spoil_sweep(run: Path) -> Path:
    return run.parent.parent


def spoil_empty_sweep(run: Path) -> Path:
    (run.parent / "sweep.toml").touch()
    return run.parent


def spoil_learned(run: Path) -> Path:
    (run / "config.toml").write_text("[spectral]\nhidden = 4\n")
    return run


def spoil_config(run: Path) -> Path:
    (run / "config.toml").write_text("[training")
    return run


def spoil_settings(run: Path) -> Path:
    config = (run / "config.toml").read_text()
    (run / "config.toml").write_text(config.replace("[training]", "[training]\nepoch = 3"))
    return run


def spoil_network(run: Path) -> Path:
    config = (run / "config.toml").read_text()
    (run / "config.toml").write_text(config.replace('model = "mlp"', 'model = "lenet"'))
    return run


def spoil_no_checkpoint(run: Path) -> Path:
    (run / "checkpoint.safetensors").unlink()
    return run


def spoil_checkpoint(run: Path) -> Path:
    content = (run / "checkpoint.safetensors").read_bytes()
    (run / "checkpoint.safetensors").write_bytes(content[: len(content) // 2])
    return run


def spoil_version(run: Path) -> Path:
    file = run / "checkpoint.safetensors"
    tensors, notes = load_checkpoint(file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "PHYSICS_VERSION", 0)
        save_checkpoint(file, tensors, notes)
    return run


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            spoil_no_folder,
            r"there is no run folder .*digits-2.*give a folder that mho train wrote; did you mean .*digits-1\?",
        ),
        (spoil_case, r"there is no run folder .*V .*; did you mean .*v\?"),
        (spoil_file, r"config\.toml is a file; give the run folder that it is in: .*digits-1"),
        (spoil_no_run, r"other is no run folder: it has no config\.toml; give the folder that mho train named"),
        (spoil_sweep, r"holds 1 in .*runs, as a sweep does; load one of them, for example .*digits-1"),
        (spoil_empty_sweep, r"holds 0 in .*runs, as a sweep does; load one of them, once it has begun"),
        (spoil_learned, r"a run of mho learn, with a section \[spectral\].*use mho\.learning\.SpectralRNN\.load"),
        (spoil_config, r"config\.toml cannot be read: .*; restore it"),
        (spoil_settings, r"training\.epoch: no such field; did you mean 'epochs'"),
        (spoil_network, r"trained with another config\.toml:\n  training\.model was 'mlp' and is 'lenet'\nrestore"),
        (spoil_no_checkpoint, r"has no checkpoint\.safetensors: .*continue it with  mho train --out .* --resume"),
        (spoil_checkpoint, r"checkpoint\.safetensors is damaged or no checkpoint .*delete it to start the run afresh"),
        (spoil_version, r"has version of the physics '0', and this mho has .*use that version"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_folder_that_is_no_model_says_what_to_give(copy, spoil, words):
    with pytest.raises(MhoError, match=f"(?s){words}"):
        mho.load(spoil(copy))


def test_the_home_folder_is_known(copy, monkeypatch):
    monkeypatch.setenv("HOME", str(copy.parent))
    assert mho.load(f"~/{copy.name}").folder == copy


def test_checkpoints_by_name(copy, tmp_path):
    with pytest.raises(InvalidValue, match="checkpoint is 'bst'; did you mean 'best'"):
        mho.load(copy, checkpoint="bst")
    (copy / "best.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError, match=r'best\.safetensors is damaged .*; load checkpoint="last"'):
        mho.load(copy, checkpoint="best")
    (copy / "best.safetensors").unlink()
    with pytest.raises(InvalidValue, match=r"has no best\.safetensors: no epoch has ended yet, or"):
        mho.load(copy, checkpoint="best")
    train(tmp_path / "run", model="mlp")
    with pytest.raises(InvalidValue, match=r"holds out no examples .*; load checkpoint=\"last\", or train with"):
        mho.load(tmp_path / "run", checkpoint="best")
    with pytest.raises(InvalidValue, match="the run folder is 3; give the path"):
        mho.load(3)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((28, 28)), r"x has shape \(28, 28\), and the run .* takes \(n, 1, 28, 28\), n at least 1"),
        (np.zeros((1, 28, 28)), r"a single example is x\[None\]"),
        (np.zeros((0, 1, 28, 28)), r"x has shape \(0, 1, 28, 28\).*n at least 1"),
        (
            np.zeros((2, 1, 8, 8)),
            r"cannot take x of shape \(2, 1, 8, 8\); give .*trained on, 1×28×28: x of shape \(n, 1, 28, 28\)",
        ),
        (np.full((1, 1, 28, 28), np.nan), "x holds NaN or infinite numbers; give finite numbers"),
        (np.zeros((1, 1, 28, 28), np.uint8), r"x is torch\.uint8; give float32, for pixels x / 255"),
        (np.zeros((1, 1, 28, 28), complex), "x is complex; give real numbers"),
        ("five", "x is a str .*; give an array of numbers"),
        ([[1.0], [1.0, 2.0]], "x is a list of 2 .*; give an array of numbers"),
    ],
    ids=["2d", "3d", "empty", "size", "nan", "bytes", "complex", "text", "ragged"],
)
def test_wrong_inputs_are_told_with_what_is_taken(digits_run, x, words):
    with pytest.raises(InvalidValue, match=words):
        mho.load(digits_run).predict(x)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (2, None, "score got x without y; give both, or neither"),
        (None, [1], "score got y without x"),
        (2, [1, 2, 3], "x has 2 examples and y has 3; give one target per example"),
        (2, [[1], [2]], r"y has shape \(2, 1\), and the run .* takes \(n,\)"),
        (2, [1.0, 2.0], r"y is torch\.float32, and the run .* takes whole numbers \(n,\); give int64"),
        (2, [1, 12], "gives 10 logits and the data have classes up to 12"),
    ],
    ids=["no y", "no x", "lengths", "shape", "floats", "classes"],
)
def test_wrong_targets_are_told_with_what_is_taken(digits_run, x, y, words):
    loaded = mho.load(digits_run)
    with pytest.raises(InvalidValue, match=words):
        loaded.score(None if x is None else loaded.data.x_test[:x], y)


def test_a_damaged_history_is_told_when_it_is_asked_for(copy):
    loaded = mho.load(copy)
    (copy / "metrics.jsonl").write_text('{"epoch": 1}\nnot json\n')
    with pytest.raises(InvalidValue, match=r"metrics\.jsonl: line 2 is not JSON"):
        loaded.history  # noqa: B018
    (copy / "metrics.jsonl").unlink()
    with pytest.raises(InvalidValue, match=r"there is no file .*metrics\.jsonl"):
        loaded.history  # noqa: B018
    assert json.loads((copy / "summary.json").read_text())["schema"]


def keys(value: object) -> set[str]:
    """Every key of nested tables but names of layers."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    if not isinstance(value, dict):
        return set()
    return set(value) | set().union(*map(keys, value.values()))


def test_the_docs_name_every_file_and_key(tmp_path):
    from mho.report import write_report

    run = train(tmp_path / "run", **RUNS["lenet"])
    write_report(run.folder)
    documented = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
    words = set(re.findall(r"[\w.]+", documented))
    assert {file.name for file in run.folder.iterdir()} <= words
    summary = json.loads((run.folder / "summary.json").read_text())
    counted = summary.pop("counters")
    assert counted
    _, notes = load_checkpoint(run.folder / "checkpoint.safetensors")
    training = notes.pop("config")["training"]
    lines = {name.removesuffix("_replicas") for name in run.loop.progress.metrics[-1]}
    missing = (keys(summary) | set(notes) | set(notes["progress"]) | set(training) | lines) - words
    assert not missing
