"""mho compare: what can stand beside each other, differences of pairs, and where curves come from."""

from __future__ import annotations

import csv
import io
import json
import shutil

import pytest
from matplotlib.figure import Figure

import mho
from mho.comparison import Comparison, compare
from mho.comparison.comparison import _difference, _faults, _notes
from mho.comparison.curve import Curve, Origin
from mho.errors import InvalidValue
from mho.papers import PAPERS
from mho.runs.results import Result, Results
from mho.runs.sweep import Sweep
from tests.helpers.command import mho as typed

MNIST = Origin(data="mnist", measure="error", data_seed=0, train_images=0, test_images=0, seeds_known=True)
TINY = ["--model", "mlp", "--data", "digits", "--epochs", "2", "--set", "training.train_images=20"]
TINY += ["--set", "training.test_images=10"]


def curve(label: str, *seeds: list[float], first: int = 0, origin: Origin = MNIST, **fields) -> Curve:
    """Test errors of seeds from `first` on, one an epoch."""
    lines = {
        first + n: [{"epoch": epoch, "test_error": error} for epoch, error in enumerate(errors, 1)]
        for n, errors in enumerate(seeds)
    }
    return Curve(label=label, source=label, seeds=lines, origin=origin, **fields)


# differences


def test_differences_are_over_pairs_of_equal_seeds():
    first = curve("a", [50.0, 10.0], [50.0, 20.0], [50.0, 30.0])
    other = curve("b", [40.0, 11.0], [40.0, 21.0], [40.0, 31.5])
    found = _difference(other, first)
    assert (found.epoch, found.pairs, found.reason) == (2, 3, "")
    assert found.interval.mean == pytest.approx(3.5 / 3)
    # the seeds differ by 10 points, the pairs by 0.5: t(2, 97.5 %) = 4.303, s = 0.5 / √3
    assert found.interval.high - found.interval.mean == pytest.approx(4.303 * 0.5 / 3, rel=1e-3)
    partly = _difference(curve("b", [40.0, 25.0], first=1), first)
    assert (partly.pairs, partly.interval.mean, str(partly)) == (1, 5.0, "+5.00")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (curve("b", [12.0], first=7), "no seed in common"),
        (curve("b", [12.0], origin=Origin(data="mnist", data_seed=3, seeds_known=True)), "data seeds 3 and 0"),
        (curve("b", [12.0], origin=Origin()), "seeds not known"),
    ],
)
def test_curves_that_do_not_pair_say_why(other, reason):
    found = _difference(other, curve("a", [10.0]))
    assert (found.pairs, found.reason, found.interval.mean, str(found)) == (0, reason, 2.0, "+2.00")


def test_other_numbers_of_epochs_are_said_and_compared_at_the_last_common_one():
    long, short = curve("long", [9.0, 8.0, 7.0]), curve("short", [10.0, 6.0])
    found = _difference(short, long)
    assert (found.epoch, found.interval.mean) == (2, -2.0)
    assert _notes([long, short]) == [
        "Numbers of epochs differ (2: short; 3: long): differences are taken at the last epoch that both curves have."
    ]


def test_other_data_and_measures_are_refused_and_other_numbers_of_examples_said():
    digits = curve("d", [1.0], origin=Origin(data="digits", measure="distance"))
    told = _faults([curve("a", [1.0]), digits])
    assert [text.split(" cannot")[0] for text in told] == ["errors on other data", "errors on other measures"]
    fewer = curve("f", [1.0], origin=Origin(data="mnist", data_seed=0, train_images=300, seeds_known=True))
    assert "Numbers of training examples differ (all: a; 300: f)." in _notes([curve("a", [1.0]), fewer])


# sources


def test_tables_of_users(tmp_path):
    one = tmp_path / "measured.csv"
    one.write_text("epoch;ours;theirs\n2;3.5;4.5\n1;30;40\n")
    found = compare(one)
    assert [(c.label, list(c.at(2).values())) for c in found.curves] == [("ours", [3.5]), ("theirs", [4.5])]
    assert "is not known here" in " ".join(found.notes) or "are" in " ".join(found.notes)
    bare = tmp_path / "bare.csv"
    bare.write_text("1,0.5\n2,0.4\n")
    assert [c.label for c in compare(bare).curves] == ["bare"]
    assert "multiply shares by 100" in " ".join(compare(bare).notes)
    for text, told in (
        ("epoch,error\n1,a\n", "line 2: 'a' is no number"),
        ("epoch,error\n1,5\n2,nan\n", "line 3: 'nan' is not finite; leave the cell empty"),
        ("epoch\n1\n", "no table of errors"),
        ("epoch,loss\n1,2\n", "give a column of test errors"),
        ("epoch,error\n1,2\n1,3\n", "an epoch twice"),
        ("epoch,error\n1\n", "line 2, has 1 cells"),
    ):
        bare.write_text(text)
        with pytest.raises(InvalidValue, match=told):
            compare(bare)


def test_every_source_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    untrained = ((p.name, c) for p in PAPERS.values() for c in p.curves if not (p.results / f"{c}.jsonl").exists())
    paper, curve = next(untrained)
    with pytest.raises(InvalidValue) as error:
        compare(tmp_path / "empty", "gokmen_2017:nm_mb", f"{paper}:{curve}", "nowhere")
    told = str(error.value)
    for text in ("not of mho train", "did you mean 'nm_bm'", f"--curve {curve}", "there is no nowhere"):
        assert text in told
    with pytest.raises(InvalidValue, match="nothing to compare"):
        compare()
    with pytest.raises(mho.errors.WrongCall, match="did you mean 'labels'"):
        compare("gokmen_2017", label={})


