"""The arrays that hardware has: their sizes, and how long an array takes to answer."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from mho.errors import Faults, InvalidValue
from mho.tables import fields_from_table
from mho.toml_files import read_text


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ArraySize:
    """A kind of array.

    Attributes:
        rows: its rows, at least 1; a cell of n devices takes n of them.
        columns: its columns, at least 1.
        t_meas: time [ns] of one cycle of one vector, whatever part of the array is used. Forward and backward are taken
            to need this long, and so are a column's reading, and without `t_pulse` an update and a column's writing.
        t_pulse: time [ns] of one slot of pulses: an update then takes as many as its trains have. None: not known.
        operations: digital additions and multiplications that the circuits of one array do per ns. None: digital work
            takes no time.
        durations: whether inputs are coded as durations of pulses, so that t_meas holds for inputs of `dac_bits` bits
            (constants.toml), and a vector of fewer bits takes less. False: as heights; t_meas then holds for all bits.
        lines_per_adc: output lines that share a converter, which converts one after another, at least 1.

    Raises:
        InvalidValue: naming every field that is out of range.
    """

    rows: int
    columns: int
    t_meas: float
    t_pulse: float | None = None
    operations: float | None = None
    durations: bool = True
    lines_per_adc: int = 1

    def __post_init__(self) -> None:
        faults = Faults("ArraySize")
        faults.number("rows", self.rows, low=1, integer=True)
        faults.number("columns", self.columns, low=1, integer=True)
        faults.number("t_meas", self.t_meas, above=0.0, high=1e12)
        faults.number("t_pulse", self.t_pulse, above=0.0, high=1e12, optional=True)
        faults.number("operations", self.operations, above=0.0, high=1e12, optional=True)
        faults.flag("durations", self.durations)
        faults.number("lines_per_adc", self.lines_per_adc, low=1, integer=True)
        faults.raise_any()

    def train(self, slots: int) -> float:
        """Return the time [ns] of a train of so many slots; no slots take no time."""
        return (self.t_meas if slots else 0.0) if self.t_pulse is None else slots * self.t_pulse

    def digital(self, operations: float) -> float:
        """Return the time [ns] of digital additions and multiplications."""
        return 0.0 if self.operations is None else operations / self.operations

    @property
    def name(self) -> str:
        """Return the size as rows×columns, for example "512²" for 512×512."""
        return f"{self.rows}²" if self.rows == self.columns else f"{self.rows}×{self.columns}"


GOKMEN_2017 = (
    ArraySize(rows=4096, columns=4096, t_meas=80.0),
    ArraySize(rows=512, columns=512, t_meas=10.0),
)
"""The arrays of Gokmen 2017's discussion (recalled): small arrays answer sooner, and suit layers of many vectors."""


def parse_size(text: str) -> ArraySize:
    """Return the size of an array from `ROWSxCOLUMNS:NANOSECONDS`, for example 512x512:10.

    The nanoseconds are the time of one cycle of one vector, `t_meas`.

    Raises:
        InvalidValue: for another form, or numbers out of range.
    """
    found = re.fullmatch(r"\s*(\d+)\s*[x×]\s*(\d+)\s*:\s*([\d.]+(?:e[+-]?\d+)?)\s*(?:ns)?\s*", text)
    try:
        if found is not None:
            return ArraySize(rows=int(found[1]), columns=int(found[2]), t_meas=float(found[3]))
    except InvalidValue as error:
        raise InvalidValue(f"--array {text!r}: {error}") from None
    except ValueError:
        pass
    raise InvalidValue(f"--array {text!r}: write ROWSxCOLUMNS:NANOSECONDS, for example --array 512x512:10")


def read_sizes(path: Path) -> tuple[ArraySize, ...]:
    """Read a table of arrays: TOML with one `[[array]]` of `rows`, `columns` and `t_meas` [ns] for each kind.

    `t_pulse`, `operations`, `durations` and `lines_per_adc` may stand beside them; see `ArraySize`.

    Raises:
        InvalidValue: for a file that cannot be read, or naming every fault in it.
    """
    cure = "write for each kind of array: [[array]], rows = 512, columns = 512, t_meas = 10.0 (in ns)"
    try:
        tables = tomllib.loads(read_text(path))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidValue(f"{path} is not TOML: {error}") from None
    entries: Any = tables.pop("array", [])
    faults = [f"unknown section {name!r}" for name in tables]
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        faults.append("there is no [[array]]")
        entries = []
    sizes: list[ArraySize] = []
    for number, entry in enumerate(entries, 1):
        try:
            sizes.append(fields_from_table(ArraySize, entry))
        except InvalidValue as error:
            faults += [f"array {number}: {fault}" for fault in error.faults]
    if faults:
        raise InvalidValue(f"{path}: " + "; ".join(faults) + f"; {cure}", faults)
    return tuple(sizes)


def check_sizes(sizes: Sequence[ArraySize]) -> None:
    """Raise unless there is an array to choose."""
    if not sizes:
        raise InvalidValue("there is no array to put layers on; give at least one ArraySize")
