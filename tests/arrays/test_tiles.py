"""Layers larger than an array: the same physics as crossbars put together by hand, whatever they are cut into."""

from __future__ import annotations

import copy
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import mho
from mho import RPU, Pulses, Read, Tile
from mho.arrays import TiledArray, build_array
from mho.arrays.layout import places, spread
from mho.cells import Replicated, Single
from mho.data import digits
from mho.devices import ConstantStep
from mho.errors import InvalidValue
from mho.hardware import array_table, planned_table
from mho.models import NETWORKS, Network
from mho.nn import ArrayLayer, conversion_rows
from mho.report import write_report
from mho.runs import Experiment, Run

EXACT = mho.presets.floating_point()
NOISY = mho.presets.gokmen_2017(update_management=True)
BOUNDED = NOISY.replace(
    forward=Read(noise=0.06, bound=1.0, noise_management=True, dac_bits=7),
    backward=Read(noise=0.02, bound=0.5, bound_management=True, adc_bits=9),
    update=Pulses(length=5, update_management=True),
)
SIZE = (10, 23)  # in tiles of 4×9: rows of 4, 3, 3 and columns of 8, 8, 7
ROWS = [(0, 4), (4, 7), (7, 10)]
COLUMNS = [(0, 8), (8, 16), (16, 23)]


