"""Every cell of the room passes the checks that a user's own must pass, and the checks notice what is wrong."""

from __future__ import annotations

import dataclasses
import importlib
import re
import sys
from pathlib import Path
from typing import final

import numpy as np
import pytest
import torch

import mho
from mho.cells import (
    AGAD,
    CELLS,
    BankSpec,
    Cell,
    ERider,
    MixedPrecision,
    OneSided,
    PeriodicCarry,
    Replicated,
    Residual,
    Term,
    TikiTaka,
    Transfer,
)
from mho.errors import InvalidValue, LawError
from mho.testing import check_cell
from tests.helpers.checkout import ROOT
from tests.helpers.own_cell import Leaky

MADE: dict[str, Cell] = {
    "Replicated": Replicated(3),
    "OneSided": OneSided(refresh_every=5, refresh_at=0.1, refresh_error=0.01),
    "own": Leaky(every=2),
    "TikiTaka": TikiTaka(chopper=0.3, random_chopper=True, visible=0.1, buffer_scale=1.0, reference_std=0.05),
    "AGAD": AGAD(chopper=0.4, buffer_scale=1.0),
    "MixedPrecision": MixedPrecision(every=5),
    "Residual": Residual(n=3, every=1, slower=2, fast_lr=3.0),
    "PeriodicCarry": PeriodicCarry(n=2, base=2.0, every=5, carry_at=0.1, reset_error=0.01),
    "ERider": ERider(chopper=0.4, buffer_scale=1.0),
}
SOFT = mho.devices.SoftBounds(dw_min=mho.per_cell(0.01, spread=0.1), w_max=0.6, w_min=-0.6)
"""A law with a symmetry point."""


