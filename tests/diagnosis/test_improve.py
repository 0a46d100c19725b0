"""mho.improve: gains are those of trainings, paired and bit for bit; what is advised can be typed."""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import json
import math
import re
import shlex
import statistics
import sys

import pytest
from scipy import stats
from scipy.stats import ttest_rel

import mho
from mho.cli.configs import read_experiment
from mho.cli.device_improve import show
from mho.data import load
from mho.diagnosis.cures import over
from mho.diagnosis.improvements import IMPROVEMENTS
from mho.errors import InvalidValue
from mho.report import improve_page
from mho.runs import Experiment, Run
from mho.runs.gains import Gains, Interval, Tried
from mho.runs.improve import improve, improved, settings_of
from mho.runs.together import groups, train_together
from tests.helpers.command import mho as command

MODEL = "tests.helpers.planted:Rectified"
SMALL = {"model": MODEL}
QUICK = ["training.train_images=60", "training.test_images=50", "training.epochs=1"]
DEVICES = {
    "baseline": [],
    "few states": ["device.law=SoftBounds", "device.dw_min=0.05"],
    "effects": ["device.stuck=0.1", "device.decay=0.001", "device.write_noise=0.01", "device.c2c=0.5"],
    "converters": ["forward.adc_bits=5", "backward.dac_bits=4", "backward.noise_management=false"],
    "four devices": ["cell.kind=Replicated", "cell.n=4"],
    "Tiki-Taka": ["device.law=SoftBounds", "cell.kind=TikiTaka", "device.up_down=0.9"],
}


def experiment(*settings: str) -> Experiment:
    return read_experiment(None, None, SMALL, [*QUICK, *settings], None)


@pytest.mark.parametrize("device", DEVICES)
def test_what_is_advised_can_be_typed(device):
    """The settings of an improvement, given to mho train, make the improved array; each changes something."""
    start = experiment(*DEVICES[device])
    made = 0
    for one in IMPROVEMENTS:
        better = improved(start, one)
        if isinstance(better, str):
            assert better
            continue
        settings = settings_of(start, better)
        assert settings
        assert experiment(*over(DEVICES[device], settings)) == better, (one.key, settings)
        made += 1
    assert made > 5


def test_every_improvement_applies_somewhere():
    starts = [experiment(*settings) for settings in DEVICES.values()]
    for one in IMPROVEMENTS:
        assert any(not isinstance(improved(start, one), str) for start in starts), one.key


def test_numbers_and_seeds_train_side_by_side_and_other_cells_alone():
    start = experiment(*DEVICES["few states"])
    changes = {one.key: one for one in IMPROVEMENTS}
    made = [
        start,
        *(improved(start, changes[key]) for key in ("smaller-steps", "quieter-reads", "more-devices", "agad")),
    ]
    seeded = [
        dataclasses.replace(one, training=dataclasses.replace(one.training, seed=seed))
        for one in made
        for seed in (0, 1)
    ]
    found = groups(seeded)
    assert [group.places for group in found] == [(0, 1, 2, 3, 4, 5), (6, 7), (8, 9)]
    assert found[0].experiment.training.replicas == 6


def test_trainings_side_by_side_have_the_bits_of_their_own_runs(tmp_path):
    start = experiment(*DEVICES["few states"])
    changes = {one.key: one for one in IMPROVEMENTS}
    made = [start, *(improved(start, changes[key]) for key in ("smaller-steps", "quieter-reads", "zero-shifting"))]
    together = train_together(made, load("digits"))
    for place, one in enumerate(made):
        run = Run(one, tmp_path / str(place), load("digits"))
        run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
        last = run.loop.progress.metrics[-1]
        assert (together[place].test_error, together[place].train_loss) == (last["test_error"], last["train_loss"])


def test_a_training_that_fails_says_why_and_the_others_end():
    """A learning rate of 1e6 makes numbers that no read takes."""
    start = experiment()
    wild = dataclasses.replace(
        read_experiment(None, "floating_point", SMALL, [*QUICK, "training.lr=1e6"], None), layers={}
    )
    good, failed = train_together([start, wild], load("digits"))
    assert not good.failed
    assert failed.failed or failed.train_loss > 10


