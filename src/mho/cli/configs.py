"""What configs and options describe: TOML files, --preset, --device and --set as the tables of an experiment."""

from __future__ import annotations

import contextlib
import shlex
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mho.errors import InvalidValue, nearest

if TYPE_CHECKING:
    from mho.runs import Experiment


def read_experiment(
    config: Path | None,
    preset: str | None,
    given: dict[str, Any],
    settings: Sequence[str],
    resumed: Path | None,
    device: str | dict[str, Any] | None = None,
) -> Experiment:
    """What the options describe: a config, or that of the folder to resume, over a preset; then what is given beside.

    The preset is that given, else the one that the config names, else `mho.runs.presets.DEFAULT_PRESET`. A device, by
    its name, its file or its table, is the whole device: no field of another remains.

    Raises:
        InvalidValue: naming every fault of the file and the options at once.
    """
    from mho.runs import Experiment, merged
    from mho.runs.presets import over_preset

    file = config or (resumed / "config.toml" if resumed and preset is None else None)
    own = _config(file) if file is not None and (config is not None or file.exists()) else {}
    with naming(config if preset is None else None):
        tables = over_preset(own, preset)
    if device is not None:
        tables["device"] = read_device(device) if isinstance(device, str) else device
    given = {name: value for name, value in given.items() if value is not None}
    tables = merged(tables, {"training": given})
    for change in sorted((parse_setting(setting) for setting in settings), key=kinds_first):
        tables = merged(tables, change)
    with naming(file if config else None, [*given, *settings, *([device] if device else [])]):
        return Experiment.from_dict(tables)


def _config(file: Path) -> dict[str, Any]:
    """Return the tables of a config of a training."""
    tables = read_config(file)
    if "sweep" in tables:
        raise InvalidValue(f"{file} describes a sweep; train it with mho sweep {shlex.quote(str(file))}")
    return tables


def read_config(file: Path) -> dict[str, Any]:
    """A TOML file as tables."""
    from mho.config import parse_toml

    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidValue(f"{file} cannot be read: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{file} cannot be read: {error}") from None
    with naming(file):
        return parse_toml(text)


def is_pulses(name: str) -> bool:
    """Whether a name is that of a text table, as of measured pulses."""
    return Path(name).suffix.lower() in (".csv", ".txt", ".tsv", ".dat")


def read_device(name: str) -> dict[str, Any]:
    """Return the table of a device by what the command line says: a file, a published device, a law, a user's class.

    Raises:
        InvalidValue: for a name of none of these, with the nearest; for a file with faults, under its name.
    """
    from mho.config import device_from_table, device_table, table_of
    from mho.devices import LAWS
    from mho.presets import DEVICES

    file = Path(name)
    if is_pulses(name):
        raise InvalidValue(
            f"{name}: it holds measured pulses and no device; fit laws to them first, mho device fit {name} --out DIR, "
            f"or both at once, mho train --measured {name}"
        )
    if file.is_dir():
        raise InvalidValue(f"{name} is a folder; for measured jump tables in it, mho train --measured {name}")
    if file.suffix.lower() == ".toml" or file.is_file():
        tables = read_config(file)
        with naming(file):
            table = device_table(tables)
            device = device_from_table(table)
            if "law" not in table:
                print(f"{file} names no law: its device is a {device.law_name()}", file=sys.stderr)
            return table
    if name in DEVICES:
        return table_of(DEVICES[name]())
    if name not in LAWS and ":" not in name:
        known = [*LAWS, *DEVICES]
        raise InvalidValue(f"no device {name!r}{nearest(name, known)} (your own is module:Class; a file ends in .toml)")
    return table_of(device_from_table({"law": name}))


@contextlib.contextmanager
def naming(file: Path | None, options: Sequence[object] = ()) -> Iterator[None]:
    """Faults found in here are those of a file, with the options that were given beside it."""
    try:
        yield
    except InvalidValue as error:
        if file is None:
            raise
        beside = " with the options beside it" if options else ""
        raise InvalidValue(f"{file}{beside}: {error}", error.faults) from None


def parse_setting(text: str) -> dict[str, Any]:
    """`section.key=value` as nested tables; the value is TOML, or else a word."""
    name, equals, value = text.partition("=")
    keys = [key.strip() for key in name.split(".")]
    if not equals or not all(keys) or keys == keys[:1] != ["scale"]:
        raise InvalidValue(f"--set {text!r}: write section.key=value, for example --set update.length=1")
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    for key in reversed(keys):
        parsed = {key: parsed}
    tables: dict[str, Any] = parsed
    return tables


def kinds_first(tables: dict[str, Any]) -> bool:
    """Sorting key: another law or kind starts its section afresh, so it must come before the section's fields."""
    while isinstance(next(iter(tables.values())), dict):
        tables = next(iter(tables.values()))
    return next(iter(tables)) not in ("law", "kind")
