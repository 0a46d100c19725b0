"""Networks as arrays: tables against published counts, times against the paper, energy, and `mho map`."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import mho
from mho.cells import AGAD, ERider, MixedPrecision, OneSided, PeriodicCarry, Referenced, Replicated, Residual, TikiTaka
from mho.cli.map import parse_numbers
from mho.cli.map_display import joules
from mho.config import RPU
from mho.errors import InvalidValue
from mho.hardware import (
    GOKMEN_2017,
    ArraySize,
    array_table,
    layer_energy,
    network_time,
    parse_size,
    planned_table,
    read_constants,
    read_sizes,
    trace,
    training_cost,
)
from mho.models import NETWORKS, Network
from mho.nn import kind_names
from mho.report import read_folder, run_cost, run_rows, share_bars
from mho.runs import Experiment, Run
from mho.text import count, cycle_time, per_cent
from tests.helpers.command import mho as run_command

LARGE = GOKMEN_2017[:1]
NAMES = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]


def plan(name: str, **options):
    return planned_table(NETWORKS[name], RPU(), **options)


def by_name(time):
    return {layer.row.layer: layer for layer in time.layers}


# Published counts


def test_alexnet_is_the_papers_table_to_the_printed_digit():
    """PHYSICS 2.8, which is the paper's Table 2."""
    rows = plan("alexnet")
    assert [(row.layer, row.out, row.inputs, row.vectors, round(row.macs / 1e6)) for row in rows] == [
        ("conv1", 96, 363, 3025, 105),
        ("conv2", 256, 2400, 729, 448),
        ("conv3", 384, 2304, 169, 150),
        ("conv4", 384, 3456, 169, 224),
        ("conv5", 256, 3456, 169, 150),
        ("fc6", 4096, 9216, 1, 38),
        ("fc7", 4096, 4096, 1, 17),
        ("fc8", 1000, 4096, 1, 4),
    ]
    assert f"{sum(row.macs for row in rows) / 1e9:.2f}" == "1.14"


def test_alexnet_with_its_biases_has_one_column_more():
    rows = planned_table(Network(lambda: mho.models.AlexNet(bias=True), (3, 227, 227)), RPU())
    assert [(row.layer, row.inputs) for row in rows] == [(row.layer, row.inputs + 1) for row in plan("alexnet")]


def test_alexnets_times_are_the_papers():
    """Its discussion: 242 µs, the bottleneck, with 9 % of the MACs; on a small array 30 µs, and K2 limits at 58 µs."""
    large = network_time(plan("alexnet"), LARGE)
    assert large.bottleneck.row.layer == "conv1"
    assert large.pipelined == 3025 * 80
    assert cycle_time(large.pipelined) == "242 µs"
    assert round(100 * large.share_of_macs(large.bottleneck)) == 9
    both = network_time(plan("alexnet"))
    assert by_name(both)["conv1"].size == GOKMEN_2017[1]
    assert round(by_name(both)["conv1"].forward / 1e3) == 30
    assert both.bottleneck.row.layer == "conv2"
    assert round(both.pipelined / 1e3) == 58
    assert both.sequential == 3025 * 10 + (729 + 3 * 169 + 3) * 80
    assert sum(map(both.share_of_time, both.layers)) == pytest.approx(1)
    assert sum(map(both.share_of_macs, both.layers)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "parameters", "digital", "macs"),
    [
        # torchvision's tables of its own weights print 138,357,544 and 11,689,512 parameters, 15.47 and 1.814 GMACs
        ("vgg16", 138_357_544, 0, 15_470_264_320),
        ("resnet18", 11_689_512, 9_600, 1_814_073_344),
        ("mlp", 784 * 256 + 256 + 256 * 128 + 128 + 1290, 0, 784 * 256 + 256 * 128 + 1280),
        ("lenet", 80_202, 0, 16 * 25 * 576 + 32 * 400 * 64 + 128 * 512 + 1280),
    ],
)
def test_networks_have_the_published_weights_and_macs(name, parameters, digital, macs):
    traced = trace(NETWORKS[name])
    assert sum(layer.parameters for layer in traced.digital) == digital
    assert sum(row.weights for row in plan(name)) + digital == parameters
    assert sum(row.macs for row in plan(name, bias_column=False)) == macs


def test_resnets_layers_come_in_the_order_of_the_image_and_its_norms_are_digital():
    traced = trace(NETWORKS["resnet18"])
    names = [layer.name for layer in traced.layers]
    assert len(names) == 21
    assert names[:2] == ["conv1", "layer1.0.conv1"]
    assert names[5:8] == ["layer2.0.conv1", "layer2.0.conv2", "layer2.0.downsample.0"]
    assert {layer.kind for layer in traced.digital} == {"BatchNorm2d"}
    assert len(traced.digital) == 20
    small = planned_table(Network(NETWORKS["resnet18"].build, (3, 32, 32)), RPU())
    assert small[0].vectors == 256


# Any model


class Folded(nn.Module):
    """Positions folded into the batch, one layer used twice, one never."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.head, self.spare = nn.Linear(8, 8), nn.Linear(8, 3), nn.Linear(2, 2)

    def forward(self, x):
        batch = len(x)
        x = self.fc(torch.relu(self.fc(x.flatten(0, 1)))).view(batch, -1, 8)
        return self.head(x).mean(dim=1)


class Branching(nn.Module):
    """Looks at values, which the meta device does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        return self.fc(x) if float(x.sum()) == 0 else x


