"""Studies: curves of papers with trainings of their own, in a folder as CONTRIBUTING has it, outside the package."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from mho.cells import Replicated
from mho.cli.reproduce_display import ReproduceDisplay, show_verdicts
from mho.cli.reproduce_list import show_list
from mho.config import RPU
from mho.devices import SoftBounds
from mho.errors import InvalidValue, WrongUse
from mho.papers import Paper, Papers
from mho.papers.axes import horizontal_axis
from mho.papers.expected import read_expected
from mho.papers.figures import Drawn, paper_figure
from mho.papers.jobs import address
from mho.papers.journal import Journal
from mho.papers.page import write_paper_page
from mho.papers.plain import plain
from mho.papers.quantities import Quantity
from mho.papers.records import Record, read_record, read_records
from mho.papers.reproduction import Reproduction
from mho.papers.scale import Scale
from mho.papers.study import Study
from mho.papers.study_work import study_work
from mho.papers.verdicts import judge
from mho.report.curve_styles import curve_style
from mho.report.drawing import save
from mho.runs.local import LocalEngine
from mho.version import PHYSICS_VERSION
from tests.helpers.checkout import ROOT
from tests.helpers.command import mho
from tests.helpers.inline import Inline

GUIDE = ROOT / "CONTRIBUTING.md"
PACKAGE = "papers_of_a_test"
"""A worker imports the package by this name."""


def block(language: str) -> str:
    """The first block of a language under "Adding a paper"."""
    under = GUIDE.read_text(encoding="utf-8").split("\n## Adding a paper\n", 1)[1].split("\n## ", 1)[0]
    return under.split(f"```{language}\n", 1)[1].split("```", 1)[0]


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A package with one paper, as CONTRIBUTING has it, on Python's path."""
    place = tmp_path_factory.mktemp("room")
    folder = place / PACKAGE / "brown_1828"
    folder.mkdir(parents=True)
    (place / PACKAGE / "__init__.py").write_text("")
    (place / PACKAGE / "notes").mkdir()  # no paper
    (folder / "curves.py").write_text(block("python"))
    (folder / "expected.toml").write_text(block("toml"))
    sys.path.insert(0, str(place))
    yield place
    sys.path.remove(str(place))
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def paper(room) -> Paper:
    return Papers(PACKAGE, room / PACKAGE)["brown_1828"]


def train(paper: Paper, folder: Path, scale: Scale, *, workers: int = 0) -> Reproduction:
    """Train both curves in this process, or on workers of this machine."""
    work, engine = Reproduction(paper, ("small", "large"), scale, folder), LocalEngine(workers) if workers else Inline()
    try:
        assert work.run(engine)
    finally:
        engine.close()
    assert work.faults == {}
    return work


def lasting(folder: Path) -> dict[str, list[dict[str, object]] | bytes]:
    """Results without what may depend on the machine."""
    lines = {
        file.name: [
            {key: value for key, value in json.loads(line).items() if "second" not in key}
            for line in file.read_text().splitlines()
        ]
        for file in sorted(folder.glob("*.jsonl"))
    }
    return lines | {file.name: file.read_bytes() for file in sorted(folder.glob("*.png"))}


@pytest.fixture(scope="module")
def trained(paper, tmp_path_factory) -> Reproduction:
    """Two curves with two seeds, on two workers."""
    return train(paper, tmp_path_factory.mktemp("trained") / "out", Scale(seeds=2), workers=2)


# Papers ------------------------------------------------------------------------------------------


def test_a_folder_with_an_expected_toml_is_a_paper(room, paper, tmp_path):
    papers = Papers(PACKAGE, room / PACKAGE)
    assert list(papers) == ["brown_1828"]
    assert paper.choose() == ["small", "large"]
    with pytest.raises(KeyError):
        papers["brown_1829"]
    (room / PACKAGE / "empty_1900").mkdir()
    (room / PACKAGE / "empty_1900" / "expected.toml").write_text("")
    (room / PACKAGE / "empty_1900" / "curves.py").write_text("")
    with pytest.raises(WrongUse, match=r"empty_1900/curves.py has no CURVES"):
        list(Papers(PACKAGE, room / PACKAGE)["empty_1900"].curves)


