"""`mho config`: every key with default, range and meaning, from the descriptions; and faults of files, by line."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib

import pytest

from mho.allowed import Allowed
from mho.cells import CELLS
from mho.cli.config import SECTIONS
from mho.cli.configs import parse_setting
from mho.devices import EFFECTS, LAWS
from mho.errors import InvalidValue, MhoError
from mho.learning import ZeroShifting
from mho.periphery import Pulses, Read, Scale, Tile
from mho.presets import PRESETS
from mho.runs import Experiment, check_config, config_json, config_reference, config_toml, merged
from mho.runs.presets import over_preset
from mho.runs.reference import KINDS, allowed_by
from mho.runs.reference_words import TITLES
from mho.runs.sweep import Sweep
from mho.toml_files import key_lines
from mho.training import TASKS, Training
from tests.helpers.command import mho


def required(kind: type) -> dict[str, object]:
    """A value for each field without a default."""
    fields = dataclasses.fields(kind)
    missing = dataclasses.MISSING
    return {f.name: 2 for f in fields if f.default is missing and f.default_factory is missing}


DESCRIPTIONS = {kind.__name__: kind for kind in (Read, Pulses, Tile, Scale, ZeroShifting, Training)}
DESCRIPTIONS |= {**LAWS, **CELLS, **TASKS, **EFFECTS}
RANGES = {
    f"{name}.{field}": (kind, field, allowed)
    for name, kind in DESCRIPTIONS.items()
    for field, allowed in allowed_by(kind, **required(kind))[0].items()
    if field in {own.name for own in dataclasses.fields(kind)}
}


def outside(allowed: Allowed) -> list[object]:
    """Values just beyond what a field may be."""
    if allowed.flag:
        return [1, "yes"]
    if allowed.choices:
        return ["no such word", 3]
    values: list[object] = ["a word", True, math.nan]
    values += [-0.1, 1.0] if allowed.shares else []
    step = 1 if allowed.integer else 1e-9
    values += [allowed.low - step] if math.isfinite(allowed.low) else []
    values += (
        [math.nextafter(allowed.high, math.inf) if allowed.high > 1e6 else allowed.high + step]
        if (math.isfinite(allowed.high) and not (allowed.integer and allowed.high > 1e15))
        else []
    )
    values += [bound for bound in (allowed.above, allowed.below) if math.isfinite(bound)]
    values += [1.5] if allowed.integer else []
    return values + ([] if allowed.optional else [None])


@pytest.mark.parametrize(("kind", "field", "allowed"), RANGES.values(), ids=RANGES)
def test_a_stated_range_is_what_the_description_enforces(kind, field, allowed):
    chosen = {one.name: one.default for one in dataclasses.fields(kind)}[field] is None and not allowed.optional
    for value in outside(allowed):
        if value is None and chosen:  # left out, it is chosen for the rest
            continue
        with pytest.raises(MhoError) as caught:
            kind(**{**required(kind), field: value})
        assert field in str(caught.value)
    refused: list[str] = []
    ends = [value for value in (allowed.low, allowed.high) if math.isfinite(value)]
    for value in [int(end) if allowed.integer else end for end in ends] + list(allowed.choices):
        try:
            kind(**{**required(kind), field: value})
        except InvalidValue as error:  # by another rule, such as of two fields together
            refused += [fault for fault in error.faults if fault == f"{field} is {value!r}; give {allowed}"]
    assert not refused


def test_ranges_are_those_that_are_known():
    assert str(RANGES["Read.noise"][2]) == "a number from 0 to 1e30"
    assert str(RANGES["Read.adc_bits"][2]) == "an integer from 2 to 24, or None"
    assert str(RANGES["Pulses.trains"][2]) == '"stochastic" or "deterministic"'
    assert str(RANGES["SoftBounds.dw_min"][2]) == "a number greater than 0"
    assert str(RANGES["ExpStep.a_up"][2]) == "a number of at least 0 and below 1"
    assert str(RANGES["Training.lr"][2]) == "a number greater than 0 and at most 1e6"
    assert str(RANGES["Scale.value"][2]) == 'a number greater than 0 and at most 1e30, "max" or "std"'
    assert str(RANGES["Residual.visible"][2]) == "a number greater than 0 and below 1"
    assert str(RANGES["Stuck.stuck"][2]) == "a number from 0 to 1"


def test_the_whole_reference_is_the_config_of_a_run_without_options():
    tables = tomllib.loads(config_toml())
    assert Experiment.from_dict(tables) == Experiment.from_dict(over_preset({}))
    assert tables["training"]["task"] == "auto"


def keys_of(tables: dict[str, object], section: str) -> set[str]:
    return set(tables[section]) - {"law", "kind"}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_key_of_a_run_stands_in_the_reference(preset):
    config = Experiment.from_dict(over_preset({}, preset)).to_dict()
    for section in config:
        name = config[section].get("law") or config[section].get("kind") or ""
        known = {key.name for key in config_reference(section, name)[0].keys}
        assert keys_of(config, section) <= known


@pytest.mark.parametrize(("section", "name"), [(section, name) for section in KINDS for name in KINDS[section][1]])
def test_a_kind_shows_all_its_keys_as_toml(section, name):
    text = config_toml(section, name)
    tables = tomllib.loads(text)
    shown = config_reference(section, name)[0]
    table = tables["device"]["effects"][0] if section == "effect" else tables[section]
    missing = {key.name for key in shown.keys if key.default is None}
    assert set(table) - {"law", "kind"} == {key.name for key in shown.keys} - missing
    assert all(key.words or section == "model" for key in shown.keys), [key.name for key in shown.keys if not key.words]
    if section in ("device", "cell") and not missing:
        changed = tables | ({"update": {"kind": "Exact"}} if name == "Ideal" else {})
        if section == "cell":
            changed["device"] = {"law": "SoftBounds"}
        Experiment.from_dict(changed)


def test_every_key_has_words_and_numbers_have_ranges():
    for section in config_reference():
        for key in section.keys:
            assert key.words, f"{section.name}.{key.name}"
            if isinstance(key.default, (int, float)):
                assert key.range(), f"{section.name}.{key.name}"


def test_sections_of_the_command_are_those_of_the_reference():
    assert {*SECTIONS} == {*TITLES, "effect"}


def test_the_command_prints_what_the_library_makes(tmp_path):
    whole = mho("config", cwd=tmp_path)
    assert (whole.returncode, whole.stdout) == (0, config_toml())
    one = mho("config", "cell", "TikiTaka", cwd=tmp_path)
    assert 'kind = "TikiTaka"' in one.stdout
    assert "chopper = 0.0  # a number from 0 to 1, or one for each replica" in one.stdout
    told = json.loads(mho("config", "forward", "--json", cwd=tmp_path).stdout)
    assert told == json.loads(json.dumps(config_json("forward")))
    assert told["forward"]["keys"]["adc_bits"]["allowed"] == 'an integer from 2 to 24, or "none"'


def test_a_users_own_cell_and_law_are_shown_too():
    law = config_reference("device", "tests.helpers.laws:Ferro")[0]
    assert law.kind == "tests.helpers.laws:Ferro"
    assert {"gamma", "dw_min", "write_noise"} <= {key.name for key in law.keys}


FAULTY = """\
preset = "gokmen_2071"

