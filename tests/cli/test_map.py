"""mho map: any network, a run and what it cost, figures and mistakes."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from matplotlib.figure import Figure

import mho
from mho.cells import TikiTaka
from mho.cli.map import parse_numbers
from mho.cli.map_display import joules
from mho.errors import InvalidValue
from mho.hardware import (
    layer_energy,
    network_time,
    read_constants,
)
from mho.report import read_folder, run_cost, run_rows, share_bars
from mho.runs import Experiment, Run
from mho.text import count, cycle_time, per_cent
from tests.helpers.command import mho as run_command

# Runs


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """30 images of training, 2 networks, conv2 with 3 devices a weight, and fc2 with a fast and a slow bank."""
    folder = tmp_path_factory.mktemp("run") / "run"
    tables = mho.presets.gokmen_2017(pulses=2).to_dict()
    tables |= {
        "training": {"epochs": 1, "train_images": 30, "test_images": 20, "replicas": 2},
        "layers": {
            "conv2": {"cell": {"kind": "Replicated", "n": 3}},
            "fc2": {"cell": {"kind": "TikiTaka", "reference": "zero"}},
        },
    }
    from mho.data import load

    run = Run(Experiment.from_dict(tables), folder, load("digits", None))
    run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    return folder


def run_rows_of_tiki_taka():
    rpu = mho.presets.gokmen_2017(pulses=2).replace(cell=TikiTaka(reference="zero"))
    return rpu.cell.cost(rpu.banks)


def test_a_run_folder_tells_what_training_cost(trained):
    run = read_folder(trained)
    assert run.images == 30
    rows = run_rows(run)
    assert [row.devices for row in rows] == [1, 3, 1, 2]
    assert rows[3].cell == run_rows_of_tiki_taka()
    cost = run_cost(run, network_time(rows), read_constants())
    conv2 = cost.layers[1]
    assert conv2.coincidences == run.counters["conv2"]["coincidences"] / 2
    assert conv2.writes == conv2.coincidences / (3 * 32 * 401)
    fc2 = cost.layers[3]
    assert fc2.writes == run.counters["fc2"]["fast.coincidences"] / 2 / (10 * 129)
    assert fc2.most_written.bank == "fast"
    assert sum(bank.coincidences for bank in fc2.banks) == fc2.coincidences
    for layer in cost.layers:
        most = 30 * layer_energy(layer.placed, read_constants()).update_bound.arrays
        assert 0 < layer.update[0] <= layer.update[1] < most
    assert cost.reads is not None
    assert cost.reads > 0


def test_folders_without_a_number_of_images_know_less_and_damaged_ones_are_named(trained, tmp_path):
    folder = tmp_path / "old"
    shutil.copytree(trained, folder)
    summary = json.loads((folder / "summary.json").read_text())
    del summary["images"]
    for array in summary["arrays"]:
        del array["cell"]  # as folders of before cells had several banks
    (folder / "summary.json").write_text(json.dumps(summary))
    run = read_folder(folder)
    assert run.images is None
    cost = run_cost(run, network_time(run_rows(run)), read_constants())
    assert cost.reads is None
    assert cost.update[0] > 0
    (folder / "summary.json").write_text(json.dumps(summary | {"images": -1}))
    with pytest.raises(InvalidValue, match="images is -1, not a whole number of at least 0"):
        read_folder(folder)
    (folder / "summary.json").write_text(json.dumps(summary | {"arrays": [], "counters": {}}))
    with pytest.raises(InvalidValue, match="every layer stayed digital"):
        run_rows(read_folder(folder))


# Pictures and numbers


def test_shares_are_drawn_as_two_bars_a_layer():
    data = [{"layer": "a", "macs": 0.9, "time": 0.2}, {"layer": "b", "macs": 0.1, "time": 0.8}]
    ax = Figure().add_subplot()
    assert share_bars(data, ax) is ax
    assert [[bar.get_width() for bar in bars] for bars in ax.containers] == [
        pytest.approx([90, 10]),
        pytest.approx([20, 80]),
    ]
    assert len({bar.get_y() for bars in ax.containers for bar in bars}) == 4
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first layer at the top


def test_numbers_are_written_for_readers():
    assert [count(n) for n in (1_135_256_096, 447_897_600, 4_096_000, 65_664, 416)] == [
        "1.14 G", "448 M", "4 M", "66 k", "416",
    ]  # fmt: skip
    assert [cycle_time(t) for t in (80.0, 30_250.0, 242_000.0, 1e6, 2.5e9, 0.5)] == [
        "80 ns", "30.25 µs", "242 µs", "1 ms", "2.5 s", "500 ps",
    ]  # fmt: skip
    assert [joules(e) for e in (0.0, 1e-12, 2.58e-12, 1.5e3)] == ["0", "1 pJ", "2.58 pJ", "1.5 kJ"]
    assert [per_cent(s) for s in (0.0, 0.0004, 0.0928, 0.0996, 1.0)] == ["0", "< 0.1", "9.3", "10", "100"]
    assert parse_numbers("--copies", ["3", "conv1=4"]) == {"conv1": 4, "*": 3}
    assert list(parse_numbers("--copies", ["3", "conv1=4"])) == ["conv1", "*"]


# The command line

MODULE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 2)

    def forward(self, x):
        return self.fc(self.norm(self.conv(x)).mean((2, 3)))

def up():
    return nn.ConvTranspose3d(3, 4, 2)

def arguments(width):
    return nn.Linear(width, 2)

number = 3
"""


