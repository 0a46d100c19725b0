"""Variation of a weight from read to read."""

from __future__ import annotations

from typing import Any, ClassVar, final

from mho.devices.effects.base import Effect
from mho.devices.fields import as_per_cell
from mho.errors import Faults


@final
class ReadVariation(Effect):
    """Each cell's weight varies for every vector that is read: w + read_variation·z; references do not vary.

    Every vector sees weights of its own, which costs a pass over the array per vector.

    Attributes:
        read_variation: standard deviation, at least 0, in normalised weights.

    Source: ours; the simplest form of the short-term noise that readings of resistive devices show.
    """

    flat: ClassVar[bool] = True
    read_variation: float = 0.0

    def _more_faults(self, faults: Faults) -> None:
        faults.number("read_variation", as_per_cell(self.read_variation).mean, low=0.0)

    @classmethod
    def draw_key(cls) -> tuple[int, int]:
        return 0, 0

    @staticmethod
    def seen(w: float, cell: Any, z: float) -> float:
        return w + cell.read_variation * z