[trainig]
epochs = 3

[training]
epochs = 1.5
lr = 1e9

[forward]
noize = 0.1
adc_bits = 8.5

[device]
law = "SoftBounds"
dw_mn = 0.1
c2c = nan
[device.w_max]
mean = 1
spraed = 0.1

[cell]
kind = "Replicated"

[layers."conv*".update]
lenght = 3
"""
FAULTS = {
    1: "no preset 'gokmen_2071'; did you mean 'gokmen_2017'?",
    3: "unknown section 'trainig'; did you mean 'training'?",
    7: "training.epochs is 1.5; give an integer of at least 1",
    8: "training.lr is 1000000000.0; give a number greater than 0 and at most 1e6",
    11: "forward.noize: no such field; did you mean 'noise'?",
    12: 'forward.adc_bits is 8.5; give an integer from 2 to 24, or "none"',
    16: "device.dw_mn: no such field; did you mean 'dw_min'?",
    17: "device.c2c is nan; give a number of at least 0",
    20: "device.w_max: unknown key 'spraed'; did you mean 'spread'?",
    22: "cell.n is missing: devices per weight, 1 to 1024; give its value, for example --set cell.n=4",
    26: "layers.conv*.update.lenght: no such field; did you mean 'length'?",
}


def test_all_faults_of_a_config_are_told_with_their_lines(tmp_path):
    (tmp_path / "bad.toml").write_text(FAULTY)
    found = {fault.line: fault.words for fault in check_config(tmp_path / "bad.toml")}
    assert found == FAULTS
    told = mho("config", "check", "bad.toml", cwd=tmp_path)
    assert told.returncode == 2
    assert told.stdout.splitlines() == [f"bad.toml:{line}: {words}" for line, words in FAULTS.items()]


SWEEP = """\
[sweep]
seeds = 0
sedes = 2
[sweep.grid]
"forward.noize" = [0.0, 0.06]
"update.length" = [1, 100]
[sweep.random]
"device.dw_min.mean" = { low = 1e-4, high = 1e-2, log = true }
"""
SWEEP_FAULTS = [
    "2: sweep.seeds is 0",
    "3: sweep.sedes: no such field; did you mean 'seeds'?",
    "5: forward.noize: no such field; did you mean 'noise'?",
    "6: update.length is 100; give an integer from 1 to 64",
    "7: sweep.random: count is missing",
]
FILES = {
    "sweep": (SWEEP, SWEEP_FAULTS),
    "device": ("dw_min = nan\nstuck = 2\n", ["1: dw_min is nan; give a number greater than 0", "2: stuck is 2; give"]),
    "device with a section": ('[device]\nlaw = "SoftBound"\n', ["2: law: no 'SoftBound'; did you mean 'SoftBounds'?"]),
    "no TOML": ("[forward]\nnoise =\n", ["2: this is not TOML"]),
    "twice": ("[forward]\nnoise = 1\nnoise = 2\n", ["3: this is not TOML"]),
    "layers": ("layers = 3\n", ["1: layers is 3; write a section [layers]"]),
    "a list of presets": ('preset = ["x"]\n', ["1: no preset ['x']"]),
    "right": (config_toml(), []),
    "right device": ('law = "SoftBounds"\nc2c = 0.1\n', []),
    "right sweep": ('[sweep.grid]\n"forward.noise" = [0.0, 0.1]\n', []),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FILES.values(), ids=FILES)
def test_files_of_each_kind_are_checked(text, expected, tmp_path):
    (tmp_path / "a.toml").write_text(text)
    told = mho("config", "check", "a.toml", cwd=tmp_path)
    lines = told.stdout.splitlines()
    if not expected:
        assert (told.returncode, lines) == (0, ["a.toml: no faults"])
        return
    assert told.returncode == 2
    for line, words in zip(lines, expected, strict=True):
        assert line.startswith(f"a.toml:{words}")


def test_lines_of_keys_of_every_way_of_writing_them():
    text = 'a.b = 1\n# note\n"c d" = [\n 1,\n 2]\n[t."x.y"]\nk = """\nlong\n"""\nl = { m = 1 }\n'
    text += "[[t.z]]\nn = 1\n[[t.z]]\nn = 2\n"
    lines = key_lines(text)
    expected = {
        ("a", "b"): 1, ("c d",): 3, ("t", "x.y"): 6, ("t", "x.y", "k"): 7, ("t", "x.y", "l", "m"): 10,
        ("t", "z"): 11, ("t", "z", "n"): 12,
    }  # fmt: skip
    assert {key: lines[key] for key in expected} == expected


def test_sections_of_names_of_ones_own_are_shown_and_are_sound():
    """What `mho config sweep` and `mho config layers` print, freed of its comments, is a config without faults."""
    base = "[sweep]\nseeds = 1\n"
    shown = config_toml("sweep")
    assert tomllib.loads(shown) == {"sweep": {"seeds": 1, "replicas": 8}}
    tables = [
        line.removeprefix("# ") for line in shown.splitlines() if line.startswith(("# [sweep.", '# "', "# count"))
    ]
    freed = tomllib.loads(base + "\n".join(tables))
    assert len(Sweep({"training": {"data": "digits"}, **freed}).points) == 2 * 2 * 8
    (layer,) = tomllib.loads("\n".join(line.removeprefix("# ") for line in config_toml("layers").splitlines()[-3:]))
    assert layer == "layers"
    assert set(config_json("sweep")["sweep"]["keys"]) == {"seeds", "replicas"}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            {"cell": {"kind": "Replicated"}},
            "cell.n is missing: devices per weight, 1 to 1024; give its value, for example ",
        ),
        ({"layers": {"conv1": {"cell": {"kind": "Replicated"}}}}, "layers.conv1.cell.n is missing: "),
    ],
)
def test_what_is_missing_comes_with_a_setting_that_can_be_typed(fault, words):
    with pytest.raises(InvalidValue) as error:
        Experiment.from_dict(fault)
    (told,) = error.value.faults
    assert told.startswith(words)
    section, typed = words.partition(".n is")[0], told.rpartition("for example ")[2]
    assert typed == f"--set {section}.n=4"
    tables = merged(fault, parse_setting(typed.removeprefix("--set ")))
    assert Experiment.from_dict(tables)


@pytest.mark.parametrize("name", ["gru", "lstm", "transformer"])
def test_options_of_networks_say_what_they_mean(name):
    (section,) = config_reference("model", name)
    assert section.keys
    assert all(key.words for key in section.keys)
    assert all(f"# {key.words.split()[0]}" in config_toml("model", name) for key in section.keys)


@pytest.mark.parametrize(
    "allowed",
    [
        Allowed(low=1, high=1024, integer=True), Allowed(above=0.0, high=1e6), Allowed(low=0.0, high=1.0),
        Allowed(low=20, high=30, integer=True), Allowed(choices=("a", "b")), Allowed(flag=True),
        Allowed(above=0, high=0.01),
    ],
)  # fmt: skip
def test_an_example_is_allowed(allowed):
    value = tomllib.loads(f"x = {allowed.example()}")["x"]
    assert allowed.takes(value)