def test_a_description_has_every_field_but_epochs(paper):
    study = paper.study("large")
    assert study.to_dict() == {"study": f"{PACKAGE}.brown_1828.curves:Walk", "step": 2.0, "particles": 1000}
    assert address(study.with_epochs(50)) == address(study)
    addresses = {address(study), address(study, 1), address(paper.study("small")), address(study.quick())}
    assert len(addresses) == 4
    assert json.loads(study.specification())["epochs"] == 20


def test_descriptions_hold_whole_arrays():
    rpu = RPU(device=SoftBounds(), cell=Replicated(3))
    told = plain({"rpu": rpu, "device": SoftBounds(up_down=1.5), "cell": Replicated(3), "sizes": (1, 2), "bias": None})
    assert json.loads(json.dumps(told)) == told
    assert told["rpu"] == rpu.to_dict()
    assert told["device"]["up_down"] == 1.5
    assert told["cell"]["kind"] == "Replicated"
    with pytest.raises(InvalidValue, match="cannot be described by <built-in function print>"):
        plain({"print": print})


def test_what_a_study_cannot_do_is_said(paper):
    with pytest.raises(InvalidValue, match="Walk does not train on a part of its images; leave --train-images"):
        Scale(train_images=10).of(paper.study("small"))

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Hidden(type(paper.study("small"))):  # type: ignore[misc]
        pass

    with pytest.raises(WrongUse, match="Hidden is defined where no other process can find it"):
        study_work(Hidden(), 0)
    with pytest.raises(TypeError, match="abstract"):
        Study(epochs=1)  # type: ignore[abstract]


# Journals ----------------------------------------------------------------------------------------


def test_a_journal_continues_where_the_last_stood(tmp_path):
    journal = Journal(tmp_path / "run")
    journal.finish_epoch({"a": torch.tensor(1.5), "b_per_second": 3}, tensors={"w": torch.ones(2)}, notes={"n": 1})
    journal.save(tensors={"w": torch.zeros(2)}, notes={"n": 2})
    again = Journal(tmp_path / "run")
    assert (again.epochs, again.notes, again.tensors["w"].tolist()) == (1, {"n": 2}, [0.0, 0.0])
    assert {key: again.lines[0][key] for key in ("epoch", "a", "b_per_second")} == {
        "epoch": 1,
        "a": 1.5,
        "b_per_second": 3,
    }
    (tmp_path / "run" / "metrics.jsonl").unlink()  # as after a kill before the line was written
    Journal(tmp_path / "run")
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == json.dumps(again.lines[0]) + "\n"
    for numbers, message in (
        ({"a": 1.0}, "other numbers .b_per_second."),
        ({"epoch": 1}, "'epoch' is written by the journal"),
        ({"a": "x", "b_per_second": 1}, "a is 'x'; give a number"),
        ({"a": True, "b_per_second": 1}, "a is True"),
    ):
        with pytest.raises((InvalidValue, WrongUse), match=message):
            again.finish_epoch(numbers)
    with pytest.raises(InvalidValue, match=r"a picture is named .\.\./a"):
        again.picture("../a")


# Training ----------------------------------------------------------------------------------------


def test_results_keep_named_numbers_and_pictures(paper, trained):
    records = read_records(trained.results)
    small = records["small"]
    assert (small.numbers, small.images, small.arrays) == (("epoch", "spread", "seconds"), 0, [])
    assert {seed: len(lines) for seed, lines in small.seeds.items()} == {0: 20, 1: 20}
    assert small.seeds[0] != small.seeds[1]
    assert small.command == "mho reproduce brown_1828 --curve small --seeds 2 --epochs 20"
    assert sorted(file.name for file in trained.results.glob("*.png")) == [
        f"{curve}.{seed}.places.png" for curve in ("large", "small") for seed in (0, 1)
    ]
    assert small.pictures[0]["places"].startswith(b"\x89PNG")
    assert read_record(small.write(trained.folder / "again")) == small