def some(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def by_hand(rpu: RPU, replicas: int, backend: str) -> dict[tuple[int, int], mho.Crossbar]:
    """The tiles of SIZE as crossbars of their own, with the weights that the whole starts from."""
    whole = mho.Crossbar(EXACT, *SIZE, seed=3, replicas=replicas, name="fc").weight
    tiles = {}
    for i, (top, bottom) in enumerate(ROWS):
        for j, (left, right) in enumerate(COLUMNS):
            tile = mho.Crossbar(
                rpu.replace(tile=None),
                bottom - top,
                right - left,
                seed=3,
                replicas=replicas,
                name=f"fc.tile{i}.{j}",
                backend=backend,
            )
            tile.write(whole[:, top:bottom, left:right])
            tiles[i, j] = tile
    return tiles


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("cell", [Single(), Replicated(3)], ids=["Single", "Replicated"])
@pytest.mark.parametrize("rpu", [NOISY, BOUNDED], ids=["noisy", "bounded"])
def test_a_tiled_array_is_crossbars_whose_sums_are_added_in_order(rpu, cell, backend):
    replicas = 2
    devices = rpu.replace(cell=cell).devices
    rpu = rpu.replace(cell=cell, tile=(4 * devices + devices - 1, 9))
    array = build_array(rpu, *SIZE, seed=3, replicas=replicas, name="fc", backend=backend)
    tiles = by_hand(rpu, replicas, backend)
    assert isinstance(array, TiledArray)
    assert array.tile_shapes == {tile.name: (tile.out_features, tile.in_features) for tile in tiles.values()}
    assert len(array.batches) == 4
    start = array.state
    for step in range(3 if backend == "cpu" else 1):  # the reference takes a second a step
        x, d = some(replicas, 5, 23, seed=step, scale=2.0), some(replicas, 5, 10, seed=step + 9, scale=0.1)
        y, z = array.forward(x), array.backward(d)
        array.update(x, d, 0.02)
        for i, (top, bottom) in enumerate(ROWS):
            parts = [tiles[i, j].forward(x[..., left:right]) for j, (left, right) in enumerate(COLUMNS)]
            assert torch.equal(y[..., top:bottom], parts[0] + parts[1] + parts[2])
        for j, (left, right) in enumerate(COLUMNS):
            parts = [tiles[i, j].backward(d[..., top:bottom]) for i, (top, bottom) in enumerate(ROWS)]
            assert torch.equal(z[..., left:right], parts[0] + parts[1] + parts[2])
        for (i, j), tile in tiles.items():
            tile.update(x[..., slice(*COLUMNS[j])], d[..., slice(*ROWS[i])], 0.02)
    each = {name: tile.device_weights for name, tile in tiles.items()}
    held = array.device_weights
    for (i, j), weights in each.items():
        assert torch.equal(held[:, :, slice(*ROWS[i]), slice(*COLUMNS[j])], weights)
    assert torch.equal(array.state.view_as(held), held)
    assert torch.equal(array.weight, held.mean(dim=1) if devices > 1 else held[:, 0])
    assert (array.state != start).float().mean() > 0.9
    for counter, counts in array.counters().items():
        assert torch.equal(counts, sum(tile.counters()[counter] for tile in tiles.values())), counter
    for field, values in array.cell_parameters().items():
        for (i, j), tile in tiles.items():
            assert torch.equal(values[:, :, slice(*ROWS[i]), slice(*COLUMNS[j])], tile.cell_parameters()[field]), field
    seen, units = array.read(), torch.eye(23).expand(replicas, -1, -1)
    for i, (top, bottom) in enumerate(ROWS):
        parts = [tiles[i, j].eval().forward(units[..., left:right]) for j, (left, right) in enumerate(COLUMNS)]
        assert torch.equal(seen[:, top:bottom], (parts[0] + parts[1] + parts[2]).transpose(1, 2))
    p, q = some(replicas, 2, 23).clamp(-1, 1), some(replicas, 2, 10).clamp(-1, 1)
    array.pulse(p, q)
    tiles[2, 1].pulse(p[..., 8:16], q[..., 7:10])
    assert torch.equal(array.device_weights[:, :, 7:10, 8:16], tiles[2, 1].device_weights)


@pytest.mark.parametrize("cell", [Single(), Replicated(3)], ids=["Single", "Replicated"])
@pytest.mark.parametrize("tile", [(30, 23), (1000, None), (None, 23), (None, 50)], ids=str)
def test_a_tile_that_holds_the_matrix_is_the_untiled_array(tile, cell):
    plain = mho.Crossbar(BOUNDED.replace(cell=cell), *SIZE, seed=1, name="fc")
    array = build_array(BOUNDED.replace(cell=cell, tile=tile), *SIZE, seed=1, name="fc")
    assert isinstance(array, mho.Crossbar)
    for one in (plain, array):
        one.update(some(4, 23), some(4, 10), 0.02)
    assert torch.equal(plain.forward(some(4, 23)), array.forward(some(4, 23)))
    assert torch.equal(plain.state, array.state)
    assert plain.state_dict().keys() == array.state_dict().keys()


def test_weights_start_with_the_values_of_the_whole_before_each_device_clips():
    wide = ConstantStep(w_max=10.0, w_min=-10.0)
    whole = mho.Crossbar(RPU(device=wide), *SIZE, seed=5, replicas=2, name="fc")
    tiled = build_array(RPU(device=wide, tile=(4, 9)), *SIZE, seed=5, replicas=2, name="fc")
    assert torch.equal(whole.weight, tiled.weight)
    tiled.write(torch.zeros(SIZE))
    tiled.reset_weights()
    assert torch.equal(whole.weight, tiled.weight)
    narrow = build_array(RPU(tile=(4, 9)), *SIZE, seed=5, replicas=2, name="fc")
    fields = narrow.cell_parameters()
    assert torch.equal(narrow.weight, whole.weight.clamp(fields["w_min"][:, 0], fields["w_max"][:, 0]))


@given(total=st.integers(1, 300), most=st.integers(1, 300))
def test_parts_are_few_even_and_whole(total, most):
    parts = spread(total, most)
    lengths = [part.stop - part.start for part in parts]
    assert sum(lengths) == total
    assert len(parts) == -(-total // most)
    assert max(lengths) <= most
    assert max(lengths) - min(lengths) <= 1
    assert [part.start for part in parts] == [0, *np.cumsum(lengths)[:-1]]


@pytest.mark.parametrize(
    ("devices", "rows", "expected"), [(1, 4, 3), (13, 26, 5), (13, 38, 5), (13, 39, 4), (4, 4, 10)]
)
def test_a_tile_holds_whole_cells(devices, rows, expected):
    rpu = RPU(cell=Replicated(devices), tile=(rows, 100))
    assert len(places(rpu, 10, 23)) == expected


# Statistics


@pytest.mark.parametrize(("way", "tiles"), [("forward", 4), ("backward", 3)])
def test_the_noise_of_a_sum_of_tiles_adds_in_variance(way, tiles):
    rpu = RPU(forward=Read(noise=0.06), backward=Read(noise=0.06), tile=(10, 8))
    array = build_array(rpu, 30, 32, seed=1)
    array.write(torch.zeros(30, 32))
    width = 32 if way == "forward" else 30
    noise = getattr(array, way)(torch.full((20_000, width), 2.0)).double().numpy()
    # standard error of a standard deviation: σ/√(2n)
    assert noise.std() / (0.06 * tiles**0.5) == pytest.approx(1, abs=4 / np.sqrt(2 * noise.size))
    assert abs(np.corrcoef(noise[:, 0], noise[:, 10])[0, 1]) < 4 / np.sqrt(20_000)


def test_each_tile_scales_and_clips_by_its_own_part():
    wide = ConstantStep(w_max=10.0, w_min=-10.0)
    read = Read(noise=0.0, bound=1.0, noise_management=True)
    array = build_array(RPU(device=wide, forward=read, tile=(4, 2)), 1, 4)
    array.write(torch.tensor([[2.0, 0.0, 0.5, 0.0]]))
    # scaled by 10, 2 is cut to 1; scaled by 0.1, 0.5 is not
    assert array.forward(torch.tensor([[10.0, 0.0, 0.1, 0.0]])).item() == pytest.approx(10 * 1 + 0.1 * 0.5)
    assert array.counters()["clipped_reads"].item() == 1


# Layers


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, groups=2), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 7), nn.Linear(7, 3)
    )


