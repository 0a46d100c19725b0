"""read_measured: whatever a device was measured as."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mho.errors import InvalidValue
from mho.measurements.cumulative_tables import find_cumulative_tables, read_cumulative_tables
from mho.measurements.formats import Format
from mho.measurements.jump_tables import JumpTables, is_jump_table, mean_jump, read_jump_table
from mho.measurements.reading import File, format_of, read_pulses
from mho.measurements.record import Measurement

PARTNER = {"increasing": "decreasing", "decreasing": "increasing"}
LISTED = 8
"""So many files of a folder are named."""


def read_measured(paths: File | Sequence[File], form: Format | None = None, **options: Any) -> Measurement | JumpTables:
    """Read pulses (`read_pulses`), or jump tables (`read_jump_table`), whichever the files hold.

    Args:
        paths: files of pulses; or a pair of jump tables, one of them if the other lies beside it with "increasing"
            and "decreasing" in their names, or the folder with both; or the cumulative tables of a device
            (`read_cumulative_tables`), one of them, or their folder.
        form: how files of pulses are written; of no effect on jump tables, and refused with them.
        options: fields of `Format`, in place of those of `form`.

    Raises:
        InvalidValue: naming the file, and line and column where it is about what stands there.
    """
    form = format_of(form, options)
    given = [Path(paths)] if isinstance(paths, (str, os.PathLike)) else [Path(path) for path in paths]
    if not given:
        raise InvalidValue("no file is given; name at least one")
    cumulative = find_cumulative_tables(given)
    if cumulative:
        _refuse_form(cumulative[0], form)
        return read_cumulative_tables(cumulative)
    if len(given) == 1 and given[0].is_dir():
        given = _pair_in(given[0])
    tables = [is_jump_table(path) for path in given]
    if not any(tables):
        if len(given) == 1 and (partner := _partner(given[0])) and partner.is_file() and is_jump_table(partner):
            tables = [True]  # a damaged table, whose faults are told
        else:
            return read_pulses(given, form)
    # of a pair by name, the faults of the damaged table are reported
    if not all(tables) and (len(given) != 2 or _partner(given[0]) != given[1]):
        pulses = given[tables.index(False)]
        raise InvalidValue(
            f"{pulses}: it is no jump table, and {given[tables.index(True)]} is a jump table; give two files "
            "of one kind"
        )
    _refuse_form(given[0], form)
    return read_jump_table(*_ordered(given))


def _refuse_form(file: Path, form: Format) -> None:
    if form.given:
        raise InvalidValue(
            f"{file}: it is a jump table, on which options of files of pulses have no effect; leave them out"
        )


def _partner(file: Path) -> Path | None:
    """Return the file beside this file with the other direction in its name."""
    for word, other in PARTNER.items():
        if word in file.name.lower():
            begin = file.name.lower().index(word)
            old = file.name[begin : begin + len(word)]
            new = other.upper() if old.isupper() else other.title() if old[0].isupper() else other
            return file.with_name(file.name[:begin] + new + file.name[begin + len(word) :])
    return None


def _pair_in(folder: Path) -> list[Path]:
    """Return the pair of jump tables in a folder."""
    try:
        files = sorted(file for file in folder.iterdir() if file.is_file())
    except OSError as error:
        raise InvalidValue(f"{folder}: it cannot be read ({error}); check its permissions") from error
    ups = [file for file in files if "increasing" in file.name.lower()]
    downs = [file for file in files if "decreasing" in file.name.lower()]
    if len(ups) == 1 and len(downs) == 1:
        return [ups[0], downs[0]]
    if len(ups) + len(downs) == 1:
        return [*ups, *downs]
    names = ", ".join(file.name for file in files[:LISTED]) + (" ..." if len(files) > LISTED else "")
    raise InvalidValue(
        f"{folder}: it is a folder without one pair of jump tables (dG_increasing.txt and dG_decreasing.txt), nor "
        "tables of axis_G, axis_dG and cdf for SET and RESET; name the "
        f"files to read{f', of {names}' if files else ': it is empty'}"
    )


def _ordered(given: Sequence[Path]) -> tuple[Path, Path]:
    """Return the jump tables in the order increasing, decreasing."""
    if len(given) == 1:
        partner = _partner(given[0])
        if partner is None:
            raise InvalidValue(
                f"{given[0]}: it is one jump table, and a device has two; name the increasing and the decreasing table"
            )
        if not partner.is_file():
            raise InvalidValue(
                f"{given[0]}: there is no {partner.name} beside it; a device has a table for each direction"
            )
        given = [given[0], partner]
    if len(given) != 2:
        raise InvalidValue(f"{given[2]}: {len(given)} jump tables are given, and a device has two; name two")
    first, second = given
    words = [next((word for word in PARTNER if word in file.name.lower()), "") for file in given]
    if words == ["decreasing", "increasing"] or ("" in words and mean_jump(first) < mean_jump(second)):
        first, second = second, first
    return first, second
