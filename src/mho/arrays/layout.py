"""Layout of a matrix on tiles, and the check that a crossbar fits one tile."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.arrays.factored import FactoredArray
from mho.config import RPU
from mho.errors import InvalidValue


@final
@dataclasses.dataclass(frozen=True)
class Place:
    """One tile: its place in the grid, and the rows and columns of the matrix that it holds."""

    i: int
    j: int
    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Weights: rows, columns."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


def places(rpu: RPU, out_features: int, in_features: int) -> list[Place]:
    """Return the tiles of a matrix, row after row: as few as hold it, in sizes that differ by at most one.

    A tile holds whole weights: a cell of n devices takes n of its lines, so `rows // n` weights lie in a column.
    """
    rows, columns = rpu.tile_size
    down = spread(out_features, out_features if rows is None else rows // rpu.lines)
    across = spread(in_features, in_features if columns is None else columns)
    return [Place(i, j, r, c) for i, r in enumerate(down) for j, c in enumerate(across)]


def spread(total: int, most: int) -> list[slice]:
    """Cut `total` into the fewest parts of at most `most`, as equal as they can be, the longer parts first."""
    parts = -(-total // most)
    length, longer = divmod(total, parts)
    ends = [part * length + min(part, longer) for part in range(parts + 1)]
    return [slice(ends[part], ends[part + 1]) for part in range(parts)]


def check_size(array: FactoredArray) -> None:
    """Raise InvalidValue if the array is larger than its RPU's tile."""
    rows, columns = array.rpu.tile_size
    lines, width = array.out_features * array.rpu.lines, array.in_features
    if lines > (rows or lines) or width > (columns or width):
        raise InvalidValue(
            f"array {array.name}: {lines} lines and {width} columns exceed the tile of "
            f"{rows or 'any'}×{columns or 'any'} of its RPU; mho.arrays.build_array with the same arguments spreads "
            "them over several crossbars, as layers do, or give rpu.replace(tile=None)"
        )
