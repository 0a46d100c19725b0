"""Is it the device or the learning rate? Planted faults are named first, healthy arrays have none, nothing moves."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import math
import re
import types

import numpy as np
import pytest
import torch
from torch import nn

import mho
from mho import Exact, Pulses, Read
from mho.cells import Replicated
from mho.data import Dataset, load
from mho.devices import ConstantStep
from mho.diagnosis import CHECKS, LIMIT, Diagnosis, Finding
from mho.diagnosis.cures import in_python
from mho.diagnosis.finding import Check, NetworkNumbers
from mho.diagnosis.lines import mean_move
from mho.diagnosis.numbers import numbers_of
from mho.diagnosis.probe import Probe
from mho.diagnosis.replicas import names_and_groups
from mho.diagnosis.steps import Steps
from mho.diagnosis.verdict import Judged, Situation, suspects, verdict
from mho.errors import InvalidValue, WrongUse
from mho.presets import floating_point, gokmen_2017
from mho.report import write_report
from mho.runs import Experiment, Run
from mho.training import Training, choose_driver
from tests.helpers.laws import Ferro, SoftUneven

FEW = 500
EPOCH = 1437
BASE = gokmen_2017()
OF_SOME = {"transfer reads", "references", "chopper period", "silent transfers"}
OF_SOME |= {"converters", "stuck devices", "decay", "frozen layers"}
PLAIN = {check.name for check in CHECKS} - OF_SOME
"""Checks of every array: the others are of transfers, and of what few arrays have."""


@functools.cache
def digits() -> Dataset:
    return load("digits")


def converted(rpu: mho.RPU, *, model: nn.Module | None = None, **options) -> nn.Module:
    """LeNet on arrays, at the start of its training."""
    torch.manual_seed(0)
    made = mho.convert(model or mho.models.LeNet(), rpu, seed=0, quiet=True, **options)
    for module in made.modules():
        if isinstance(module, mho.nn.ArrayLayer):
            for array in module.crossbars:
                array.reset_weights()
    return made


def trained(rpu: mho.RPU, images: int, *, lr: float = 0.01, epochs: int = 1, **options) -> nn.Module:
    """The same, after some images one by one."""
    model, data = converted(rpu, **options), digits()
    driver = choose_driver(model.train(), mho.AnalogSGD(model, lr=lr), sample=data.train_images[:1])
    for epoch in range(epochs):
        for i in torch.randperm(images, generator=torch.Generator().manual_seed(epoch)).tolist():
            driver.step(data.train_images[i : i + 1], data.train_labels[i : i + 1])
    return model


def diagnosis(model: nn.Module, **options) -> Diagnosis:
    return mho.diagnose(model, digits().train_images, digits().train_labels, **options)


def layer(model: nn.Module, name: str):
    (found,) = [m for m in model.modules() if isinstance(m, mho.nn.ArrayLayer) and m.name == name]
    return found


def lost(found: Diagnosis, check: str) -> float:
    (one,) = [finding for finding in found.findings if finding.check == check]
    return one.lost


# Planted faults ----------------------------------------------------------------------------------

PLANTED = {
    "noise too high": (BASE.replace(backward=Read(noise=0.6, noise_management=True)), 0.01, "read noise"),
    "noise of both reads": (
        BASE.replace(backward=Read(noise=0.6, noise_management=True), forward=Read(noise=0.6, bound_management=True)),
        0.01,
        "read noise",
    ),
    "output bound too low": (BASE.replace(forward=Read(bound=0.3)), 0.01, "clipped outputs"),
    "steps too coarse": (
        BASE.replace(device=ConstantStep(dw_min=mho.per_cell(0.05, spread=0.3))),
        0.01,
        "coarse steps",
    ),
    "imbalance 20 %": (BASE.replace(device=ConstantStep(up_down=mho.per_cell(1.2, spread=0.02))), 0.01, "imbalance"),
    "η ten times too high": (gokmen_2017(pulses=64), 0.1, "learning rate"),
    "η ten times too high, exact arrays": (floating_point(), 0.1, "learning rate"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_named_first(fault):
    rpu, lr, check = PLANTED[fault]
    found = diagnosis(trained(rpu, FEW, lr=lr), lr=lr)
    assert found.faults
    assert found.faults[0].check == check, str(found)


def test_weights_that_bounds_hold_are_named_first():
    """Weights of 0.3 rms, written to devices with bounds of 0.1: nearly all are cut."""
    bounds = {"w_max": mho.per_cell(0.1, spread=0.3), "w_min": mho.per_cell(-0.1, spread=0.3)}
    model = converted(BASE.replace(device=ConstantStep(**bounds)))
    for name in ("conv1", "conv2", "fc1", "fc2"):
        for array in layer(model, name).crossbars:
            array.write(0.3 * torch.randn(array.out_features, array.in_features), quiet=True)
    found = diagnosis(model)
    assert found.faults[0].check == "weights at bounds", str(found)
    assert "device.w_max" in found.faults[0].cure


def test_weights_at_their_symmetry_points_are_named_first():
    model = converted(BASE.replace(device=SoftUneven(), backward=Read(noise=0.0), forward=Read(noise=0.0)))
    for name in ("conv1", "conv2", "fc1", "fc2"):
        for array in layer(model, name).crossbars:
            array.write(soft_points(array.cell_parameters())[0, 0])
    found = diagnosis(model)
    assert found.faults[0].check == "symmetry points", str(found)
    assert found.faults[0].lost > 0.99  # all of every weight


@pytest.mark.parametrize(("up_down", "together"), [(mho.per_cell(1.5), True), (mho.per_cell(1.0, spread=0.3), False)])
def test_the_zero_is_shifted_to_points_that_are_off_together_only(up_down, together):
    device = mho.devices.SoftBounds(up_down=up_down, w_max=mho.per_cell(0.6, spread=0.3), w_min=-0.6)
    model = converted(BASE.replace(device=device, backward=Read(noise=0.0), forward=Read(noise=0.0)))
    for name in ("conv1", "conv2", "fc1", "fc2"):
        for array in layer(model, name).crossbars:
            array.write(soft_points(array.cell_parameters())[0, 0])
    (fault,) = [fault for fault in diagnosis(model).faults if fault.check == "symmetry points"]
    assert ("zero_shifting.pulses=2000" in fault.settings) is together
    assert ("docs/symmetry.md" in fault.basis) is together
    assert ("symmetry points scatter" in fault.number) is not together
    assert ("mho device advise" in fault.cure) is not together
    text = " ".join(str(diagnosis(model)).split())
    assert ("(supposes references that are written without error" in text) is together
    assert fault.to_dict()["basis"] == fault.basis
    assert fault.hopeless is not together
    assert "hopeless" not in fault.to_dict()


@pytest.mark.parametrize("name", ["fc1", "part.fc1"])
def test_what_else_to_try_keeps_its_settings_where_layers_differ(name):
    """A rate is of the training; other settings are of the layer, in words where its name cannot be typed."""

    class Two(Check):
        name = "two"
        meaning = "m"

        def look(self, network):
            numbers = types.SimpleNamespace(name=network.arrays[0], replica=0)
            return self.found(network, numbers, 0.9, "n", other=network.odds, aside=network.read)

    def cure(other, *aside):
        network = NetworkNumbers(0, [name], aside, 0.0, other, 0.01, layered=True)
        return Two().look(network).cure

    assert cure("a lower rate", "training.lr=0.0025") == "a lower rate (--set training.lr=0.0025)"
    own = "--set layers.fc1.update.length=31" if name == "fc1" else "for layer part.fc1: "
    assert own in cure("longer trains", "update.length=31")
    assert "length" in cure("longer trains", "update.length=31")


@pytest.mark.parametrize(("hopeless", "named"), [(False, True), (True, False)])
def test_points_that_scatter_are_no_fault_of_a_network_that_learns(hopeless, named):
    found = Finding(check="symmetry points", array="a", replica=0, lost=0.8, number="n", meaning="m", hopeless=hopeless)
    learning = Situation(error=13.0, chance=90.0, fall=0.5, epochs=3)
    assert bool(suspects([found], learning)) is named
    assert suspects([found], dataclasses.replace(learning, fall=0.01)) == [found]
    assert verdict([found], learning).kind == ("symmetry points" if named else "too short")


def test_advice_beside_the_first_is_typed_as_the_first_is():
    finding = Finding(
        check="c", array="0", replica=0, lost=0.9, number="n", meaning="m", settings=("cell.n=4",),
        other="a digital factor", aside=("scale=max",),
    )  # fmt: skip
    assert finding.cure == "--set cell.n=4, or a digital factor (--set scale=max)"
    assert finding.cure_in_python == "cell=dataclasses.replace(rpu.cell, n=4), or a digital factor (scale='max')"
    part = Judged.of("", (0,), [finding], Situation(error=50.0, chance=90.0))
    assert "c in layer 0: n" in str(Diagnosis.of([finding], [part], ["seed 0"]))
    both = dataclasses.replace(finding, array="0, 2")
    assert "c in layers 0, 2: n" in str(Diagnosis.of([both], [Judged.of("", (0,), [both], Situation())], ["seed 0"]))


def test_pulses_that_saturate_are_named_first():
    rpu = BASE.replace(update=Pulses(length=1, x_gain=1e4, d_gain=1e4))
    found = diagnosis(converted(rpu))
    assert found.faults[0].check == "saturated pulses", str(found)


def test_arrays_that_are_behind_floating_point_are_not_called_healthy():
    def effect(check: str, lost: float, *settings: str) -> Finding:
        return Finding(check=check, array="hh", replica=0, lost=lost, number="n", meaning="m", settings=settings)

    found = [
        effect("symmetry points", 0.42),
        effect("weights at bounds", 0.26, "scale=max"),
        effect("read noise", 0.02, "forward.noise=0.01"),
    ]
    behind = verdict(found, Situation(error=53.6, chance=84.1, reference=41.5))
    assert behind.kind == "behind floating point"
    assert behind.settings == ("scale=max",)
    assert "by 12.1 points" in behind.sentence
    assert "symmetry points (42%), weights at bounds (26%); error" in behind.sentence
    # without a yardstick, or with effects that are nothing, no problem is found; a fault comes first
    assert verdict(found, Situation(error=53.6, chance=84.1)).kind == "no problem found"
    assert verdict(found[2:], Situation(error=53.6, chance=84.1, reference=41.5)).kind == "no problem found"
    lost = [effect("read noise", 0.6), *found[:2]]
    assert verdict(lost, Situation(error=53.6, chance=84.1, reference=41.5)).kind == "read noise"


# Healthy arrays, and the paper's own diagnosis of its baseline -------------------------------------


@pytest.mark.parametrize(
    ("rpu", "epochs"),
    [
        (gokmen_2017(), 2),
        (gokmen_2017(pulses=1, update_management=True), 1),
        (floating_point(), 1),
        (BASE.replace(cell=Replicated(3), tile=(64, 300)), 1),
    ],
    ids=["managed", "update management", "floating point", "three devices in tiles"],
)
def test_healthy_arrays_have_no_fault(rpu, epochs):
    found = diagnosis(trained(rpu, FEW if rpu.tile else EPOCH, epochs=epochs))
    assert found.healthy, str(found)
    assert str(found).startswith("diagnosis: no problem found; largest effect: ")
    exact = {"read noise", "clipped outputs", "learning rate", "dead units"}
    names = {finding.check for finding in found.findings}
    assert names == (exact if isinstance(rpu.update, Exact) else PLAIN)


def test_the_baseline_loses_its_error_signal_to_backward_noise():
    """Gokmen 2017, Figure 3: noise of backward reads is one of the two that spoil the baseline."""
    found = diagnosis(trained(gokmen_2017(managed=False), FEW))
    assert found.faults[0].check == "read noise", str(found)
    assert found.faults[0].cure == "--set backward.noise_management=true"
    assert found.faults[0].cure_in_python == "backward=mho.Read(..., noise_management=True)"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("cell.buffer_scale=18",), "cell=dataclasses.replace(rpu.cell, buffer_scale=18)"),
        (
            ("cell.transfer.noise=0.05",),
            "cell=dataclasses.replace(rpu.cell, transfer=dataclasses.replace(rpu.cell.transfer, noise=0.05))",
        ),
        (
            ("cell.kind=AGAD", "cell.every=5", "cell.transfer.noise=0.05", "cell.fast.law=SoftBounds"),
            "cell=mho.cells.AGAD(every=5, transfer=mho.Read(noise=0.05), fast=mho.devices.SoftBounds())",
        ),
    ],
)
def test_settings_of_cells_are_python_that_runs(settings, words):
    assert in_python(settings) == words
    rpu = gokmen_2017().replace(device=mho.devices.SoftBounds(), cell=mho.cells.TikiTaka())
    eval(words.removeprefix("cell="), {"mho": mho, "dataclasses": dataclasses, "rpu": rpu})


def test_without_that_noise_the_baseline_clips_the_outputs_of_w4():
    """The other of the two: logits grow beyond 12 in epochs of MNIST; here beyond 1 in one of digits."""
    base = gokmen_2017(managed=False).replace(backward=Read(noise=0.0))
    found = diagnosis(trained(base, EPOCH, layers={"fc2": base.replace(forward=Read(bound=1.0))}))
    assert (found.faults[0].check, found.faults[0].array) == ("clipped outputs", "fc2"), str(found)
    assert "--set layers.fc2.forward.bound_management=true" in found.faults[0].cure


def test_a_user_law_and_one_faulty_layer():
    noisy = mho.RPU(device=Ferro(), backward=Read(noise=6.0, noise_management=True))
    found = diagnosis(converted(mho.RPU(device=Ferro()), layers={"conv2": noisy}, exclude=["fc1"]))
    assert (found.faults[0].check, found.faults[0].array) == ("read noise", "conv1"), str(found)


# What is measured ----------------------------------------------------------------------------------


def soft_points(cell: dict[str, torch.Tensor]) -> torch.Tensor:
    """PHYSICS of Kim 2019: w_sp = (a - b)/(a/w_max - b/w_min)."""
    up, down = cell["dw_min"] * cell["up_down"], cell["dw_min"]
    return (up - down) / (up / cell["w_max"] - down / cell["w_min"])


def test_symmetry_points_are_those_of_the_law():
    array = mho.Crossbar(mho.RPU(device=SoftUneven()), 12, 20, seed=3)
    points = Steps(array, 0).attractors()
    # steps are equal to 1e-6 of them, which is 2e-6 of weight at their slope of some 1/w_max; the form is in float32
    np.testing.assert_allclose(points, soft_points(array.cell_parameters()).flatten(), atol=1e-5)


def test_devices_without_symmetry_point_are_drawn_to_a_bound_or_nowhere():
    def points(up_down: float) -> np.ndarray:
        array = mho.Crossbar(mho.RPU(device=ConstantStep(up_down=up_down, w_max=0.5, w_min=-0.7)), 2, 3)
        return Steps(array, 0).attractors()

    assert np.all(points(1.1) == np.float32(0.5))
    assert np.all(points(0.9) == np.float32(-0.7))
    assert np.all(np.isnan(points(1.0)))


def test_mean_steps_are_those_of_the_devices():
    device = ConstantStep(dw_min=0.001, up_down=1.5, c2c=0.3)
    steps = Steps(mho.Crossbar(mho.RPU(device=device), 4, 5), 0)
    np.testing.assert_allclose(steps.up, 0.0012, rtol=1e-6)
    np.testing.assert_allclose(steps.down, 0.0008, rtol=1e-6)
    np.testing.assert_allclose(steps.square, (0.0012**2 + 0.0008**2) / 2 * 1.09, rtol=1e-6)
    assert steps.imbalance() == pytest.approx(0.2)


@pytest.mark.parametrize("length", [{"update_management": False}, {"length_management": True}], ids=str)
def test_deterministic_trains_move_arrays_by_the_mean_move(length):
    device = ConstantStep(dw_min=0.001, up_down=1.0, c2c=0.0, w_max=9.0, w_min=-9.0)
    rpu = mho.RPU(device=device, update=Pulses(length=40, trains="deterministic", **length))
    generator = torch.Generator().manual_seed(1)
    x, d = torch.rand(5, 6, generator=generator) - 0.3, torch.randn(5, 4, generator=generator)
    array = mho.Crossbar(rpu, 4, 6)
    array.write(torch.zeros(4, 6))
    array.update(x, d, 0.05)
    expected = mean_move(rpu, x.numpy(), d.numpy(), 0.05, np.ones(4, np.float32))
    np.testing.assert_allclose(array.weight[0], expected, atol=1e-5)  # sums of some 100 steps in float32
    assert np.abs(expected).max() > 0.05


@pytest.mark.parametrize("managed", [{}, {"update_management": True}, {"length_management": True}], ids=str)
def test_the_mean_move_is_what_arrays_do_on_the_mean(managed):
    rpu = mho.RPU(
        device=ConstantStep(dw_min=0.001, up_down=1.0, c2c=0.3, w_max=9.0, w_min=-9.0),
        update=Pulses(length=7, **managed),
    )
    generator = torch.Generator().manual_seed(1)
    x, d = torch.rand(3, 6, generator=generator) - 0.3, torch.randn(3, 4, generator=generator)
    replicas = 1000
    array = mho.Crossbar(rpu, 4, 6, replicas=replicas)
    array.write(torch.zeros(4, 6))
    array.update(x.expand(replicas, -1, -1), d.expand(replicas, -1, -1), 0.05)
    moved = array.weight.numpy()
    error = moved.std(axis=0) / math.sqrt(replicas)
    assert np.all(
        np.abs(moved.mean(axis=0) - mean_move(rpu, x.numpy(), d.numpy(), 0.05, np.ones(4, np.float32)))
        < 4 * error + 1e-7
    )


def test_the_share_of_noise_is_that_of_the_equation():
    """Without management a gradient δ xᵀ of the first layer gets σ²·out·|x|² of noise from the second's read."""
    sigma, images = 0.01, 60
    rpu = floating_point().replace(backward=Read(noise=sigma, bound=None))
    model = converted(rpu, model=nn.Sequential(nn.Linear(8, 40, bias=False), nn.Linear(40, 3, bias=False)))
    x = torch.randn(images, 8, generator=torch.Generator().manual_seed(2))
    probe = Probe(model, x, torch.arange(images) % 3, loss=torch.nn.functional.cross_entropy, batch=1)
    first, second = (n.gradients for n in numbers_of(probe, probe.exact(), {"0": 0.01, "1": 0.01}, 6))
    expected = sigma**2 * 40 * float(x.square().sum())
    # 60·40 independent draws, weighted with |x|²: their variance is known to some 4 %
    assert first.noise == pytest.approx(expected, rel=0.12)
    assert (second.noise, second.distortion) == pytest.approx((0, 0), abs=1e-9)  # sums of float32 in another order


