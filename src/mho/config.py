"""RPU: the complete description of an array, in Python and in TOML."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, final

from mho.banks import BankSpec
from mho.cells import Cell, Single
from mho.devices import ConstantStep, Device
from mho.errors import Faults, InvalidValue, InWords, LawError, nearest
from mho.fields import under
from mho.per_replica import check_lengths, lengths, map_lists, of_replica
from mho.periphery import Exact, Pulses, Read, Scale, Tile
from mho.tables import NO_SCALE, part_from_table, plain_value, table_of
from mho.toml_files import parse_toml, write_toml


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class RPU(metaclass=InWords):
    """A resistive processing unit: device, cell, forward and backward read, update, and the size of its arrays.

    The defaults are the RPU-baseline of Gokmen 2017, Table 1, without management, which `mho train` has (its preset is
    `mho.presets.gokmen_2017()`). Numbers of the device, `noise`, `bound` and `input_bound` of the reads, `x_gain` and
    `d_gain` of the update, and `scale` may be lists of one value per replica, all of one length.

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
        """Return the banks of an array: first the bank that updates pulse."""
        return self.cell.banks(self.device, self.update)

    @property
    def devices(self) -> int:
        """Return the number of cross-points that make one weight, those that are programmed only included."""
        return sum(bank.devices for bank in self.banks)

    @property
    def pulsed(self) -> int:
        """Return the number of cross-points of one weight that pulses move."""
        return sum(bank.lines for bank in self.banks)

    @property
    def lines(self) -> int:
        """Return the number of lines that a weight takes of the largest of its banks, each an array of its own."""
        return max(bank.devices for bank in self.banks)

    @property
    def tile_size(self) -> tuple[int | None, int | None]:
        """Return the rows and columns of the largest array; None where it has no limit."""
        return (self.tile.rows, self.tile.columns) if isinstance(self.tile, Tile) else (None, None)

    @property
    def scaling(self) -> Scale | None:
        """Return the factor between weights and arrays with all its options; None where there is none."""
        return self.scale if isinstance(self.scale, Scale) or self.scale is None else Scale(self.scale)

    @property
    def replicas(self) -> int | None:
        """Return R, the length of the lists; None where every replica has the same values."""
        return next(iter(lengths(self).values()), None)

    def of_replica(self, replica: int) -> RPU:
        """Return the description of one replica, with numbers in place of lists.

        Raises:
            InvalidValue: if the lists have no such replica.
        """
        replicas = self.replicas
        if replicas is not None and not 0 <= replica < replicas:
            raise InvalidValue(f"there is no replica {replica}: the lists hold {replicas}; give 0 to {replicas - 1}")
        return of_replica(self, replica)

    def repeated(self, times: int) -> RPU:
        """Return the RPU of `times` arrays per replica: every value of a list stands `times` times in a row.

        Args:
            times: at least 1.
        """
        return map_lists(self, lambda values: tuple(value for value in values for _ in range(times)))

    def replace(self, **parts: Any) -> RPU:
        """Return a copy with some parts exchanged, for example `rpu.replace(cell=mho.cells.Replicated(13))`.

        Args:
            parts: fields of the RPU by name.

        Raises:
            InvalidValue: for parts that do not go together, or a value out of range.
        """
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
        """Return plain tables, one for each part, every field present; parts within parts are tables within tables.

        Only `matmul` of a read is left out where it is "ordered".
        """
        return {
            "device": table_of(self.device),
            "cell": table_of(self.cell),
            "forward": table_of(self.forward),
            "backward": table_of(self.backward),
            "update": table_of(self.update),
            "tile": _plain(self.tile or Tile()),
            "scale": NO_SCALE if self.scaling is None else _plain(self.scaling),
        }

    def to_toml(self) -> str:
        """Return the RPU as TOML that `from_toml` reads back to an equal RPU.

        Raises:
            LawError: if the device's class is defined in `__main__`, where no file can refer to it.
            InvalidValue: for a device with values of single cells, `mho.per_cell(values=...)`.
        """
        return write_toml(self.to_dict())

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> RPU:
        """Return the RPU of plain tables, as `to_dict` returns them; missing fields keep their defaults.

        Args:
            tables: by section: "device", "cell", "forward", "backward", "update", ...

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
                    parts[section] = part_from_table(section, given)
                except InvalidValue as error:
                    faults += [under(section, fault) for fault in error.faults]
                except LawError as error:
                    faults.append(f"{section}: {error}")
        if faults:
            raise InvalidValue("the RPU's description has faults:\n  " + "\n  ".join(faults), faults)
        return cls(**parts)

    @classmethod
    def from_toml(cls, text: str) -> RPU:
        """Return the RPU of a text that `to_toml` wrote, or of part of it over the defaults of this class.

        Args:
            text: TOML.

        Raises:
            InvalidValue: for text that is not TOML (with its line), or naming every fault at once.
        """
        return cls.from_dict(parse_toml(text))

    def __str__(self) -> str:
        lines = [f"{name}: {getattr(self, name)!r}" for name in (f.name for f in dataclasses.fields(self))]
        return "RPU\n  " + "\n  ".join(lines)


def replicas_fault(rpu: RPU, replicas: int) -> str | None:
    """Return what is wrong if an RPU's lists do not fit this number of replicas."""
    found = lengths(rpu)
    if rpu.replicas in (None, replicas):
        return None
    names = ", ".join(list(found)[:3]) + (", ..." if len(found) > 3 else "")
    return (
        f"{names} {'has' if len(found) == 1 else 'have'} values for {rpu.replicas} replicas, and replicas is "
        f"{replicas}; give replicas = {rpu.replicas}, or lists of {replicas}"
    )


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _plain(part: Any) -> dict[str, Any]:
    return {name: plain_value(value) for name, value in dataclasses.asdict(part).items()}


def _tile(value: Any, faults: Faults) -> Tile | None:
    """Return a Tile from a pair, a Tile or None; None if it has no limit."""
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
    """Return a given scale, checked; a `Scale` of a value alone is that value."""
    if value is None:
        return None
    try:
        whole = value if isinstance(value, Scale) else Scale(value)
    except InvalidValue as error:
        for fault in error.faults:
            faults.add(fault.replace("value is", "scale is", 1))
        return None
    return whole.value if whole == Scale(whole.value) else whole
