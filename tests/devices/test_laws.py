"""Device laws against their equations, symmetry points, spreads, check_device and pulse_response.

Statistics use fixed seeds. They allow 4 standard errors, or a p-value of 10⁻⁴: a right law would fail one such
comparison for one seed in some 10,000.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scipy import stats

import mho
from mho import RPU, Crossbar, Pulses
from mho.devices import (
    LAWS,
    ConstantStep,
    ExpStep,
    FallingStep,
    JumpTable,
    LinearStep,
    LinearStepAdditive,
    PowStep,
    RaschSoftBounds,
    SoftBounds,
)
from mho.devices.doubts import doubts
from mho.devices.symmetry import find_balance, symmetry_points
from mho.errors import InvalidValue, LawError, WrongUse
from mho.report import staircase, step_against_state, symmetry_histogram
from mho.runs import Experiment
from mho.testing import check_device, device_check, pulse_response
from tests.helpers import laws

UNLIKELY = 1e-4
PULSED = [law for law in LAWS.values() if law.pulse_driven]


def refused(kind: type[Exception], *parts: str):
    """Expect an error whose message holds all parts, in this order."""
    return pytest.raises(kind, match="(?s)" + ".*".join(re.escape(part) for part in parts))


def population(device: mho.Device, cells: int, seed: int = 0) -> Crossbar:
    """Cells that a pulse of the column and the row moves once each."""
    return Crossbar(RPU(device=device, update=Pulses(length=1)), 1, cells, seed=seed)


# Laws

A, B, HIGH, LOW = 0.01 * 2 * 1.4 / 2.4, 0.01 * 2 / 2.4, 0.5, -0.7
COMMON = {"dw_min": 0.01, "up_down": 1.4, "c2c": 0.3, "w_max": HIGH, "w_min": LOW}
EQUATIONS = {
    "ConstantStep": (ConstantStep(**COMMON), lambda w: A, lambda w: B),
    "SoftBounds": (SoftBounds(**COMMON), lambda w: A * (1 - w / HIGH), lambda w: B * (1 - w / LOW)),
    "LinearStep": (
        LinearStep(**COMMON, gamma_up=0.8, gamma_down=0.3),
        lambda w: A * (1 - 0.8 * w / HIGH),
        lambda w: B * (1 - 0.3 * w / LOW),
    ),
    "ExpStep": (
        ExpStep(**COMMON, a_up=0.02, a_down=0.1, gamma_up=3.0, gamma_down=2.0),
        lambda w: A * (1 - 0.02 * math.exp(3.0 * (2 * w - HIGH - LOW) / (HIGH - LOW))),
        lambda w: B * (1 - 0.1 * math.exp(-2.0 * (2 * w - HIGH - LOW) / (HIGH - LOW))),
    ),
    "RaschSoftBounds": (RaschSoftBounds(**COMMON), lambda w: A * (1 - w / HIGH), lambda w: B * (1 - w / LOW)),
    "LinearStepAdditive": (
        LinearStepAdditive(**COMMON, gamma_up=0.8, gamma_down=0.3),
        lambda w: A * (1 - 0.8 * w / HIGH),
        lambda w: B * (1 - 0.3 * w / LOW),
    ),
    "FallingStep": (
        FallingStep(**COMMON, fall_up=0.6, fall_down=0.9, gamma_up=1.5, gamma_down=2.5, noise=0.004, noise_slope=0.02),
        lambda w: A * (0.4 + 0.6 * math.exp(-1.5 * 2 * w / (HIGH - LOW))),
        lambda w: B * (0.1 + 0.9 * math.exp(2.5 * 2 * w / (HIGH - LOW))),
    ),
    "PowStep": (
        PowStep(**COMMON, gamma_up=1.7, gamma_down=0.6),
        lambda w: A * (2 * (HIGH - w) / (HIGH - LOW)) ** 1.7,
        lambda w: B * (2 * (w - LOW) / (HIGH - LOW)) ** 0.6,
    ),
}
"""A device without spread, and what its up and down steps are in the mean; A and B from dw_min 0.01, up_down 1.4."""
NOISE = {
    "RaschSoftBounds": lambda w, up, step: 0.3 * (A if up else B),
    "LinearStepAdditive": lambda w, up, step: 0.3 * 0.01,
    "FallingStep": lambda w, up, step: 0.3 * step + 0.004 + 0.02 * abs(w),
}
"""Standard deviation of a pulse where it is not c2c times the step."""


def test_every_law_has_its_equation_here():
    tables = {"PiecewiseStep", "JumpTable"}  # tested in devices/test_contract.py
    assert set(EQUATIONS) == {law.__name__ for law in PULSED} - tables


@pytest.mark.parametrize("w", [-0.55, 0.0, 0.35])
@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("name", EQUATIONS)
def test_one_pulse_has_the_mean_and_the_spread_of_the_equation(name, up, w):
    device, *steps = EQUATIONS[name]
    cells = 20_000
    array = population(device, cells)
    array.write(torch.full((1, cells), w))
    array.pulse(torch.ones(1, cells), torch.full((1, 1), 1.0 if up else -1.0))
    moved = (array.weight.view(-1).double().numpy() - float(np.float32(w))) * (1 if up else -1)
    step = steps[0 if up else 1](w)
    noise = NOISE[name](w, up, step) if name in NOISE else 0.3 * step
    assert abs(moved.mean() - step) < 4 * noise / cells**0.5
    # standard error of a standard deviation: σ/√(2n)
    assert moved.std() == pytest.approx(noise, rel=4 / (2 * cells) ** 0.5)


def at_a_bound(law: type[mho.Device], backend: str, cells: int = 24) -> torch.Tensor:
    """Weights of some cells with every spread on, under many coarse pulses that bring some to their bounds."""
    device = dataclasses.replace(law(), dw_min=mho.per_cell(0.05, spread=0.3), up_down=mho.per_cell(1.3, spread=0.1))
    array = Crossbar(RPU(device=device, update=Pulses(length=7)), 3, cells, backend=backend)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        p, q = (torch.rand(6, n, generator=generator) * 2 - 0.8 for n in (cells, 3))
        array.pulse(p.clamp(-1, 1), q.clamp(-1, 1))
    # the steps of these two vanish at their bounds, which they never cross
    assert (array.counters()["bound_hits"].item() > 0) == (law not in (SoftBounds, PowStep))
    return array.weight


# Plain arithmetic is the same operations in float32, in the same order. Functions of math are computed in float64 by
# Python and in float32 by the kernel: a last bit of a step of up to 0.4, some 60 times, is 60·2⁻²⁴·0.4 = 1.5e-6.
@pytest.mark.parametrize("law", [law for law in PULSED if law.__name__ in EQUATIONS])
def test_a_compiled_law_equals_the_reference(law):
    compiled, reference = (at_a_bound(law, backend) for backend in ("cpu", "reference"))
    tolerance = 1.5e-6 if law in (ExpStep, FallingStep, PowStep) else 0.0
    assert float((compiled - reference).abs().max()) <= tolerance


@pytest.mark.parametrize("law", PULSED)
def test_every_law_keeps_the_contract(law):
    report = check_device(law())
    assert report.law == law.__name__
    # 1.2/0.001; ExpStep's step in the middle is 1.7 % smaller, and the default table's jumps are 0.01
    assert report.states == pytest.approx(120 if law is JumpTable else 1200, rel=0.02)


def test_the_speed_of_a_law_is_pulses_over_seconds(monkeypatch):
    monkeypatch.setattr(device_check, "time", types.SimpleNamespace(perf_counter=iter((10.0, 14.0)).__next__))
    # lines at probability 1/2 in 10 slots, 8 vectors on 64×64 devices: 2.5 pulses each
    assert check_device(ConstantStep()).pulses_per_second * 4.0 == pytest.approx(8 * 64 * 64 * 2.5, rel=0.02)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("start", [-0.6, 0.0, 0.45])
def test_n_up_pulses_of_soft_bounds_are_the_geometric_series(start, backend):
    device = SoftBounds(dw_min=0.001, up_down=1.0, c2c=0.0, w_max=0.6, w_min=-0.6)
    array = Crossbar(RPU(device=device, update=Pulses(length=10)), 1, 1, backend=backend)
    array.write(torch.full((1, 1), start))
    for n in (10, 500, 2500):
        done = int(array.counters()["coincidences"])
        array.pulse(torch.ones((n - done) // 10, 1), torch.ones((n - done) // 10, 1))
        exact = 0.6 - (0.6 - start) * (1 - 0.001 / 0.6) ** n
        # each pulse rounds by up to 2⁻²⁵ of 1, and errors shrink by 1 - 1/600 a pulse: at most 600·2⁻²⁵
        assert array.weight.item() == pytest.approx(exact, abs=600 * 2**-25)


def test_soft_bounds_down_mirrors_up():
    devices = (
        SoftBounds(**COMMON | {"c2c": 0.0}),
        SoftBounds(dw_min=0.01, up_down=1 / 1.4, c2c=0.0, w_max=0.7, w_min=-0.5),
    )
    ends = []
    for device, sign in zip(devices, (1.0, -1.0), strict=True):
        array = population(device, 1)
        array.write(torch.full((1, 1), -0.3 * sign))
        array.pulse(torch.ones(200, 1), torch.full((200, 1), sign))
        ends.append(array.weight.item() * sign)
    assert ends[0] == pytest.approx(ends[1], rel=1e-5)  # 1/1.4 is rounded, and 200 pulses


@pytest.mark.parametrize(
    ("special", "plain"),
    [
        (LinearStep(gamma_up=0.0, gamma_down=0.0), ConstantStep()),
        (LinearStep(gamma_up=1.0, gamma_down=1.0), SoftBounds()),
        (PowStep(gamma_up=0.0, gamma_down=0.0), ConstantStep()),
        (PowStep(gamma_up=1.0, gamma_down=1.0, w_max=0.6, w_min=-0.6), SoftBounds(w_max=0.6, w_min=-0.6)),
        (ExpStep(a_up=0.0, a_down=0.0), ConstantStep()),
        (FallingStep(fall_up=0.0, fall_down=0.0), ConstantStep()),
        (RaschSoftBounds(c2c=0.0), SoftBounds(c2c=0.0)),
        (LinearStepAdditive(c2c=0.0), LinearStep(c2c=0.0)),
    ],
    ids=lambda device: type(device).__name__,
)
def test_laws_meet_in_their_special_cases(special, plain):
    weights = []
    for device in (special, plain):
        array = population(device, 200)
        array.pulse(torch.ones(50, 200), torch.ones(50, 1))
        weights.append(array.weight)
    assert torch.allclose(*weights, atol=50 * 2**-24)  # the same noise; 50 pulses round differently


# Symmetry points


@pytest.mark.parametrize("spread", [0.02, 0.1])
def test_symmetry_points_of_a_population_have_the_spread_of_the_closed_form(spread):
    array = Crossbar(RPU(device=SoftBounds(up_down=mho.per_cell(1.0, spread=spread))), 100, 200)
    points = array.rpu.device.symmetry_point(array.cell_parameters())
    assert points.shape == (1, 1, 100, 200)
    assert points.std() == pytest.approx(0.295 * spread, rel=0.1)  # PHYSICS.md section 4


def test_alternating_pulses_reach_the_symmetry_point_in_2700_pulses():
    array = population(SoftBounds(dw_min=0.001, up_down=1.0, c2c=0.0, w_max=0.6, w_min=-0.6), 1)
    array.write(torch.full((1, 1), 0.54))
    pulses = 0
    while abs(array.weight.item()) > 0.006:
        array.pulse(torch.ones(2, 1), torch.tensor([[1.0], [-1.0]]))
        pulses += 2
    # 2 ln(0.54/0.006)/κ, κ = 2·0.001/0.6
    assert pulses == pytest.approx(2700, rel=0.05)


def test_cycle_noise_leaves_a_spread_around_the_symmetry_point():
    cells = 4000
    array = population(SoftBounds(dw_min=0.001, up_down=1.0, c2c=0.3, w_max=0.6, w_min=-0.6), cells)
    array.write(torch.zeros(1, cells))
    # 3000 pairs: the start is forgotten to exp(-10)
    array.pulse(torch.ones(6000, cells), torch.tensor([[1.0], [-1.0]]).repeat(3000, 1))
    assert float(array.weight.std()) == pytest.approx(0.0052, rel=0.1)  # F·s/√κ
    assert abs(float(array.weight.mean())) < 4 * 0.0052 / cells**0.5 + 0.001  # after a down pulse: half a step below


def test_added_noise_stays_full_size_at_the_bounds():
    """The paper's law by hand: at a bound the step is 0, and a pulse adds α·c2c·ξ, of which the bound cuts one half."""
    cells, spread = 20_000, 0.3 * 0.01 * 2 * 1.4 / 2.4  # c2c·α₊, α₊ = Δ·2r/(1 + r)
    array = population(RaschSoftBounds(**COMMON), cells)
    array.write(torch.full((1, cells), HIGH))
    array.pulse(torch.ones(1, cells), torch.ones(1, 1))
    fallen = HIGH - array.weight.view(-1).double().numpy()
    assert fallen.min() >= 0
    assert (fallen > 0).mean() == pytest.approx(0.5, abs=4 * 0.5 / cells**0.5)
    # the mean of max(-ξ, 0) is 1/√(2π), its standard deviation 0.584
    assert fallen.mean() == pytest.approx(spread / math.sqrt(2 * math.pi), abs=4 * 0.584 * spread / cells**0.5)


