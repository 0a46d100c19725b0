"""Every cell of the room passes the checks that a user's own must pass, and the checks notice what is wrong."""

from __future__ import annotations

import dataclasses
from typing import final

import numpy as np
import pytest
from own_cell import Leaky

import mho
from mho.cells import CELLS, BankSpec, Cell, OneSided, Replicated, Term
from mho.errors import InvalidValue, LawError
from mho.testing import check_cell

MADE: dict[str, Cell] = {
    "Replicated": Replicated(3),
    "OneSided": OneSided(refresh_every=5, refresh_at=0.1, refresh_error=0.01),
    "own": Leaky(every=2),
}


@pytest.mark.parametrize("name", [*CELLS, "own"])
def test_every_cell_passes_the_checks(name: str) -> None:
    cell = MADE[name] if name in MADE else CELLS[name]()
    report = check_cell(cell)
    assert report.moved > 0.001
    assert report.devices == mho.RPU(cell=cell).devices
    assert type(cell).__name__ in str(report)


@final
@dataclasses.dataclass(frozen=True)
class Forgetful(Cell):
    """Says that reads see half of what it programs."""

    def banks(self, device, update):
        return (BankSpec(device=device, update=update),)

    def reads(self):
        return ((Term("devices", 0.5),),)

    def program(self, part, weights):
        part.first.bank.program(weights)


@final
class Mutable(Cell):
    """Is no frozen dataclass."""

    def banks(self, device, update):
        return (BankSpec(device=device, update=update),)


@final
@dataclasses.dataclass(frozen=True)
class Moody(Cell):
    """Keeps something beside its buffers: how often it planned an update."""

    times: list[int] = dataclasses.field(default_factory=lambda: [0], compare=False)

    def banks(self, device, update):
        return (BankSpec(device=device, update=update),)

    def plan_update(self, part, x, d):
        self.times[0] += 1
        return super().plan_update(part, x * np.float32(1 + self.times[0] % 3), d)


@pytest.mark.parametrize(
    ("cell", "error", "says"),
    [
        (Forgetful(), LawError, "Forgetful: weights after write differ"),
        (Mutable(), LawError, "Mutable is no frozen dataclass"),
        (Moody(), LawError, "Moody: .* changes banks.devices"),
        ("Single", InvalidValue, "check_cell takes a cell"),
    ],
    ids=["program", "mutable", "state", "no cell"],
)
def test_the_checks_notice(cell: Cell, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        check_cell(cell)


def test_refusals_say_why() -> None:
    with pytest.raises(InvalidValue, match="OneSided cells sort pulses by their direction"):
        mho.RPU(device=mho.devices.Ideal(), update=mho.Exact(), cell=OneSided())
    with pytest.raises(InvalidValue, match="Leaky cells halt updates for events, which Exact cannot; use Pulses"):
        mho.RPU(device=mho.devices.Ideal(), update=mho.Exact(), cell=Leaky())
    with pytest.raises(InvalidValue, match=r"cell\.n is missing"):
        mho.RPU.from_dict({"cell": {"kind": "Replicated"}})
