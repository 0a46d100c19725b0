"""mho bench: turns, ratios and exponents; every suite from its command to its page; mistakes."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import re
import sys
import types

import numpy as np
import pytest
import torch

from mho.benchmarks import aihwkit_peer, band_limited, lenet, loads, narrow, roofs, rules, steps, timing, update
from mho.benchmarks.loads import ACTIVE, LENGTH, Case
from mho.benchmarks.plan import SUITES, Plan, make_plan
from mho.benchmarks.runner import Outcome, open_folder, run_plan, write_outcome
from mho.benchmarks.steps import DRIVERS, timed_block
from mho.benchmarks.timing import Samples, alternate, exponent, repeat
from mho.benchmarks.user_law import OwnSoftBounds, PowerLaw
from mho.cells import Replicated
from mho.compiler import threads
from mho.devices import LAWS, SoftBounds
from mho.errors import InvalidValue, WrongUse
from mho.periphery import Read
from mho.presets import floating_point, gokmen_2017
from mho.testing import check_device
from tests.helpers.command import mho

# Timing ------------------------------------------------------------------------------------------


def test_contestants_take_turns_after_one_that_does_not_count():
    told = []

    def block(name, values):
        def turn():
            told.append(name)
            return next(values)

        return turn

    taken = alternate({"a": block("a", iter([9.0, 1.0, 2.0])), "b": block("b", iter([9.0, 4.0, 4.0]))}, rounds=2)
    assert told == ["a", "b"] * 3
    assert taken == {"a": Samples((1.0, 2.0)), "b": Samples((4.0, 4.0))}


def test_ratios_are_taken_round_by_round():
    """A machine that slows down by 3 in the second half changes no ratio, and would change one of medians."""
    slow, fast = Samples((2.0, 2.2, 6.0, 6.6)), Samples((1.0, 1.1, 3.0, 3.3))
    assert slow.over(fast).values == pytest.approx((2.0,) * 4)
    with pytest.raises(ValueError, match="zip"):
        slow.over(Samples((1.0,)))


def test_records_hold_median_quartiles_extremes_and_every_sample():
    record = Samples((4.0, 1.0, 2.0, 3.0, 10.0)).scaled(2.0).record("us")
    assert record["us"] == 6.0
    assert record["us_quartiles"] == [4.0, 8.0]
    assert (record["us_min"], record["us_max"]) == (2.0, 20.0)
    assert record["us_samples"] == [8.0, 2.0, 4.0, 6.0, 20.0]


def test_exponents_are_fitted_for_every_round():
    sizes = (10, 100, 1000)
    times = [Samples((3 * n**1.5, 7 * n**0.5)) for n in sizes]
    assert exponent(sizes, times).values == pytest.approx((1.5, 0.5))


@pytest.mark.parametrize(("seconds", "calls", "median"), [(0.0, 3, 4.0), (20.0, 4, 6.0), (1e9, 5, 8.0)])
def test_repeat_returns_the_median_of_at_least_three_calls_and_so_many_seconds(monkeypatch, seconds, calls, median):
    """The clock moves by what a call says it takes."""
    now = 0.0
    monkeypatch.setattr(timing, "time", types.SimpleNamespace(perf_counter=lambda: now))
    lasting = iter((8.0, 2.0, 4.0, 1e8, 1e9))

    def call() -> None:
        nonlocal now
        now += next(lasting)

    assert repeat(call, seconds=seconds) == median
    assert len(list(lasting)) == 5 - calls


# Loads -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driven", [1.0, 0.25])
def test_six_per_cent_of_the_pairs_coincide(driven):
    """Measured on the pulses themselves: weights that moved in a single vector."""
    array = loads.array_of(gokmen_2017(pulses=LENGTH), Case(200, 300, 1))
    array.write(torch.zeros(200, 300))
    call = loads.update_call(array, 1, driven_rows=driven)
    moved = 0
    for _ in range(20):
        before = array.weight.clone()
        call()
        moved += int((array.weight != before).sum())
    # The share of driven rows is itself drawn: 200 rows of one vector.
    tolerance = 0.004 if driven == 1.0 else 0.02
    assert moved / (20 * 60_000) == pytest.approx(ACTIVE, abs=tolerance)


def test_weights_stay_where_they_are_however_long_one_measures():
    """400 vectors of one sign would move them by 0.025; as many of either walk 0.005."""
    array = loads.array_of(gokmen_2017(pulses=LENGTH), Case(40, 50, 1))
    before = array.weight.clone()
    call = loads.update_call(array, 1)
    for _ in range(400):
        call()
    assert 0 < float((array.weight - before).abs().mean()) < 0.01


def test_update_parts_are_the_kernels_that_ran(monkeypatch):
    """The clock ticks only where it is read: once within each kernel."""
    monkeypatch.setattr(loads, "time", types.SimpleNamespace(perf_counter=map(float, itertools.count()).__next__))
    array = loads.array_of(gokmen_2017(), Case(16, 17, 4))
    call = loads.update_call(array, 4)
    for _ in range(20):  # by then the array runs its small update as one program
        call()
    before = array.weight.clone()
    assert loads.kernel_times(array, 4, seconds=0.0) == {"trains": 1.0, "update": 1.0, "count_on": 1.0}
    assert not torch.equal(array.weight, before)


def test_threads_are_set_for_the_call_only(set_threads):
    set_threads(3)
    seen = []
    loads.on_threads(2, lambda: seen.append(threads.threads()))()
    assert (seen, threads.threads()) == ([2], 3)


def test_bytes_a_cross_point_are_those_of_the_buffers():
    """State, and 4 bytes for each of the four fields with spread; copies are cross-points of their own."""
    case = Case(100, 100, 1)
    for cell in (None, Replicated(4)):
        rpu = gokmen_2017() if cell is None else gokmen_2017().replace(cell=cell)
        assert loads.cross_point_bytes(loads.array_of(rpu, case)) == pytest.approx(20, abs=0.1)
    assert loads.cross_point_bytes(loads.array_of(floating_point(), case)) == pytest.approx(4, abs=0.1)


def test_shares_of_the_roofs():
    case = Case(10, 10, 1)
    work = roofs.Work(bytes=100.0, operations=50.0, footprint=100)
    measured = {f"triad {case}": Samples((1.0,)), roofs.PRODUCT: Samples((2.0,))}
    amounts = {f"triad {case}": 400.0, roofs.PRODUCT: 1000.0}
    found = roofs.reached(case, work, Samples((0.5,)), measured, amounts)
    assert found["share_of_bandwidth"] == pytest.approx(0.5)  # 200 of 400 bytes a second
    assert found["share_of_peak"] == pytest.approx(0.2)  # 100 of 500 operations a second
    assert found["nearer_roof"] == "memory"


def test_an_update_touches_the_lines_that_coincide():
    array = loads.array_of(gokmen_2017(), Case(64, 64, 1))
    once = roofs.update_work(array, Case(64, 64, 1), 0.06).bytes
    often = (
        roofs.update_work(array, Case(64, 64, 1000), 0.06).bytes
        - roofs.update_work(array, Case(64, 64, 999), 0.06).bytes
    )
    # a line holds 16 weights, or the four fields of 4 cross-points
    touched = 64 * 64 * (8 * (1 - 0.94**16) + 16 * (1 - 0.94**4))
    words = 8 * 128
    assert once == pytest.approx(touched + words)
    assert often == pytest.approx(words)


# Contestants -------------------------------------------------------------------------------------


def test_every_contestant_meets_the_same_images_in_the_same_order():
    pictures = Plan().pictures().first(4, 1)
    seen: dict[str, list[int]] = {"a": [], "b": []}

    def step(name):
        return lambda images, labels: seen[name].append(int(labels))

    for name in seen:
        block = timed_block(step(name), pictures, 3, warm_up=2)
        block()
        block()
    assert seen["a"] == seen["b"] == [int(pictures.train_labels[i % 4]) for i in range(8)]


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("driver", [*DRIVERS, "plain torch"])
def test_steps_train(driver, replicas, monkeypatch):
    """The step moves weights: the loss of one image falls, in every replica."""
    made: list[torch.nn.Module] = []
    for maker in ("lenet", "convert"):
        real = getattr(steps, maker)
        monkeypatch.setattr(steps, maker, lambda *a, real=real, **k: made.append(real(*a, **k)) or made[-1])
    pictures = Plan().pictures()
    image, label = pictures.train_images[:1], pictures.train_labels[:1]
    rpu = gokmen_2017(update_management=True)
    step = DRIVERS[driver](rpu, seed=3, replicas=replicas) if driver in DRIVERS else steps.plain_torch()
    model = made[-1]

    def losses():
        with torch.no_grad():
            out = model(image)
        return [float(torch.nn.functional.cross_entropy(o, label)) for o in (out if out.dim() == 3 else out[None])]

    before = losses()
    for _ in range(15):
        step(image, label)
    assert all(after < 0.7 * start for start, after in zip(before, losses(), strict=True))


def test_the_users_laws_are_laws():
    check_device(PowerLaw())
    # what is timed beside mho's is the same device, written by someone else
    assert OwnSoftBounds.law_hash() != SoftBounds.law_hash()
    assert check_device(OwnSoftBounds()).symmetry_spread == pytest.approx(
        check_device(SoftBounds()).symmetry_spread, abs=1e-6
    )


# aihwkit -----------------------------------------------------------------------------------------


@pytest.fixture
def fake_aihwkit(monkeypatch):
    """The names of aihwkit's interface, over plain torch: what is asked of it is kept."""
    asked: dict[str, object] = {}

    def record(name):
        return lambda **fields: types.SimpleNamespace(kind=name, **fields)

    def convert_to_analog(model, rpu_config):
        asked["config"] = rpu_config
        return model

    class AnalogSGD(torch.optim.SGD):
        def regroup_param_groups(self, model):
            asked["regrouped"] = model

    kinds = ("ConstantStepDevice", "SoftBoundsDevice", "SingleRPUConfig", "UnitCellRPUConfig", "TransferCompound")
    kinds += ("BufferedTransferCompound", "ChoppedTransferCompound", "DynamicTransferCompound", "IOParameters")
    kinds += ("DigitalRankUpdateRPUConfig", "MixedPrecisionCompound", "UpdateParameters", "MappingParameter")
    configs = types.ModuleType("aihwkit.simulator.configs")
    for kind in kinds:
        setattr(configs, kind, record(kind))
    configs.PulseType = types.SimpleNamespace(STOCHASTIC_COMPRESSED="compressed")
    configs.BoundManagementType = types.SimpleNamespace(ITERATIVE="iterative", NONE="none")
    configs.NoiseManagementType = types.SimpleNamespace(ABS_MAX="abs max", NONE="none")
    modules = {
        "aihwkit": types.ModuleType("aihwkit"),
        "aihwkit.nn": types.ModuleType("aihwkit.nn"),
        "aihwkit.nn.conversion": types.SimpleNamespace(convert_to_analog=convert_to_analog),
        "aihwkit.optim": types.SimpleNamespace(AnalogSGD=AnalogSGD),
        "aihwkit.simulator": types.ModuleType("aihwkit.simulator"),
        "aihwkit.simulator.configs": configs,
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return asked


def test_aihwkit_gets_the_same_spec(fake_aihwkit):
    assert aihwkit_peer.missing() is None
    config = aihwkit_peer.rpu_config(gokmen_2017(pulses=7, update_management=True))
    device = config.device
    assert (device.dw_min, device.dw_min_dtod, device.dw_min_std) == (0.001, 0.30, 0.30)
    assert (device.w_max, device.w_min, device.w_max_dtod, device.w_min_dtod) == (0.6, -0.6, 0.30, 0.30)
    assert (device.up_down, device.up_down_dtod) == (0.0, 0.01)
    assert (config.forward.bound_management, config.forward.noise_management) == ("iterative", "none")
    assert (config.backward.bound_management, config.backward.noise_management) == ("none", "abs max")
    assert config.forward.max_bm_factor == 1023
    for read in (config.forward, config.backward):
        assert (read.out_noise, read.out_bound, read.inp_res, read.out_res) == (0.06, 12.0, 0.0, 0.0)
    assert (config.update.desired_bl, config.update.update_management) == (7, True)
    assert config.update.update_bl_management is False
    assert config.mapping.digital_bias is False


def test_what_aihwkit_cannot_express_is_refused(fake_aihwkit):
    for rpu in (
        floating_point(),
        gokmen_2017().replace(cell=Replicated(2)),
        gokmen_2017().replace(forward=Read(adc_bits=7)),
    ):
        with pytest.raises(InvalidValue, match="compared with aihwkit"):
            aihwkit_peer.rpu_config(rpu)


def test_aihwkit_gets_the_rules_that_it_has(fake_aihwkit):
    base = gokmen_2017(update_management=True).replace(device=SoftBounds())
    made = {
        name: aihwkit_peer.rpu_config(rpu)
        for name, cell in rules.RULES.items()
        if aihwkit_peer.expresses(rpu := base.replace(cell=cell))
    }
    assert {name: config.device.kind for name, config in made.items()} == {
        "SGD": "SoftBoundsDevice",
        "TTv1": "TransferCompound",
        "TTv2, rate η": "BufferedTransferCompound",
        "TTv2": "ChoppedTransferCompound",
        "c-TTv2": "ChoppedTransferCompound",
        "AGAD, rate η": "DynamicTransferCompound",
        "AGAD": "DynamicTransferCompound",
        "MixedPrecision": "MixedPrecisionCompound",
    }
    chopped = made["c-TTv2"].device
    assert (chopped.transfer_every, chopped.units_in_mbatch, chopped.in_chop_prob) == (2, False, 0.1)
    assert (chopped.auto_scale, chopped.transfer_forward.out_noise) == (True, 0.06)
    assert [device.kind for device in chopped.unit_cell_devices] == ["SoftBoundsDevice"] * 2
    assert made["AGAD, rate η"].device.auto_scale is False
    assert made["MixedPrecision"].device.transfer_every == 100
    assert not hasattr(made["MixedPrecision"], "update")  # the outer product is digital


def test_rules_take_aihwkit_in_where_it_is_installed(fake_aihwkit):
    result = rules.run(Plan(rounds=1, images=1, quick=True), lambda line: None)
    names = [row["rule"] for row in result.records]
    assert len(names) == len(rules.RULES) + 8
    assert "TTv2, aihwkit" in names
    assert "E-RIDER, aihwkit" not in names
    assert result.notes == ()


def test_lenet_takes_aihwkit_in_where_it_is_installed(fake_aihwkit):
    result = lenet.run(Plan(rounds=2, images=2, quick=True), lambda line: None)
    assert result.notes == ()
    rows = {(row["spec"], row["contestant"]): row for row in result.records}
    assert len(rows) == len(lenet.SPECS) * (len(DRIVERS) + 2)
    for spec in lenet.SPECS:
        peer = rows[spec, "aihwkit"]
        assert peer["times_faster_than_aihwkit"] == 1.0
        own = rows[spec, next(iter(DRIVERS))]
        expected = [a / b for a, b in zip(peer["us_an_image_samples"], own["us_an_image_samples"], strict=True)]
        assert own["times_faster_than_aihwkit_samples"] == pytest.approx(expected)
    assert "regrouped" in fake_aihwkit
    assert "times faster than aihwkit" in result.tables[0].columns


def test_without_aihwkit_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "aihwkit.nn.conversion", None)
    assert aihwkit_peer.missing() == (
        "aihwkit is not installed; to compare with it: pip install aihwkit==1.2.0 (see benchmarks/README.md)"
    )