def test_the_parameters_of_rasch_2024_are_those_of_the_law():
    """Δ = δγ and r = (γ + ρ)/(γ - ρ) for γ = exp(σ_d2d·ξ), ρ = σ±·ξ, as the docstring converts them."""
    normals = np.random.default_rng(0).standard_normal((2, 200_000))
    gamma, rho = np.exp(0.3 * normals[0]), 0.02 * normals[1]
    mean, spread = 0.01 * math.exp(0.3**2 / 2), math.sqrt(math.expm1(0.3**2))
    device = RaschSoftBounds(
        dw_min=mho.per_cell(mean, spread=spread, distribution="lognormal"), up_down=mho.per_cell(1.0, spread=0.04)
    )
    drawn = Crossbar(RPU(device=device), 300, 300).cell_parameters()
    sizes, ratios = (drawn[name].view(-1).double().numpy() for name in ("dw_min", "up_down"))
    # 90,000 cells: standard errors of mean and spread are 0.003 and 0.002 of each
    assert sizes.mean() == pytest.approx((0.01 * gamma).mean(), rel=0.02)
    assert sizes.std() == pytest.approx((0.01 * gamma).std(), rel=0.02)
    # to first order: ρ/γ is 9.4 % wider than ρ, as the mean of γ⁻² is exp(2·0.3²)
    assert ratios.std() == pytest.approx(((gamma + rho) / (gamma - rho)).std(), rel=0.12)


