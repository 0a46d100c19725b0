"""Compiled kernels equal the NumPy reference, whatever the threads, the split into calls and the replicas."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

import mho
from mho.compiler import threads
from mho.compiler.law import read_law
from mho.kernels import counts as count
from mho.kernels import reference
from mho.kernels.backend import Backend
from mho.kernels.backends import BACKENDS
from mho.kernels.ops import Drive, check_addresses
from mho.kernels.reference.trains import BitTrains
from mho.random import Operation
from tests.helpers.laws import Ferro
from tests.helpers.own_cell import Leaky

SIZES = [(1, 1), (7, 3), (32, 401), (129, 10)]
CELLS = [mho.cells.Single(), mho.cells.Replicated(3)]
# Steps so large that many cells sit near a bound: merged, single and pulse-by-pulse moves all occur.
COARSE = mho.devices.ConstantStep(dw_min=mho.per_cell(0.03, spread=0.3), up_down=mho.per_cell(1.2, spread=0.1))
MANAGEMENT = ["plain", "update", "length", "deterministic", "deterministic length"]


def ids(value):
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def signals(*shape: int, seed: int, share: float = 1.0) -> torch.Tensor:
    """Normal numbers (R, T, width), a share of them not zero; every seventh vector is zero as a whole."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator) * (torch.rand(shape, generator=generator) < share)
    values[:, 6::7] = 0
    return values


def sparse_errors(replicas: int, vectors: int, out: int, budget: int, seed: int) -> torch.Tensor:
    """δ with at most `budget` entries that are not zero."""
    generator = torch.Generator().manual_seed(seed)
    d = torch.zeros(replicas, vectors, out)
    places = torch.randint(d.numel(), (budget,), generator=generator)
    d.view(-1)[places] = torch.randn(budget, generator=generator)
    return d


def twins(rpu: mho.RPU, size: tuple[int, int], **options) -> list[mho.Crossbar]:
    """The same array compiled and in the reference, weights spread out to beyond their bounds."""
    arrays = [mho.Crossbar(rpu, *size, backend=backend, **options) for backend in BACKENDS]
    for array in arrays:
        array.write(1.4 * torch.rand(size, generator=torch.Generator().manual_seed(5)) - 0.7)
    return arrays


def equal_counters(a: mho.Crossbar, b: mho.Crossbar) -> bool:
    return all(torch.equal(value, b.counters()[name]) for name, value in a.counters().items())


# Updates


