"""A cross-point that has a few states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from mho.config import RPU
from mho.devices import Device, Table, table
from mho.errors import Faults, in_words
from mho.periphery import Pulses, Read

BEYOND = 8.0
"""Write errors, in standard deviations, that lie within the bounds of a device beyond its last levels."""


@final
class LevelStep(Device):
    """A device whose pulses go from level to level, each with an error of what is written.

    Up:   the level above the level nearest to w, plus error·z;
    down: the level below the level nearest to w, plus error·z.
    At the last level a pulse writes that level again. `levels` are ascending weights; `error` is a standard deviation
    in units of weight.

    Source: ours; the states of a multilevel memory, programmed with a normal error.
    """

    levels: Table = table([-1.0, 0.0, 1.0])
    error: float = 0.0
    w_max: float = 2.0
    w_min: float = -2.0

    def _more_faults(self, faults: Faults) -> None:
        levels = self.tables()["levels"].values
        if levels.ndim != 1 or len(levels) < 2 or (np.diff(levels) <= 0).any():
            faults.add("levels must be a row of at least 2 ascending weights")
        faults.number("error", self.parameters()["error"].mean, low=0.0)

    def mean_step(self) -> float:
        """Return the mean distance of neighbouring levels."""
        levels = self.tables()["levels"].values
        return float(levels[-1] - levels[0]) / (len(levels) - 1)

    @staticmethod
    def pulse(w: float, up: bool, cell: Any, z: float) -> float:
        levels = cell.levels
        last = int(len(levels) - 1)
        at = 0
        for level in range(1, len(levels)):
            if abs(w - levels[level]) < abs(w - levels[at]):
                at = int(level)
        if up and at < last:
            at = int(at + 1)
        if not up and at > 0:
            at = int(at - 1)
        return levels[at] + cell.error * z  # type: ignore[no-any-return]


@in_words
def level_rpu(levels: Sequence[float] = (-1, 0, 1), *, write_error: float = 0.0, read: Read | None = None) -> RPU:
    """Return arrays whose devices have just these levels.

    Args:
        levels: at least two weights, in any order.
        write_error: standard deviation of what a write leaves, in units of weight, at least 0.
        read: the circuit of forward reads; None: exact reads.
    """
    ascending = sorted(float(level) for level in levels)
    room = BEYOND * write_error + 1e-3
    device = LevelStep(
        levels=table(ascending), error=write_error, w_max=ascending[-1] + room, w_min=ascending[0] - room
    )
    return RPU(
        device=device, forward=Read.exact() if read is None else read, backward=Read.exact(), update=Pulses(length=1)
    )