def test_replicas_and_lists_name_the_replica():
    noises = [0.06, 0.06, 6.0]
    rpu = BASE.replace(backward=Read(noise=noises, noise_management=True))
    found = diagnosis(converted(rpu, replicas=3))
    assert (found.faults[0].check, found.faults[0].replica) == ("read noise", 2)
    assert ", backward.noise = 6, seed 2 (also backward.noise = 0.06):" in " ".join(str(found).split())
    alone = diagnosis(converted(rpu.of_replica(2)))  # its seed would be 2, and 0 is taken: alike, not equal
    assert alone.faults[0].check == "read noise"


@pytest.mark.parametrize(
    ("listed", "name"),
    [
        (("0",), "layers.0.forward.noise = 0.6"),
        (("2",), "layers.2.forward.noise = 0.6"),
        (("0", "2", "4"), "forward.noise = 0.6"),
    ],
)
def test_replicas_have_the_name_that_a_run_gives_them(listed, name):
    noisy = mho.RPU(forward=mho.Read(noise=[0.0, 0.6]))
    torch.manual_seed(0)
    digital = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3))
    model = mho.convert(digital, mho.RPU(), replicas=2, layers=dict.fromkeys(listed, noisy), seed=[1, 1], quiet=True)
    assert names_and_groups(model)[0][1] == name


