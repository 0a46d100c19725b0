"""Images: augmentation and schedules that resume to the bit, TensorBoard beside a run, Fashion-MNIST, mho data."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import struct
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import mho
from mho.data import Dataset, fashion_mnist, fetch, load
from mho.data.fashion_mnist import FASHION_MNIST
from mho.data.idx import NAMES
from mho.errors import CheckpointError, DataMissing, InvalidValue
from mho.models import NETWORKS
from mho.runs import Experiment, Run
from mho.runs.batches import batches
from mho.runs.sweep import Sweep
from mho.training import Training
from mho.training.augmentations import AUGMENTATIONS, Augmented
from mho.training.schedules import SCHEDULES, rates
from tests.helpers.command import mho as command

SMALL = ("--set", "training.train_images=30", "--set", "training.test_images=10", "--epochs", "2", "--model", "mlp")


def images(count: int = 24, channels: int = 3, size: int = 32) -> Dataset:
    generator = torch.Generator().manual_seed(5)
    x = torch.rand(count, channels, size, size, generator=generator)
    y = torch.randint(0, 10, (count,), generator=generator)
    return Dataset("images", x[:-4], y[:-4], x[-4:], y[-4:])


def experiment(**training: object) -> Experiment:
    tables = {"training": {"data": "cifar10_part", "model": "resnet8", "epochs": 2, "batch_size": 4, **training}}
    return Experiment.from_dict(mho.presets.floating_point().to_dict() | tables)


def go(folder: Path, made: Experiment, *, data: Dataset | None = None, stop_at: int = 0, resume: bool = False) -> Run:
    run = Run(made, folder, images() if data is None else data, resume=resume)
    run.loop.together = 1
    run.train(on_step=lambda progress: progress.steps == stop_at, on_epoch=lambda progress: None)
    return run


def lasting(run: Run) -> list[dict]:
    return [{k: v for k, v in line.items() if "second" not in k} for line in run.loop.progress.metrics]


# Augmentation ------------------------------------------------------------------------------------


def test_crops_and_flips_are_those_of_their_draws():
    data = images().x_train
    augmented = Augmented(AUGMENTATIONS, data, seed=7)
    places = torch.tensor([3, 0, 11])
    found = augmented(data[places], places, 4)
    draws = augmented._draws
    margin = F.pad(data, (4, 4, 4, 4))
    for own, place in zip(found, places.tolist(), strict=True):
        row, column = draws["crop"][place]
        part = margin[place, :, row : row + 32, column : column + 32]
        assert torch.equal(own, part.flip(2) if draws["flip"][place, 0] else part)
    assert torch.equal(data, images().x_train)  # left as they were


def test_draws_depend_on_seed_epoch_and_name_and_have_their_law():
    data = torch.zeros(9000, 1, 2, 2)
    made = {}
    for seed, epoch in ((0, 0), (0, 1), (1, 0)):
        augmented = Augmented(AUGMENTATIONS, data, seed=seed)
        augmented(data[:1], torch.tensor([0]), epoch)
        made[seed, epoch] = augmented._draws
    crop, flip = made[0, 0]["crop"], made[0, 0]["flip"]
    counts = np.bincount(crop.flatten(), minlength=9)
    assert np.abs(counts - 2000).max() < 5 * np.sqrt(2000)  # 9 equal shares of 18,000, five standard deviations
    assert abs(flip.mean() - 0.5) < 5 * 0.5 / np.sqrt(9000)
    for other in ((0, 1), (1, 0)):
        assert (made[other]["crop"] != crop).mean() > 0.8
    alike = Augmented(dict.fromkeys(("one", "other"), AUGMENTATIONS["flip"]), data, seed=0)
    alike(data[:1], torch.tensor([0]), 0)
    assert 0.45 < (alike._draws["one"] != alike._draws["other"]).mean() < 0.55
    assert abs(np.corrcoef(crop[:, 0], crop[:, 1])[0, 1]) < 5 / np.sqrt(9000)
    assert abs(np.corrcoef(crop[:, 0], flip[:, 0])[0, 1]) < 5 / np.sqrt(9000)


def test_augmented_runs_resume_with_the_same_bits(tmp_path):
    made = experiment(augment=["crop", "flip"], schedule="cosine", lr=0.1)
    whole = go(tmp_path / "whole", made)
    go(tmp_path / "parts", made, stop_at=7)
    parts = go(tmp_path / "parts", made, resume=True)
    assert lasting(parts) == lasting(whole)
    for name, value in whole.loop.tensors().items():
        assert torch.equal(value, parts.loop.tensors()[name]), name
    plain = go(tmp_path / "plain", experiment(schedule="cosine", lr=0.1))
    seeded = go(tmp_path / "seeded", experiment(augment=["crop", "flip"], schedule="cosine", lr=0.1, data_seed=1))
    assert len({run.loop.progress.metrics[0]["train_loss"] for run in (whole, plain, seeded)}) == 3
    config = (tmp_path / "whole" / "config.toml").read_text()
    assert Experiment.from_toml(config) == made
    assert "augment" not in (tmp_path / "plain" / "config.toml").read_text()
    with pytest.raises(CheckpointError, match=r"training\.augment was \['crop', 'flip'\] and is"):
        Run(experiment(augment=["flip"], schedule="cosine", lr=0.1), tmp_path / "whole", images(), resume=True)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"augment": ["corp"]}, "augment has 'corp'; did you mean 'crop'"),
        ({"augment": ["crop", "crop"]}, "augment has 'crop' twice"),
        ({"augment": "crop"}, r"augment is 'crop'; give a list of names"),
        ({"schedule": "cosinus"}, "schedule is 'cosinus'; did you mean 'cosine'"),
        ({"schedule": 3}, "schedule is 3"),
        ({"schedule": "cosine", "lr_steps": {2: 0.1}}, "both say the learning rate of an epoch"),
    ],
)
def test_settings_out_of_range(changes, part):
    with pytest.raises(InvalidValue, match=part):
        Training(**changes)


def test_only_images_are_augmented(tmp_path):
    made = experiment(data="iris", model="mlp", augment=["crop"])
    with pytest.raises(InvalidValue, match=r"augment is .* an example of the data has shape 4 torch.float32"):
        Run(made, tmp_path / "run", load("iris"))


# Schedules ---------------------------------------------------------------------------------------


def test_cosine_rates_are_those_of_torch():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=7)
    settings = Training(schedule="cosine", lr=0.3, epochs=7)
    for epoch in range(1, 8):
        assert settings.rate(epoch) == optimizer.param_groups[0]["lr"]
        assert settings.rate(epoch) == pytest.approx(0.15 * (1 + np.cos(np.pi * (epoch - 1) / 7)))
        optimizer.step()
        scheduler.step()
    assert rates("constant", 0.3, 2) == (0.3, 0.3)
    assert set(SCHEDULES) == {"constant", "cosine"}


def test_a_cosine_schedule_reaches_the_optimizer_and_fixes_the_epochs(tmp_path):
    made = experiment(schedule="cosine", lr=0.1, epochs=3)
    run = Run(made, tmp_path / "run", images())
    seen = []
    run.train(
        on_step=lambda progress: seen.append((progress.epoch + 1, run.optimizer.param_groups[0]["lr"])) and None,
        on_epoch=lambda progress: None,
    )
    assert dict(seen) == {epoch: made.training.rate(epoch) for epoch in (1, 2, 3)}
    longer = dataclasses.replace(made, training=dataclasses.replace(made.training, epochs=4))
    with pytest.raises(CheckpointError, match=r"epochs was 3 and is 4, at which the cosine schedule of the rate ends"):
        Run(longer, tmp_path / "run", images(), resume=True)
    names = []
    for schedule in ("constant", "cosine"):
        for epochs in (3, 4):
            base = {
                "training": {"epochs": epochs, "schedule": schedule},
                "sweep": {"grid": {"training.lr": [0.1, 0.2]}},
            }
            names.append(tuple(batch.name for batch in batches(Sweep(base))))
    assert names[0] == names[1]  # may grow
    assert len(set(names)) == 3


# TensorBoard -------------------------------------------------------------------------------------


class Writer:
    """As of torch.utils.tensorboard, whose package may not be installed: a line a number."""

    def __init__(self, folder: str) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.file = Path(folder) / f"events.out.tfevents.{len(list(Path(folder).iterdir()))}.new"

    def add_scalar(self, name: str, value: float, step: int) -> None:
        with self.file.open("a") as file:
            file.write(json.dumps([name, value, step]) + "\n")

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_run_is_written_for_tensorboard_also_when_it_is_resumed(tmp_path, monkeypatch):
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    words = ("train", *SMALL, "--out", "run")
    assert command(*words, cwd=tmp_path).returncode == 0
    assert not (tmp_path / "run" / "tensorboard").exists()
    for epochs in ("3", "4"):
        done = command(*words, "--resume", "--epochs", epochs, "--tensorboard", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (file,) = (tmp_path / "run" / "tensorboard").iterdir()
        scalars = [json.loads(line) for line in file.read_text().splitlines()]
        lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
        assert len(lines) == int(epochs)
        wanted = [[name, value, line["epoch"]] for line in lines for name, value in line.items() if name != "epoch"]
        assert scalars == wanted


def test_without_tensorboard_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    done = command("train", *SMALL, "--out", "run", "--tensorboard", cwd=tmp_path)
    assert done.returncode == 1
    assert 'pip install "mho[tensorboard]"' in done.stderr
    assert not (tmp_path / "run").exists()


# Fashion-MNIST, and fetching ---------------------------------------------------------------------


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Files as they are published, of a few images, in the folder fashion_mnist of $MHO_DATA."""
    folder = tmp_path / "fashion_mnist"
    folder.mkdir()
    generator = np.random.default_rng(0)
    arrays = {}
    for name in NAMES:
        count = 30 if name.startswith("train") else 10
        arrays[name] = generator.integers(0, 256, (count, 28, 28)) if "images" in name else np.arange(count) % 10
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx(arrays[name]), mtime=0))
    digests = {name: hashlib.md5((folder / f"{name}.gz").read_bytes()).hexdigest() for name in NAMES}
    for name, value in (("packed", digests), ("sizes", {name: array.shape for name, array in arrays.items()})):
        monkeypatch.setitem(vars(FASHION_MNIST), name, value)  # it is frozen
    monkeypatch.setenv("MHO_DATA", str(tmp_path))
    return folder, arrays


