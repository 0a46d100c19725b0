"""Diagnosis of cells with transfers: arrays that are ill in one way each, a healthy one, and the laws behind."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

import mho
from mho.cells import AGAD, ERider, MixedPrecision, PeriodicCarry, Residual, Single, TikiTaka
from mho.devices import ConstantStep, RaschSoftBounds
from mho.diagnosis import CHECKS, Diagnosis, silent_transfers
from mho.diagnosis.steps import Steps
from mho.diagnosis.transfers import _signal
from tests.helpers.command import mho as run_command

N, RATE = 20, 0.1
CLEAN = mho.Read(noise=0.01, bound=None)
TRANSFERS = ("transfer reads", "references", "chopper period", "silent transfers")


def device(step: float = 0.05) -> RaschSoftBounds:
    """Soft bounds that end at ±1, relaxing over 1."""
    return RaschSoftBounds(dw_min=step, w_max=1.0, w_min=-1.0)


def trained(cell: mho.Cell, law: mho.Device | None = None, *, vectors: int = 1000) -> Diagnosis:
    """One layer of 20×20 weights on arrays, trained towards a random matrix by examples in batches of 50; diagnosed."""
    rpu = mho.RPU(
        device=law or device(), cell=cell, forward=CLEAN, backward=CLEAN, update=mho.Pulses(length=5)
    )  # fmt: skip
    torch.manual_seed(0)
    model = mho.convert(nn.Sequential(nn.Linear(N, N, bias=False)), rpu, seed=0, quiet=True)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(vectors, N, generator=generator)
    y = x @ (0.3 * torch.randn(N, N, generator=generator)).T
    optimizer = mho.AnalogSGD(model, lr=RATE)
    for first in range(0, vectors, 50):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x[first : first + 50]), y[first : first + 50]).backward()
        optimizer.step()
    return mho.diagnose(model, x, y, loss=nn.functional.mse_loss, lr=RATE, batch_size=50)


def by_check(found: Diagnosis) -> dict[str, mho.diagnosis.Finding]:
    return {finding.check: finding for finding in found.findings}


pytestmark = pytest.mark.filterwarnings("ignore::mho.arrays.ClippedWeights")  # references may lie beyond the bounds
GOOD = {"every": 5, "buffer_scale": 200.0}

ILL = {
    "noise of readings": (TikiTaka(**GOOD, transfer=mho.Read(noise=3.0, bound=None)), "transfer reads"),
    "a converter of few bits": (
        TikiTaka(buffer=False, every=5, transfer=mho.Read(noise=0.0, bound=4.0, adc_bits=3)),
        "transfer reads",
    ),
    "reference off, first version": (TikiTaka(buffer=False, every=5, reference_std=0.6), "references"),
    "reference off, buffered": (TikiTaka(**GOOD, reference_std=0.6), "references"),
    "reference off, residual": (Residual(every=5, transfer_lr=0.001, reference_std=0.6), "references"),
    "chopper too fast": (TikiTaka(chopper=0.5, every=1, buffer_scale=5.0, fast_lr=0.1), "chopper period"),
    "chopper too slow": (TikiTaka(chopper=0.05, **GOOD, reference_std=0.6), "chopper period"),
    "a threshold that is never met": (TikiTaka(**GOOD, threshold=1e6), "silent transfers"),
    "a gradient that is never written": (MixedPrecision(every=10, threshold=1e6), "silent transfers"),
}


@pytest.mark.parametrize("fault", ILL)
def test_what_is_ill_is_named(fault):
    cell, check = ILL[fault]
    found = trained(cell)
    assert [finding.check for finding in found.faults if finding.check in TRANSFERS] == [check], str(found)
    assert by_check(found)[check].cure


@pytest.mark.parametrize(
    "cell",
    [
        TikiTaka(**GOOD),
        TikiTaka(chopper=0.1, **GOOD),
        AGAD(**GOOD),
        AGAD(**GOOD, reference_std=0.6),
        ERider(**GOOD, reference_std=0.6),
        MixedPrecision(every=10),
        PeriodicCarry(every=10),
    ],
    ids=lambda cell: f"{type(cell).__name__}-{getattr(cell, 'chopper', '')}-{getattr(cell, 'reference_std', '')}",
)
def test_healthy_cells_of_several_banks_have_no_fault(cell):
    found = trained(cell)
    assert found.healthy, str(found)
    findings = by_check(found)
    # transfers, not vectors, move the weight
    assert findings["imbalance"].number.startswith("does not apply: transfers")
    hidden = isinstance(cell, TikiTaka | AGAD)
    assert findings["learning rate"].number.startswith("does not apply") is hidden
    if isinstance(cell, AGAD | ERider):
        assert "references" not in findings


def test_references_cost_what_their_law_says():
    """(2/π)²·Σ_j σ²/τ² for Gaussian vectors: 20 inputs, σ 0.2, τ 1."""
    found = by_check(trained(TikiTaka(buffer=False, every=5, reference_std=0.2)))["references"]
    # 256 squares of a normal number are known to 9 %, those of 20 inputs and errors in 64 examples to some 5 %
    assert found.lost == pytest.approx((2 / math.pi) ** 2 * N * 0.2**2, rel=0.25)
    assert not found.fault
    # the buffer averages over readings, and keeps what is constant
    buffered = by_check(trained(TikiTaka(**GOOD, reference_std=0.2)))["references"]
    assert buffered.lost == pytest.approx(found.lost, rel=0.25)


@pytest.mark.parametrize(("weighed", "readings"), [(False, 20), (True, sum(1 / k for k in range(1, 21)))])
def test_slow_choppers_cost_what_their_law_says(weighed, readings):
    """D = λ_H·o·K: λ_H = η·every·columns/(γ₀·Δ) = 1, o 0.05, K 20, or with weights the sum of 1/k."""
    cell = TikiTaka(chopper=0.05, **GOOD, reference_std=0.05, weigh_reads=weighed)
    found = by_check(trained(cell))["chopper period"]
    drive = RATE * 5 * N / (200 * 0.05) * 0.05 * readings
    # 256 squares again, of which D² is made
    assert found.lost == pytest.approx(drive**2 / (1 + drive**2), abs=0.06)
    assert "cell.kind=AGAD" in found.cure


def test_a_converter_adds_the_noise_of_its_step():
    cell, _ = ILL["a converter of few bits"]
    # 2³ - 1 levels over ±4, uniform within a step
    noise = 8 / 6 / math.sqrt(12)
    assert f"has a noise of {noise:.2g};" in by_check(trained(cell))["transfer reads"].number


def test_checks_of_transfers_say_nothing_of_other_cells():
    assert not set(TRANSFERS) & set(by_check(trained(Single())))
    found = set(by_check(trained(PeriodicCarry())))
    assert not set(TRANSFERS) & found
    assert found <= {check.name for check in CHECKS}


def test_checks_of_the_weight_look_at_the_bank_that_holds_it():
    """A coarse fast bank is no fault, a coarse slow one is; a fast bank at its bounds is none either."""
    coarse, fine = device(0.4), device(0.02)
    held = by_check(trained(TikiTaka(**GOOD, fast=coarse, slow=fine)))
    lost = by_check(trained(TikiTaka(**GOOD, fast=fine, slow=coarse)))
    assert held["coarse steps"].lost < 0.1 < 0.5 < lost["coarse steps"].lost
    narrow = RaschSoftBounds(dw_min=0.02, w_max=0.05, w_min=-0.05)
    assert by_check(trained(TikiTaka(**GOOD, fast=narrow)))["weights at bounds"].lost < 0.3
    # of digits the lowest counts: a step of a device is base² times smaller in the weight
    assert "moves a weight by 0.002" in by_check(trained(PeriodicCarry(every=10)))["coarse steps"].number


def test_automatic_scaling_drives_lines_as_the_array_does():
    """The probabilities that the check of saturation sees give the coincidences that the array counts."""
    rpu = mho.RPU(device=device(), cell=TikiTaka(**GOOD), update=mho.Pulses(length=5))
    array = mho.Crossbar(rpu, N, N)
    generator = torch.Generator().manual_seed(3)
    x, d = torch.randn(4000, N, generator=generator), 1e-3 * torch.randn(4000, N, generator=generator)
    array.update(x, d, RATE)
    from mho.diagnosis.lines import lines_of

    ones = torch.ones(N).numpy()
    lines = lines_of(rpu, x.numpy(), d.numpy(), RATE, ones)
    p, q = (side.clip(max=1) for side in (lines.columns, lines.rows))
    expected = 5 * (p.sum(1) @ q.sum(1))
    # 1.3 million coincidences; the running means wander by 1/√2000 of the spread of the largest
    assert int(array.counters()["fast.coincidences"]) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("up_down", "low"), [(1.0, -0.7), (1.5, -0.4)])
def test_the_relaxation_of_soft_bounds_is_that_of_their_law(up_down, low):
    """Steps up a(1 - w/b) and down c(1 - w/l): (down - up)/(down + up) has the slope (a/b - c/l)/(2 up) at its zero."""
    law = mho.devices.SoftBounds(dw_min=0.01, up_down=up_down, w_max=0.7, w_min=low)
    steps = Steps(mho.Crossbar(mho.RPU(device=law), 3, 4), 0)
    down = 2 / (1 + up_down)
    up, point = down * up_down, float(law.symmetry_point())
    expected = 2 * up * (1 - point / 0.7) / (up / 0.7 - down / low)
    # of the slope over 1 % of the range, whose curvature enters as its square
    assert steps.relaxation() == pytest.approx(expected, rel=1e-3)
    if up_down == 1:
        assert expected == pytest.approx(0.7)


def test_leftovers_of_a_chopper_are_those_of_the_closed_form():
    """With K = 10 and q = 0.67 readings are 1.459 where they would be 2.4; a simulation of such a device has 1.474."""
    assert 2.4 * _signal(0.67, 10) == pytest.approx(1.459, abs=0.002)
    assert _signal(0.0, 10) == 1
    assert _signal(1 - 1e-9, 10) == pytest.approx(0, abs=1e-6)
    # long half periods of readings close together: 1 - (2/x)·tanh(x/2)
    x = 3.8
    assert _signal(math.exp(-x / 1000), 1000) == pytest.approx(1 - 2 / x * math.tanh(x / 2), abs=1e-3)


def test_a_symmetric_device_keeps_what_choppers_leave():
    found = trained(TikiTaka(chopper=0.1, **GOOD, reference="zero", fast=ConstantStep(dw_min=0.05, up_down=1.0)))
    assert by_check(found)["chopper period"].fault
    assert "AGAD" not in by_check(found)["chopper period"].cure


NET = """
from torch import nn

