"""NeuroSim's labels against its own formula and table, written here anew."""

from __future__ import annotations

import math
import types

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mho
from mho.devices import ExpStep, LinearStep, LinearStepAdditive, SoftBounds, from_neurosim, to_neurosim
from mho.devices.neurosim import curve_of, label_of
from mho.errors import InvalidValue

# a few lines of the table of NeuroSim's formula.cpp: A/P_max by label
TABLE = {0.01: 126.268958, 0.06: 21.044185, 0.5: 2.519877, 1.0: 1.251653, 8.99: 0.023073, 9.0: 0.022810}


def potentiation(pulse: int, levels: int, a: float) -> float:
    """(G - G_min)/(G_max - G_min) as NeuroSim has it."""
    return (1 - math.exp(-pulse / a)) / (1 - math.exp(-levels / a))


@pytest.mark.parametrize("label", TABLE)
def test_labels_are_those_of_the_table(label):
    assert 1 / curve_of(label) == pytest.approx(TABLE[label], abs=6e-7)  # the table has six decimals
    assert label_of(curve_of(label)) == pytest.approx(label, rel=1e-12)


def test_a_label_is_the_distance_from_the_diagonal_in_units_of_seven_hundredths():
    for label in (0.3, 2.4, 7.0):
        x = np.linspace(0, 1, 200_001)
        curve = (1 - np.exp(-x * curve_of(label))) / (1 - np.exp(-curve_of(label)))
        assert float((curve - x).max() / math.sqrt(2) / 0.07) == pytest.approx(label, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    nl_ltp=st.floats(0.0, 9.0), nl_ltd=st.floats(-9.0, 0.0), up=st.integers(2, 400), down=st.integers(2, 400),
    w_max=st.floats(0.05, 5.0),
)  # fmt: skip
def test_the_staircase_is_the_formula(nl_ltp, nl_ltd, up, down, w_max):
    device = from_neurosim(nl_ltp=nl_ltp, nl_ltd=nl_ltd, levels=(up, down), w_max=w_max)
    cell = types.SimpleNamespace(**{name: field.mean for name, field in device.parameters().items()})
    w = -w_max
    for label, levels, upwards in ((nl_ltp, up, True), (-nl_ltd, down, False)):
        a = levels / curve_of(label) if label else math.inf
        start = w
        for pulse in range(1, levels + 1):
            w = device.pulse(w, upwards, cell, 0.0)
            share = potentiation(pulse, levels, a) if a < 1e6 * levels else pulse / levels
            expected = start + (2 * w_max if upwards else -2 * w_max) * share
            # rounding of 400 steps; a label below 10⁻⁵ is a straight line to 10⁻⁶
            assert w == pytest.approx(expected, abs=1e-11 * w_max if a < 1e4 * levels else 2e-6 * w_max)
        w = w_max if upwards else -w_max


@settings(max_examples=100, deadline=None)
@given(
    nl_ltp=st.floats(0.0, 8.0), nl_ltd=st.floats(-8.0, 0.0), up=st.integers(2, 2000), down=st.integers(2, 2000),
    c2c=st.sampled_from([0.0, 0.01, 0.035]),
)  # fmt: skip
def test_to_neurosim_undoes_from_neurosim(nl_ltp, nl_ltd, up, down, c2c):
    made = to_neurosim(from_neurosim(nl_ltp=nl_ltp, nl_ltd=nl_ltd, levels=(up, down), c2c=c2c))
    for label, found in ((nl_ltp, made.nl_ltp), (nl_ltd, made.nl_ltd)):
        # 1 - gamma is 2·exp(-k), of which a double of 1 leaves few digits when k is 30
        assert found == pytest.approx(label, abs=1e-6 if abs(label) <= 6 else 1e-3)
    assert made.levels == (up, down)
    assert made.c2c == pytest.approx(c2c, rel=1e-12)


def test_the_noise_of_pulses_is_a_share_of_the_range_in_every_state():
    """The device that NeuroSim comes with: n pulses have the noise 0.035·√n of the range."""
    device = from_neurosim(nl_ltp=2.4, nl_ltd=-4.88, levels=(97, 100), c2c=0.035)
    assert isinstance(device, LinearStepAdditive)
    mho.testing.check_device(device)
    cells = 20_000
    array = mho.Crossbar(mho.RPU(device=device, update=mho.Pulses(length=1)), 1, cells)
    for start, up in ((-0.2, True), (0.3, False)):
        array.write(torch.full((1, cells), start))
        array.pulse(torch.ones(4, cells), torch.full((4, 1), 1.0 if up else -1.0))
        found = float(array.weight.std())
        # each pulse also shrinks what came before it, by up to 6 %; standard error 0.5 %
        assert found == pytest.approx(0.035 * 1.2 * 2, rel=0.1)
    quiet = from_neurosim(nl_ltp=2.4, nl_ltd=-4.88, levels=(97, 100))
    assert isinstance(quiet, LinearStep)
    assert float(quiet.symmetry_point()) < 0  # depression is stronger above


