"""Committed results of papers: the code still gives their bits."""

from __future__ import annotations

import pytest

from mho.data import load
from mho.papers import PAPERS
from mho.papers.jobs import Scale, job
from mho.papers.records import Record, read_records
from mho.runs import Run

COMMITTED = [
    pytest.param(name, curve, record, id=f"{name}-{curve}")
    for name, paper in PAPERS.items()
    for curve, record in read_records(paper.results).items()
]


@pytest.mark.results
@pytest.mark.parametrize(("name", "curve", "record"), COMMITTED)
def test_the_first_epoch_of_a_committed_result_repeats(name: str, curve: str, record: Record, tmp_path):
    """Train one epoch of the first seed: 10 s to 2 minutes a curve."""
    seed = min(record.seeds)
    experiment = job(PAPERS[name], curve, seed, Scale(epochs=1)).experiment
    run = Run(experiment, tmp_path / "run", load(experiment.training.data))
    assert run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    again, committed = run.loop.progress.metrics[0], record.seeds[seed][0]
    lasting = [key for key in committed if "second" not in key]
    assert {key: again[key] for key in lasting} == {key: committed[key] for key in lasting}
