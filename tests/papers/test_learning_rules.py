"""Papers of learning rules on networks: curves have the printed settings, and expectations the printed numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import mho
from mho.devices.symmetry import nominal_cell, quiet_step
from mho.nn.replicas import array_layers
from mho.papers import PAPERS
from mho.papers.checks import Check
from mho.papers.jobs import address
from mho.papers.wu_2025.curves import GAMMA, STATES, exponential, power
from mho.papers.xiao_2026.curves import MEANS, RULES, SPREADS
from mho.runs import Experiment
from mho.runs.train_work import train_experiment

NAMES = ("gokmen_2020", "wu_2025", "xiao_2026")


def made(paper: str, curve: str) -> Experiment:
    experiment = PAPERS[paper].curves[curve]()
    assert isinstance(experiment, Experiment)
    return experiment


def order(curve: str) -> Check:
    """The check of a curve of Xiao et al. that compares it with another."""
    (check,) = PAPERS["xiao_2026"].expected.curves[curve].checks
    return check


# Descriptions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_curve_is_shown_there_once_and_can_be_written_down(name: str):
    paper = PAPERS[name]
    shown = {curve for figure in paper.expected.figures.values() for curve in figure.curves}
    assert shown == set(paper.expected.curves) == set(paper.curves)
    for curve in paper.curves:
        experiment = made(name, curve)
        assert (experiment.training.model, experiment.training.data) == ("mlp", "mnist")
        assert Experiment.from_toml(experiment.to_toml()) == experiment
    assert len({address(paper.study(curve)) for curve in paper.curves}) == len(paper.curves)


@pytest.mark.parametrize("name", NAMES)
def test_the_last_epochs_are_those_that_are_judged(name: str):
    paper = PAPERS[name]
    for curve in paper.curves:
        epochs = made(name, curve).training.epochs
        assert paper.expected.window(epochs)[1] == epochs


def test_rules_of_xiao_2026_differ_in_their_settings_and_not_in_device_or_reference():
    for mean in MEANS:
        for spread in SPREADS:
            experiments = [made("xiao_2026", f"{name}_{mean:g}_{spread:g}") for name in RULES]
            for experiment in experiments:
                cell = experiment.rpu.cell
                assert experiment.rpu.device == mho.presets.reram_array_hfo2()
                assert (cell.fast, cell.slow) == (None, None)
                assert (cell.reference, cell.reference_mean, cell.reference_std) == ("symmetry_point", mean, spread)
                assert (experiment.training.epochs, experiment.rpu.scale) == (40, 0.2)
                assert experiment.rpu == dataclasses.replace(
                    experiments[0].rpu, cell=cell, update=experiment.rpu.update
                )


def test_rules_of_xiao_2026_have_the_printed_settings():
    """Rates on the fast bank and in the buffer, those that do not follow η as products with it."""
    ttv2, agad, e_rider = (made("xiao_2026", f"{name}_0.4_0.05") for name in RULES)
    cell = ttv2.rpu.cell
    assert (cell.threshold, cell.momentum, cell.auto_scale) == (0.8, 0.1, True)
    assert cell.fast_lr * ttv2.rpu.update.length == pytest.approx(0.005 * 31)
    assert cell.transfer_lr * ttv2.training.lr == pytest.approx(0.005)
    cell = agad.rpu.cell
    assert (cell.transfer_lr, cell.chopper, cell.auto_scale) == (0.2, 0.1, True)
    assert cell.fast_lr * agad.rpu.update.length == pytest.approx(0.01 * 31)
    cell = e_rider.rpu.cell
    assert (cell.visible, cell.chopper, cell.auto_scale) == (0.1, 0.05, False)
    assert cell.fast_lr * e_rider.training.lr == pytest.approx(0.5)
    assert cell.transfer_lr * e_rider.training.lr == pytest.approx(0.05)


def test_responses_of_wu_2025_are_its_equations():
    """Section 1 of the paper: power (1 ∓ w/τ)^γ, exponential (exp(γ(1 ∓ w/τ)) - 1)/(exp(γ) - 1), of steps 2τ/1200."""
    bound = 0.7
    equations = {
        power: lambda w: (1 - w / bound) ** GAMMA,
        exponential: lambda w: np.expm1(GAMMA * (1 - w / bound)) / np.expm1(GAMMA),
    }
    for make, response in equations.items():
        device = make(bound)
        cell = nominal_cell(device)
        assert (cell.w_min, cell.w_max) == pytest.approx((-bound, bound))
        for place in (-0.5, 0.0, 0.3):
            for up, towards in ((True, place), (False, -place)):
                step = abs(quiet_step(device, place, up, cell))
                # a thousandth of a step from node to node, and float32 of weights near 0.5
                assert step == pytest.approx(2 * bound / STATES * response(towards), rel=1e-3), (make, place, up)


def test_devices_of_gokmen_2020_differ_in_their_law_only():
    symmetric, asymmetric, rule = (
        made("gokmen_2020", curve).rpu for curve in ("sgd_symmetric", "sgd_asymmetric", "tiki_taka")
    )
    assert symmetric.replace(device=asymmetric.device) == asymmetric
    assert symmetric.device.parameters() == asymmetric.device.parameters()
    assert rule == asymmetric.replace(cell=rule.cell)
    assert (rule.cell.buffer, rule.cell.reference) == (False, "symmetry_point")
    assert (symmetric.device.dw_min.mean, symmetric.device.w_max.mean, symmetric.device.c2c) == (0.001, 0.6, 0.3)


# Numbers -----------------------------------------------------------------------------------------


def test_the_papers_numbers():
    """As errors: the ends of the rows of Xiao et al., and rows of Wu et al."""
    xiao, wu = (PAPERS[name].expected.curves for name in ("xiao_2026", "wu_2025"))
    rows = {name: [xiao[f"{name}_0.4_{spread:g}"].number for spread in (0.05, 1.0)] for name in RULES}
    assert rows == {"ttv2": [28.0, 42.2], "agad": [7.4, 9.6], "e_rider": [3.9, 4.9]}
    assert [wu[f"{name}_noise_1.2"].number for name in ("sgd", "residual")] == [3.81, 3.03]
    assert [wu[f"{name}_exponential_0.6"].number for name in ("sgd", "residual")] == [(85.0, 100.0), 2.73]
    assert PAPERS["gokmen_2020"].expected.curves["tiki_taka"].number == 2.0


def test_the_order_of_the_rules_is_checked_by_two_points():
    """The printed errors keep the checks, and equal ones do not."""
    curves = PAPERS["xiao_2026"].expected.curves
    for curve, other in (("agad_0.4_0.05", "e_rider_0.4_0.05"), ("ttv2_0.4_0.05", "agad_0.4_0.05")):
        check = order(curve)
        assert check.than == other
        assert check.keeps(curves[curve].number, curves[other].number)
        assert not check.keeps(curves[other].number + 1.9, curves[other].number)


# Trainings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "curve"),
    [("xiao_2026", f"{rule}_0.4_0.05") for rule in RULES]
    + [("gokmen_2020", "tiki_taka"), pytest.param("wu_2025", "residual_power_0.7", marks=pytest.mark.long)],
)
def test_a_curve_trains_its_fast_bank(tmp_path, name: str, curve: str) -> None:
    """A hundred small images: in every layer the bank that updates pulse has moved."""
    experiment = made(name, curve)
    training = dataclasses.replace(
        experiment.training, data="digits", epochs=1, lr_steps={}, train_images=100, test_images=20
    )
    run = train_experiment(
        dataclasses.replace(experiment, training=training),
        tmp_path / "run",
        data_folder=None,
        on_progress=lambda epoch, share: None,
        stop=lambda: False,
    )
    first = experiment.rpu.banks[0].name
    for layer in array_layers(run.model).values():
        for array in layer.crossbars:
            assert array.counters()[f"{first}.coincidences"].sum() > 0, layer.name
