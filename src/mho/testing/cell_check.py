"""Checks that any cell must pass, for those of mho and of users."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from mho.arrays import Crossbar
from mho.cells import Cell
from mho.config import RPU
from mho.devices import ConstantStep, Device
from mho.errors import InvalidValue, LawError, in_words
from mho.periphery import Pulses, Read

ROWS, COLUMNS, VECTORS = 3, 5, 24
DEVICE = ConstantStep(dw_min=0.01, w_max=0.6, w_min=-0.6)
ROUNDING = 1e-5
"""Weights below 1 that pass through a few float32 operations differ by less."""


@final
@dataclasses.dataclass(frozen=True)
class CellReport:
    """Report of `check_cell`.

    Attributes:
        kind: name of the cell.
        banks: names of its banks, first the bank that updates pulse.
        devices: cross-points per weight.
        bytes_per_weight: memory of an array for each weight: states, fields and digital buffers.
        moved: root mean square of how far the check's updates moved the weights.
    """

    kind: str
    banks: tuple[str, ...]
    devices: int
    bytes_per_weight: float
    moved: float

    def __str__(self) -> str:
        return (
            f"{self.kind}: banks {', '.join(self.banks)}; {self.devices} devices and {self.bytes_per_weight:.3g} bytes "
            f"per weight; the check's updates moved weights by {self.moved:.2g} (root mean square)"
        )


@in_words
def check_cell(cell: Cell, *, device: Device = DEVICE, seed: int = 0) -> CellReport:
    """Check a cell on small arrays of a device.

    Checks: it is a frozen dataclass; `write` makes weights, and reads without noise see `weight`; updates of the
    compiled back end end as those of the reference; a split of vectors into calls, a restored checkpoint and other
    replicas change no bit; its file reads back to an equal cell.

    Args:
        cell: to be checked.
        device: law of the RPU; it must suit the cell, and hold weights of ±0.2.
        seed: seed of devices and vectors.

    Returns:
        What was measured; `print` it.

    Raises:
        LawError: with the first rule that is broken.
        InvalidValue: for something else than a cell, or a device that the cell refuses.
    """
    if not isinstance(cell, Cell):
        raise InvalidValue(f"check_cell takes a cell, for example MyCell(), and got {cell!r}")
    name = type(cell).__name__
    parameters = getattr(type(cell), "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise LawError(
            f"{name} is no frozen dataclass; write @dataclasses.dataclass(frozen=True, kw_only=True) above it"
        )
    quiet = Read.exact()
    rpu = RPU(device=device, cell=cell, forward=quiet, backward=quiet, update=Pulses(length=5))

    def array(**options: object) -> Crossbar:
        return Crossbar(rpu, ROWS, COLUMNS, seed=seed, **options)  # type: ignore[arg-type]

    _check_weights(name, array())
    whole = array()
    before = whole.weight.clone()
    x, d = _vectors(seed)
    whole.update(x, d, 0.05)
    _same(name, whole, _driven(array(backend="reference"), x, d), "the reference back end", ROUNDING)
    split = array()
    for t in range(VECTORS):
        split.update(x[t : t + 1], d[t : t + 1], 0.05, dt=float(t == VECTORS - 1))
    _same(name, whole, split, "a split of the vectors into calls")
    _same(name, whole, _restored(array, x, d), "a checkpoint in the middle")
    several = array(replicas=2)
    several.update(torch.stack([x, x]), torch.stack([d, d]), 0.05)
    _same(name, whole, several, "a second replica")
    _check_file(rpu)
    size = sum(buffer.nbytes for buffer in whole.buffers()) / (ROWS * COLUMNS)
    moved = float((whole.weight - before).square().mean().sqrt())
    return CellReport(name, tuple(bank.name for bank in rpu.banks), rpu.devices, size, moved)


def _vectors(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(VECTORS, COLUMNS, generator=generator) * 2 - 1
    return x, torch.rand(VECTORS, ROWS, generator=generator) - 0.5


def _driven(array: Crossbar, x: Tensor, d: Tensor) -> Crossbar:
    array.update(x, d, 0.05)
    return array


def _restored(array: Callable[[], Crossbar], x: Tensor, d: Tensor) -> Crossbar:
    """Return an array that goes on from the checkpoint of another in the middle of the vectors."""
    half, first, second = VECTORS // 2, array(), array()
    first.update(x[:half], d[:half], 0.05, dt=0.0)
    second.load_state_dict(first.state_dict())
    second.update(x[half:], d[half:], 0.05)
    return second


def _check_weights(name: str, array: Crossbar) -> None:
    wanted = 0.2 * torch.linspace(-1, 1, ROWS * COLUMNS).view(1, ROWS, COLUMNS)
    array.write(wanted, quiet=True)
    found = array.weight
    if found.shape != wanted.shape:
        raise LawError(f"{name}.weight has shape {tuple(found.shape)}, and the array is {tuple(wanted.shape)}")
    for what, values, given in (("write", found, wanted), ("read", array.read(), found)):
        error = float((values - given).abs().max())
        if not error < ROUNDING:
            raise LawError(
                f"{name}: {'weights after write' if what == 'write' else 'reads without noise'} differ from "
                f"{'what was written' if what == 'write' else 'the weights'} by up to {error:.3g}; look at its "
                f"{'program' if what == 'write' else 'reads'}, or give check_cell a device that holds weights of ±0.2"
            )


def _same(name: str, whole: Crossbar, other: Crossbar, what: str, tolerance: float = 0.0) -> None:
    theirs = other.state_dict()
    for key, value in whole.state_dict().items():
        own = theirs[key][: len(value)] if theirs[key].shape != value.shape else theirs[key]
        close = torch.allclose(value.double(), own.double(), rtol=0, atol=tolerance)
        if not (torch.equal(value, own) or (tolerance and close)):
            raise LawError(
                f"{name}: {what} changes {key}; all that a cell keeps between vectors belongs in its buffers, and all "
                "that it draws is named by vector numbers"
            )


def _check_file(rpu: RPU) -> None:
    try:
        text = rpu.to_toml()
    except LawError:  # defined where no other process finds it: it has no file
        return
    if RPU.from_toml(text) != rpu:
        raise LawError(
            f"{type(rpu.cell).__name__}: the cell that its TOML gives differs from it; give its fields types"
        )