class Raw(nn.Module):
    """A matrix of its own, in a child, through a view."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.mix = nn.Module()
        self.mix.weight = nn.Parameter(torch.zeros(8, 8))

    def forward(self, x):
        return self.fc(x) @ self.mix.weight.t()


def up() -> nn.Module:
    return nn.Sequential(nn.Conv3d(3, 4, 3), nn.ConvTranspose3d(4, 4, 2))


def normed() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 8)), nn.Linear(8, 2))


def attention() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


def grouped() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 8, 3, groups=4), nn.LayerNorm((8, 6, 6)), nn.Flatten(), nn.Linear(288, 5))


def test_every_use_and_position_of_a_layer_counts():
    network = Network(Folded, (5, 8))
    traced = trace(network)
    assert [(layer.name, layer.vectors, layer.uses) for layer in traced.layers] == [("fc", 10, 2), ("head", 5, 1)]
    assert traced.idle == ("spare",)
    rows = planned_table(network, RPU())
    assert rows[0].macs == 8 * 9 * 10
    model = mho.convert(Folded(), RPU(), quiet=True)
    assert array_table(model, torch.zeros(1, 5, 8)) == rows
    assert array_table(model, torch.zeros(3, 5, 8)) == rows


def test_groups_are_arrays_of_their_own():
    rows = planned_table(Network(grouped, (4, 8, 8)), RPU())
    assert [(row.out, row.inputs, row.groups, row.macs) for row in rows] == [
        (2, 10, 4, 4 * 2 * 10 * 36),
        (5, 289, 1, 5 * 289),
    ]


def test_a_model_that_looks_at_values_is_traced_with_values():
    state = torch.get_rng_state()
    assert trace(Network(Branching, (8,))).layers[0].name == "fc"
    assert torch.equal(torch.get_rng_state(), state)


def test_attention_may_be_left_digital_and_its_linear_layers_are_seen():
    traced = trace(Network(attention, (4, 8)), exclude=["self_attn"])
    assert [(layer.name, layer.vectors) for layer in traced.layers] == [("linear1", 4), ("linear2", 4)]
    assert traced.digital[0].kind == "MultiheadAttention"


def test_tracing_leaves_a_model_as_it_was():
    model = Folded()
    model.head.eval()
    trace(Network(lambda: model, (5, 8)))
    assert [module.training for module in (model, model.fc, model.head)] == [True, True, False]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert model(torch.zeros(1, 5, 8)).shape == (1, 3)


UNTRACEABLE = {
    "transposed": (up, (3, 8, 8, 8), "1 (ConvTranspose3d) has a matrix (weight 4×4×2×2×2)", "--exclude 1"),
    "recurrent": (lambda: nn.GRU(8, 4), (5, 7), "model (GRU) got an input of shape 5×7", "must be 8"),
    "raw": (Raw, (8,), "model (Raw) has a matrix, used by matmul", f"arrays hold {kind_names('and')}"),
    "parametrised": (normed, (8,), "0 (ParametrizedLinear)", "--exclude 0"),
    "channels": (NETWORKS["lenet"].build, (3, 28, 28), "conv1 (Conv2d) got an input of shape 3×28×28", "1×height"),
    "size": (NETWORKS["lenet"].build, (1, 32, 32), "fc1 (Linear) got an input of shape 800", "must be 512"),
    "small": (NETWORKS["lenet"].build, (1, 4, 4), "conv1 (Conv2d) cannot be traced", "shape 1×4×4"),
    "flat": (NETWORKS["resnet18"].build, (3,), "conv1 (Conv2d) got an input of shape 3", "3×height×width"),
    "pooling": (lambda: nn.Sequential(nn.MaxPool2d(2), nn.Linear(4, 2)), (8,), "0 (MaxPool2d) cannot be traced", "8"),
    "arguments": (lambda: nn.Linear(), (8,), "the model cannot be built", "missing"),
    "no model": (lambda: 3, (8,), "int is no model", "torch.nn.Module"),
    "digital": (nn.ReLU, (8,), f"meets no {kind_names('or')}", "nothing to map"),
    "converted": (
        lambda: mho.convert(nn.Linear(8, 2), RPU(), quiet=True), (8,), "has array layers already", "the digital model",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNTRACEABLE)
def test_what_cannot_be_traced_names_its_module(case):
    build, image, *parts = UNTRACEABLE[case]
    with pytest.raises(InvalidValue) as caught:
        trace(Network(build, image))
    for part in parts:
        assert part in str(caught.value)


def test_patterns_that_match_nothing_are_named():
    with pytest.raises(InvalidValue, match="'conv9' matches no layer; did you mean 'conv"):
        trace(NETWORKS["lenet"], exclude=["conv9"])
    with pytest.raises(InvalidValue, match="'fc' matches no layer on arrays"):
        plan("lenet", layers={"fc": RPU()})
    with pytest.raises(InvalidValue, match="'conv3' matches no layer on arrays"):
        network_time(plan("lenet"), copies={"conv3": 2})
    excluded = plan("lenet", exclude=["conv*"])
    assert [row.layer for row in excluded] == ["fc1", "fc2"]


# Arrays of a size


def test_a_layer_takes_the_fastest_array_that_holds_it_and_then_the_smallest():
    sizes = [
        ArraySize(rows=64, columns=64, t_meas=10.0),
        ArraySize(rows=16, columns=26, t_meas=10.0),
        ArraySize(rows=16, columns=25, t_meas=1.0),
        ArraySize(rows=4096, columns=4096, t_meas=80.0),
    ]
    layers = by_name(network_time(plan("lenet"), sizes))
    assert layers["conv1"].size == sizes[1]
    assert layers["conv2"].size == sizes[3]
    assert all(layer.fits for layer in layers.values())
    sizes.append(ArraySize(rows=9000, columns=9000, t_meas=0.5))
    assert {layer.size for layer in network_time(plan("lenet"), sizes).layers} == {sizes[-1]}


def test_what_no_array_holds_is_spread_and_says_so():
    layers = by_name(network_time(plan("alexnet")))
    fc6 = layers["fc6"]
    assert (fc6.fits, fc6.tiles, fc6.tile_out, fc6.tile_inputs, fc6.forward) == (False, 3, 4096, 3072, 80.0)
    assert layers["fc7"].fits
    # one column more than the large array has
    assert by_name(network_time(plan("vgg16")))["fc7"].tiles == 2
    small = network_time(plan("lenet"), [ArraySize(rows=20, columns=100, t_meas=5.0)])
    assert [layer.tiles for layer in small.layers] == [1, 2 * 5, 7 * 6, 2]
    assert small.layers[1].arrays == 10


def test_tiles_of_the_rpu_are_kept_and_devices_take_rows():
    rows = plan("lenet", layers={"conv2": RPU(cell=Replicated(13)), "fc1": RPU(tile=(64, 257))})
    layers = by_name(network_time(rows))
    assert (layers["conv2"].row.cross_points, layers["conv2"].size.rows) == (416 * 401, 512)
    assert (layers["fc1"].tiles, layers["fc1"].tile_out, layers["fc1"].tile_inputs) == (4, 64, 257)
    assert layers["fc1"].size.rows == 512
    # 300 rows hold 23 weights of 13 devices
    cut = by_name(network_time(rows, [ArraySize(rows=300, columns=512, t_meas=10.0)]))["conv2"]
    assert (cut.fits, cut.down, cut.across, cut.tile_out) == (False, 2, 1, 16)
    with pytest.raises(InvalidValue, match="conv2: a weight of 13 devices does not fit arrays of at most 12 rows"):
        network_time(rows, [ArraySize(rows=12, columns=512, t_meas=10.0)])


def test_copies_divide_the_vectors_of_an_image():
    time = network_time(plan("alexnet"), LARGE, copies={"conv1": 4, "conv*": 2})
    layers = by_name(time)
    assert layers["conv1"].vectors == 757  # 3,025 / 4, rounded up
    assert layers["conv1"].forward == 757 * 80
    assert layers["conv2"].forward == 365 * 80
    assert layers["conv1"].cross_points == 4 * 96 * 363
    assert layers["fc6"].copies == 1
    # four copies are not enough for K2 to set the pace, five are
    assert time.bottleneck.row.layer == "conv1"
    assert network_time(plan("alexnet"), LARGE, copies={"conv1": 5}).bottleneck.row.layer == "conv2"
    with pytest.raises(InvalidValue, match="conv1 is 0; give an integer of at least 1"):
        network_time(plan("alexnet"), copies={"conv1": 0})


def test_a_layer_has_no_more_copies_than_vectors():
    time = network_time(plan("lenet"), copies={"*": 100})
    assert [layer.copies for layer in time.layers] == [100, 64, 1, 1]
    with pytest.raises(
        InvalidValue, match=r"fc\* is 2, and its layers have at most 1 vectors to share; give at most 1"
    ):
        network_time(plan("lenet"), copies={"fc*": 2})


def test_nothing_to_place_is_refused():
    with pytest.raises(InvalidValue, match="no array to put layers on"):
        network_time(plan("lenet"), [])
    with pytest.raises(InvalidValue, match="no layer is on arrays"):
        network_time([])


def test_array_sizes_are_read_from_options_and_files(tmp_path):
    assert parse_size("512x256:10") == ArraySize(rows=512, columns=256, t_meas=10.0)
    assert parse_size(" 512 × 256 : 2.5 ns").t_meas == 2.5
    assert (parse_size("512x512:10").name, parse_size("512x256:10").name) == ("512²", "512×256")
    file = tmp_path / "arrays.toml"
    file.write_text(
        "[[array]]\nrows = 4096\ncolumns = 4096\nt_meas = 80\n[[array]]\nrows=512\ncolumns=512\nt_meas=10.0\n"
    )
    assert read_sizes(file) == GOKMEN_2017
    file.write_text(
        "[[array]]\nrow = 4\ncolumns = 0\nt_meas = 80\n[[array]]\nrows = 1\ncolumns = 1\nt_meas = 0\n[size]\n"
    )
    with pytest.raises(InvalidValue) as caught:
        read_sizes(file)
    for part in ("'size'", "array 1", "row: no such field; did you mean 'rows'", "array 2", "t_meas is 0", "[[array]]"):
        assert part in str(caught.value)


@pytest.mark.parametrize("text", ["512x512", "512:10", "0x512:10", "512x512:0", "512x512:1.2.3", "ax4:1"])
def test_array_sizes_in_another_form_are_refused(text):
    with pytest.raises(InvalidValue, match="--array"):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "array = 3", "array = []", "[[array]", "\udcff"])
def test_files_without_arrays_are_refused(text, tmp_path):
    (tmp_path / "a.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidValue, match=r"a\.toml"):
        read_sizes(tmp_path / "a.toml")
    with pytest.raises(InvalidValue, match=r"there is no file .*b\.toml"):
        read_sizes(tmp_path / "b.toml")


# Cells of several banks

SOFT = mho.devices.SoftBounds(dw_min=0.01)
PRINTED = ArraySize(rows=512, columns=512, t_meas=40.0, t_pulse=5.0, operations=175.0)
"""Of Rasch 2024: a pulse of 5 ns, a read of 40 ns, and a fourth of 0.7 TFLOPS for each array."""


def square(cell: mho.Cell, *, pulses: int = 5):
    """512×512 weights of a cell on the array of Rasch 2024."""
    rpu = RPU(device=SOFT, cell=cell, update=mho.Pulses(length=pulses))
    network = Network(lambda: nn.Linear(512, 512, bias=False), (512,))
    return network_time(planned_table(network, rpu), [PRINTED]).layers[0]


UPDATES = {
    "SGD": (mho.cells.Single(), 5, 30.9),
    "TTv2": (TikiTaka(), 5, 56.3),
    "c-TTv2": (TikiTaka(chopper=0.1), 5, 56.3),
    "AGAD": (AGAD(), 5, 62.1),
    "AGAD, rarely": (AGAD(every=10), 1, 17.1),
    # printed for "multi-tile" without its schedule: one transfer a vector, in a train like that of the update
    "two tiles": (Residual(n=2, every=1), 5, 95.9),
    "mixed precision": (MixedPrecision(every=100, max_pulses=1), 5, 3024.5),
}


@pytest.mark.parametrize("rule", UPDATES)
def test_updates_of_rules_take_the_printed_time(rule):
    """Rasch 2024, and Li 2025 for two tiles: ns for a vector's update; printed to a tenth."""
    cell, pulses, printed = UPDATES[rule]
    assert square(cell, pulses=pulses).update_vector == pytest.approx(printed, abs=0.05)


