"""The report of a run folder: complete, self-contained, the same bytes twice; damage is named."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib import image
from matplotlib.figure import Figure

import mho
from mho.errors import InvalidValue
from mho.report import error_curves, write_report
from mho.report.template import render_text
from mho.runs.folder import read_summary

ARRAYS = {"conv1": (16, 26, 576), "conv2": (32, 401, 64), "fc1": (128, 513, 1), "fc2": (10, 129, 1)}
VOID = {"meta", "link", "br"}


def metric_line(epoch: int, replicas: int = 1) -> dict:
    test = [10.0 / epoch + 0.5 * r for r in range(replicas)]
    train = [5.0 / epoch + 0.25 * r for r in range(replicas)]
    line = {
        "epoch": epoch,
        "train_error": sum(train) / replicas,
        "test_error": sum(test) / replicas,
        "train_loss": 0.1 / epoch,
        "seconds": 100.0,
        "images_per_second": 600.0,
    }
    if replicas > 1:
        line |= {"test_error_replicas": test, "train_error_replicas": train}
    return line


def summary(replicas: int = 1) -> dict:
    return {
        "title": "LeNet on <MNIST> & friends",
        "version": "0.1.0",
        "command": "mho train config.toml --set a='<b>' --out again",
        "arrays": [
            {"layer": name, "out": out, "in": inputs, "vectors": vectors, "devices": 2, "replicas": replicas}
            for name, (out, inputs, vectors) in ARRAYS.items()
        ],
        "counters": {
            name: {"pulses": [1_234_567_890] * replicas, "coincidences": [1_000_000] * replicas, "bound_hits": [2500]}
            for name in ARRAYS
        },
        "layers": [
            {"name": "conv1", "kind": "Conv2d", "became": "array 16×26", "clipped": 0.0123},
            {"name": "pool1", "kind": "MaxPool2d", "became": "digital", "clipped": None},
        ],
    }


@pytest.fixture
def make(tmp_path):
    """A run folder with so many epochs and replicas."""

    def build(epochs: int = 3, replicas: int = 1) -> Path:
        spec = '[training]\nepochs = 30\ndata = "<mnist>"\n\n' + mho.presets.gokmen_2017().to_toml()
        (tmp_path / "config.toml").write_text(spec)
        lines = [json.dumps(metric_line(epoch, replicas)) + "\n" for epoch in range(1, epochs + 1)]
        (tmp_path / "metrics.jsonl").write_text("".join(lines))
        (tmp_path / "summary.json").write_text(json.dumps(summary(replicas)))
        return tmp_path

    return build


class Page(HTMLParser):
    """Text, rows of tables, and whether every tag is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.text, self.rows, self.tags, self.open = "", [], [], []
        self.feed(self.source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open and ("td" in self.open or "th" in self.open):
            self.rows[-1][-1] += data.replace("\n", "")

    @property
    def plain(self) -> str:
        return " ".join(self.text.split())


def test_page_tells_everything(make):
    folder = make(epochs=12)
    path = write_report(folder)
    assert path == folder / "report.html"
    page = Page(path)
    for epoch in range(1, 13):
        errors = [f"{10 / epoch:.2f}", f"{5 / epoch:.2f}"]
        assert any(row[:3] == [str(epoch), *errors] for row in page.rows), epoch
    assert ["conv2", "32 × 401", "64", "2", "25,664", "821,248"] in page.rows
    assert ["all", "", "", "", "160,404", "1,127,818"] in page.rows
    assert ["fc1", "1,234,567,890", "1,000,000", "2,5000.25\u00a0%"] in page.rows
    assert ["all", "4,938,271,560", "4,000,000", "10,0000.25\u00a0%"] in page.rows
    assert ["conv1", "Conv2d", "array 16×26", "1.2\u00a0%"] in page.rows
    assert ["pool1", "MaxPool2d", "digital", "–"] in page.rows
    assert "0.83 %" in page.plain
    assert "mean test error, epochs 7 to 12" in page.plain
    assert "12 of 30" in page.plain
    assert "20 min 0 s" in page.plain
    assert (folder / "config.toml").read_text() in page.text
    assert "mho train config.toml --set a='<b>' --out again" in page.text


def test_text_is_escaped(make):
    page = Page(write_report(make()))
    assert "<MNIST>" not in page.source
    assert "<mnist>" not in page.source
    assert "<b>" not in page.source
    assert "LeNet on <MNIST> & friends" in page.text


@pytest.mark.parametrize(("epochs", "replicas"), [(0, 1), (1, 1), (12, 3)])
def test_page_needs_nothing_else(make, epochs, replicas):
    page = Page(write_report(make(epochs, replicas)))
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page.source)
    for foreign in ("http://", "https://", "<script", "@import", "src=", "<?xml", "<!ELEMENT"):
        assert foreign not in without_names, foreign
    for tag, attributes in page.tags:
        for name in ("href", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)


