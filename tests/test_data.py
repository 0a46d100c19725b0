"""Data sets."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
import torch

from mho.data import digits, load, mnist
from mho.errors import DataMissing, InvalidValue


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


def test_options_without_effect_raise(tmp_path):
    with pytest.raises(InvalidValue, match="no effect"):
        load("digits", tmp_path)
    with pytest.raises(InvalidValue, match="did you mean 'mnist'"):
        load("mnst")