@pytest.mark.parametrize("law", [SoftBounds, RaschSoftBounds, LinearStep, LinearStepAdditive])
def test_closed_forms_of_the_symmetry_point_are_the_zeros_of_the_law(law):
    array = Crossbar(RPU(device=law(up_down=mho.per_cell(1.1, spread=0.2))), 1, 300)
    cells = {name: values.view(-1).numpy() for name, values in array.cell_parameters().items()}
    said, found = symmetry_points(law(), cells), symmetry_points(law(), cells, closed_form=False)
    assert np.array_equal(np.isnan(said), np.isnan(found))
    assert np.nanmax(np.abs(said - found)) < 1e-6
    assert np.isnan(said).mean() < 0.5


@pytest.mark.parametrize("law", [SoftBounds, LinearStep, ExpStep, FallingStep, PowStep])
@pytest.mark.parametrize("ratio", [0.8, 1.0, 1.25])
def test_pulsing_up_and_down_ends_at_the_symmetry_point(law, ratio):
    device = law(dw_min=0.01, up_down=ratio, c2c=0.0, w_max=0.6, w_min=-0.5)
    array = population(device, 1)
    array.write(torch.full((1, 1), 0.05))
    array.pulse(torch.ones(8000, 1), torch.tensor([[1.0], [-1.0]]).repeat(4000, 1))
    # a pair ends half a step from where it cancels
    assert array.weight.item() == pytest.approx(float(device.symmetry_point()), abs=0.01)


