"""mho reproduce: trains and judges curves, continues what was killed, and lists what there is."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest

import mho
from mho.cli import reproduce_list
from mho.data import mnist
from mho.errors import MhoError, WrongUse
from mho.papers import PAPERS
from mho.papers.experiment_study import ExperimentStudy
from mho.papers.records import read_included, read_records
from mho.papers.reproduction import Reproduction
from mho.papers.scale import Scale
from mho.runs import Experiment, Run
from tests.helpers.command import mho as typed
from tests.helpers.inline import Inline
from tests.helpers.papers import LENET, MLP, curve_of, record, told


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from mho.cli import main; main()", "reproduce", *words]


def reproduce(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """As a user types it, but that runs are trained in this process and not in workers."""
    with mock.patch("mho.runs.local.LocalEngine", return_value=Inline()):
        return typed("reproduce", *words, cwd=cwd, COLUMNS="160")


def train(folder: Path, *curves: str, epochs: int = 2, seeds: int = 1) -> tuple[Reproduction, list[str]]:
    """Train some curves on few images; the names of the runs that were missing."""
    scale = Scale(epochs=epochs, seeds=seeds, train_images=40, test_images=20)
    work, missing = Reproduction(LENET, curves, scale, folder), []
    assert work.run(Inline(), on_start=lambda jobs: missing.extend(f"{one.curve}-s{one.seed}" for one in jobs))
    return work, missing


# Training ----------------------------------------------------------------------------------------


def lasting(folder: Path) -> dict[str, list[dict[str, object]]]:
    """The results of a folder without what may depend on the machine."""
    return {
        file.stem: [
            {key: value for key, value in json.loads(line).items() if "second" not in key}
            for line in file.read_text().splitlines()
        ]
        for file in sorted((folder / "trial").glob("*.jsonl"))
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two curves with two seeds, trained in this process without a break."""
    folder = tmp_path_factory.mktemp("papers") / "whole"
    train(folder, "um_bl1", "floating_point", seeds=2)
    return folder


def test_results_have_a_line_an_epoch_and_the_command_that_makes_them(trained):
    results = lasting(trained)
    assert list(results) == ["floating_point", "um_bl1"]
    head, *lines = results["um_bl1"]
    assert head["command"] == (
        "mho reproduce gokmen_2017 --curve um_bl1 --seeds 2 --epochs 2 --train-images 40 --test-images 20"
    )
    steps = [(line["seed"], line.get("epoch")) for line in lines]
    assert steps == [(seed, epoch) for seed in (0, 1) for epoch in (1, 2, None, None)]
    assert lines[2]["counters"]["conv1"]["pulses"] > 0
    assert lines[3]["diagnosis"]["findings"]
    assert [row["layer"] for row in head["arrays"]] == ["conv1", "conv2", "fc1", "fc2"]


def test_a_run_is_that_of_mho_train(trained, tmp_path):
    (folder,) = (trained / "runs").glob("um_bl1-s1-*")
    run = Run(Experiment.from_toml((folder / "config.toml").read_text()), tmp_path / "run", mnist())
    run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    ours = [line["test_error"] for line in lasting(trained)["um_bl1"] if line.get("seed") == 1 and "epoch" in line]
    assert [line["test_error"] for line in run.loop.progress.metrics] == ours


def test_finished_curves_are_kept_and_more_epochs_and_seeds_add_to_them(trained, tmp_path):
    assert train(tmp_path, "um_bl1", epochs=1)[1] == ["um_bl1-s0"]
    assert lasting(tmp_path).keys() == {"um_bl1"}
    both = "um_bl1", "floating_point"
    everything = ["um_bl1-s0", "floating_point-s0", "um_bl1-s1", "floating_point-s1"]
    assert train(tmp_path, *both, seeds=2)[1] == everything
    assert lasting(tmp_path) == lasting(trained)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").glob("*/*")}
    assert train(tmp_path, *both)[1] == []
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").glob("*/*")}
    assert lasting(tmp_path) == lasting(trained)  # seeds that are not asked for now are kept


