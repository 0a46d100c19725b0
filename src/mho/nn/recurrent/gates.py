"""Digital part of a step of a recurrent layer, for autograd and as kernels on memory that stays."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from mho.compiler.program import Call
from mho.kernels.ops import Floats

States = tuple[Tensor, ...]
"""What goes from one step to the next, each (S, n); the first is the output of the step."""
Record = Mapping[str, Floats]
"""Fields of one step by name, (S, n) each.

All gates have `given` and `answer`, what the input and the recurrent matrix answer (S, rows·H), `x`, the input of the
recurrent matrix, whose first columns are the output of the step before; and of the backward `d`, δ of the hidden units
(S, H), and `errors`, δ of `answer`.
"""


class Gates(abc.ABC):
    """Digital part of a step: from the answers of both matrices to the next states.

    Attributes:
        rows: outputs of each matrix for one hidden unit.
        states: how many go from one step to the next.
        memory: names of the fields of the second state and of its δ; None where there is no second state.
        past: name of the field of δ that goes to the state before beside the recurrent matrix; None: nothing does.
        given_errors: name of the field of δ of `given`.
    """

    rows: ClassVar[int]
    states: ClassVar[int] = 1
    memory: ClassVar[tuple[str, str] | None] = None
    past: ClassVar[str | None] = None
    given_errors: ClassVar[str] = "errors"

    @abc.abstractmethod
    def step(self, given: Tensor, recurrent: Tensor, states: States) -> States:
        """Return the next states.

        Args:
            given: what the input matrix answers to the step's input, (S, rows·H), its bias included.
            recurrent: answer of the recurrent matrix to the output of the step before, in the form of `given`.
            states: states of the step before.
        """

    @abc.abstractmethod
    def fields(self, hidden: int) -> dict[str, int]:
        """Return the fields of a record beyond those of all gates, with their numbers a sequence, for H = `hidden`."""

    @abc.abstractmethod
    def forward(self, now: Record, after: Record, h: Floats) -> Call:
        """Plan what `step` does, by a kernel.

        Args:
            now: record of the step: its inputs, and what the backward needs.
            after: record of the next step, which takes the second state.
            h: takes the hidden units; (S, H), or wider.
        """

    @abc.abstractmethod
    def backward(self, now: Record, after: Record, h: Floats) -> Call:
        """Plan the adjoint of `forward`: from `d`, and δ of the second state in `after`, to δ of what the step took."""