def test_constant_steps_have_no_symmetry_point():
    assert math.isnan(ConstantStep(up_down=1.5).symmetry_point())
    assert math.isnan(ConstantStep(up_down=1.0).symmetry_point())
    assert check_device(ConstantStep(up_down=1.0)).always_symmetric
    report = check_device(ConstantStep(up_down=1.5))
    assert not report.always_symmetric
    assert "symmetry point none" in str(report)
    assert report.asymmetry == pytest.approx(0.4)  # (1.2 - 0.8)/1
    assert math.isnan(LinearStep(gamma_up=0.0, gamma_down=0.0, up_down=1.5).symmetry_point())
    # steps of 1.2·(1 - 0.1·w/0.6) and 0.8·(1 + 0.1·w/0.6) meet at 2 w_max, out of reach
    assert math.isnan(LinearStep(gamma_up=0.1, gamma_down=0.1, up_down=1.5).symmetry_point())


@pytest.mark.parametrize(
    ("drift", "point", "end"),
    [
        (lambda w: (0.25 - w) ** 3 + 0.25 - w, 0.25, 0.25),
        (lambda w: 0.001, math.nan, 0.6),
        (lambda w: -0.001, math.nan, -0.4),
        (lambda w: 0.0, math.nan, math.nan),
        (lambda w: w, math.nan, math.nan),  # steps push away from 0
        (lambda w: 0.6 - w, math.nan, 0.6),
        (lambda w: math.nan if w == 0.6 else -w, math.nan, math.nan),
        (lambda w: math.nan if abs(w) < 0.5 and w != -0.4 else -w, math.nan, math.nan),
    ],
    ids=["a point", "up", "down", "every state", "away", "a bound", "undefined at a bound", "undefined between"],
)
def test_a_balance_is_a_point_a_bound_or_nowhere(drift, point, end):
    found = find_balance(drift, -0.4, 0.6)
    np.testing.assert_allclose([found.point, found.end], [point, end], rtol=0, atol=1e-9)  # of a range of 1


