"""TOML in our words: text to tables and back, files, and the lines at which keys stand."""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from mho.errors import InvalidValue, nearest

Key = tuple[str, ...]
NONE = "none"
"""TOML has no null: this word stands for None."""
"""A key with the tables that it stands in, from the outermost."""


def write_toml(tables: Mapping[str, Any]) -> str:
    """Return tables as TOML, lists of numbers on one line."""
    text = tomli_w.dumps(tables)
    return re.sub(r"(?<= = )\[\n(?: +[\w.+-]+,\n)+\](?=\n)", lambda found: _one_line(found[0]), text)


def _one_line(array: str) -> str:
    return "[" + ", ".join(array[1:-1].replace(",", " ").split()) + "]"


def parse_toml(text: str) -> dict[str, Any]:
    """Return TOML as tables.

    Raises:
        InvalidValue: for text that is no TOML, with its line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidValue(f"this is not TOML: {error}") from None


def in_toml(words: str) -> str:
    """Return a sentence of Python as one of TOML, which has no None and writes true and false small."""
    for python, toml in (("None", '"none"'), ("True", "true"), ("False", "false")):
        words = re.sub(rf"(?<![\w.]){python}(?!\w)", toml, words)
    return words


def read_text(file: Path) -> str:
    """Return what stands in a text file.

    Raises:
        InvalidValue: for a file that is missing, with the nearest name in its folder, or is no text.
    """
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidValue(no_such_file(file)) from None
    except IsADirectoryError:
        raise InvalidValue(f"{file} is a folder; give a file") from None
    except UnicodeDecodeError:
        raise InvalidValue(f"{file} cannot be read: it is no text in UTF-8") from None
    except OSError as error:
        raise InvalidValue(f"{file} cannot be read: {error.strerror}") from None


def no_such_file(file: Path) -> str:
    """Say that a file does not exist: because its folder does not, or with the file of the nearest name beside it."""
    if not file.parent.is_dir():
        return f"there is no file {file}, because there is no folder {file.parent}"
    beside = [other.name for other in file.parent.iterdir() if other.suffix == file.suffix]
    meant = nearest(file.name, beside)
    return f"there is no file {file}" + (meant if "did you mean" in meant else "; check the name")


def read_toml(file: Path) -> dict[str, Any]:
    """Return a TOML file as tables.

    Raises:
        InvalidValue: for a file that cannot be read, or is no TOML, under its name.
    """
    text = read_text(file)
    with naming(file):
        return parse_toml(text)


@contextlib.contextmanager
def naming(file: Path | None, options: Sequence[object] = ()) -> Iterator[None]:
    """Name the file in faults that are found in here, and say whether options were given beside it."""
    try:
        yield
    except InvalidValue as error:
        if file is None:
            raise
        beside = " with the options beside it" if options else ""
        raise InvalidValue(f"{file}{beside}: {error}", error.faults) from None


def key_lines(text: str) -> dict[Key, int]:
    """Return the line, counted from 1, at which each key and each table of a TOML text begins."""
    lines: dict[Key, int] = {}
    section: Key = ()
    statement, start = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        start = number if not statement else start
        statement += line + "\n"
        try:
            tables = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # a list or a text goes on in the next line
        is_header, statement = statement.lstrip().startswith("["), ""
        keys = list(_keys_of(tables))
        if is_header:
            section = max(keys, key=len)
        for key in keys:
            lines.setdefault(key if is_header else section + key, start)
    return lines


def _keys_of(tables: Any) -> Iterator[Key]:
    """Yield every key of nested tables; of a list of tables the keys of its last table."""
    if isinstance(tables, list) and tables:
        yield from _keys_of(tables[-1])
    if isinstance(tables, dict):
        for name, value in tables.items():
            yield (name,)
            yield from ((name, *rest) for rest in _keys_of(value))