def test_replicas_of_unlike_values_are_judged_each_by_itself_and_at_its_own_error():
    noises = [0.0, 6.0, 0.0]
    rpu = BASE.replace(backward=Read(noise=noises, noise_management=True))
    model = converted(rpu, replicas=3)
    x, y = digits().train_images[:FEW], digits().train_labels[:FEW]
    lines = [
        {"train_loss": mean, "train_loss_replicas": each, "test_error": 50.0, "test_error_replicas": [20.0, 88.0, 22.0]}
        for mean, each in ((2.0, [1.0, 3.9, 1.0]), (2.0, [0.5, 4.9, 0.5]))
    ]
    found = mho.diagnose(model, x, y, history=lines)
    quiet, noisy = found.parts
    assert (quiet.name, quiet.replicas) == ("backward.noise = 0", (0, 2))
    assert (quiet.verdict.kind, noisy.verdict.kind) == ("too short", "read noise")
    assert "error 21.0" in quiet.verdict.sentence  # the mean of 20 and 22
    assert "error 88.0" in noisy.verdict.sentence
    assert found.verdict.kind == "read noise"
    first = " ".join(str(found).split())
    assert first.startswith("diagnosis: read noise for backward.noise = 6; too short for backward.noise = 0;")
    assert ", backward.noise = 6, seed 1:" in first
    assert "error 50.0" not in first
    assert [part["name"] for part in found.to_dict()["parts"]] == ["backward.noise = 0", "backward.noise = 6"]


