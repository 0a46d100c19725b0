"""The page of a sweep: intervals, figures, and what stands in it."""

from __future__ import annotations

import math
import re

import pytest
from matplotlib.figure import Figure

from mho.cli.sweep_display import show_points
from mho.errors import InvalidValue
from mho.report import is_sweep, write_sweep_report
from mho.report.sweep_axes import axis
from mho.report.sweep_figures import color_range, error_against, error_map
from mho.runs.points import PointErrors, chance_in_words, lowest, lowest_in_words
from mho.runs.results import FAILED, Result, Results
from mho.runs.sweep import Sweep


def points(grid: dict[tuple[object, ...], list[float]], *fields: str) -> list[PointErrors]:
    """Points with these values of the fields, and the errors of seeds 0, 1, ..."""
    return [
        PointErrors(n, dict(zip(fields, values, strict=True)), dict(enumerate(errors)), errors, errors, 1.0, 1)
        for n, (values, errors) in enumerate(grid.items())
    ]


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ([1e-4, 1e-3, 1e-2], True),
        ([0.01, 0.02, 0.05, 0.1], True),
        ([0.0, 1.0, 10.0], False),
        ([1, 2, 3, 4, 5, 6, 7], False),
        ([1.0, 2.0], False),
    ],
)
def test_how_values_lie_decides_the_axis(values, log):
    found = axis("a.b", points({(value,): [1.0] for value in values}, "a.b"))
    assert not found.categorical
    assert found.log is log
    assert found.values == sorted(values)


def test_draws_lie_as_they_were_drawn():
    data = points({(n / 10 + 0.01,): [n + 1.0] for n in range(9)}, "a.b")
    scales = [
        error_against("a.b", data, Figure().add_subplot(), drawn={"a.b": log}).get_xscale() for log in (True, False)
    ]
    assert scales == ["log", "linear"]


def test_words_and_no_bound_are_categories():
    found = axis("a.b", points({("none",): [1.0], (3.0,): [2.0], (1.0,): [2.0]}, "a.b"))
    assert found.categorical
    assert found.values == [1.0, 3.0, "none"]


def test_each_line_has_one_value_of_the_other_field_and_nothing_is_averaged_over_it():
    grid = {(0, 1): [10.0, 12.0], (0, 2): [20.0, 22.0], (5, 1): [30.0, 31.0], (5, 2): [40.0, 43.0]}
    ax = Figure().add_subplot()
    assert error_against("a.b", points(grid, "a.b", "c.d"), ax) is ax
    drawn = {bars.get_label(): bars for bars in ax.containers}
    assert {name: list(bars.lines[0].get_ydata()) for name, bars in drawn.items()} == {
        "c.d = 1": [11.0, 30.5],
        "c.d = 2": [21.0, 41.5],
    }
    assert {text.get_text() for text in ax.get_legend().get_texts()} == set(drawn)
    ends = [segment[:, 1].tolist() for segment in drawn["c.d = 1"].lines[2][0].get_segments()]
    assert ends == [[10.0, 12.0], [30.0, 31.0]]  # of two seeds their range
    assert ax.get_xlabel() == "a.b"


def test_a_single_field_has_a_band_that_never_leaves_0_to_100():
    ax = error_against("a.b", points({(0,): [60.0, 90.0, 99.0], (5,): [1.0, 2.0, 30.0]}, "a.b"), Figure().add_subplot())
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.0, 100.0)


def test_of_many_lines_only_that_of_the_lowest_error_has_a_colour():
    grid = {(x, y): [10.0 + y - x] for x in (0, 1) for y in range(9)}
    ax = error_against("a.b", points(grid, "a.b", "c.d"), Figure().add_subplot())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["c.d = 0"]
    assert len(ax.get_lines()) == 9


def test_random_values_and_points_that_share_nothing_have_dots_without_lines():
    scattered = points({(n / 10, math.sin(n)): [n + 1.0] for n in range(5)}, "a.b", "c.d")
    side_by_side = points({(1, True): [1.0], (10, False): [2.0]}, "a.b", "c.d")
    for data, drawn in ((scattered, {"a.b": False, "c.d": False}), (side_by_side, {})):
        (line,) = error_against("a.b", data, Figure().add_subplot(), drawn=drawn).get_lines()
        assert line.get_linestyle() == "None"