@pytest.mark.parametrize("replicas", [1, 3])
def test_identifiers_are_unique_and_resolve(make, replicas):
    page = Page(write_report(make(12, replicas)))
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert names
    assert len(names) == len(set(names))
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', page.source))
    assert used
    assert used <= set(names)


def test_figures_take_the_colours_of_the_page(make):
    source = write_report(make(12, 3)).read_text(encoding="utf-8")
    figures = "".join(re.findall(r"<svg.*?</svg>", source, flags=re.DOTALL))
    assert set(re.findall(r"(?:fill|stroke): ([^;\"]+)", figures)) <= {
        "none", "currentColor", "var(--test)", "var(--train)", "var(--muted)",
    }  # fmt: skip
    assert "prefers-color-scheme: dark" in source


def test_replicas(make):
    page = Page(write_report(make(epochs=12, replicas=3)))
    assert ["12", "1.33", "0.83 to 1.83", "0.67"] in [row[:4] for row in page.rows]
    assert [row[:2] for row in page.rows if len(row) == 3] == [
        ["replica", "last test error (%)"], ["0", "0.83"], ["1", "1.33"], ["2", "1.83"],
    ]  # fmt: skip
    mean = sum(10 / epoch for epoch in range(7, 13)) / 6 + 0.5
    assert f"{mean:.2f} %" in page.plain
    # replicas 0.5 apart: t(2, 97.5 %) = 4.303, s = 0.5; cut at 0
    assert f"± {4.303 * 0.5 / 3**0.5:.2f} %: 95 % confidence interval over 3 replicas" in page.plain
    assert ["fc1", "3,703,703,670", "3,000,000"] in [row[:3] for row in page.rows]


@pytest.mark.parametrize(("epochs", "last"), [(3, None), (4, "3 to 4"), (30, "25 to 30")])
def test_mean_is_over_the_last_half_at_most(make, epochs, last):
    page = Page(write_report(make(epochs)))
    assert ("mean test error" in page.plain) == (last is not None)
    assert last is None or f"mean test error, epochs {last}" in page.plain


def test_no_epoch_finished(make):
    page = Page(write_report(make(epochs=0)))
    assert "No epoch has finished yet" in page.plain
    assert "<svg" not in page.source
    assert ["conv1", "16 × 26", "576", "2", "832", "239,616"] in page.rows


def test_findings_of_an_older_mho_have_a_page(make):
    folder = make()
    table = json.loads((folder / "summary.json").read_text())
    finding = {"check": "c", "array": "fc1", "replica": 0, "number": "n", "meaning": "m", "cure": "a cure", "lost": 0.9}
    table["diagnosis"] = {"findings": [finding | {"fault": True}], "replicas": 1, "verdict": {"sentence": "symmetry"}}
    (folder / "summary.json").write_text(json.dumps(table))
    assert "a cure" in Page(write_report(folder)).plain


def test_same_folder_same_bytes(make, monkeypatch):
    folder = make(12, 3)
    first = write_report(folder).read_bytes()
    (folder / "report.html").write_text("old")
    monkeypatch.setitem(mpl.rcParams, "axes.linewidth", 5)
    assert write_report(folder).read_bytes() == first
    assert mpl.rcParams["axes.linewidth"] == 5
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.toml", "metrics.jsonl", "report.html", "summary.json",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["config.toml", "metrics.jsonl", "summary.json"])
def test_missing_file_is_named(make, name):
    folder = make()
    (folder / name).unlink()
    with pytest.raises(InvalidValue, match=rf"{re.escape(name)} is missing.*mho train --resume"):
        write_report(folder)
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("config.toml", b"[training", "not TOML"),
        ("config.toml", b"\xff\xfe", "not UTF-8"),
        ("metrics.jsonl", b'{"epoch": 1, "test_er', "line 1 is not JSON"),
        ("metrics.jsonl", b"[1, 2]\n", "not a JSON object"),
        ("metrics.jsonl", b'{"epoch": 0, "test_error": 1, "train_error": 1}\n', "line 1 has epoch 0"),
        ("metrics.jsonl", b'{"epoch": 1, "test_error": 1, "train_error": 1}\n' * 2, "line 2 has epoch 1 after epoch 1"),
        ("metrics.jsonl", b'{"epoch": 1, "train_error": 1}\n', "test_error None"),
        ("metrics.jsonl", b'{"epoch": 1, "test_error": NaN, "train_error": 1}\n', "test_error nan"),
        (
            "metrics.jsonl",
            b'{"epoch": 1, "test_error": 1, "train_error": 1, "test_error_replicas": [1, 1]}\n'
            b'{"epoch": 2, "test_error": 1, "train_error": 1, "test_error_replicas": [1]}\n',
            "line 2 has another number of replicas",
        ),
        ("summary.json", b"", "not JSON"),
        ("summary.json", b"{}", "no 'title'"),
        ("summary.json", json.dumps(summary() | {"arrays": 3}).encode(), "must be lists of tables"),
        ("summary.json", json.dumps(summary() | {"arrays": [{"layer": "a"}]}).encode(), "no 'out'"),
        ("summary.json", json.dumps(summary() | {"counters": {"a": {"pulses": ["1"]}}}).encode(), "a.pulses"),
    ],
)
def test_damaged_file_is_named(make, name, damage, reason):
    folder = make()
    (folder / name).write_bytes(damage)
    with pytest.raises(InvalidValue, match=re.escape(reason)) as caught:
        write_report(folder)
    assert f"{name} is damaged" in str(caught.value)
    assert "mho train --resume" in str(caught.value)


