"""Three cycles of some replicas of an array, bound once to memory that stays."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import final

import numpy as np

from mho.banks import Rate
from mho.compiler.program import Step
from mho.errors import MhoError
from mho.kernels.ops import Counts, Floats
from mho.kernels.scratch import room


class Cycles(abc.ABC):
    """Forward, backward and update of T vectors as steps, on the state of an array, without checks or new memory.

    Cycles of different replicas may be at different steps, so each numbers its vectors itself: from `begin` on, until
    `store_numbers` writes the numbers back to the array. Each list of steps ends by counting its vectors on, so that
    several uses of an array within a step may share the numbers of the first.

    Args:
        replicas: R.
        vectors: T.
        rows: outputs.
        columns: inputs.
        kept: False if other runs may write into `inputs`, `outputs` and `errors` too, as they may into `downwards`
            (`mho.kernels.scratch`): then all inputs and errors are written anew before each step that reads them.

    Attributes:
        inputs: (R, T, in), read by `forward` and `update`; all 1 at first where they are kept.
        outputs: (R, T, out), written by `forward`.
        errors: δ (R, T, out), read by `backward` and `update`.
        downwards: (R, T, in), written by `backward`; another run may write there next.
        preparing: steps that bring the weights that reads see up to date, before a forward and the backward that
            follows it; none where reads see the devices themselves.
        forward, backward, update: steps, to be run in this order; backward, or update, may be left out.
        relax: steps in which the time of one optimizer step passes; none where devices do not change by themselves.
    """

    preparing: Sequence[Step]
    forward: Sequence[Step]
    backward: Sequence[Step]
    update: Sequence[Step]
    relax: Sequence[Step]

    def __init__(self, replicas: int, vectors: int, rows: int, columns: int, *, kept: bool) -> None:
        self.vectors, self.kept = vectors, kept
        across, down = (replicas, vectors, columns), (replicas, vectors, rows)
        self.inputs: Floats = np.ones(across, np.float32) if kept else room(across, np.float32)
        self.outputs: Floats = np.empty(down, np.float32) if kept else room(down, np.float32)
        self.errors: Floats = np.empty(down, np.float32) if kept else room(down, np.float32)
        self.downwards: Floats = room(across, np.float32)

    @abc.abstractmethod
    def set_rate(self, lr: Rate) -> None:
        """Set the learning rate of the following updates: a number for all replicas, or (R,)."""

    @property
    @abc.abstractmethod
    def numbers(self) -> list[tuple[Counts, Counts]]:
        """Return the numbers of the next vectors, of each bank: memory of the array, and of these cycles."""

    @final
    def begin(self) -> None:
        """Copy the numbers of the next vectors from the array."""
        for of_array, own in self.numbers:
            own[...] = of_array

    @final
    def store_numbers(self) -> None:
        """Write the numbers of the next vectors back to the array."""
        for of_array, own in self.numbers:
            of_array[...] = own

    @property
    @abc.abstractmethod
    def stale(self) -> bool:
        """Return True if the array got other memory or seeds since the cycles were planned, as by `load_state_dict`."""

    @property
    @abc.abstractmethod
    def flags(self) -> list[Counts]:
        """Return memory, (R,) each, that is not 0 where a kernel met NaN or infinite values; `any_flag` looks at it."""

    @abc.abstractmethod
    def fault(self, *, x: bool, d: bool) -> MhoError | None:
        """Return the error that the flags of the kernels mean, or None.

        Args:
            x: True if the cycle took input vectors, which are then searched for the cause.
            d: True if it took errors δ.
        """

    @abc.abstractmethod
    def forget(self) -> None:
        """Clear the error flags of the kernels, after they have been reported."""


class JoinedCycles(Cycles):
    """Cycles that consist of those of other arrays, such as tiles, and do with each of them what is done with these.

    Attributes:
        parts: cycles of the other arrays.
    """

    parts: Sequence[Cycles]

    @property
    def numbers(self) -> list[tuple[Counts, Counts]]:
        return [pair for part in self.parts for pair in part.numbers]

    @property
    def stale(self) -> bool:
        return any(part.stale for part in self.parts)

    @property
    def flags(self) -> list[Counts]:
        return [flag for part in self.parts for flag in part.flags]

    def fault(self, *, x: bool, d: bool) -> MhoError | None:
        return next((fault for part in self.parts if (fault := part.fault(x=x, d=d)) is not None), None)

    def forget(self) -> None:
        for part in self.parts:
            part.forget()