@pytest.mark.parametrize("managed", MANAGEMENT)
@pytest.mark.parametrize("length", [1, 10, 32, 33, 64])
@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("size", SIZES, ids=ids)
def test_pulse_trains_equal_the_reference_bit_for_bit(size, copies, length, managed):
    out, columns = size
    # most lines driven, and few: two paths of the kernel; every two of the three choices meet
    few, most = (0.8, 0.2), (1.0, 1.0)
    for replicas, vectors, (x_share, d_share) in [(1, 1, few), (1, 64, most), (2, 1, most), (2, 64, few)]:
        # gains at which lines of all kinds occur: never, now and then, always, saturated
        x = signals(replicas, vectors, columns, seed=1, share=x_share).numpy()
        d = signals(replicas, vectors, out, seed=2, share=d_share).numpy()
        stream = np.array([[r + 7, 11] for r in range(replicas)], np.uint32)
        options = (managed == "update", "length" in managed, "deterministic" in managed)
        gains = (np.full(replicas, 0.6, np.float32), np.full(replicas, 0.4, np.float32), length, *options)
        if "length" in managed:  # trains from one slot to all, some of them cut
            gains[0][:] = 12.0
        first = 2**32 - 3
        lines = out * copies
        expected = np.zeros((replicas, count.SIZE), np.int64)
        x_bits = np.zeros((*x.shape, length), np.bool_)
        d_bits = np.zeros((replicas, vectors, lines, length), np.bool_)
        reference.trains(expected, Drive(*gains), stream, first, BitTrains(x_bits, d_bits, x, d))

        counts = np.zeros_like(expected)
        # full of ones: a word that is not written shows
        drive, number = Drive(*gains), np.array([first])
        draw, drawn = BACKENDS["cpu"].plan_trains(x, d, lines, drive, stream, number, counts)
        for room in (*drawn.columns, *drawn.rows):
            room.fill(2**32 - 1)
        (x_trains, x_found), (d_trains, d_found) = drawn.columns, drawn.rows
        draw()

        slots = np.arange(32)
        places = np.uint32(1) << (8 * (slots % 4) + slots // 4).astype(np.uint32)
        for found, listed, bits, values in (
            (x_found, x_trains, x_bits, x),
            (d_found, d_trains, d_bits, np.tile(d, copies)),
        ):
            trains = found.shape[1] // vectors
            for r, t, k in np.ndindex(replicas, vectors, trains):
                begin, size = found[r, t * trains + k]
                own = slice(begin, begin + size)
                sent = bits[r, t, :, 32 * k : 32 * k + 32]
                words = (sent * places[: sent.shape[1]]).sum(axis=-1)
                pulsing = words.nonzero()[0]
                signs = np.where(values[r, t, pulsing] < 0, 2**31, 0)
                assert listed[r, 0, own].tolist() == (pulsing + signs).tolist()
                assert listed[r, 1, own].tolist() == words[pulsing].tolist()
        assert np.array_equal(counts, expected)


@pytest.mark.parametrize("managed", MANAGEMENT)
@pytest.mark.parametrize("length", [1, 10, 32, 40])
@pytest.mark.parametrize("cell", CELLS, ids=ids)
@pytest.mark.parametrize("size", SIZES, ids=ids)
def test_updates_equal_the_reference(size, cell, length, managed):
    out, columns = size
    trains = "deterministic" if "deterministic" in managed else "stochastic"
    options = {f"{name}_management": name in managed for name in ("update", "length")}
    update = mho.Pulses(length=length, trains=trains, **options)
    rpu = mho.RPU(device=COARSE, cell=cell, update=update)
    for replicas, vectors in [(1, 1), (2, 64)]:
        compiled, truth = twins(rpu, size, seed=3, replicas=replicas)
        # the reference takes 0.1 ms a pulse: some forty cells move
        budget = 1 + 40 // (columns * mho.RPU(cell=cell).devices)
        x = signals(replicas, vectors, columns, seed=1, share=min(0.7, 40 / columns))
        d = sparse_errors(replicas, vectors, out, budget, seed=2)
        for array in (compiled, truth):
            array.update(x, d, lr=0.2 * length * 0.03)
        assert torch.isfinite(compiled.state).all()
        # the same operations in the same order on float32: no rounding to tell them apart
        assert torch.equal(compiled.state, truth.state)
        assert equal_counters(compiled, truth)


def test_those_updates_meet_bounds_saturate_and_merge():
    array = twins(mho.RPU(device=COARSE, update=mho.Pulses(length=32)), (32, 401), seed=3)[0]
    array.update(signals(1, 64, 401, seed=1), signals(1, 64, 32, seed=2), lr=0.2)
    counters = array.counters()
    assert counters["bound_hits"] > 0
    assert counters["saturated_probabilities"] > 0
    assert counters["coincidences"] > 2 * array.state.numel()


@pytest.mark.parametrize("cell", CELLS, ids=ids)
@pytest.mark.parametrize("size", [(7, 3), (5, 33)], ids=ids)
def test_a_law_without_closed_form_equals_the_reference(size, cell):
    device = Ferro(dw_min=mho.per_cell(0.02, spread=0.3))
    compiled, truth = twins(mho.RPU(device=device, cell=cell), size, seed=3, replicas=2)
    before = truth.state.clone()
    x = signals(2, 5, size[1], seed=1)
    d = sparse_errors(2, 5, size[0], 4, seed=2)
    for array in (compiled, truth):
        array.update(x, d, lr=0.2)
    assert not torch.equal(truth.state, before)
    # one rounding of the power function a pulse, for some tens of pulses
    torch.testing.assert_close(compiled.state, truth.state, rtol=1e-5, atol=1e-6)
    assert torch.equal(compiled.counters()["coincidences"], truth.counters()["coincidences"])


@pytest.mark.parametrize("cell", CELLS, ids=ids)
@pytest.mark.parametrize("size", SIZES, ids=ids)
def test_exact_updates_equal_the_reference(size, cell):
    rpu = mho.presets.floating_point().replace(cell=cell)
    compiled, truth = twins(rpu, size, replicas=2)
    for array in (compiled, truth):
        array.update(signals(2, 9, size[1], seed=1), signals(2, 9, size[0], seed=2), lr=0.01)
    assert torch.equal(compiled.state, truth.state)


def test_many_vectors_with_few_driven_lines_are_drawn():
    # like patches of a blank image under small errors: the bias is driven, δ lies below the smallest threshold
    array = mho.Crossbar(mho.presets.gokmen_2017(), 16, 26)
    x, d = torch.zeros(20_000, 26), torch.zeros(20_000, 16)
    x[:, 25], d[:, 3] = 1, 1e-12
    array.update(x, d, 0.01)
    # C_x = 1: ten pulses a vector
    assert array.counters()["pulses"].item() == 200_000
    assert array.counters()["coincidences"].item() == 0


# Reads

READS = {
    "noise": mho.Read(bound=None),
    "bound": mho.Read(bound=1.5),
    "noise management": mho.Read(bound=1.5, noise_management=True),
    "bound management": mho.Read(bound=0.7, bound_management=True),
    "two halvings": mho.Read(bound=0.2, bound_management=True, max_halvings=2),
    "both managements": mho.Read(bound=0.4, noise_management=True, bound_management=True),
    "converters": mho.Read(dac_bits=7, adc_bits=9),
    "all": mho.Read(bound=0.5, noise_management=True, bound_management=True, input_bound=0.8, dac_bits=4, adc_bits=5),
    "input bound": mho.Read(noise=0.0, bound=None, input_bound=0.5),
    "exact": mho.Read.exact(),
}


@pytest.mark.parametrize("cell", CELLS, ids=ids)
@pytest.mark.parametrize("size", SIZES, ids=ids)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_reads_equal_the_reference(read, size, cell):
    rpu = mho.RPU(cell=cell, forward=read, backward=read)
    for replicas, vectors in [(1, 1), (2, 20)]:
        compiled, truth = twins(rpu, size, seed=3, replicas=replicas)
        for way, width in (("forward", size[1]), ("backward", size[0])):
            inputs = signals(replicas, vectors, width, seed=4, share=0.7)
            answer = getattr(compiled, way)(inputs)
            assert torch.isfinite(answer).all()
            assert torch.equal(answer, getattr(truth, way)(inputs))
        assert equal_counters(compiled, truth)


@pytest.mark.parametrize("lines", [1, 7, 8, 9, 15, 16, 17, 24, 31, 33])
def test_a_single_vector_through_any_size_equals_the_reference(lines):
    # lines are turned by eights, four numbers at a time: rests of both are summed number by number
    for columns in (1, 3, 4, 5, 8, 11, 30, 1025):  # lines of 1025 numbers push one another out of the cache
        compiled, truth = twins(mho.RPU(forward=mho.Read(noise=0.06)), (lines, columns), seed=3, replicas=2)
        x = signals(2, 1, columns, seed=4)
        assert torch.equal(compiled.forward(x), truth.forward(x))


@pytest.mark.parametrize("vectors", [11, 12, 13, 63, 64, 65, 130])
def test_long_reads_equal_the_reference(vectors):
    # around the places where the compiled product changes its order of loops
    compiled, truth = twins(mho.presets.gokmen_2017(), (5, 9), seed=3)
    x = signals(1, vectors, 9, seed=4) * 20
    assert torch.equal(compiled.forward(x), truth.forward(x))
    assert equal_counters(compiled, truth)


@pytest.mark.parametrize("loud", [(), (0,), (69,), (199,), (3, 130)])
@pytest.mark.parametrize("size", [(16, 9), (17, 32), (5, 33)])
def test_a_read_in_which_few_vectors_clip_equals_the_reference(size, loud):
    # chunks of 64 vectors without a clip are finished together; one with a clip, and those behind it, vector by vector
    read = mho.Read(noise=0.06, bound=12.0, bound_management=True)
    compiled, truth = twins(mho.RPU(forward=read, backward=read), size, seed=3, replicas=2)
    halvings = 0
    for way, width in (("forward", size[1]), ("backward", size[0])):
        inputs = signals(2, 200, width, seed=4, share=0.7)
        inputs[:, list(loud)] = 300.0
        assert torch.equal(getattr(compiled, way)(inputs), getattr(truth, way)(inputs))
        before, halvings = halvings, int(compiled.counters()["halvings"].sum())
        assert (halvings > before) == bool(loud)
        assert equal_counters(compiled, truth)


def test_those_reads_saturate_halve_and_give_up():
    array = twins(mho.RPU(forward=READS["two halvings"]), (32, 401))[0]
    array.forward(signals(1, 20, 401, seed=4))
    assert array.counters()["halvings"] > 0
    assert array.counters()["clipped_reads"] > 0


def test_array_reads_and_evaluation_equal_the_reference():
    compiled, truth = twins(mho.presets.gokmen_2017(), (7, 33), seed=3)
    assert torch.equal(compiled.read(), truth.read())
    x = signals(1, 3, 33, seed=4) * 50
    assert torch.equal(compiled.eval().forward(x), truth.eval().forward(x))
    assert compiled.counters()["evaluation_halvings"] > 0
    assert equal_counters(compiled, truth)


# Memory, threads, calls, replicas


def cycles(array: mho.Crossbar, vectors: int = 5, lr: float = 0.05) -> list[torch.Tensor]:
    """One of each cycle, with everything that they leave behind."""
    x = signals(array.replicas, vectors, array.in_features, seed=1)
    d = signals(array.replicas, vectors, array.out_features, seed=2, share=0.4)
    y, z = array.forward(20 * x), array.backward(d)
    array.update(x, d, lr)
    return [y, z, array.state.clone(), *array.counters().values()]


def all_equal(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def baseline(cell: mho.cells.Cell, device: mho.Device = COARSE) -> mho.RPU:
    return mho.presets.gokmen_2017(update_management=True).replace(device=device, cell=cell)


@pytest.mark.parametrize("cell", CELLS, ids=ids)
def test_no_result_reads_memory_that_was_never_written(cell, monkeypatch):
    expected = cycles(mho.Crossbar(baseline(cell), 7, 21, replicas=2))
    real = np.empty
    poisoned = []

    def poison(shape, dtype=float, **options):
        made = real(shape, dtype, **options)
        made.view(np.uint8).fill(255)  # NaN for floats, every pulse for words
        poisoned.append(made.dtype)
        return made

    array = mho.Crossbar(baseline(cell), 7, 21, replicas=2)
    monkeypatch.setattr(np, "empty", poison)
    answers = cycles(array)
    monkeypatch.undo()
    assert {np.dtype(np.float32), np.dtype(np.uint32)} <= set(poisoned)
    assert all_equal(answers, expected)


@pytest.mark.parametrize("count_", [2, 3, 16])
@pytest.mark.parametrize("device", [COARSE, Ferro()], ids=["closed form", "pulse by pulse"])
@pytest.mark.parametrize("cell", CELLS, ids=ids)
def test_threads_never_change_a_bit(cell, device, count_, monkeypatch, set_threads):
    # 3·7 lines and 3·5 vectors: the parts are unequal
    expected = cycles(mho.Crossbar(baseline(cell, device), 7, 21, replicas=3))
    splits = []
    pool = threads._pool
    monkeypatch.setattr(threads, "WORK_A_THREAD", 1)
    monkeypatch.setattr(threads, "_pool", lambda *key: splits.append(key) or pool(*key))
    set_threads(count_)
    assert all_equal(cycles(mho.Crossbar(baseline(cell, device), 7, 21, replicas=3)), expected)
    assert splits


@pytest.mark.parametrize(
    "parts", [(1,) * 70, (64, 6), (11, 12, 47), (3, 67)], ids=["70 times 1", "64+6", "11+12+47", "3+67"]
)
@pytest.mark.parametrize("replicas", [1, 2])
def test_vectors_may_come_in_one_call_or_in_several(replicas, parts):
    whole, split = (mho.Crossbar(baseline(CELLS[0]), 9, 21, replicas=replicas) for _ in range(2))
    x, d = signals(replicas, 70, 21, seed=1), signals(replicas, 70, 9, seed=2, share=0.3)
    pieces = list(zip(x.split(parts, dim=1), d.split(parts, dim=1), strict=True))
    assert torch.equal(whole.forward(9 * x), torch.cat([split.forward(9 * a) for a, _ in pieces], dim=1))
    assert torch.equal(whole.backward(d), torch.cat([split.backward(b) for _, b in pieces], dim=1))
    whole.update(x, d, 0.02)
    for a, b in pieces:
        split.update(a, b, 0.02)
    assert torch.equal(whole.state, split.state)
    assert equal_counters(whole, split)
    assert torch.equal(whole.vectors, split.vectors)


@pytest.mark.parametrize("length", [8, 40])
def test_trains_of_own_lengths_depend_on_neither_calls_nor_threads_nor_replicas(length, monkeypatch, set_threads):
    # trains of some 40, 4 and 100 slots where x and δ reach 3
    device = mho.devices.ConstantStep(dw_min=mho.per_cell([0.025, 0.25, 0.01], spread=0.3))
    rpu, lr = mho.RPU(device=device, update=mho.Pulses(length=length, length_management=True)), 0.1
    whole, split = (mho.Crossbar(rpu, 9, 21, replicas=3) for _ in range(2))
    x, d = signals(3, 70, 21, seed=1, share=0.5), signals(3, 70, 9, seed=2, share=0.3)
    set_threads(1)
    whole.update(x, d, lr)
    monkeypatch.setattr(threads, "WORK_A_THREAD", 1)
    set_threads(3)
    for a, b in zip(x.split((11, 12, 47), dim=1), d.split((11, 12, 47), dim=1), strict=True):
        split.update(a, b, lr)
    assert torch.equal(whole.state, split.state)
    assert equal_counters(whole, split)
    for r in range(3):
        alone = mho.Crossbar(rpu.of_replica(r), 9, 21, seed=r)
        alone.update(x[r], d[r], lr)
        assert torch.equal(alone.state[0], whole.state[r])
    truth = mho.Crossbar(rpu, 9, 21, replicas=3, backend="reference")
    few = slice(0, 12)
    compiled = mho.Crossbar(rpu, 9, 21, replicas=3)
    for array in (truth, compiled):
        array.update(x[:, few], d[:, few], lr)
    assert torch.equal(truth.state, compiled.state)
    assert equal_counters(truth, compiled)


@pytest.mark.parametrize("cell", CELLS, ids=ids)
def test_a_replica_equals_the_array_of_its_seed_alone(cell):
    seeds = [5, 2**62 + 1, 6]
    together = mho.Crossbar(baseline(cell), 7, 21, seed=seeds, replicas=3)
    for r, seed in enumerate(seeds):
        alone = mho.Crossbar(baseline(cell), 7, 21, seed=seed)
        for name, values in together.cell_parameters().items():
            assert torch.equal(values[r], alone.cell_parameters()[name][0])
        assert torch.equal(together.weight[r], alone.weight[0])
    x, d = signals(3, 5, 21, seed=1), signals(3, 5, 7, seed=2, share=0.4)
    y, z = together.forward(20 * x), together.backward(d)
    together.update(x, d, 0.05)
    for r, seed in enumerate(seeds):
        alone = mho.Crossbar(baseline(cell), 7, 21, seed=seed)
        assert torch.equal(y[r], alone.forward(20 * x[r]))
        assert torch.equal(z[r], alone.backward(d[r]))
        alone.update(x[r], d[r], 0.05)
        assert torch.equal(together.state[r], alone.state[0])
        for name, values in together.counters().items():
            assert values[r] == alone.counters()[name][0], name


def test_replicas_differ_and_count_up_from_the_seed():
    array = mho.Crossbar(baseline(CELLS[0]), 7, 21, seed=5, replicas=3)
    assert array.seeds.tolist() == [5, 6, 7]
    assert not torch.equal(array.weight[0], array.weight[1])
    assert torch.equal(array.weight[1], mho.Crossbar(baseline(CELLS[0]), 7, 21, seed=6).weight[0])


def test_arrays_of_other_names_draw_other_numbers():
    first, second = (mho.Crossbar(baseline(CELLS[0]), 7, 21, name=name) for name in ("conv1", "conv2"))
    for a, b in zip(cycles(first)[:3], cycles(second)[:3], strict=True):
        assert not torch.equal(a, b)


def test_evaluation_never_changes_training():
    often, never = (mho.Crossbar(baseline(CELLS[0]), 7, 21) for _ in range(2))
    often.eval()
    often.forward(signals(1, 5, 21, seed=8))
    often.read()
    often.train()
    for a, b in zip(cycles(often)[:3], cycles(never)[:3], strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("way", ["forward", "backward", "update"])
def test_no_vectors_are_no_cycle(way):
    array = mho.Crossbar(mho.RPU(), 3, 4)
    x, d = torch.zeros(0, 4), torch.zeros(0, 3)
    if way == "update":
        array.update(x, d, 0.01)
    else:
        assert getattr(array, way)(x if way == "forward" else d).shape == (0, 3 if way == "forward" else 4)
    assert array.vectors[Operation[way.upper()]] == 0


# The cache of kernels

LAW = """
import mho

class Edited(mho.Device):
    dw_min: float = 0.001
    w_max: float = 0.6
    w_min: float = -0.6

    @staticmethod
    def pulse(w, up, cell, z):
        return w + cell.dw_min if up else w - cell.dw_min

    @staticmethod
    def rest(w, cell, dt, z):
        return w + FACTOR * dt * cell.dw_min
"""
RUN = """
import torch
import mho
from mho.compiler.listeners import on_compile
from edited import Edited

on_compile.append(lambda line: print("told", line))
array = mho.Crossbar(mho.RPU(device=Edited(), update=mho.Pulses(length=1)), 1, 1)
array.write(torch.zeros(1, 1))
array.rest(1.0)
print("weight", array.weight.item())
"""


def test_an_edited_law_runs_in_a_new_process_and_an_unedited_one_comes_from_the_cache(tmp_path, monkeypatch):
    """Kernels are kept from run to run of the tests: an edited law is then found, in place of compiled, by its text.

    Its passage of time is edited, whose kernel is compiled in a tenth of the time of an update.
    """
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    def run(factor: str) -> tuple[float, bool]:
        (tmp_path / "edited.py").write_text(LAW.replace("FACTOR", factor))
        command = [sys.executable, "-c", textwrap.dedent(RUN)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
        return float(lines["weight"]), "told" in lines

    assert run("2")[0] == pytest.approx(0.002)
    # an edit of one character, so that the file keeps its size
    assert run("3")[0] == pytest.approx(0.003)
    weight, told = run("2")
    assert weight == pytest.approx(0.002)
    assert not told


def test_two_laws_with_the_same_physics_share_a_kernel_and_others_do_not():
    hashes = {law: law.law_hash() for law in (Ferro, mho.devices.ConstantStep)}
    assert len(set(hashes.values())) == 2
    assert read_law(Ferro) is read_law(Ferro)


def test_arrays_beyond_32_bit_addresses_are_refused(monkeypatch):
    check_addresses("array", 2**15, 2**14, fields=4)
    for lines, columns, fields in ((2**15, 2**14 + 1, 4), (2**31 + 1, 1, 0), (2**16, 2**16, 1)):
        with pytest.raises(mho.errors.InvalidValue, match=r"array: .* lines and .* exceed the 2147483648 .*tile="):
            check_addresses("array", lines, columns, fields)
    rpu = mho.RPU()
    monkeypatch.setattr("mho.kernels.ops.ADDRESSES", 1000)
    mho.Crossbar(rpu, 8, 8)
    for lines, columns in ((20, 30), (2**15, 2**17)):  # the first only with its fields
        with pytest.raises(mho.errors.InvalidValue, match="exceed"):
            mho.Crossbar(rpu, lines, columns)


def test_a_back_end_of_ones_own_is_one_class(monkeypatch):
    """Entered by its name, it computes arrays of every kind; here it counts, and leaves the arithmetic to another."""
    truth, calls = BACKENDS["reference"], []

    def counted(name):
        def method(self, *arguments, **options):
            calls.append(name)
            return getattr(truth, name)(*arguments, **options)

        return method

    third = type("Third", (Backend,), {name: counted(name) for name in Backend.__abstractmethods__})
    monkeypatch.setitem(BACKENDS, "third", third())
    device = mho.devices.SoftBounds(dw_min=0.02, read_variation=0.01, decay=0.01)
    rpu = mho.RPU(device=device, cell=Leaky(every=2), update=mho.Pulses(length=3))
    arrays = [mho.Crossbar(rpu, 2, 4, seed=1, backend=backend) for backend in ("third", "reference")]
    x, d = signals(1, 5, 4, seed=1), signals(1, 5, 2, seed=2)
    for array in arrays:
        array.update(x, d, 0.1)
    assert torch.equal(arrays[0].forward(x), arrays[1].forward(x))
    assert {"plan_read", "plan_trains", "plan_moves", "plan_transfer", "plan_relaxation", "plan_visible"} <= set(calls)
    exact = mho.presets.floating_point()
    mho.Crossbar(exact, 2, 4, backend="third").update(x, d, 0.1)
    assert "plan_outer" in calls
    with pytest.raises(mho.errors.InvalidValue, match="backend is 'thrid'; did you mean 'third'"):
        mho.Crossbar(rpu, 2, 4, backend="thrid")
