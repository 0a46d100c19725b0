"""Fields of devices that are measured cell by cell: where they are given, what they do, what is refused."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch

import mho
from mho import RPU, Crossbar
from mho.arrays import build_array
from mho.cells import OneSided, Referenced, Replicated, Single
from mho.devices import ConstantStep, JumpTable, LinearStep, PiecewiseStep, SoftBounds, table
from mho.devices.fields import as_per_cell
from mho.errors import InvalidValue, WrongCall
from mho.testing import check_device, pulse_response
from tests.helpers.own_effects import Sag

ROWS, COLUMNS, VECTORS = 6, 9, 20
STEPS = np.random.default_rng(0).uniform(0.001, 0.003, (ROWS, COLUMNS))
DEVICES = {
    "spreads": SoftBounds(c2c=mho.per_cell(0.3, spread=0.1), stuck=0.1, decay=mho.per_cell(0.01, spread=0.2)),
    "no spread": ConstantStep(dw_min=0.002, up_down=1.0, w_max=0.6, w_min=-0.6),
    "tables": PiecewiseStep(up=table([1.5, 1.0, 0.5], spread=0.2)),
    "effect": SoftBounds(effects=(Sag(rate=mho.per_cell(0.01, spread=0.3)),)),
}


class Leak(mho.Effect):
    """An effect with a rule."""

    rate: float = 0.1

    def _more_faults(self, faults):
        faults.number("rate", as_per_cell(self.rate).mean, low=0.0)

    @staticmethod
    def aged(w, cell, dt, z):
        return w * (1 - cell.rate * dt)


def trained(array: mho.arrays.Array, vectors: int = VECTORS) -> mho.arrays.Array:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(array.replicas, vectors, COLUMNS, generator=generator) * 2 - 1
    array.update(x, torch.rand(array.replicas, vectors, ROWS, generator=generator) - 0.5, 0.05)
    return array


@pytest.mark.parametrize("tile", [None, (6, 3)])  # tiles of one shape, several of them
@pytest.mark.parametrize(
    "cell", [Single(), Replicated(3), Referenced(), OneSided()], ids=lambda cell: type(cell).__name__
)
@pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES)
def test_cell_parameters_make_the_array_that_they_are_of(device, cell, tile):
    """In NumPy: what is drawn and what moves it is the same in every back end, and no kernel is compiled for it."""
    rpu = RPU(device=device, cell=cell, tile=tile, update=mho.Pulses(length=3))
    options = {"replicas": 2, "backend": "reference"}
    first = build_array(rpu, ROWS, COLUMNS, seed=3, **options)
    fields = first.cell_parameters()
    second = build_array(rpu, ROWS, COLUMNS, seed=3, cell_parameters=fields, **options)
    assert trained(second, 2).state_dict().keys() == trained(first, 2).state_dict().keys()
    for name, values in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], values), name
    for name, values in second.cell_parameters().items():
        assert torch.equal(values, fields[name]), name
    third = build_array(rpu, ROWS, COLUMNS, seed=4, cell_parameters=fields, **options)
    assert all(torch.equal(values, fields[name]) for name, values in third.cell_parameters().items())


@pytest.mark.parametrize("tile", [None, (4, 4)])
def test_measured_steps_are_those_of_the_cells(tile):
    """A pulse at every cross-point moves each by its own step."""
    device = ConstantStep(dw_min=mho.per_cell(values=STEPS), c2c=0, up_down=1, w_max=0.6, w_min=-0.6)
    array = build_array(RPU(device=device, tile=tile, update=mho.Pulses(length=1)), ROWS, COLUMNS, replicas=2)
    assert device.mean_step() == pytest.approx(STEPS.mean(), rel=1e-6)
    array.write(torch.zeros(ROWS, COLUMNS))
    array.pulse(torch.ones(2, 1, COLUMNS), torch.ones(2, 1, ROWS))
    for replica in array.weight.numpy():
        assert replica == pytest.approx(STEPS, rel=1e-5)  # float32


def test_values_come_as_arrays_tensors_and_lists():
    wanted = RPU(device=SoftBounds(dw_min=mho.per_cell(values=STEPS)))
    for values in (STEPS.tolist(), torch.tensor(STEPS, requires_grad=True), STEPS.astype(np.float32)):
        assert RPU(device=SoftBounds(dw_min=mho.per_cell(values=values))) == wanted
    other = STEPS.copy()
    other[0, 0] *= 2
    changed = RPU(device=SoftBounds(dw_min=mho.per_cell(values=other)))
    nominal = SoftBounds(dw_min=mho.per_cell(0.005, values=STEPS))
    assert changed != wanted
    assert hash(changed.device) != hash(wanted.device)
    assert nominal != wanted.device
    assert nominal.mean_step() == 0.005
    for twin in (copy.deepcopy(wanted), pickle.loads(pickle.dumps(wanted))):
        assert twin == wanted
        assert hash(twin.device) == hash(wanted.device)
    array = Crossbar(wanted, ROWS, COLUMNS)
    STEPS_BEFORE = STEPS[0, 0]
    given = STEPS.copy()
    device = SoftBounds(dw_min=mho.per_cell(values=given))
    given[0, 0] = 9
    assert float(Crossbar(RPU(device=device), ROWS, COLUMNS).cell_parameters()["dw_min"][0, 0, 0, 0]) == np.float32(
        STEPS_BEFORE
    )
    assert torch.equal(trained(copy.deepcopy(array)).weight, trained(array).weight)


def test_printing_does_not_print_every_cell():
    text = str(RPU(device=SoftBounds(dw_min=mho.per_cell(values=np.full((300, 400), 0.002)))))
    assert "dw_min=per_cell(0.002, values=300×400 numbers from 0.002 to 0.002)" in text
    assert len(text) < 2000


def test_one_map_a_device_and_a_replica():
    maps = np.random.default_rng(1).uniform(0.001, 0.003, (2, 3, ROWS, COLUMNS)).astype(np.float32)
    for values, wanted in ((maps, maps), (maps[0], maps[[0, 0]]), (maps[:1], maps[[0, 0]])):
        rpu = RPU(device=SoftBounds(dw_min=mho.per_cell(values=values)), cell=Replicated(3))
        made = Crossbar(rpu, ROWS, COLUMNS, replicas=2)
        assert np.array_equal(made.cell_parameters()["dw_min"], wanted)
    together = Crossbar(RPU(cell=Replicated(3)), ROWS, COLUMNS, replicas=2, cell_parameters={"dw_min": maps})
    alone = Crossbar(RPU(cell=Replicated(3)), ROWS, COLUMNS, seed=1, cell_parameters={"dw_min": maps[1]})
    # pulse gains stay those of the RPU, whatever the cells' mean
    generator = torch.Generator().manual_seed(2)
    x, d = torch.rand(9, COLUMNS, generator=generator), torch.rand(9, ROWS, generator=generator)
    together.update(x.expand(2, -1, -1), d.expand(2, -1, -1), 0.05)
    alone.update(x, d, 0.05)
    assert torch.equal(together.weight[1], alone.weight[0])


def test_a_map_of_stuck_devices():
    stuck = np.zeros((ROWS, COLUMNS), bool)
    stuck[2, 3] = stuck[5, 8] = True
    array = Crossbar(RPU(device=SoftBounds(stuck=mho.per_cell(values=stuck))), ROWS, COLUMNS)
    before = array.weight.clone()
    trained(array)
    assert np.array_equal((array.weight == before)[0].numpy(), stuck)


def test_layers_of_a_model_have_their_own_maps_and_a_state_keeps_them():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(16, 5))
    steps = np.random.default_rng(2).uniform(0.001, 0.003, (5, 17))
    own = RPU(device=SoftBounds(dw_min=mho.per_cell(values=steps)))
    converted = mho.convert(model, RPU(), layers={"2": own}, quiet=True)
    found = converted[2].crossbars[0].cell_parameters()["dw_min"]
    assert np.array_equal(found, steps.astype(np.float32)[None, None])
    other = mho.convert(model, RPU(), seed=7, layers={"2": own.replace(device=SoftBounds())}, quiet=True)
    other.load_state_dict(converted.state_dict())
    assert torch.equal(other[2].crossbars[0].cell_parameters()["dw_min"], found)
    with pytest.raises(InvalidValue, match=r"0: dw_min has values of shape \(5, 17\); this array takes \(4, 10\) or"):
        mho.convert(model, own, quiet=True)
    with pytest.raises(InvalidValue, match=r"shape \(5, 16\).* 17 inputs count a layer's bias, as the last"):
        mho.convert(model, RPU(), layers={"2": RPU(device=SoftBounds(dw_min=mho.per_cell(values=steps[:, :16])))})


def test_checks_take_the_cells_in_turn():
    device = SoftBounds(dw_min=mho.per_cell(values=STEPS), w_max=0.6, w_min=-0.6)
    assert check_device(device).states == pytest.approx(1.2 / STEPS.mean(), rel=1e-5)
    drawn = pulse_response(device, cells=4, pulses=3).cells["dw_min"]
    assert np.array_equal(drawn, STEPS.ravel()[:4].astype(np.float32))


WHOLE = (1, 1, ROWS, COLUMNS)


def spoilt(*places: tuple[int, int], value: float) -> np.ndarray:
    values = np.full((ROWS, COLUMNS), 0.01)
    for place in places:
        values[place] = value
    return values


@pytest.mark.parametrize(
    ("device", "given", "parts"),
    [
        (SoftBounds(), {"dw_mn": STEPS}, ("'dw_mn'", "did you mean 'dw_min'")),
        (SoftBounds(), {"decay": STEPS}, ("'decay'", "it is off in this device: give decay to the device")),
        (SoftBounds(), {"dw_min": STEPS.T}, ("dw_min", "(9, 6)", "(6, 9) or (1, 6, 9) or (1, 1, 6, 9)")),
        (SoftBounds(), {"dw_min": STEPS.ravel()}, ("dw_min", "(54,)")),
        (SoftBounds(), {"dw_min": 0.002}, ("dw_min has values of shape ()",)),
        (SoftBounds(), {"dw_min": [[1, 2], [3]]}, ("dw_min are [[1, 2], [3]]", "rows of one length")),
        (SoftBounds(), {"dw_min": spoilt((1, 2), value=np.nan)}, ("dw_min hold NaN", "1 of 54", "(1, 2)")),
        (SoftBounds(), {"dw_min": spoilt((1, 2), value=1e300)}, ("beyond float32", "(1, 2)")),
        (SoftBounds(), {"dw_min": np.ma.masked_less(STEPS, 0.0015)}, ("masked",)),
        (SoftBounds(), {"dw_min": STEPS.astype(complex)}, ("array of real numbers",)),
        (SoftBounds(), {"dw_min": STEPS.astype(str)}, ("array of real numbers",)),
        (
            SoftBounds(),
            {"dw_min": spoilt((1, 2), (3, 4), value=-1), "c2c": spoilt((0, 5), value=-0.1)},
            (
                "dw_min: 2 of 54 cells are refused, the first (replica, device, out, in) = (0, 0, 1, 2) with -1; ",
                "give a number greater than 0",
                "c2c: 1 of 54 cells are refused",
                "give a number of at least 0",
            ),
        ),
        (SoftBounds(decay=0.1), {"decay": spoilt((0, 0), value=-1)}, ("decay: 1 of 54", "of at least 0")),
        (SoftBounds(effects=(Leak(),)), {"Leak.rate": spoilt((0, 0), value=-1)}, ("Leak.rate: 1 of 54", "at least 0")),
        (SoftBounds(stuck=0.1), {"stuck": spoilt(value=0)}, ("stuck: 54 of 54", "give 1 for a device that is, else 0")),
        (SoftBounds(), {"w_max": spoilt((4, 4), value=-9)}, ("w_min is not below w_max in 1 of 54", "(0, 4, 4)")),
        (LinearStep(), {"w_max": spoilt((4, 4), value=-0.001)}, ("1 bounds lie on the wrong side", "(0, 4, 4)")),
        (PiecewiseStep(), {"up": np.full((*WHOLE, 7), -1.0)}, ("up: up holds -1; give steps of at least 0",)),
        (PiecewiseStep(), {"up": np.ones((*WHOLE, 6))}, ("up", "(6, 9, 7)")),
        (JumpTable(), {"sample": spoilt((0, 0), value=2)}, ("sample: 1 of 54", "from 0 to 1")),
    ],
)
def test_what_the_cells_cannot_be_is_refused(device, given, parts):
    with pytest.raises(InvalidValue) as error:
        Crossbar(RPU(device=device), ROWS, COLUMNS, name="fc", cell_parameters=given)
    assert str(error.value).startswith("array fc: ")
    assert all(part in str(error.value) for part in parts), str(error.value)


@pytest.mark.parametrize(
    ("make", "error", "parts"),
    [
        (lambda: mho.per_cell(), WrongCall, ("mean is missing", "values=...")),
        (lambda: mho.per_cell(values=[1.0, 2.0]), InvalidValue, ("shape (2,)", "(out, in)")),
        (lambda: mho.per_cell(values=[[1.0, np.inf]]), InvalidValue, ("1 of 2 cells", "(0, 1)")),
        (
            lambda: SoftBounds(dw_min=mho.per_cell(values=STEPS, spread=0.3)),
            InvalidValue,
            ("dw_min: ", "spread, std and distribution have no effect"),
        ),
        (lambda: SoftBounds(dw_min=mho.per_cell(values=-STEPS)), InvalidValue, ("dw_min is -0.002", "greater than 0")),
        (lambda: SoftBounds(stuck=mho.per_cell(values=STEPS)), InvalidValue, ("stuck has 54 values", "(0, 0)")),
        (
            lambda: RPU(device=SoftBounds(dw_min=mho.per_cell(values=STEPS))).to_toml(),
            InvalidValue,
            ("dw_min of this SoftBounds", "numpy.save", "mho.per_cell(values=...)"),
        ),
        (lambda: Crossbar(RPU(), 2, 2, cell_parameters=[1]), InvalidValue, ("cell_parameters is [1]", "dict")),
        (
            lambda: Crossbar(RPU(cell=Replicated(2)), 6, 9, cell_parameters={"c2c": STEPS}),
            InvalidValue,
            ("(2, 6, 9)", "a weight has 2 devices"),
        ),
    ],
)
def test_impossible_values_are_refused(make, error, parts):
    with pytest.raises(error) as found:
        make()
    assert all(part in str(found.value) for part in parts), str(found.value)


def test_nothing_is_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(Crossbar(RPU(device=SoftBounds(dw_min=mho.per_cell(values=STEPS))), ROWS, COLUMNS))