def train(models: list[nn.Module], steps: int = 3, lr: float = 0.05) -> None:
    for model in models:
        optimizer = mho.AnalogSGD(model, lr=lr)
        generator = torch.Generator().manual_seed(1)
        for _ in range(steps):
            x, y = torch.rand(2, 2, 8, 8, generator=generator), torch.randint(0, 3, (2,), generator=generator)
            out = model(x)
            loss = F.cross_entropy(out, y) if out.dim() == 2 else mho.replica_loss(F.cross_entropy, out, y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()


def same(one: nn.Module, other: nn.Module) -> None:
    theirs = other.state_dict()
    for name, value in one.state_dict().items():
        assert torch.equal(value, theirs[name]), name


@pytest.mark.parametrize("cell", [Single(), Replicated(2)], ids=["Single", "Replicated"])
def test_an_exact_tiled_network_is_the_untiled_one_to_rounding(cell):
    models = [mho.convert(net(), EXACT.replace(cell=cell, tile=tile), quiet=True) for tile in (None, (4, 10))]
    train(models)
    x = torch.rand(2, 2, 8, 8)
    torch.testing.assert_close(models[0](x), models[1](x), rtol=1e-4, atol=1e-5)  # sums in another order
    assert len(models[1][4].crossbars[0].tile_shapes) == 6 * -(-7 // (4 // EXACT.replace(cell=cell).devices))


@pytest.mark.parametrize("cell", [Single(), Replicated(2)], ids=["Single", "Replicated"])
def test_replicas_of_tiles_equal_single_runs_lists_included(cell):
    rpu = BOUNDED.replace(
        cell=cell,
        tile=(4, 10),
        device=ConstantStep(dw_min=mho.per_cell([0.001, 0.004, 0.002], spread=[0.3, 0.0, 0.1]), c2c=[0.1, 0.2, 0.3]),
        forward=Read(noise=[0.0, 0.06, 0.1], bound=[12.0, 1.0, 2.0]),
    )
    together = mho.convert(net(), rpu, seed=5, replicas=3, quiet=True)
    alone = [mho.convert(net(), rpu.of_replica(r), seed=5 + r, quiet=True) for r in range(3)]
    train([together, *alone])
    for r, model in enumerate(alone):
        for mine, theirs in zip(together.model, model, strict=True):
            if not isinstance(mine, ArrayLayer):
                continue
            for array, own in zip(mine.crossbars, theirs.crossbars, strict=True):
                assert torch.equal(array.state[r], own.state[0])
                for counter, counts in array.counters().items():
                    assert counts[r] == own.counters()[counter][0], counter


def test_threads_do_not_change_the_bits(set_threads, monkeypatch):
    from mho.compiler import threads

    monkeypatch.setattr(threads, "WORK_A_THREAD", 100)
    models = []
    for count in (1, 2, 5):
        set_threads(count)
        models.append(mho.convert(net(), NOISY.replace(tile=(4, 10)), replicas=2, quiet=True))
        train(models[-1:])
    same(models[0], models[1])
    same(models[0], models[2])


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "state_dict"])
def test_a_copy_of_tiles_continues_the_same_streams(how):
    rpu = NOISY.replace(tile=(4, 10))
    model = mho.convert(net(), rpu, seed=3, quiet=True)
    train([model])
    if how == "deepcopy":
        twin = copy.deepcopy(model)
    elif how == "pickle":
        twin = pickle.loads(pickle.dumps(model))
    else:
        twin = mho.convert(net(), rpu, seed=99, quiet=True)
        twin.load_state_dict(model.state_dict())
    model.eval()
    model(torch.rand(2, 2, 8, 8))
    model.train()
    twin.eval()
    twin(torch.rand(2, 2, 8, 8))
    twin.train()
    train([model, twin])
    same(model, twin)


