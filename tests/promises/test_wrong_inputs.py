"""Wrong inputs of what users call first: each message says what was given, what is allowed, and what to do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import mho
from mho.errors import MhoError

RPU = mho.presets.gokmen_2017()
NET = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
NORMED = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
ATTENTION = nn.Sequential(nn.MultiheadAttention(4, 2, batch_first=True))
MODEL = mho.convert(NET, RPU, quiet=True)
ARRAY = mho.Crossbar(RPU, 3, 4)
EXAMPLE = "for example mho.presets.gokmen_2017()"
LISTS = mho.Read(noise=[0.0, 0.1])


def convert(model: object = NET, rpu: object = RPU, **options: object) -> object:
    return lambda: mho.convert(model, rpu, quiet=True, **options)


def optimizer(model: object = MODEL, **options: object) -> object:
    return lambda: mho.AnalogSGD(model, **({"lr": 0.1} | options))


def crossbar(rpu: object = RPU, rows: object = 3, columns: object = 4, **options: object) -> object:
    return lambda: mho.Crossbar(rpu, rows, columns, **options)


def rpu(**parts: object) -> object:
    return lambda: mho.RPU(**parts)


# a call, and parts of its message: what was given, then what is allowed or to be done
CONVERT = {
    "a name for a model": (convert("lenet"), "model is 'lenet' | give a torch model | mho.models.LeNet()"),
    "a class for a model": (convert(mho.models.LeNet), "model is the class LeNet | mho.models.LeNet()"),
    "model and rpu swapped": (convert(RPU, NET), "model is of type RPU | give a torch model"),
    "a device for an rpu": (convert(rpu=mho.devices.SoftBounds()), "rpu is of type SoftBounds | mho.RPU(device=...)"),
    "a preset not called": (convert(rpu=mho.presets.gokmen_2017), f"the function gokmen_2017 | {EXAMPLE}"),
    "an unknown layer": (convert(exclude=["fc"]), "'fc' matches no layer | known: 0, 1, 2"),
    "a number to exclude": (convert(exclude=0), 'exclude is 0 | give a list of names, for example exclude=["fc2"]'),
    "numbers to exclude": (convert(exclude=[0]), "0 is no name of a layer | give text | known: 0, 1, 2"),
    "a part of attention": (
        convert(ATTENTION, exclude=["0.q_proj"]),
        "'0.q_proj' matches 0.q_proj, a part of layer 0 | exclude=[\"0\"]",
    ),
    "a module to exclude": (convert(exclude=[nn.Tanh()]), "Tanh() is no name of a layer | known: 0, 1, 2"),
    "all excluded": (convert(exclude=["*"]), "no layer was converted | RNNCell that is not excluded"),
    "a list of layers": (convert(layers=["0"]), "layers is ['0'] | give a dict of names and RPUs"),
    "a layer without an rpu": (convert(layers={"0": None}), "layers['0'] is None | give a mho.RPU"),
    "a fraction of a seed": (convert(seed=1.5), "seed is 1.5 | an integer of at least 0"),
    "too few seeds": (convert(seed=[0], replicas=2), "1 seeds for 2 replicas | give one seed per replica"),
    "no replicas": (convert(replicas=0), "replicas is 0 | give an integer of at least 1"),
    "digital replicas": (convert(NORMED, replicas=2), "1 would stay digital | use replicas=1"),
    "lists of two values": (
        convert(rpu=mho.RPU(forward=LISTS), replicas=3),
        "values for 2 replicas, and replicas is 3 | give replicas = 2, or lists of 3",
    ),
    "a converted model": (convert(MODEL), "has array layers already | convert the digital model"),
    "no values": (convert(nn.Linear(3, 2, device="meta")), "weight is on the meta device | load the model's weights"),
}
OPTIMIZER = {
    "parameters": (optimizer(MODEL.parameters()), "<generator | takes the converted model itself"),
    "a digital model": (optimizer(NET), "no array layers | mho.convert(model, rpu), or use torch.optim.SGD"),
    "no learning rate": (optimizer(lr=0), "lr is 0 | give a number greater than 0, for example 0.01"),
    "text for a rate": (optimizer(lr="0.1"), "lr is '0.1' | give a number greater than 0"),
    "an infinite rate": (optimizer(lr=float("inf")), "lr is inf | give a number greater than 0"),
    "momentum of arrays": (optimizer(momentum=0.9), "momentum=0.9 would have no effect | leave it at 0"),
    "text for momentum": (optimizer(momentum="x"), "momentum is 'x' | give a number of at least 0"),
    "infinite decay": (optimizer(weight_decay=float("inf")), "weight_decay is inf | a number of at least 0"),
    "a rate of no layer": (optimizer(layers={"fc": 0.1}), "layers: 'fc' matches no array layer | known: 0, 2"),
    "a rate of several arrays": (
        optimizer(mho.convert(ATTENTION, RPU, quiet=True), layers={"0": 0.1}),
        "'0' matches no array layer itself | give '0.*'",
    ),
    "a rate below 0": (optimizer(layers={"0": -1}), "layers['0']: lr is -1 | give a number greater than 0"),
    "a list of rates": (optimizer(layers=["0"]), "layers is ['0'] | give a dict of rates"),
}
UNCONVERTED = "so nothing of it would be trained | give the model that mho.convert returned"
DRIVER = {
    "the digital model": (
        lambda: mho.training.choose_driver(NET, mho.AnalogSGD(MODEL)),
        f"the model has no array layers | {UNCONVERTED}",
    ),
    "the digital model, driven by autograd": (
        lambda: mho.training.choose_driver(NET, mho.AnalogSGD(MODEL), prefer="autograd"),
        f"the model has no array layers | {UNCONVERTED}",
    ),
    "another model": (
        lambda: mho.training.choose_driver(mho.convert(NET, RPU, quiet=True), mho.AnalogSGD(MODEL)),
        "made for another model | mho.AnalogSGD(model, lr=0.01)",
    ),
    "a name for a model": (
        lambda: mho.training.choose_driver("lenet", mho.AnalogSGD(MODEL)),
        f"the model is 'lenet' | {UNCONVERTED}",
    ),
}
CROSSBAR = {
    "a name for an rpu": (crossbar("gokmen_2017"), f"rpu is 'gokmen_2017' | give a mho.RPU | {EXAMPLE}"),
    "another order": (crossbar(3, 4, RPU), "rpu is 3 | give a mho.RPU"),
    "no rows": (crossbar(rows=0), "out_features is 0 | give an integer of at least 1"),
    "a fraction of columns": (crossbar(columns=4.5), "in_features is 4.5 | give an integer of at least 1"),
    "a flag for rows": (crossbar(rows=True), "out_features is True | give an integer of at least 1"),
    "a seed below 0": (crossbar(seed=-1), "seed is -1 | give integers from 0 to 2**63 - 1"),
    "a number for a name": (crossbar(name=3), "name is 3 | give text"),
    "an unknown back end": (crossbar(backend="gpu"), "backend is 'gpu' | 'cpu'"),
    "a tile too small": (crossbar(RPU.replace(tile=(2, 2))), "exceed the tile of 2×2 | rpu.replace(tile=None)"),
    "vectors too wide": (lambda: ARRAY.forward(torch.zeros(2, 5)), "shape (2, 5) | give (1, T, 4) or (T, 4)"),
    "a transposed matrix": (lambda: ARRAY.write(torch.zeros(4, 3)), "shape (4, 3) | give (1, 3, 4) or (3, 4)"),
    "text to write": (lambda: ARRAY.write("ones"), "the weights are 'ones' | give a tensor or an array"),
    "vectors without a pair": (
        lambda: ARRAY.update(torch.zeros(2, 4), torch.zeros(3, 3), 0.1),
        "x has 2 vectors and d has 3 | give as many",
    ),
}
LAYERS = {
    "a list": (lambda: MODEL([1.0, 2.0]), "0: input [1.0, 2.0] | give a tensor"),
    "complex numbers": (lambda: MODEL(torch.zeros(2, 4, dtype=torch.complex64)), "input is complex | view_as_real"),
    "two inputs of replicas": (
        lambda: mho.convert(NET, RPU, replicas=2, quiet=True)(torch.zeros(2, 4), torch.zeros(2, 4), mask=None),
        "takes one tensor beside it (1 more, mask=) | before mho.convert",
    ),
    "a list for replicas": (
        lambda: mho.convert(NET, RPU, replicas=2, quiet=True)([1.0]),
        "takes one tensor, and not [1.0]",
    ),
}
PARTS = {
    "a class for a device": (
        rpu(device=mho.devices.SoftBounds),
        "device is | SoftBounds | give for example mho.devices.ConstantStep()",
    ),
    "a name for a cell": (rpu(cell="Single"), "cell is 'Single' | give for example mho.cells.Single()"),
    "noise for a read": (rpu(forward=0.06), "forward is 0.06 | give for example mho.Read()"),
    "a number for a tile": (rpu(tile=64), "tile is 64 | give (rows, columns), for example (64, 256)"),
    "a tile below 0": (rpu(tile=(-1, 4)), "rows is -1 | give an integer of at least 1"),
    "pulses for no device": (rpu(device=mho.devices.Ideal()), "Ideal device | use Exact"),
    "a cell beyond the tile": (
        rpu(cell=mho.cells.Replicated(8), tile=(4, 4)),
        "a cell of 8 devices | a tile of 4 rows | give more rows",
    ),
    "lists of two lengths": (
        rpu(forward=LISTS, backward=mho.Read(noise=[0.0, 0.1, 0.2])),
        "forward.noise has 2, backward.noise has 3 | give each one value per replica",
    ),
    "noise below 0": (lambda: mho.Read(noise=-1), "noise is -1 | give a number from 0"),
    "trains too long": (lambda: mho.Pulses(length=100), "length is 100 | give an integer from 1 to 64"),
}
TABLE = {
    f"{subject}: {label}": case
    for subject, cases in (
        ("convert", CONVERT),
        ("AnalogSGD", OPTIMIZER),
        ("choose_driver", DRIVER),
        ("Crossbar", CROSSBAR),
        ("layers", LAYERS),
        ("RPU", PARTS),
    )
    for label, case in cases.items()
}


@pytest.mark.parametrize(("call", "parts"), TABLE.values(), ids=TABLE)
def test_a_wrong_input_is_answered_with_what_was_given_and_what_to_do(call, parts):
    with pytest.raises(MhoError) as caught:
        call()
    message = str(caught.value)
    for part in parts.split(" | "):
        assert part in message
    assert len(message) < 400  # what fills a page is not read


def test_numbers_of_numpy_are_numbers():
    array = mho.Crossbar(RPU, np.int64(3), 4, seed=np.int64(1))
    assert array.weight.shape == (1, 3, 4)
    assert set(mho.AnalogSGD(MODEL, lr=np.float32(0.5)).rates().values()) == {0.5}
