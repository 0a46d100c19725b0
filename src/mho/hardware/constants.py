"""The constants of time, energy and area, each with its unit and source."""

from __future__ import annotations

import dataclasses
import importlib.resources
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from mho.errors import InvalidValue, nearest
from mho.toml_files import read_text

BITS, MOST_BITS = "bits", 24


@final
@dataclasses.dataclass(frozen=True)
class Constant:
    """A number of the models of time, energy and area.

    Attributes:
        value: in SI units, greater than 0.
        unit: its unit.
        meaning: what it is.
        source: publication, measurement, or "assumed".
    """

    value: float
    unit: str
    meaning: str
    source: str


@final
@dataclasses.dataclass(frozen=True)
class Constants:
    """All of them by name; `constants["adc"]` is the value."""

    table: Mapping[str, Constant]

    def __getitem__(self, name: str) -> float:
        return self.table[name].value


def read_constants(path: Path | None = None) -> Constants:
    """Return the constants of constants.toml beside this file, with those of a user's file in their place.

    Args:
        path: TOML with a section for each constant that differs: `value`, `source`, and if you like `unit` and
            `meaning`.

    Raises:
        InvalidValue: for a file that cannot be read, or naming every fault in it.
    """
    text = importlib.resources.files("mho.hardware").joinpath("constants.toml").read_text(encoding="utf-8")
    table = {name: Constant(**fields) for name, fields in tomllib.loads(text).items()}
    if path is None:
        return Constants(table)
    try:
        given = tomllib.loads(read_text(path))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidValue(f"{path} is not TOML: {error}") from None
    faults: list[str] = []
    for name, fields in given.items():
        if name not in table:
            faults.append(f"there is no constant {name!r}{nearest(name, table)}")
        elif not isinstance(fields, dict):
            faults.append(f"{name} is {fields!r}; write a section [{name}] with value and source")
        else:
            found = _faults(fields, table[name])
            faults += [f"{name}: {fault}" for fault in found]
            if not found:
                table[name] = dataclasses.replace(table[name], **fields)
    if faults:
        raise InvalidValue(f"{path}: " + "; ".join(faults), faults)
    return Constants(table)


def _faults(fields: Mapping[str, Any], default: Constant) -> list[str]:
    known = [field.name for field in dataclasses.fields(Constant)]
    faults = [f"unknown field {name!r}{nearest(name, known)}" for name in fields if name not in known]
    value, source = fields.get("value"), fields.get("source")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        faults.append(f"value is {value!r}; give a number greater than 0, in {default.unit}")
    elif default.unit == BITS and not (value == int(value) and 2 <= value <= MOST_BITS):
        faults.append(f"value is {value!r}; give a whole number of bits from 2 to {MOST_BITS}")
    if not isinstance(source, str) or not source.strip():
        faults.append(f"source is {source!r}; say where the value comes from, or 'assumed'")
    if fields.get("unit", default.unit) != default.unit:
        faults.append(f"unit is {fields['unit']!r}; give the value in {default.unit}")
    if not isinstance(fields.get("meaning", ""), str):
        faults.append(f"meaning is {fields['meaning']!r}; give text")
    return faults
