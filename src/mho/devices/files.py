"""Devices as plain tables, as TOML and JSON have them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from mho.devices.base import Device
from mho.devices.conductance import Conductance
from mho.devices.effects import EFFECTS, Effect
from mho.devices.options import PARTS
from mho.devices.per_cell import PerCell
from mho.devices.table import Table, table_from
from mho.errors import InvalidValue, LawError, nearest
from mho.fields import fields_from_table, under
from mho.imports import find_class
from mho.toml_files import NONE, in_toml

KEYS = tuple(field.name for field in dataclasses.fields(PerCell))
T = TypeVar("T", bound=Device | Effect)


def device_to_table(device: Device) -> dict[str, Any]:
    """Return a device as a table: its law, the hash of a user's, every field, its effects and conductance as tables.

    Raises:
        LawError: for a class that is defined in `__main__`, where no file can refer to it.
    """
    law = device.law_name()
    table: dict[str, Any] = {"law": law} | ({"law_hash": device.law_hash()} if ":" in law else {})
    of_effects = {name for effect in device.effects for name in effect.parameters()}
    for name, parameter in device.parameters().items():
        if name not in of_effects:
            table[name] = _number(getattr(device, name), parameter)
    table |= {name: values.plain() for name, values in device.tables().items()}
    if device.effects:
        table["effects"] = [effect_to_table(effect) for effect in device.effects]
    if device.conductance is not None:
        table["conductance"] = dataclasses.asdict(device.conductance)
    return table


def effect_to_table(effect: Effect) -> dict[str, Any]:
    """Return an effect as a table: its kind, the hash of a user's, and every field."""
    kind = effect.effect_name()
    table: dict[str, Any] = {"kind": kind} | ({"effect_hash": effect.effect_hash()} if ":" in kind else {})
    parameters, fields = effect.parameters(), effect.hook_fields()
    return table | {own: _number(getattr(effect, own), parameters[whole]) for own, whole in fields.items()}


def device_from_fields(law: type[Device], values: Mapping[str, Any]) -> Device:
    """Build a law from plain values: numbers, lists, or tables with `mean`, `spread` or `std`, `distribution`.

    Raises:
        InvalidValue: naming every fault.
    """
    faults: list[str] = []
    effects = _effects(values.get("effects", ()), faults)
    conductance = _conductance(values.get("conductance"), faults)
    numbers = {name: value for name, value in values.items() if name not in PARTS}
    more: dict[str, Any] = {"effects": effects} if effects else {}
    return _build(law, numbers, faults, more | ({"conductance": conductance} if conductance else {}))


def effect_from_table(table: Mapping[str, Any]) -> Effect:
    """Build an effect from a table of its kind, the hash of a user's, and fields.

    Raises:
        InvalidValue: naming every fault, or for an effect that has changed.
    """
    values = dict(table)
    name, expected = values.pop("kind", None), values.pop("effect_hash", None)
    if not isinstance(name, str):
        raise InvalidValue(f"kind is {name!r}; give an effect, for example kind = 'my_devices:Sag'")
    kind = find_class("kind", name, EFFECTS, Effect, "mho.Effect")
    if expected is not None and expected != kind.effect_hash():
        raise InvalidValue(
            f"effect_hash: the source of {name} has changed ({kind.effect_hash()}, the file says {expected}); "
            "restore the effect, or delete the line effect_hash to accept the new source"
        )
    return _build(kind, values, [], {})


def _effects(tables: Any, faults: list[str]) -> tuple[Effect, ...]:
    """Return effects made from tables; faults are noted."""
    if not isinstance(tables, (list, tuple)) or not all(isinstance(table, Mapping) for table in tables):
        faults.append(f"effects is {tables!r}; write sections [[device.effects]] with a kind")
        return ()
    found = []
    for place, table in enumerate(tables):
        try:
            found.append(effect_from_table(table))
        except InvalidValue as error:
            faults += [f"effects[{place}].{fault}" for fault in error.faults]
        except LawError as error:
            faults.append(f"effects[{place}]: {error}")
    return tuple(found)


def _conductance(table: Any, faults: list[str]) -> Conductance | None:
    """Return the map to conductance of a table, or of the word for none; faults are noted."""
    if table is None or table == NONE:
        return None
    if not isinstance(table, Mapping):
        faults.append(f"conductance is {table!r}; write a section [device.conductance] with zero, unit and name")
        return None
    try:
        return fields_from_table(Conductance, table)
    except InvalidValue as error:
        faults += [under("conductance", fault) for fault in error.faults]
        return None


def _build(kind: type[T], values: Mapping[str, Any], faults: list[str], more: Mapping[str, Any]) -> T:
    """Make a law or an effect of plain values, and raise all faults at once."""
    known = {field.name: field for field in dataclasses.fields(kind)}
    arguments: dict[str, Any] = dict(more)
    for name, value in values.items():
        if name not in known:
            faults.append(f"{name}: no such field{nearest(name, known)}")
        elif isinstance(known[name].default, Table):
            try:
                arguments[name] = table_from(value)
            except InvalidValue as error:
                faults.append(f"{name}: {error}")
        elif isinstance(value, Mapping):
            unknown = [key for key in value if key not in KEYS]
            faults += [f"{name}: unknown key {key!r}{nearest(key, KEYS)}" for key in unknown]
            if "mean" not in value:
                faults.append(f"{name}: a table needs a mean, for example {{ mean = 0.6, spread = 0.3 }}")
            elif not unknown:
                arguments[name] = PerCell(**value)
                faults += [f"{name}: {fault}" for fault in arguments[name].faults]
                if arguments[name].faults:  # the default stands in, so that faults of other fields are found too
                    del arguments[name]
        else:
            arguments[name] = value
    try:
        made = kind(**arguments)
    except InvalidValue as error:
        faults += error.faults
    except TypeError as error:
        faults.append(str(error).replace(f"{kind.__name__}.__init__() ", ""))
    if faults:
        faults = [in_toml(fault) for fault in faults]
        raise InvalidValue(f"{kind.__name__}: " + "; ".join(faults), faults)
    return made


def _number(given: Any, parameter: PerCell) -> Any:
    """Return a field as a table where it was given as a `PerCell`, else as a number or a list."""
    if not isinstance(given, PerCell):
        return list(parameter.mean) if isinstance(parameter.mean, tuple) else parameter.mean
    values = {key: getattr(parameter, key) for key in KEYS}
    table = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
    if parameter.distribution == "normal":
        del table["distribution"]  # the files of runs that have none must stay as they are
    return table
