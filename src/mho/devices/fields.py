"""Fields of laws and effects: numbers, draws of every cell, or lists of one number per replica."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from mho.devices.per_cell import PerCell
from mho.errors import Faults


def as_per_cell(value: Any) -> PerCell:
    """Return a field's value as a `PerCell`."""
    if isinstance(value, PerCell):
        return value
    return PerCell(tuple(float(v) for v in value) if isinstance(value, tuple) else float(value))  # type: ignore[arg-type]


def is_on(value: PerCell) -> bool:
    """Return True if a field has an effect: if it is not 0 in every device."""
    means = value.mean if isinstance(value.mean, tuple) else (value.mean,)
    return value.varies or any(mean != 0 for mean in means)


def check_numbers(part: Any, faults: Faults, names: Collection[str]) -> None:
    """Note what is wrong with fields that hold numbers, `mho.per_cell(...)`, or lists of one number per replica."""
    for name in names:
        value = getattr(part, name)
        if isinstance(value, PerCell):
            for fault in value.faults:
                faults.add(f"{name}: {fault}")
        elif isinstance(value, bool) or not isinstance(value, (int, float, list, tuple)):
            faults.add(
                f"{name} is {value!r}; give a number or mho.per_cell(mean, spread=...), or a list of one number per "
                "replica"
            )