def test_tables_show_the_tiles():
    rpu = NOISY.replace(tile=(64, 257))
    model = mho.convert(mho.models.LeNet(), rpu, layers={"conv2": rpu.replace(cell=Replicated(13))}, quiet=True)
    assert {row.name: row.became for row in conversion_rows(model)} == {
        "conv1": "array 16×26",
        "conv2": "array 32×401, 16 tiles 4×201, with 13 devices per weight",
        "fc1": "array 128×513, 4 tiles 64×257",
        "fc2": "array 10×129",
    }
    rows = {row.layer: row for row in array_table(model, torch.zeros(1, 1, 28, 28))}
    assert [(rows[n].tiles, rows[n].tile_out, rows[n].tile_inputs) for n in ("conv1", "fc1")] == [
        (1, 16, 26),
        (4, 64, 257),
    ]
    grouped = mho.convert(net(), NOISY.replace(tile=(2, 100)), quiet=True)
    assert conversion_rows(grouped)[0].became == "2 arrays 3×10, each 2 tiles 2×10"


@pytest.mark.parametrize(
    "network",
    [NETWORKS["lenet"], Network(net, (2, 8, 8)), Network(lambda: nn.Linear(8, 70), (1, 3, 8))],
    ids=["lenet", "net", "linear"],
)
@pytest.mark.parametrize("rpu", [NOISY, NOISY.replace(tile=(8, 100), cell=Replicated(2))], ids=["one", "tiled"])
def test_the_plan_of_a_network_is_the_table_of_the_converted_one(network, rpu):
    model = mho.convert(network.build(), rpu, quiet=True)
    found = array_table(model, torch.zeros(1, *network.image))
    assert planned_table(network, rpu) == found


def test_bad_values_name_the_layer_and_the_tile():
    model = mho.convert(nn.Linear(20, 5), NOISY.replace(tile=(4, 10)), quiet=True)
    x = torch.zeros(1, 20)
    x[0, 15] = float("nan")
    with pytest.raises(InvalidValue, match=r"model\.tile0\.2: the input \(x\) holds NaN"):
        model(x)


