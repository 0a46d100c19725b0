"""Progress of a fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

Watch = Callable[[str, int, int], None]
"""Function that is called with the work in progress, the parts that are done, and the number of parts."""


@final
class Progress:
    """Counts the parts of a fit.

    Args:
        watch: called for each part; None: nothing is called.
        parts: as far as they are known.
    """

    def __init__(self, watch: Watch | None, parts: int) -> None:
        self._watch, self._parts, self._begun = watch, parts, 0

    def __call__(self, what: str) -> None:
        """Say that a part begins."""
        if self._watch is not None:
            self._watch(what, self._begun, self._parts)
        self._begun += 1

    def more(self, parts: int) -> None:
        """Add parts that were not known."""
        self._parts += parts

    def end(self) -> None:
        """Say that all is done."""
        if self._watch is not None:
            self._watch("done", self._parts, self._parts)