def test_a_run_that_goes_on_names_a_damaged_summary(make):
    folder = make()
    (folder / "summary.json").write_text("{")
    with pytest.raises(InvalidValue, match=r"summary\.json is damaged: the file is not JSON .*; restore it, or"):
        read_summary(folder)
    (folder / "summary.json").unlink()
    assert read_summary(folder) == {}


def test_all_faults_at_once(make):
    folder = make()
    (folder / "config.toml").unlink()
    (folder / "summary.json").write_text("{")
    with pytest.raises(InvalidValue) as caught:
        write_report(folder)
    assert len(caught.value.faults) == 2


def test_no_such_folder(tmp_path):
    with pytest.raises(InvalidValue, match="there is no run folder"):
        write_report(tmp_path / "nowhere")


def test_loss_that_diverged(make):
    folder = make(epochs=1)
    (folder / "metrics.jsonl").write_text(json.dumps(metric_line(1) | {"train_loss": float("nan"), "seconds": None}))
    rows = Page(write_report(folder)).rows
    assert ["1", "10.00", "5.00", "not finite", "–", "600.0"] in rows


# Figures -----------------------------------------------------------------------------------------


def curves(data):
    ax = Figure().add_subplot()
    assert error_curves(data, ax) is ax
    return ax


def test_curves_hold_the_data():
    ax = curves([metric_line(epoch) for epoch in (1, 2, 3)])
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert list(lines["test"].get_xdata()) == [1, 2, 3]
    assert list(lines["test"].get_ydata()) == [10 / epoch for epoch in (1, 2, 3)]
    assert list(lines["train"].get_ydata()) == [5 / epoch for epoch in (1, 2, 3)]
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel() == "error (%)"


def test_one_epoch_shows_as_marker():
    for line in curves([metric_line(1)]).get_lines():
        assert line.get_marker() not in ("", "None", None)
        assert line.get_markersize() > 0


def test_replicas_are_thin_and_their_mean_thick():
    widths = [line.get_linewidth() for line in curves([metric_line(e, 3) for e in (1, 2)]).get_lines()]
    assert len(widths) == 8
    assert sorted(widths)[-3] < sorted(widths)[-2]


@pytest.mark.parametrize("errors", [(0, 0), (0, 3), (100, 100), (99.99, 0.01), (5, 5), (0.003, 0.002)])
def test_error_axis_holds_every_error_between_two_labels(errors):
    test, train = errors
    ax = curves([metric_line(1) | {"test_error": test, "train_error": train}])
    low, high = ax.get_ylim()
    assert 0 < low < high < 250
    assert len(ax.get_yticks()) >= 2
    for error in errors:
        assert error == 0 or low < error < high


def test_narrow_figure_keeps_its_axes():
    """A legend that needs more room than the figure has makes constrained layout collapse the axes."""
    figure = Figure(figsize=(3.8, 3.2), layout="constrained")
    ax = error_curves([metric_line(e, 3) for e in (1, 2)], figure.add_subplot())
    figure.draw_without_rendering()
    assert ax.get_position().width > 0.75


# Seen in a browser --------------------------------------------------------------------------------

TABLE = """{% extends "base.html" %}
{% block body %}
<div class="box"><table><tr><td><div style="width: WIDTHpx; height: 200px"></div></td></tr></table></div>
{% endblock %}
"""


@pytest.mark.browser
@pytest.mark.parametrize("scheme", [1, 0], ids=["light", "dark"])
@pytest.mark.parametrize("width", [200, 900])
def test_a_table_that_goes_on_beyond_its_box_has_a_shade_at_that_edge(tmp_path, width, scheme):
    """On a phone 390 pixels wide the box ends 16 pixels before the edge."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert browser is not None, "install Chromium, for example: apt-get install chromium"
    page, shot = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text(render_text(TABLE.replace("WIDTH", str(width)), title="A table"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=390,600"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", f"--blink-settings=preferredColorScheme={scheme}"]
    subprocess.run([browser, *options, f"--screenshot={shot}", page.as_uri()], capture_output=True, timeout=300)
    seen = image.imread(shot)[150, :, :3]
    paper = seen[2]
    end = 372 if width > 390 else 200
    assert bool(abs(seen[end] - paper).max() > 0.1) is (width > 390)
    assert abs(seen[20] - paper).max() < 0.02  # nothing to scroll back to
