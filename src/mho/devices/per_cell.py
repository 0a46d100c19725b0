"""A device parameter that every cell draws for itself."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from mho.errors import Faults
from mho.per_replica import Number, check_lists


@dataclasses.dataclass(frozen=True)
class PerCell:
    """A mean, and how far devices differ from it: relative (`spread`) or absolute (`std`).

    With `spread` s a cell draws |m(1 + s z)| with the sign of m (PHYSICS of Gokmen 2017, Table 1);
    with `std` it draws m + std·z, for parameters whose mean may be 0. z is standard normal. Each of the three
    may be a list of one number a replica.
    """

    mean: float
    spread: float = 0.0
    std: float = 0.0

    def __post_init__(self) -> None:
        faults = Faults("per_cell")
        if check_lists(self, faults, ("mean", "spread", "std")):
            faults.raise_any()
            return
        faults.number("mean", self.mean)
        if faults.number("spread", self.spread, low=0.0) and faults.number("std", self.std, low=0.0):
            if self.spread > 0 and self.std > 0:
                faults.add("spread and std are both given; give the relative one or the absolute one")
            if self.spread > 0 and self.mean == 0:
                faults.add("spread is relative and the mean is 0: it has no effect; give std instead")
        if isinstance(self.mean, float) and math.isinf(self.mean) and (self.spread or self.std):
            faults.add("an infinite mean cannot have a spread")
        faults.raise_any()

    @property
    def varies(self) -> bool:
        """Whether cells differ at all; a parameter that does not vary takes no memory per cell."""
        return any(np.any(np.array(kind) > 0) for kind in (self.spread, self.std))

    def draw(self, z: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Values (float32, the shape of z) for standard normals z."""
        if self.std > 0:
            return (self.mean + self.std * z).astype(np.float32)
        drawn: npt.NDArray[np.float32] = np.copysign(np.abs(self.mean * (1.0 + self.spread * z)), self.mean)
        return drawn.astype(np.float32)


def per_cell(mean: Number, *, spread: Number = 0.0, std: Number = 0.0) -> Any:
    """Declare a field of a law that differs from device to device.

    Args:
        mean: the nominal value; like the others a number, or a list of one a replica.
        spread: relative standard deviation, at least 0.
        std: absolute standard deviation, at least 0; use it where the mean is 0.

    Raises:
        InvalidValue: for a negative spread, both kinds at once, or lists of different lengths.
    """
    return PerCell(mean, spread, std)  # type: ignore[arg-type]
