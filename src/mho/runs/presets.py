"""Preset of an experiment, over which its config is laid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mho.errors import InvalidValue, nearest
from mho.presets import PRESETS
from mho.runs.experiment import merged

DEFAULT_PRESET = "gokmen_2017"
"""The arrays of an experiment that names no preset: the baseline of Gokmen 2017 with noise and bound management.

`mho.RPU()` and `RPU.from_toml` describe Table 1 of that paper itself, in which both are off.
"""


def over_preset(tables: Mapping[str, Any], preset: str | None = None) -> dict[str, Any]:
    """Return a config laid over the given preset, else over the preset that it names, else over `DEFAULT_PRESET`.

    A complete config, as a run folder holds it, stays as it is over `DEFAULT_PRESET`.

    Args:
        tables: the config as plain tables, `preset` allowed.
        preset: name of a preset, which replaces that of the config.

    Raises:
        InvalidValue: for an unknown preset, with the nearest.
    """
    rest = {name: table for name, table in tables.items() if name != "preset"}
    name = tables.get("preset", DEFAULT_PRESET) if preset is None else preset
    if not isinstance(name, str) or name not in PRESETS:
        raise InvalidValue(f"no preset {name!r}{nearest(str(name), PRESETS)}")
    return merged(PRESETS[name]().to_dict(), rest)
