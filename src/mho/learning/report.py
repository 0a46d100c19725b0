"""Report of zero-shifting: pulses sent, and distances left."""

from __future__ import annotations

import dataclasses
from typing import final

import numpy as np
import numpy.typing as npt


@final
@dataclasses.dataclass(frozen=True)
class Distances:
    """Signed distances from symmetry points, over the cells whose points are known: in the units of the weights.

    Attributes:
        mean: mean of the distances.
        std: their standard deviation.
        largest: the largest without its sign.
    """

    mean: float
    std: float
    largest: float

    @classmethod
    def of(cls, distances: npt.NDArray[np.float64]) -> Distances | None:
        """Return the spread of some distances; None if there are none."""
        if not distances.size:
            return None
        return cls(float(distances.mean()), float(distances.std()), float(np.abs(distances).max()))

    def __str__(self) -> str:
        return f"{self.mean:+.2g} ± {self.std:.2g} (at most {self.largest:.2g})"


@final
@dataclasses.dataclass(frozen=True)
class ArrayShift:
    """Result of zero-shifting for an array, over all its replicas.

    Attributes:
        array: its name.
        pulses: sent to each device, one number per replica.
        settled: whether the tolerance was reached in every replica; None where none was given.
        residual: distance of the conductances from their symmetry points after the pulses.
        left: distance of the references from the symmetry points, hence of W = 0: with the write error and the bounds
            of the reference devices.
        without_point: share of devices that have no symmetry point.
        clipped: share of weight devices that their bounds kept from g_ref + W.
        references_clipped: share of reference devices that cannot hold what they were given.
    """

    array: str
    pulses: tuple[int, ...]
    settled: bool | None
    residual: Distances | None
    left: Distances | None
    without_point: float
    clipped: float
    references_clipped: float

    def __str__(self) -> str:
        few, many = min(self.pulses), max(self.pulses)
        sent = f"{many} pulses" if few == many else f"{few} to {many} pulses"
        words = [f"layer {self.array}: {sent}{'' if self.settled is not False else ', tolerance not reached'}"]
        if self.residual is None or self.left is None:
            words.append("every state is a symmetry point")
        else:
            words.append(f"{self.residual} from the symmetry points")
            if self.left != self.residual:
                words.append(f"references {self.left}")
        for share, what in (
            (self.without_point, "of the devices have no symmetry point"),
            (self.clipped, "of the weights clipped at bounds"),
            (self.references_clipped, "of the references clipped at bounds"),
        ):
            if share:
                words.append(f"{100 * share:.2g} % {what}")
        return "; ".join(words)


@final
@dataclasses.dataclass(frozen=True)
class ZeroShiftReport:
    """Report of `zero_shift` on each array of a model; print it."""

    arrays: tuple[ArrayShift, ...]

    def __str__(self) -> str:
        return "\n".join(["zero-shifting", *(f"  {array}" for array in self.arrays)])
