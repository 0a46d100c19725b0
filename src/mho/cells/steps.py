"""Steps of weights that a digital computer asks for: pulses to every cross-point, of its own number each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mho.banks import UpdatePlan
from mho.cells.transfer import plan_sending_all
from mho.compiler.program import Step
from mho.kernels.ops import Floats
from mho.kernels.records import Window
from mho.random import Operation

if TYPE_CHECKING:
    from mho.cells.part import CellPart

SOURCE = "steps"
"""Names the stream of these pulses, beside that of updates and those of pulses from other banks."""


def plan_steps(part: CellPart, pulses: Floats) -> UpdatePlan:
    """Plan pulses (R, M, N), negative for pulses down, to the devices of the first bank: one vector of its updates."""
    bank = part.first
    left = np.empty((part.replicas, part.columns, part.rows), np.int32)
    stream, number = bank.stream_from(SOURCE), bank.number(Operation.UPDATE)
    send = plan_sending_all(part, bank.bank.spec.name, left, np.arange(part.columns), stream)

    def moves(window: Window | None = None) -> list[Step]:
        def move() -> None:
            left[...] = pulses.transpose(0, 2, 1)
            if window is not None:
                left[:, (window.begin > 0) | (window.end < 1)] = 0
            send(int(number[0]))

        return [move]

    return UpdatePlan([], moves(), lambda lr: None, moves)