def test_a_history_of_another_number_of_replicas_says_their_mean():
    model = converted(BASE.replace(backward=Read(noise=[0.0, 6.0], noise_management=True)), replicas=2)
    x, y = digits().train_images[:FEW], digits().train_labels[:FEW]
    found = mho.diagnose(model, x, y, history=[{"test_error": 50.0, "test_error_replicas": [50.0]}])
    assert all("error 50.0" in part.verdict.sentence for part in found.parts)


def test_a_fault_is_stored_with_the_replica_in_which_it_is_one():
    rpu = BASE.replace(backward=Read(noise=[0.06, 6.0], noise_management=True))
    x, y = digits().train_images[:FEW], digits().train_labels[:FEW]
    line = {"train_loss": 1.0, "test_error": 46.0, "test_error_replicas": [88.0, 4.0]}
    found = mho.diagnose(converted(rpu, replicas=2), x, y, history=[line], reference_error=4.0)
    assert (found.faults[0].check, found.faults[0].replica) == ("read noise", 0)
    worst = next(finding for finding in found.findings if finding.check == "read noise")
    assert worst.replica == 1  # whose error is that of floating point
    stored = next(finding for finding in found.to_dict()["findings"] if finding["check"] == "read noise")
    assert (stored["replica"], stored["fault"], stored["lost"]) == (0, True, round(found.faults[0].lost, 4))


