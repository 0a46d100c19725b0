"""Descriptions in values that JSON has."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mho.cells import Cell
from mho.config import RPU
from mho.devices import Device
from mho.errors import InvalidValue
from mho.tables import table_of


def plain(value: Any) -> Any:
    """Return a value as JSON has it: devices, cells and whole RPUs as tables, other dataclasses with their class.

    Raises:
        InvalidValue: for a value that has no such form.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, RPU):
        return value.to_dict()
    if isinstance(value, (Device, Cell)):
        return table_of(value)
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(entry) for entry in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": f"{type(value).__module__}:{type(value).__qualname__}", **fields}
    raise InvalidValue(
        f"a study cannot be described by {value!r}: give fields that are numbers, texts, lists, tables, devices or "
        "dataclasses of such, or define to_dict"
    )