def test_a_broken_aihwkit_says_what_broke(tmp_path, monkeypatch):
    package = tmp_path / "aihwkit" / "nn"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("raise ImportError('libtorch.so: undefined\\nsymbol')")
    for name in [name for name in sys.modules if name.startswith("aihwkit")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    reason = aihwkit_peer.missing()
    assert reason is not None
    assert "libtorch.so: undefined symbol" in reason
    assert "\n" not in reason
    for name in [name for name in sys.modules if name.startswith("aihwkit")]:
        del sys.modules[name]


# Without AVX-512 ---------------------------------------------------------------------------------


def test_the_other_process_compiles_for_another_cpu_and_this_one_does_not(monkeypatch):
    for name in narrow.SETTINGS:
        monkeypatch.delenv(name, raising=False)
    case = Case(4, 20, 2)
    monkeypatch.setattr(narrow, "_turn", _cpu_name)
    with narrow.narrow_blocks(gokmen_2017(), (case,), threads=1, seconds=0.0) as blocks:
        assert blocks[case]() == "haswell"
    assert not any(name in os.environ for name in narrow.SETTINGS)


def _cpu_name(case: Case, seconds: float) -> str:
    import numba

    return numba.config.CPU_NAME


def test_a_chosen_cpu_is_not_compared_with_itself(monkeypatch):
    monkeypatch.setattr(narrow, "has_avx512", lambda: True)
    for name in narrow.SETTINGS:
        monkeypatch.delenv(name, raising=False)
    assert narrow.left_out() is None
    monkeypatch.setenv("NUMBA_CPU_NAME", "haswell")
    assert "NUMBA_CPU_NAME is set" in narrow.left_out()
    monkeypatch.setattr(narrow, "has_avx512", lambda: False)
    assert "no AVX-512" in narrow.left_out()


def test_bytes_of_a_layer_are_those_that_torch_keeps_and_allocates():
    """10×10 transforms at C = 50 %: k = ⌊6·0.7⌋ = 4, 7·4 coefficients of 8 bytes, of 2·3 maps and 3·3 filters."""
    layer = band_limited.Layer(batch=2, channels=3, side=8, kernel=3)
    module = band_limited.contestants(layer)["C = 50 %"]
    assert band_limited.kept_bytes(layer, module) == 7 * 4 * 8 * (2 * 3 + 3 * 3)
    least = band_limited.kept_bytes(layer, module)
    assert least < band_limited.peak_bytes(band_limited.step_of(layer, module)) < 100 * least
    ones = torch.ones(100_000)
    assert band_limited.peak_bytes(lambda: ones + 1 + 1) == pytest.approx(800_000, rel=0.01)  # two sums at once


# The whole ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run_plan(make_plan(["all"], {}, quick=True), lambda line: None)


def test_json_holds_machine_settings_and_records_of_every_suite(outcome):
    found = json.loads(outcome.to_json())
    assert {"cpu", "cores", "python", "numpy", "numba", "torch", "mho", "load_average"} <= set(found["machine"])
    assert found["settings"]["suites"] == list(SUITES)
    assert found["settings"]["rounds"] == 2
    for suite in SUITES:
        assert found[suite]
    sampled = [row for suite in SUITES for row in found[suite] if any(key.endswith("_samples") for key in row)]
    for row in sampled:
        for key in [key for key in row if key.endswith("_samples")]:
            assert len(row[key]) == 2
            assert all(math.isfinite(value) for value in row[key])
            assert row[key.removesuffix("_samples")] == pytest.approx(np.median(row[key]))
            if "exponent" not in key:
                assert min(row[key]) > 0


def test_suites_measure_what_the_issue_asks(outcome):
    found = outcome.to_dict()
    assert {row["contestant"] for row in found["lenet"]} >= {"plain torch", *DRIVERS}
    assert {row["over"] for row in found["update"] if row["measured"] == "exponent"} == {
        "T",
        "BL",
        "area",
        "threads",
    }
    reads = {(row["direction"], row["read"]) for row in found["read"] if row["measured"] == "read"}
    assert reads == set(itertools.product(("forward", "backward"), ("exact", "noise", "noise, management")))
    ways = {(row["replicas"], row["side_by_side"], row["threads"]) for row in found["replicas"] if "threads" in row}
    assert ways == {(r, side, n) for r in (1, 2) for side, n in ((False, 1), (True, 1), (True, 2))}
    laws = {row["law"]: row for row in found["devices"]}
    assert {*LAWS, "PowerLaw (a user's own)", "SoftBounds (a user's own)"} <= set(laws)
    assert laws["ConstantStep"]["ratio"] == 1.0
    assert laws["PowerLaw (a user's own)"]["closed_form"] == "pulse by pulse"


def test_copies_are_cross_points_of_their_own(outcome):
    for row in outcome.to_dict()["devices"]:
        pairs = row["rows"] * row["columns"] * row["vectors"] * row["devices"]
        assert row["ns_a_pair"] * pairs == pytest.approx(row["us_a_call"] * 1e3)


def test_threads_are_set_back_after_a_benchmark(set_threads):
    set_threads(3)
    run_plan(make_plan(["devices"], {"rounds": 1, "threads": 2}, quick=True), lambda line: None)
    assert threads.threads() == 3


def test_full_sizes_are_those_of_the_issue():
    assert [str(case) for case in update.CASES] == [
        "32×401, T = 64",
        "512×512, T = 1",
        "512×512, T = 64",
        "2048×2048, T = 1",
        "2048×2048, T = 64",
    ]


def test_the_page_is_whole_and_needs_nothing_else(outcome, tmp_path):
    write_outcome(outcome, tmp_path)
    page = (tmp_path / "bench.html").read_text()
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert "quick benchmark" in page
    for result in outcome.results:
        assert result.title in page
        for table in result.tables:
            assert table.title in page
    assert page.count("<svg class=") == 2 * sum(len(result.charts) for result in outcome.results)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert outcome.machine["cpu"] in page
    assert json.loads((tmp_path / "bench.json").read_text()) == json.loads(outcome.to_json())


def test_words_of_results_are_escaped(outcome):
    from mho.benchmarks.page import render

    strange = dataclasses.replace(outcome.results[0], title="<script>", notes=("a & b",))
    page = render(outcome.machine, outcome.plan, [strange])
    assert "<script>" not in page
    assert "a &amp; b" in page


def test_bench_as_a_user_types_it(tmp_path):
    done = mho("bench", "devices", "--quick", "--out", "bench", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ConstantStep" in done.stdout
    assert "bytes per cross-point" in done.stdout
    assert "bench/bench.html" in done.stdout
    assert {file.name for file in (tmp_path / "bench").iterdir()} == {"bench.json", "bench.html"}
    again = mho("bench", "devices", "--quick", "--out", "bench", cwd=tmp_path)
    assert again.returncode == 1
    assert "exists and is not empty; give another --out" in again.stderr.replace("\n", " ")


def test_json_alone_on_standard_output(tmp_path):
    done = mho("bench", "--quick", "--rounds", "1", "--images", "2", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["settings"]["images"] == 2
    assert len(found["lenet"][0]["ratio_samples"]) == 1
    assert list(tmp_path.iterdir()) == []


# Mistakes ----------------------------------------------------------------------------------------


def test_all_faults_at_once_with_the_nearest_name():
    with pytest.raises(InvalidValue) as caught:
        make_plan(["updat"], {"rounds": 0, "images": 0, "data": "minst", "threads": 0})
    told = str(caught.value)
    for fault in (
        "no suite 'updat'; did you mean 'update'?",
        "rounds is 0; give an integer of at least 1",
        "images is 0",
        "data is 'minst'; did you mean 'mnist'?",
        "threads is 0; give an integer from 1 to 1024",
    ):
        assert fault in told


def test_options_without_effect_are_refused():
    with pytest.raises(
        InvalidValue, match=r"--data has no effect on update, read; leave it out, or add lenet or batch"
    ):
        make_plan(["update", "read"], {"data": "mnist"})
    with pytest.raises(InvalidValue, match="--threads has no effect on replicas"):
        make_plan(["replicas"], {"threads": 2})
    assert make_plan(["update", "replicas"], {"threads": 2, "data": "mnist"}).threads == 2


def test_suites_by_default_all_and_twice():
    assert make_plan([], {}).suites == ("lenet",)
    assert make_plan(["read", "all"], {}).suites == SUITES
    assert make_plan(["read", "update", "read"], {}).suites == ("read", "update")
    with pytest.raises(InvalidValue, match="no suite 'reed'; did you mean 'read'"):
        make_plan(["all", "reed"], {})


def test_quick_yields_to_what_is_given():
    plan = make_plan([], {"rounds": 4}, quick=True)
    assert (plan.rounds, plan.images) == (4, 5)


def test_folders(tmp_path):
    for _ in range(2):
        open_folder(tmp_path / "new" / "deep", Plan())
    (tmp_path / "file").write_text("")
    for taken in (tmp_path, tmp_path / "file"):
        with pytest.raises(WrongUse, match="not empty"):
            open_folder(taken, Plan())


MISTAKES = {
    "suite": (["lenett"], "did you mean 'lenet'?"),
    "rounds": (["--rounds", "0"], "rounds is 0; give an integer of at least 1"),
    "no effect": (["update", "--images", "3"], "--images has no effect on update"),
    "mnist": (["--data", "mnist", "--data-dir", "."], "train-images-idx3-ubyte.gz"),
    "digits": (["--data", "digits", "--data-dir", "."], "no effect on the data digits"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_get_one_message_and_leave_nothing_behind(mistake, tmp_path):
    words, message = MISTAKES[mistake]
    done = mho("bench", *words, "--quick", "--out", "bench", cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
