"""How several devices make one weight."""

from __future__ import annotations

import abc


class Cell(abc.ABC):
    """A weight as the mean of `devices` cross-points that lie in as many rows of the array."""

    @property
    @abc.abstractmethod
    def devices(self) -> int:
        """Cross-points that make one weight."""
