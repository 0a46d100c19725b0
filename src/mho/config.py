"""RPU: the complete description of an array, in Python and in TOML."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, final

from mho.banks import BankSpec
from mho.cells import CELLS, Cell, Single
from mho.devices import LAWS, ConstantStep, Device
from mho.devices.files import NONE as NONE
from mho.devices.files import device_from_fields, device_to_table
from mho.devices.measured_cells import MeasuredCells
from mho.docstrings import documented
from mho.errors import CAN_DIFFER, Faults, InvalidValue, InWords, LawError, nearest
from mho.imports import find_class
from mho.per_replica import check_lengths, lengths, map_lists, of_replica
from mho.periphery import Exact, Pulses, Read, Scale
from mho.tile import Tile
from mho.toml_files import in_toml
from mho.toml_files import parse_toml as parse_toml
from mho.toml_files import write_toml as write_toml

T = TypeVar("T")
UPDATES: dict[str, type[Pulses] | type[Exact]] = {"Pulses": Pulses, "Exact": Exact}
NO_SCALE: dict[str, Any] = {"value": NONE, "per": "layer", "fill": NONE, "learned": False}
"""The section [scale] of an RPU whose arrays hold the weights themselves."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class RPU(metaclass=InWords):
    """A resistive processing unit: device, cell, forward and backward read, update, and the size of its arrays.

    The defaults are the RPU-baseline of Gokmen 2017, Table 1, without management, which `mho train` has (its preset is
    `mho.presets.gokmen_2017()`). Numbers of the device, `noise`, `bound` and `input_bound` of the reads, `x_gain` and
    `d_gain` of the update, and `scale` may be lists of one value a replica, all of one length.

    Attributes:
        tile: (rows, columns) of the largest array that is built, in physical lines; a layer that is larger is
            spread over several. None: every layer fits.
        scale: digital factor s between the weights W = s·A of a layer and those of its array, A: a number, "max" or
            "std" to have it chosen when a layer is converted, or a `mho.Scale` with further options. None: W = A.

    Raises:
        InvalidValue: for parts of the wrong kind, or that cannot work together.
    """

    device: Device = dataclasses.field(default_factory=lambda: ConstantStep())
    cell: Cell = dataclasses.field(default_factory=Single)
    forward: Read = dataclasses.field(default_factory=Read)
    backward: Read = dataclasses.field(default_factory=Read)
    update: Pulses | Exact = dataclasses.field(default_factory=Pulses)
    tile: Tile | tuple[int, int] | None = None
    scale: Scale | float | str | None = None

    def __post_init__(self) -> None:
        faults = Faults("RPU")
        object.__setattr__(self, "tile", _tile(self.tile, faults))
        object.__setattr__(self, "scale", _scale(self.scale, faults))
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
        refused = self.cell.refuses(self.device, self.forward, self.backward, self.update)
        if refused:
            faults.add(refused)
        faults.raise_any()
        faults.found += self.cell.faults(self.banks)
        faults.raise_any()
        if self.cell.events() and not isinstance(self.update, Pulses):
            faults.add(f"{type(self.cell).__name__} cells halt updates for events, which Exact cannot; use Pulses")
        rows, _ = self.tile_size
        if rows is not None and rows < self.lines:
            faults.add(f"a cell of {self.lines} devices does not fit a tile of {rows} rows; give more rows")
        check_lengths(lengths(self), faults)
        faults.raise_any()

    @property
    def banks(self) -> tuple[BankSpec, ...]:
        """The banks of an array: first the bank that updates pulse."""
        return self.cell.banks(self.device, self.update)

    @property
    def devices(self) -> int:
        """Cross-points that make one weight, those that are programmed only included."""
        return sum(bank.devices for bank in self.banks)

    @property
    def pulsed(self) -> int:
        """Cross-points of one weight that pulses move."""
        return sum(bank.lines for bank in self.banks)

    @property
    def lines(self) -> int:
        """Lines that a weight takes of the largest of its banks: each bank is an array of its own."""
        return max(bank.devices for bank in self.banks)

    @property
    def tile_size(self) -> tuple[int | None, int | None]:
        """Rows and columns of the largest array; None where it has no limit."""
        return (self.tile.rows, self.tile.columns) if isinstance(self.tile, Tile) else (None, None)

    @property
    def scaling(self) -> Scale | None:
        """The factor between weights and arrays with all its options; None where there is none."""
        return self.scale if isinstance(self.scale, Scale) or self.scale is None else Scale(self.scale)

    @property
    def replicas(self) -> int | None:
        """R, the length of the lists; None where every replica has the same values."""
        return next(iter(lengths(self).values()), None)

    def of_replica(self, replica: int) -> RPU:
        """What one replica gets: numbers in place of lists.

        Raises:
            InvalidValue: if the lists have no such replica.
        """
        replicas = self.replicas
        if replicas is not None and not 0 <= replica < replicas:
            raise InvalidValue(f"there is no replica {replica}: the lists hold {replicas}; give 0 to {replicas - 1}")
        return of_replica(self, replica)

    def repeated(self, times: int) -> RPU:
        """Return the RPU of `times` arrays per replica, side by side: every value of a list so many times over."""
        return map_lists(self, lambda values: tuple(value for value in values for _ in range(times)))

    def replace(self, **parts: Any) -> RPU:
        """A copy with some parts exchanged, for example `rpu.replace(cell=mho.cells.Replicated(13))`."""
        return dataclasses.replace(self, **parts)

    def words(self) -> list[str]:
        """Return law, cell and what else tells one array from another, briefly: `["law=ConstantStep", "cell=Single"]`.

        The cell with the fields that are not its defaults; the effects that are on, by name; the scale, if any.
        """
        changed = [
            f"{field.name}={getattr(self.cell, field.name)!r}"
            for field in dataclasses.fields(self.cell)  # type: ignore[arg-type]
            if getattr(self.cell, field.name) != _default(field)
        ]
        cell = type(self.cell).__name__ + (f"({', '.join(changed)})" if changed else "")
        effects = [type(effect).__name__ for effect in self.device.active_effects()]
        words = [f"law={type(self.device).__name__}", f"cell={cell}"]
        scale = [self.scaling.summary().replace(" ", "=", 1)] if self.scaling is not None else []
        return words + ([f"effects={'+'.join(effects)}"] if effects else []) + scale

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return plain tables, one for each part, every field present; parts within parts are tables within tables."""
        return {
            "device": table_of(self.device),
            "cell": table_of(self.cell),
            "forward": _plain(self.forward),
            "backward": _plain(self.backward),
            "update": table_of(self.update),
            "tile": _plain(self.tile or Tile()),
            "scale": NO_SCALE if self.scaling is None else _plain(self.scaling),
        }

    def to_toml(self) -> str:
        """TOML that `from_toml` reads back to an equal RPU.

        Raises:
            LawError: if the device's class is defined in `__main__`, where no file can refer to it.
            InvalidValue: for a device with values of single cells, `mho.per_cell(values=...)`.
        """
        return write_toml(self.to_dict())

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
            elif not isinstance(table, Mapping) and section != "scale":
                faults.append(f"{section} is {table!r}; write a section [{section}]")
            else:
                try:
                    given = {"value": table} if section == "scale" and not isinstance(table, Mapping) else dict(table)
                    parts[section] = _part(section, given)
                except InvalidValue as error:
                    faults += [f"{section}.{fault}" for fault in error.faults]
                except LawError as error:
                    faults.append(f"{section}: {error}")
        if faults:
            raise InvalidValue("the RPU's description has faults:\n  " + "\n  ".join(faults), faults)
        return cls(**parts)

    @classmethod
    def from_toml(cls, text: str) -> RPU:
        """Read `to_toml`'s text, or part of it, over the defaults of this class, without management.

        Raises:
            InvalidValue: for text that is not TOML (with its line), or naming every fault at once.
        """
        return cls.from_dict(parse_toml(text))

    def __str__(self) -> str:
        lines = [f"{name}: {getattr(self, name)!r}" for name in (f.name for f in dataclasses.fields(self))]
        return "RPU\n  " + "\n  ".join(lines)


def replicas_fault(rpu: RPU, replicas: int) -> str | None:
    """What is wrong if an RPU's lists do not fit this number of replicas."""
    found = lengths(rpu)
    if rpu.replicas in (None, replicas):
        return None
    names = ", ".join(list(found)[:3]) + (", ..." if len(found) > 3 else "")
    return (
        f"{names} {'has' if len(found) == 1 else 'have'} values for {rpu.replicas} replicas, and replicas is "
        f"{replicas}; give replicas = {rpu.replicas}, or lists of {replicas}"
    )


