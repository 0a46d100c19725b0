"""All settings of a config as tables of Markdown, from what `mho config` prints: keys, defaults, ranges, meanings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

from mho.devices import LAWS
from mho.runs.reference import Key, config_reference

LONGEST = 60
"""Letters of a list that is shown."""
SPREADS = ("spread", "std")
"""What a number of a device has beside its mean; 0 is left out."""


def settings() -> str:
    """Return every section of a config with its keys, and those of each law, cell, task and network."""
    parts = []
    for section in config_reference():
        parts.append(_section(f"`[{section.name}]`", section.words, section.keys))
        shared = section.keys
        for kind in section.kinds:
            for own in config_reference(section.name, kind):
                keys = [key for key in own.keys if key not in shared]
                if keys and own.kind != section.kind:
                    words = _prose(kind) if section.name == "device" else own.words
                    parts.append(_section(f"`[{section.name}]`: `{kind}`", words, keys))
    return "\n\n".join(parts)


def _prose(law: str) -> str:
    """Return the docstring of a law, which describes its numbers, without source and list of fields."""
    text = inspect.cleandoc(LAWS[law].__doc__ or "")
    return re.split(r"^(?:Source|Attributes):", text, maxsplit=1, flags=re.MULTILINE)[0].strip()


def _section(heading: str, words: str, keys: Iterable[Key]) -> str:
    rows = [f"| `{key.name}` | {_default(key)} | {_escaped(key.range())} | {_escaped(key.words)} |" for key in keys]
    table = "\n".join(["| key | default | allowed | what it is |", "| --- | --- | --- | --- |", *rows])
    return "\n\n".join(part for part in (f"### {heading}", words, table if rows else "") if part)


def _default(key: Key) -> str:
    return "" if key.default is None else f"`{_value(key.default)}`"


def _value(value: Any) -> str:
    """Return a value as TOML has it, on one line; a table that is longer than that by its name."""
    if isinstance(value, dict):
        given = {name: one for name, one in value.items() if one or name not in SPREADS}
        if list(given) == ["mean"]:
            return _value(given["mean"])
        text = "{ " + ", ".join(f"{name} = {_value(one)}" for name, one in given.items()) + " }"
        return text if value else "{}"
    if isinstance(value, list):
        text = "[" + ", ".join(map(_value, value)) + "]"
        return text if len(text) <= LONGEST else "a table"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _escaped(text: str) -> str:
    """Return a text as it can stand in a row: its bars are not those of the table."""
    return text.replace("|", "\\|")
