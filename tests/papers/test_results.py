"""Committed results of papers: the code still gives their bits."""

from __future__ import annotations

import pytest

from mho.papers import PAPERS
from mho.papers.jobs import job
from mho.papers.records import Record, read_records
from mho.papers.scale import Scale
from mho.runs.folder import read_metrics

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
    study = job(PAPERS[name], curve, seed, Scale(epochs=1)).study
    options = {"data_folder": None, "on_progress": lambda *_: None, "stop": lambda: False}
    assert study.run(tmp_path, seed=seed, **options)
    again, committed = read_metrics(tmp_path)[0], record.seeds[seed][0]
    lasting = [key for key in committed if "second" not in key]
    # by repr: NaN, what an epoch does not measure, equals nothing
    assert repr({key: again[key] for key in lasting}) == repr({key: committed[key] for key in lasting})