def test_rules_need_the_printed_digital_memory():
    """Rasch 2024, in numbers of one byte. Signs and ages of columns are 2N more, which the print leaves out (0.4 %);
    a smoothing of 1 would need a number less a weight than is kept; mixed precision forms the gradient vector by
    vector here, and the print keeps those of a batch, N² + 2NB.
    """
    n, lines = 512, 2 * 512
    assert square(mho.cells.Single()).memory == lines
    assert square(TikiTaka(chopper=0.1)).memory == n * n + lines + 2 * n
    assert square(AGAD()).memory == 3 * n * n + lines + 2 * n
    assert square(MixedPrecision()).memory == n * n + lines
    assert square(Residual()).memory == lines
    assert square(Residual(n=3, buffer=True)).memory == 2 * n * n + lines


def test_events_say_how_many_columns_they_read_and_write():
    each = {
        TikiTaka(every=4): (1 / 4, 1 / 4),
        Residual(n=3, every=2, slower=5): (1 / 2 + 1 / 10, 1 / 2 + 1 / 10),
        MixedPrecision(every=100): (0, 5.12),
        PeriodicCarry(n=2, every=100): (5.12, 5.12),
        OneSided(refresh_every=1024): (0.5, 0.5),
        mho.cells.Single(): (0, 0),
    }
    for cell, expected in each.items():
        layer = square(cell)
        assert (layer.column_reads, layer.column_writes) == pytest.approx(expected), cell
    # a carry of a full digit: half of 0.6 in steps of 5·0.01, and one pulse for the reset
    assert square(PeriodicCarry(n=2)).row.cell.events[0].slots == 6 + 1


