"""Checks of settings that several cells have."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from mho.devices import Device
from mho.errors import Faults, shown
from mho.periphery import Read


def check_devices(cell: Any, faults: Faults, *names: str) -> None:
    """Note a fault for each of these fields of a cell that is neither a device nor None."""
    for name in names:
        device = getattr(cell, name)
        if device is not None and not isinstance(device, Device):
            faults.add(f"{name} is {shown(device)}; give a device, for example mho.devices.SoftBounds(), or None")


def check_read(cell: Any, faults: Faults, name: str) -> None:
    """Note a fault unless this field of a cell is a read of single columns."""
    read = getattr(cell, name)
    if not isinstance(read, Read):
        faults.add(f"{name} is {shown(read)}; give for example mho.Read(noise=0.01, bound=None)")
    elif read.matmul == "blas":
        faults.add(
            f"{name}.matmul is 'blas' and would have no effect: a read of single columns has nothing to add up; leave "
            "it at 'ordered' (the reads forward and backward may have 'blas')"
        )


def check_idle(cell: Any, faults: Faults, names: Iterable[str]) -> None:
    """Note a fault for each of these fields of a cell without a buffer that is not its default."""
    default = {field.name: field.default for field in dataclasses.fields(cell)}
    faults.found += [
        f"{name} has no effect without the buffer; give buffer=True, or leave it at {default[name]!r}"
        for name in names
        if getattr(cell, name) != default[name]
    ]
