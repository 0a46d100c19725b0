"""Vectors that a layer keeps from a forward through its arrays to the update."""

from __future__ import annotations

import dataclasses
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.float32]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Use:
    """One use of a layer in a forward, and the errors that a backward brought to it.

    Attributes:
        number: of the use, counted by forwards.
        met: number of the use as backwards meet them.
        x: inputs (R, T, in) of each array.
        d: δ = -∂L/∂y (R, T, out) of each array.
    """

    number: int
    met: int
    x: list[Floats]
    d: list[Floats]


@final
class Memory:
    """Uses of a layer between forward and update.

    Attributes:
        pending: uses of finished backwards.
        backwards: backwards since the start.
        steered: whether an AnalogSGD will apply what is pending.
    """

    def __init__(self, *, steered: bool = False) -> None:
        self.pending: list[Use] = []
        self.backwards = 0
        self.steered = steered
        self._running: dict[int, list[Use]] = {}
        self._uses = self._met = self._lowest = 0
        self._waiting: Waiting | None = None

    def number(self) -> int:
        """Return the number of a use that begins.

        A use inside a backward is one that a checkpoint recomputes. It comes before all that backwards have met since
        the last forward: it gets the lowest number of these, and `in_order` tells equal numbers apart.
        """
        if _backward() == -1:
            self._running.clear()  # of torch.autograd.grad, which ends no backward of the anchor
            self._uses += 1
            self._lowest = self._uses
        return self._lowest

    def keep(self, number: int, x: list[Floats], d: list[Floats]) -> None:
        """Keep what the backward under way brings to a use."""
        self._met += 1
        self._lowest = min(self._lowest, number)
        self._running.setdefault(_backward(), []).append(Use(number, self._met, x, d))

    def end_of_backward(self) -> None:
        """Let the uses of the backward under way wait for the update."""
        self.backwards += 1
        self.pending += self._running.pop(_backward(), [])

    def gradient(self) -> Waiting:
        """Return a gradient for the anchor that is not zeroed; the same for every step that sets gradients to None."""
        if self._waiting is None or self._waiting.zeroed:
            self._waiting = torch.empty(0).as_subclass(Waiting)
        return self._waiting

    def in_order(self) -> list[Use]:
        """Return the pending uses in the order of their forwards.

        A backward meets the uses of a layer in reverse: of two with equal numbers that comes first which was met last.
        """
        return sorted(self.pending, key=lambda use: (use.number, -use.met))


@final
class Waiting(Tensor):
    """Gradient of an anchor while uses are pending: it notes that it was zeroed, as by `model.zero_grad(False)`."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
    zeroed = False

    def zero_(self) -> Tensor:
        """Set to 0: what waits is to be forgotten."""
        self.zeroed = True
        return super().zero_()


def _backward() -> int:
    """Return the number of the backward under way in this thread, -1 where there is none."""
    return torch._C._current_graph_task_id()
