"""Programs do what their calls do one by one."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import gc
import itertools
import os

import numba
import numpy as np
import pytest
import torch

import mho
from mho.compiler import threads
from mho.compiler.program import WORK_OF_A_PROGRAM, Call, Program, Repeated, joined
from mho.compiler.threads import WORK_A_THREAD
from mho.kernels import ops
from mho.kernels.scratch import Pool, Scratch, room


def numbers(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def copy_of(values: np.ndarray, width: int) -> tuple[Call, np.ndarray]:
    out = np.zeros((len(values), width), np.float32)
    return ops.copy_columns(values, out), out


def test_calls_run_in_order_and_again():
    x = numbers(3, 5)
    first, middle = copy_of(x, 7)
    second, last = copy_of(middle, 4)
    program = Program([first, second])
    program()
    assert np.array_equal(last, x[:, :4])
    assert np.array_equal(middle[:, 5:], np.zeros((3, 2)))
    x[...] = numbers(3, 5, seed=2)
    program()
    assert np.array_equal(last, x[:, :4])


def test_programs_of_a_kernel_share_code_whatever_their_shapes():
    outs = []
    programs = []
    for seed, shape, width in [(1, (3, 5), 4), (2, (3, 5), 4), (3, (5, 3), 2), (4, (3, 5), 5)]:
        call, out = copy_of(numbers(*shape, seed=seed), width)
        programs.append(Program([call]))
        outs.append((out, numbers(*shape, seed=seed)[:, :width]))
    gc.collect()  # a program keeps what it points to
    for program, (out, expected) in zip(programs, outs, strict=True):
        program()
        assert np.array_equal(out, expected)
    assert len({int(program._whole.pairs[0, 0]) for program in programs}) == 1


def test_every_kind_of_argument_reaches_the_kernel():
    out = np.zeros(9)
    number = np.array([-7], np.int64)

    @numba.njit(error_model="numpy")
    def kernel(start, stop, counts, out, pair, flag, single, double, tiny, unsigned, number):
        out[0], out[1], out[2], out[3], out[4] = stop, pair[0][1, 2], pair[1], flag, single
        out[5], out[6], out[7], out[8] = double, tiny, unsigned, number
        counts[0, 0] += pair[0].strides[0] * 10 + counts.shape[1]

    counts = np.zeros((1, 9), np.int64)
    square = numbers(6, 8)[::2, ::2]
    arguments = (out, (square, 5), True, np.float32(0.1), -0.3, np.int8(-3), np.uint32(4_000_000_000))
    program = Program([Call(kernel, 4, 0, counts, arguments, number)])
    program()
    expected = [4, square[1, 2], 5, 1, np.float32(0.1), -0.3, -3, 4_000_000_000, -7]
    assert out.tolist() == [float(value) for value in expected]
    assert counts[0, 0] == square.strides[0] * 10 + 9
    number[0] = 2**40
    program()
    assert out[-1] == 2**40


def test_a_kernel_that_fails_is_named():
    @numba.njit
    def broken(start, stop, counts, values):
        if values[0] > 0:
            raise ValueError("no")

    def call(value):
        return Call(broken, 1, 0, ops.NO_COUNTS, (np.full(1, value),))

    Program([call(0.0), call(0.0)])()
    with pytest.raises(RuntimeError, match="kernel broken of a program"):
        Program([call(0.0), call(1.0)])()


def test_strided_arrays_are_found():
    whole = numbers(4, 10)
    call, out = copy_of(whole[:, 2:8:2], 3)
    Program([call])()
    assert np.array_equal(out, whole[:, 2:8:2])


def test_functions_of_python_part_programs():
    x = numbers(2, 3)
    first, middle = copy_of(x, 3)
    second, last = copy_of(middle, 3)
    steps = joined([first, lambda: np.negative(middle, out=middle), second, ops.clear(middle)])
    assert [type(step).__name__ for step in steps] == ["Program", "function", "Program"]
    for step in steps:
        step()
    assert np.array_equal(last, -x)
    assert not middle.any()


def test_cycles_of_single_replicas_are_those_of_the_crossbar():
    rpu = mho.presets.gokmen_2017(pulses=40, update_management=True)
    array, twin = (mho.Crossbar(rpu, 7, 19, seed=3, replicas=2) for _ in range(2))
    x, d = torch.from_numpy(numbers(2, 13, 19)), torch.from_numpy(0.1 * numbers(2, 13, 7, seed=2))
    own = [array.cycles(slice(r, r + 1), 13) for r in range(2)]
    for r, cycles in enumerate(own):
        cycles.begin()
        cycles.inputs[...], cycles.errors[...] = x[r : r + 1].numpy(), d[r : r + 1].numpy()
        cycles.set_rate(0.05)
        Program([*cycles.forward, *cycles.backward, *cycles.update])()
    assert torch.equal(torch.from_numpy(np.concatenate([cycles.outputs for cycles in own])), twin.forward(x))
    assert torch.equal(torch.from_numpy(np.concatenate([cycles.downwards for cycles in own])), twin.backward(d))
    twin.update(x, d, lr=0.05)
    assert twin.counters()["coincidences"].min() > 0
    assert torch.equal(array.state, twin.state)
    assert all(torch.equal(value, twin.counters()[name]) for name, value in array.counters().items())


def test_plans_of_vectors_that_come_often_change_no_bit_and_no_answer_of_before():
    rng = np.random.default_rng(3)
    x, d = rng.uniform(-1, 1, (2, 24, 7)).astype(np.float32), rng.normal(0, 0.1, (2, 24, 5)).astype(np.float32)

    def cut(values: np.ndarray, start: int, stop: int) -> np.ndarray:
        return np.ascontiguousarray(values[:, start:stop])

    often, once = (mho.Crossbar(mho.presets.gokmen_2017(), 5, 7, seed=1, replicas=2) for _ in range(2))
    answers = [often.read_vectors(cut(x, t, t + 1), backward=False) for t in range(24)]
    np.testing.assert_array_equal(np.concatenate(answers, axis=1), once.read_vectors(x, backward=False))
    for t in range(24):
        often.update_vectors(cut(x, t, t + 1), cut(d, t, t + 1), 0.01 if t < 12 else 0.05)
    once.update_vectors(cut(x, 0, 12), cut(d, 0, 12), 0.01)
    once.update_vectors(cut(x, 12, 24), cut(d, 12, 24), 0.05)
    assert torch.equal(often.weight, once.weight)
    often.load_state_dict(once.state_dict())  # memory that plans were bound to
    often.write(torch.zeros(5, 7))
    once.write(torch.zeros(5, 7))
    answers = [often.read_vectors(cut(d, t, t + 1), backward=True) for t in range(24)]
    np.testing.assert_array_equal(np.concatenate(answers, axis=1), once.read_vectors(d, backward=True))
    often.eval(), once.eval()  # both directions read from one stream
    for backward, values in ((False, x), (True, d)):
        answers = [often.read_vectors(cut(values, t, t + 1), backward=backward) for t in range(24)]
        np.testing.assert_array_equal(np.concatenate(answers, axis=1), once.read_vectors(values, backward=backward))


def doubling(pattern: np.ndarray, number: np.ndarray, seen: np.ndarray) -> list[Call]:
    """Write each record twice over, and the number that a call reads, to the next, and count there what stays."""

    @numba.njit(error_model="numpy")
    def double(start, stop, counts, now, after, seen, number):
        for i in range(start, stop):
            after[i, 0] = 2 * now[i, 0]
            after[i, 1] = number
            seen[i] += 1

    def put(start, stop, counts, now, after):
        for i in range(start, stop):
            after[i, 2] = after[i, 1] + now[i, 2]

    now, after = (record.reshape(2, 3) for record in pattern)
    none = np.zeros((0, 9), np.int64)
    return [
        Call(double, 2, 1, none, (now, after, seen), number),
        Call(numba.njit(error_model="numpy")(put), 2, 1, none, (now, after)),
    ]


@pytest.mark.parametrize("native", [True, False])
def test_repeated_steps_move_along_the_records_of_any_block(native):
    pattern, number, seen = np.full((2, 6), np.nan, np.float32), np.array([5], np.int64), np.zeros(2, np.int64)
    calls = doubling(pattern, number, seen)
    runs = 0

    def count() -> None:
        nonlocal runs
        runs += 1

    program = Repeated(calls if native else [*calls, count], pattern, [number], 3)
    assert program._is_native == native
    for length in (4, 1, 9):
        number[0], seen[:] = 5, 0
        block = np.zeros((length + 1, 6), np.float32)
        block[0] = [1, 0, 0, 10, 0, 0]
        program(block, np.arange(length))
        assert np.array_equal(block[:, 0], 2.0 ** np.arange(length + 1))
        assert np.array_equal(block[:, 3], 10 * 2.0 ** np.arange(length + 1))
        assert np.array_equal(block[1:, 1], 5 + 3 * np.arange(length))
        assert np.array_equal(block[1:, 5], np.cumsum(5 + 3 * np.arange(length)))
        assert number[0] == 5 + 3 * length
        assert (seen == length).all()
    assert runs == (0 if native else 14)
    block[:, 0] = np.arange(10)
    program(block, np.array([7, 2]))  # in the order that is asked for
    assert np.array_equal(block[:, 0], [0, 1, 2, 4, 4, 5, 6, 7, 14, 9])


def test_large_kernels_are_no_part_of_a_program_of_many_records():
    pattern, number = np.zeros((2, 6), np.float32), np.zeros(1, np.int64)
    calls = doubling(pattern, number, np.zeros(2, np.int64))
    large = dataclasses.replace(calls[0], work=2 * WORK_A_THREAD)
    assert not Repeated([large], pattern, [number], 1)._is_native


# Several threads ----------------------------------------------------------------------------------


@numba.njit(error_model="numpy", nogil=True)
def running_sum(start, stop, counts, source, out):
    """Add every number of `source`, whoever wrote it, to lines of `out`."""
    for i in range(start, stop):
        out[i] += source.sum()
        counts[0, 0] += i


def chain(lines: int, work: int = WORK_OF_A_PROGRAM) -> tuple[list[Call], list[np.ndarray], np.ndarray]:
    """Calls of which each reads all that the one before has written."""
    values = [np.zeros(lines) for _ in range(20)]
    values[0][:] = 1 / lines
    counts = np.zeros((1, 9), np.int64)
    calls = [Call(running_sum, lines, work, counts, pair) for pair in itertools.pairwise(values)]
    return calls, values, counts


@pytest.mark.parametrize("lines", [1, 2, 7, 64])
@pytest.mark.parametrize("parts", [2, 3])
def test_threads_wait_for_one_another_behind_each_call(lines, parts):
    """A thread that did not wait would read what is not written yet: without meetings the first repetition differs."""
    (alone, expected, seen), (calls, values, counts) = chain(lines), chain(lines)
    one, several = Program(alone), Program(calls, parts=parts)
    for _ in range(50):
        one()
        several()
        for own, other in zip(expected, values, strict=True):
            assert np.array_equal(own, other)
            if own is not expected[0]:
                own[:], other[:] = 0, 0
        assert np.array_equal(counts, seen)


@pytest.mark.parametrize("line", [0, 5])
def test_a_kernel_that_fails_on_any_thread_lets_the_others_go(line):
    @numba.njit(nogil=True)
    def broken(start, stop, counts, values):
        for i in range(start, stop):
            if values[i] > 0:
                raise ValueError("no")

    values, (calls, *_) = np.zeros(6), chain(6)
    program = Program([Call(broken, 6, 0, ops.NO_COUNTS, (values,)), *calls], parts=2)
    program()
    values[line] = 1
    with pytest.raises(RuntimeError, match="kernel broken of a program"):
        program()
    values[line] = 0
    program()


def test_an_interrupt_lets_the_other_threads_go(monkeypatch):
    calls, values, _ = chain(8)
    program = Program(calls, parts=2)
    with monkeypatch.context() as patched:
        patched.setattr(threads, "sequence_runner", lambda: interrupt)
        with pytest.raises(KeyboardInterrupt):
            program()  # the other thread waits at the first meeting
    for own in values[1:]:
        own[:] = 0
    program()
    expected, same, _ = chain(8)
    Program(expected)()
    assert np.array_equal(values[-1], same[-1])


def interrupt(count: int, pairs: int) -> int:
    raise KeyboardInterrupt


def test_a_program_runs_alone_while_its_threads_are_taken(monkeypatch):
    team = threads.team(os.getpid(), 2)
    calls, values, _ = chain(8)
    program = Program(calls, parts=2)
    with team._busy:
        program()
    assert values[-1][0] > 0
    assert team.run([np.zeros((0, 2), np.int64)] * 2, np.zeros(1, np.int64)) == [0, 0]


def test_small_programs_stay_on_one_thread():
    assert not Program(chain(8, work=WORK_OF_A_PROGRAM // 20)[0], parts=2)._shares
    assert len(Program(chain(8)[0], parts=2)._shares) == 2


def test_programs_of_several_python_threads():
    programs = [(Program(calls, parts=2), values) for calls, values, _ in (chain(8) for _ in range(4))]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            list(pool.map(lambda own: own[0](), programs))
    expected, values, _ = chain(8)
    for _ in range(20):
        Program(expected)()
    for _, own in programs:
        assert np.array_equal(own[1], values[1])


def test_one_network_on_two_threads_has_the_bits_of_one(monkeypatch):
    """LeNet at mini-batch 16, whose programs are large enough to be spread."""
    x = torch.rand(16, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    y = torch.arange(16) % 10
    spread = []
    together = Program._together
    monkeypatch.setattr(Program, "_together", lambda self: spread.append(together(self)) or spread[-1])

    def trained(count):
        torch.manual_seed(0)
        threads.set_threads(count)
        try:
            model = mho.convert(mho.models.LeNet(), mho.presets.gokmen_2017(update_management=True), seed=0, quiet=True)
            driver = mho.training.choose_driver(model, mho.AnalogSGD(model, lr=0.01))
            for _ in range(3):
                driver.step(x, y)
        finally:
            threads.set_threads(1)
        return model.state_dict()

    one = trained(1)
    assert not spread
    two = trained(2)
    assert spread.count(0) == len(spread) > 0
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_scratch_is_shared_between_plans_and_not_within_one():
    scratch = Scratch()
    with scratch.lent():
        first, second = room((2, 3), np.float32), room((5,), np.float32)
    with scratch.lent():
        again, larger = room((4,), np.float32), room((9,), np.float32)
        other = room((3,), np.uint32)
    assert np.shares_memory(first, again)
    assert not np.shares_memory(first, second)
    assert not np.shares_memory(second, larger)
    assert not any(np.shares_memory(other, own) for own in (first, second, larger))
    with scratch.lent():
        assert room((1,), np.float32).base is again.base
        assert np.shares_memory(room((8,), np.float32), larger)
    assert not np.shares_memory(room((2,), np.float32), first)


def test_memory_of_a_pool_is_free_when_all_that_read_it_are_planned():
    pool = Pool()
    with pool.lent():
        first, second = room((2, 3), np.float32), room((4,), np.float32)
    assert not np.shares_memory(first, second)
    for values in (first, first.reshape(3, 2), second):
        pool.hold(values)
    pool.drop(first.reshape(6))
    assert not np.shares_memory(pool.take((6,), np.float32), first)
    pool.drop(first)
    assert not np.shares_memory(pool.take((6,), np.uint32), first)
    assert not np.shares_memory(pool.take((7,), np.float32), first)
    assert np.shares_memory(pool.take((5,), np.float32), first)
    pool.drop(second)
    assert np.shares_memory(pool.take((1, 4), np.float32), second)
    other = np.zeros(4, np.float32)
    pool.hold(other), pool.drop(other), pool.drop(other)  # of memory that is not its own it takes no note
    assert not np.shares_memory(pool.take((4,), np.float32), other)


def test_layers_of_a_network_share_what_lies_between_their_kernels():
    """A deep network takes little more memory for it than its largest layer."""
    layers = [torch.nn.Linear(40, 40) for _ in range(6)]
    model = mho.convert(torch.nn.Sequential(*layers), mho.presets.gokmen_2017(), seed=0, quiet=True)
    driver = mho.training.choose_driver(model, mho.AnalogSGD(model, lr=0.01))
    driver.step(torch.rand(8, 40), torch.arange(8))
    (share,) = driver.graph(torch.rand(8, 40)).shares
    downwards = [array.cycles[0].downwards for array in share.arrays]
    assert len({values.ctypes.data for values in downwards}) == 1
    assert len({array.cycles[0].inputs.ctypes.data for array in share.arrays}) == len(layers)
