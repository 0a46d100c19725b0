"""Config files: the preset under what they say, and all their faults at once, each with its line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from mho.errors import InvalidValue, LawError, in_words
from mho.runs.experiment import SECTIONS, Experiment
from mho.runs.presets import over_preset
from mho.runs.sweep import Sweep
from mho.tables import device_from_table, device_table
from mho.toml_files import Key, key_lines, parse_toml, read_text

TOP = ("preset", "sweep", "device", *SECTIONS)
"""What stands at the top of configs of `mho train` and `mho sweep`."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ConfigFault:
    """Something that is wrong with a config file.

    Attributes:
        line: where it stands, counted from 1; None: in no line, such as a key that is missing.
        words: what was given, what is allowed, and the nearest name.
    """

    line: int | None
    words: str

    def __str__(self) -> str:
        return self.words if self.line is None else f"line {self.line}: {self.words}"


@in_words
def check_config(file: str | Path) -> tuple[ConfigFault, ...]:
    """Return all that is wrong with a config of `mho train` or `mho sweep`, or with a device file, in order of lines.

    Nothing is loaded or trained: whether files of data exist, and whether a network takes their shapes, is seen only
    where the config names data that mho knows.

    Raises:
        InvalidValue: for a file that cannot be read.
    """
    text = read_text(Path(file))
    try:
        tables = parse_toml(text)
    except InvalidValue as error:
        line = re.search(r"line (\d+)", str(error))
        return (ConfigFault(line=int(line[1]) if line else None, words=str(error)),)
    try:
        _read(tables)
    except InvalidValue as error:
        faults = list(dict.fromkeys(error.faults))
    except LawError as error:
        faults = [str(error)]
    else:
        return ()
    lines = key_lines(text)
    found = [ConfigFault(line=line_of(fault, lines), words=fault) for fault in faults]
    return tuple(sorted(found, key=lambda fault: (fault.line is None, fault.line or 0)))


def is_device(tables: Mapping[str, Any]) -> bool:
    """Return whether tables are those of a device file: a section [device] alone, or the keys of such a section."""
    if set(tables) == {"device"} or "law" in tables:
        return True
    return bool(tables) and not any(isinstance(value, Mapping) or name in TOP for name, value in tables.items())


def line_of(fault: str, lines: Mapping[Key, int]) -> int | None:
    """Return the line of the key that a fault names: the longest key that it begins with, or else quotes."""
    begin = re.match(r"[\w.\-*\[\]\"]+", fault)
    parts = re.split(r"\.|\[\d+\]\.?", begin[0].rstrip(".:")) if begin else []
    if fault.startswith("no preset "):
        return lines.get(("preset",))
    best: tuple[int, int] | None = None
    for key, line in lines.items():
        path = [part for name in key for part in name.split(".")]
        swept = path[:1] == ["sweep"] and path[1:2] and path[1] in ("grid", "list", "random")
        own = path[2:] if swept else path[1:] if path[:1] == ["device"] else path  # a device file names no section
        for one in (path, own):
            if one and one == parts[: len(one)] and (best is None or len(one) > best[0]):
                best = (len(one), line)
    quoted = re.findall(r"'([^']+)'", re.split("; did you mean|; known:", fault)[0])
    for name in quoted:
        under = [line for key, line in lines.items() if key[-1] == name and list(key[:-1]) == parts[: len(key) - 1]]
        anywhere = [line for key, line in lines.items() if key[-1] == name]
        if under or (best is None and anywhere):
            return (under or anywhere)[0]
    return None if best is None else best[1]


def _read(tables: Mapping[str, Any]) -> None:
    """Make what a file describes."""
    if "sweep" in tables:
        Sweep(tables)
    elif is_device(tables):
        device_from_table(device_table(tables))
    else:
        try:
            whole = over_preset(tables)
        except InvalidValue as error:  # what else is wrong is told too
            rest = {name: table for name, table in tables.items() if name != "preset"}
            raise InvalidValue(str(error), [*error.faults, *_faults(over_preset(rest))]) from None
        Experiment.from_dict(whole)


def _faults(tables: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        Experiment.from_dict(tables)
    except InvalidValue as error:
        return error.faults
    return ()