def mho_map(*words: str, cwd: Path, columns: int = 80) -> CompletedProcess[str]:
    return run_command("map", *words, cwd=cwd, COLUMNS=str(columns))


def test_map_prints_alexnet_on_a_narrow_terminal(tmp_path):
    done = mho_map("alexnet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    text = " ".join(done.stdout.split())
    for number in ("105 M", "448 M", "150 M", "224 M", "38 M", "17 M", "4 M", "1.14 G", "3,025", "58.32 µs", "175 µs"):
        assert number in text, number
    assert "96 × 363" in text
    assert "fc6 (4096 × 9216) over 3 of 4096²" in text
    assert "Training: 3 cycles (forward, backward, update)" in text
    large = mho_map("alexnet", "--array", "4096x4096:80", cwd=tmp_path).stdout
    assert "242 µs" in large
    assert "with 9.3 % of the MACs" in " ".join(large.split())


def test_map_takes_any_model_and_prints_json_csv_and_figures(tmp_path):
    (tmp_path / "own.py").write_text(MODULE)
    words = ["own:Net", "--input-shape", "3x6x6", "--copies", "conv=2", "--devices", "fc=2"]
    done = mho_map(*words, "--json", "--energy", "--figure", "shares.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(a["name"], a["out"], a["in"], a["vectors"], a["macs"], a["cycle_ns"]) for a in found["arrays"]] == [
        ("conv", 8, 28, 16, 8 * 28 * 16, 80.0),
        ("fc", 2, 9, 1, 18, 10.0),
    ]
    assert [a["cross_points"] for a in found["arrays"]] == [2 * 8 * 28, 2 * 18]
    assert found["macs"] == 8 * 28 * 16 + 18
    assert found["digital"] == [{"name": "norm", "kind": "BatchNorm2d", "parameters": 16}]
    assert found["time"]["training_image"] == {"sequential": 270.0, "pipelined": 240.0}
    assert found["arrays"][0]["forward_joules"] > 0
    assert found["constants"]["dac"]["source"] == "assumed"
    assert (tmp_path / "shares.svg").read_text().count("<svg") == 1
    rows = list(csv.DictReader(io.StringIO(mho_map(*words, "--csv", cwd=tmp_path).stdout)))
    assert [(row["layer"], row["macs"], row["copies"]) for row in rows] == [("conv", "3584", "2"), ("fc", "18", "1")]


def test_map_shows_transfers_of_a_config(tmp_path):
    (tmp_path / "tt.toml").write_text(
        'preset = "gokmen_2017"\n[device]\nlaw = "SoftBounds"\n[cell]\nkind = "TikiTaka"\n'
    )
    plain = json.loads(mho_map("lenet", "--json", "--energy", cwd=tmp_path).stdout)
    done = mho_map("lenet", "--config", "tt.toml", "--json", "--energy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["time"]["inference"] == plain["time"]["inference"]
    for own, bare in zip(found["arrays"], plain["arrays"], strict=True):
        assert [bank["name"] for bank in own["banks"]] == ["fast", "slow"]
        assert (own["column_reads_per_vector"], bare["column_reads_per_vector"]) == (0.5, 0)
        assert (own["update_ns"], bare["update_ns"]) == (2 * bare["cycle_ns"], bare["cycle_ns"])
        assert own["cross_points"] == 2 * bare["cross_points"]
        assert own["transfers_at_most_joules"] > bare["transfers_at_most_joules"] == 0
        assert own["forward_joules"] == bare["forward_joules"]
    text = " ".join(mho_map("lenet", "--config", "tt.toml", cwd=tmp_path).stdout.split())
    assert "conv1 fast, slow 0.5 0.5 58 20 ns 11.52 µs 510" in text
    assert "The fixed references of fast are not counted" in text
    assert "updates with transfers" not in mho_map("lenet", cwd=tmp_path).stdout
    (tmp_path / "arrays.toml").write_text(
        "[[array]]\nrows = 512\ncolumns = 1024\nt_meas = 40\nt_pulse = 5\noperations = 175\n"
    )
    words = [
        "lenet",
        "--set",
        "cell.kind=TikiTaka",
        "--set",
        "cell.reference=zero",
        "--arrays",
        "arrays.toml",
        "--json",
    ]
    timed = json.loads(mho_map(*words, cwd=tmp_path).stdout)
    # ten slots, half of a read and of a pulse, and 16 + 26 + 16 operations
    assert timed["arrays"][0]["update_ns"] == pytest.approx(576 * (50 + 22.5 + 58 / 175))


def test_map_shows_what_a_run_cost(trained, tmp_path):
    done = mho_map("--run", str(trained), "--energy", cwd=tmp_path, columns=100)
    assert done.returncode == 0, done.stderr
    assert "what training cost a network (30 images)" in done.stdout
    assert "steps per image" in " ".join(done.stdout.split())
    assert "assumed" in done.stdout
    training = json.loads(mho_map("--run", str(trained), "--json", cwd=tmp_path).stdout)["training"]
    assert training["images"] == 30
    assert training["update_joules"][0] > 0
    assert training["bank_most_written"] in ("devices", "fast")


MISTAKES = {
    "name": (["alexnett"], "no model 'alexnett'; did you mean 'alexnet'? (your own is module:Net)"),
    "nothing": ([], "give a MODEL, for example mho map lenet, or --run DIR; neither was given"),
    "both": (["lenet", "--run", "."], "both were given"),
    "no shape": (["own:Net"], "give for example --input-shape 3x32x32"),
    "shape": (["own:Net", "--input-shape", "3x0"], "--input-shape '3x0': write the sizes"),
    "wrong shape": (["own:Net", "--input-shape", "1x6x6"], "conv (Conv2d) got an input of shape 1×6×6"),
    "layer": (["own:up", "--input-shape", "3x6x6"], "model (ConvTranspose3d) has a matrix"),
    "arguments": (["own:arguments", "--input-shape", "3"], "missing 1 required positional argument: 'width'"),
    "number": (["own:number", "--input-shape", "3"], "'own:number' is 3; give a class or a function"),
    "module": (["nowhere:Net", "--input-shape", "3"], "cannot be imported (No module named 'nowhere')"),
    "attribute": (["own:Nett", "--input-shape", "3"], "has no attribute 'Nett'"),
    "config and tile": (["lenet", "--tile", "4x4", "--set", "update.length=1"], "--tile would change what --config"),
    "config and run": (["--run", ".", "--config", "a.toml"], "leave out --config"),
    "copies": (["lenet", "--copies", "conv1=0"], "--copies 'conv1=0': write LAYER=N"),
    "twice": (["lenet", "--copies", "2", "--copies", "3"], "names '*' twice"),
    "devices": (["lenet", "--devices", "conv3=2"], "'conv3' matches no layer on arrays; did you mean 'conv"),
    "array": (["lenet", "--array", "512"], "write ROWSxCOLUMNS:NANOSECONDS"),
    "arrays": (["lenet", "--array", "8x8:1", "--arrays", "x"], "give one"),
    "formats": (["lenet", "--json", "--csv"], "give one"),
    "figure": (["lenet", "--figure", "a.gif"], "ends in .png, .svg, .pdf"),
    "constants": (["lenet", "--constants", "c.toml"], "there is no file c.toml"),
    "conventional": (["lenet", "--conventional", "312"], "write TOPS:WATTS"),
    "lines": (["lenet", "--lines-per-adc", "0"], "--lines-per-adc is 0; give how many lines share a converter"),
    "lines and arrays": (["lenet", "--lines-per-adc", "2", "--arrays", "x"], "write lines_per_adc there"),
    "show": (["lenet", "--figure", "a.png", "--show", "areas"], "--show 'areas': did you mean 'area'?"),
    "show alone": (["lenet", "--show", "area"], "add --figure FILE or --figures DIR"),
    "folder": (["lenet", "--figure", "nowhere/a.png"], "because there is no folder nowhere; make it"),
    "exact": (["lenet", "--exact", "--json"], "--exact has no effect"),
    "bits": (["lenet", "--set", "forward.adc_bits=1"], "adc_bits"),
    "run": (["--run", "nowhere"], "there is no run folder nowhere"),
    "run and plan": (["--run", ".", "--tile", "4x4"], "leave out --tile"),
    "exclude": (["lenet", "--exclude", "conv9"], "'conv9' matches no layer; did you mean 'conv"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_map_tells_mistakes_in_one_message(mistake, tmp_path):
    (tmp_path / "own.py").write_text(MODULE)
    words, message = MISTAKES[mistake]
    done = run_command("map", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("mho: ")
    assert message in done.stderr