def test_replicas_of_equal_values_are_judged_together_and_named_by_their_seeds():
    found = diagnosis(converted(BASE.replace(backward=Read(noise=6.0)), replicas=2))
    assert [part.replicas for part in found.parts] == [(0, 1)]
    assert found.names == ("seed 0", "seed 1")
    assert f", {found.names[found.faults[0].replica]}:" in str(found)


def test_the_error_and_the_chance_level_say_what_they_are_of():
    model, (x, y) = converted(BASE), (digits().train_images, digits().train_labels)
    alone = mho.diagnose(model, x, y).verdict.sentence.replace("\u00a0", " ")
    assert re.search(r"error of the 30 examples looked at [\d.]+ % \(guessing the commonest class of the 1,437", alone)
    line = [{"test_error": 40.0, "train_loss": 1.0}]
    known = mho.diagnose(model, x, y, history=line, chance=90.0).verdict.sentence.replace("\u00a0", " ")
    assert "error 40.0 % (guessing: 90.0 %)" in known
    other = mho.diagnose(model, x, torch.eye(10)[y], loss=torch.nn.functional.mse_loss, history=line).verdict.sentence
    assert "(chance level not known)" in other


def test_a_batch_divides_the_error():
    """Reads without noise management lose a batch's δ, which is a mean, to the noise sooner."""
    model = converted(gokmen_2017(managed=False))
    alone, batch = (lost(diagnosis(model, batch_size=size), "read noise") for size in (1, 16))
    assert alone / (1 - alone) < batch / (1 - batch) / 16