def test_steps_that_differ_by_a_negligible_part_cancel_everywhere():
    assert find_balance(lambda w: 1e-4, -0.6, 0.6, negligible=1e-3).everywhere
    assert not find_balance(lambda w: 1e-2, -0.6, 0.6, negligible=1e-3).everywhere


def test_symmetry_points_of_wrong_things_are_refused():
    with refused(WrongUse, "SoftBounds.symmetry_point", "lists", "of_replica(0)"):
        SoftBounds(up_down=[1.0, 1.2]).symmetry_point()
    with refused(InvalidValue, "cells have no up_down, c2c"):
        SoftBounds().symmetry_point(dict.fromkeys(("dw_min", "w_max", "w_min"), 1.0))
    with refused(WrongUse, "Ideal takes no pulses"):
        mho.devices.Ideal().symmetry_point()


# Spreads


@pytest.mark.parametrize("kind", ["spread", "std"])
@pytest.mark.parametrize("mean", [2.0, -0.5])
@pytest.mark.parametrize("distribution", ["normal", "lognormal", "uniform"])
def test_cells_have_the_mean_and_the_spread_of_their_distribution(distribution, mean, kind):
    wide = 0.3 * abs(mean)
    field = mho.per_cell(mean, **{kind: 0.3 if kind == "spread" else wide}, distribution=distribution)
    z = mho.random.field_normals(0, 1, "field", 100_000)
    drawn = field.draw(z).astype(np.float64)
    n = drawn.size
    assert abs(drawn.mean() - mean) < 4 * wide / n**0.5
    # the standard error of a variance with the fourth moment of the draws themselves
    error = ((drawn - drawn.mean()) ** 4).mean() - drawn.var() ** 2
    assert abs(drawn.var() - wide**2) < 4 * (error / n) ** 0.5
    sigma = math.sqrt(math.log1p(0.09))
    expected = {
        "normal": stats.norm(mean, wide),
        "lognormal": stats.lognorm(sigma, scale=abs(mean) * math.exp(-(sigma**2) / 2)),
        "uniform": stats.uniform(mean - wide * 3**0.5, 2 * wide * 3**0.5),
    }[distribution]
    values = np.abs(drawn) if distribution == "lognormal" else drawn
    assert stats.kstest(values, expected.cdf).pvalue > UNLIKELY
    # a normal draw by spread is folded at 0, a uniform one ends before it
    if kind == "spread" or distribution == "lognormal":
        assert (np.sign(drawn) == np.sign(mean)).all()


