"""Pages of papers: every figure with its curves, whatever there is of them."""

from __future__ import annotations

import dataclasses
import html
import math
import re
import shutil
import subprocess

import pytest
from matplotlib.figure import Figure

from mho.papers import PAPERS
from mho.papers.matrix_figure import MatrixRow, matrix_figure
from mho.papers.page import write_paper_page
from mho.papers.page_figures import matrix_drawings, paper_styles, sweep_drawings
from mho.papers.records import Record, read_record
from mho.papers.sweep_figure import SweepLine, sweep_figure
from mho.papers.verdicts import seed_means
from mho.report.curve_styles import curve_style
from tests.helpers.papers import LENET, MLP, SHIFTED, curve_of, record

SWEPT = {"symmetric": 20.0, "imbalanced_1.5": 40.0, "pulses_100": 30.0, "imbalanced_1.5_shifted": 21.0}


def results(*, but: str = "", seeds: int = 1) -> dict[str, Record]:
    """Made-up results of all curves."""
    found = {}
    for place, name in enumerate(LENET.curves):
        if name != but:
            found[name] = record(name, *(curve_of(1.0 + 0.1 * place + 0.05 * seed) for seed in range(seeds)))
    return found


def test_a_page_has_every_figure_with_its_curves_and_the_papers_numbers(tmp_path):
    text = write_paper_page(LENET, results(but="bl2", seeds=2), tmp_path / "page.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#|data:)', text)  # nothing is fetched
    assert "<script" not in text
    sections = re.findall(r'<section id="figure-(\d)">(.*?)</section>', text, re.S)
    assert [name for name, _ in sections] == ["3", "4", "5", "6"]
    styles = paper_styles(LENET)
    assert len(set(styles.values())) == len(LENET.expected.curves)  # no two curves of the page look alike
    for name, section in sections:
        everyone = LENET.expected.figures[name].curves
        curves = [curve for curve in everyone if curve != "bl2"]
        for svg in re.findall(r"<svg.*?</svg>", section, re.S):
            drawn = html.unescape(svg)
            assert all(f">{LENET.expected.curves[curve].label}<" in drawn for curve in curves), name
            lines = re.findall(r"stroke: (#[0-9a-f]{6})", svg)
            colors = {styles[LENET.expected.curves[curve].label].color for curve in curves}
            assert len(colors) == len(curves)
            assert colors <= set(lines)
            assert svg.count(">paper ↑<") == 1
    rows = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in re.findall(r"<tr>.*?</tr>", text, re.S)]
    managed = next(row for row in rows if "NM + BM " in row)
    assert "1.7 [r]" in managed
    assert "1.73 (1.70 to 1.75)" in managed
    assert "✓ kept: ≥ 1.4, ≤ 2" in html.unescape(managed)
    assert "recalled to one digit; seeds differ by 0.1 to 0.2" in managed
    assert any("✗ off" in row for row in rows)
    assert "not trained" in next(row for row in rows if "NM + BM, BL = 2 " in row)
    assert text.count("<details>") == len(LENET.curves) - 1
    assert write_paper_page(LENET, results(but="bl2", seeds=2), tmp_path / "again.html").read_text() == text


def test_a_sweep_is_drawn_against_its_values_with_levels_across(tmp_path):
    records = {name: record(name, [50.0] * 3 + [end, end]) for name, end in SWEPT.items()}
    text = write_paper_page(SHIFTED, records, tmp_path / "page.html").read_text()
    sections = dict(re.findall(r'<section id="figure-(\w+)">(.*?)</section>', text, re.S))
    assert list(sections) == ["global", "pulses", "write_error"]  # of random only a curve is there
    wide, narrow = re.findall(r"<svg.*?</svg>", sections["pulses"], re.S)
    for svg in (wide, narrow):
        for word in ("0", "100", "800", "shifting pulses", "up/down 1.5", "symmetric"):
            assert f">{word}</text>" in svg, word
        assert ">400</text>" not in svg  # not trained
        assert "stroke-dasharray" in svg  # the level
    assert "paper ↑" not in text  # its numbers are not known
    again = write_paper_page(SHIFTED, records, tmp_path / "again.html").read_text()
    assert again == text


def test_a_sweep_leaves_out_what_has_not_come_to_the_end():
    line = SweepLine("a", curve_style(0), [(0.0, [40.0, 44.0]), (100.0, [20.0]), (200.0, [10.0, 12.0])])
    level = SweepLine("b", curve_style(1), [(None, [9.0, 11.0])])
    ax = sweep_figure([line, level], Figure().add_subplot(), axis="pulses", log=True)
    drawn = {one.get_label(): one.get_xydata().tolist() for one in ax.get_lines()}
    assert drawn["a"] == [[0, 42], [100, 20], [200, 11]]
    assert [y for _, y in drawn["b"]] == [10, 10]
    assert ax.transData.transform((0, 10))[0] < ax.transData.transform((100, 10))[0]
    assert ax.get_xscale() == "symlog"
    near = SweepLine("a", curve_style(0), [(value, [10.0]) for value in (0.0, 0.01, 0.02, 0.1)])
    ax = sweep_figure([near], Figure().add_subplot(), axis="write error", log=False)
    assert ax.get_xticks().tolist() == [0.0, 0.02, 0.1]  # 0.01 would touch them in a narrow figure
    begun = {"symmetric": record("symmetric", [50.0] * 3 + [20.0]), "imbalanced_1.5": record("imbalanced_1.5", [50.0])}
    assert seed_means(begun["symmetric"], (4, 5)) == []
    assert sweep_drawings(SHIFTED, "pulses", begun, dict.fromkeys(begun, (4, 5))) == []


