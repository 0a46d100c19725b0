"""Programs do what their calls do one by one."""

from __future__ import annotations

import gc

import numpy as np
import torch

import mho
from mho.compiler.program import Call, Program, joined
from mho.kernels import ops


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


def test_equal_shapes_share_code_and_others_do_not():
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
    assert programs[0]._function is programs[1]._function
    assert len({id(program._function) for program in programs}) == 3


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
