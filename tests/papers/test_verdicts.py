"""What results come to: the address of a run, means, verdicts, and records as they are written and read."""

from __future__ import annotations

import re

import pytest

import mho
from mho.errors import InvalidValue
from mho.papers import PAPERS, jobs
from mho.papers.jobs import job
from mho.papers.records import Record, read_record, read_records
from mho.papers.scale import Scale
from mho.papers.verdicts import Verdict, judge, measure
from tests.helpers.papers import LENET, curve_of, record


def test_the_address_of_a_run(monkeypatch):
    name = job(LENET, "nm_bm", 0, Scale()).name
    assert job(LENET, "nm_bm", 0, Scale(epochs=60, seeds=5)).name == name  # more of the same
    others = [
        job(LENET, "nm_bm", 1, Scale()).name,
        job(LENET, "nm_bm", 0, Scale(quick=True)).name,
        job(LENET, "nm_bm", 0, Scale(test_images=10)).name,
        job(LENET, "bm", 0, Scale()).name,
    ]
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "PHYSICS_VERSION", mho.PHYSICS_VERSION + 1)
        others.append(job(LENET, "nm_bm", 0, Scale()).name)
    assert len({name, *others}) == 6
    assert job(LENET, "nm_bm", 3, Scale()).study.description(3)["training"]["seed"] == 3


def verdict(curve: str, *records: Record, kind: str = "results", last: int = 2) -> Verdict:
    return judge(
        LENET.expected, {one.curve: one for one in records}, [curve], kind=kind, last=dict.fromkeys(LENET.curves, last)
    )[0]


def test_the_mean_is_over_the_papers_epochs_and_all_whole_seeds():
    rising = [50.0] * 24 + [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] + [90.0] * 3  # further epochs do not count
    alone = measure(record("nm_bm", rising), (25, 30))
    assert (alone.mean, alone.seeds, alone.whole) == (3.5, 1, True)
    assert str(alone) == "3.50"  # one seed has no interval
    three = measure(record("nm_bm", curve_of(1.0), curve_of(2.0), curve_of(9.0, epochs=29)), (25, 30))
    assert (three.mean, three.seeds) == (1.5, 2)
    assert str(three) == "1.50 (1.00 to 2.00)"
    begun = measure(record("nm_bm", [9.0, 8.0], [7.0]), (25, 30))
    assert (begun.mean, begun.epochs, begun.whole) == (8.5, (1, 2), False)
    assert measure(record("nm_bm"), (25, 30)) is None


def test_verdicts():
    kept = verdict("nm_bm", record("nm_bm", curve_of(1.4)))
    assert (kept.kept, kept.words) == (True, "≥ 1.4, ≤ 2")
    assert verdict("nm_bm", record("nm_bm", curve_of(2.01))).kept is False
    assert verdict("nm_bm", record("nm_bm", curve_of(1.39))).kept is False
    thirteen, one = "um_bl1_devices_13_k2", record("um_bl1", curve_of(1.0))
    assert verdict(thirteen, one, record(thirteen, curve_of(1.0))).kept is True
    worse = verdict(thirteen, one, record(thirteen, curve_of(1.05)))
    assert (worse.kept, worse.words) == (False, "≤ um_bl1")
    needs = verdict(thirteen, record(thirteen, curve_of(1.0)))
    assert (needs.kept, needs.words) == (None, "no verdict: needs um_bl1")
    short = verdict("nm_bm", record("nm_bm", curve_of(1.7, epochs=29)))
    assert (short.kept, short.words) == (None, "no verdict: needs epochs 25 to 30")
    assert verdict("um_bl2", record("um_bl2", curve_of(1.0))).kept is None
    assert verdict("nm_bm").words == "not trained"
    assert verdict("nm_bm", record("nm_bm", curve_of(1.7)), kind="trial").kept is None


def test_quick_verdicts_judge_only_what_two_epochs_can_show():
    managed = record("nm_bm", [13.0, 12.0])
    assert verdict("nm_bm", managed, kind="quick").kept is True
    assert verdict("nm_bm", record("nm_bm", [3.0, 12.1]), kind="quick").kept is False
    assert verdict("baseline", managed, record("baseline", [90.0, 17.0]), kind="quick").kept is True
    assert verdict("baseline", managed, record("baseline", [90.0, 16.9]), kind="quick").kept is False
    assert verdict("floating_point", managed, record("floating_point", [20.0, 12.5]), kind="quick").kept is True
    assert verdict("floating_point", managed, record("floating_point", [20.0, 12.6]), kind="quick").kept is False
    other = verdict("um_bl1", record("um_bl1", [1.0, 1.0]), kind="quick")
    assert (other.kept, other.words) == (None, "no verdict: too short a training")


def test_records_are_read_as_written_and_damage_is_named(tmp_path):
    given = record("nm_bm", [3.0, 2.0], [4.0])
    file = given.write(tmp_path)
    assert read_records(tmp_path) == {"nm_bm": given}
    lines = file.read_text().splitlines(keepends=True)
    for place, text, message in (
        (1, "{", "line 2, is no result"),
        (2, lines[1], "epoch 1 stands where 2 should"),
        (0, '{"format": "x"}\n', "line 1, is no result of a curve \\(format 'x'"),
        (0, lines[0].replace('"physics"', '"code"'), "line 1, .*no 'physics'"),
        (0, re.sub(r'"physics": \d+', '"physics": "1"', lines[0]), "line 1, .*physics is '1', not a version number"),
        (1, '{"seed": 0, "epoch": 1}\n', "line 2, .*no 'train_error'"),
    ):
        file.write_text("".join([*lines[:place], text, *lines[place + 1 :]]))
        with pytest.raises(InvalidValue, match=message):
            read_record(file)
    file.write_text("")
    with pytest.raises(InvalidValue, match="is empty"):
        read_record(file)


@pytest.mark.parametrize("paper", PAPERS.values(), ids=PAPERS)
def test_the_results_that_come_with_mho_can_be_read(paper):
    for name, one in read_records(paper.results).items():
        assert name == one.curve
        assert name in paper.curves
        assert one.command.startswith(f"mho reproduce {paper.name} --curve {name} ")
        assert one.physics == mho.PHYSICS_VERSION, 'see "Reproducing a paper" in CONTRIBUTING.md'
