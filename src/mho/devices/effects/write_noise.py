"""Noise of what a pulse leaves to be read."""

from __future__ import annotations

from typing import Any, ClassVar, final

from mho import random
from mho.devices.effects.base import Effect
from mho.devices.fields import as_per_cell
from mho.errors import Faults


@final
class WriteNoise(Effect):
    """A pulse moves a hidden weight; what is read of it has noise, drawn anew at each pulse, within the bounds.

    w_read = w + write_noise·z. The written weight w is hidden, and the next pulse starts from it.

    Attributes:
        write_noise: standard deviation, at least 0, in normalised weights.

    Source: the write noise of aihwkit's devices with hidden weights (M. J. Rasch et al., AICAS 2021, arXiv 2104.02184).
    """

    flat: ClassVar[bool] = True
    write_noise: float = 0.0

    def _more_faults(self, faults: Faults) -> None:
        faults.number("write_noise", as_per_cell(self.write_noise).mean, low=0.0)

    @classmethod
    def draw_key(cls) -> tuple[int, int]:
        return 0, int(random.WRITING_KEY)

    @staticmethod
    def written(w: float, cell: Any, z: float) -> float:
        return w + cell.write_noise * z