# Nothing moves -------------------------------------------------------------------------------------


def test_nothing_of_the_model_moves():
    model, data = converted(BASE), digits()
    optimizer = mho.AnalogSGD(model, lr=0.01)
    nn.functional.cross_entropy(model(data.train_images[:2]), data.train_labels[:2]).backward()
    twin = copy.deepcopy(model.state_dict())
    pending = [len(m.memory.pending) for m in model.modules() if isinstance(m, mho.nn.ArrayLayer)]
    generator = torch.get_rng_state()
    first, again = diagnosis(model), diagnosis(model)
    assert first == again
    assert model.training
    assert torch.equal(generator, torch.get_rng_state())
    assert all(torch.equal(value, twin[name]) for name, value in model.state_dict().items())
    assert pending == [1] * 4
    assert pending == [len(m.memory.pending) for m in model.modules() if isinstance(m, mho.nn.ArrayLayer)]
    optimizer.step()


def test_any_model_of_arrays():
    """A layer that is used twice, groups, digital layers with dropout and batch norm."""

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 4, 3, groups=2, padding=1, bias=False)
            self.norm, self.drop = nn.BatchNorm2d(4), nn.Dropout(0.5)
            self.twice, self.last = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x):
            x = self.drop(torch.tanh(self.norm(self.conv(x)))).mean((2, 3))
            return self.last(self.twice(torch.tanh(self.twice(x))))

    model = mho.convert(Odd(), BASE, exclude=["norm"], quiet=True)
    found = mho.diagnose(
        model, torch.rand(9, 2, 6, 6), torch.arange(9) % 3, lr={"conv": 0.01, "twice": 0.0, "last": 0.02}
    )
    assert len(found.findings) == len(PLAIN)
    assert all(0 <= finding.lost <= 1 for finding in found.findings)


