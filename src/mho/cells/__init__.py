"""How several devices make one weight."""

from mho.cells.base import Cell
from mho.cells.one_sided import OneSided
from mho.cells.referenced import Referenced
from mho.cells.replicated import Replicated
from mho.cells.single import Single

CELLS: dict[str, type[Cell]] = {cell.__name__: cell for cell in (Single, Replicated, Referenced, OneSided)}

__all__ = ["CELLS", "Cell", "OneSided", "Referenced", "Replicated", "Single"]