# Runs

TABLES = NOISY.replace(tile=(64, 257)).to_dict() | {
    "training": {"train_images": 30, "test_images": 40, "epochs": 1, "replicas": 2}
}


def go(folder: Path, *, stop_at: int = 0, resume: bool = False, **changes: object) -> Run:
    tables = TABLES | {"training": TABLES["training"] | changes}
    run = Run(Experiment.from_dict(tables), folder, digits(), resume=resume)
    run.train(on_step=lambda progress: progress.steps == stop_at, on_epoch=lambda progress: None)
    return run


def test_a_tiled_run_resumes_equals_single_runs_and_reports_its_tiles(tmp_path):
    whole = go(tmp_path / "whole")
    go(tmp_path / "parts", stop_at=13)
    same(go(tmp_path / "parts", resume=True).model, whole.model)
    alone = go(tmp_path / "alone", replicas=1, seed=1)
    arrays = [model.fc1.crossbars[0] for model in (whole.model.model, alone.model)]
    assert torch.equal(arrays[0].state[1], arrays[1].state[0])
    page = write_report(tmp_path / "whole").read_text()
    assert "4 of 64 × 257" in page
    assert "fc1" in json.loads((tmp_path / "whole" / "summary.json").read_text())["counters"]


# Descriptions


@pytest.mark.parametrize(
    "tile", [(64, 256), [64, 256], Tile(rows=64, columns=256), (64, None), Tile(columns=3), None, (None, None)], ids=str
)
def test_tiles_come_back_from_toml(tile):
    rpu = RPU(tile=tile)
    assert RPU.from_toml(rpu.to_toml()) == rpu
    assert RPU.from_dict(rpu.to_dict()) == rpu
    assert rpu.replace(cell=Replicated(2)).tile == rpu.tile


def test_a_tile_is_a_section_of_its_own():
    assert RPU.from_toml("[tile]\nrows = 64\n") == RPU(tile=(64, None))
    assert RPU(tile=(64, 256)).tile == Tile(rows=64, columns=256)
    assert RPU(tile=Tile()).tile is None
    assert "tile=Tile(rows=64, columns=256)" in repr(RPU(tile=(64, 256)))


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: RPU(tile=(0, 256)), ("tile: rows is 0", "at least 1, or None")),
        (lambda: RPU(tile=(64, 2.5)), ("tile: columns is 2.5", "an integer")),
        (lambda: RPU(tile=(64,)), ("tile is (64,)", "give (rows, columns), for example (64, 256), or None")),
        (lambda: RPU(tile=64), ("tile is 64", "(rows, columns)")),
        (lambda: RPU(tile=(3, 9), cell=Replicated(4)), ("a cell of 4 devices does not fit a tile of 3 rows",)),
        (lambda: RPU.from_toml("[tile]\nrow = 3"), ("tile.row", "did you mean 'rows'?")),
        (lambda: RPU.from_toml("tile = [64, 256]"), ("tile is [64, 256]", "write a section [tile]")),
        (lambda: mho.Crossbar(RPU(tile=(4, 9)), 5, 9), ("5 lines and 9 columns exceed the tile of 4×9", "build_array")),
        (lambda: mho.Crossbar(RPU(tile=(4, None), cell=Replicated(2)), 3, 9), ("6 lines", "tile of 4×any")),
        (lambda: build_array(RPU(tile=(4, 9)), 0, 9), ("out_features is 0",)),
        (lambda: mho.Crossbar(RPU(), 2, 2, replicas=2, name=["a"]), ("1 names for 2 replicas",)),
    ],
)
def test_impossible_tiles_are_refused_with_the_rule(make, parts):
    with pytest.raises(InvalidValue, match="(?s)" + ".*".join(re.escape(part) for part in parts)):
        make()
