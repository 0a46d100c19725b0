"""How several devices make one weight."""

from mho.cells.base import Cell
from mho.cells.replicated import Replicated
from mho.cells.single import Single

CELLS: dict[str, type[Cell]] = {cell.__name__: cell for cell in (Single, Replicated)}

__all__ = ["CELLS", "Cell", "Replicated", "Single"]
