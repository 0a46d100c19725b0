"""The studies of Sedghi & Anandkumar 2016: they resume to the bit, and their data are what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mho.learning.spectral import problem
from mho.learning.spectral.problem import CHUNK, Problem, Sequence
from mho.papers import PAPERS
from mho.papers.sedghi_2016.arrays import OnArrays
from mho.papers.sedghi_2016.descent import Refined, Starts
from mho.papers.sedghi_2016.study import Samples
from mho.papers.sedghi_2016.tags import Tagging, tags

TINY = Problem(inputs=4, hidden=2, outputs=2)
SMALL = {
    "samples": Samples(problem=TINY, epochs=2, first=50_000),
    "starts": Starts(problem=TINY, epochs=2, samples=20_000, passes=1),
    "refined": Refined(problem=TINY, epochs=2, samples=20_000),
    "random start": Refined(problem=TINY, epochs=2, samples=20_000, start="random"),
    "arrays": OnArrays(problem=TINY, samples=20_000, read_noise=0.1),
    "tags": Tagging(epochs=2, samples=40_000, tested=10_000, start="random"),
    "spectral tags": Tagging(epochs=2, samples=40_000, tested=10_000, trained="read_out"),
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
    assert len(train(study, tmp_path / "parts", stops_after=1 if study.epochs > 1 else 0)) < study.epochs
    assert train(study, tmp_path / "parts") == whole


@pytest.mark.parametrize("options", [{}, {"memory": 0.5}, {"bidirectional": True}], ids=str)
def test_chunks_join_to_one_sequence(options, monkeypatch):
    """States at the beginning of a chunk are those of a longer sequence: 300 steps forget all but rounding."""
    monkeypatch.setattr(problem, "CHUNK", 2000)
    sequence = Sequence(Problem(inputs=4, hidden=2, outputs=4, noise=0.0, **options), 0)
    (x0, y0), (x1, y1) = sequence.chunk(0), sequence.chunk(1)
    x, y = np.concatenate([x0, x1]), np.concatenate([y0, y1])
    inner = slice(500, 3500)  # away from ends, where the state before or after is not in the sequence
    np.testing.assert_allclose(sequence.weights.outputs(x)[inner], y[inner], atol=1e-9)
    if "memory" in options:
        innovations = x[1:] - x[:-1] @ sequence.transition.T
        assert np.abs(innovations[1990:2010]).max() < 5  # √(1 - 0.25) standard deviations, also where chunks meet
        assert np.abs(x.std(axis=0) - 1).max() < 0.1  # 4,000 correlated numbers tell it to a few per cent
    assert CHUNK == 50_000


def test_tags_are_the_strongest_state_or_none():
    states = np.array([[0.1, 2.0, 1.0], [1.0, 1.4, 0.0], [3.0, 2.0, 2.5]])
    np.testing.assert_array_equal(tags(states), [2, 0, 1])


def test_every_curve_is_a_study_with_a_quick_one() -> None:
    paper = PAPERS["sedghi_2016"]
    for name in paper.curves:
        study = paper.curves[name]()
        assert study.quick().epochs <= study.epochs, name
        assert study.specification()


@pytest.mark.parametrize("name", ["independent", "linear"])
def test_the_quick_version_keeps_its_checks(tmp_path, name: str) -> None:
    paper = PAPERS["sedghi_2016"]
    last = train(paper.curves[name]().quick(), tmp_path)[-1]
    checks = paper.expected.quick[name]
    assert checks
    for check in checks:
        quantity = check.quantity or paper.expected.curves[name].quantity
        assert check.keeps(last[quantity.name], None), str(check)