def test_reads_see_the_banks_with_a_gain_and_each_bank_is_an_array():
    hidden, shown = square(TikiTaka()), square(ERider())
    assert [bank.name for bank in hidden.row.cell.read] == ["slow"]
    assert [bank.name for bank in shown.row.cell.read] == ["fast", "slow"]
    assert [bank.fixed_reference for bank in hidden.row.cell.banks] == [True, False]
    assert (hidden.arrays, hidden.tiles, hidden.cross_points) == (2, 1, 2 * 512 * 512)
    mixed = RPU(device=SOFT, cell=TikiTaka(visible=[0.0, 0.1]))
    assert [bank.read for bank in mixed.cell.cost(mixed.banks).banks] == [True, True]


def test_without_times_of_pulses_a_transfer_is_a_read_and_a_write_of_t_meas():
    rows = planned_table(NETWORKS["lenet"], RPU(device=SOFT, cell=TikiTaka(every=4)))
    time = network_time(rows, LARGE)
    assert time.layers[0].update == 576 * 80 * (1 + 2 / 4)
    assert time.training == pytest.approx(642 * 80 * 3.5)
    assert time.training_bottleneck.training == 576 * 80 * 3.5
    assert network_time(plan("lenet"), LARGE).training == 3 * 642 * 80


def test_the_energy_of_transfers_is_the_sum_of_its_parts(constants):
    """fc1 of LeNet on 2×2 tiles of 64×257 with t_meas = 10 ns, each constant alone; a column in 4 vectors of a tile."""
    own = RPU(device=SOFT, cell=TikiTaka(every=4), tile=(64, 257))
    fc1 = by_name(network_time(planned_table(NETWORKS["lenet"], own)))["fc1"]
    none = 1e300

    def energy(**values: float) -> float:
        return layer_energy(fc1, constants(**values)).transfers.total

    cells = 128 * 2 / 4  # a column of each tile: of 128 rows twice
    assert energy(device_resistance=2.0, read_voltage=3.0) == pytest.approx(cells * 4.5 * 1e-8)
    assert energy(device_resistance=none, dac=1.0) == pytest.approx(4 / 4)
    assert energy(device_resistance=none, adc=1.0) == pytest.approx(cells)
    assert energy(device_resistance=none, activation=1.0) == pytest.approx(cells * 2 / 2)
    pulse, met = 1.0**2, 2.0**2 / 2  # half the voltage on rows of 513/2 and a column of 1 for each row; the rest
    whole = cells * ((1 + 513 / 2) * pulse + met)
    assert energy(device_resistance=1.0, pulse_voltage=2.0, pulse_time=1.0) == pytest.approx(whole)
    # forward reads see one of the two banks, and the bound of the update is that of the bank that vectors pulse
    alone = by_name(network_time(planned_table(NETWORKS["lenet"], RPU(tile=(64, 257)))))["fc1"]
    for part in ("forward", "backward", "update_bound"):
        known = constants(device_resistance=2.0, dac=1.0, adc=0.1, pulse_train=0.3)
        assert getattr(layer_energy(fc1, known), part) == getattr(layer_energy(alone, known), part)


def test_writes_are_those_of_the_most_written_bank(constants):
    rpu = RPU(device=SOFT, cell=TikiTaka())
    rows = planned_table(Network(lambda: nn.Linear(8, 2), (8,)), rpu)
    counters = {"pulses": 50, "coincidences": 80, "fast.pulses": 40, "fast.coincidences": 72}
    known = constants(device_resistance=1e300, adc=1.0, pulse_train=1.0, endurance=1000.0)
    with pytest.raises(InvalidValue, match=r"model has no slow\.pulses; model has no slow\.coincidences"):
        training_cost(network_time(rows), {"model": counters}, known)
    counters |= {"slow.pulses": 10, "slow.coincidences": 8}
    cost = training_cost(network_time(rows), {"model": counters}, known, replicas=2, images=4)
    layer = cost.layers[0]
    assert [(bank.bank, bank.coincidences, bank.writes) for bank in layer.banks] == [
        ("fast", 36, 2),
        ("slow", 4, 4 / 18),
    ]
    assert (layer.writes, layer.most_written.bank, cost.lifetime) == (2, "fast", 500)
    assert layer.transfers == pytest.approx(4 * 0.5 * 2)
    assert cost.trains == pytest.approx(4 * 11)  # of the fast bank


