"""Backend, the interface of arithmetic: the operations of an array, each planned once and run at every step."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
import numpy.typing as npt

from mho.compiler.program import Step
from mho.kernels.ops import Circuit, Counts, Drive, Floats, Population
from mho.kernels.records import Window
from mho.kernels.transfer import TransferMap

Keys = npt.NDArray[np.uint32]
Drawn = Any
"""Pulse trains as a back end keeps them between drawing and moving."""


class Backend(abc.ABC):
    """Base of back ends, which compute the cycles of arrays.

    Each method plans an operation: it binds memory that stays and returns steps, and every run of a step reads what
    lies in that memory then. Shapes are not checked: callers have done so. Two back ends give equal pulse counts for
    equal x and δ.

    Shapes: R replicas, T vectors, P physical lines, M outputs, N inputs; P = M·devices. Floats are float32. Common
    arguments: `key`, the keys of the random stream of an operation, (R, 2) uint32; `number`, the number of the first
    vector, (1,) int64, which names the draws; `counts`, the counters of `mho.kernels.counts`, (R, SIZE) int64, added
    to.
    """

    @abc.abstractmethod
    def memory(self, tensor: Any) -> Any:
        """Return the memory of a torch tensor as this back end addresses it, without a copy."""

    @abc.abstractmethod
    def plan_read(
        self, weights: Floats, x: Floats, out: Floats, circuit: Circuit, key: Keys, number: Counts, counts: Counts,
        *, backward: bool, evaluation: bool,
    ) -> list[Step]:  # fmt: skip
        """Plan a read, y = s·2ⁿ·clip(W x/(s·2ⁿ) + σξ, ±α); source: Gokmen et al. 2017, arXiv 1705.08014.

        Args:
            weights: W as reads see it, (R, P, N).
            x: (R, T, N); backward δ, (R, T, M).
            out: takes y, (R, T, M), the mean over the P/M devices of a weight after the converter; backward z = Wᵀ δ,
                (R, T, N).
            circuit: noise, bounds, converters, noise and bound management, and who forms the products.
            key: keys of the stream that names the noise.
            number: number of the first vector.
            counts: clipped outputs, halvings, and values that are not finite are added.
            backward: the direction.
            evaluation: True counts clipped outputs and halvings as those of evaluation.
        """

    @abc.abstractmethod
    def plan_trains(
        self, x: Floats, d: Floats, lines: int, drive: Drive, key: Keys, number: Counts, counts: Counts
    ) -> tuple[Step, Drawn]:
        """Plan the drawing of pulse trains of BL slots, P(A = 1) = min(1, C_x|x|) and P(B = 1) = min(1, C_δ|δ|).

        Source: T. Gokmen, Y. Vlasov 2016, arXiv 1603.07341, stochastic update: each line pulses in a slot with a
        probability in proportion to its |x| or |δ|.

        Args:
            x: (R, T, N).
            d: δ, (R, T, M).
            lines: P; each of the P/M devices of a weight gets a train of its own.
            drive: gains, length and management.
            key: keys of the stream.
            number: number of the first vector.
            counts: pulses, saturated probabilities, and vectors that are not finite are added.

        Returns:
            The step, and the memory into which it writes the trains.
        """

    @abc.abstractmethod
    def plan_moves(
        self, state: Floats, population: Population, drawn: Drawn, key: Keys, number: Counts, counts: Counts,
        *, window: Window | None = None,
    ) -> list[Step]:  # fmt: skip
        """Plan the moves of cross-points where drawn trains coincide, vector after vector, within their bounds.

        Args:
            state: weights that reads see, (R, P, N); updated.
            population: the law with its fields and hidden states; these are updated.
            drawn: trains, from `plan_trains` or `plan_column_trains`.
            key: keys of the stream from which the trains were drawn.
            number: number of the first vector, as for the trains.
            counts: coincidences, bound hits, and steps that are not finite are added.
            window: which vectors each column takes part in; None: all.
        """

    @abc.abstractmethod
    def plan_transfer(
        self, function: TransferMap, buffers: tuple[Floats, ...], lines: tuple[Floats, ...],
        settings: tuple[Floats, Floats], omega: Floats, columns: Counts, pulses: npt.NDArray[np.int32],
    ) -> Step:  # fmt: skip
        """Plan the map of a transfer, which turns the readings of K columns into pulses.

        Args:
            function: the map, and the names of its arguments.
            buffers: buffers of the weights, each (R, M, N); updated.
            lines: buffers of the columns, each (R, N).
            settings: numbers of the cell, (R, S), and of the transfer, (R, 2), each in the order of the map.
            omega: readings, (R, K, M).
            columns: columns that were read, (K,) int64.
            pulses: takes the pulses, (R, K, M) int32, negative for pulses down.
        """

    @abc.abstractmethod
    def plan_column_trains(
        self, pulses: npt.NDArray[np.int32], columns: Counts, shape: tuple[int, ...], counts: Counts
    ) -> tuple[Step, Drawn]:
        """Plan trains of K vectors that give every cross-point of K columns its number of pulses.

        Args:
            pulses: (R, K, M) int32, negative for pulses down; at most 32 are sent.
            columns: the columns, (K,) int64.
            shape: (R, P, N) of the devices; each of the P/M devices of a weight gets the same pulses.
            counts: pulses are added, and lines that ask for more than 32 to the saturated probabilities.

        Returns:
            The step, and the memory into which it writes the trains.
        """

    @abc.abstractmethod
    def plan_outer(self, state: Floats, x: Floats, d: Floats, rate: Floats, counts: Counts) -> Step:
        """Plan the exact update w += rate·δ xᵀ of ideal devices, vector after vector.

        Args:
            state: weights, (R, P, N); updated.
            x: (R, T, N).
            d: δ, (R, T, M).
            rate: learning rate of each replica, (R,).
            counts: steps that are not finite are added.
        """

    @abc.abstractmethod
    def plan_count(self, number: Counts, vectors: int) -> Step:
        """Plan number += vectors behind the operations that read it, for numbers (n,) int64."""

    @abc.abstractmethod
    def plan_visible(
        self, state: Floats, population: Population, key: Keys, number: Counts, counts: Counts, out: Floats
    ) -> Step:
        """Plan the weights as a read sees them, with the law's read-out and the noise of effects.

        Args:
            state: (R, P, N).
            population: the law with its fields.
            key: keys of the stream of the reads.
            number: number of the read's first vector, which names the draws.
            counts: values that are not finite are added; the state is read in their places.
            out: takes the weights, (R, P, N).
        """

    @abc.abstractmethod
    def plan_relaxation(
        self, state: Floats, population: Population, key: Keys, number: Counts, counts: Counts, dt: Floats
    ) -> Step:
        """Plan the change of the devices in a time without pulses: decay, drift, diffusion.

        Args:
            state: weights that reads see, (R, P, N); updated.
            population: the law with its fields and hidden states; these are updated.
            key: keys of the stream of time.
            number: names the draws, (1,).
            counts: weights that are not finite are added, and stay as they were.
            dt: time in optimizer steps, (1,).
        """