def test_fashion_mnist_is_read_packed_or_not(made):
    folder, arrays = made
    data = fashion_mnist()
    assert torch.equal((255 * data.x_train).round()[:, 0].int(), torch.from_numpy(arrays[NAMES[0]]).int())
    assert data.y_test.tolist() == arrays[NAMES[3]].tolist()
    assert data.symbols[9] == "Ankle boot"
    for name in NAMES:
        (folder / f"{name}.gz").unlink()
        (folder / name).write_bytes(idx(arrays[name]))
    assert torch.equal(load("fashion_mnist", folder).x_test, data.x_test)
    assert torch.equal(load("fashion_mnist", folder.parent).x_test, data.x_test)
    (folder / NAMES[0]).write_bytes(idx(arrays[NAMES[2]]))
    with pytest.raises(InvalidValue, match=r"is not Fashion-MNIST's train-images-idx3-ubyte"):
        fashion_mnist()


def test_another_file_for_fashion_mnist_is_named(made):
    folder, arrays = made
    (folder / f"{NAMES[1]}.gz").write_bytes(gzip.compress(idx(arrays[NAMES[1]] + 1)))
    with pytest.raises(InvalidValue, match=r"train-labels-idx1-ubyte\.gz is not Fashion-MNIST's .* checksum differs"):
        fashion_mnist()
    (folder / f"{NAMES[1]}.gz").unlink()
    with pytest.raises(DataMissing, match=r"no train-labels-idx1-ubyte\.gz in"):
        fashion_mnist(folder)


