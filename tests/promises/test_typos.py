"""A misspelt name in Python gets the nearest one, as on the command line; what is right costs and hides nothing."""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings

import pytest
import torch
from torch import nn

import mho
from mho.errors import MhoError, NoSuchName, WrongCall, in_words
from mho.nn import StaysDigital

RPU = mho.presets.gokmen_2017()
MODEL = nn.Sequential(nn.Linear(4, 3))


class Own(mho.Device):
    """A user's law."""

    rate: float = 0.1
    dw_min: float = 0.001
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, up, cell, z):
        return w + cell.dw_min if up else w - cell.dw_min


CALLS = {
    "read": (lambda: mho.Read(noize=0.1), "Read: there is no option 'noize'; did you mean 'noise'?"),
    "pulses": (lambda: mho.Pulses(lenght=3), "Pulses: there is no option 'lenght'; did you mean 'length'?"),
    "law": (lambda: mho.devices.ConstantStep(dw_mn=0.1), "ConstantStep: there is no option 'dw_mn'; | 'dw_min'"),
    "own law": (lambda: Own(rte=0.1), "Own: there is no option 'rte'; did you mean 'rate'?"),
    "cell": (lambda: mho.cells.Replicated(m=3), "there is no option 'm'; known: n; n is missing; give n=..."),
    "rpu": (lambda: mho.RPU(devise=None), "RPU: there is no option 'devise'; did you mean 'device'?"),
    "replace": (lambda: RPU.replace(tiles=(4, 4)), "there is no option 'tiles'; did you mean 'tile'?"),
    "preset": (lambda: mho.presets.gokmen_2017(update_managment=True), "did you mean 'update_management'?"),
    "spread": (lambda: mho.per_cell(0.1, sprad=0.3), "per_cell: there is no option 'sprad'; did you mean 'spread'?"),
    "convert": (lambda: mho.convert(MODEL, RPU, layer={}), "convert: there is no option 'layer'; | 'layers'?"),
    "optimizer": (
        lambda: mho.AnalogSGD(MODEL, learning_rate=0.1),
        "AnalogSGD: there is no option 'learning_rate'; known: clip_norm, clip_value, layers, lr, model, momentum",
    ),
    "array": (lambda: mho.Crossbar(RPU, 3, 4, sed=1), "Crossbar: there is no option 'sed'; did you mean 'seed'?"),
    "layer": (lambda: mho.nn.Linear(4, 3, rpu=RPU, biass=True), "Linear: | did you mean 'bias'?"),
    "two": (lambda: mho.Read(noize=0.1, bond=3), "'noize'; did you mean 'noise'?; | 'bond'; did you mean 'bound'?"),
    "no name": (lambda: mho.Read(0.06), "1 value was given without a name, and every value | noise=..."),
    "places": (lambda: mho.convert(MODEL, RPU, 0), "3 values were given | only model, rpu may come without a name"),
    "missing": (lambda: mho.Crossbar(RPU), "out_features and in_features are missing; give out_features=..., in_feat"),
    "fit": (
        lambda: mho.training.fit(MODEL, None, None, epoch=1),
        "fit: there is no option 'epoch'; did you mean 'epochs'?; epochs is missing; give epochs=...",
    ),
    "load": (lambda: mho.load("x", checkpont="best"), "load: there is no option 'checkpont'; | 'checkpoint'?"),
    "report": (lambda: mho.report([], output="x"), "report: there is no option 'output'; did you mean 'out'?"),
    "board": (lambda: mho.training.TensorBoard(), "TensorBoard: folder is missing; give folder=..."),
    "twice": (lambda: mho.AnalogSGD(MODEL, 0.1, lr=0.1), "lr was given twice"),
}


@pytest.mark.parametrize(("call", "message"), CALLS.values(), ids=CALLS)
def test_a_wrong_argument_is_named_with_what_there_is(call, message):
    with pytest.raises(WrongCall) as caught:
        call()
    for part in message.split(" | "):
        assert part in str(caught.value)
    assert isinstance(caught.value, MhoError)
    assert isinstance(caught.value, TypeError)
    assert caught.value.__suppress_context__  # Python's own words would stand before ours


NAMES = {
    "mho": (mho, "Crosbar", "mho has no 'Crosbar'; did you mean 'Crossbar'?"),
    "devices": (mho.devices, "SoftBound", "mho.devices has no 'SoftBound'; did you mean 'SoftBounds'?"),
    "cells": (mho.cells, "Singel", "mho.cells has no 'Singel'; did you mean 'Single'?"),
    "a cell": (mho.cells, "TikiTakka", "mho.cells has no 'TikiTakka'; did you mean 'TikiTaka'?"),
    "presets": (mho.presets, "gokmen2017", "did you mean 'gokmen_2017'?"),
    "nn": (mho.nn, "Conv4d", "mho.nn has no 'Conv4d'; did you mean 'Conv"),
    "models": (mho.models, "ResNet17", "did you mean 'ResNet18'?"),
    "learning": (mho.learning, "zero_shit", "did you mean 'zero_shift'?"),
    "testing": (mho.testing, "check_devices", "did you mean 'check_device'?"),
    "training": (mho.training, "AnalogSgd", "did you mean 'AnalogSGD'?"),
    "a room": (mho, "trainin", "did you mean 'training'?"),
    "far": (
        mho.presets,
        "x",
        "mho.presets has no 'x'; known: DEVICES, PRESETS, agad, arrays, capacitor, device_toml, devices, e_rider",
    ),
}


@pytest.mark.parametrize(("room", "name", "message"), NAMES.values(), ids=NAMES)
def test_a_name_that_a_room_has_not_is_told_with_the_nearest(room, name, message):
    with pytest.raises(NoSuchName) as caught:
        getattr(room, name)
    assert message in str(caught.value)
    assert isinstance(caught.value, MhoError)
    assert not hasattr(room, name)
    assert getattr(room, name, None) is None
    assert not hasattr(room, "__wrapped__")
    with pytest.raises(ImportError):
        exec(f"from {room.__name__} import {name}")


def test_an_error_inside_a_call_stays_what_it_is():
    @in_words
    def inside(count: int) -> int:
        return count + "1"

    with pytest.raises(TypeError, match="unsupported operand") as caught:
        inside(1)
    assert type(caught.value) is TypeError
    with pytest.raises(TypeError, match="abstract") as abstract:
        mho.Cell()
    assert type(abstract.value) is TypeError


def test_signatures_copies_and_pickles_are_those_of_the_class():
    assert list(inspect.signature(mho.Read).parameters)[:2] == ["noise", "bound"]
    assert list(inspect.signature(mho.Crossbar).parameters) == [
        "rpu", "out_features", "in_features", "seed", "replicas", "name", "backend", "cell_parameters",
    ]  # fmt: skip
    assert list(inspect.signature(mho.convert).parameters)[:2] == ["model", "rpu"]
    rpu = RPU.replace(device=Own(rate=0.2))
    assert copy.deepcopy(rpu) == rpu
    assert pickle.loads(pickle.dumps(rpu)) == rpu
    assert rpu.replace(tile=(4, 4)).device == rpu.device


def test_warnings_show_the_line_of_the_user():
    digital = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
    digital[0].bias.requires_grad_(False)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = mho.convert(digital, RPU, quiet=True)
        mho.AnalogSGD(model, lr=0.1, momentum=0.9)
        mho.band_limit(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv3d(1, 1, 3)), compression=10, quiet=True)
    assert [warning.filename for warning in told] == [__file__] * 4
    assert {warning.category for warning in told[:2]} == {StaysDigital}
    assert torch.is_tensor(model[0].weight)
