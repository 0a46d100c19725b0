"""Rasch et al. 2024: curves have the paper's settings, studies resume to the bit, and the page shows all offsets."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import mho
from mho.errors import InvalidValue
from mho.learning import WeightProgramming, learn_weights
from mho.papers import PAPERS
from mho.papers.page import write_paper_page
from mho.papers.rasch_2024.curves import DRAWS, FILL, OFFSETS, RANGES, RULES, STATES
from mho.papers.rasch_2024.study import ConstantGradient, Programming
from mho.papers.records import Record
from mho.papers.shown import Sweep
from mho.runs import Experiment

PAPER = PAPERS["rasch_2024"]


def train(study, folder, *, stops_after: int = 10**9) -> list[dict[str, float]]:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > stops_after

    study.run(folder, seed=1, data_folder=None, on_progress=lambda epoch, share: None, stop=stop)
    file = folder / "metrics.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [{name: value for name, value in line.items() if "second" not in name} for line in lines]


def tiny(curve: str):
    """Return the study of a curve with two short epochs."""
    study = PAPER.curves[curve]()
    if isinstance(study, ConstantGradient):
        return dataclasses.replace(study, epochs=2, vectors=200)  # the slow bank moves after a hundred
    return dataclasses.replace(study, epochs=2, vectors=15)


# Settings ----------------------------------------------------------------------------------------


def test_every_curve_is_shown_and_there_once():
    assert set(PAPER.expected.curves) == set(PAPER.curves) == set(PAPER.choose())
    specifications = {PAPER.study(curve).specification() for curve in PAPER.curves}
    assert len(specifications) == len(PAPER.curves)
    assert [len(PAPER.choose([figure])) for figure in PAPER.expected.figures] == [8, 30, 6, 19, 19, 19, 5]


@pytest.mark.parametrize("states", STATES)
def test_devices_and_circuits_of_figure_4_are_those_of_the_paper(states: int):
    """Section 1.1 of the paper's model: σ_b 0.3 on the fast bank only, σ± 0.1, σ_d2d and c2c 0.3, Δ = 2/states."""
    for name in RULES:
        study = PAPER.curves[f"{name}_{states}"]()
        assert isinstance(study, Programming)
        cell, rpu = study.rpu.cell, study.rpu
        assert study.settings == tuple(f"offset_{offset:g}" for offset in OFFSETS)
        assert cell.reference == "symmetry_point"
        assert cell.reference_std == tuple(np.repeat(OFFSETS, DRAWS))
        assert rpu.device == mho.presets.rasch_2024(states=states, bound_spread=0.0)
        assert (rpu.forward.noise, rpu.forward.dac_bits, rpu.forward.adc_bits) == (0.06, 7, 9)
        assert rpu.update.length == 5
        if name == "sgd":
            assert isinstance(cell, mho.cells.Single)
            continue
        assert cell.fast == mho.presets.rasch_2024(states=states)
        assert (cell.slow, cell.every, cell.buffer_scale, cell.slow_reference) == (None, 5, 200.0, "symmetry_point")
        assert (cell.chopper, cell.momentum, cell.visible) == (
            0.0 if name == "ttv2" else 0.1,
            0.0,
            0.1 if name == "e_rider" else 0.0,
        )
        assert not cell.transfer.noise_management
        assert not cell.transfer.bound_management


def test_the_symmetry_index_stretches_the_bounds_at_a_fixed_step():
    for name in RULES:
        device = PAPER.curves[f"{name}_range"]().rpu.device
        assert device.dw_min == mho.presets.rasch_2024(states=400).dw_min
        assert device.w_max.mean == tuple(np.repeat(RANGES, DRAWS))
        assert device.w_min.mean == tuple(-np.repeat(RANGES, DRAWS))


def test_networks_vary_states_and_offsets_and_nothing_else():
    def made(curve: str) -> Experiment:
        experiment = PAPER.curves[curve]()
        assert isinstance(experiment, Experiment)
        return experiment

    start = made("mlp_agad_20_0.5")
    assert (start.training.model, start.training.epochs, start.training.batch_size) == ("mlp", 30, 10)
    assert start.rpu.scale is not None
    assert made("mlp_agad_20_0.1").rpu.cell == dataclasses.replace(start.rpu.cell, reference_std=0.1)
    other = made("mlp_agad_100_0.5").rpu
    assert other.cell == dataclasses.replace(start.rpu.cell, fast=mho.presets.rasch_2024(states=100))
    lenet = made("lenet_agad_20_0.5")
    assert lenet.rpu == start.rpu.replace(scale=mho.Scale("max", fill=FILL["lenet"]))
    assert lenet.training == dataclasses.replace(start.training, model="lenet")


def test_the_papers_numbers():
    """Fig. 4 at both ends of the offsets, and Fig. 5 at 20 states."""
    curves = PAPER.expected.curves
    ends = {
        name: (curves[name].number, curves[name].numbers["offset_1"]) for name in ("ttv2_400", "c_ttv2_20", "sgd_10")
    }
    assert ends == {"ttv2_400": (0.8, 94.6), "c_ttv2_20": (4.2, 4.2), "sgd_10": (38.1, 87)}
    assert [curves[f"agad_{states}"].number for states in STATES] == [0.8, 0.9, 1.2, 2.4, 4.5, 9.4]
    assert [curves[f"mlp_{name}_20_0.5"].number for name in ("ttv2", "c_ttv2", "agad")] == [9.45, 2.06, 1.92]
    for name, curve in curves.items():
        assert not (name.startswith("e_rider") and curve.mark)  # which the paper does not have
        for check in curve.checks:
            if "factor 1.3" not in check.reason:
                continue
            number = curve.numbers[(check.quantity or curve.quantity).name]
            assert (check.at_least, check.at_most) == pytest.approx((number / 1.3, number * 1.3), rel=0.005), name


