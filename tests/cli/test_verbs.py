"""The command line, as a user types it."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time

import pytest

from tests.helpers.checkout import ROOT
from tests.helpers.command import mho

EXAMPLES = ROOT / "examples"
SMALL = ["--set", "training.train_images=50", "--set", "training.test_images=40"]


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["train", "--help"],
        ["sweep", "--help"],
        ["report", "--help"],
        ["reproduce", "--help"],
        ["bench", "--help"],
        ["export", "--help"],
        ["map", "--help"],
        ["device", "--help"],
        ["device", "plot", "-h"],
    ],
)
def test_help(words, tmp_path):
    done = mho(*words, cwd=tmp_path)
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_train_writes_a_run_folder_and_names_it(tmp_path):
    done = mho("train", "--epochs", "2", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "digits-1"
    assert "runs/digits-1" in done.stdout
    assert "report.html" in done.stdout
    assert {"config.toml", "metrics.jsonl", "checkpoint.safetensors", "report.html"} <= {
        file.name for file in folder.iterdir()
    }
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert {"epoch", "train_error", "test_error", "train_loss", "seconds"} <= set(lines[0])
    assert done.stderr.count("epoch ") == 2
    again = mho("train", "runs/digits-1/config.toml", "--json", cwd=tmp_path)
    metrics = json.loads(again.stdout)
    assert metrics["test_error"] == lines[-1]["test_error"]
    assert (tmp_path / "runs" / "digits-2").is_dir()


MINE = """
law = "SoftBounds"
dw_min = { mean = 0.005, spread = 0.3, distribution = "lognormal" }
up_down = 1.5
"""


def test_train_takes_a_device_file_whole(tmp_path):
    (tmp_path / "mine.toml").write_text(MINE)
    (tmp_path / "section.toml").write_text("[device]" + MINE + "[forward]\nnoise = 0.5\n")
    (tmp_path / "config.toml").write_text("preset = 'gokmen_2017'\n[device]\nc2c = 0.7\n[forward]\nnoise = 0.1\n")
    for file in ("mine.toml", "section.toml"):
        done = mho("train", "config.toml", "--device", file, "--out", file[:4], "--epochs", "1", *SMALL, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    config = (tmp_path / "mine" / "config.toml").read_text()
    assert config == (tmp_path / "sect" / "config.toml").read_text()
    assert 'law = "SoftBounds"' in config
    assert 'distribution = "lognormal"' in config
    assert "c2c = 0.3" in config  # the law's own, not the config's
    assert "noise = 0.1" in config
    again = mho("train", "--out", "mine", "--resume", "--device", "mine.toml", "--set", "device.c2c=0", cwd=tmp_path)
    assert again.returncode == 1
    assert "device.c2c was 0.3 and is 0" in again.stderr


OWN = """
import mho

class Own(mho.Device):
    dw_min: float = 0.01
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, up, cell, z):
        return w + cell.dw_min * (1 - w) if up else w - cell.dw_min * (1 + w)

class Broken(Own):
    @staticmethod
    def pulse(w, up, cell, z):
        return w + cell.dw_mim if up else w
