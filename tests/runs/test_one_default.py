"""Experiments that name no preset: the same by a config, by the command line and in a sweep."""

from __future__ import annotations

import pytest

from mho import RPU
from mho.cells import CELLS
from mho.cli.configs import read_experiment
from mho.devices import SoftBounds
from mho.errors import InvalidValue
from mho.presets import gokmen_2017
from mho.runs.presets import over_preset
from mho.runs.sweep import Sweep

NEEDED = {"Replicated": {"n": 3}}


def test_a_config_without_a_preset_is_the_experiment_of_the_command_without_one(tmp_path, capsys):
    file = tmp_path / "n.toml"
    file.write_text("[training]\nepochs = 1\ntrain_images = 300\n")
    typed = read_experiment(None, None, {"epochs": 1}, ["training.train_images=300"], None)
    assert read_experiment(file, None, {}, [], None) == typed
    assert typed.rpu == gokmen_2017()
    assert capsys.readouterr().err == ""


def test_a_section_of_a_config_keeps_the_rest_of_the_preset(tmp_path):
    file = tmp_path / "n.toml"
    file.write_text("[forward]\nnoise = 0.1\n")
    forward = read_experiment(file, None, {}, [], None).rpu.forward
    assert (forward.noise, forward.bound_management) == (0.1, True)


def test_a_sweep_starts_from_the_same_preset_and_its_file_names_it():
    sweep = Sweep({"training": {"epochs": 1}, "sweep": {"grid": {"forward.noise": [0.0, 0.06]}}})
    assert sweep.experiment(sweep.points[1], {}).rpu == gokmen_2017()
    assert 'preset = "gokmen_2017"' in sweep.to_toml()
    assert Sweep.from_toml(sweep.to_toml()).content() == sweep.content()


def test_descriptions_of_arrays_keep_table_1():
    assert not RPU().forward.bound_management
    assert not RPU.from_toml("[forward]\nnoise = 0.06\n").forward.bound_management


@pytest.mark.parametrize("kind", CELLS)
def test_a_complete_config_means_what_it_meant(kind):
    rpu = RPU(device=SoftBounds(), cell=CELLS[kind](**NEEDED.get(kind, {})))
    complete = rpu.to_dict()
    assert RPU.from_dict(over_preset(complete)) == rpu == RPU.from_dict(complete)


def test_an_unknown_preset_has_its_file_and_the_nearest(tmp_path):
    file = tmp_path / "n.toml"
    file.write_text('preset = "gokmen"\n')
    with pytest.raises(InvalidValue, match=r"n\.toml: no preset 'gokmen'; did you mean 'gokmen_2017'"):
        read_experiment(file, None, {}, [], None)