def fields_from_table(kind: type[T], table: Mapping[str, Any]) -> T:
    """Build a frozen dataclass from a table.

    Raises:
        InvalidValue: with every unknown field (and the nearest known) and every bad value.
    """
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    faults = [f"{name}: no such field{nearest(name, known)}" for name in table if name not in known]
    values: dict[str, Any] = {}
    hints = typing.get_type_hints(kind) if any(isinstance(value, Mapping) for value in table.values()) else {}
    for name, value in table.items():
        if name in known:
            try:
                values[name] = _field(hints.get(name), value)
            except InvalidValue as error:
                faults += [f"{name}.{fault}" for fault in error.faults]
    missing = [field.name for field in dataclasses.fields(kind) if _is_required(field) and field.name not in table]  # type: ignore[arg-type]
    words = documented(kind) if missing else {}
    faults += [
        f"{name} is missing: {words.get(name, 'it has no default').rstrip('.')}; give its value" for name in missing
    ]
    made: T | None = None
    if not missing:
        try:
            made = kind(**values)
        except InvalidValue as error:
            faults += error.faults
    if faults or made is None:
        faults = [in_toml(fault) for fault in faults]
        raise InvalidValue(f"{kind.__name__}: " + "; ".join(faults), faults)
    return made


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _field(hint: Any, value: Any) -> Any:
    """Return the value of a field from what a file has for it: a table is a part of the kinds that the field takes."""
    if not isinstance(value, Mapping):
        return None if value == NONE else value
    kinds = [kind for kind in (hint, *typing.get_args(hint)) if isinstance(kind, type)]
    for kind in kinds:
        if issubclass(kind, Device):
            return device_from_table(value)
        if issubclass(kind, (Pulses, Exact)):
            return _by_kind(dict(value), UPDATES, "Pulses")
        if dataclasses.is_dataclass(kind):
            return fields_from_table(kind, value)
    return value


