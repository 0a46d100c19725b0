"""Area, converters and totals of a network on arrays against numbers by hand, and how readers see them."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import mho
from mho.arrays import ArrayRow
from mho.cells import BankCost, CellCost, Converters, TikiTaka
from mho.config import RPU
from mho.errors import InvalidValue
from mho.hardware import (
    ArraySize,
    Conventional,
    array_table,
    conventional,
    costs_per_example,
    inference_totals,
    layer_area,
    layer_energy,
    network_time,
    parse_conventional,
    planned_table,
    read_constants,
    training_totals,
)
from mho.models import NETWORKS, Network
from mho.report import part_bars, write_sweep_report
from mho.report.sweep_costs import cost_figures, error_against_cost, front, priced_points
from mho.runs.results import LATER, RESULTS, Results, read_table, result_of
from mho.runs.sweep import Sweep
from mho.runs.train_work import _costs
from mho.text import per_cent, shortened, si
from tests.helpers.command import mho as run_command

SIZE = ArraySize(rows=16, columns=16, t_meas=63.0)
"""63 slots of 1 ns: inputs of 7 bits, the bits of the constants, have 63 levels above zero."""
WEIGHTS = 6 * 9 + 4 * 7 + 2 * 5
"""Of the network of three layers, with biases."""


def three() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 2))


def rows(*, forward: mho.Read | None = None, backward: mho.Read | None = None, **options) -> list[ArrayRow]:
    """The three layers, whose reads have converters."""
    reads = {name: read for name, read in (("forward", forward), ("backward", backward)) if read is not None}
    return planned_table(Network(three, (8,)), RPU(**reads, **options))


def bits(dac: int | None = None, adc: int | None = None) -> mho.Read:
    return mho.Read(dac_bits=dac, adc_bits=adc)


@pytest.fixture
def constants(tmp_path):
    """Return the constants, those that are named with these values."""

    def build(**values: float):
        file = tmp_path / "constants.toml"
        file.write_text("".join(f"[{name}]\nvalue = {value}\nsource = 'a test'\n" for name, value in values.items()))
        return read_constants(file)

    return build


# Converters


def test_inputs_of_fewer_bits_take_fewer_slots():
    layers = network_time(rows(forward=bits(dac=4), backward=bits(dac=5)), [SIZE]).layers
    assert [layer.forward for layer in layers] == [7.0] * 3  # 2³ - 1 slots
    assert [layer.backward for layer in layers] == [15.0] * 3
    assert [layer.training for layer in layers] == [7.0 + 15.0 + 63.0] * 3
    ideal = network_time(rows(), [SIZE])
    assert (ideal.sequential, ideal.training, ideal.pipelined) == (3 * 63, 9 * 63, 63)
    assert network_time(rows(forward=bits(dac=7)), [SIZE]).sequential == pytest.approx(3 * 63)
    heights = dataclasses.replace(SIZE, durations=False)
    assert network_time(rows(forward=bits(dac=4)), [heights]).sequential == 3 * 63


def test_lines_that_share_a_converter_are_converted_one_after_another(constants):
    known = constants(adc_time=2e-9)  # at 8 bits
    shared = dataclasses.replace(SIZE, lines_per_adc=4)

    def forward(read: mho.Read, size: ArraySize) -> list[float]:
        return [layer.forward for layer in network_time(rows(forward=read), [size], constants=known).layers]

    # 6, 4 and 2 outputs: 4, 4 and 2 conversions of 2 ns beside 7 ns of integration
    assert forward(bits(dac=4, adc=8), shared) == pytest.approx([8, 8, 7])
    assert forward(bits(dac=4, adc=4), shared) == pytest.approx([7, 7, 7])
    assert forward(bits(dac=4, adc=16), shared) == pytest.approx([16, 16, 8])
    assert forward(bits(dac=4), shared) == pytest.approx([8, 8, 7])  # ideal: as 8 bits
    assert forward(bits(dac=4), SIZE) == pytest.approx([7, 7, 7])
    assert forward(bits(dac=2), SIZE) == pytest.approx([2, 2, 2])  # 1 slot is over before its conversion is
    backward = network_time(rows(backward=bits(dac=4, adc=8)), [shared], constants=known).layers
    assert [layer.backward for layer in backward] == pytest.approx([8, 8, 8])  # 9, 7 and 5 outputs


def test_the_energy_of_a_conversion_follows_its_bits(constants):
    known = constants(adc=1.0, adc_bits=8, adc_noise_bits=10, dac=1e-300, activation=1e-300, addition=1e-300)

    def outputs(adc: int | None) -> float:
        layer = network_time(rows(forward=bits(adc=adc)), [SIZE]).layers[0]
        return layer_energy(layer, known).forward.outputs / 6

    rest = outputs(8) - 1.0  # of the integrator, 5 µW over 63 ns
    assert rest == pytest.approx(0.0, abs=1e-9)
    for adc, energy in ((4, 1 / 16), (8, 1.0), (None, 1.0), (10, 4.0), (12, 4.0 * 16)):
        assert outputs(adc) == pytest.approx(energy), adc
    inputs = constants(dac=1.0, dac_bits=7)
    for dac, energy in ((4, 1 / 8), (7, 1.0), (None, 1.0), (8, 2.0)):
        layer = network_time(rows(backward=bits(dac=dac)), [SIZE]).layers[0]
        assert layer_energy(layer, inputs).backward.inputs == pytest.approx(6 * energy), dac
    current = constants(device_resistance=2.0, read_voltage=3.0, line_capacitance=1e-300)
    layer = network_time(rows(forward=bits(dac=4)), [SIZE]).layers[0]
    assert layer_energy(layer, current).forward.arrays == pytest.approx(54 * 4.5 * 7e-9)  # as long as it is integrated
    assert layer_energy(layer, current).backward.arrays == pytest.approx(54 * 4.5 * 63e-9)


def test_readings_of_transfers_have_the_bits_of_their_circuit(constants):
    known = constants(adc=1.0, adc_bits=8, adc_noise_bits=10, integrator_power=1e-300)

    def outputs(adc: int) -> float:
        cell = TikiTaka(every=1, transfer=mho.Read(bound=12.0, adc_bits=adc))
        row = rows(device=mho.devices.SoftBounds(dw_min=0.01), cell=cell)[0]
        assert row.cell.events[0].converters == Converters(adc_bits=adc)
        return layer_energy(network_time([row], [SIZE]).layers[0], known).transfers.outputs

    assert outputs(6) == pytest.approx(outputs(8) / 4)


def test_updates_are_bounded_by_their_own_trains(constants):
    known = constants(device_resistance=1.0, pulse_voltage=2.0, pulse_time=1.0, line_capacitance=1e-300)

    def bound(length: int) -> float:
        layer = network_time(rows(update=mho.Pulses(length=length)), [SIZE]).layers[0]
        return layer_energy(layer, known).update_bound.arrays

    # half the voltage of a row and of a column at each of 54 cross-points, and the rest of a coincidence
    assert bound(1) == pytest.approx(54 * (2 * 1.0 + 2.0))
    assert bound(7) == pytest.approx(7 * bound(1))


# Area and totals


def test_the_area_is_the_sum_of_whole_arrays(constants):
    known = constants(
        cell_pitch=2.0, dac_area=7.0, integrator_area=5.0, adc_area=3.0, pulse_train_area=11.0, digital_area=13.0,
        memory_area=17.0,
    )  # fmt: skip
    size = ArraySize(rows=16, columns=32, t_meas=63.0, lines_per_adc=5)
    time = network_time(rows(forward=bits(dac=4, adc=9), backward=bits(adc=7)), [size])
    area = layer_area(time.layers[0], known)
    assert area.cells == 16 * 32 * 4
    assert area.dacs == pytest.approx(32 * 7 * 4 / 7 + 16 * 7)  # columns forward at 4 bits, rows backward
    assert area.integrators == (16 + 32) * 5
    assert area.adcs == 4 * 3 * 2 + 7 * 3 / 2  # a converter for 5 of 16 rows, at 9 bits; of 32 columns, at 7
    assert area.trains == (16 + 32) * 11
    assert area.digital == (16 + 32) * 13 + (6 + 9) * 17
    assert area.total == pytest.approx(sum(v for v in dataclasses.astuple(area)[1:]))
    alone = layer_area(time.layers[0], known, training=False)
    assert (alone.dacs, alone.integrators, alone.adcs, alone.trains) == (pytest.approx(32 * 4), 16 * 5, 4 * 3 * 2, 0)
    assert alone.digital == 16 * 13 + (6 + 9) * 17
    spread = network_time(rows(cell=mho.cells.Replicated(3)), [size], copies=None).layers[0]
    assert spread.tiles == 2  # 18 rows of 16
    assert layer_area(spread, known).cells == 2 * area.cells


def test_banks_that_reads_do_not_see_are_no_part_of_inference():
    row = rows(device=mho.devices.SoftBounds(dw_min=0.01), cell=TikiTaka())[0]
    time, known = network_time([row], [SIZE]), read_constants()
    training, inference = training_totals(time, known), inference_totals(time, known)
    assert (training.arrays, inference.arrays) == (2, 1)
    assert (training.used, inference.used) == (2 * 54, 54)
    assert training.utilisation == inference.utilisation == 54 / 256


def test_totals_are_what_they_say():
    time, known = network_time(rows(forward=bits(dac=4)), [SIZE]), read_constants()
    work, trained = inference_totals(time, known), training_totals(time, known)
    assert (work.operations, trained.operations) == (2 * WEIGHTS, 6 * WEIGHTS)
    assert (work.time, trained.time) == pytest.approx((7e-9, 133e-9))
    assert (work.latency, trained.latency) == pytest.approx((21e-9, 399e-9))
    assert (work.arrays, work.cross_points, work.used) == (3, 768, WEIGHTS)
    assert time.layers[0].utilisation == 54 / 256
    assert work.throughput == pytest.approx(2 * WEIGHTS / 7e-9)
    energy = [layer_energy(layer, known) for layer in time.layers]
    assert work.energy == pytest.approx((sum(e.forward.total for e in energy),) * 2)
    reads = work.energy[0] + sum(e.backward.total for e in energy)
    assert trained.energy == pytest.approx((reads, reads + sum(e.update_bound.total for e in energy)))
    assert trained.power[1] == pytest.approx(trained.energy[1] / 133e-9)
    assert trained.efficiency[0] == pytest.approx(6 * WEIGHTS / trained.energy[1])
    costs = costs_per_example(rows(forward=bits(dac=4)), [SIZE])
    assert costs["energy_training_image"] == trained.energy[1]
    assert (costs["time_training_image"], costs["area_training"]) == (trained.time, trained.area)


def test_alexnet_has_the_throughput_that_its_table_gives():
    table = planned_table(NETWORKS["alexnet"], RPU(), bias_column=False)
    work = inference_totals(network_time(table), read_constants())
    # 1.14 G MACs in the 58 µs of conv2, Gokmen 2017
    assert work.throughput == pytest.approx(2 * 1.135e9 / 58.32e-6, rel=1e-3)
    beside = conventional(read_constants())
    assert (beside.rate, beside.power, beside.efficiency) == (156e12, 400, 3.9e11)
    assert beside.time(work.operations) == pytest.approx(2 * 1.135e9 / 156e12, rel=1e-3)
    assert beside.energy(work.operations) == pytest.approx(400 * beside.time(work.operations))


def test_conventional_hardware_is_read_from_a_word():
    assert parse_conventional("312:400") == Conventional(312e12, 400.0, "--conventional")
    for text in ("312", "a:b", "0:1", "1:-1", "nan:1", "1:2:3"):
        with pytest.raises(InvalidValue, match="write TOPS:WATTS"):
            parse_conventional(text)


# The record


def test_a_row_comes_back_from_its_table():
    grouped = Network(lambda: nn.Conv2d(4, 6, 3, groups=2), (4, 8, 8))
    rpu = RPU(forward=bits(dac=4, adc=6), tile=(2, 8), cell=mho.cells.Referenced(), scale=2.0)
    row = planned_table(grouped, rpu)[0]
    assert (row.groups, row.tiles, row.references, row.forward) == (2, 9, 1, Converters(dac_bits=4, adc_bits=6))
    table = json.loads(json.dumps(row.to_dict()))
    assert ArrayRow.from_dict(table) == row
    assert array_table(mho.convert(grouped.build(), rpu, quiet=True), torch.zeros(1, 4, 8, 8)) == [row]
    for name in (
        "groups",
        "uses",
        "forward",
        "backward",
        "cell",
        "tiles",
        "tile_out",
        "tile_in",
        "references",
        "scale",
    ):
        del table[name]  # as in folders of earlier versions
    old = ArrayRow.from_dict(table)
    assert (old.groups, old.uses, old.tile_out, old.forward, old.devices) == (1, 1, 3, Converters(), 2)
    for name, value, words in (("out", 0, "out 0"), ("references", 2, "references 2"), ("layer", 3, "layer is 3")):
        with pytest.raises(InvalidValue, match=words):
            ArrayRow.from_dict(table | {name: value})


# Numbers and names


def test_numbers_have_the_prefix_that_suits_them():
    assert [si(e, "J") for e in (0.0, 9.996e-13, 2.58e-12, 1.5e3)] == ["0", "1 pJ", "2.58 pJ", "1.5 kJ"]
    # squares: a prefix counts twice
    assert [si(a, "m²") for a in (5e-11, 1.5e-9, 1.82e-6, 3.6e-2, 2e-15)] == [
        "50 µm²", "0.0015 mm²", "1.82 mm²", "0.036 m²", "0.002 µm²",
    ]  # fmt: skip
    assert [per_cent(s) for s in (0.394, 0.0423, 0.0004, 0.0)] == ["39", "4.2", "< 0.1", "0"]


def test_shortened_names_are_told_apart_or_stay():
    names = [f"layer{block}.{unit}.{end}" for block in (1, 2) for unit in (0, 1) for end in ("conv1", "conv2")]
    names += ["fc", "layer2.0.downsample.0"]
    assert shortened(names, 40) == names
    assert shortened(names, 14) == [*names[:-1], "laye2.0.down.0"]
    for width in (9, 10, 12, 16):
        short = shortened(names, width)
        assert len(set(short)) == len(names)
        assert max(map(len, short)) <= width
    encoder = [f"e.layers.{n}.self_attn.{p}_proj" for n in (0, 1) for p in ("q", "k", "v", "out")]
    assert len(set(shortened(encoder, 16))) == 8
    same = ["abcdefgh" + str(n) + "ijklmnop" for n in range(3)]
    assert shortened(same, 5) == same  # cannot be told apart


def test_parts_are_drawn_as_stacked_bars():
    data = [{"layer": "a", "parts": {"x": 1e-9, "y": 2e-9}}, {"layer": "b", "parts": {"x": 0.0, "y": 4e-9}}]
    ax = part_bars(data, Figure().add_subplot(), unit="J", quantity="energy")
    assert [[bar.get_width() for bar in bars] for bars in ax.containers] == [[1, 0], [2, 4]]
    assert [bar.get_x() for bar in ax.containers[1]] == [1, 0]
    assert ax.get_xlabel() == "energy (nJ)"
    assert [text.get_text().strip() for text in ax.texts] == ["3 nJ", "4 nJ"]


# Sweeps


def test_points_of_a_sweep_are_drawn_against_their_energy(tmp_path: Path):
    grid = {"forward.adc_bits": [3, 6, 8], "forward.noise": [0.0, 0.1]}
    sweep = Sweep({"preset": "gokmen_2017", "sweep": {"seeds": 2, "grid": grid}})
    results, metrics = Results(tmp_path, sweep), {"epoch": 1, "train_error": 1.0, "train_loss": 0.5, "seconds": 1.0}
    for row in sweep.rows:
        read = mho.Read(adc_bits=row.values["forward.adc_bits"])
        costs = costs_per_example(rows(forward=read))
        line = metrics | {"test_error": 10.0 - row.values["forward.adc_bits"] + 50 * row.values["forward.noise"]}
        results.add({row.number: result_of([line], "runs/a", 0, 1, costs=costs)})
    (tmp_path / "sweep.toml").write_text(sweep.to_toml())
    table = read_table(tmp_path / RESULTS)
    points = priced_points(table)
    assert [point.error for point in points] == [7, 12, 4, 9, 2, 7]
    assert points[0].words == "adc_bits 3, noise 0"
    energy = costs_per_example(rows(forward=bits(adc=3)))["energy_training_image"]
    assert points[0].costs["energy_training_image"] == energy
    ax = error_against_cost(points, Figure().add_subplot(), quantity="energy_training_image")
    every, best = ax.get_lines()
    assert list(every.get_ydata()) == [7, 12, 4, 9, 2, 7]
    assert list(best.get_ydata()) == [7, 4, 2]
    assert front([(1, 5), (1, 4), (2, 4), (3, 1), (4, 2)]) == [1, 3]
    page = write_sweep_report(tmp_path).read_text()
    assert "Test error against cost" in page
    assert page.count("energy per training example, at most (pJ)") == 1
    assert "time per training example" not in page  # all points take as long
    older = dataclasses.replace(table, records=[{k: v for k, v in r.items() if k not in LATER} for r in table.records])
    assert (priced_points(older), cost_figures(older)) == ([], [])


def test_rows_whose_cells_no_array_of_mho_holds_have_no_costs():
    assert _costs(rows()) == costs_per_example(rows())
    wide = CellCost(banks=(BankCost(devices=5000),))  # as a cell of the user's own may have
    assert _costs([dataclasses.replace(row, cell=wide) for row in rows()]) == {}


# The command line


def test_runs_of_other_bits_differ_in_time_and_energy(tmp_path: Path):
    found = []
    for adc in (4, 8):
        words = ["--model", "mlp", "--epochs", "1", "--set", f"forward.adc_bits={adc}", "--set", "forward.dac_bits=5"]
        words += ["--set", "training.train_images=20", "--set", "training.test_images=10", "--out", f"run{adc}"]
        assert run_command("train", *words, cwd=tmp_path).returncode == 0
        done = run_command("map", "--run", f"run{adc}", "--lines-per-adc", "64", "--json", "--energy", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    four, eight = found
    assert [array["forward_adc_bits"] for array in four["arrays"]] == [4, 4, 4]
    assert four["arrays"][0]["forward_joules"] < eight["arrays"][0]["forward_joules"]
    assert four["totals"]["inference"]["seconds_per_image"] < eight["totals"]["inference"]["seconds_per_image"]


def test_map_prints_areas_totals_and_exact_counts(tmp_path: Path):
    words = ["lenet", "--area", "--exact", "--conventional", "10:100", "--set", "forward.adc_bits=6"]
    done = run_command(
        "map", *words, "--figure", "a.svg", "--show", "time,energy", "--show", "area", cwd=tmp_path, COLUMNS="80"
    )
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    text = " ".join(done.stdout.split())
    for words_ in ("821,248", "65,664", "1,127,818", "efficiency (TOPS/W)", "10, 0.1", "6-bit outputs"):
        assert words_ in text, words_
    drawn = (tmp_path / "a.svg").read_text()
    assert all(quantity in drawn for quantity in ("time per training image (µs)", "energy per training image (nJ)"))
    found = run_command("map", "lenet", "--area", "--csv", cwd=tmp_path)
    lines = list(csv.DictReader(io.StringIO(found.stdout)))
    assert float(lines[1]["utilisation"]) == 32 * 401 / 512**2
    parts = [name for name in lines[0] if name.startswith("area_") and name != "area_m2"]
    assert sum(float(lines[0][name]) for name in parts) == pytest.approx(float(lines[0]["area_m2"]))


def test_narrow_terminals_tell_layers_apart(tmp_path: Path):
    done = run_command("map", "resnet18", "--area", cwd=tmp_path, COLUMNS="80")
    assert max(map(len, done.stdout.splitlines())) <= 80
    table = done.stdout.split("area by parts")[1].split("all")[0].splitlines()[3:]
    names = [line.split()[0] for line in table if line.strip()]
    assert len(names) == len(set(names)) == 21
    assert "Names are shortened" in done.stdout