@pytest.fixture(scope="module")
def gains() -> Gains:
    start = read_experiment(None, None, SMALL, DEVICES["few states"], None)
    return improve(start, only=["smaller-steps", "more-devices", "no-stuck-devices"], seeds=3, epochs=1, images=300)


def test_gains_are_paired_differences_with_the_interval_of_students_t(gains):
    assert len(gains.rate.errors) == 3
    for row in gains.tried:
        expected = ttest_rel(gains.rate.errors, row.errors).confidence_interval(0.95)
        assert row.gain.mean == pytest.approx(gains.rate.error - row.error)
        # where a row scatters less than all of them together, its interval is wider than its own three seeds say
        assert row.gain.low <= expected.low + 1e-9
        assert row.gain.high >= expected.high - 1e-9


def test_intervals_are_as_wide_as_the_scatter_of_all_rows_and_as_their_own():
    rows = [[5.0, 5.0], [1.0, 3.0], [-20.0, 20.0]]
    agree, little, much = (Interval.of(row, rows) for row in rows)
    pooled = math.sqrt((0 + 2 + 800) / 3)  # variances of two values: half the square of their difference
    half = stats.t.ppf(0.975, 3) * pooled / math.sqrt(2)
    assert (agree.low, agree.high) == pytest.approx((5 - half, 5 + half))
    assert (little.low, little.high) == pytest.approx((2 - half, 2 + half))
    assert much.high == pytest.approx(stats.t.ppf(0.975, 1) * 20)  # its own, with one degree of freedom
    # where all seeds of all rows agree, a test of 50 examples still knows no difference better than to one of them
    alike = Interval.of([4.0, 4.0], [[4.0, 4.0], [0.0, 0.0]], resolution=2.0)
    assert alike.high - alike.low == pytest.approx(2 * stats.t.ppf(0.975, 2) * 2.0 / math.sqrt(2))


def test_what_cannot_be_told_from_no_change_stands_unranked_under_its_heading(monkeypatch, capsys):
    base, noise = (30.0, 31.0, 32.0), (1.0, -1.0, 0.0)
    given = {"unsure-a": 0.1, "gain-b": 8.0, "unsure-c": 0.4, "gain-d": 12.0, "loss-e": -9.0, "unsure-f": -0.2}
    rows = {key: [gain + own for own in noise] for key, gain in given.items()}
    made = [
        Tried(key=key, name=key, errors=tuple(e - g for e, g in zip(base, row, strict=True)), rate=0.01,
              gain=Interval.of(row, list(rows.values())))
        for key, row in rows.items()
    ]  # fmt: skip
    place = sys.modules["mho.runs.improve"]._place
    found = dataclasses.replace(of(base), tried=tuple(sorted(made, key=place)))
    assert [one.key for one in found.tried] == ["gain-d", "gain-b", "unsure-a", "unsure-c", "unsure-f", "loss-e"]
    show(found, "runs/x")
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    heading = lines.index("cannot be told from no change in trainings of this length")
    assert lines.index("clear gains") < heading
    assert [line.split()[0] for line in lines[heading + 2 : heading + 5]] == ["unsure-a", "unsure-c", "unsure-f"]
    page = improve_page(found, subject="runs/x", command="y", version="1")
    assert lines[0] == "What to improve in x?"
    assert "<h1>What to improve in x?</h1>" in page
    plain = " ".join(re.sub(r"<[^>]*>", " ", page).replace("\u00a0", " ").split())
    for number, what, remark in found.headlines:  # the same numbers, in the same order, on both
        assert lines[1 + found.headlines.index((number, what, remark))].startswith(number)
        for word in filter(None, (number, what, remark)):
            assert word in plain
    assert (
        page.index("Clear gains")
        < page.index("Cannot be told from no change in trainings")
        < page.index("unsure-a</th>")
    )
    assert "unsure" not in found.sentence


