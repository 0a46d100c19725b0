"""Devices by name, of `mho.presets`, of a law or of a file: the only place that knows what DEVICE may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mho.devices import LAWS, Device
from mho.errors import InvalidValue, nearest, warn
from mho.imports import is_own
from mho.presets import DEVICES, PRESETS
from mho.tables import device_from_table, device_table, table_of
from mho.toml_files import naming, no_such_file, read_toml

PULSES = (".csv", ".txt", ".tsv", ".dat")
"""Endings of text tables, as of measured pulses."""
DEVICE_FILES = ("device.toml", "config.toml")
"""Files in the folders that mho writes, each of which says a device."""


def read_device(name: str) -> dict[str, Any]:
    """Return the table of a device that nothing has to be fitted for, as `mho.fitting.find_device` names it.

    Raises:
        InvalidValue: as `mho.fitting.find_device`; and for measurements.
    """
    return _described(name)[1]


def named_device(name: str) -> Device:
    """Return a device that nothing has to be fitted for, as `mho.fitting.find_device` names it.

    Raises:
        InvalidValue: as `read_device`.
    """
    return _described(name)[0]


def _described(name: str) -> tuple[Device, dict[str, Any]]:
    """Return a device and its table; that of a file is as it stands there."""
    if is_measured(name):
        raise InvalidValue(
            f"{name} holds measurements and no device; fit laws to them: mho device fit {name} --out DIR"
        )
    file = Path(name)
    if name in DEVICES or name in LAWS or is_own(name):
        device = DEVICES[name]() if name in DEVICES else device_from_table({"law": name})
        return device, table_of(device)
    if file.is_file() or file.suffix or len(file.parts) > 1:
        return _of_file(file)
    if name in PRESETS:
        raise InvalidValue(f"{name} is a preset of whole arrays and no device; take it as --preset {name}")
    raise InvalidValue(
        f"no device {name!r}{nearest(name, [*LAWS, *DEVICES])} (your own is module:Class; a file ends in .toml)"
    )


def is_measured(name: str) -> bool:
    """Return whether a name means measurements: a file of pulses, a jump table, or a folder of their files.

    Raises:
        InvalidValue: for such a file that does not exist, or a folder of mho's own, whose device is a file in it.
    """
    file = Path(name)
    if name in LAWS or name in DEVICES:
        return False
    if file.is_dir():
        own = [file / inside for inside in DEVICE_FILES if (file / inside).is_file()]
        if own:
            raise InvalidValue(f"{name} is a folder; its device is that of {own[0]}: give this file")
        return True
    if file.suffix.lower() not in PULSES:
        return False
    if not file.exists():
        raise InvalidValue(no_such_file(file))
    return True


def _of_file(file: Path) -> tuple[Device, dict[str, Any]]:
    tables = read_toml(file)
    with naming(file):
        table = device_table(tables)
        device = device_from_table(table)
    if "law" not in table:
        warn(f"{file} names no law: its device is a {device.law_name()}")
    return device, table
