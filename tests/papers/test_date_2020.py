"""The studies of Date et al. 2020: they resume to the bit, and rounding is what they say."""

from __future__ import annotations

import json

import pytest
import torch

from mho.papers import PAPERS
from mho.papers.date_2020.study import Backpropagation, Combinatorial, OnArrays, ternary

SMALL = {
    "conntra": Combinatorial(epochs=3, scale="unit"),
    "backpropagation": Backpropagation(epochs=3),
    "rounded": Backpropagation(epochs=3, weights="rounded"),
    "straight_through": Backpropagation(epochs=3, weights="straight_through"),
    "arrays": OnArrays(epochs=2, read_noise=0.1, write_error=0.1),
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


@pytest.mark.parametrize("name", SMALL)
def test_a_stopped_study_ends_as_one_that_was_not(tmp_path, name: str) -> None:
    study = SMALL[name]
    whole = train(study, tmp_path / "whole")
    assert [line["epoch"] for line in whole] == list(range(1, study.epochs + 1))
    assert len(train(study, tmp_path / "parts", stops_after=1)) < study.epochs
    assert train(study, tmp_path / "parts") == whole


def test_ternary_rounding() -> None:
    # the mean |w| is 0.5: above 0.35 are 0.4, -0.6 and 0.9, of mean 19/30
    rounded = ternary(torch.tensor([0.4, -0.6, 0.9, 0.1]))
    torch.testing.assert_close(rounded, torch.tensor([1.0, -1.0, 1.0, 0.0]) * 19 / 30)


def test_every_curve_is_a_study_with_a_quick_one() -> None:
    paper = PAPERS["date_2020"]
    for name in paper.curves:
        study = paper.curves[name]()
        assert study.quick().epochs <= study.epochs, name