def test_results_are_made_anew_from_finished_runs(trained, tmp_path):
    """As after a kill between the end of a run and its results."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (tmp_path / "trial" / "um_bl1.jsonl").unlink()
    assert train(tmp_path, "um_bl1")[1] == []
    assert lasting(tmp_path) == lasting(trained)


def test_trainings_of_other_sizes_are_kept_apart(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    smaller = Reproduction(LENET, ["um_bl1"], Scale(epochs=1, train_images=30, test_images=20), tmp_path)
    assert smaller.run(Inline())
    record = read_records(tmp_path / "trial")["um_bl1"]
    assert (record.images, [len(lines) for lines in record.seeds.values()]) == (30, [1])


def test_a_failed_run_is_told_and_the_others_go_on(tmp_path):
    work, _ = train(tmp_path, "um_bl1", epochs=1)
    name = work.jobs[0].name
    (tmp_path / "runs" / name / "checkpoint.safetensors").write_text("damaged")
    work, _ = train(tmp_path, "um_bl1", "floating_point")
    assert list(work.faults) == [name]
    assert "is damaged" in work.faults[name]
    assert len(lasting(tmp_path)["floating_point"]) == 5  # head, two epochs, counters, diagnosis


def test_folders_of_others_are_refused(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "reproduce.json"
    head = json.loads(file.read_text())
    with pytest.raises(WrongUse, match="holds results of gokmen_2017; give another --out"):
        Reproduction(MLP, ["baseline"], Scale(), tmp_path)
    for text, fault in (
        (json.dumps(head | {"physics": 0}), "version 0 of the physics, and this mho has version .* Give another --out"),
        ("{", "is damaged"),
        (json.dumps({"paper": "gokmen_2017"}), "no 'physics'.*give another --out"),
        (None, "is not of mho reproduce"),
    ):
        file.unlink() if text is None else file.write_text(text)
        with pytest.raises(MhoError, match=fault):
            Reproduction(LENET, ["um_bl1"], Scale(), tmp_path)


# The command line --------------------------------------------------------------------------------

MISTAKES = {
    "figure": (["gokmen_2017", "--figure", "7"], "gokmen_2017 has no figure '7' here; known: 3, 4, 5, 6"),
    "curve": (["gokmen_2017", "--curve", "umbl1"], "no curve 'umbl1'; did you mean 'um_bl1'?"),
    "no paper": (["--figure", "6"], "--figure needs a paper"),
    "quick": (["gokmen_2017", "--quick", "--epochs", "3"], "a quick training has 2 epochs of 5,000 images"),
    "epochs": (["gokmen_2017", "--epochs", "0"], "epochs is 0; give an integer of at least 1"),
    "seeds": (["gokmen_2017", "--seeds", "0"], "seeds is 0"),
    "threads": (["gokmen_2017", "--threads", "0"], "threads is 0"),
    "nothing": (["gokmen_2017", "--from-results", "--out", "nowhere"], "there are no results in nowhere"),
    "page": (["gokmen_2017", "--page", "x.html"], "--page goes with a paper and --from-results"),
    "both": (["gokmen_2017", "--from-results", "--list"], "exclude each other"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_and_leave_nothing(mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, message = MISTAKES[mistake]
    error = told(*words).exception
    assert isinstance(error, MhoError)
    assert message in str(error)
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_is_one_message(tmp_path):
    done = reproduce("gokmen_2018", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "mho: no paper 'gokmen_2018'; did you mean 'gokmen_2017'?\n"


def test_results_are_judged_unless_they_are_of_other_physics(tmp_path):
    for name, end in (("um_bl1", 1.1), ("um_bl1_devices_13_k2", 0.9), ("floating_point", 0.9), ("baseline", 12.0)):
        record(name, curve_of(end)).write(tmp_path / "results")
    words = [
        "gokmen_2017",
        "--figure",
        "6",
        "--from-results",
        "--out",
        str(tmp_path),
        "--page",
        str(tmp_path / "p.html"),
    ]
    done = told(*words)
    assert done.exit_code == 0
    assert "not trained" in done.stdout  # nm_bm
    assert done.stderr == ""
    assert "Figure 6" in (tmp_path / "p.html").read_text()
    record("nm_bm", curve_of(2.5)).write(tmp_path / "results")
    done = told(*words)
    assert done.exit_code == 1
    assert "NO ≥ 1.4, ≤ 2" in done.stdout
    record("nm_bm", curve_of(2.5), physics=0).write(tmp_path / "results")
    done = told(*words)
    assert done.exit_code == 0
    assert f"another version of the physics than this mho's, {mho.PHYSICS_VERSION}: nm_bm (0)" in done.stderr
    for file in (tmp_path / "results").glob("*.jsonl"):
        if file.stem != "nm_bm":
            file.unlink()
    assert "has only results of another version" in str(told(*words).exception)


def test_list_shows_every_curve_and_with_time_how_long_it_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = told("gokmen_2017", "--figure", "6", "--list", "--time", "--epochs", "1000")
    assert done.exit_code == 0
    for name in LENET.expected.figures["6"].curves:
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{name} ")]
        assert " h " in line  # 1,000 epochs of 60,000 images
        assert "included" in line
    assert list(tmp_path.iterdir()) == []


def test_list_needs_no_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ExperimentStudy, "seconds_an_epoch", None)  # nothing is timed
    monkeypatch.setattr(reproduce_list, "read_included", lambda folder: {})  # as if none had been trained
    curves = PAPERS["gokmen_2016"].expected.figures["c2c"].curves
    for name in ("c2c", "4B"):  # ours, and the paper's
        done = told("gokmen_2016", "--figure", name, "--list", "--data-dir", str(tmp_path))
        assert done.exit_code == 0
        assert all(f"\n{curve} " in done.stdout for curve in curves)
        assert "5 of 5 curves are not trained" in done.stdout
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mho.papers.records.read_records", lambda folder: {})
    words = ["--figure", "c2c", "--list", "--time", "--data-dir", str(tmp_path)]
    assert "unknown" in told("gokmen_2016", *words).stdout
    monkeypatch.undo()
    included = told("gokmen_2017", "--list").stdout
    here, curves = included_of("gokmen_2017")
    assert f"results of {here} of {curves} curves are included: mho reproduce gokmen_2017 --from-results" in included
    assert (f"{curves - here} of {curves} curves are not trained" in included) == (here < curves)


def included_of(name: str) -> tuple[int, int]:
    """How many curves of a paper have results that come with mho, and how many it has."""
    paper = PAPERS[name]
    return sum((paper.results / f"{curve}.jsonl").exists() for curve in paper.curves), len(paper.curves)


def test_list_takes_neither_torch_nor_the_modules_of_the_curves(tmp_path):
    """Where no run has begun; a folder of runs needs them, to tell what is done."""
    script = (
        "import sys; sys.argv = ['mho', 'reproduce', '--list']\n"
        "from mho.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'numba', 'mho.papers.gokmen_2017.curves') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert lines[-1] == "[]", done.stderr
    here, curves = included_of("gokmen_2017")
    assert f"results of {here} of {curves} curves are included: mho reproduce gokmen_2017 --from-results" in lines


def test_results_by_their_beginnings_are_those_that_are_read_whole():
    for paper in PAPERS.values():
        whole = read_records(paper.results)
        assert {name: (one.physics, one.seeds) for name, one in read_included(paper.results).items()} == {
            name: (record.physics, len(record.seeds)) for name, record in whole.items()
        }


def test_list_counts_runs_that_are_done(trained):
    words = [
        "--list",
        "--time",
        "--seeds",
        "3",
        "--epochs",
        "2",
        "--train-images",
        "40",
        "--test-images",
        "20",
        "--out",
        str(trained),
    ]
    done = told("gokmen_2017", "--curve", "um_bl1", *words)
    assert "2 of 3" in next(line for line in done.stdout.splitlines() if line.startswith("um_bl1 "))
    done = told("gokmen_2017", "--curve", "um_bl1", *words[:3], "2", *words[4:])
    line = next(line for line in done.stdout.splitlines() if line.startswith("um_bl1 "))
    assert "2 of 2 done" in line
    assert line.endswith(" 0 s")


def test_killed_again_and_again_it_ends_with_the_same_bits(trained, tmp_path):
    """SIGKILL at whatever it does then, and at once again from the start."""
    words = ["gokmen_2017", "--curve", "um_bl1", "--curve", "floating_point", "--seeds", "2", "--epochs", "2"]
    words += ["--train-images", "40", "--test-images", "20", "--out", "run", "--threads", "1"]
    kills = 0
    for wait in (0.0, 0.1):
        process = subprocess.Popen(command(*words), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before, began = _written(tmp_path), time.monotonic()
        while _written(tmp_path) == before and process.poll() is None and time.monotonic() - began < 300:
            time.sleep(0.002)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    done = reproduce(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert kills >= 1
    assert lasting(tmp_path / "run") == lasting(trained)
    assert "no verdict: not all images" in done.stdout
    assert "A trial on a part of the images" in (tmp_path / "run" / "trial.html").read_text()


def _written(folder: Path) -> set[tuple[str, int]]:
    """Checkpoints and metrics, by when they were written."""
    found = set()
    for name in ("metrics.jsonl", "checkpoint.safetensors"):
        for file in folder.glob(f"run/runs/*/{name}"):
            with contextlib.suppress(FileNotFoundError):
                found.add((str(file), file.stat().st_mtime_ns))
    return found


def test_quick_shows_what_management_is_for(tmp_path):
    """Two runs of 10,000 images."""
    curves = [word for name in ("baseline", "nm_bm") for word in ("--curve", name)]
    done = reproduce("gokmen_2017", "--quick", *curves, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("yes") == 2