# Energy


def test_every_constant_says_where_it_comes_from():
    constants = read_constants()
    assert constants["adc"] == pytest.approx(3.1e-3 / 1.2e9, rel=1e-3)  # printed to three digits
    for name, constant in constants.table.items():
        assert constant.value > 0, name
        assert constant.unit, name
        assert constant.meaning, name
        assert "assumed" in constant.source or re.search(r"\b(19|20)\d\d\b", constant.source), name


@pytest.fixture
def constants(tmp_path):
    """The constants, all of them 0 but for rounding, except bits and those that are named."""

    def build(**values: float):
        lines = [
            f"[{name}]\nvalue = {values.get(name, 1e-300)}\nsource = 'a test'\n"
            for name, constant in read_constants().table.items()
            if constant.unit != "bits"
        ]
        (tmp_path / "constants.toml").write_text("".join(lines))
        return read_constants(tmp_path / "constants.toml")

    return build


def test_the_energy_of_a_read_is_the_sum_of_its_parts(constants):
    """fc1 of LeNet on 4 tiles of 64×257 with t_meas = 10 ns, each constant alone."""
    fc1 = by_name(network_time(planned_table(NETWORKS["lenet"], RPU(tile=(64, 257)))))["fc1"]

    def energies(**values: float) -> tuple[float, float]:
        layer = layer_energy(fc1, constants(device_resistance=1e300) if not values else constants(**values))
        return layer.forward.total, layer.backward.total

    cells, none = 128 * 513, 1e300
    assert energies(device_resistance=2.0, read_voltage=3.0) == pytest.approx((cells * 4.5 * 1e-8,) * 2)
    assert energies(device_resistance=none, read_voltage=3.0, line_capacitance=2.0) == pytest.approx((cells * 18,) * 2)
    # two tiles down, two across: columns are driven twice, rows answer twice
    assert energies(device_resistance=none, dac=1.0) == pytest.approx((513 * 2, 128 * 2))
    assert energies(device_resistance=none, adc=1.0) == pytest.approx((128 * 2, 513 * 2))
    assert energies(device_resistance=none, integrator_power=1.0) == pytest.approx((256e-8, 1026e-8))
    assert energies(device_resistance=none, activation=1.0) == pytest.approx((128, 128))
    assert energies(device_resistance=none, addition=1.0) == pytest.approx((128, 513))


def test_devices_of_a_weight_are_driven_converted_and_averaged(constants):
    conv2 = by_name(network_time(plan("lenet", layers={"conv2": RPU(cell=Replicated(13))})))["conv2"]
    adc = layer_energy(conv2, constants(device_resistance=1e300, adc=1.0))
    assert (adc.forward.total, adc.backward.total) == pytest.approx((64 * 32 * 13, 64 * 401))
    sums = layer_energy(conv2, constants(device_resistance=1e300, addition=1.0))
    # forward the mean of 13; backward every patch is added into the map
    assert (sums.forward.total, sums.backward.total) == pytest.approx((64 * 32 * 12, 64 * 401))


def test_references_are_read_with_their_weights_and_never_pulsed(constants):
    conv2 = by_name(network_time(plan("lenet", layers={"conv2": RPU(cell=Referenced())})))["conv2"]
    silent = {"device_resistance": 1e300}
    # one answer is converted for a weight and its reference; backward both rows are driven
    adc, dac = (layer_energy(conv2, constants(**silent, **{name: 1.0})) for name in ("adc", "dac"))
    assert (adc.forward.total, adc.backward.total) == pytest.approx((64 * 32, 64 * 401))
    assert (dac.forward.total, dac.backward.total) == pytest.approx((64 * 401, 64 * 32 * 2))
    sums = layer_energy(conv2, constants(**silent, addition=1.0))
    assert (sums.forward.total, sums.backward.total) == pytest.approx((0, 64 * 401))
    trains = layer_energy(conv2, constants(**silent, pulse_train=1.0))
    assert trains.update_bound.inputs == pytest.approx(64 * (32 + 401))
    # of the two pulses of every slot a reference sees that of its column
    pulses = layer_energy(conv2, constants(device_resistance=1.0, pulse_voltage=2.0, pulse_time=1.0))
    seen, met = 3 * 32 * 401, 32 * 401
    assert pulses.update_bound.arrays == pytest.approx(64 * 10 * (seen * 1.0**2 + met * 2.0**2 / 2))
    rows = planned_table(Network(lambda: nn.Linear(8, 2), (8,)), RPU(cell=Referenced()))
    counters = {"model": {"pulses": 40, "coincidences": 72}}
    cost = training_cost(network_time(rows), counters, constants(**silent, pulse_train=1.0), replicas=2, images=5)
    assert cost.layers[0].writes == 2
    assert cost.trains == pytest.approx(5 * 11)