@pytest.mark.parametrize("name", [*CELLS, "own"])
def test_every_cell_passes_the_checks(name: str) -> None:
    cell = MADE[name] if name in MADE else CELLS[name]()
    device = SOFT if name in ("TikiTaka", "Residual") else mho.testing.cell_check.DEVICE
    report = check_cell(cell, device=device)
    assert report.moved > 0.001
    assert report.devices == mho.RPU(device=device, cell=cell).devices
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

    times: dict[str, int] = dataclasses.field(default_factory=lambda: {"planned": 0}, compare=False)

    def banks(self, device, update):
        return (BankSpec(device=device, update=update),)

    def plan_update(self, part, x, d):
        self.times["planned"] += 1
        return super().plan_update(part, x * np.float32(1 + self.times["planned"] % 3), d)


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


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Wired(Cell):
    """Two banks, put together as its fields say."""

    names: str = "fast slow"
    read: str = "slow"
    lines: int = 1
    every: int = 3
    target: str = "slow"

    def banks(self, device, update):
        first, second = self.names.split()
        fast = BankSpec(name=first, device=device, update=update, lines=self.lines)
        return fast, BankSpec(name=second, device=device, update=update)

    def reads(self):
        return tuple(tuple(Term(bank) for bank in terms.split("+")) for terms in self.read.split())

    def events(self):
        return (Transfer(every=self.every, source="fast", target=self.target, circuit=mho.Read.exact()),)


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (Wired(names="fast fast"), "each with its own name"),
        (Wired(read="slwo"), "a bank 'slwo'; did you mean 'slow'"),
        (Wired(target="sloe"), "a bank 'sloe'; did you mean 'slow'"),
        (Wired(every=0), "every 0 vectors; give an integer of at least 1"),
        (Wired(read="slow fast"), "no two the same: order the terms so"),
        (Wired(read="slow+fast", lines=2), "different numbers of lines"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_banks_that_do_not_fit_together_are_refused(cell: Cell, says: str) -> None:
    with pytest.raises(InvalidValue, match=says):
        mho.RPU(cell=cell)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_sums_after_the_converter_have_noise_of_their_own(backend: str) -> None:
    """Two sums, each read with noise 0.1, and then one sum of both: the variances add, or there is one."""
    spread = {}
    for sums in ("fast slow", "fast+slow"):
        rpu = mho.RPU(cell=Wired(read=sums), forward=mho.Read(noise=0.1, bound=None))
        array = mho.Crossbar(rpu, 2, 3, seed=1, backend=backend)
        array.write(torch.full((2, 3), 0.1))
        assert torch.allclose(array.weight, torch.tensor(0.1), atol=1e-6)
        y = array.forward(torch.ones(2000, 3)) - 0.3
        assert abs(float(y.mean())) < 0.01  # 0.14 / √4000 = 0.002
        spread[sums] = float(y.std())
    # standard error of a standard deviation of 4,000 numbers: 1.1 %
    assert spread["fast slow"] == pytest.approx(0.1 * 2**0.5, rel=0.05)
    assert spread["fast+slow"] == pytest.approx(0.1, rel=0.05)


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Bursts(Cell):
    """W = 0.5·slow + gamma·fast, and slow gets pulses in proportion to fast, up to more than are sent."""

    gamma: float | tuple[float, ...] = 2.0
    per_unit: float = 100.0

    def banks(self, device, update):
        return tuple(BankSpec(name=name, device=device, update=update) for name in ("fast", "slow"))

    def reads(self):
        return ((Term("slow", 0.5), Term("fast", self.gamma)),)

    def events(self):
        return (Transfer(every=1, source="fast", target="slow", circuit=mho.Read.exact()),)

    @staticmethod
    def transfer(h, omega, line):
        return int(line.per_unit * omega)


def test_gains_are_those_of_reads_and_of_each_replica() -> None:
    rpu = mho.RPU(cell=Bursts(gamma=(2.0, 0.25)), forward=mho.Read.exact())
    array = mho.Crossbar(rpu, 3, 4, seed=1, replicas=2)
    array.update(torch.ones(2, 3, 4), torch.ones(2, 3, 3), 0.1)
    fast, slow = array.device_weights.unbind(dim=1)
    wanted = 0.5 * slow + torch.tensor([2.0, 0.25])[:, None, None] * fast
    assert float(fast.abs().min()) > 0
    assert torch.allclose(array.weight, wanted, atol=1e-6)
    assert torch.allclose(array.read(), wanted, atol=1e-6)
    array.write(torch.full((3, 4), 0.01))  # far from the bounds of every device
    assert torch.allclose(array.weight, torch.tensor(0.01), atol=1e-6)
    with pytest.raises(InvalidValue, match=r"Bursts.gamma is the list \[2.0, 0.25\]"):
        mho.RPU(cell=Bursts(gamma=[2.0, 0.25]))


def test_trains_of_transfers_have_as_many_pulses_as_the_map_says() -> None:
    """Rows of one column get numbers of their own; beyond 32 they are cut and counted."""
    device = mho.devices.ConstantStep(dw_min=0.001, up_down=1.0, c2c=0.0, w_max=2.0, w_min=-2.0)
    made = []
    for backend in ("cpu", "reference"):
        array = mho.Crossbar(mho.RPU(device=device, cell=Bursts(), forward=mho.Read.exact()), 5, 1, backend=backend)
        fast, slow = (bank for bank in array.banks.values())
        fast.program(np.array([[[0.305], [-0.025], [0.0], [0.505], [-0.115]]], np.float32))
        before = slow.state.clone()
        array.pulse(torch.zeros(1, 1), torch.zeros(1, 5))
        made.append([slow.state.clone(), *array.counters().values()])
        moved = ((slow.state - before) / 0.001).flatten().numpy()
        assert moved == pytest.approx([30, -2, 0, 32, -11], abs=1e-2)
        assert int(array.counters()["saturated_probabilities"]) == 1
        assert int(array.counters()["coincidences"]) == 30 + 2 + 32 + 11
        assert int(array.counters()["pulses"]) == 30 + 2 + 32 + 11 + 32  # and the column, as often as its busiest row
    for one, other in zip(*made, strict=True):
        assert torch.equal(one, other)


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Mistyped(Cell):
    """Its map asks for a buffer that there is not."""

    threshold: float = 0.1

    def banks(self, device, update):
        return tuple(BankSpec(name=name, device=device, update=update) for name in ("fast", "slow"))

    def events(self):
        return (Transfer(every=1, source="fast", target="slow", circuit=mho.Read.exact()),)

    @staticmethod
    def transfer(h, omega, line):
        return 1 if omega > line.treshold else 0


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_map_that_asks_for_what_is_not_there_is_refused(backend: str) -> None:
    array = mho.Crossbar(mho.RPU(cell=Mistyped()), 2, 3, backend=backend)
    with pytest.raises(LawError, match=r"Mistyped.transfer at .* uses line.treshold; did you mean 'threshold'"):
        array.update(torch.ones(1, 3), torch.ones(1, 2), 0.1)


def test_a_field_may_not_take_the_name_of_a_method() -> None:
    with pytest.raises(LawError, match=r"Taken\.sums: a method of every cell has this name; rename it"):

        class Taken(Cell):
            sums: int = 3


def test_refusals_say_why() -> None:
    with pytest.raises(InvalidValue, match="OneSided cells sort pulses by their direction"):
        mho.RPU(device=mho.devices.Ideal(), update=mho.Exact(), cell=OneSided())
    with pytest.raises(InvalidValue, match="Leaky cells halt updates for events, which Exact cannot; use Pulses"):
        mho.RPU(device=mho.devices.Ideal(), update=mho.Exact(), cell=Leaky())
    with pytest.raises(InvalidValue, match=r"cell\.n is missing"):
        mho.RPU.from_dict({"cell": {"kind": "Replicated"}})


def test_the_cell_of_the_guide_works_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = guide.partition("\n## Adding a cell\n")[2].partition("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, flags=re.S)
    (tmp_path / "guide_cell.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    carried = importlib.import_module("guide_cell").Carried
    try:
        report = check_cell(carried())
        assert report.banks == ("fine", "coarse")
        assert mho.RPU.from_toml(mho.RPU(cell=carried(every=7)).to_toml()).cell == carried(every=7)
    finally:
        del sys.modules["guide_cell"]
