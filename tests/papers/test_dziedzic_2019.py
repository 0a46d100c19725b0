"""The studies of Dziedzic et al. 2019: they resume to the bit, and their tests are what they say."""

from __future__ import annotations

import dataclasses
import json
import math
import os

import pytest
import torch
from torch import nn

from mho.errors import InvalidValue
from mho.nn import BandLimitedConv2d, array_layers, band_limit
from mho.papers import PAPERS
from mho.papers.dziedzic_2019.networks import lenet_50
from mho.papers.dziedzic_2019.study import BandLimited, accuracy, limits, mean_compression, on_arrays, ramp

needs_data = pytest.mark.skipif("MHO_DATA" not in os.environ, reason="MHO_DATA names no folder with MNIST")
SMALL = BandLimited(data="mnist", epochs=2, schedule=2, lr=0.05, train_images=300, test_images=60, probe_images=10)
STUDIES = {
    "plain": SMALL,
    "compressed": dataclasses.replace(SMALL, compression=50.0),
    "energy": dataclasses.replace(SMALL, energy=95.0),
}


def train(study, folder, *, stops_after: int = 10**9) -> list[dict[str, float]]:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > stops_after

    study.run(folder, seed=1, data_folder=None, on_progress=lambda epoch, share: None, stop=stop)
    file = folder / "metrics.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [{name: value for name, value in line.items() if "second" not in name} for line in lines]


@needs_data
@pytest.mark.parametrize("name", ["plain", "energy"])
def test_a_stopped_study_ends_as_one_that_was_not(tmp_path, name: str) -> None:
    study = STUDIES[name]
    whole = train(study, tmp_path / "whole")
    assert [line["epoch"] for line in whole] == [1, 2]
    assert len(train(study, tmp_path / "parts", stops_after=4)) == 1  # in the second epoch of three steps
    assert repr(train(study, tmp_path / "parts")) == repr(whole)  # by repr: NaN equals nothing
    first, last = whole
    assert math.isnan(first["accuracy"])
    assert all(0 <= value <= 100 for name, value in last.items() if name not in ("epoch", "train_loss"))
    assert last["train_loss"] < first["train_loss"] < 3
    if name == "plain":
        assert last["compression"] == 0


@needs_data
def test_the_quick_version_of_a_curve_keeps_its_check(tmp_path) -> None:
    paper = PAPERS["dziedzic_2019"]
    last = train(paper.study("lenet_50").quick(), tmp_path)[-1]
    (check,) = paper.expected.quick["lenet_50"]
    assert check.keeps(last["accuracy"], None)


def test_networks_of_one_seed_start_with_equal_weights_and_0_trains_torchs_convolutions() -> None:
    plain, limited = (STUDIES[name]._network(3) for name in ("plain", "compressed"))
    assert limits(plain) == {}
    assert list(limits(limited)) == ["conv1", "conv2"]
    for ours, theirs in zip(plain.parameters(), limited.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(next(STUDIES["plain"]._network(4).parameters()), next(plain.parameters()))
    assert [layer.limit.compression for layer in limits(lenet_50()).values()] == [50, 50]


def test_the_mean_compression_weighs_layers_by_their_coefficients() -> None:
    network = nn.Sequential(
        BandLimitedConv2d(1, 2, 1, compression=0), nn.MaxPool2d(2), BandLimitedConv2d(2, 2, 1, compression=75)
    )
    network(torch.zeros(1, 1, 16, 16))
    # 16·9 coefficients of one map; 8·5 of two maps, of which k = ⌊5·0.5⌋ = 2 keeps 3·2
    assert mean_compression(network) == pytest.approx(100 * 2 * (40 - 6) / (144 + 80))


def test_the_learning_rate_rises_and_falls() -> None:
    assert [ramp(share) for share in (0.0, 0.125, 0.25, 0.625, 1.0)] == pytest.approx([0, 0.5, 1, 0.5, 0])


def test_accuracy_and_arrays() -> None:
    network = band_limit(nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Flatten()), compression=50, quiet=True)
    x = torch.zeros(150, 2)
    x[:30, 1] = 1.0
    assert accuracy(nn.Identity(), x, torch.zeros(150, dtype=torch.int64)) == pytest.approx(80)
    read = on_arrays(network, 0.3, seed=0)
    (layer,) = array_layers(read).values()
    assert layer.crossbars[0].rpu.forward.noise == 0.3
    assert isinstance(read[1], nn.BatchNorm2d)


def test_settings_that_exclude_each_other_raise() -> None:
    with pytest.raises(InvalidValue, match=r"compression is 50.0 and energy 90.0; give one of them"):
        BandLimited(compression=50.0, energy=90.0)
    with pytest.raises(InvalidValue, match="epochs is 6 and schedule 5; give at most as many"):
        BandLimited(epochs=6)
    with pytest.raises(InvalidValue, match="data is 'cifar'; did you mean 'cifar10_part'"):
        BandLimited(data="cifar")


def test_every_curve_is_a_study_with_a_quick_one() -> None:
    paper = PAPERS["dziedzic_2019"]
    for name in paper.curves:
        study = paper.study(name)
        assert study.quick().epochs <= study.epochs, name
        if isinstance(study, BandLimited):
            named = name.rpartition("_")[2]
            assert named == ("energy" if study.energy is not None else f"{study.compression:g}")
            assert study.with_epochs(9).to_dict() != study.to_dict()  # a longer schedule has other early epochs
            assert study.with_epochs(1).to_dict() == study.to_dict()
