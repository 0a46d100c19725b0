"""The reference back end: plain NumPy and interpreted laws."""

from __future__ import annotations

import dataclasses
from typing import Any, final

import numpy as np
import numpy.typing as npt

from mho.kernels import counts as count
from mho.kernels.backend import Backend, Keys
from mho.kernels.ops import Cells, Counts, Drive, Floats, Levels, Window
from mho.compiler.program import Step
from mho.kernels.reference.read import read
from mho.kernels.reference.standing import rest, visible
from mho.kernels.reference.trains import trains
from mho.kernels.reference.update import outer, update


@final
@dataclasses.dataclass(frozen=True)
class BitTrains:
    """Trains as one bit a slot: columns (R, T, N, BL), rows (R, T, P, BL), and the values x, d that give their signs."""

    columns: npt.NDArray[np.bool_]
    rows: npt.NDArray[np.bool_]
    x: Floats
    d: Floats


@final
class Reference(Backend):
    """The truth that compiled back ends are compared with: slow and obvious."""

    def memory(self, tensor: Any) -> Any:
        return tensor.numpy()

    def plan_read(
        self, weights: Floats, x: Floats, out: Floats, levels: Levels, key: Keys, number: Counts, counts: Counts,
        *, backward: bool, evaluation: bool,
    ) -> Step:  # fmt: skip
        clipped = count.EVALUATION_CLIPPED_READS if evaluation else count.CLIPPED_READS
        halvings = count.EVALUATION_HALVINGS if evaluation else count.HALVINGS

        def run() -> None:
            read(
                counts, weights, x, out, backward, key, levels.numbers, levels.noise_management, levels.halvings,
                clipped, halvings, int(number[0]),
            )  # fmt: skip

        return run

    def plan_trains(
        self, x: Floats, d: Floats, lines: int, drive: Drive, key: Keys, number: Counts, counts: Counts
    ) -> tuple[Step, BitTrains]:
        drawn = BitTrains(
            np.zeros((*x.shape, drive.length), np.bool_), np.zeros((*d.shape[:2], lines, drive.length), np.bool_), x, d
        )

        def run() -> None:
            drawn.columns[...], drawn.rows[...] = False, False
            trains(
                counts, x, d, drive.x_gain, drive.d_gain, drive.length, drive.managed, key, int(number[0]),
                drawn.columns, drawn.rows,
            )  # fmt: skip

        return run, drawn

    def plan_moves(
        self, state: Floats, cells: Cells, drawn: BitTrains, key: Keys, number: Counts, counts: Counts,
        *, window: Window | None = None,
    ) -> list[Step]:  # fmt: skip
        fields = cells.broadcast(state.shape)

        def run() -> None:
            columns = drawn.columns
            if window is not None:
                vectors = np.arange(columns.shape[1])[:, None]
                columns = columns & ((window.begin <= vectors) & (vectors < window.end))[..., None]
            update(
                counts, cells.law, state, cells.hidden, fields, drawn.x, drawn.d, columns, drawn.rows, key,
                int(number[0]),
            )  # fmt: skip

        return [run]

    def plan_outer(self, state: Floats, x: Floats, d: Floats, rate: Floats, counts: Counts) -> Step:
        return lambda: outer(counts, state, x, d, rate[0])

    def plan_visible(
        self, state: Floats, cells: Cells, key: Keys, number: Counts, counts: Counts, out: Floats
    ) -> Step:
        fields = cells.broadcast(state.shape)
        return lambda: visible(counts, cells.law, state, fields, key, int(number[0]), out)

    def plan_relaxation(
        self, state: Floats, cells: Cells, key: Keys, number: Counts, counts: Counts, dt: Floats
    ) -> Step:
        fields = cells.broadcast(state.shape)
        return lambda: rest(counts, cells.law, state, cells.hidden, fields, key, float(dt[0]), int(number[0]))
