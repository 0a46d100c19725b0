"""Cells, devices, circuits, and all that is made of them, as tables of TOML and JSON, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from mho import fields
from mho.cells import CELLS, Cell
from mho.devices import LAWS, Device
from mho.devices.files import device_from_fields, device_to_table
from mho.devices.measured_cells import MeasuredCells
from mho.errors import CAN_DIFFER, InvalidValue, nearest
from mho.imports import find_class
from mho.periphery import Exact, Pulses, Read, Scale, Tile
from mho.toml_files import NONE

T = TypeVar("T")
UPDATES: dict[str, type[Pulses] | type[Exact]] = {"Pulses": Pulses, "Exact": Exact}
NO_SCALE: dict[str, Any] = {"value": NONE, "per": "layer", "fill": NONE, "learned": False}
"""The section [scale] of an RPU whose arrays hold the weights themselves."""

READ_WHERE_ON: dict[str, Any] = {"matmul": "ordered"}
"""Fields of a read that stand in its table only where they are something else, as tables of before they were fields."""


def fields_from_table(kind: type[T], table: Mapping[str, Any]) -> T:
    """Build a frozen dataclass from a table, whose parts may be devices and update cycles.

    Raises:
        InvalidValue: with every unknown field (and the nearest known) and every bad value.
    """
    return fields.fields_from_table(kind, table, part=_own_part)


def _own_part(kind: type, table: Mapping[str, Any]) -> Any:
    """Return a part that names its kind in its table; None for any other."""
    if issubclass(kind, Device):
        return device_from_table(table)
    if issubclass(kind, (Pulses, Exact)):
        return _by_kind(dict(table), UPDATES, "Pulses")
    return None


def part_from_table(section: str, table: dict[str, Any]) -> Any:
    """Return the part of an RPU that a section of its file describes.

    Raises:
        InvalidValue: naming every fault of the section at once.
    """
    if section == "device":
        return device_from_table(table)
    if section == "cell":
        return cell_from_table(table)
    if section == "update":
        return _by_kind(table, UPDATES, "Pulses")
    if section == "tile":
        return fields_from_table(Tile, table)
    if section == "scale":
        return None if table == NO_SCALE or table == {"value": NONE} else fields_from_table(Scale, table)
    return fields_from_table(Read, table)


def _by_kind(table: dict[str, Any], kinds: Mapping[str, type], default: str) -> Any:
    kind = table.pop("kind", default)
    _refuse_list("kind", kind)
    if not isinstance(kind, str) or kind not in kinds:
        raise InvalidValue(f"kind: no {kind!r}{nearest(str(kind), kinds)}")
    return fields_from_table(kinds[kind], table)


def cell_from_table(table: Mapping[str, Any]) -> Cell:
    """Return a cell from a table of its kind (a name, or a user's as `module:Class`), its source's hash, and fields.

    Raises:
        InvalidValue: naming every fault at once, or for a user's cell whose source has changed.
    """
    table = dict(table)
    kind = table.pop("kind", "Single")
    _refuse_list("kind", kind)
    expected = table.pop("kind_hash", None)
    found = find_class("kind", str(kind), CELLS, Cell, "mho.Cell")  # type: ignore[type-abstract]
    if expected is not None and expected != found.source_hash():
        raise InvalidValue(
            f"kind_hash: the source of {kind} has changed ({found.source_hash()}, the file says {expected}); restore "
            "the cell, or delete the line kind_hash to accept the new source"
        )
    return fields_from_table(found, table)


def device_table(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table of a device file: its [device], or all of it if it has none."""
    table = tables.get("device", tables)
    if not isinstance(table, Mapping):
        raise InvalidValue(f"device is {table!r}; write a section [device]")
    return dict(table)


def device_from_table(table: Mapping[str, Any]) -> Device:
    """Return a device from a table of its law, the law's hash, and fields; missing fields keep their defaults.

    Raises:
        InvalidValue: naming every fault at once, or for a law that has changed.
    """
    table = dict(table)
    name = table.pop("law", "ConstantStep")
    _refuse_list("law", name)
    expected = table.pop("law_hash", None)
    law = find_law(str(name))
    if expected is not None and expected != law.law_hash():
        raise InvalidValue(
            f"law_hash: the source of {name} has changed ({law.law_hash()}, the file says {expected}); "
            "restore the law, or delete the line law_hash to accept the new source"
        )
    return device_from_fields(law, table)


def _refuse_cells(device: Device) -> None:
    own = [name for name, parameter in device.parameters().items() if isinstance(parameter, MeasuredCells)]
    if own:
        raise InvalidValue(
            f"{', '.join(own)} of this {type(device).__name__}: a file holds no values of single cells; keep the array "
            "of numbers beside it (numpy.save) and make the device of both in a script: mho.per_cell(values=...), or "
            "cell_parameters of mho.Crossbar"
        )


def _refuse_list(name: str, value: object) -> None:
    if isinstance(value, list):
        raise InvalidValue(f"{name} is {value!r}: it cannot differ between replicas ({CAN_DIFFER}); give one value")


def find_law(name: str) -> type[Device]:
    """Return a law of mho by its name, or a user's as `module:Class`."""
    return find_class("law", name, LAWS, Device, "mho.Device")  # type: ignore[type-abstract]


def table_of(part: Any) -> dict[str, Any]:
    """Return a part of an RPU as a plain table, parts within it as tables within it."""
    if isinstance(part, Device):
        _refuse_cells(part)
        return device_to_table(part)
    table: dict[str, Any] = {}
    if isinstance(part, Cell):
        table["kind"] = part.kind()
        if table["kind"] not in CELLS:
            table["kind_hash"] = part.source_hash()
    elif isinstance(part, (Pulses, Exact)):
        table["kind"] = type(part).__name__
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if isinstance(part, Read) and (field.name, value) in READ_WHERE_ON.items():
            continue
        table[field.name] = table_of(value) if dataclasses.is_dataclass(value) else plain_value(value)
    return table


def plain_value(value: Any) -> Any:
    """Return a value of a field as TOML and JSON have it."""
    if isinstance(value, tuple):
        return list(value)
    return NONE if value is None else value
