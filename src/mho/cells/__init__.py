"""How devices make a weight: one cell per file."""

from typing import TYPE_CHECKING, NoReturn

from mho.banks import BankSpec
from mho.cells.base import Buffer, Cell, Term
from mho.cells.events import Act, Event, Stop
from mho.cells.one_sided import OneSided
from mho.cells.part import CellPart
from mho.cells.referenced import Referenced
from mho.cells.replicated import Replicated
from mho.cells.single import Single
from mho.cells.transfer import Transfer
from mho.errors import no_such_name
from mho.imports import classes_in

CELLS: dict[str, type[Cell]] = classes_in("mho.cells", Cell)  # type: ignore[type-abstract]
"""Every cell of this room by its name: a new file is found."""

__all__ = [
    "CELLS",
    "Act",
    "BankSpec",
    "Buffer",
    "Cell",
    "CellPart",
    "Event",
    "OneSided",
    "Referenced",
    "Replicated",
    "Single",
    "Stop",
    "Term",
    "Transfer",
]


if not TYPE_CHECKING:  # mypy would take any name

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