def test_files_of_mnist_are_no_fashion_mnist(made, tmp_path, monkeypatch):
    folder, _ = made
    for file in folder.iterdir():
        file.rename(tmp_path / file.name)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache"))
    assert not FASHION_MNIST.is_here(None)  # MNIST's have the same names, and lie in $MHO_DATA itself


def test_data_are_listed_and_fetched(made, tmp_path):
    listed = command("data", "list", cwd=tmp_path)
    for part in (
        "digits         1×28×28  comes with mho",
        "fashion_mnist  1×28×28  on this machine",
        "csv:FILE[:COLUMN]",
    ):
        assert part in listed.stdout
    done = command("data", "fetch", "fashion_mnist", cwd=tmp_path)
    assert done.stdout == "fashion_mnist: 30 examples 1×28×28 for training, 10 for the test\n"
    for name, part in {
        "iris": "iris comes with mho and needs no download",
        "fashionmnist": "did you mean 'fashion_mnist'",
        "text:mine.txt": "is no data set that can be fetched",
    }.items():
        with pytest.raises(InvalidValue, match=part):
            fetch(name)
    empty = command("data", "fetch", "mnist", "fashion_mnist", "--data-dir", "nowhere", cwd=tmp_path)
    assert empty.returncode == 1
    assert "--data-dir: there is no folder nowhere" in empty.stderr


def test_a_part_of_a_data_set_is_listed_as_a_part(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache"))
    for file, place in (
        (None, "not on this machine: mho data fetch cifar10"),
        ("cifar10-15k.npz", "on this machine: only cifar10_part, a part of it; the whole: mho data fetch cifar10"),
        ("cifar-10-binary.tar.gz", "on this machine"),
    ):
        if file is not None:
            (tmp_path / file).touch()
        lines = command("data", "list", cwd=tmp_path, MHO_DATA=str(tmp_path)).stdout.splitlines()
        assert f"cifar10        3×32×32  {place}" in lines


def test_fashion_mnist_trains_the_networks_of_mnist(made, tmp_path):
    for model in ("lenet", "gru"):
        assert NETWORKS[model].takes((1, 28, 28))
        words = ("train", "--data", "fashion_mnist", "--model", model, "--epochs", "1", "--out", model)
        done = command(*words, "--set", "training.train_images=8", "--set", 'training.augment=["crop"]', cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert mho.load(tmp_path / "gru").model.inputs == 28


# Networks of CIFAR-10 ----------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["resnet20", "vgg8"])
def test_networks_for_cifar10_train_and_resume(tmp_path, model):
    made = experiment(model=model, lr=0.05, epochs=1, batch_size=2)
    data = images(10)
    whole = go(tmp_path / "whole", made, data=data)
    go(tmp_path / "parts", made, data=data, stop_at=2)
    assert lasting(go(tmp_path / "parts", made, data=data, resume=True)) == lasting(whole)
    shortcuts = [name for name, _ in whole.model.named_modules() if "downsample" in name]
    assert not shortcuts  # option A has no parameters there
