"""Experiments from configs and options: TOML files, --preset, --device and --set as the tables of an experiment."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mho.errors import InvalidValue
from mho.toml_files import naming, read_toml

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
    """Return the experiment that the options describe: a config, or that of the folder to resume, with other options.

    The preset is the given preset, else the preset that the config names, else `mho.runs.presets.DEFAULT_PRESET`. A
    device, by its name, its file or its table, is the whole device: no field of another remains.

    Raises:
        InvalidValue: naming every fault of the file and the options at once.
    """
    from mho.runs import Experiment, merged
    from mho.runs.folder import CONFIG
    from mho.runs.presets import over_preset

    file = config or (resumed / CONFIG if resumed and preset is None else None)
    own = _config(file) if file is not None and (config is not None or file.exists()) else {}
    with naming(config if preset is None else None):
        tables = over_preset(own, preset)
    if device is not None:
        tables["device"] = _device(device) if isinstance(device, str) else device
    given = {name: value for name, value in given.items() if value is not None}
    tables = merged(tables, {"training": given})
    for change in sorted((parse_setting(setting) for setting in settings), key=kinds_first):
        tables = merged(tables, change)
    with naming(file if config else None, [*given, *settings, *([device] if device else [])]):
        return Experiment.from_dict(tables)


def _device(name: str) -> dict[str, Any]:
    from mho.measurements import read_device  # a second that a run without --device need not wait

    return read_device(name)


def _config(file: Path) -> dict[str, Any]:
    """Return the tables of a config of a training."""
    tables = read_toml(file)
    if "sweep" in tables:
        raise InvalidValue(f"{file} describes a sweep; train it with mho sweep {shlex.quote(str(file))}")
    return tables


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
