"""Reference back end: plain NumPy and interpreted laws."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, final

import numpy as np
import numpy.typing as npt

from mho.compiler.program import Step
from mho.kernels import counts as count
from mho.kernels.backend import Backend, Keys
from mho.kernels.ops import Circuit, Counts, Drive, Floats, Population
from mho.kernels.records import Window
from mho.kernels.reference.read import ReadStream, read
from mho.kernels.reference.relaxation import rest, visible
from mho.kernels.reference.trains import BitTrains, trains
from mho.kernels.reference.update import outer, update
from mho.kernels.transfer import TransferMap

LONGEST = 32
"""Slots of the longest train that a transfer sends."""


@final
class Reference(Backend):
    """Back end in plain NumPy with interpreted laws, slow and obvious, with which compiled back ends are compared."""

    def memory(self, tensor: Any) -> Any:
        return tensor.numpy()

    def plan_read(
        self, weights: Floats, x: Floats, out: Floats, circuit: Circuit, key: Keys, number: Counts, counts: Counts,
        *, backward: bool, evaluation: bool,
    ) -> list[Step]:  # fmt: skip
        clipped = count.EVALUATION_CLIPPED_READS if evaluation else count.CLIPPED_READS
        halvings = count.EVALUATION_HALVINGS if evaluation else count.HALVINGS

        def run() -> None:
            stream = ReadStream(key, int(number[0]), clipped, halvings)
            read(counts, weights, x, out, circuit, stream, backward=backward)

        return [run]

    def plan_trains(
        self, x: Floats, d: Floats, lines: int, drive: Drive, key: Keys, number: Counts, counts: Counts
    ) -> tuple[Step, BitTrains]:
        drawn = BitTrains(
            np.zeros((*x.shape, drive.length), np.bool_), np.zeros((*d.shape[:2], lines, drive.length), np.bool_), x, d
        )

        def run() -> None:
            drawn.columns[...], drawn.rows[...] = False, False
            trains(counts, drive, key, int(number[0]), drawn)

        return run, drawn

    def plan_moves(
        self, state: Floats, population: Population, drawn: BitTrains, key: Keys, number: Counts, counts: Counts,
        *, window: Window | None = None,
    ) -> list[Step]:  # fmt: skip
        fields = population.broadcast(state.shape)

        def run() -> None:
            applied = drawn
            if window is not None:
                vectors = np.arange(drawn.columns.shape[1])[:, None]
                inside = ((window.begin <= vectors) & (vectors < window.end))[..., None]
                applied = dataclasses.replace(drawn, columns=drawn.columns & inside)
            update(counts, population.model, state, population.hidden, fields, applied, key, int(number[0]))

        return [run]

    def plan_transfer(
        self, function: TransferMap, buffers: tuple[Floats, ...], lines: tuple[Floats, ...],
        settings: tuple[Floats, Floats], omega: Floats, columns: Counts, pulses: npt.NDArray[np.int32],
    ) -> Step:  # fmt: skip
        def run() -> None:
            for r, k, i in np.ndindex(pulses.shape):
                j = columns[k]
                h = types.SimpleNamespace(**{n: b[r, i, j] for n, b in zip(function.weight, buffers, strict=True)})
                own = {n: b[r, j] for n, b in zip(function.column, lines, strict=True)}
                for names, values in zip((function.settings, function.numbers), settings, strict=True):
                    own |= zip(names, values[r], strict=True)
                line = types.SimpleNamespace(**own)
                new, pulses[r, k, i] = function.answer(h, omega[r, k, i], line)
                for buffer, value in zip(buffers, new, strict=True):
                    buffer[r, i, j] = value

        return run

    def plan_column_trains(
        self, pulses: npt.NDArray[np.int32], columns: Counts, shape: tuple[int, ...], counts: Counts
    ) -> tuple[Step, BitTrains]:
        vectors, copies = len(columns), shape[1] // pulses.shape[2]
        x = np.zeros((shape[0], vectors, shape[2]), np.float32)
        drawn = BitTrains(
            np.zeros((*x.shape, LONGEST), np.bool_), np.zeros((shape[0], vectors, shape[1], LONGEST), np.bool_), x,
            np.zeros(pulses.shape, np.float32),
        )  # fmt: skip

        def run() -> None:
            x[...] = 0
            x[:, np.arange(vectors), columns] = 1
            sizes, slots = np.minimum(np.abs(pulses), LONGEST), np.arange(LONGEST)
            np.sign(pulses, out=drawn.d, casting="unsafe")
            drawn.rows[...] = slots < np.tile(sizes, (1, 1, copies))[..., None]
            most = sizes.max(axis=2)
            drawn.columns[...] = (slots < most[..., None, None]) & (x[..., None] > 0)
            counts[:, count.PULSES] += most.sum(axis=1) + copies * sizes.sum(axis=(1, 2))
            counts[:, count.SATURATED_PROBABILITIES] += copies * (np.abs(pulses) > LONGEST).sum(axis=(1, 2))

        return run, drawn

    def plan_outer(self, state: Floats, x: Floats, d: Floats, rate: Floats, counts: Counts) -> Step:
        return lambda: outer(counts, state, x, d, rate)

    def plan_count(self, number: Counts, vectors: int) -> Step:
        def run() -> None:
            number[...] += vectors

        return run

    def plan_visible(
        self, state: Floats, population: Population, key: Keys, number: Counts, counts: Counts, out: Floats
    ) -> Step:
        fields = population.broadcast(state.shape)
        return lambda: visible(counts, population.model, state, fields, key, int(number[0]), out)

    def plan_relaxation(
        self, state: Floats, population: Population, key: Keys, number: Counts, counts: Counts, dt: Floats
    ) -> Step:
        fields = population.broadcast(state.shape)
        return lambda: rest(
            counts, population.model, state, population.hidden, fields, key, float(dt[0]), int(number[0])
        )