def test_curves_of_papers_come_with_mho():
    found = mho.compare("gokmen_2017:nm_bm", "gokmen_2017:um_bl1", labels={"gokmen_2017:nm_bm": "managed"})
    assert isinstance(found, Comparison)
    assert [c.label for c in found.curves] == ["managed", "gokmen_2017, NM + BM + UM, BL = 1"]
    assert found.curves[0].last == 30
    assert found.differences[1].pairs == 1
    assert found.notes == ()
    with pytest.raises(InvalidValue, match="32"):
        compare("kim_2019", "kim_2019")


@pytest.fixture
def swept(tmp_path):
    """The folder of a sweep of two points with two seeds; its run folders are gone."""
    training = {"epochs": 2, "data": "digits", "model": "mlp"}
    table = {"seeds": 2, "grid": {"forward.noise": [0.1, 0.0]}}
    described = Sweep({"preset": "gokmen_2017", "training": training, "sweep": table})
    folder = tmp_path / "swept"
    folder.mkdir()
    results = Results(folder, described)
    for number, error in enumerate((20.0, 22.0, 9.0, 10.0)):
        numbers = {"epoch": 2, "train_error": 1.0, "test_error": error, "train_loss": 0.5, "test_errors": [50.0, error]}
        results.add({number: Result(**numbers, seconds=1.0, folder="runs/a", replica=number)})
    return folder


def test_points_of_a_sweep_are_curves_by_their_values(swept):
    found = compare(swept)
    assert [c.label for c in found.curves] == ["forward.noise = 0", "forward.noise = 0.1"]
    assert found.curves[0].final.text() == "9.50 (9.00 to 10.00)"
    assert str(found.differences[1]) == "+11.50 (+11.00 to +12.00)"
    (best,) = compare(f"{swept}:best").curves
    assert best.label == "swept: forward.noise = 0"
    assert compare(f"{swept}:0").curves[0].label == "swept: forward.noise = 0.1"
    with pytest.raises(InvalidValue, match="give best, or a number of its table: 0 to 1"):
        compare(f"{swept}:2")


# the command line


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two runs of two replicas, of which the second differ in noise."""
    folder = tmp_path_factory.mktemp("runs")
    for name, more in (("a", []), ("b", ["--set", "forward.noise=[0.0,0.3]"])):
        done = typed("train", *TINY, "--replicas", "2", "--out", name, *more, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def test_runs_are_compared_replica_by_replica_and_by_what_replicas_differ_in(trained):
    found = json.loads(typed("compare", "a", "ours=b", "--json", cwd=trained).stdout)
    assert [(row["label"], row["seeds"]) for row in found["curves"]] == [
        ("a", 2), ("ours: b, forward.noise = 0", 1), ("ours: b, forward.noise = 0.3", 1),
    ]  # fmt: skip
    assert [row.get("difference", {}).get("pairs") for row in found["curves"]] == [None, 1, 1]
    rows = list(csv.DictReader(io.StringIO(typed("compare", "a", "b", "--csv", cwd=trained).stdout)))
    assert float(rows[0]["test_error"]) == pytest.approx(found["curves"][0]["test_error"]["mean"])
    assert "over pairs of equal seeds" in typed("compare", "a", "b", cwd=trained).stdout


def test_a_table_of_the_device_is_no_list_of_values_for_replicas(trained, tmp_path):
    folder = shutil.copytree(trained / "a", tmp_path / "table")
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("[device]\n", "[device]\nup = [1.0, 0.5]\n"))
    (curve,) = compare(folder).curves
    assert len(curve.seeds) == 2


def test_replicas_of_one_seed_keep_their_own_errors(tmp_path):
    """As of --paired: they differ in a value only."""
    words = ["--replicas", "2", "--paired", "--set", "forward.noise=[0.0,0.9]", "--out", "paired"]
    assert typed("train", *TINY, *words, cwd=tmp_path).returncode == 0
    last = json.loads((tmp_path / "paired" / "metrics.jsonl").read_text().splitlines()[-1])
    found = [curve.at(2, "train_loss")[0] for curve in compare(tmp_path / "paired").curves]
    assert found == last["train_loss_replicas"]
    assert found[0] != found[1]


def test_out_is_a_figure_a_table_or_a_folder_that_compare_reads_again(trained, tmp_path):
    for name in ("c.pdf", "c.svg", "c.png", "c.csv", "all"):
        done = typed("compare", "a", "b", "--out", str(tmp_path / name), cwd=trained)
        assert done.returncode == 0, done.stderr
    assert {file.name for file in (tmp_path / "all").iterdir()} == {
        "report.html", "final.csv", "curves.csv", "error.svg", "error.csv", "loss.svg", "loss.csv",
    }  # fmt: skip
    page = (tmp_path / "all" / "report.html").read_text()
    assert page.count("<svg") == 4  # wide and narrow, of error and loss
    assert 'src="http' not in page
    again = compare(tmp_path / "c.csv")
    first = compare(trained / "a", trained / "b")
    assert [c.final for c in again.curves] == [c.final for c in first.curves]
    ax = first.draw(Figure().add_subplot())
    assert [line.get_label() for line in ax.get_lines()] == [c.label for c in first.curves]


MISTAKES = {
    "ending": (["gokmen_2017", "--out", "c.jpg"], "c.jpg has the ending .jpg; give .png"),
    "folder": (["gokmen_2017", "--out", "no/c.png"], "there is no folder no"),
    "both": (["gokmen_2017", "--json", "--csv"], "exclude each other"),
    "style": (["gokmen_2017", "--style", "paper"], "name a file or a folder"),
    "kind": (["gokmen_2017", "--out", "c.png", "--style", "papre"], "did you mean 'paper'"),
    "nothing": ([], "nothing to compare"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_message(mistake, tmp_path):
    words, told = MISTAKES[mistake]
    done = typed("compare", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
