"""Cells, which say how devices make a weight: one cell per file."""

from typing import TYPE_CHECKING, NoReturn

from mho.banks import BankSpec, FixedReference
from mho.cells.agad import AGAD
from mho.cells.base import Buffer, Cell, Term
from mho.cells.choppers import Chopper
from mho.cells.cost import BankCost, CellCost, Converters, EventCost
from mho.cells.e_rider import ERider
from mho.cells.events import Event, Stop
from mho.cells.mixed_precision import MixedPrecision
from mho.cells.one_sided import OneSided
from mho.cells.part import CellPart
from mho.cells.periodic_carry import PeriodicCarry
from mho.cells.referenced import Referenced
from mho.cells.replicated import Replicated
from mho.cells.residual import Residual
from mho.cells.rule import TransferRule
from mho.cells.single import Single
from mho.cells.tiki_taka import TikiTaka
from mho.cells.transfer import PulsedTransfer, Transfer
from mho.errors import no_such_name
from mho.imports import classes_in

CELLS: dict[str, type[Cell]] = classes_in("mho.cells", Cell)  # type: ignore[type-abstract]
"""Every cell of this room by its name: a new file is found."""

__all__ = [
    "AGAD",
    "CELLS",
    "BankCost",
    "BankSpec",
    "Buffer",
    "Cell",
    "CellCost",
    "CellPart",
    "Chopper",
    "Converters",
    "ERider",
    "Event",
    "EventCost",
    "FixedReference",
    "MixedPrecision",
    "OneSided",
    "PeriodicCarry",
    "PulsedTransfer",
    "Referenced",
    "Replicated",
    "Residual",
    "Single",
    "Stop",
    "Term",
    "TikiTaka",
    "Transfer",
    "TransferRule",
]


if not TYPE_CHECKING:  # mypy would take any name

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