@pytest.mark.parametrize(("frozen", "clips"), [("0", True), ("2", False), ("2", True)])
def test_frozen_layers_are_read_and_not_trained(frozen, clips):
    net = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    net.get_submodule(frozen).requires_grad_(False)
    rpu = BASE.replace(forward=mho.Read(bound=0.05)) if clips else BASE
    model = mho.convert(net, BASE, layers={frozen: rpu}, quiet=True)
    x, y = torch.randn(40, 6), torch.arange(40) % 3
    found = {each.check: each for each in mho.diagnose(model, x, y).findings}
    assert found.pop("frozen layers").array == frozen
    reads = found.pop("clipped outputs")
    assert len(found) == len(PLAIN) - 1
    assert all(each.array != frozen for each in found.values())
    assert (reads.array == frozen) is clips
    # with a learning rate of 0 in place of the freezing, a step moves the same weights
    model.requires_grad_(True)
    same = mho.diagnose(model, x, y, lr={"0": 0.01, "2": 0.01} | {frozen: 0.0}).findings
    assert next(each for each in same if each.check == "learning rate") == found["learning rate"]
    model.requires_grad_(False)
    with pytest.raises(WrongUse, match="no array layer is trained: each is frozen"):
        mho.diagnose(model, x, y)


def test_a_layer_that_no_gradient_reaches_is_left_out():
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head, self.spare = nn.Linear(6, 5), nn.Linear(5, 3), nn.Linear(2, 2)

        def forward(self, x):
            return self.head(torch.tanh(self.body(x)).detach())

    model = mho.convert(Cut(), BASE, quiet=True)
    found = mho.diagnose(model, torch.randn(40, 6), torch.arange(40) % 3).findings
    assert {each.array for each in found if each.check != "frozen layers"} <= {"head", ""}


@pytest.mark.parametrize(("lr", "fault"), [(0.3, True), (0.003, False)])
def test_a_regression_is_diagnosed_with_its_loss(lr, fault):
    """Four inputs, a linear teacher: η‖x‖² is 1.5 and 0.015, and a step above 1 passes its target."""
    device = ConstantStep(dw_min=1e-5, c2c=0.0, up_down=1.0, w_max=10.0, w_min=-10.0)
    exact = mho.presets.floating_point()
    rpu = exact.replace(device=device, update=mho.Pulses(length=31, update_management=True))
    model = mho.convert(nn.Sequential(nn.Linear(4, 1)), rpu if not fault else exact, quiet=True)
    x = torch.randn(40, 4)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]])
    found = {each.check: each for each in mho.diagnose(model, x, y, loss=nn.functional.mse_loss, lr=lr).findings}
    assert found["learning rate"].fault is fault
    assert "the gradients of other examples" in found["learning rate"].number
    # of the loss twice as large the gradients are, relative to themselves, changed by twice as much
    twice = mho.diagnose(model, x, y, loss=lambda out, t: 2 * nn.functional.mse_loss(out, t), lr=lr / 2).findings
    lost = next(each.lost for each in twice if each.check == "learning rate")
    assert lost == pytest.approx(found["learning rate"].lost, rel=0.2)  # pulses of half the rate round otherwise


