"""Faults that are planted in small trainings, as a user would type them: the first line names them, its advice helps.

Each set-up is trained as `mho train` trains it, and what the diagnosis advises is given to the same command line.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

import mho
from mho.cli.configs import read_experiment
from mho.data import load
from mho.diagnosis import Diagnosis
from mho.diagnosis.cures import in_python
from mho.presets import gokmen_2017
from mho.runs import Run
from mho.training import fit

SOFT = ("device.law=SoftBounds",)
FAST = (*SOFT, "device.dw_min=0.01", "cell.buffer_scale=100", "training.lr=0.05")
"""Of cells with transfers: buffers that fill and devices that move within the two thousand vectors of a training."""
PLANTED = "tests.helpers.planted:"
"""The module of the networks, as a command names it."""


@dataclasses.dataclass(frozen=True)
class Planted:
    """A training, and what is said of it.

    Attributes:
        settings: as after `--set`.
        kind: of the verdict.
        model: network.
        epochs, images: of the training.
    """

    settings: tuple[str, ...]
    kind: str
    model: str = PLANTED + "Rectified"
    epochs: int = 2
    images: int = 600


GAIN = 5.0
"""Points of test error that advice must gain: two standard deviations of an error of 80 % of 360 digits are 4.2."""


FAULTS = {
    "rate far too small": Planted(("training.lr=1e-6",), "learning rate too small"),
    "rate far too large": Planted(
        ("training.lr=0.2", "update.length=40"), "learning rate", model="lenet", epochs=1, images=500
    ),
    "epochs too few": Planted((), "too short", epochs=1, images=100),
    "backward noise without management": Planted(
        ("backward.noise_management=false",), "read noise", model="lenet", epochs=1, images=500
    ),
    "noise of both reads": Planted(("backward.noise=1", "forward.noise=1"), "read noise"),
    "bounds without management": Planted(("forward.bound=0.3", "forward.bound_management=false"), "clipped outputs"),
    "range of weights too small": Planted(("device.w_max=0.02", "device.w_min=-0.02"), "weights at bounds"),
    "few states": Planted(("device.dw_min=0.1",), "coarse steps"),
    "asymmetric steps": Planted(("device.up_down=1.6",), "imbalance"),
    "asymmetric soft bounds": Planted((*SOFT, "device.up_down=1.6", "device.dw_min=0.005"), "imbalance", epochs=3),
    "saturated pulses, short trains": Planted(("update.length=1", "training.lr=0.05"), "saturated pulses"),
    "3 bits out": Planted(("forward.adc_bits=3", "backward.adc_bits=3"), "converters"),
    "2 bits in": Planted(("forward.dac_bits=2", "forward.input_bound=4"), "converters"),
    "stuck devices": Planted(("device.stuck=0.9",), "stuck devices"),
    "decay": Planted(("device.decay=0.01",), "decay"),
    # of 50 columns, each of which is read every hundredth vector: one of 785 is read once in such a training
    "references off": Planted(
        (*FAST, "cell.kind=TikiTaka", "cell.reference_std=0.5"), "references", model=PLANTED + "Pooled", epochs=4
    ),
    "transfer reads in noise": Planted(
        (*FAST, "cell.kind=TikiTaka", "cell.transfer.noise=3"), "transfer reads", model=PLANTED + "Pooled", epochs=3
    ),
    "buffers that never fill": Planted(
        (*FAST, "cell.kind=AGAD", "cell.buffer_scale=1e9"), "silent transfers", model=PLANTED + "Pooled", epochs=3
    ),
    "thresholds that never fire": Planted(
        (*FAST, "cell.kind=TikiTaka", "cell.threshold=1e6"), "silent transfers", model=PLANTED + "Pooled", epochs=3
    ),
    "a gradient that is never written": Planted(
        (*FAST[:2], "cell.kind=MixedPrecision", "cell.threshold=1e6"), "silent transfers", model=PLANTED + "Pooled"
    ),
}
HEALTHY = {
    "LeNet": Planted((), "no problem found", model="lenet", epochs=1, images=0),
    "rectifiers, short": Planted((), "too short"),
    "rectifiers, long": Planted((), "no problem found", epochs=8),
    "mini-batches of 8": Planted(("training.batch_size=8", "training.lr=0.05"), "too short", epochs=4),
    "batch normalisation, mini-batches of 32": Planted(
        ("training.batch_size=32", "training.lr=0.2"), "too short", model=PLANTED + "Residual", epochs=4, images=0
    ),
}


def trained(planted: Planted, folder, *advice: str) -> Run:
    """The run that `mho train` makes of the settings, with what is advised beside them."""
    given = {"model": planted.model, "epochs": planted.epochs}
    settings = [f"training.train_images={planted.images}", *planted.settings, *advice]
    run = Run(read_experiment(None, None, given, settings, None), folder, load("digits"))
    run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    return run


def found(run: Run) -> Diagnosis:
    found = run.diagnose()
    assert isinstance(found, Diagnosis), found
    return found


def error(run: Run) -> float:
    return run.loop.progress.metrics[-1]["test_error"]


def first_advice(diagnosis: Diagnosis) -> tuple[str, ...]:
    return diagnosis.faults[0].settings if diagnosis.faults else diagnosis.verdict.settings


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named_in_the_first_line_and_its_advice_helps(name, tmp_path):
    planted = FAULTS[name]
    before = trained(planted, tmp_path / "before")
    diagnosis = found(before)
    assert diagnosis.verdict.kind == planted.kind, str(diagnosis)
    first = str(diagnosis).splitlines()[0]
    assert first.startswith(f"diagnosis: {planted.kind.split(' to')[0]}"), first
    advice = first_advice(diagnosis)
    assert advice
    assert in_python(advice)
    after = trained(planted, tmp_path / "after", *advice)
    assert error(after) < error(before) - GAIN, (advice, str(diagnosis))


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_set_ups_have_no_fault(name, tmp_path):
    planted = HEALTHY[name]
    diagnosis = found(trained(planted, tmp_path / "run"))
    assert diagnosis.verdict.kind == planted.kind, str(diagnosis)
    assert diagnosis.healthy, str(diagnosis)


# Faults of the network, the data and the yardstick -------------------------------------------------


def of_script(model: nn.Module, x, y, *, epochs=2, lr=0.01, **options) -> Diagnosis:
    history = fit(model, mho.AnalogSGD(model, lr=lr), ((x[:600], y[:600]), (x[1000:1300], y[1000:1300])), epochs=epochs)
    return mho.diagnose(model, x[:600], y[:600], lr=lr, history=history, **options)


def rectified(rpu: mho.RPU | None = None) -> nn.Module:
    from tests.helpers.planted import Rectified

    torch.manual_seed(0)
    return mho.convert(Rectified(), rpu or gokmen_2017(), seed=0, quiet=True)


@pytest.fixture(scope="module")
def digits():
    data = load("digits")
    return data.x_train, data.y_train


def test_dead_rectifiers(digits):
    model = rectified()
    weights = torch.from_numpy(model.fc1.crossbars[0].weight[0].numpy().copy())
    weights[:, -1] = -0.6  # biases below all that the pixels bring
    weights[:, :-1] = -weights[:, :-1].abs()
    model.fc1.crossbars[0].write(weights, quiet=True)
    diagnosis = of_script(model, *digits, epochs=1)
    assert diagnosis.verdict.kind == "dead units", str(diagnosis)
    assert "mho.AnalogSGD(model, lr=" in str(diagnosis)


def test_frozen_layers(digits):
    model = rectified()
    model.fc1.requires_grad_(False)
    diagnosis = of_script(model, *digits)
    assert diagnosis.verdict.kind == "frozen layers", str(diagnosis)
    assert "model.requires_grad_(True)" in str(diagnosis)


@pytest.mark.parametrize("spoil", ["labels shuffled", "not standardised"])
def test_what_floating_point_cannot_learn_is_not_laid_to_the_arrays(digits, spoil):
    x, y = digits
    if spoil == "labels shuffled":
        y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(0))]
    else:
        x = 255 * x + 1000
    twin = rectified(mho.presets.floating_point())
    data = ((x[:600], y[:600]), (x[1000:1300], y[1000:1300]))
    reference = fit(twin, mho.AnalogSGD(twin, lr=0.01), data, epochs=2)[-1]["test_error"]
    diagnosis = of_script(rectified(), x, y, reference_error=reference)
    assert diagnosis.verdict.kind == "not the arrays", str(diagnosis)


def test_as_good_as_floating_point(digits):
    diagnosis = of_script(rectified(), *digits, epochs=3, reference_error=25.0)
    assert diagnosis.verdict.kind == "as good as floating point", str(diagnosis)


def test_a_layer_left_digital_is_said(tmp_path):
    run = trained(Planted(('training.exclude=["fc1"]',), ""), tmp_path / "run")
    assert "; digital: layer fc1, 99 % of the weights" in found(run).verdict.sentence.replace("\u00a0", " ")


def test_batch_normalisation_is_not_judged_by_steps_of_one_example(digits):
    from tests.helpers.planted import Residual

    torch.manual_seed(0)
    model = mho.convert(Residual(), gokmen_2017(), seed=0, exclude=["norm1", "norm2"], quiet=True)
    mho.training.fit(
        model, mho.AnalogSGD(model, lr=0.2), ((digits[0][:600], digits[1][:600]),) * 2, epochs=1, batch_size=32
    )
    unknown = {one.check: one for one in mho.diagnose(model, *digits, lr=0.2).findings}
    known = {one.check: one for one in mho.diagnose(model, *digits, lr=0.2, batch_size=32).findings}
    assert "give batch_size=" in unknown["learning rate"].number
    assert not unknown["learning rate"].fault
    assert 0 < known["learning rate"].lost < 0.5
