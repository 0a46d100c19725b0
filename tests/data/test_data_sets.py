"""Data sets."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from mho.data import digits, load, mnist
from mho.data.cifar10 import cifar10_is_here
from mho.errors import DataMissing, InvalidValue

cifar10_file = importlib.import_module("mho.data.cifar10")
"""The module: the room's function has its name."""


def test_digits_look_like_mnist():
    data = digits()
    assert data.train_images.shape == (1437, 1, 28, 28)
    assert data.test_images.shape == (360, 1, 28, 28)
    assert data.train_images.dtype == torch.float32
    assert float(data.train_images.min()) == 0.0
    assert 0.9 < float(data.train_images.max()) <= 1.0
    assert sorted(set(data.test_labels.tolist())) == list(range(10))
    assert float(data.train_images[:, :, :2].abs().max()) == 0.0


@pytest.mark.skipif("MHO_DATA" not in os.environ, reason="MHO_DATA names no folder with MNIST")
def test_mnist_is_the_published_one():
    data = mnist()
    assert data.train_images.shape == (60000, 1, 28, 28)
    assert data.test_images.shape == (10000, 1, 28, 28)
    assert float(data.train_images.mean()) == pytest.approx(0.13066, abs=2e-5)  # published to five digits
    assert float(data.train_images.std()) == pytest.approx(0.30811, abs=2e-5)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]


@pytest.mark.skipif("MHO_DATA" not in os.environ, reason="MHO_DATA names no folder with MNIST")
def test_lenet_learns_mnist_on_arrays():
    """2,000 images, one epoch, all management: 15 % in the mean of trials with other seeds; untrained is 90 %."""
    from mho.presets import gokmen_2017
    from mho.runs import Experiment, Run

    tables = gokmen_2017(pulses=1, update_management=True).to_dict()
    tables["training"] = {"data": "mnist", "epochs": 1, "train_images": 2000, "test_images": 1000}
    run = Run(Experiment.from_dict(tables), Path("never-written"), mnist())
    run.loop.run()
    assert run.loop.progress.metrics[-1]["test_error"] < 25


def test_a_wrong_file_is_named(tmp_path):
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DataMissing, match=r"no t10k-labels-idx1-ubyte\.gz"):
        mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(b"")
    with pytest.raises(InvalidValue, match="its checksum differs"):
        mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"not packed")
    with pytest.raises(InvalidValue, match="cannot be read"):
        mnist(tmp_path)


@pytest.mark.skipif(not cifar10_is_here(), reason="CIFAR-10 is not on this machine")
def test_cifar10s_part_is_of_the_published_images():
    data = load("cifar10_part")
    assert (data.train_images.shape, data.test_images.shape) == ((10_000, 3, 32, 32), (5000, 3, 32, 32))
    assert data.train_labels[:5].tolist() == [6, 9, 9, 4, 1]
    assert (data.test_images.min(), data.test_images.max()) == (0, 1)
    # published of all 50,000 images; of 10,000 the means differ by 0.25 / √10,000, correlated within an image
    assert data.train_images.mean((0, 2, 3)).tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=0.004)
    assert data.train_images.std((0, 2, 3)).tolist() == pytest.approx([0.2470, 0.2435, 0.2616], abs=0.004)


@pytest.fixture
def small_cifar10(tmp_path, monkeypatch):
    """An archive as it is published, of 10 images a file, of which number, label and pixels tell."""
    numbers = np.arange(60, dtype=np.uint8)
    records = np.concatenate([numbers[:, None] % 10, np.repeat(numbers[:, None], 3072, 1)], 1)
    records[:, 1] = 255  # the first pixel of red
    with tarfile.open(tmp_path / cifar10_file.WHOLE, "w:gz") as archive:
        for place, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
            content = records[10 * place : 10 * place + 10].tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    digest = hashlib.md5((tmp_path / cifar10_file.WHOLE).read_bytes()).hexdigest()
    monkeypatch.setattr(cifar10_file, "WHOLE_MD5", digest)
    for name, value in (("TRAINED", 12), ("TESTED", 3), ("HELD_OUT", 48)):
        monkeypatch.setattr(cifar10_file, name, value)
    return tmp_path


def test_cifar10_is_read_whole_or_cut(small_cifar10, monkeypatch):
    whole = load("cifar10", small_cifar10)
    assert whole.name == "cifar10"
    assert (255 * whole.train_images[:, 1, 3, 4]).round().tolist() == list(range(50))
    assert whole.train_images[:, 0, 0, 0].tolist() == [1.0] * 50
    assert whole.test_labels.tolist() == list(range(10))
    with pytest.raises(InvalidValue, match="does not hold the part"):
        load("cifar10_part", small_cifar10)
    digest = hashlib.md5()
    for images in ([*range(12)], [50, 51, 52, 48, 49]):
        pixels = np.repeat(np.array(images, np.uint8)[:, None], 3072, 1)
        pixels[:, 0] = 255
        digest.update(pixels.tobytes())
        digest.update((np.array(images, np.uint8) % 10).tobytes())
    monkeypatch.setattr(cifar10_file, "PART_MD5", digest.hexdigest())
    part = load("cifar10_part", small_cifar10)
    assert (255 * part.train_images[:, 2, 1, 1]).round().tolist() == list(range(12))
    assert part.test_labels.tolist() == [0, 1, 2, 8, 9]


def test_wrong_files_of_cifar10_are_named(tmp_path):
    with pytest.raises(DataMissing, match=r"no cifar-10-binary.tar.gz in .*, and no cifar10-15k.npz"):
        load("cifar10", tmp_path)
    (tmp_path / "cifar10-15k.npz").write_bytes(b"PK")
    with (
        pytest.warns(UserWarning, match="--data cifar10_part names"),
        pytest.raises(InvalidValue, match="cannot be read"),
    ):
        load("cifar10", tmp_path)
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"something else")
    with pytest.raises(InvalidValue, match=r"is not the published cifar-10-binary\.tar\.gz"):
        load("cifar10", tmp_path)


def test_options_without_effect_raise(tmp_path):
    with pytest.raises(InvalidValue, match="no effect"):
        load("digits", tmp_path)
    with pytest.raises(InvalidValue, match="did you mean 'mnist'"):
        load("mnst")