# Studies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("curve", ["sgd_20", "agad_20", "c_ttv2_range", "ttv2_constant"])
def test_a_stopped_study_ends_as_one_that_was_not(tmp_path, curve: str) -> None:
    study = tiny(curve)
    whole = train(study, tmp_path / "whole")
    assert [line["vectors"] for line in whole] == [study.vectors, 2 * study.vectors]
    assert len(train(study, tmp_path / "parts", stops_after=1)) == 1
    assert train(study, tmp_path / "parts") == whole


def test_a_line_has_the_means_of_the_draws_by_setting(tmp_path):
    """Errors of an epoch of one vector are those after it, of three replicas in a row for each setting."""
    study = dataclasses.replace(tiny("ttv2_20"), epochs=1, vectors=1)
    line = train(study, tmp_path)[0]
    task = WeightProgramming(study.rpu, seeds=[3, 4, 5] * len(OFFSETS))
    task.learn(1)
    means = 100 * task.error.reshape(-1, 3).mean(axis=1)
    assert [line[name] for name in study.settings] == pytest.approx(means)
    assert line["ratio"] == pytest.approx(means.max() / means.min())


def test_learning_does_not_depend_on_how_vectors_are_split():
    rpu = mho.presets.agad().replace(update=mho.Pulses(length=5, update_management=True))
    whole = WeightProgramming(rpu, size=4, seeds=[0, 1])
    errors = whole.learn(40, looks=(7, 40))
    parts = WeightProgramming(rpu, size=4, seeds=[0, 1])
    first = parts.learn(17, looks=(7, 40))
    resumed = WeightProgramming(rpu, size=4, seeds=[0, 1])
    resumed.restore(parts.state())
    assert resumed.vectors == 17
    np.testing.assert_array_equal(np.concatenate([first, resumed.learn(23, looks=(7, 40))]), errors)
    np.testing.assert_array_equal(resumed.pulses()["fast"], whole.pulses()["fast"])


def test_learned_weights_are_the_tail_of_the_curve():
    found = learn_weights(mho.presets.gokmen_2017(), vectors=200, size=4, seeds=[0], points=4)
    assert found.vectors[-1] == 200
    assert found.error == pytest.approx(found.curve[found.vectors > 180].mean(axis=0))
    assert found.curve[-1] < found.curve[0]  # it learns
    with pytest.raises(InvalidValue, match="seeds is empty"):
        learn_weights(mho.presets.gokmen_2017(), seeds=[])


@pytest.mark.parametrize("curve", ["agad_constant_offset", "ttv2_constant_offset"])
def test_quick_versions_keep_their_checks(tmp_path, curve: str) -> None:
    """Two seconds each: the offset stops Tiki-Taka, and AGAD does not see it."""
    (check,) = PAPER.expected.quick[curve]
    last = {name: train(PAPER.curves[name]().quick(), tmp_path / name)[-1]["way"] for name in (curve, check.other)}
    assert check.keeps(last[curve], last[check.other])


@pytest.mark.long
@pytest.mark.parametrize("curve", ["agad_20", "ttv2_20"])
def test_quick_versions_of_figure_4_keep_their_checks(tmp_path, curve: str) -> None:
    last = train(PAPER.curves[curve]().quick(), tmp_path)[-1]
    for check in PAPER.expected.quick[curve]:
        quantity = check.quantity or PAPER.expected.curves[curve].quantity
        assert check.keeps(last[quantity.name], None), str(check)


# The page ----------------------------------------------------------------------------------------


def record(curve: str, factor: float) -> Record:
    """Results that are the paper's numbers times a factor, 7 % where it has none."""
    numbers = PAPER.expected.curves[curve].numbers
    each = {f"offset_{offset:g}": factor * numbers.get(f"offset_{offset:g}", 7.0) for offset in OFFSETS}
    lines = [{"epoch": 1 + k, **each, "ratio": 1.0, "vectors": 1.0 + k, "seconds": 1.0} for k in range(10)]
    return Record(
        curve=curve, command="mho", physics=mho.PHYSICS_VERSION, version="0", images=0, arrays=[],
        seeds={0: lines}, counters={},
    )  # fmt: skip


def test_the_page_has_a_panel_a_number_of_states_and_a_table_of_ratios(tmp_path):
    records = {curve: record(curve, 1.25) for curve in ("ttv2_400", "agad_400", "ttv2_20", "e_rider_20")}
    text = write_paper_page(PAPER, records, tmp_path / "page.html").read_text()
    assert 'id="figure-4"' in text
    for panel, states in enumerate(STATES):
        assert 'aria-label="Mean error of the weights in per cent against' in text
        drawn = f"; {states} states, Programming" in text
        assert drawn == (states in (400, 20)), panel
    assert "paper 82.1 (×1.25)" in text
    assert "<td>102.62<small>" in text  # 1.25 · 82.1
    assert "<td>8.75<small></small></td>" in text  # no number of the paper


def test_a_sweep_goes_from_curve_to_curve_or_across_quantities():
    with pytest.raises(InvalidValue, match=r"give lines, .* or across"):
        Sweep(axis="x")
    with pytest.raises(InvalidValue, match=r"give lines, .* or across"):
        Sweep(axis="x", lines={"a": {"b": 1.0}}, across={"c": 1.0})
    with pytest.raises(InvalidValue, match="panels go with across"):
        Sweep(axis="x", lines={"a": {"b": 1.0}}, panels={"p": ("b",)})
    with pytest.raises(InvalidValue, match="c is -1"):
        Sweep(axis="x", across={"c": -1.0})