def test_verdicts_take_any_quantity_alone_and_against_another_curve(paper, trained):
    kept = {one.curve: (one.kept, one.words) for one in trained.verdicts()}
    assert kept == {
        "small": (True, "≥ 4.2, ≤ 4.8"),
        "large": (True, "≥ 1.8 × small, ≤ 2.2 × small; ≥ small + 3"),
    }
    records = read_records(trained.results)

    def ending(end: float, epochs: int = 20) -> Record:
        lines = [{"epoch": epoch, "spread": end, "seconds": 1.0} for epoch in range(1, epochs + 1)]
        return dataclasses.replace(records["large"], seeds={0: lines}, pictures={})

    def verdict(large: Record):
        last = paper.epochs("results")
        return judge(paper.expected, {**records, "large": large}, ["large"], kind="results", last=last)[0]

    assert (verdict(ending(7.0)).kept, verdict(ending(7.0)).words) == (
        False,
        "≥ 1.8 × small, ≤ 2.2 × small; ≥ small + 3",
    )
    assert (verdict(ending(9.0)).kept, str(verdict(ending(9.0)).measured)) == (True, "9.000")
    assert (verdict(ending(12.0)).kept, verdict(ending(12.0)).words) == (False, "≥ 1.8 × small, ≤ 2.2 × small")
    short = verdict(ending(9.0, epochs=19))
    assert (short.kept, short.words) == (None, "no verdict: needs epoch 20")


def test_a_quick_training_is_that_of_the_study(paper, tmp_path):
    work = train(paper, tmp_path, Scale(quick=True))
    assert [one.study.particles for one in work.jobs] == [100, 100]
    assert {name: len(one.seeds[0]) for name, one in read_records(tmp_path / "quick").items()} == {
        "small": 3,
        "large": 3,
    }
    verdicts = {one.curve: one.words for one in work.verdicts()}
    assert verdicts == {"small": "no verdict: too short a training", "large": "≥ small"}


def test_more_epochs_continue_runs_that_ended(paper, trained, tmp_path):
    train(paper, tmp_path, Scale(epochs=8))
    train(paper, tmp_path, Scale(epochs=20, seeds=2))
    ours, whole = lasting(tmp_path / "results"), lasting(trained.results)
    assert {name: lines for name, lines in ours.items() if name.endswith("jsonl")} == {
        name: lines for name, lines in whole.items() if name.endswith("jsonl")
    }


DRIVER = f"""
import sys
from pathlib import Path
from mho.papers import Papers
from mho.papers.reproduction import Reproduction
from mho.papers.scale import Scale
from mho.runs.local import LocalEngine
from mho.version import PHYSICS_VERSION

if __name__ == "__main__":
    paper = Papers("{PACKAGE}", Path(sys.argv[1]) / "{PACKAGE}")["brown_1828"]
    engine = LocalEngine(2)
    Reproduction(paper, ["small", "large"], Scale(seeds=2), Path(sys.argv[2])).run(engine)
    engine.close()
"""


def test_killed_again_and_again_it_ends_with_the_same_bits(paper, room, trained, tmp_path):
    """SIGKILL of all processes when a first and a second file of the runs was written."""
    (tmp_path / "driver.py").write_text(DRIVER)
    kills = 0
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "driver.py"), str(room), str(tmp_path / "out")],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(room), os.environ.get("PYTHONPATH", "")])},
            start_new_session=True,
        )
        before, began = written(tmp_path), time.monotonic()
        while written(tmp_path) == before and process.poll() is None and time.monotonic() - began < 300:
            time.sleep(0.001)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 1
    train(paper, tmp_path / "out", Scale(seeds=2))
    assert lasting(tmp_path / "out" / "results") == lasting(trained.results)


