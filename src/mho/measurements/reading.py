"""read_pulses: files of pulses in the layouts that people have."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mho.errors import InvalidValue, in_words, nearest
from mho.measurements.formats import Format
from mho.measurements.one_file import read_file
from mho.measurements.record import Measurement, Notes
from mho.measurements.scale import ARBITRARY
from mho.measurements.series import Series, trace_of
from mho.measurements.text import FileFaults
from mho.measurements.units import kind_of
from mho.measurements.vocabulary import DOWN, UP, direction_of, words

File = str | os.PathLike[str]
MOST_NOTES = 12
"""Largest number of notes that are shown of a file with many devices."""


@in_words
def read_pulses(files: File | Sequence[File], form: Format | None = None, **options: Any) -> Measurement:
    """Read conductances of devices between pulses.

    Delimiter, decimal sign, heading, units and layout are found out, and reported in the notes and the
    decisions: one column of readings, whose turning points are found; a column that counts pulses, or those sent before
    each reading; a column up and a column down; a column that says the direction, or the voltage, of the pulse before
    each reading, or that the row is a read; devices by a column of names, by columns, by rows, or by files. Currents I
    become I/V where the voltage of the read stands in the file or is given, resistances R become 1/R; reads of a state
    are averaged. A gap is an empty cell, NaN, or a dash. Sweeps, waveforms, tables of endurance, retention and
    distributions are refused by their name.

    Args:
        files: one or several text tables; several are several devices, or an up and a down file of one device.
        form: what is given and not found out.
        options: fields of `Format`, in place of those of `form`: `read_pulses("a.csv", reverse="LTD")`.

    Returns:
        One trace a device, in the units of the file, or of conductance where currents or resistances were read.

    Raises:
        InvalidValue: naming the file, and line and column of every fault.
    """
    form = format_of(form, options)
    given = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    if not given:
        raise InvalidValue("no file is given; name at least one")
    ways = [direction_of(Path(file).stem) for file in given]
    paired = len(given) > 1 and all(ways) and len(set(ways)) == 2 and form.direction is None and form.turns is None
    groups: dict[str, list[Series]] = {}
    owners: dict[str, FileFaults] = {}
    notes = Notes()
    units: list[str] = []
    for file, way in zip(given, ways, strict=True):
        own = Notes()
        found, unit = read_file(file, form, way if paired else 0, own)
        units.append(unit)
        notes.include(own, f"{Path(file).name}: " if len(given) > 1 else "")
        names = _names_of(found, Path(file).stem, paired, len(given) > 1)
        for name, parts in zip(names, found, strict=True):
            if name in groups and not paired:
                name = next(f"{name} {k}" for k in range(2, len(groups) + 3) if f"{name} {k}" not in groups)
            groups.setdefault(name, []).extend(parts)
            owners.setdefault(name, FileFaults(os.fspath(file)))
    unit = form.unit if form.unit and kind_of(form.unit) not in ("A", "ohm") else _one_unit(given, units)
    source = ", ".join(os.fspath(file) for file in given)
    return _measurement(source, groups, owners, unit, notes, form)


def format_of(form: Format | None, options: Mapping[str, Any]) -> Format:
    """Return the format with the options in place of its fields.

    Raises:
        InvalidValue: for an option that is no field of `Format`.
    """
    known = [field.name for field in dataclasses.fields(Format)]
    for name in options:
        if name not in known:
            raise InvalidValue(f"{name} is no option for reading files{nearest(name, known)}")
    return dataclasses.replace(form or Format(), **options)


def _measurement(
    source: str,
    groups: dict[str, list[Series]],
    owners: dict[str, FileFaults],
    unit: str,
    notes: Notes,
    form: Format,
) -> Measurement:
    """Return the traces of all devices; faults of all are raised together."""
    names = list(groups)
    if form.devices is not None:
        if len(form.devices) != len(groups):
            raise InvalidValue(
                f"{source}: devices names {len(form.devices)}, and the table has {len(groups)} "
                f"({', '.join(names[:8])}); give one name each"
            )
        names = list(form.devices)
    traces, of_devices = [], Notes()
    for name, (key, parts) in zip(names, groups.items(), strict=True):
        own = Notes()
        named = [dataclasses.replace(part, device=name) for part in parts]
        trace = trace_of(named, form, owners[key], own)
        of_devices.include(own, f"{name}: " if len(groups) > 1 and not any(name in note for note in own.found) else "")
        if trace is not None:
            traces.append(trace)
    _raise_all(list(owners.values()))
    more = len(of_devices.found) - MOST_NOTES
    notes.add(*of_devices.found[:MOST_NOTES], *([f"and {more} more notes on devices"] if more > 0 else []))
    warnings = tuple(dict.fromkeys([*notes.warnings, *of_devices.warnings[:MOST_NOTES]]))
    found = tuple(dict.fromkeys([*notes.found, *warnings]))
    return Measurement(source, tuple(traces), unit, found, warnings, tuple(notes.decisions))


def _raise_all(owners: Sequence[FileFaults]) -> None:
    by_file: dict[str, FileFaults] = {}
    for faults in owners:
        by_file.setdefault(faults.file, FileFaults(faults.file)).found += faults.found
    for faults in by_file.values():
        faults.raise_any()


def _names_of(found: Sequence[list[Series]], stem: str, paired: bool, several: bool) -> list[str]:
    """Return the devices of a file by name; a file with a single device gives it its own name."""
    if paired:
        stem = " ".join(word for word in words(stem) if word not in UP | DOWN) or "device"
    names = [parts[0].device for parts in found]
    if len(names) == 1 and not names[0]:
        return [stem]
    names = [name or f"{stem} {number}" for number, name in enumerate(names, 1)]
    return [f"{stem} {name}" for name in names] if several else names


def _one_unit(files: Sequence[File], units: Sequence[str]) -> str:
    known = [(file, unit) for file, unit in zip(files, units, strict=True) if unit != ARBITRARY]
    different = [(file, unit) for file, unit in known if unit != known[0][1]]
    if different:
        file, unit = different[0]
        raise InvalidValue(
            f"{os.fspath(file)}: its readings are in {unit}, those of {os.fspath(known[0][0])} in {known[0][1]}; "
            "give files in one unit, or give unit if they are"
        )
    return known[0][1] if known else ARBITRARY
