"""Compiled back end for processors."""

from __future__ import annotations

import dataclasses
from typing import Any, final

import numpy as np
import numpy.typing as npt

from mho.compiler import compile as compiler
from mho.compiler.numba_internals import INLINE
from mho.compiler.program import Call, Step
from mho.kernels import counts as count
from mho.kernels.backend import Backend, Keys
from mho.kernels.blas import plan_products
from mho.kernels.cpu.lists import SLACK
from mho.kernels.ops import NO_COUNTS, Circuit, Counts, Drive, Floats, Population
from mho.kernels.patterns import packed
from mho.kernels.records import LineLists, PulseStream, Reading, TrainDrive, Window
from mho.kernels.scratch import room
from mho.kernels.transfer import TransferMap
from mho.random import SLOTS_A_TRAIN

TRAINING_SLOTS = (count.CLIPPED_READS, count.HALVINGS)
EVALUATION_SLOTS = (count.EVALUATION_CLIPPED_READS, count.EVALUATION_HALVINGS)
PAIRS_PER_OUTPUT = 40
"""Weight-vector pairs that our product multiplies in the time which noise and bound of an output take."""


@final
@dataclasses.dataclass(frozen=True)
class PackedTrains:
    """Trains as lists of the lines that pulse.

    Attributes:
        columns: trains of the columns, driven by x.
        rows: trains of the rows, driven by δ.
        words: 32-bit words of slots that a vector takes.
        vectors: T.
    """

    columns: LineLists
    rows: LineLists
    words: int
    vectors: int