def test_distributions_come_back_from_toml_with_lists_and_in_arrays():
    device = SoftBounds(
        dw_min=mho.per_cell([0.001, 0.002], spread=[0.3, 0.0], distribution="lognormal"),
        w_max=mho.per_cell(0.6, spread=0.3, distribution="uniform"),
    )
    rpu = RPU(device=device)
    assert RPU.from_toml(rpu.to_toml()) == rpu
    both = Crossbar(rpu, 3, 5, replicas=2)
    for r in range(2):
        alone = Crossbar(rpu.of_replica(r), 3, 5, seed=r)
        for name, values in both.cell_parameters().items():
            assert torch.equal(values[r], alone.cell_parameters()[name][0]), name
    steps = both.cell_parameters()["dw_min"]
    assert (steps[1] == np.float32(0.002)).all()
    assert steps[0].std() > 0


def test_normal_spreads_are_written_as_before_and_files_without_a_distribution_load():
    assert "distribution" not in RPU().to_toml()
    old = "[device.w_max]\nmean = 0.5\nspread = 0.2\nstd = 0.0"
    assert RPU.from_toml(old).device.w_max == mho.per_cell(0.5, spread=0.2, distribution="normal")


def test_a_layer_with_a_normal_spread_keeps_it_under_an_array_with_another():
    main = RPU(device=SoftBounds(w_max=mho.per_cell(0.6, spread=0.3, distribution="lognormal")))
    experiment = Experiment.from_dict(main.to_dict() | {"layers": {"conv2": RPU(device=SoftBounds()).to_dict()}})
    # a layer's section needs only what differs: here nothing does
    assert experiment.layers["conv2"].device.w_max.distribution == "lognormal"
    other = dataclasses.replace(experiment, layers={"conv2": RPU(device=SoftBounds())})
    assert Experiment.from_toml(other.to_toml()) == other
    assert other.layers["conv2"].device.w_max.distribution == "normal"


def test_bounds_drawn_beyond_zero_are_refused():
    with refused(InvalidValue, "bounds lie on the wrong side of 0", "SoftBounds", "lognormal"):
        Crossbar(RPU(device=SoftBounds(w_max=mho.per_cell(0.2, std=0.1))), 20, 20)
    Crossbar(RPU(device=SoftBounds(w_max=mho.per_cell(0.2, std=0.1, distribution="lognormal"))), 20, 20)


# What is wrong with a law


class Late(mho.Device):
    """Fine in the nominal cell; the root of a negative number where the edge is drawn below the bound."""

    dw_min: float = 0.001
    edge: float = mho.per_cell(0.61, std=0.05)
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, up, cell, z):
        step = cell.dw_min * (cell.edge - w) ** 0.5
        return w + step if up else w - step