def test_learning_rules_are_tried_where_they_are_named_and_said_to_be_left_out_else(monkeypatch):
    plans = []
    study = sys.modules["mho.runs.improve"]._Study  # the name is the function's too
    monkeypatch.setattr(study, "gains", lambda self: plans.append(self))
    start, rules = read_experiment(None, None, SMALL, QUICK, None), {"tiki_taka_v2", "agad", "mixed_precision"}
    improve(start)
    improve(start, only=["agad"])
    usual, named = ({key for key, *_ in plan.arrays} for plan in plans)
    assert "smaller-steps" in usual
    assert not usual & rules
    assert {one.key for one in plans[0].refused if "start slowly" in one.refused} == rules
    assert "agad" in named
    assert not plans[1].refused


def test_no_training_is_made_twice_and_all_are_told(tmp_path):
    start, told = read_experiment(None, None, SMALL, QUICK, None), []
    found = improve(
        start, only=["smaller-steps"], seeds=2, epochs=1, images=20, factors=(1,), watch=lambda *done: told.append(done)
    )
    assert found.rate.errors == found.given.errors  # 3 arrays at one rate: the given one is the best
    assert told[-1][1:] == (6, 6)


def test_few_states_want_more_devices(gains):
    assert gains.clear, gains.sentence
    assert gains.clear[0].key == "more-devices"
    assert "improve first: 4 times as many devices" in gains.sentence.lower()
    assert gains.floating.error < gains.rate.error - 20
    assert [row.key for row in gains.refused] == ["no-stuck-devices"]
    assert json.loads(json.dumps(gains.to_dict()))["clear"][0] == "more-devices"


def test_an_error_of_a_row_is_that_of_mho_train_at_its_rate(gains, tmp_path):
    row, settings = gains.tried[0], ["training.train_images=300", "training.epochs=1"]
    given = read_experiment(
        None, None, SMALL,
        [*DEVICES["few states"], *row.settings, *settings, f"training.lr={row.rate}",
         f"training.seed={gains.seeds[1]}"],
        None,
    )  # fmt: skip
    run = Run(given, tmp_path / "run", load("digits"))
    run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    assert run.loop.progress.metrics[-1]["test_error"] == row.errors[1]
    assert run.loop.chance is not None
    assert gains.chance == run.loop.chance.error  # one chance level, whoever names it


def tried(*errors: float, base: tuple[float, ...] = ()) -> Tried:
    gain = Interval.of([a - b for a, b in zip(base, errors, strict=True)]) if base else None
    return Tried(key="k", name="steps half as large", errors=errors, rate=0.01, gain=gain)


def of(rate: tuple[float, ...], given: tuple[float, ...] | None = None) -> Gains:
    """Gains of an array with these errors at its best rate, and at the given one; of nothing that was tried."""
    return Gains(
        law="SoftBounds", given=tried(*(given or rate)), rate=tried(*rate, base=given or rate),
        floating=tried(10.0, 10.0, 10.0), tried=(), refused=(), chance=90.0, factors=(1.0,), seeds=(0, 1, 2), epochs=1,
        images=100, model="lenet", data="digits",
    )  # fmt: skip


def test_the_page_has_each_change_as_a_shell_takes_it():
    base = (30.0, 31.0, 32.0)
    wider = dataclasses.replace(tried(20.0, 21.0, 22.1, base=base), settings=("device.w_max={mean=1.2,spread=0.3}",))
    page = improve_page(dataclasses.replace(of(base), tried=(wider,)), subject="own", command="", version="0")
    (typed,) = re.findall(r"<code>(--set .*?)</code>", page)
    expected = ["--set", "device.w_max={mean=1.2,spread=0.3}", "--set", "training.lr=0.01"]
    assert shlex.split(html.unescape(typed)) == expected
    assert "{" not in re.sub("'.*?'", "", html.unescape(typed))  # braces that no quotes protect would be expanded


