"""Backend, the interface of arithmetic: the operations of an array, each planned once and run as often as wanted."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
import numpy.typing as npt

from mho.compiler.program import Step
from mho.kernels.ops import Cells, Circuit, Counts, Drive, Floats
from mho.kernels.records import Window
from mho.kernels.transfer import TransferMap

Keys = npt.NDArray[np.uint32]
Drawn = Any
"""Pulse trains as a back end keeps them between drawing and moving."""


class Backend(abc.ABC):
    """Computes the cycles of arrays.

    Each method binds memory that stays and returns steps: every run of a step reads what lies there then. Shapes: R
    replicas, T vectors, P lines, M outputs, N inputs; floats are float32. `key` (R, 2) are the keys of the random
    streams of an operation, `number[0]` is the number of the first vector, and counters are added to `counts`
    (R, SIZE). Whoever plans has checked the shapes. Two back ends give equal pulse counts for equal x and δ.
    """

    @abc.abstractmethod
    def memory(self, tensor: Any) -> Any:
        """Return the memory of a torch tensor as this back end addresses it, without a copy."""

    @abc.abstractmethod
    def plan_read(
        self, weights: Floats, x: Floats, out: Floats, circuit: Circuit, key: Keys, number: Counts, counts: Counts,
        *, backward: bool, evaluation: bool,
    ) -> Step:  # fmt: skip
        """Plan a read of weights (R, P, N): x (R, T, N) to out (R, T, M), or backward δ (R, T, M) to (R, T, N).

        Forward, the P/M outputs of one row are averaged after the converter. `evaluation` says whether clipped
        outputs are counted as those of evaluation.
        """

    @abc.abstractmethod
    def plan_trains(
        self, x: Floats, d: Floats, lines: int, drive: Drive, key: Keys, number: Counts, counts: Counts
    ) -> tuple[Step, Drawn]:
        """Plan the drawing of the pulse trains of x (R, T, N) and d (R, T, M) for an array of P = `lines` lines.

        Returns:
            The step, and where it writes the trains.
        """

    @abc.abstractmethod
    def plan_moves(
        self, state: Floats, cells: Cells, drawn: Drawn, key: Keys, number: Counts, counts: Counts,
        *, window: Window | None = None,
    ) -> list[Step]:  # fmt: skip
        """Plan the steps of cross-points (R, P, N) where drawn trains coincide, vector after vector.

        Args:
            state: what reads see of each device.
            cells: the law with its fields and hidden states.
            drawn: from `plan_trains`.
            key: of the same stream as the trains.
            number: likewise.
            counts: counters.
            window: which vectors each column takes part in; None: all.
        """

    @abc.abstractmethod
    def plan_transfer(
        self, function: TransferMap, buffers: tuple[Floats, ...], lines: tuple[Floats, ...],
        settings: tuple[Floats, Floats], omega: Floats, columns: Counts, pulses: npt.NDArray[np.int32],
    ) -> Step:  # fmt: skip
        """Plan the map of a transfer for the readings omega (R, K, M) of K columns.

        Args:
            function: the map, and the names of all that it is given.
            buffers: of the weights, each (R, M, N); updated.
            lines: buffers of the columns, each (R, N).
            settings: numbers of the cell, (R, S), and of the transfer, (R, 2), each in the order of the map.
            omega: readings.
            columns: which columns, (K,).
            pulses: takes the pulses (R, K, M), negative for pulses down.
        """

    @abc.abstractmethod
    def plan_column_trains(
        self, pulses: npt.NDArray[np.int32], columns: Counts, shape: tuple[int, ...], counts: Counts
    ) -> tuple[Step, Drawn]:
        """Plan trains of K vectors that give every cross-point of K columns its pulses (R, K, M).

        Args:
            pulses: negative for pulses down.
            columns: which columns, (K,).
            shape: (R, P, N) of the devices; each of the P/M devices of a weight gets the same pulses.
            counts: counters.
        """

    @abc.abstractmethod
    def plan_outer(self, state: Floats, x: Floats, d: Floats, rate: Floats, counts: Counts) -> Step:
        """Plan the exact update w += rate·δ xᵀ of state (R, P, N), rate (R,), vector after vector."""

    @abc.abstractmethod
    def plan_visible(self, state: Floats, cells: Cells, key: Keys, number: Counts, counts: Counts, out: Floats) -> Step:
        """Plan the weights (R, P, N) that the read of vector number[0] sees of state (R, P, N), written into `out`."""

    @abc.abstractmethod
    def plan_relaxation(
        self, state: Floats, cells: Cells, key: Keys, number: Counts, counts: Counts, dt: Floats
    ) -> Step:
        """Plan the change of state (R, P, N) in a time dt[0] without pulses; draws are those of number[0]."""