class Inverted(mho.Device):
    """Up is down."""

    dw_min: float = 0.001
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, up, cell, z):
        return w - cell.dw_min if up else w + cell.dw_min


class Logarithm(mho.Device):
    """Fails at the upper bound."""

    dw_min: float = 0.001
    w_max: float = 0.5
    w_min: float = -0.5

    @staticmethod
    def pulse(w, up, cell, z):
        step = cell.dw_min * abs(math.log(cell.w_max - w))
        return w + step if up else w - step


class Misplaced(laws.Ferro):
    """Says that its symmetry point is elsewhere."""

    @staticmethod
    def symmetry(cell):
        return 0.1 * cell.w_max


@pytest.mark.parametrize(
    ("law", "parts"),
    [
        (laws.Root, ("Root.pulse(0.03", "nan", f"{laws.__file__}:", "bounds included", "max(...")),
        (Late, ("Late.pulse(", "nan in a cell with", "edge = ", f"{__file__}:", "max(...")),
        (Inverted, ("an up pulse", "the wrong way", f"{__file__}:", "signs")),
        (Logarithm, ("Logarithm.pulse(0.5", "fails at", f"{__file__}:", "guard what fails")),
        (Misplaced, ("Misplaced.symmetry", "cancel at", "leave it out")),
        (laws.NotScalar, ("NotScalar.pulse", "fails at", f"{laws.__file__}:", "scalar arithmetic")),
    ],
)
def test_a_law_with_a_mistake_is_told_with_its_place_and_the_cure(law, parts):
    with refused(LawError, *parts):
        check_device(law())


@pytest.mark.parametrize(
    ("device", "parts"),
    [
        (ConstantStep(w_max=float("inf")), ("w_max", "infinite", "finite bounds")),
        (mho.devices.Ideal(), ("takes no pulses",)),
        (SoftBounds, ("takes a device",)),
    ],
)
def test_what_cannot_be_checked_is_refused(device, parts):
    with refused(InvalidValue, *parts):
        check_device(device)


def test_a_report_measures_the_device():
    report = check_device(SoftBounds(up_down=mho.per_cell(1.5, spread=0.1), w_max=0.6, w_min=-0.6))
    assert report.step_up == pytest.approx(0.0012)
    assert report.step_down == pytest.approx(0.0008)
    assert report.asymmetry == pytest.approx(0.4)
    assert report.symmetry_point == pytest.approx(0.12)  # (1.2 - 0.8)/(1.2 + 0.8)·0.6
    # dw/dr = 0.6·2/(r + 1)², times the spread of 0.15; 500 cells tell it to 4·3 %
    assert report.symmetry_spread == pytest.approx(0.6 * 2 / 2.5**2 * 0.15, rel=0.13)
    assert not report.always_symmetric
    assert "0.12 ±" in str(report)


# Pulse response


def test_a_pulse_response_goes_from_the_lower_bounds_up_and_down_again():
    response = pulse_response(SoftBounds(), cells=50, pulses=700, seed=3)
    assert response.pulses[0] == 0
    assert response.pulses[-1] == 1400
    assert response.turn in response.pulses
    assert response.weights.shape == (50, len(response.pulses))
    assert np.array_equal(response.weights[:, 0], response.cells["w_min"])
    top = response.weights[:, list(response.pulses).index(700)]
    # 700 of steps that begin with 2·dw_min and shrink by 1/600 a pulse, in the nominal cell
    assert np.median(top) == pytest.approx(0.6 - 1.2 * math.exp(-700 / 600), abs=0.08)
    assert (response.weights <= response.cells["w_max"][:, None]).all()
    assert (np.diff(np.median(response.weights, axis=0))[-5:] < 0).all()


