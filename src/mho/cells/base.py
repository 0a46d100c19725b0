"""How several devices make one weight."""

from __future__ import annotations

import abc


class Cell(abc.ABC):
    """A weight made of `devices` cross-points that lie in as many rows of the array.

    The weight is the mean of the first `pulsed` of them, which updates move; reads subtract the reference from it where
    there is one.
    """

    @property
    @abc.abstractmethod
    def devices(self) -> int:
        """Cross-points that make one weight."""

    @property
    @abc.abstractmethod
    def pulsed(self) -> int:
        """How many of them updates move; the others are programmed only."""