def test_an_array_ends_at_its_bound_after_so_many_pulses():
    device = from_neurosim(nl_ltp=1.5, nl_ltd=-1.0, levels=64)
    array = mho.Crossbar(mho.RPU(device=device, update=mho.Pulses(length=1)), 1, 1)
    array.write(torch.full((1, 1), -0.6))
    array.pulse(torch.ones(32, 1), torch.ones(32, 1))
    assert array.weight.item() == pytest.approx(-0.6 + 1.2 * potentiation(32, 64, 64 / curve_of(1.5)), abs=1e-5)
    array.pulse(torch.ones(32, 1), torch.ones(32, 1))
    assert array.weight.item() == pytest.approx(0.6, abs=1e-5)  # float32, 64 steps


def test_conductances_come_back():
    device = from_neurosim(nl_ltp=2.4, nl_ltd=-4.88, levels=(97, 100), conductances=(3.0769e-9, 3.8462e-8), w_max=1.0)
    assert device.conductance.of(np.array([-1.0, 1.0])) == pytest.approx([3.0769e-9, 3.8462e-8], rel=1e-12)
    made = to_neurosim(device)
    assert made.conductances == pytest.approx((3.0769e-9, 3.8462e-8), rel=1e-12)
    assert str(made).startswith("maxConductance = 3.8462e-08;\nminConductance = 3.0769e-09;\n")
    # sent and returned once more, the device is the one that was
    again = from_neurosim(
        nl_ltp=made.nl_ltp, nl_ltd=made.nl_ltd, levels=made.levels, conductances=made.conductances, w_max=1.0
    )
    assert again.dw_min == pytest.approx(device.dw_min, rel=1e-6)


def test_what_is_left_out_is_noted_and_printed():
    made = to_neurosim(
        LinearStep(dw_min=mho.per_cell(0.0123, spread=0.2), gamma_up=0.4, gamma_down=0.2, write_noise=0.1)
    )
    text = str(made)
    for part in ("NL_LTP = ", "maxNumLevelLTD = ", "// the nominal device: spreads of dw_min, up_down", "WriteNoise"):
        assert part in text
    assert "rounded to" in text
    assert "at w = 0" in text
    assert to_neurosim(mho.devices.ConstantStep(dw_min=0.012, up_down=1.0, w_max=0.6, w_min=-0.6, c2c=0.0)) == (
        mho.devices.NeuroSim(nl_ltp=0.0, nl_ltd=0.0, levels=(100, 100))
    )


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: from_neurosim(nl_ltp=-1, nl_ltd=1.46, levels=64), ("nl_ltp is -1", "nl_ltd is 1.46", "give -1.46")),
        (lambda: from_neurosim(nl_ltp=9.5, nl_ltd=0, levels=(64, 1)), ("nl_ltp is 9.5", "levels is 1")),
        (lambda: from_neurosim(nl_ltp=1, nl_ltd=-1, levels=(1, 2, 3)), ("levels is (1, 2, 3)", "(up, down)")),
        (lambda: from_neurosim(nl_ltp=1, nl_ltd=-1, levels=64, c2c=-1, w_max=0), ("c2c is -1", "w_max is 0")),
        (
            lambda: from_neurosim(nl_ltp=1, nl_ltd=-1, levels=9, conductances=(2e-6, 1e-6)),
            ("conductances is 1e-06", "greater than 2e-6"),
        ),
        (lambda: from_neurosim(nl_ltp=1, nl_ltd=-1, levels=9, conductances=1e-6), ("(G_min, G_max) in siemens",)),
        (lambda: to_neurosim(SoftBounds()), ("SoftBounds", "LinearStep")),
        (lambda: to_neurosim(ExpStep()), ("ExpStep", "not linear")),
        (lambda: to_neurosim(LinearStep(gamma_up=1.0)), ("gamma_up is 1", "below 1")),
        (lambda: to_neurosim(LinearStep(c2c=[0.1, 0.2])), ("c2c", "replicas")),
        (lambda: to_neurosim(LinearStep), ("takes a device", "LinearStep")),
    ],
)
def test_what_neurosim_cannot_be_is_refused_with_the_reason(make, parts):
    with pytest.raises(InvalidValue) as refusal:
        make()
    for part in parts:
        assert part in str(refusal.value)