def test_steps_of_a_response_are_the_equation():
    device, up, down = EQUATIONS["PowStep"]
    w, ups, downs = pulse_response(device, cells=2, pulses=2).steps()
    assert ups == pytest.approx([up(place) for place in w])
    assert downs == pytest.approx([down(place) for place in w], abs=1e-15)


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: pulse_response(SoftBounds(), cells=1), ("cells is 1", "2 to 100000")),
        (lambda: pulse_response(SoftBounds(), pulses=0), ("pulses is 0",)),
        (lambda: pulse_response(mho.devices.Ideal()), ("Ideal", "takes pulses")),
        (lambda: pulse_response(ConstantStep(w_max=math.inf)), ("infinite", "finite")),
        (lambda: pulse_response(SoftBounds(c2c=[0.1, 0.2])), ("c2c", "lists", "of_replica(0)")),
    ],
)
def test_impossible_responses_are_refused(make, parts):
    with refused((InvalidValue, WrongUse), *parts):
        make()


def test_figures_draw_what_the_response_holds():
    response = pulse_response(SoftBounds(up_down=1.5), cells=30, pulses=100)
    axes = Figure().subplots(1, 3)
    staircase(response, axes[0])
    lines = [line for line in axes[0].lines if line.get_label() == "up, median"]
    assert np.array_equal(lines[0].get_ydata()[[0, -1]], np.median(response.weights, axis=0)[[0, 100]])
    assert axes[0].get_xlim() == (0, 200)
    step_against_state(response, axes[1])
    (dot,) = [line for line in axes[1].lines if line.get_label() == "symmetry point"]
    assert dot.get_xdata()[0] == pytest.approx(0.12)
    assert dot.get_ydata()[0] == pytest.approx(0.0012 * 0.8)
    symmetry_histogram(response, axes[2])
    assert sum(bar.get_height() for bar in axes[2].patches) == 30
    none = Figure().subplots()
    symmetry_histogram(pulse_response(ConstantStep(), cells=5, pulses=5), none)
    assert "no symmetry point" in none.texts[0].get_text()
    one = Figure().subplots()
    symmetry_histogram(pulse_response(SoftBounds(dw_min=0.01, up_down=1.5, w_max=0.6, w_min=-0.6), cells=5), one)
    assert "cancel at the weight 0.12" in one.texts[0].get_text()
    assert not one.patches


def test_fractions_above_1_are_remarked_as_they_may_be_per_cent():
    report = check_device(SoftBounds(c2c=5, dw_min=mho.per_cell(0.001, spread=30)))
    assert report.remarks == (
        "the spread of dw_min is 30, 3000 % of its mean; 30 % is written 0.3",
        "c2c is 5, 500 % of a step in each pulse; 5 % is written 0.05",
    )
    assert all(f"note: {remark}" in str(report) for remark in report.remarks)
    assert not check_device(SoftBounds()).remarks


@pytest.mark.parametrize(
    ("device", "parts"),
    [
        (ConstantStep(c2c=5), ("c2c is 5, 500 %", "5 % is written 0.05")),
        (ConstantStep(w_max=mho.per_cell(0.6, spread=30)), ("spread of w_max is 30", "30 % is written 0.3")),
        (SoftBounds(write_noise=2), ("write_noise is 2", "range of weights (1.2)", "written 0.024")),
        (SoftBounds(read_variation=1.2), ("read_variation is 1.2", "whole range")),
        (SoftBounds(w_max=mho.per_cell(0.6, std=1.5)), ("std of w_max is 1.5", "whole range")),
        (ConstantStep(dw_min=2), ("dw_min is 2", "one pulse would cross it")),
        (ConstantStep(c2c=[0.3, 30]), ("c2c is 30, 3000 %",)),
    ],
)
def test_values_that_look_like_another_unit_are_asked_about(device, parts):
    (question,) = doubts(device)
    assert all(part in question for part in parts), question


@pytest.mark.parametrize(
    "device",
    [*(law() for law in LAWS.values()), SoftBounds(c2c=1, write_noise=1.1, decay=0.5), ConstantStep(w_max=math.inf)],
)
def test_usual_values_are_not_asked_about(device):
    assert doubts(device) == ()