def test_the_update_of_a_run_stays_below_the_bound_and_meets_it_when_every_line_pulses(constants):
    known = constants(device_resistance=2.0, pulse_voltage=2.0, pulse_time=3.0)
    rows = plan("lenet")
    time = network_time(rows)
    images = 7
    full = {
        row.layer: {
            "pulses": images * row.vectors * 10 * (row.out + row.inputs),
            "coincidences": images * row.vectors * 10 * row.cross_points,
        }
        for row in rows
    }
    cost = training_cost(time, full, known, images=images)
    for layer in cost.layers:
        bound = images * layer_energy(layer.placed, known).update_bound.arrays
        lines = [layer.placed.row.out, layer.placed.row.inputs]
        # exact: rows pulse over the columns' number of cross-points, columns over the rows'; the range holds it
        assert layer.update[0] <= bound <= layer.update[1]
        pulse = 1.0**2 / 2.0 * 3.0  # (V/2)²/R·t of each cross-point of the line
        steps = layer.coincidences * (2.0**2 - 2 * 1.0**2) / 2.0 * 3.0  # V² in place of twice (V/2)²
        assert layer.update[0] == pytest.approx(steps + layer.pulses * min(lines) * pulse)
        assert layer.writes == images * layer.placed.row.vectors * 10


def test_costs_are_means_over_replicas_and_halvings_are_reads(constants):
    known = constants(device_resistance=1e300, adc=1.0, endurance=1000.0, pulse_train=1.0)
    rows = planned_table(Network(lambda: nn.Linear(8, 2), (8,)), RPU())
    counters = {"model": {"pulses": 40, "coincidences": 72, "halvings": 10}}
    cost = training_cost(network_time(rows), counters, known, replicas=2, images=5)
    layer = cost.layers[0]
    assert (layer.pulses, layer.coincidences, layer.writes) == (20, 36, 2)
    assert layer.forward == pytest.approx((5 + 5) * 2)
    assert layer.backward == pytest.approx(5 * 9)
    assert cost.reads == pytest.approx(65)
    assert cost.trains == pytest.approx(5 * 11)
    assert cost.lifetime == 500
    unknown = training_cost(network_time(rows), counters, known, replicas=2)
    assert (unknown.reads, unknown.trains, unknown.update) == (None, None, cost.update)
    exact = training_cost(network_time(rows), {"model": {"pulses": 0, "coincidences": 0}}, known, images=5)
    assert (exact.update, exact.trains, exact.lifetime) == ((0.0, 0.0), 0.0, None)


def test_counters_that_are_missing_are_named():
    with pytest.raises(InvalidValue, match="conv1 has no pulses; conv1 has no coincidences"):
        training_cost(network_time(plan("lenet")), {}, read_constants())
    time = network_time(plan("mlp", exclude=["fc2", "fc3"]))
    with pytest.raises(InvalidValue, match="replicas is 0 and images None"):
        training_cost(time, {"fc1": {"pulses": 1, "coincidences": 1}}, read_constants(), replicas=0)


def test_all_faults_of_a_file_of_constants_are_told(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text(
        "dac = 3\n[adcc]\nvalue = 1\n[adc]\nvalue = -1\nsource = ' '\nunit = 'pJ'\nvolts = 3\n[endurance]\nvalue=1e6\n"
        "source = 'measured'\n"
    )
    with pytest.raises(InvalidValue) as caught:
        read_constants(file)
    for part in (
        "dac is 3; write a section [dac]",
        "no constant 'adcc'; did you mean 'adc'?",
        "adc: unknown field 'volts'",
        "value is -1; give a number greater than 0, in J",
        "source is ' '",
        "unit is 'pJ'; give the value in J",
    ):
        assert part in str(caught.value)
    file.write_text("[endurance]\nvalue = 1e6\nsource = 'measured'\n")
    assert read_constants(file)["endurance"] == 1e6
    assert read_constants(file)["adc"] == read_constants()["adc"]


# Runs


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """30 images of training, 2 networks, conv2 with 3 devices a weight, and fc2 with a fast and a slow bank."""
    folder = tmp_path_factory.mktemp("run") / "run"
    tables = mho.presets.gokmen_2017(pulses=2).to_dict()
    tables |= {
        "training": {"epochs": 1, "train_images": 30, "test_images": 20, "replicas": 2},
        "layers": {
            "conv2": {"cell": {"kind": "Replicated", "n": 3}},
            "fc2": {"cell": {"kind": "TikiTaka", "reference": "zero"}},
        },
    }
    from mho.data import load

    run = Run(Experiment.from_dict(tables), folder, load("digits", None))
    run.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
    return folder


def run_rows_of_tiki_taka():
    rpu = mho.presets.gokmen_2017(pulses=2).replace(cell=TikiTaka(reference="zero"))
    return rpu.cell.cost(rpu.banks)


def test_a_run_folder_tells_what_training_cost(trained):
    run = read_folder(trained)
    assert run.images == 30
    rows = run_rows(run)
    assert [row.devices for row in rows] == [1, 3, 1, 2]
    assert rows[3].cell == run_rows_of_tiki_taka()
    cost = run_cost(run, network_time(rows), read_constants())
    conv2 = cost.layers[1]
    assert conv2.coincidences == run.counters["conv2"]["coincidences"] / 2
    assert conv2.writes == conv2.coincidences / (3 * 32 * 401)
    fc2 = cost.layers[3]
    assert fc2.writes == run.counters["fc2"]["fast.coincidences"] / 2 / (10 * 129)
    assert fc2.most_written.bank == "fast"
    assert sum(bank.coincidences for bank in fc2.banks) == fc2.coincidences
    for layer in cost.layers:
        most = 30 * layer_energy(layer.placed, read_constants()).update_bound.arrays
        assert 0 < layer.update[0] <= layer.update[1] < most
    assert cost.reads is not None
    assert cost.reads > 0


def test_folders_without_a_number_of_images_know_less_and_damaged_ones_are_named(trained, tmp_path):
    folder = tmp_path / "old"
    shutil.copytree(trained, folder)
    summary = json.loads((folder / "summary.json").read_text())
    del summary["images"]
    for array in summary["arrays"]:
        del array["cell"]  # as folders of before cells had several banks
    (folder / "summary.json").write_text(json.dumps(summary))
    run = read_folder(folder)
    assert run.images is None
    cost = run_cost(run, network_time(run_rows(run)), read_constants())
    assert cost.reads is None
    assert cost.update[0] > 0
    (folder / "summary.json").write_text(json.dumps(summary | {"images": -1}))
    with pytest.raises(InvalidValue, match="images is -1, not a whole number of at least 0"):
        read_folder(folder)
    (folder / "summary.json").write_text(json.dumps(summary | {"arrays": [], "counters": {}}))
    with pytest.raises(InvalidValue, match="every layer stayed digital"):
        run_rows(read_folder(folder))


# Pictures and numbers


def test_shares_are_drawn_as_two_bars_a_layer():
    data = [{"layer": "a", "macs": 0.9, "time": 0.2}, {"layer": "b", "macs": 0.1, "time": 0.8}]
    ax = Figure().add_subplot()
    assert share_bars(data, ax) is ax
    assert [[bar.get_width() for bar in bars] for bars in ax.containers] == [
        pytest.approx([90, 10]),
        pytest.approx([20, 80]),
    ]
    assert len({bar.get_y() for bars in ax.containers for bar in bars}) == 4
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first layer at the top


def test_numbers_are_written_for_readers():
    assert [count(n) for n in (1_135_256_096, 447_897_600, 4_096_000, 65_664, 416)] == [
        "1.14 G", "448 M", "4 M", "66 k", "416",
    ]  # fmt: skip
    assert [cycle_time(t) for t in (80.0, 30_250.0, 242_000.0, 1e6, 2.5e9, 0.5)] == [
        "80 ns", "30.25 µs", "242 µs", "1 ms", "2.5 s", "500 ps",
    ]  # fmt: skip
    assert [joules(e) for e in (0.0, 1e-12, 2.58e-12, 1.5e3)] == ["0", "1 pJ", "2.58 pJ", "1.5 kJ"]
    assert [per_cent(s) for s in (0.0, 0.0004, 0.0928, 0.0996, 1.0)] == ["0", "< 0.1", "9.3", "10", "100"]
    assert parse_numbers("--copies", ["3", "conv1=4"]) == {"conv1": 4, "*": 3}
    assert list(parse_numbers("--copies", ["3", "conv1=4"])) == ["conv1", "*"]


# The command line

MODULE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 2)

    def forward(self, x):
        return self.fc(self.norm(self.conv(x)).mean((2, 3)))

