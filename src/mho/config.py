"""RPU: the complete description of an array, in Python and in TOML."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import tomllib
from collections.abc import Mapping
from typing import Any, TypeVar, final

import tomli_w

from mho.cells import CELLS, Cell, Single
from mho.devices import LAWS, ConstantStep, Device, PerCell
from mho.devices.base import device_from_fields
from mho.errors import Faults, InvalidValue, LawError, nearest
from mho.periphery import Exact, Pulses, Read

T = TypeVar("T")
UPDATES: dict[str, type[Pulses] | type[Exact]] = {"Pulses": Pulses, "Exact": Exact}
NONE = "none"
"""TOML has no null: this word stands for None."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class RPU:
    """A resistive processing unit: device, cell, forward and backward read, update.

    The defaults are the RPU-baseline of Gokmen 2017, Table 1, without management.

    Raises:
        InvalidValue: for parts of the wrong kind, or that cannot work together.
    """

    device: Device = dataclasses.field(default_factory=lambda: ConstantStep())
    cell: Cell = dataclasses.field(default_factory=Single)
    forward: Read = dataclasses.field(default_factory=Read)
    backward: Read = dataclasses.field(default_factory=Read)
    update: Pulses | Exact = dataclasses.field(default_factory=Pulses)

    def __post_init__(self) -> None:
        faults = Faults("RPU")
        kinds = {
            "device": (Device, "mho.devices.ConstantStep()"),
            "cell": (Cell, "mho.cells.Single()"),
            "forward": (Read, "mho.Read()"),
            "backward": (Read, "mho.Read()"),
            "update": ((Pulses, Exact), "mho.Pulses()"),
        }
        for name, (kind, example) in kinds.items():
            value = getattr(self, name)
            if not isinstance(value, kind):  # type: ignore[arg-type]
                faults.add(f"{name} is {value!r}; give for example {example}")
        faults.raise_any()
        if self.device.pulse_driven != isinstance(self.update, Pulses):
            faults.add(
                f"a {type(self.device).__name__} device cannot be updated by {type(self.update).__name__}; "
                + ("use Pulses" if self.device.pulse_driven else "use Exact, or a device with steps")
            )
        faults.raise_any()

    def replace(self, **parts: Any) -> RPU:
        """A copy with some parts exchanged, for example `rpu.replace(cell=mho.cells.Replicated(13))`."""
        return dataclasses.replace(self, **parts)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain tables, one a part, every field present."""
        device: dict[str, Any] = {"law": self.device.law_name()}
        if device["law"] not in LAWS:
            device["law_hash"] = self.device.law_hash()
        for name, parameter in self.device.parameters().items():
            table = {"mean": parameter.mean}
            table |= {key: getattr(parameter, key) for key in ("spread", "std") if getattr(parameter, key)}
            device[name] = table if isinstance(getattr(self.device, name), PerCell) else parameter.mean
        return {
            "device": device,
            "cell": {"kind": type(self.cell).__name__} | dataclasses.asdict(self.cell),  # type: ignore[call-overload]
            "forward": _plain(self.forward),
            "backward": _plain(self.backward),
            "update": {"kind": type(self.update).__name__} | _plain(self.update),
        }

    def to_toml(self) -> str:
        """TOML that `from_toml` reads back to an equal RPU.

        Raises:
            LawError: if the device's class is defined in `__main__`, where no file can refer to it.
        """
        return tomli_w.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> RPU:
        """Build from plain tables; missing fields keep their defaults.

        Raises:
            InvalidValue: naming every unknown or impossible field at once.
        """
        faults: list[str] = []
        known = [field.name for field in dataclasses.fields(cls)]
        parts: dict[str, Any] = {}
        for section, table in tables.items():
            if section not in known:
                faults.append(f"unknown section {section!r}{nearest(section, known)}")
            elif not isinstance(table, Mapping):
                faults.append(f"{section} is {table!r}; write a section [{section}]")
            else:
                try:
                    parts[section] = _part(section, dict(table))
                except InvalidValue as error:
                    faults += [f"{section}.{fault}" for fault in error.faults]
                except LawError as error:
                    faults.append(f"{section}: {error}")
        if faults:
            raise InvalidValue("the RPU's description has faults:\n  " + "\n  ".join(faults), faults)
        return cls(**parts)

    @classmethod
    def from_toml(cls, text: str) -> RPU:
        """Read `to_toml`'s text, or part of it.

        Raises:
            InvalidValue: for text that is not TOML (with its line), or naming every fault at once.
        """
        return cls.from_dict(parse_toml(text))

    def __str__(self) -> str:
        lines = [f"{name}: {getattr(self, name)!r}" for name in (f.name for f in dataclasses.fields(self))]
        return "RPU\n  " + "\n  ".join(lines)


def parse_toml(text: str) -> dict[str, Any]:
    """TOML as tables, with an error in our words."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidValue(f"this is not TOML: {error}") from None


def fields_from_table(kind: type[T], table: Mapping[str, Any]) -> T:
    """Build a frozen dataclass from a table.

    Raises:
        InvalidValue: with every unknown field (and the nearest known) and every bad value.
    """
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    faults = [f"{name}: no such field{nearest(name, known)}" for name in table if name not in known]
    values = {name: None if value == NONE else value for name, value in table.items() if name in known}
    try:
        made = kind(**values)
    except InvalidValue as error:
        faults += error.faults
    except TypeError as error:
        faults.append(f"{error}".replace(f"{kind.__name__}.__init__() ", ""))
    if faults:
        raise InvalidValue(f"{kind.__name__}: " + "; ".join(faults), faults)
    return made


def _part(section: str, table: dict[str, Any]) -> Any:
    if section == "device":
        return _device(table)
    if section == "cell":
        return _by_kind(table, CELLS, "Single")
    if section == "update":
        return _by_kind(table, UPDATES, "Pulses")
    return fields_from_table(Read, table)


def _by_kind(table: dict[str, Any], kinds: Mapping[str, type], default: str) -> Any:
    kind = table.pop("kind", default)
    if not isinstance(kind, str) or kind not in kinds:
        raise InvalidValue(f"kind: no {kind!r}{nearest(str(kind), kinds)}")
    return fields_from_table(kinds[kind], table)


def _device(table: dict[str, Any]) -> Device:
    name = table.pop("law", "ConstantStep")
    expected = table.pop("law_hash", None)
    law = LAWS.get(str(name)) or _user_law(str(name))
    if expected is not None and expected != law.law_hash():
        raise InvalidValue(
            f"law_hash: the source of {name} has changed ({law.law_hash()}, the file says {expected}); "
            "restore the law, or delete the line law_hash to accept the new one"
        )
    return device_from_fields(law, table)


def _user_law(name: str) -> type[Device]:
    if ":" not in name:
        raise InvalidValue(f"law: no {name!r}{nearest(name, LAWS)} (your own is law = 'module:Class')")
    module_name, class_name = name.split(":", 1)
    try:
        found = functools.reduce(getattr, class_name.split("."), importlib.import_module(module_name))
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InvalidValue(f"law: {name!r} cannot be imported ({error}); is its folder on PYTHONPATH?") from None
    if not (isinstance(found, type) and issubclass(found, Device)):
        raise InvalidValue(f"law: {name!r} is not a subclass of mho.Device")
    return found


def _plain(part: Any) -> dict[str, Any]:
    return {name: NONE if value is None else value for name, value in dataclasses.asdict(part).items()}