def _part(section: str, table: dict[str, Any]) -> Any:
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
            "the cell, or delete the line kind_hash to accept the new one"
        )
    return fields_from_table(found, table)


def device_table(tables: Mapping[str, Any]) -> dict[str, Any]:
    """The table of a device file: its [device], or all of it if it has none."""
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
            "restore the law, or delete the line law_hash to accept the new one"
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
        raise InvalidValue(f"{name} is {value!r}: it cannot differ between replicas ({CAN_DIFFER}); give one")


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
        table[field.name] = table_of(value) if dataclasses.is_dataclass(value) else _value(value)
    return table


def _plain(part: Any) -> dict[str, Any]:
    return {name: _value(value) for name, value in dataclasses.asdict(part).items()}


def _value(value: Any) -> Any:
    """A value as TOML and JSON have it."""
    if isinstance(value, tuple):
        return list(value)
    return NONE if value is None else value


def _tile(value: Any, faults: Faults) -> Tile | None:
    """A Tile from what a user gave: a pair, a Tile, or None; without any limit it is None."""
    if isinstance(value, (tuple, list)) and len(value) == 2:
        try:
            value = Tile(rows=value[0], columns=value[1])
        except InvalidValue as error:
            for fault in error.faults:
                faults.add(f"tile: {fault}")
            return None
    if value is not None and not isinstance(value, Tile):
        faults.add(f"tile is {value!r}; give (rows, columns), for example (64, 256), or None")
        return None
    return None if value == Tile() else value


def _scale(value: Any, faults: Faults) -> Scale | float | str | None:
    """What a user gave as a scale, checked; a `Scale` of a value alone is that value."""
    if value is None:
        return None
    try:
        whole = value if isinstance(value, Scale) else Scale(value)
    except InvalidValue as error:
        for fault in error.faults:
            faults.add(fault.replace("value is", "scale is", 1))
        return None
    return whole.value if whole == Scale(whole.value) else whole