"""


def test_devices_are_checked_and_drawn(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "mine.toml").write_text(MINE)
    done = mho("device", "check", "mine.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for text in ("SoftBounds passes every check of a law", "+0.006 up, -0.004 down", "0.12 ±", "240 (range"):
        assert text in done.stdout
    done = mho("device", "check", "own:Own", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert (report["law"], round(report["states"])) == ("Own", 120)
    assert abs(report["symmetry_point"]) < 1e-6
    for name, figure in (("own:Own", "own.png"), ("mine.toml", "mine.svg")):
        done = mho("device", "plot", name, "--out", figure, "--cells", "20", "--pulses", "50", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / figure).stat().st_size > 5000
    assert "<svg" in (tmp_path / "mine.svg").read_text()


def test_a_folder_for_a_device_is_that_of_jump_tables(tmp_path):
    (tmp_path / "enode").mkdir()
    done = mho("train", "--device", "enode", cwd=tmp_path)
    assert done.returncode == 1
    assert "enode: it is a folder without one pair of jump tables" in done.stderr


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["check", "SoftBound"], ["no device 'SoftBound'", "did you mean 'SoftBounds'?", "module:Class"]),
        (["check", "own:Broken"], ["own.py:16", "cell.dw_mim", "did you mean 'dw_min'?"]),
        (
            ["check", "bad.toml"],
            ["bad.toml", "dwmin: no such field", "'unifrm'", "did you mean 'uniform'?", "c2c is -1"],
        ),
        (["check", "missing.toml"], ["there is no file missing.toml; check the name"]),
        (["check", "syntax:Law"], ["syntax:Law", "SyntaxError", "line 1"]),
        (["plot", "SoftBounds", "--out", "figure.jpg"], ["figure.jpg", ".png"]),
    ],
)
def test_mistakes_with_devices_end_in_one_message(words, parts, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "syntax.py").write_text("class Law(\n")
    (tmp_path / "bad.toml").write_text("[device]\ndwmin = 1\nc2c = -1\nw_max = {mean = 1, distribution = 'unifrm'}\n")
    done = mho("device", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


def test_set_reaches_every_section_and_resume_takes_the_folders_config(tmp_path):
    words = ["--out", "run", "--epochs", "1", "--set", "update.length=1", "--set", "device.dw_min.spread=0.1"]
    words += ["--set", "layers.conv2.cell.n=3", "--set", "layers.conv2.cell.kind=Replicated", *SMALL]
    assert mho("train", *words, cwd=tmp_path).returncode == 0
    config = (tmp_path / "run" / "config.toml").read_text()
    assert "length = 1" in config
    assert 'kind = "Replicated"' in config
    done = mho("train", "--out", "run", "--resume", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["epoch"] == 1
    done = mho("train", "--out", "run", "--resume", "--set", "update.length=2", cwd=tmp_path)
    assert done.returncode == 1
    assert "update.length was 1 and is 2" in done.stderr


MISTAKES = {
    "preset": (["train", "--preset", "gokmen_2071"], "did you mean 'gokmen_2017'?"),
    "data": (["train", "--data", "minst"], "did you mean 'mnist'?"),
    "set": (["train", "--set", "length=1"], "section.key=value"),
    "field": (["train", "--set", "update.lenght=1"], "did you mean 'length'?"),
    "range": (["train", "--set", "update.length=65"], "length is 65; give an integer from 1 to 64"),
    "lr": (["train", "--set", "training.lr=0"], "lr is 0"),
    "epochs": (["train", "--epochs", "0"], "epochs is 0"),
    "threads": (["train", "--threads", "0"], "threads is 0"),
    "config": (["train", "nowhere.toml"], "nowhere.toml"),
    "resume": (["train", "--resume"], "--resume needs --out"),
    "list": (
        ["train", "--set", "device.dw_min=[0.001, 0.002]"],
        "device.dw_min has values for 2 replicas, and replicas",
    ),
    "no list": (["train", "--set", "update.length=[1, 10]"], "length is [1, 10]: it cannot differ between replicas"),
    "tile": (["train", "--set", "tile.rows=0"], "tile.rows is 0; give an integer of at least 1"),
    "map": (["map", "lenett"], "did you mean 'lenet'?"),
    "map tile": (["map", "lenet", "--tile", "64"], "write ROWSxCOLUMNS"),
    "report": (["report", "nowhere"], "mho train, mho sweep or mho reproduce"),
    "bench": (["bench", "--rounds", "0"], "at least 1"),
    "data_dir": (["train", "--data", "mnist", "--data-dir", "."], "train-images-idx3-ubyte.gz"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_get_one_message_and_no_traceback(mistake, tmp_path):
    words, message = MISTAKES[mistake]
    done = mho(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_lists_and_tiles_can_be_set(tmp_path):
    words = ["--out", "run", "--epochs", "1", "--replicas", "2", *SMALL, "--json", "--set", "tile.rows=64"]
    done = mho("train", *words, "--set", "forward.noise=[0.06, 0.6]", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    errors = json.loads(done.stdout)["test_error_replicas"]
    assert len(errors) == 2
    config = (tmp_path / "run" / "config.toml").read_text()
    assert "noise = [0.06, 0.6]\n" in config
    assert 'rows = 64\ncolumns = "none"\n' in config
    again = mho("train", "run/config.toml", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["test_error_replicas"] == errors


def test_map_prints_the_papers_arrays(tmp_path):
    done = mho("map", "lenet", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    sizes = [tuple(array[key] for key in ("name", "out", "in", "vectors", "macs")) for array in found["arrays"]]
    assert sizes == [
        ("conv1", 16, 26, 576, 16 * 26 * 576),
        ("conv2", 32, 401, 64, 32 * 401 * 64),
        ("fc1", 128, 513, 1, 128 * 513),
        ("fc2", 10, 129, 1, 10 * 129),
    ]
    assert found["macs"] == sum(size[-1] for size in sizes)
    assert {array["tiles"] for array in found["arrays"]} == {1}
    assert "80,202 weights" in mho("map", "lenet", cwd=tmp_path).stdout
    tiled = mho("map", "lenet", "--tile", "64x257", cwd=tmp_path)
    assert "4 of 64 × 257" in tiled.stdout


def test_unknown_verbs_and_options_are_usage_errors(tmp_path):
    for words in (["trian"], ["train", "--epoch-count", "3"]):
        done = mho(*words, cwd=tmp_path)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_an_output_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = mho("train", "--out", "file/run", *SMALL, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "file/run" in done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_mnist_without_files_or_network_says_where_to_put_them(tmp_path):
    nothing = {"MHO_DATA": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    blocked = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = mho("train", "--data", "mnist", cwd=tmp_path, **nothing, **blocked)
    assert done.returncode == 1
    assert "train-images-idx3-ubyte.gz" in done.stderr
    assert "MHO_DATA" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_stores_a_checkpoint_that_resumes(tmp_path):
    words = ["train", "--out", "run", "--epochs", "1", "--set", "training.test_images=40"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from mho.cli import main; main()", *words, "--set", "training.checkpoint_every=20"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    began = time.monotonic()
    while not (tmp_path / "run" / "checkpoint.safetensors").exists() and time.monotonic() - began < 300:
        time.sleep(0.01)
    process.send_signal(2)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "--resume" in told
    done = mho("train", "--out", "run", "--resume", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["epoch"] == 1


def test_warm_start_to_the_first_step(tmp_path):
    """Until the first checkpoint nothing is compiled, and only what training needs is imported."""
    words = ["train", "--epochs", "1", "--set", "training.train_images=1", "--set", "training.test_images=1"]
    first = mho(*words, "--out", "first", cwd=tmp_path)  # compiles what is not compiled yet
    assert first.returncode == 0, first.stderr
    command = [sys.executable, "-c", WARM_START, *words, "--out", "second"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    kernels, imported = json.loads(done.stdout.splitlines()[-1])
    assert kernels == 0
    assert "compiling" not in done.stderr
    later = {
        "matplotlib",
        "jinja2",
        "scipy.optimize",
        "scipy.special",
        "sklearn",
        "pooch",
        "requests",
        "ray",
        "pyarrow",
    }
    later |= {f"mho.{room}" for room in ("report", "papers", "measurements")}
    assert later & set(imported) == set()
    assert {"torch", "numba"} <= set(imported)


WARM_START = """
import json, sys
from numba.core import event
from mho.cli import main

