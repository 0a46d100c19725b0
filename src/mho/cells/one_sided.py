"""A weight as the difference of two devices of which each is pulsed in one direction only."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, final

from mho.cells.base import Cell
from mho.compiler.hooks import Hooks
from mho.errors import Faults


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class OneSided(Cell):
    """Two unidirectional devices: w = g⁺ - g⁻, where up pulses move g⁺ up and down pulses move g⁻ up.

    For devices whose step is good in one direction only, as that of phase-change memory. The law's down step is never
    used. Both only rise, so cells are refreshed: where g⁺ or g⁻ has come to the share `refresh_at` of its range, w
    is read, both are set back, and w is programmed anew; but not where one of them is stuck. `write(w)` sets one device
    to the lowest level that both reach, and the other |w| above it, clipped.

    Attributes:
        refresh_every: vectors of updates from one look for cells to be refreshed to the next, at least 1. A look
            comes after the update in which their number is reached, not within it: where one update has many vectors,
            as that of a convolution in a large mini-batch, devices may come to their bounds before (`bound_hits`
            counts it).
        refresh_at: share of the range at which a cell is refreshed, above 0, at most 1.
        refresh_error: standard deviation of what programming at a refresh adds to each device, at least 0.

    Source: the idea of two devices of phase-change memory a weight and of their refresh is of M. Suri et al., IEDM
    (2011); G. W. Burr et al., IEEE Trans. Electron Devices 62:3498 (2015). The defaults are ours.
    """

    refresh_every: int = 1000
    refresh_at: float = 0.75
    refresh_error: float = 0.0

    def __post_init__(self) -> None:
        faults = Faults("OneSided")
        faults.number("refresh_every", self.refresh_every, low=1, integer=True)
        if faults.number("refresh_at", self.refresh_at, above=0.0) and self.refresh_at > 1:
            faults.add(f"refresh_at is {self.refresh_at!r}; give a share of the range, at most 1")
        faults.number("refresh_error", self.refresh_error, low=0.0)
        faults.raise_any()

    @property
    def devices(self) -> int:
        return 2

    @property
    def pulsed(self) -> int:
        return 2

    @property
    def is_difference(self) -> bool:
        return True


SIDE = "OneWay.side"
"""The field of devices that says in which direction they respond."""


@final
class OneWay(Hooks):
    """Devices that respond to pulses of one direction only, `side` 1 for up and -1 for down, and always rise."""

    @classmethod
    def hook_fields(cls) -> Mapping[str, str]:
        return {"side": SIDE}

    @staticmethod
    def accepts_pulse(up: bool, cell: Any) -> Any:
        return up == (cell.side > 0)

    @staticmethod
    def moves_up(up: bool, cell: Any) -> bool:
        return True