def small():
    return nn.Sequential(nn.AvgPool2d(7), nn.Flatten(), nn.Linear(16, 10))
"""


def test_thresholds_that_never_fire_are_said_once_at_the_end_of_an_epoch(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    words = ["train", "--out", "run", "--model", "net:small", "--epochs", "3", "--set", "training.train_images=12"]
    words += ["--set", "training.test_images=10", "--device", "SoftBounds", "--set", "cell.kind=TikiTaka"]
    done = run_command(*words, "--set", "cell.every=1", "--set", "cell.threshold=1e9", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = "layer 2: transfers have not sent a single pulse to the slow bank in 1.41 events of each column"
    lines = done.stderr.splitlines()
    # 12 vectors an epoch: the 17 columns have had their turns in the second
    assert [line.startswith(said) for line in lines].count(True) == 1
    assert (
        next(line for line in lines if line.startswith("epoch 2"))
        == lines[lines.index(next(line for line in lines if line.startswith(said))) - 1]
    )
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    (silent,) = [f for f in summary["diagnosis"]["findings"] if f["check"] == "silent transfers"]
    assert silent["fault"]


def test_a_model_whose_transfers_pulse_is_not_silent():
    model = mho.convert(
        nn.Sequential(nn.Linear(N, N)),
        mho.RPU(device=device(), cell=TikiTaka(every=1, buffer_scale=1.0)),
        quiet=True,
    )
    array = model[0].crossbars[0]
    assert silent_transfers(model) == {}  # nothing has been due
    array.update(torch.randn(100, N + 1), torch.randn(100, N), RATE)
    assert silent_transfers(model) == {}
    still = mho.convert(
        nn.Sequential(nn.Linear(N, N)), mho.RPU(device=device(), cell=TikiTaka(every=1, threshold=1e9)), quiet=True
    )
    still[0].crossbars[0].update(torch.randn(100, N + 1), torch.randn(100, N), RATE)
    assert list(silent_transfers(still)) == ["0.slow"]
