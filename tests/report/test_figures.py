"""Figures to take away: intervals, styles of curves, files of figures, and their numbers."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import statistics

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats

import mho
from mho.errors import InvalidValue
from mho.intervals import error_interval, interval
from mho.report import error_curves
from mho.report.curve_styles import curve_style, page_styles
from mho.report.gallery import gallery
from mho.report.numbers import figure_csv
from tests.helpers.command import mho as typed


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# intervals


def test_an_interval_is_students_from_three_values_on_the_range_of_two_and_none_of_one():
    values = [1.0, 2.5, 3.0, 7.0]
    low, high = stats.t.interval(0.95, 3, statistics.fmean(values), statistics.stdev(values) / 2)
    assert interval(values).ends == pytest.approx((low, high))
    assert interval(values).text() == f"3.38 ± {high - 3.375:.2f}"
    assert interval([4.0, 1.0]).ends == (1.0, 4.0)
    assert interval([4.0, 1.0]).text() == "2.50 (1.00 to 4.00)"
    assert interval([4.0]).text() == "4.00"
    assert interval([4.0]).ends == (4.0, 4.0)


def test_an_interval_of_errors_stays_where_errors_can_be_and_says_both_ends_where_it_was_cut():
    assert error_interval([0.0, 1.0, 20.0]).ends[0] == 0.0
    assert error_interval([99.0, 90.0, 60.0]).ends[1] == 100.0
    assert re.fullmatch(r"83\.00 \(\d+\.\d\d to 100\.00\)", error_interval([99.0, 90.0, 60.0]).text())
    assert error_interval([150.0, 160.0, 260.0]).ends[1] > 260.0  # shares of a variance have no upper end


# styles of curves


def test_a_curve_has_one_style_on_a_page_and_curves_of_a_figure_differ_in_colour():
    figures = [list("abcdefgh"), list("aijklmn"), list("agnop")]
    styles = page_styles(figures)
    assert len(set(styles.values())) == len(styles) == 16
    for figure in figures:
        assert len({styles[name].color for name in figure}) == len(figure)
    assert len({curve_style(number) for number in range(32)}) == 32


# numbers of a figure


def test_numbers_are_those_that_are_drawn():
    ax = Figure().add_subplot()
    ax.plot([1, 2], [10.0, 20.0], label="a")
    ax.fill_between([1, 2], [9.0, 18.0], [11.0, 22.0], label="_a")
    ax.errorbar([1, 2], [30.0, 40.0], yerr=([1.0, 2.0], [3.0, 4.0]), label="b", capsize=3)
    ax.plot([1], [5.0], label="_thin")
    ax.axhline(7.0, label="level")
    ax.axvline(1.5)
    ax.set_xlabel("epoch")
    ax.set_ylabel("error (%)")
    found = rows(figure_csv([ax]))
    assert list(found[0]) == ["curve", "epoch", "error (%)", "low", "high"]
    assert sorted(tuple(row.values()) for row in found) == [
        ("a", "1", "10", "9", "11"),
        ("a", "2", "20", "18", "22"),
        ("b", "1", "30", "29", "33"),
        ("b", "2", "40", "38", "44"),
        ("level", "", "7", "", ""),
        ("thin", "1", "5", "", ""),
    ]


def test_numbers_of_tables_of_colours_bars_and_dots():
    ax = Figure().add_subplot()
    ax.pcolormesh(np.ma.masked_invalid([[1.0, math.nan], [3.0, 4.0]]), label="error")
    ax.set_xticks([0.5, 1.5], ["none", "3"])
    ax.set_yticks([0.5, 1.5], ["low", "high"])
    assert [tuple(row.values()) for row in rows(figure_csv([ax]))] == [
        ("error", "none", "low", "1"), ("error", "3", "low", ""), ("error", "none", "high", "3"),
        ("error", "3", "high", "4"),
    ]  # fmt: skip
    ax = Figure().add_subplot()
    ax.barh([0, 1], [5.0, 6.0], label="share")
    ax.set_yticks([0, 1], ["conv1", "fc"])
    assert [tuple(row.values()) for row in rows(figure_csv([ax]))] == [("share", "conv1", "5"), ("share", "fc", "6")]
    ax = Figure().add_subplot()
    ax.scatter([0.1, 0.2], [3.0, 4.0], c=[7.0, 8.0], label="points")
    assert [row["value"] for row in rows(figure_csv([ax]))] == ["7", "8"]


# files of figures

HISTORY = [{"epoch": e, "test_error": 50.0 / e, "train_error": 40.0 / e, "train_loss": 1.0 / e} for e in (1, 2, 3)]


def test_figures_of_a_page_become_files_each_with_its_numbers(tmp_path):
    with gallery() as figures:
        mho.report(HISTORY, out=tmp_path / "page.html")
    assert list(figures.pictures) == ["error", "loss"]
    files = figures.save(tmp_path / "out", format="svg")
    assert [file.name for file in files] == ["error.svg", "loss.svg"]
    assert "currentColor" not in files[0].read_text()  # a file has no page around it
    found = rows((tmp_path / "out" / "error.csv").read_text())
    assert [row for row in found if row["curve"] == "test error"][1]["y"] == "25"
    again = figures.save(tmp_path / "again", format="svg")
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]
    mho.report(HISTORY, out=tmp_path / "other.html")
    assert len(figures.pictures) == 2  # those that are made outside are not collected


def test_the_style_of_papers_has_the_width_of_a_column_and_no_titles(tmp_path):
    def draw(ax):
        ax.plot([1, 2], [3, 4])
        ax.set_title("title")

    with gallery() as figures:
        figures.note("a-wide", "wide", draw, (7.6, 3.8))
    (file,) = figures.save(tmp_path, style="paper", width=3.0)
    with Image.open(file) as image:
        assert image.size == (1800, 900)  # 600 dots per inch
    (drawn,) = figures.save(tmp_path, format="svg", style="paper")
    assert "title</text>" not in drawn.read_text()
    (page,) = figures.save(tmp_path, format="svg")
    assert "title</text>" in page.read_text()
    before = mpl.rcParams["font.size"]
    with mho.report.style("paper", width=2.0) as look:
        assert (look.width, mpl.rcParams["font.size"], mpl.rcParams["figure.figsize"][0]) == (2.0, 8.0, 2.0)
    assert mpl.rcParams["font.size"] == before


def test_all_that_is_wrong_with_figures_is_said_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        gallery() as figures,
        pytest.raises(InvalidValue, match=r"'jpg'.*is a file.*'papr'; did you mean 'paper'.*1 to 20"),
    ):
        figures.save(tmp_path / "file", format="jpg", style="papr", width=90)
    with pytest.raises(InvalidValue, match="no figures yet"):
        figures.save(tmp_path / "out")
    assert not (tmp_path / "out").exists()


# the command line


def test_report_writes_figures_of_a_reproduced_paper(tmp_path):
    words = ["--from-results", "--page", "p.html", "--figures", "f", "--format", "pdf"]
    made = typed("reproduce", "gokmen_2017", *words, cwd=tmp_path)
    assert made.returncode == 1, made.stderr  # one curve is not what the paper has
    assert {file.name for file in (tmp_path / "f").iterdir()} == {
        f"figure-{name}.{end}" for name in (3, 4, 5, 6) for end in ("pdf", "csv")
    }
    table = rows((tmp_path / "f" / "figure-6.csv").read_text())
    assert {row["curve"] for row in table} >= {"floating point", "NM + BM", "NM + BM, run 1", "NM + BM, paper"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["report", ".", "--style", "paper"], "--style without --figures"),
        (["report", "nowhere"], "nowhere is no folder"),
        (["device", "plot", "SoftBounds"], "--out FILE for one file, or --figures DIR"),
        (["device", "plot", "SoftBounds", "--figures", "f", "--format", "gif"], "no format 'gif' of figures"),
        (["map", "lenet", "--style", "paper"], "--style without --figures"),
        (["reproduce", "gokmen_2017", "--list", "--figures", "f"], "--figures goes with a paper and its page"),
        (["reproduce", "gokmen_2017", "--time"], "--time goes with --list"),
    ],
)
def test_options_of_figures_say_what_they_need(words, told, tmp_path):
    done = typed(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "names", "row"),
    [
        (
            ["map", "lenet"],
            {"shares", "time", "energy", "area"},
            # conv1 of LeNet: 24×24 vectors of 10 ns on its array of 512×512, at the page's three digits 5.76 µs
            ("time", {"curve": "forward", "layer": "conv1", "time per training image (µs)": "5.76"}),
        ),
        (["map", "lenet", "--show", "area"], {"area"}, None),
        (
            ["device", "plot", "ConstantStep", "--cells", "5", "--pulses", "20"],
            {"response", "steps", "symmetry"},
            ("response", {"curve": "cell 1", "pulses: 20 up, then as many down": "0"}),
        ),
    ],
)
def test_map_and_device_plot_write_figures_each_with_its_numbers(words, names, row, tmp_path):
    done = typed(*words, "--figures", "f", "--format", "svg", "--style", "paper", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {file.name for file in (tmp_path / "f").iterdir()} == {f"{n}.{e}" for n in names for e in ("svg", "csv")}
    assert "figures f: " in done.stdout
    if row is not None:
        name, wanted = row
        assert any(wanted.items() <= found.items() for found in rows((tmp_path / "f" / f"{name}.csv").read_text()))
    for name in names:
        width = re.search(r'<svg [^>]*width="([\d.]+)pt"', (tmp_path / "f" / f"{name}.svg").read_text())
        assert width is not None
        assert float(width[1]) == pytest.approx(72 * 3.4, abs=0.1)


def test_errors_that_span_little_have_a_linear_axis_around_them():
    def axis(*errors: float):
        lines = [{"epoch": i + 1, "test_error": e, "train_error": e} for i, e in enumerate(errors)]
        return error_curves(lines, Figure().add_subplot(), chance=90.0)

    near = axis(90.8, 90.2)
    assert near.get_yscale() == "linear"
    low, high = near.get_ylim()
    assert 80.0 < low < 88.0  # not from 50 to 100, and not so close that chance looks like a difference
    assert 92.0 < high < 97.0
    assert axis(90.8, 12.0).get_yscale() == "log"
    assert axis(90.8, 12.0, 0.0).get_yscale() == "log"  # an error of 0 leaves it at the bottom


def test_figures_leave_what_programs_read_alone(tmp_path):
    done = typed("map", "lenet", "--figures", "f", "--csv", cwd=tmp_path)
    assert done.stdout.startswith("layer,")
    assert "figures" not in done.stdout


def test_a_second_reproduce_in_one_folder_says_one_sentence(tmp_path):
    from filelock import FileLock

    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "reproduce.json").write_text(
        json.dumps({"paper": "sedghi_2016", "version": "0", "physics": mho.PHYSICS_VERSION})
    )
    with FileLock(folder / ".lock"):
        done = typed("reproduce", "sedghi_2016", "--quick", "--figure", "input", "--out", "run", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"mho: another mho reproduce works in {folder}; wait for its end, or give another --out\n"
