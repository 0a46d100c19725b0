"""How several devices make one weight."""

from __future__ import annotations

import abc


class Cell(abc.ABC):
    """A weight made of `devices` cross-points that lie in as many rows of the array.

    Updates move the first `pulsed` of them. The weight is their mean, or, where it `is_difference`, the first less the
    last.
    """

    @property
    @abc.abstractmethod
    def devices(self) -> int:
        """Cross-points that make one weight."""

    @property
    @abc.abstractmethod
    def pulsed(self) -> int:
        """How many of them updates move; the others are programmed only."""

    @property
    def is_difference(self) -> bool:
        """Whether the weight is the first device less the last."""
        return False
