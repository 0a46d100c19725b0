"""The command line as people expect it: light to start, with versions, names to complete, and quiet where asked."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import mho as package
from mho import fitting
from mho.bar import SILENCE, progress_console
from mho.cells import CELLS
from mho.cli import app, names
from mho.cli.devices import trained_on
from mho.data import DATA_SETS
from mho.devices import EFFECTS, LAWS
from mho.fitting import find_device
from mho.measurements import Format, is_measured, read_device
from mho.models import NETWORKS
from mho.papers import PAPERS
from mho.presets import DEVICES, PRESETS
from mho.training import TASKS
from tests.helpers.checkout import ROOT
from tests.helpers.command import mho

HEAVY = ("torch", "numba", "numpy", "matplotlib", "scipy", "sklearn", "pyarrow", "ray", "jinja2")
EVERY_HELP = """
import json, sys
from typer.main import get_command
from typer.testing import CliRunner
from mho.cli import app

def helps(command, words):
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0, (words, done.output)
    shown[" ".join(words)] = done.output
    for name, one in getattr(command, "commands", {}).items():
        helps(one, [*words, name])

shown = {}
helps(get_command(app), [])
print(json.dumps([shown, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def process(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "100", "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path])}
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=True
    )


def test_help_of_every_verb_imports_nothing_heavy(tmp_path):
    shown, imported = json.loads(process("-c", EVERY_HELP, cwd=tmp_path).stdout)
    assert {"", "train", "config", "device fit", "device advise", "learn conntra", "data fetch"} <= set(shown)
    assert not set(imported) & set(HEAVY)
    for verb in ("train", "sweep", "reproduce", "bench", "device fit", "device advise", "learn spectral"):
        assert "--quiet" in shown[verb], verb
    assert "reram_es" in shown["device check"]
    assert "SoftBounds" in shown["device check"]
    assert "Ideal" not in shown["device check"]


def test_help_breaks_lines_only_where_the_terminal_does():
    def texts(command, words):
        yield " ".join(words), command.help or ""
        for name, one in getattr(command, "commands", {}).items():
            yield from texts(one, [*words, name])

    found = dict(texts(get_command(app), []))
    assert "learn conntra" in found
    for verb, text in found.items():
        assert all("\n" not in paragraph for paragraph in text.split("\n\n")), verb


def test_importing_mho_alone_is_light(tmp_path):
    told = process("-c", "import mho, sys; mho.errors; print([*sys.modules])", cwd=tmp_path).stdout
    assert not set(ast.literal_eval(told)) & set(HEAVY)


MODULES = """
import contextlib, sys
from mho.cli import main

sys.argv = ["mho", *sys.argv[1:]]
with contextlib.suppress(SystemExit):
    main()
print([*sys.modules])
"""


def test_showing_settings_again_and_listing_data_import_nothing_that_they_do_not_show(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = mho("config", "forward", cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache")).stdout
    text, _, imported = process("-c", MODULES, "config", "forward", cwd=tmp_path).stdout.rpartition("\n[")
    assert text + "\n" == first
    assert not set(ast.literal_eval("[" + imported)) & set(HEAVY)
    text, _, imported = process("-c", MODULES, "data", "list", cwd=tmp_path).stdout.rpartition("\n[")
    assert {*DATA_SETS} <= {line.split()[0] for line in text.splitlines()}
    assert set(ast.literal_eval("[" + imported)) & set(HEAVY) == {"numpy"}


def test_version_and_module(tmp_path):
    told = f"mho {package.__version__}, physics version {package.PHYSICS_VERSION}\n"
    assert mho("--version", cwd=tmp_path).stdout == told
    assert process("-m", "mho", "--version", cwd=tmp_path).stdout == told
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert package.__version__ == project["version"]


def test_names_without_imports_are_those_of_the_registries():
    assert set(names.laws()) == set(LAWS)
    assert set(names.pulse_laws()) == {name for name, law in LAWS.items() if law.pulse_driven}
    assert set(names.cells()) == set(CELLS)
    assert set(names.effects()) == set(EFFECTS)
    assert list(names.published()) == list(DEVICES)
    assert list(names.presets()) == list(PRESETS)
    assert set(names.networks()) == set(NETWORKS)
    assert set(names.data_sets()) == set(DATA_SETS)
    assert set(names.tasks()) == set(TASKS)
    assert list(names.papers()) == list(PAPERS)


def test_the_shell_completes_names(tmp_path):
    words = {"_MHO_COMPLETE": "complete_bash", "COMP_WORDS": "mho train --model le", "COMP_CWORD": "3"}
    assert mho("", cwd=tmp_path, **words).stdout.split() == ["lenet"]
    words = {"_MHO_COMPLETE": "complete_bash", "COMP_WORDS": "mho device check Soft", "COMP_CWORD": "3"}
    assert mho("", cwd=tmp_path, **words).stdout.split() == ["SoftBounds"]
    words = {"_MHO_COMPLETE": "complete_bash", "COMP_WORDS": "mho reproduce kim", "COMP_CWORD": "2"}
    assert mho("", cwd=tmp_path, **words).stdout.split() == ["kim_2019"]


def test_every_name_of_the_package_is_found_where_it_is_said_to_be():
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert {"RPU", "Crossbar", "convert", "devices", "report", "training"} <= set(package.__all__)
    offered = set(dir(package))
    assert set(package.__all__) | {"measurements", "errors", "data", "hardware"} <= offered
    assert not offered & {"ast", "importlib", "Path", "HOMES", "ROOMS"}
    stub = ast.parse((ROOT / "src" / "mho" / "__init__.pyi").read_text())
    listed = next(node.value for node in stub.body if isinstance(node, ast.Assign))
    assert sorted(ast.literal_eval(listed)) == package.__all__


QUICK = ["--epochs", "1", "--model", "mlp", "--set", "training.train_images=20", "--set", "training.test_images=10"]


def test_quiet_shows_results_and_no_progress(tmp_path):
    loud = mho("train", *QUICK, "--out", "a", cwd=tmp_path)
    quiet = mho("train", *QUICK, "--out", "b", "--quiet", cwd=tmp_path)
    assert "epoch 1/1" in loud.stderr
    assert "epoch 1/1" not in quiet.stderr
    assert quiet.stdout.replace("/b", "/a").replace(" b", " a") == loud.stdout.replace(" b", " a")
    assert not SILENCE.on
    assert not progress_console().quiet


# DEVICE, in every verb


DEVICE_VERBS = {
    "check": ["device", "check"],
    "plot": ["device", "plot", "--out", "x.png"],
    "compare": ["device", "compare", "SoftBounds"],
    "advise": ["device", "advise"],
    "improve": ["device", "improve"],
    "toml": ["device", "toml"],
    "train": ["train", "--device"],
}
WRONG_DEVICES = {
    "SoftBound": "no device 'SoftBound'; did you mean 'SoftBounds'? (your own is module:Class; a file ends in .toml)",
    "reram_e": "no device 'reram_e'; did you mean 'reram_es'?",
    "nofile.toml": "there is no file nofile.toml",
    "mien.toml": "there is no file mien.toml; did you mean 'mine.toml'?",
    "nofile.csv": "there is no file nofile.csv",
    "nodir/x.toml": "there is no file nodir/x.toml, because there is no folder nodir",
    "nan.toml": "nan.toml: SoftBounds: dw_min is nan; give a number greater than 0",
    "law.toml": "law.toml: law: no 'SoftBond'; did you mean 'SoftBounds'?",
    "gokmen_2017": "gokmen_2017 is a preset of whole arrays and no device; take it as --preset gokmen_2017",
    "run": "run is a folder; its device is that of run/config.toml: give this file",
    "empty": "empty: it is a folder without one pair of jump tables",
    "nomodule:Law": "law: 'nomodule:Law' cannot be imported (No module named 'nomodule')",
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.toml").write_text('law = "SoftBounds"\n')
    (tmp_path / "nan.toml").write_text('[device]\nlaw = "SoftBounds"\ndw_min = nan\n')
    (tmp_path / "law.toml").write_text('[device]\nlaw = "SoftBond"\n')
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text('[device]\nlaw = "SoftBounds"\n')
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize("verb", DEVICE_VERBS.values(), ids=DEVICE_VERBS)
def test_a_wrong_device_is_told_in_the_same_words_by_every_verb(verb, folder):
    for name, words in WRONG_DEVICES.items():
        done = mho(*verb, name, cwd=folder)
        assert done.returncode == 1
        assert done.stderr.startswith(f"mho: {words}"), done.stderr
        assert {path.name for path in folder.iterdir()} == {"mine.toml", "nan.toml", "law.toml", "run", "empty"}


@pytest.mark.parametrize("verb", DEVICE_VERBS.values(), ids=DEVICE_VERBS)
def test_every_verb_that_reads_pulses_has_the_options_of_how_they_are_read(verb, folder):
    """What a note on a file tells to type can be typed at the verb that told it."""
    (folder / "pulses.csv").write_text("\n".join(["pulse", *map(str, range(12))]))
    assert "--columns" in mho(*verb, "pulses.csv", cwd=folder).stderr
    done = mho(*verb, "pulses.csv", "--columns", "reading", "--turns", "99", cwd=folder)
    assert done.returncode == 1
    assert "turns" in done.stderr
    assert "99" in done.stderr
    done = mho(*verb, "mine.toml", "--every", "2", "--header", "0", cwd=folder)
    assert done.returncode == 1
    assert "--every" in done.stderr
    assert "no effect" in done.stderr


def test_commands_to_type_keep_how_pulses_are_read(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "my pulses.csv").write_text("pulse\n")
    form = Format(columns="number,reading", turns=[4, 8], reverse=["G down"], transpose=True, header=0)
    read = "--columns number,reading --header 0 --turns 4,8 --reverse 'G down' --transpose"
    assert sorted(trained_on("my pulses.csv", form).split()) == sorted(f"--measured 'my pulses.csv' {read}".split())
    assert trained_on("reram_es", None) == "--device reram_es"


def test_a_device_is_found_by_each_of_its_names(folder, monkeypatch):
    monkeypatch.chdir(folder)
    soft = package.devices.SoftBounds()
    assert find_device("SoftBounds") == find_device("mine.toml") == find_device("run/config.toml") == soft
    assert find_device("reram_es") == package.presets.reram_es()
    assert find_device("tests.helpers.laws:Ferro").law_name() == "tests.helpers.laws:Ferro"
    assert read_device("mine.toml") == {"law": "SoftBounds"}
    assert is_measured("empty")
    assert not is_measured("SoftBounds")


def test_a_file_without_a_law_says_which_it_is(folder):
    (folder / "bare.toml").write_text("[device]\nc2c = 0.1\n")
    done = mho("device", "toml", "bare.toml", cwd=folder)
    assert done.returncode == 0
    assert "bare.toml names no law: its device is a ConstantStep" in done.stderr
    assert tomllib.loads(done.stdout)["device"]["c2c"] == 0.1


def test_pulses_are_a_device_in_every_verb(folder, monkeypatch):
    monkeypatch.setattr(fitting, "PARAMETRIC", (LAWS["SoftBounds"],))  # the other four would take half a minute
    weights = [0.0]
    for pulse in range(120):
        step = 0.04 * (1 - weights[-1]) if pulse < 60 else -0.05 * weights[-1]
        weights.append(weights[-1] + step)
    (folder / "pulses.csv").write_text("\n".join(f"{1e-6 + 1e-5 * w:.6e}" for w in weights) + "\n")
    done = mho("device", "toml", "pulses.csv", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "121 readings" in done.stderr
    assert tomllib.loads(done.stdout)["device"]["w_max"]
    trained = mho("train", *QUICK, "--device", "pulses.csv", "--out", "trained", cwd=folder)
    assert trained.returncode == 0, trained.stderr
    assert (folder / "trained" / "device.html").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train", "--lr", "0.1"], "No such option: --lr; it is a setting: --set training.lr=0.1"),
        (["train", "--batch-size=4"], "No such option: --batch-size; it is a setting: --set training.batch_size=4"),
        (["sweep", "--law", "SoftBounds"], "No such option: --law; it is a setting: --set device.law=SoftBounds"),
        (["map", "--adc-bits", "6"], "settings have this name: --set forward.adc_bits=6, or --set backward.adc_bits=6"),
        (["train", "--nonsense", "1"], "No such option: --nonsense"),
    ],
)
def test_an_option_that_is_a_setting_points_to_set(words, told):
    done = CliRunner().invoke(app, words, env={"COLUMNS": "160", "TERMINAL_WIDTH": "160"})
    assert done.exit_code == 2
    assert told in " ".join(done.output.split()), done.output
    assert ("--set" in done.output) == ("--set" in told)