imported = []

def watch(name, arguments):
    if name == "os.rename" and str(arguments[1]).endswith("checkpoint.safetensors") and not imported:
        imported.extend(sorted({".".join(module.split(".")[:2]) for module in sys.modules}))

sys.addaudithook(watch)
with event.install_recorder("numba:compile") as compiled:
    try:
        main()
    finally:
        print()
        print(json.dumps([len(compiled.buffer), imported]))
"""


def test_bench_prints_the_ratio(tmp_path):
    done = mho("bench", "--rounds", "1", "--images", "5", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["lenet"]
    torch = {row["spec"]: row["us_an_image"] for row in rows if row["contestant"] == "plain torch"}
    assert len(rows) > len(torch) > 0
    for row in rows:
        assert row["ratio"] == pytest.approx(row["us_an_image"] / torch[row["spec"]])


def test_examples_run(monkeypatch):
    for name, limit in (("own_loop.py", 45), ("own_device.py", 45)):
        file = EXAMPLES / name
        assert len(file.read_text().splitlines()) < limit
    monkeypatch.syspath_prepend(EXAMPLES)
    loop, device = (importlib.import_module(name) for name in ("own_loop", "own_device"))
    assert device.main().shape[-2:] == (4, 6)
    assert loop.main(epochs=1, images=300) < 80