@pytest.mark.parametrize(
    ("rate", "improvement", "floating", "words"),
    [
        ((30.0, 31.0, 32.0), (20.0, 21.0, 22.1), (10.0, 10.0, 10.0), "Improve first: steps half as large"),
        ((30.0, 31.0, 32.0), (29.0, 33.0, 28.0), (10.0, 10.0, 10.0), "No single improvement of those tried helps for"),
        ((12.0, 12.1, 12.2), (29.0, 33.0, 28.0), (10.0, 10.0, 10.0), "Change the learning rate first"),
        ((90.0, 89.0, 90.0), (90.0, 90.0, 89.0), (90.0, 90.0, 90.0), "too short to rank anything: no array"),
        ((30.0, 31.0, 32.0), (29.0, 33.0, 28.0), (33.0, 33.0, 33.0), "no better than these arrays"),
    ],
)
def test_the_sentence_says_what_the_numbers_say(rate, improvement, floating, words):
    given = (30.5, 31.0, 32.5) if rate[0] != 90 else rate
    made = dataclasses.replace(of(rate, given), floating=tried(*floating), tried=(tried(*improvement, base=rate),))
    assert words in made.sentence


def test_an_array_at_chance_is_to_find_a_learning_rate_first():
    at_chance = dataclasses.replace(of((89.0, 90.0, 89.5)), factors=(0.5, 1.0, 2.0))
    found = dataclasses.replace(at_chance, tried=(tried(50.0, 51.0, 49.0, base=(89.0, 90.0, 89.5)),))
    assert found.sentence.startswith("First find a learning rate at which the array as given learns: ")
    assert "--rates 0.05,0.5,1,2,20" in found.sentence
    assert "improve first: steps half as large" in found.sentence
    # a rate that is better for sure, and as bad as guessing, is not to be changed to first
    helped = dataclasses.replace(found, rate=tried(89.0, 89.1, 89.2, base=(92.0, 92.1, 92.2)))
    assert helped.rate_helps
    assert helped.is_at_chance
    assert "change the learning rate first" not in helped.sentence


MISTAKES = {
    "seeds": (lambda: mho.improve(mho.devices.SoftBounds(), seeds=1), "seeds is 1"),
    "keys": (lambda: mho.improve(mho.devices.SoftBounds(), only=["smaler-steps"]), "did you mean 'smaller-steps'"),
    "nothing": (lambda: mho.improve(3), "of is 3; give a device"),
    "folder": (lambda: mho.improve("no/such/run"), "is no run folder"),
    "factors": (lambda: mho.improve(mho.devices.SoftBounds(), factors=(2.0,)), "1, the given learning rate"),
    "lists": (lambda: mho.improve(mho.devices.SoftBounds(dw_min=[0.1, 0.2])), "lists of one number per replica"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_reported(mistake):
    call, message = MISTAKES[mistake]
    with pytest.raises(InvalidValue, match=message):
        call()


def test_the_verb_writes_page_numbers_and_table(tmp_path):
    out = tmp_path / "better"
    words = ["device", "improve", "SoftBounds", "--model", MODEL, "--epochs", "1", "--images", "60"]
    words += ["--seeds", "2", "--only", "smaller-steps", "--only", "more-devices", "--rates", "1", "--out", str(out)]
    words += ["--set", "training.test_images=50"]
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "steps half as large" in done.stdout
    assert "12 trainings" not in done.stdout
    stored = json.loads((out / "improve.json").read_text())
    assert [row["key"] for row in stored["tried"]] != []
    rows = list(csv.DictReader(io.StringIO((out / "improve.csv").read_text())))
    assert [row["key"] for row in rows][:3] == ["as-given", "learning-rate", "floating-point"]
    for row in rows:
        errors = [float(row[f"error_seed_{seed}"]) for seed in (0, 1)]
        assert float(row["error"]) == pytest.approx(statistics.fmean(errors))
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("steps half as large") >= 2
    again = command(*words, cwd=tmp_path)
    assert again.returncode == 1
    assert "is not empty" in again.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give a DEVICE or --run DIR"),
        (["SoftBounds", "--run", "x"], "give a DEVICE or --run DIR"),
        (["SoftBound"], "did you mean 'SoftBounds'"),
        (["SoftBounds", "--rates", "a"], "--rates a: give numbers"),
        (["SoftBounds", "--csv", "--json"], "both decide what is printed"),
        (["SoftBounds", "--only", "smaler-steps"], "did you mean 'smaller-steps'"),
        (["--run", "no_such_run"], "there is no folder no_such_run"),
    ],
)
def test_wrong_words_are_reported(words, message, tmp_path):
    done = command("device", "improve", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
