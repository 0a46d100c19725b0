"""Size of the largest array that can be built."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.errors import Faults, InWords


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Tile(metaclass=InWords):
    """The largest array that is built: a larger layer is spread over several of them.

    Attributes:
        rows: physical lines, at least 1; a cell of n devices takes n of them. None: as many as a layer needs.
        columns: physical columns, at least 1; a layer needs one for each input and one for the bias. None: as many as a
            layer needs.

    Raises:
        InvalidValue: for a value out of range.
    """

    rows: int | None = None
    columns: int | None = None

    def __post_init__(self) -> None:
        faults = Faults("Tile")
        faults.number("rows", self.rows, low=1, optional=True, integer=True)
        faults.number("columns", self.columns, low=1, optional=True, integer=True)
        faults.raise_any()
