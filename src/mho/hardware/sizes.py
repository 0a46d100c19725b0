"""The arrays that hardware has: their sizes, and how long one takes to answer."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from mho.config import fields_from_table
from mho.errors import Faults, InvalidValue


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ArraySize:
    """A kind of array.

    Attributes:
        rows: its rows, at least 1; a cell of n devices takes n of them.
        columns: its columns, at least 1.
        t_meas: time [ns] of one cycle of one vector, whatever part of the array is used. Forward, backward and update
            are each taken to need this long.

    Raises:
        InvalidValue: naming every field that is out of range.
    """

    rows: int
    columns: int
    t_meas: float

    def __post_init__(self) -> None:
        faults = Faults("ArraySize")
        faults.number("rows", self.rows, low=1, integer=True)
        faults.number("columns", self.columns, low=1, integer=True)
        faults.number("t_meas", self.t_meas, above=0.0, high=1e12)
        faults.raise_any()

    @property
    def name(self) -> str:
        """Rows×columns, or 512² for 512×512."""
        return f"{self.rows}²" if self.rows == self.columns else f"{self.rows}×{self.columns}"


GOKMEN_2017 = (
    ArraySize(rows=4096, columns=4096, t_meas=80.0),
    ArraySize(rows=512, columns=512, t_meas=10.0),
)
"""The arrays of the discussion of Gokmen 2017 (recalled): small ones answer sooner, and suit layers of many vectors."""


def parse_size(text: str) -> ArraySize:
    """`ROWSxCOLUMNS:NANOSECONDS`, for example 512x512:10.

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

    Raises:
        InvalidValue: for a file that cannot be read, or naming every fault in it.
    """
    cure = "write for each kind of array: [[array]], rows = 512, columns = 512, t_meas = 10.0 (in ns)"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidValue(f"{path} cannot be read: {error.strerror}") from None
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