def test_a_matrix_has_a_row_for_each_curve_that_has_come_to_its_end(tmp_path):
    paper = PAPERS["dziedzic_2019"]
    figure = paper.expected.figures["lenet_matrix"]
    names = list(figure.matrix.across)

    def made(curve: str, at_the_end: bool) -> Record:
        """Means of the matrix are 10 + column, and 20 for a second seed."""
        last = paper.epochs("results")[curve]
        seeds = {
            seed: [
                {"epoch": epoch, "accuracy": 1.0, "seconds": 1.0}
                | {name: (10 * seed + 10 + place if epoch == last else math.nan) for place, name in enumerate(names)}
                for epoch in range(1, last + at_the_end)
            ]
            for seed in (0, 1)
        }
        return dataclasses.replace(record(curve), seeds=seeds, counters={})

    records = {"lenet_0": made("lenet_0", True), "lenet_50": made("lenet_50", False)}
    windows = {name: (last, last) for name, last in paper.epochs("results").items()}
    wide, narrow = matrix_drawings(paper, "lenet_matrix", records, windows)
    for svg in (wide, narrow):
        texts = re.findall(r">([^<>]+)</text>", html.unescape(svg))
        assert [text for text in texts if "." in text] == [f"{15 + place:.1f}" for place in range(len(names))]
        for text in ("compression in training (%)", "compression in test (%)", "80", "accuracy on test images (%)"):
            assert text in texts
    assert matrix_drawings(paper, "lenet_matrix", {"lenet_50": records["lenet_50"]}, windows) == []
    ax = matrix_figure(
        [MatrixRow("a", [10.0, math.nan]), MatrixRow("b", [30.0, 20.0])], Figure().add_subplot(),
        columns=["x", "y"], row_axis="r", column_axis="c", quantity=figure.quantity,
    )  # fmt: skip
    assert {(text.get_position(), text.get_text()) for text in ax.texts} == {
        ((0.5, 0.5), "10.0"), ((0.5, 1.5), "30.0"), ((1.5, 1.5), "20.0"),
    }  # fmt: skip


def test_pages_without_results_and_of_short_trainings(tmp_path):
    empty = write_paper_page(MLP, {}, tmp_path / "page.html").read_text()
    assert "Nothing is trained yet" in empty
    assert "mho reproduce gokmen_2016 --figure noise" in empty
    quick = {name: record(name, [20.0, 10.0]) for name in ("floating_point", "baseline", "nm_bm", "um_bl1")}
    text = write_paper_page(LENET, quick, tmp_path / "page.html", kind="quick").read_text()
    assert "A quick training" in text
    assert "paper ↑" not in text  # its numbers are of whole trainings
    assert "✗ off:</span> ≥ nm_bm + 5" in html.unescape(text)


def test_the_page_names_the_worst_fault_of_each_curve(tmp_path):
    def found(**fault):
        return {"findings": [{"check": "clipped outputs", "array": "fc2", "fault": bool(fault)}]}

    healthy, faulty, earlier = (record(name, [20.0, 10.0], [20.0, 10.0]) for name in ("nm_bm", "baseline", "um_bl1"))
    records = {
        "nm_bm": dataclasses.replace(healthy, diagnoses=dict.fromkeys((0, 1), found())),
        "baseline": dataclasses.replace(faulty, diagnoses={0: found(fault=1), 1: {"failed": "a read overflowed"}}),
        "um_bl1": earlier,
    }
    for one in records.values():
        assert read_record(one.write(tmp_path)) == one
    text = write_paper_page(LENET, records, tmp_path / "page.html").read_text()
    for told in ("no fault", "clipped outputs fc2; a read overflowed", "–"):
        assert f'<td class="paper">{told}</td>' in text


@pytest.mark.browser
@pytest.mark.parametrize(("name", "size"), [("screen", "1100,2600"), ("phone", "500,2600")])
def test_a_browser_shows_every_curve_without_an_error(tmp_path, name, size):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert browser is not None, "install Chromium, for example: apt-get install chromium"
    page = write_paper_page(LENET, results(seeds=2), tmp_path / "page.html")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-sync",
        "--enable-logging=stderr",
    ]
    options += [
        "--disable-background-networking",
        "--disable-component-update",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    command = [browser, *options, f"--window-size={size}"]
    shot = tmp_path / f"{name}.png"
    done = subprocess.run(
        [*command, f"--screenshot={shot}", page.as_uri()], capture_output=True, text=True, timeout=300
    )
    assert shot.stat().st_size > 50_000
    assert "CONSOLE" not in done.stderr
    dump = subprocess.run([*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=300)
    assert dump.stdout.count("<svg") == 8
    assert dump.stdout.count("<section") == 4