def written(folder: Path) -> set[tuple[str, int]]:
    """Checkpoints and lines, by when they were written."""
    found = set()
    for name in ("metrics.jsonl", "checkpoint.safetensors"):
        for file in folder.glob(f"out/runs/*/{name}"):
            with contextlib.suppress(FileNotFoundError):
                found.add((str(file), file.stat().st_mtime_ns))
    return found


def test_stopped_at_every_epoch_it_ends_with_the_same_lines(paper, trained, tmp_path):
    study, asked = paper.study("small"), 0

    def every_other() -> bool:
        nonlocal asked
        asked += 1
        return asked % 2 == 0

    options = {"seed": 1, "data_folder": None, "on_progress": lambda *_: None}
    while not study.run(tmp_path, **options, stop=every_other):
        pass
    lines = [json.loads(line)["spread"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [line["spread"] for line in read_records(trained.results)["small"].seeds[1]]


def test_a_study_that_fails_is_reported_and_the_others_go_on(paper, tmp_path):
    work = Reproduction(paper, ["small", "large"], Scale(), tmp_path)
    folder = tmp_path / "runs" / work.jobs[0].name
    folder.mkdir(parents=True)
    (folder / "checkpoint.safetensors").write_text("damaged")
    (tmp_path / "reproduce.json").write_text(json.dumps({"paper": "brown_1828", "physics": PHYSICS_VERSION}))
    work = Reproduction(paper, ["small", "large"], Scale(), tmp_path)
    assert work.run(Inline())
    assert list(work.faults) == [work.jobs[0].name]
    assert "is damaged" in work.faults[work.jobs[0].name]
    assert list(read_records(work.results)) == ["large"]


# What people see ---------------------------------------------------------------------------------


def test_the_page_shows_the_quantity_and_the_pictures(paper, trained, tmp_path):
    records = read_records(trained.results)
    text = write_paper_page(paper, records, tmp_path / "page.html").read_text()
    assert write_paper_page(paper, records, tmp_path / "again.html").read_text() == text
    assert not re.findall(r'(?:src|href)="(?!#|data:)', text)
    for words in (
        "The numbers are ours; the paper's numbers are not available.".replace("'", "&#39;"),
        "measured (µm)<small>higher is better</small>",
        "Numbers are those of the last epoch.",
        '<td class="paper">not available</td>',
        ">spread of the particles (µm)</text>",
        "steps of 2 µm, seed 1: Places of the particles at the end",
        "brown_1828.curves:Walk",
    ):
        assert words in text, words
    assert text.count('src="data:image/png;base64,') == 4
    assert "What the arrays counted" not in text
    assert "test error" not in text


def test_the_terminal_names_the_quantity(paper, trained, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    show_verdicts(paper, trained.verdicts(), trained.scale)
    told = capsys.readouterr().out
    assert "brown_1828: spread of the particles in µm, at the last epoch" in told
    assert "The numbers are ours; the paper's numbers are not available." in told
    assert re.search(r"large +\d\.\d+ \(\d\.\d+ to \d\.\d+\) +2 +not available +yes ≥ 1.8 × small", told)
    with ReproduceDisplay(trained) as display:
        display.start(trained.jobs)
        display.shown_epochs = dict.fromkeys(display.shown_epochs, 19)
        display.tick()
    assert re.search(r"small, seed 0, epoch 20/20: spread of the particles 4\.\d+ µm\n", capsys.readouterr().err)


def test_the_terminal_shows_no_number_that_was_not_measured(trained, capsys, monkeypatch):
    with ReproduceDisplay(trained) as display:
        line = {"epoch": 1, "train_loss": 2.25, "spread": math.nan}
        assert display._value("small", [line]) == "training loss 2.250"
        assert display._value("small", [line, line | {"spread": 3.0}]) == "spread of the particles 3.000 µm"
        assert display._value("small", [{"epoch": 1, "spread": math.nan}]) == ""
        display.start(trained.jobs[:1])
        display.shown_epochs = dict.fromkeys(display.shown_epochs, 0)
        untested = dataclasses.replace(trained.state(trained.jobs[0]), metrics=[line, {"epoch": 2, "spread": math.nan}])
        monkeypatch.setattr(trained, "state", lambda job: untested)
        display.tick()
    told = capsys.readouterr().err
    assert "epoch 1/20: training loss 2.250\n" in told
    assert "epoch 2/20\n" in told
    assert "nan" not in told


def test_report_names_the_page_of_the_paper(trained):
    run = next((trained.folder / "runs").iterdir())
    done = mho("report", str(run), cwd=trained.folder)
    assert done.returncode == 1
    assert done.stderr.strip().endswith(f"for the page of its paper write: mho report {trained.folder}")


def test_list_estimates_from_finished_epochs(paper, trained, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    show_list(paper, ["small"], Scale(seeds=2), tmp_path / "nothing", data_dir=None, timed=True)
    assert re.search(r"small +not trained .* unknown", capsys.readouterr().out)
    show_list(paper, ["small"], Scale(seeds=3), trained.folder, data_dir=None, timed=True)
    assert re.search(r"small +2 of 3 done .* \d+ s", capsys.readouterr().out)


def test_a_figure_of_another_quantity(tmp_path):
    """Against a number of the lines, on a logarithmic axis, with the paper's numbers."""
    samples = Quantity(name="samples", label="samples", log=True, better="neither")
    gain = Quantity(name="gain", label="log-likelihood", unit="nats", better="higher")
    falling = [(10.0**k, -200.0 + 20 * k) for k in range(1, 5)]
    data = [
        Drawn("ours", curve_style(0), [falling, [(x, y - 3) for x, y in falling]], -120.0),
        Drawn("others", curve_style(1), [[(x, y - 15) for x, y in falling]], (-150.0, -140.0)),
    ]
    drawn = {}
    save(
        lambda ax: drawn.update(ax=paper_figure(data, ax, quantity=gain, x=samples, compared=True)),
        tmp_path / "figure.png",
        size=(7.6, 4.1),
    )
    ax = drawn["ax"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("samples", "log-likelihood (nats)")
    mean = next(line for line in ax.get_lines() if line.get_label() == "ours")
    assert mean.get_ydata()[0] == pytest.approx(-181.5)
    assert ax.get_ylim()[0] < -195
    assert ax.get_ylim()[1] > -120
    marks = [line for line in ax.get_lines() if line.get_marker() == "_"]
    assert [list(line.get_ydata()) for line in marks] == [[-120.0, -120.0], [-150.0, -140.0]]
    share = horizontal_axis(ax, samples, [1.0, 10.0], room=0.07)
    assert 1 - 0.07 < share < 1


def test_faults_of_quantities_are_told_at_once(tmp_path):
    (tmp_path / "expected.toml").write_text("""
    title = "x"
    epochs = "lst"
    quantity = "spred"
    numbers_available = false
    picture = {}
    [quantities.spread]
    label = "spread"
    better = "up"
    [figures.1]
    title = "one"
    curves = ["a"]
    quantity = "test_eror"
    [curves.a]
    label = "a"
    number = 3.0
    mark = "p"
    checks = [{ at_most = 1.0, of = "b", reason = "because" }, { at_most = 1.0, of = "a", than = "a", reason = "x" }]
    """)
    with pytest.raises(InvalidValue) as caught:
        read_expected(tmp_path / "expected.toml")
    for part in (
        "epochs is 'lst'; give the first and the last epoch of the mean, [25, 30], \"last\", or how many of the "
        'last epochs of each curve, "last 2"',
        "quantity: no quantity 'spred'; did you mean 'spread'?",
        "picture: no such entry; did you mean 'pictures'?",
        "better is 'up'; give one of lower, higher, neither",
        "figures.1.quantity: no quantity 'test_eror'; did you mean 'test_error'?",
        "curves.a: mark is 'p', and numbers_available is false",
        "of: no curve 'b'",
        "than and of exclude each other",
    ):
        assert part in str(caught.value), part
