"""Cells of a weight device and a reference device: at reference 0 a Single to the bit, else the difference."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import mho
from mho import RPU
from mho.arrays import Array, TiledArray, build_array
from mho.cells import Referenced, Single
from mho.devices import ConstantStep
from mho.errors import InvalidValue, WrongUse
from mho.hardware import array_table, planned_table
from mho.models import NETWORKS
from mho.nn import ArrayLayer, conversion_rows
from mho.training import choose_driver
from mho.training.checkpoint import fill
from tests.helpers.laws import Soft
from tests.helpers.zoo import batch_of, model_of

EXACT = mho.presets.floating_point()
NOISY = mho.presets.gokmen_2017(update_management=True)
SOFT = NOISY.replace(device=Soft())
SIZE = (10, 23)
TILES = {"whole": (None, None), "tiled": ((4, 9), (8, 9))}
"""Tiles for a Single and for a Referenced, whose weights take two lines, with the same weights in each."""


def some(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def cycle(array: Array, step: int) -> tuple[Tensor, ...]:
    """A forward, a backward, an update and an evaluation."""
    x, d = some(array.replicas, 2, SIZE[1], seed=step), some(array.replicas, 2, SIZE[0], seed=step + 9, scale=0.1)
    answers = [array.forward(x), array.backward(d)]
    array.update(x, d, 0.02)
    answers += [array.eval().forward(x), array.read()]
    array.train()
    return tuple(answers)


def layers_of(model: nn.Module) -> list[ArrayLayer]:
    return [module for module in model.modules() if isinstance(module, ArrayLayer)]


def arrays_of(model: nn.Module) -> list[Array]:
    return [array for layer in layers_of(model) for array in layer.crossbars]


# A reference of 0 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("rpu", [NOISY, SOFT, EXACT], ids=["constant", "soft", "exact"])
def test_with_reference_zero_an_array_has_the_bits_of_a_single(rpu, tile, backend):
    tiles = TILES[tile]
    single = build_array(rpu.replace(tile=tiles[0]), *SIZE, seed=3, replicas=2, backend=backend)
    array = build_array(rpu.replace(tile=tiles[1], cell=Referenced()), *SIZE, seed=3, replicas=2, backend=backend)
    assert isinstance(array, TiledArray) == (tile == "tiled")
    start = single.weight.clone()
    for step in range(2):
        for ours, theirs in zip(cycle(array, step), cycle(single, step), strict=True):
            assert torch.equal(ours, theirs)
        p, q = some(2, 3, SIZE[1], seed=step).clamp(-1, 1), some(2, 3, SIZE[0], seed=step).clamp(-1, 1)
        if rpu is not EXACT and backend == "cpu":
            array.pulse(p, q)
            single.pulse(p, q)
        assert torch.equal(array.weight, single.weight)
    assert (single.weight != start).float().mean() > 0.5
    assert torch.equal(array.device_weights[:, :1], single.device_weights)
    assert not array.device_weights[:, 1].any()
    for name, counts in single.counters().items():
        assert torch.equal(array.counters()[name], counts), name
    for name, values in single.cell_parameters().items():
        own = array.cell_parameters()[name]
        assert own.shape == (2, 2, *SIZE)
        assert torch.equal(own[:, :1], values), name
        varies = rpu.device.parameters()[name].varies
        assert torch.equal(own[:, 1], own[:, 0]) != varies, name  # the reference is a device of its own


@pytest.mark.parametrize("kind", ["online", "autograd"])
@pytest.mark.parametrize("threads", [1, 2])
def test_networks_with_reference_zero_have_the_bits_of_singles(kind, threads, set_threads):
    set_threads(threads)
    replicas = 3
    models = [
        mho.convert(model_of("convolutions"), SOFT.replace(cell=cell), replicas=replicas, quiet=True)
        for cell in (Single(), Referenced())
    ]
    before = [array.weight.clone() for array in arrays_of(models[0])]
    drivers = [choose_driver(m, mho.AnalogSGD(m, lr=0.05), F.cross_entropy, prefer=kind) for m in models]
    for step in range(3):
        x, y = batch_of("convolutions", replicas, 2, step, own=True)
        single, own = (driver.step(x, y) for driver in drivers)
        assert np.array_equal(single.out, own.out)
    images, labels = zip(*(batch_of("convolutions", replicas, 2, step, own=True) for step in range(3, 6)), strict=True)
    each = [driver.steps(torch.stack(images), torch.stack(labels)) for driver in drivers]
    for single, own in zip(*each, strict=True):
        assert np.array_equal(single.out, own.out)
    for old, one, other in zip(before, *map(arrays_of, models), strict=True):
        assert torch.equal(one.weight, other.weight)
        assert torch.equal(one.vectors, other.vectors)
        assert not torch.equal(one.weight, old)


# What reads see ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("tile", TILES)
def test_reads_see_the_difference(tile, backend):
    """As a Single that holds g - g_ref: the same noise, the same bits, also once an update has moved g."""
    wide = NOISY.replace(device=ConstantStep(w_max=9.0, w_min=-9.0))
    single = build_array(wide.replace(tile=TILES[tile][0]), *SIZE, seed=1, replicas=2, backend=backend)
    array = build_array(
        SOFT.replace(tile=TILES[tile][1], cell=Referenced()), *SIZE, seed=1, replicas=2, backend=backend
    )
    for step in range(3):
        array.write_reference(some(2, *SIZE, seed=step, scale=0.1))
        single.write(array.weight)
        assert torch.equal(single.weight, array.weight)
        assert torch.equal(array.weight, array.device_weights[:, 0] - array.device_weights[:, 1])
        x, d = some(2, 2, SIZE[1], seed=step), some(2, 2, SIZE[0], seed=step, scale=0.1)
        assert torch.equal(array.forward(x), single.forward(x))
        assert torch.equal(array.backward(d), single.backward(d))
        assert torch.equal(array.read(), single.read())
        held = array.device_weights.clone()
        for one in (array, single):
            one.update(x, d, 0.02)
        assert torch.equal(array.device_weights[:, 1], held[:, 1])
        assert not torch.equal(array.device_weights[:, 0], held[:, 0])
        single.write(array.weight)
        assert torch.equal(array.forward(x), single.forward(x))


@pytest.mark.parametrize("change", ["write", "reference", "load", "assign", "fill"])
def test_every_way_to_change_a_device_is_seen_by_the_online_driver(change):
    """A chain that has run keeps buffers of the difference; the next step must see what was written in between."""
    x, y = batch_of("mlp", 2, 1, 0, own=True)

    def stepped(cell: object) -> tuple[nn.Module, object]:
        model = mho.convert(model_of("mlp"), EXACT.replace(cell=cell), replicas=2, quiet=True)
        driver = choose_driver(model, mho.AnalogSGD(model, lr=0.5), F.cross_entropy, prefer="online", per_replica=True)
        driver.step(x, y)
        driver.step(x, y)
        for array in arrays_of(model):
            array.read()  # what was made for it is up to date, until the array changes
        return model, driver

    model, driver = stepped(Referenced())
    other, _ = stepped(Referenced())
    for array in arrays_of(other):
        array.write_reference(some(2, array.out_features, array.in_features, scale=0.3))
    for array, theirs in zip(arrays_of(model), arrays_of(other), strict=True):
        if change == "write":
            array.write(theirs.weight)
        elif change == "reference":
            array.write_reference(theirs.device_weights[:, 1])
    if change in ("load", "assign"):
        model.load_state_dict(other.state_dict(), assign=change == "assign")
    elif change == "fill":
        fill(model.state_dict(), other.state_dict(), "", None)
    weights = [array.weight.clone() for array in arrays_of(model)]
    if change != "write":  # g_ref + w is rounded
        assert all(torch.equal(w, array.weight) for w, array in zip(weights, arrays_of(other), strict=True))
    single, expected = stepped(Single())
    for array, w in zip(arrays_of(single), weights, strict=True):
        array.write(w)
    before = expected.step(x, y).out
    assert np.array_equal(driver.step(x, y).out, before)
    assert not np.array_equal(driver.step(x, y).out, before)


def test_arrays_made_in_inference_mode_see_what_is_written():
    """Torch does not count the changes of their tensors."""
    with torch.inference_mode():
        array = mho.Crossbar(EXACT.replace(cell=Referenced()), 3, 4)
        before = array.forward(torch.ones(2, 4))
        array.write_reference(torch.full((3, 4), 0.25))
        torch.testing.assert_close(array.forward(torch.ones(2, 4)), before - 1.0)
        array.write(torch.full((3, 4), 0.5))
        torch.testing.assert_close(array.forward(torch.ones(2, 4)), torch.full((2, 3), 2.0))


# Bounds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile", TILES)
def test_every_device_stays_within_its_own_bounds(tile):
    array = build_array(SOFT.replace(tile=TILES[tile][1], cell=Referenced()), *SIZE, seed=5, replicas=2)
    fields = array.cell_parameters()
    low, high = fields["w_min"], fields["w_max"]
    asked = some(2, *SIZE, scale=0.5)
    array.write_reference(asked)
    reference = array.device_weights[:, 1]
    assert torch.equal(reference, asked.clamp(low[:, 1], high[:, 1]))
    assert 0.05 < (reference != asked).float().mean() < 0.6
    wanted = some(2, *SIZE, seed=1, scale=0.5)
    array.write(wanted)
    g = array.device_weights[:, 0]
    assert torch.equal(g, (reference + wanted).clamp(low[:, 0], high[:, 0]))
    assert torch.equal(array.weight, g - reference)
    for sign, end in ((1.0, high), (-1.0, low)):
        ones = torch.ones(2, 2000, SIZE[1])
        array.pulse(ones, sign * torch.ones(2, 2000, SIZE[0]))
        g = array.device_weights[:, 0]
        assert bool((g <= high[:, 0]).all() and (g >= low[:, 0]).all())
        # 20,000 steps of 0.001·(1 - g/bound): on average within noise, some F·s√(0.6 F) ≈ 7e-6, of the bound
        assert (g - end[:, 0]).abs().median() < 1e-3
        assert torch.equal(array.device_weights[:, 1], reference)


def test_converting_reports_the_share_clipped_of_a_single():
    rows = []
    for cell in (Single(), Referenced()):
        net = nn.Linear(30, 20)
        nn.init.uniform_(net.weight, -1, 1, generator=torch.Generator().manual_seed(0))
        rows.append(conversion_rows(mho.convert(net, NOISY.replace(cell=cell), quiet=True))[0])
    assert 0.2 < rows[0].clipped < 0.6
    assert rows[0].clipped == rows[1].clipped
    assert "reference device" in rows[1].became


# Write error ---------------------------------------------------------------------------------------------


def test_a_write_error_is_drawn_anew_by_each_array_and_replica():
    wide = SOFT.replace(device=Soft(w_max=10.0, w_min=-10.0), cell=Referenced())
    array = mho.Crossbar(wide, 40, 50, seed=3, replicas=2, name="a")
    errors = []
    for _ in range(2):
        array.write_reference(torch.full((40, 50), 0.1), error=0.02)
        errors.append(array.device_weights[:, 1] - 0.1)
    # 4,000 draws: standard error of the spread 1.1 %, of the mean 1.6 %
    assert abs(float(errors[0].std()) / 0.02 - 1) < 0.05
    assert abs(float(errors[0].mean())) < 0.0013
    assert not torch.equal(errors[0], errors[1])
    alone = mho.Crossbar(wide, 40, 50, seed=4, name="a")
    alone.write_reference(torch.full((40, 50), 0.1), error=0.02)
    assert torch.equal(alone.device_weights[0, 1] - 0.1, errors[0][1])
    other = mho.Crossbar(wide, 40, 50, seed=4, name="b")
    other.write_reference(torch.full((40, 50), 0.1), error=0.02)
    assert not torch.equal(other.device_weights, alone.device_weights)


def test_what_write_reference_refuses():
    array = mho.Crossbar(SOFT.replace(cell=Referenced()), 3, 4)
    with pytest.raises(WrongUse, match="Single have no reference"):
        mho.Crossbar(SOFT, 3, 4).write_reference(torch.zeros(3, 4))
    with pytest.raises(InvalidValue, match=r"references of shape \(4, 3\)"):
        array.write_reference(torch.zeros(4, 3))
    with pytest.raises(InvalidValue, match="references to write hold NaN"):
        array.write_reference(torch.full((3, 4), torch.nan))
    for error in (-0.1, float("nan"), True, "0.1"):
        with pytest.raises(InvalidValue, match="error is"):
            array.write_reference(torch.zeros(3, 4), error=error)
    for length in (0, -1, 1.5, True):
        with pytest.raises(InvalidValue, match="length is"):
            array.pulse(torch.ones(1, 4), torch.ones(1, 3), length=length)


def test_a_length_of_one_is_one_pulse_a_vector():
    array = mho.Crossbar(SOFT, 3, 4)
    array.pulse(torch.ones(5, 4), torch.ones(5, 3), length=1)
    assert int(array.counters()["coincidences"]) == 5 * 3 * 4
    array.pulse(torch.ones(5, 4), torch.ones(5, 3))
    assert int(array.counters()["coincidences"]) == (1 + 10) * 5 * 3 * 4


# State ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["deepcopy", "pickle", "state_dict"])
@pytest.mark.parametrize("tile", TILES)
def test_copies_go_on_with_the_same_bits(tile, way):
    def fresh(seed: int) -> Array:
        return build_array(SOFT.replace(tile=TILES[tile][1], cell=Referenced()), *SIZE, seed=seed, replicas=2)

    array = fresh(3)
    array.write_reference(some(*SIZE, scale=0.1), error=0.01)
    cycle(array, 0)
    if way == "state_dict":
        twin = fresh(8)
        twin.load_state_dict(array.state_dict())
    else:
        twin = copy.deepcopy(array) if way == "deepcopy" else pickle.loads(pickle.dumps(array))
    for ours, theirs in zip(cycle(twin, 1), cycle(array, 1), strict=True):
        assert torch.equal(ours, theirs)
    for one in (array, twin):
        one.write_reference(torch.zeros(SIZE), error=0.02)
    assert torch.equal(twin.device_weights, array.device_weights)
    for name, values in array.cell_parameters().items():
        assert torch.equal(twin.cell_parameters()[name], values), name


def test_toml_and_tables_of_hardware_know_the_cell():
    rpu = SOFT.replace(cell=Referenced())
    assert RPU.from_toml(rpu.to_toml()) == rpu
    with pytest.raises(InvalidValue, match="2 devices does not fit a tile of 1 rows"):
        rpu.replace(tile=(1, 100))
    planned = planned_table(NETWORKS["mlp"], rpu.replace(tile=(64, None)))
    model = mho.convert(NETWORKS["mlp"].build(), rpu.replace(tile=(64, None)), quiet=True)
    assert array_table(model, torch.zeros(1, 1, 28, 28)) == planned
    assert [(row.devices, row.references, row.tiles) for row in planned] == [(2, 1, 8), (2, 1, 4), (2, 1, 1)]
    assert [row.cross_points - row.weights * row.references for row in planned] == [row.weights for row in planned]
    assert [row.cross_points for row in planned] == [2 * row.weights for row in planned]
