"""The studies of Liu, Quek & Lin 2018: a known distribution, lines that resume, every curve with its entry."""

from __future__ import annotations

import json

import pytest
import torch

from mho.learning import BoltzmannMachine
from mho.papers import PAPERS
from mho.papers.jobs import address
from mho.papers.liu_2018.curves import ON_ARRAYS
from mho.papers.liu_2018.small import HIDDEN, VISIBLE, KnownDistribution
from mho.papers.liu_2018.study import Small
from mho.presets import gokmen_2017

PAPER = PAPERS["liu_2018"]


def lines(folder) -> list[dict[str, float]]:
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if "second" not in name} for line in found]


def run(study, folder, *, stop=lambda: False, seed=0) -> bool:
    folder.mkdir(exist_ok=True)
    return study.run(folder, seed=seed, data_folder=None, on_progress=lambda epochs, share: None, stop=stop)


def test_every_curve_has_an_entry_and_a_study_of_its_own():
    expected = PAPER.expected
    assert set(expected.curves) == set(PAPER.curves) == set(PAPER.choose())
    assert len({address(PAPER.study(curve)) for curve in PAPER.curves}) == len(PAPER.curves)
    assert not expected.numbers_available
    assert all(len(check.reason) > 20 for curve in expected.curves.values() for check in curve.checks)
    for curve in PAPER.curves:
        PAPER.study(curve).specification()


def test_examples_have_the_known_distribution():
    """Chi-square of 20,000 examples over states that are expected five times, five deviations up."""
    known = KnownDistribution.of_seed(3, 20_000)
    assert float(known.log_p.exp().sum()) == pytest.approx(1.0)
    numbers = (known.examples.long() * 2 ** torch.arange(10)).sum(dim=1)
    found, expected = torch.bincount(numbers, minlength=1024).double(), 20_000 * known.log_p.exp()
    often = expected > 5
    statistic = float(((found - expected) ** 2 / expected)[often].sum())
    count = int(often.sum())
    assert count > 50
    assert statistic < count + 5 * (2 * count) ** 0.5
    other = KnownDistribution.of_seed(4, 10)
    assert not torch.equal(other.log_p, known.log_p)


@pytest.mark.parametrize("method", ["vpf", "cd"])
def test_a_study_that_is_stopped_again_and_again_ends_with_the_same_lines(method, tmp_path):
    study = Small(method=method, epochs=4, examples=200)
    assert run(study, tmp_path / "whole")
    asked = 0

    def often() -> bool:
        nonlocal asked
        asked += 1
        return asked % 7 == 0

    turns = 0
    while not run(study, tmp_path / "cut", stop=often):
        turns += 1
    assert turns > 2
    assert lines(tmp_path / "cut") == lines(tmp_path / "whole")
    known, same = KnownDistribution.of_seed(0, 200), []

    def after_step(machine: BoltzmannMachine) -> None:
        if machine.progress_.position == 0:
            same.append(known.divergence(machine))

    parameters = {"method": method, "lr": 0.1, "batch_size": 20, "weight_std": 0.1, "epochs": 4, "seed": 0}
    BoltzmannMachine([VISIBLE, HIDDEN], **parameters).fit(known.examples, on_step=after_step)
    assert [line["divergence"] for line in lines(tmp_path / "whole")] == same


def test_pictures_of_mnist_leave_their_numbers_and_pictures(tmp_path, monkeypatch):
    """On arrays, on made-up digits: what is tested is the study, not what it learns."""
    from mho.data import Dataset, digits
    from mho.papers.liu_2018 import study as module

    monkeypatch.setattr(module, "load", lambda name, folder: Dataset("mnist", *vars_of(digits())))
    quick = ON_ARRAYS(rpu=gokmen_2017()).quick().with_images(train=100, test=20)
    assert run(quick, tmp_path / "run")
    (line,) = lines(tmp_path / "run")
    assert 0 < line["flipped_error"] < 100
    assert 0 < line["rows_error"] < 100
    assert line["log_likelihood"] < 0
    assert {file.stem for file in (tmp_path / "run" / "pictures").iterdir()} == {
        "filters",
        "samples",
        "reconstructions",
    }


def vars_of(data) -> list[torch.Tensor]:
    return [data.x_train, data.y_train, data.x_test, data.y_test]
