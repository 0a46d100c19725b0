"""Energy and time of cycles, updates and transfers: the sum of the parts, each constant with its source."""

from __future__ import annotations

import re

import pytest
from torch import nn

import mho
from mho.cells import AGAD, ERider, MixedPrecision, OneSided, PeriodicCarry, Referenced, Replicated, Residual, TikiTaka
from mho.config import RPU
from mho.errors import InvalidValue
from mho.hardware import (
    GOKMEN_2017,
    ArraySize,
    layer_energy,
    network_time,
    planned_table,
    read_constants,
    training_cost,
)
from mho.models import NETWORKS, Network
from tests.helpers.plans import by_name, plan

LARGE = GOKMEN_2017[:1]


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