def up():
    return nn.ConvTranspose3d(3, 4, 2)

def arguments(width):
    return nn.Linear(width, 2)

number = 3
"""


def mho_map(*words: str, cwd: Path, columns: int = 80) -> subprocess.CompletedProcess[str]:
    return run_command("map", *words, cwd=cwd, COLUMNS=str(columns))


def test_map_prints_alexnet_on_a_narrow_terminal(tmp_path):
    done = mho_map("alexnet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    text = " ".join(done.stdout.split())
    for number in ("105 M", "448 M", "150 M", "224 M", "38 M", "17 M", "4 M", "1.14 G", "3,025", "58.32 µs", "175 µs"):
        assert number in text, number
    assert "96 × 363" in text
    assert "fc6 (4096 × 9216) over 3 of 4096²" in text
    assert "Training: 3 cycles (forward, backward, update)" in text
    large = mho_map("alexnet", "--array", "4096x4096:80", cwd=tmp_path).stdout
    assert "242 µs" in large
    assert "with 9.3 % of the MACs" in " ".join(large.split())


def test_map_takes_any_model_and_prints_json_csv_and_figures(tmp_path):
    (tmp_path / "own.py").write_text(MODULE)
    words = ["own:Net", "--input-shape", "3x6x6", "--copies", "conv=2", "--devices", "fc=2"]
    done = mho_map(*words, "--json", "--energy", "--figure", "shares.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(a["name"], a["out"], a["in"], a["vectors"], a["macs"], a["cycle_ns"]) for a in found["arrays"]] == [
        ("conv", 8, 28, 16, 8 * 28 * 16, 80.0),
        ("fc", 2, 9, 1, 18, 10.0),
    ]
    assert [a["cross_points"] for a in found["arrays"]] == [2 * 8 * 28, 2 * 18]
    assert found["macs"] == 8 * 28 * 16 + 18
    assert found["digital"] == [{"name": "norm", "kind": "BatchNorm2d", "parameters": 16}]
    assert found["time"]["training_image"] == {"sequential": 270.0, "pipelined": 240.0}
    assert found["arrays"][0]["forward_joules"] > 0
    assert found["constants"]["dac"]["source"] == "assumed"
    assert (tmp_path / "shares.svg").read_text().count("<svg") == 1
    rows = list(csv.DictReader(io.StringIO(mho_map(*words, "--csv", cwd=tmp_path).stdout)))
    assert [(row["layer"], row["macs"], row["copies"]) for row in rows] == [("conv", "3584", "2"), ("fc", "18", "1")]


def test_map_shows_transfers_of_a_config(tmp_path):
    (tmp_path / "tt.toml").write_text(
        'preset = "gokmen_2017"\n[device]\nlaw = "SoftBounds"\n[cell]\nkind = "TikiTaka"\n'
    )
    plain = json.loads(mho_map("lenet", "--json", "--energy", cwd=tmp_path).stdout)
    done = mho_map("lenet", "--config", "tt.toml", "--json", "--energy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["time"]["inference"] == plain["time"]["inference"]
    for own, bare in zip(found["arrays"], plain["arrays"], strict=True):
        assert [bank["name"] for bank in own["banks"]] == ["fast", "slow"]
        assert (own["column_reads_per_vector"], bare["column_reads_per_vector"]) == (0.5, 0)
        assert (own["update_ns"], bare["update_ns"]) == (2 * bare["cycle_ns"], bare["cycle_ns"])
        assert own["cross_points"] == 2 * bare["cross_points"]
        assert own["transfers_at_most_joules"] > bare["transfers_at_most_joules"] == 0
        assert own["forward_joules"] == bare["forward_joules"]
    text = " ".join(mho_map("lenet", "--config", "tt.toml", cwd=tmp_path).stdout.split())
    assert "conv1 fast, slow 0.5 0.5 58 20 ns 11.52 µs 510" in text
    assert "The fixed references of fast are not counted" in text
    assert "updates with transfers" not in mho_map("lenet", cwd=tmp_path).stdout
    (tmp_path / "arrays.toml").write_text(
        "[[array]]\nrows = 512\ncolumns = 1024\nt_meas = 40\nt_pulse = 5\noperations = 175\n"
    )
    words = [
        "lenet",
        "--set",
        "cell.kind=TikiTaka",
        "--set",
        "cell.reference=zero",
        "--arrays",
        "arrays.toml",
        "--json",
    ]
    timed = json.loads(mho_map(*words, cwd=tmp_path).stdout)
    # ten slots, half of a read and of a pulse, and 16 + 26 + 16 operations
    assert timed["arrays"][0]["update_ns"] == pytest.approx(576 * (50 + 22.5 + 58 / 175))


def test_map_shows_what_a_run_cost(trained, tmp_path):
    done = mho_map("--run", str(trained), "--energy", cwd=tmp_path, columns=100)
    assert done.returncode == 0, done.stderr
    assert "what training cost a network (30 images)" in done.stdout
    assert "steps per image" in " ".join(done.stdout.split())
    assert "assumed" in done.stdout
    training = json.loads(mho_map("--run", str(trained), "--json", cwd=tmp_path).stdout)["training"]
    assert training["images"] == 30
    assert training["update_joules"][0] > 0
    assert training["bank_most_written"] in ("devices", "fast")


MISTAKES = {
    "name": (["alexnett"], "no model 'alexnett'; did you mean 'alexnet'? (your own is module:Net)"),
    "nothing": ([], "give a MODEL, for example mho map lenet, or --run DIR; neither was given"),
    "both": (["lenet", "--run", "."], "both were given"),
    "no shape": (["own:Net"], "give for example --input-shape 3x32x32"),
    "shape": (["own:Net", "--input-shape", "3x0"], "--input-shape '3x0': write the sizes"),
    "wrong shape": (["own:Net", "--input-shape", "1x6x6"], "conv (Conv2d) got an input of shape 1×6×6"),
    "layer": (["own:up", "--input-shape", "3x6x6"], "model (ConvTranspose3d) has a matrix"),
    "arguments": (["own:arguments", "--input-shape", "3"], "missing 1 required positional argument: 'width'"),
    "number": (["own:number", "--input-shape", "3"], "'own:number' is 3; give a class or a function"),
    "module": (["nowhere:Net", "--input-shape", "3"], "cannot be imported (No module named 'nowhere')"),
    "attribute": (["own:Nett", "--input-shape", "3"], "has no attribute 'Nett'"),
    "config and tile": (["lenet", "--tile", "4x4", "--set", "update.length=1"], "--tile would change what --config"),
    "config and run": (["--run", ".", "--config", "a.toml"], "leave out --config"),
    "copies": (["lenet", "--copies", "conv1=0"], "--copies 'conv1=0': write LAYER=N"),
    "twice": (["lenet", "--copies", "2", "--copies", "3"], "names '*' twice"),
    "devices": (["lenet", "--devices", "conv3=2"], "'conv3' matches no layer on arrays; did you mean 'conv"),
    "array": (["lenet", "--array", "512"], "write ROWSxCOLUMNS:NANOSECONDS"),
    "arrays": (["lenet", "--array", "8x8:1", "--arrays", "x"], "give one"),
    "formats": (["lenet", "--json", "--csv"], "give one"),
    "figure": (["lenet", "--figure", "a.gif"], "ends in .png, .svg, .pdf"),
    "constants": (["lenet", "--constants", "c.toml"], "there is no file c.toml"),
    "conventional": (["lenet", "--conventional", "312"], "write TOPS:WATTS"),
    "lines": (["lenet", "--lines-per-adc", "0"], "--lines-per-adc is 0; give how many lines share a converter"),
    "lines and arrays": (["lenet", "--lines-per-adc", "2", "--arrays", "x"], "write lines_per_adc there"),
    "show": (["lenet", "--figure", "a.png", "--show", "areas"], "--show 'areas': did you mean 'area'?"),
    "show alone": (["lenet", "--show", "area"], "add --figure FILE or --figures DIR"),
    "folder": (["lenet", "--figure", "nowhere/a.png"], "because there is no folder nowhere; make it"),
    "exact": (["lenet", "--exact", "--json"], "--exact has no effect"),
    "bits": (["lenet", "--set", "forward.adc_bits=1"], "adc_bits"),
    "run": (["--run", "nowhere"], "there is no run folder nowhere"),
    "run and plan": (["--run", ".", "--tile", "4x4"], "leave out --tile"),
    "exclude": (["lenet", "--exclude", "conv9"], "'conv9' matches no layer; did you mean 'conv"),
}


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory) -> dict[str, tuple[int, str]]:
    """What every mistake prints, from one process: importing torch for each costs more than the mistakes."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "own.py").write_text(MODULE)
    code = (
        "import contextlib, io, json, sys\n"
        "from mho.cli import main\n"
        "told = {}\n"
        "for name, words in json.loads(sys.argv[1]).items():\n"
        "    sys.argv = ['mho', 'map', *words]\n"
        "    try:\n"
        "        main()\n"
        "        told[name] = (0, '')\n"
        "    except SystemExit as end:\n"
        "        told[name] = (1, str(end.code))\n"
        "print(json.dumps(told))\n"
    )
    words = json.dumps({name: words for name, (words, _) in MISTAKES.items()})
    done = subprocess.run(
        [sys.executable, "-c", code, words], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_map_tells_mistakes_in_one_message(mistake, mistakes):
    status, told = mistakes[mistake]
    assert status == 1
    assert told.startswith("mho: ")
    assert MISTAKES[mistake][1] in told