@final
class CPU(Backend):
    """Numba kernels on the memory of torch's CPU tensors, spread over threads."""

    def memory(self, tensor: Any) -> Any:
        return tensor.numpy()

    def plan_read(
        self, weights: Floats, x: Floats, out: Floats, circuit: Circuit, key: Keys, number: Counts, counts: Counts,
        *, backward: bool, evaluation: bool,
    ) -> list[Step]:  # fmt: skip
        slots = EVALUATION_SLOTS if evaluation else TRAINING_SLOTS
        reading = Reading(key, circuit.numbers, backward, circuit.noise_management, circuit.halvings, *slots)
        if circuit.blas:
            return _plan_with_blas(weights, x, out, circuit, reading, number, counts)
        kernel = compiler.load("mho.kernels.cpu.read", "read")
        work = weights.size * x.shape[1]
        return [Call(kernel, x.shape[0] * x.shape[1], work, counts, (weights, x, out, reading), number)]

    def plan_trains(
        self, x: Floats, d: Floats, lines: int, drive: Drive, key: Keys, number: Counts, counts: Counts
    ) -> tuple[Step, PackedTrains]:
        replicas, vectors, columns = x.shape
        words = -(-drive.length // SLOTS_A_TRAIN)
        drawn = PackedTrains(
            _room(replicas, vectors * words, columns), _room(replicas, vectors * words, lines), words, vectors
        )
        kernel = compiler.load("mho.kernels.cpu.trains", "trains")
        how = TrainDrive(
            drive.x_gain, drive.d_gain, drive.length, drive.managed, drive.length_managed, drive.deterministic,
            packed(), key, lines // d.shape[2],
        )  # fmt: skip
        given = (x, d, how, drawn.columns, drawn.rows)
        return Call(kernel, replicas * vectors, (x.size + d.size) * drive.length, counts, given, number), drawn

    def plan_moves(
        self, state: Floats, population: Population, drawn: PackedTrains, key: Keys, number: Counts, counts: Counts,
        *, window: Window | None = None,
    ) -> list[Step]:  # fmt: skip
        steps: list[Step] = []
        columns, span = drawn.columns, np.array([0, drawn.vectors])
        if window is not None:
            span = window.span
            columns = _room(len(state), drawn.vectors * drawn.words, state.shape[2])
            select = compiler.load("mho.kernels.cpu.windows", "select")
            chosen = (drawn.columns, window, drawn.words, columns)
            steps.append(Call(select, len(state), drawn.columns.lines.size, counts, chosen))
        moving = population.calling("accepts_pulse", "moves_up", "holds", "written")
        kernel = moving.kernel("mho.kernels.cpu.update", "update")
        given = (state, moving.arrays, columns, drawn.rows, PulseStream(key, drawn.words, span))
        lines, work = len(state) * state.shape[1], state.size * drawn.vectors
        return [*steps, Call(kernel, lines, work, counts, given, number, population.explain)]

    def plan_transfer(
        self, function: TransferMap, buffers: tuple[Floats, ...], lines: tuple[Floats, ...],
        settings: tuple[Floats, Floats], omega: Floats, columns: Counts, pulses: npt.NDArray[np.int32],
    ) -> Step:  # fmt: skip
        more = tuple(function.definitions(INLINE).items())
        kernel = compiler.load("mho.kernels.cpu.transfer", "transfer_columns", more=more)
        return Call(kernel, len(omega), omega.size, NO_COUNTS, (buffers, lines, settings, omega, columns, pulses))

    def plan_column_trains(
        self, pulses: npt.NDArray[np.int32], columns: Counts, shape: tuple[int, ...], counts: Counts
    ) -> tuple[Step, PackedTrains]:
        vectors, lines = len(columns), shape[1]
        drawn = PackedTrains(_room(shape[0], vectors, 1), _room(shape[0], vectors, lines), 1, vectors)
        kernel = compiler.load("mho.kernels.cpu.transfer", "send_columns")
        given = (pulses, columns, lines // pulses.shape[2], drawn.columns, drawn.rows)
        return Call(kernel, shape[0], pulses.size, counts, given), drawn

    def plan_outer(self, state: Floats, x: Floats, d: Floats, rate: Floats, counts: Counts) -> Step:
        kernel = compiler.load("mho.kernels.cpu.outer", "outer")
        return Call(kernel, x.shape[0] * state.shape[1], state.size * x.shape[1], counts, (state, x, d, rate))

    def plan_count(self, number: Counts, vectors: int) -> Step:
        return Call(compiler.load("mho.kernels.cpu.digital.vectors", "count_on"), 1, 1, NO_COUNTS, (number, vectors))

    def plan_visible(
        self, state: Floats, population: Population, key: Keys, number: Counts, counts: Counts, out: Floats
    ) -> Step:
        return _elementwise("visible", state, population.calling("seen"), counts, number, key, out)

    def plan_relaxation(
        self, state: Floats, population: Population, key: Keys, number: Counts, counts: Counts, dt: Floats
    ) -> Step:
        aging = population.calling("aged", "holds", "written")
        return _elementwise("pass_time", state, aging, counts, number, key, dt)


def _plan_with_blas(
    weights: Floats, x: Floats, out: Floats, circuit: Circuit, reading: Reading, number: Counts, counts: Counts
) -> list[Step]:
    """Plan a read as `CPU.plan_read` does, whose products the BLAS forms between two kernels."""
    vectors, lines = x.shape[0] * x.shape[1], weights.shape[2 if reading.backward else 1]
    products = out if out.shape[2] == lines else room((*x.shape[:2], lines), np.float32)
    steps, sent = list[Step](), x
    if not circuit.linear:
        sent = room(x.shape, np.float32)
        kernel = compiler.load("mho.kernels.cpu.finish", "send")
        steps.append(Call(kernel, vectors, PAIRS_PER_OUTPUT * x.size, counts, (x, reading, sent)))
    steps.append(plan_products(weights, sent, products, backward=reading.backward))
    kernel, work = compiler.load("mho.kernels.cpu.finish", "finish"), PAIRS_PER_OUTPUT * products.size
    return [*steps, Call(kernel, vectors, work, counts, (weights, x, out, reading, products), number)]


def _room(replicas: int, trains: int, lines: int) -> LineLists:
    """Return memory for the lists of so many trains over so many lines."""
    return LineLists(room((replicas, 2, trains * (lines + SLACK)), np.uint32), room((replicas, trains, 2), np.int64))


def _elementwise(
    entry: str, state: Floats, population: Population, counts: Counts, number: Counts, *arguments: Any
) -> Call:
    """Build a call of a kernel that passes over all cross-points of state (R, P, N), with a law in it."""
    kernel, lines = population.kernel("mho.kernels.cpu.relaxation", entry), state.shape[0] * state.shape[1]
    return Call(kernel, lines, state.size, counts, (state, population.arrays, *arguments), number, population.explain)