def test_categories_have_bars():
    ax = Figure().add_subplot()
    error_against("a.b", points({(True,): [1.0, 2.0], (False,): [5.0, 6.0]}, "a.b"), ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["false", "true"]
    assert len(ax.containers) == 1


def test_map_holds_the_lowest_error_of_every_pair_and_leaves_others_empty():
    data = points({(0, 1, 7): [10.0], (0, 1, 8): [20.0], (0, 2, 7): [30.0], (5, 1, 7): [40.0]}, "a.b", "c.d", "e.f")
    ax = error_map(("a.b", "c.d"), data, Figure().add_subplot())
    cells = ax.collections[0].get_array()
    assert [[float(v) for v in row] for row in cells.filled(-1)] == [[10.0, 40.0], [30.0, -1.0]]
    assert {text.get_text() for text in ax.texts} == {"10.0", "40.0", "30.0"}


@pytest.mark.parametrize(
    ("errors", "ends"),
    [
        ([[89.3], [89.7]], (89.5 - 0.05 * 89.7, 89.5 + 0.05 * 89.7)),  # a tenth of the errors
        ([[10.0, 14.0], [20.0, 24.0]], (17 - 4 * 2**0.5, 17 + 4 * 2**0.5)),  # four standard deviations, 2√2 each
        ([[1.0], [40.0]], (1.0, 40.0)),
    ],
)
def test_colours_do_not_show_differences_that_chance_makes(errors, ends):
    data = points({(n,): each for n, each in enumerate(errors)}, "a.b")
    scale = color_range(data, [point.interval.mean for point in data])
    assert (scale.vmin, scale.vmax) == pytest.approx(ends)


def test_pairs_of_draws_are_dots():
    data = points({(n / 10, math.sin(n)): [n + 1.0] for n in range(9)}, "a.b", "c.d")
    ax = error_map(("a.b", "c.d"), data, Figure().add_subplot())
    assert len(ax.collections[0].get_offsets()) == 9


# the page

GRID = {"forward.bound": ["none", 3.0], "update.length": [1, 10]}


@pytest.fixture
def folder(tmp_path):
    """A sweep of 8 rows, of which one failed and one is missing."""
    sweep = Sweep(
        {"preset": "gokmen_2017", "forward": {"bound_management": False}, "sweep": {"seeds": 2, "grid": GRID}}
    )
    results = Results(tmp_path, sweep)
    for number in range(6):
        error = 10.0 + number
        numbers = {"epoch": 2, "train_error": 1.0, "test_error": error, "train_loss": 0.5, "test_errors": [50.0, error]}
        results.add({number: Result(**numbers, seconds=3.0, folder="runs/a", replica=number)})
    results.add({6: Result(status=FAILED, message="<no> reason & none", folder="runs/b", replica=0)})
    (tmp_path / "sweep.toml").write_text(sweep.to_toml())
    return tmp_path


def test_page_holds_points_best_failed_and_missing_rows_and_needs_nothing_else(folder):
    assert is_sweep(folder)
    path = write_sweep_report(folder)
    page = path.read_text()
    text = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert "10.50 (10.00 to 11.00)" in text
    assert "6 of 8" in text
    assert "1 failed" in text
    assert "1 row is missing" in text
    assert "&lt;no&gt; reason &amp; none" in page
    assert page.count("<svg") == 3
    rows = re.findall(r'<tr[^>]*><th scope="row">.*?</tr>', page, re.S)
    shown = [[re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<td.*?</td>", row)][1:3] for row in rows]
    assert shown[:3] == [["3", "1"], ["none", "1"], ["none", "10"]]  # sorted by value
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    before = path.read_bytes()
    assert write_sweep_report(folder).read_bytes() == before


def test_a_page_without_rows_and_one_without_its_file(folder):
    (folder / "results.json").unlink()
    sweep = Sweep.from_toml((folder / "sweep.toml").read_text())
    Results(folder, sweep).write()
    assert "No row is done yet." in write_sweep_report(folder).read_text()
    (folder / "sweep.toml").unlink()
    with pytest.raises(InvalidValue, match="mho sweep --resume --out"):
        write_sweep_report(folder)


def test_errors_that_only_print_alike_are_no_tie():
    """A regression's error, 1 - R² in per cent, may be far below a hundredth."""
    small = [PointErrors(k, {"a.b": k}, {0: error}, [0.0], [0.0], 1.0, 1) for k, error in enumerate((0.0041, 0.0009))]
    assert lowest_in_words(small, ["a.b"]) == "a.b = 1"


def test_a_tie_is_not_named_the_lowest(folder, capsys):
    fields = ("forward.noise", "update.length")
    data = points({(0.0, 1): [90.0], (0.1, 1): [90.004], (0.1, 2): [90.006], (0.2, 1): [95.0]}, *fields)
    assert [point.number for point in lowest(data)] == [0, 1]  # 90.00 and 90.00, as they are shown
    first, second = ("forward.noise = 0, update.length = 1", "forward.noise = 0.1, update.length = 1")
    assert lowest_in_words(data, fields) == f"a tie of 2 points: {first}; {second}"
    assert lowest_in_words(data[2:], fields) == "forward.noise = 0.1, update.length = 2"
    many = points({(float(n),): [90.0] for n in range(5)}, "a.b")
    assert lowest_in_words(many, ["a.b"]) == "a tie of 5 points: a.b = 0; a.b = 1; a.b = 2; and 2 more"
    sweep = Sweep.from_toml((folder / "sweep.toml").read_text())
    results = Results(folder, sweep)
    for number in range(8):
        numbers = {"epoch": 2, "train_error": 1.0, "test_error": 90.0, "train_loss": 0.5, "test_errors": [90.0, 90.0]}
        results.add({number: Result(**numbers, seconds=3.0, folder="runs/a", replica=number)})
    page = write_sweep_report(folder).read_text()
    assert "a tie of 4 points" in page
    assert "all mean test errors are equal" in page
    assert 'class="best"' not in page
    show_points(results.records, list(GRID))
    assert "lowest mean: a tie of 4 points: " in capsys.readouterr().out


def test_chance_level_of_the_rows_in_words():
    row = {"status": "done", "chance": 90.0, "guessing": False}
    assert chance_in_words([row, row]) == "chance 90.00 %"
    guessed = row | {"guessing": True}
    assert chance_in_words([row, guessed]) == "chance 90.00 %: 1 of 2 rows is as bad as guessing"
    other = row | {"chance": 89.0}
    assert chance_in_words([guessed, other, guessed]) == "chance 89.00 to 90.00 %: 2 of 3 rows are as bad as guessing"
    earlier = {"status": "done"}  # a file of an earlier version
    assert chance_in_words([earlier, {"status": "failed", "chance": None}]) == ""