MISTAKES = {
    "no arrays": (lambda m, x, y: mho.diagnose(nn.Linear(2, 2), x, y), WrongUse, "convert it"),
    "labels": (lambda m, x, y: mho.diagnose(m, x, y[:3]), InvalidValue, "3 targets for 9 examples"),
    "classes": (
        lambda m, x, y: mho.diagnose(m, x, y.float()),
        InvalidValue,
        "integers from 0, or the loss of your training",
    ),
    "loss": (lambda m, x, y: mho.diagnose(m, x, y, loss="mse"), InvalidValue, "loss is 'mse'; give a function"),
    "nothing": (lambda m, x, y: mho.diagnose(m, x[:0], y[:0]), InvalidValue, "at least one example"),
    "lr": (lambda m, x, y: mho.diagnose(m, x, y, lr=0.0), InvalidValue, "greater than 0"),
    "layer": (lambda m, x, y: mho.diagnose(m, x, y, lr={"covn1": 0.1}), InvalidValue, "did you mean 'conv1'"),
    "rates": (lambda m, x, y: mho.diagnose(m, x, y, lr={"conv1": 0.1}), InvalidValue, "no rate for conv2, fc1, fc2"),
    "batch": (lambda m, x, y: mho.diagnose(m, x, y, batch_size=0), InvalidValue, "batch_size is 0"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told(mistake):
    call, error, message = MISTAKES[mistake]
    with pytest.raises(error, match=message):
        call(converted(BASE), digits().train_images[:9], digits().train_labels[:9])


# Where it is told ----------------------------------------------------------------------------------


def test_text_fits_a_terminal():
    one = Finding(
        check="read noise", array="a.long.name.of.a.layer", replica=1, lost=0.9, number="word " * 40, meaning="m " * 60,
        settings=("backward.noise_management=true",),
    )  # fmt: skip
    part = Judged.of("", (0, 1), [one], Situation(error=89.0, chance=90.0))
    found = Diagnosis.of([dataclasses.replace(one, lost=LIMIT), one], [part], ["seed 3", "seed 5"])
    text = str(found)
    assert "layer, seed 5: word" in text
    assert max(map(len, text.splitlines())) < 80
    assert text.startswith(
        "diagnosis: read noise; near chance; error 89.0\u00a0% (guessing: 90.0\u00a0%)\n  read noise in layer a.long"
    )
    assert "\n    try backward=mho.Read(..., noise_management=True)" in text
    text = str(dataclasses.replace(found, for_command_line=True))
    assert "\n    try --set backward.noise_management=true" in text


@pytest.fixture
def run(tmp_path):
    settings = Training(epochs=1, train_images=60, test_images=20)
    done = Run(Experiment(training=settings, rpu=gokmen_2017(managed=False)), tmp_path / "run", digits())
    done.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    done.conclude()
    return done


def test_a_run_stores_it_and_its_page_shows_it(run):
    stored = json.loads((run.folder / "summary.json").read_text())["diagnosis"]
    assert stored == json.loads(json.dumps(run.diagnose().to_dict()))
    page = write_report(run.folder).read_text(encoding="utf-8")
    for finding in stored["findings"]:
        assert f'<th scope="row">{finding["check"]}<small>' in page
    assert page.count("<strong>Try</strong>") == len(run.diagnose().faults) > 0
    again = Run(run.experiment, run.folder, digits(), resume=True)
    assert again.diagnose() == run.diagnose()


def test_the_page_of_a_healthy_run_says_so_in_a_line(run):
    file = run.folder / "summary.json"
    summary = json.loads(file.read_text())
    for finding in summary["diagnosis"]["findings"]:
        finding |= {"lost": 0.1, "fault": False}
    file.write_text(json.dumps(summary))
    page = write_report(run.folder).read_text(encoding="utf-8")
    assert "No effect by itself" in page
    assert "<strong>Try</strong>" not in page


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (3, "diagnosis is 3, not a table"),
        ({"replicas": 1}, "no 'findings'"),
        ({"replicas": 1, "findings": [{"check": 1}]}, "check of a finding"),
    ],
)
def test_a_damaged_diagnosis_is_named(run, damage, reason):
    file = run.folder / "summary.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"diagnosis": damage}))
    with pytest.raises(InvalidValue, match=f"summary.json is damaged.*{reason}"):
        write_report(run.folder)


def test_a_run_that_cannot_be_diagnosed_ends_all_the_same(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise InvalidValue("a read overflowed")

    monkeypatch.setattr("mho.runs.run.diagnose", refuse)
    settings = Training(epochs=1, train_images=5, test_images=5)
    run = Run(Experiment(training=settings, rpu=BASE), tmp_path / "run", digits())
    assert run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    run.conclude()
    assert "The checks could not be made: a read overflowed" in write_report(run.folder).read_text()
