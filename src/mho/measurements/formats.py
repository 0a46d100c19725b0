"""Format of a file of pulses, as the user gives it where the file does not say it."""

from __future__ import annotations

import codecs
import dataclasses
import string
from collections.abc import Sequence
from typing import final

from mho.errors import Faults, nearest

ROLES = (
    "number", "sent", "sent_up", "sent_down", "reading", "up", "down", "before", "direction", "phase", "voltage",
    "read_voltage", "device", "skip",
)  # fmt: skip
"""What a column can be: the number of pulses so far, pulses sent since the reading before (up pulses and down pulses in
columns of their own), readings in the order of time, readings after each up pulse, after each down pulse, readings
before the pulses of their rows, the direction of the pulse before a reading (or that the row is a read), whether the
row is a pulse or a read, the voltage of the pulse, that of the read, the device's name, nothing of ours."""
READINGS = ("reading", "up", "down")
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "blank": " ", "none": ""}
"""Names of the delimiters; "none" is a file of one column."""
NO_DELIMITERS = frozenset(string.ascii_letters + string.digits + "+-.\"'\n\r")
"""Parts of cells and lines."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
    """Layout of a file of pulses; what is left at None is found out.

    Attributes:
        columns: what each column is, in order, one of `ROLES`; a list, or one text with commas: "number,reading".
        direction: "up" or "down", of all pulses; with `turns` of the first ramp.
        turns: turning points: the last reading of each ramp but the last, counted from 1 in each device; empty: one
            ramp.
        every: pulses between one reading and the next, where no column counts them.
        delimiter: comma, semicolon, tab, blank or none, or the character itself.
        decimal: "." or ",".
        header: lines above the table.
        encoding: encoding of the text, for example "utf-16".
        unit: unit of the readings.
        devices: their names, in the order of the file.
        reverse: columns that are read from the last row to the first, by name or by number from 1 on, such as the
            mirrored depression branch of NeuroSim's fitting tool.
        transpose: rows and columns change places, for files with one row per device.
        read_voltage: volts of the read; currents I become conductances I/V.
    """

    columns: str | Sequence[str] | None = None
    direction: str | None = None
    turns: Sequence[int] | None = None
    every: int | None = None
    delimiter: str | None = None
    decimal: str | None = None
    header: int | None = None
    encoding: str | None = None
    unit: str | None = None
    devices: Sequence[str] | None = None
    reverse: str | Sequence[str] | None = None
    transpose: bool = False
    read_voltage: float | None = None

    def __post_init__(self) -> None:
        faults = Faults("format")
        self._check_columns(faults)
        self._check_choice("direction", self.direction, ("up", "down"), faults)
        self._check_choice("decimal", self.decimal, (".", ","), faults)
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in NO_DELIMITERS):
            self._check_choice("delimiter", self.delimiter, tuple(DELIMITERS), faults)
        faults.number("every", self.every, low=1, high=1_000_000, integer=True, optional=True)
        faults.number("header", self.header, low=0, integer=True, optional=True)
        if self.turns is not None:
            whole = all(isinstance(turn, int) and not isinstance(turn, bool) and turn > 0 for turn in self.turns)
            if not whole or any(b <= a for a, b in zip(self.turns, self.turns[1:], strict=False)):
                faults.add(f"turns are {list(self.turns)!r}; give numbers of readings, from 1 on, ascending")
        if self.encoding is not None and not _known_encoding(self.encoding):
            faults.add(f"encoding is {self.encoding!r}, which Python does not know; give for example utf-8 or latin-1")
        faults.flag("transpose", self.transpose)
        if faults.number("read_voltage", self.read_voltage, optional=True) and self.read_voltage == 0:
            faults.add("read_voltage is 0; give the volts at which currents were read")
        if isinstance(self.devices, str):
            faults.add(f"devices is the text {self.devices!r}; give a list of names")
        elif self.devices is not None and len(set(self.devices)) < len(self.devices):
            faults.add(f"devices are {list(self.devices)!r}; give each its own name")
        faults.raise_any()

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the fields that say something."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return tuple(name for name, value in values.items() if value is not None and value is not False)

    @property
    def roles(self) -> tuple[str, ...] | None:
        """Return `columns` as a tuple of the roles of columns; None where they are found out."""
        if self.columns is None:
            return None
        parts = self.columns.split(",") if isinstance(self.columns, str) else self.columns
        return tuple(part.strip() for part in parts)

    @property
    def reversed(self) -> tuple[str, ...]:
        """Return `reverse` as a tuple of names."""
        given = self.reverse or ()
        return tuple(part.strip() for part in (given.split(",") if isinstance(given, str) else given))

    @property
    def separator(self) -> str | None:
        """Return `delimiter` as a character; "" for a file of one column, None where it is found out."""
        return None if self.delimiter is None else DELIMITERS.get(self.delimiter, self.delimiter)

    @property
    def sign(self) -> int | None:
        """Return `direction` as +1 or -1; None where it is found out."""
        return None if self.direction is None else {"up": 1, "down": -1}[self.direction]

    def _check_columns(self, faults: Faults) -> None:
        roles = self.roles
        if roles is None:
            return
        unknown = [role for role in roles if role not in ROLES]
        for role in unknown:
            close = nearest(role, ROLES)
            faults.add(f"columns: {role!r} is no kind of column{close if 'did you mean' in close else ''}")
        if unknown:
            faults.found[-1] += (
                f" (give the kind of each column, not its name, for example number,reading; kinds: {', '.join(ROLES)})"
            )
            return
        for role in (
            "number",
            "sent",
            "sent_up",
            "sent_down",
            "before",
            "direction",
            "phase",
            "voltage",
            "read_voltage",
        ):
            if roles.count(role) > 1:
                faults.add(f"columns: {role} stands {roles.count(role)} times; give it once, and skip the others")
        if {"direction", "voltage"} <= set(roles):
            faults.add("columns: direction and voltage both say which way a pulse goes; skip one of them")
        if len({"number", "sent", "sent_up"} & set(roles)) > 1:
            faults.add("columns: number, sent and sent_up all count pulses; skip all but one")
        if len({"sent_up", "sent_down"} & set(roles)) == 1:
            faults.add("columns: sent_up and sent_down belong together; name both")
        if {"direction", "phase"} <= set(roles):
            faults.add("columns: direction and phase both distinguish pulses from reads; skip one of them")
        if not set(roles) & set(READINGS):
            faults.add(f"columns are {','.join(roles)}, without readings; name one of {', '.join(READINGS)}")

    def _check_choice(self, name: str, value: str | None, allowed: Sequence[str], faults: Faults) -> None:
        if value is not None and value not in allowed:
            faults.add(f"{name} is {value!r}; give {', '.join(map(repr, allowed))}, or leave it out")


def _known_encoding(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True
