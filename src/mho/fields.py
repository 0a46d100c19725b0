"""Descriptions from the tables of a file, with all their faults at once."""

from __future__ import annotations

import contextlib
import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from mho.allowed import recording
from mho.docstrings import documented
from mho.errors import InvalidValue, MhoError, nearest
from mho.toml_files import NONE, in_toml

T = TypeVar("T")
EXAMPLE = ", for example "
"""Stands before a setting that would mend a fault."""
Part = Callable[[type, Mapping[str, Any]], Any]
"""Makes a part of a description from its kind and its table; None: the kind is a dataclass like any other."""


def no_part(kind: type, table: Mapping[str, Any]) -> Any:
    """Leave every part to be a dataclass like any other."""
    return None


def fields_from_table(kind: type[T], table: Mapping[str, Any], *, part: Part = no_part) -> T:
    """Build a frozen dataclass from a table.

    Args:
        kind: the dataclass.
        table: its fields; a table in it is a part of the kinds that the field takes.
        part: makes parts that are no dataclasses like others.

    Raises:
        InvalidValue: with every unknown field (and the nearest known) and every bad value.
    """
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    faults = [f"{name}: no such field{nearest(name, known)}" for name in table if name not in known]
    values: dict[str, Any] = {}
    hints = typing.get_type_hints(kind) if any(isinstance(value, Mapping) for value in table.values()) else {}
    for name, value in table.items():
        if name in known:
            try:
                values[name] = _field(hints.get(name), value, part)
            except InvalidValue as error:
                faults += [under(name, fault) for fault in error.faults]
    missing = [field.name for field in dataclasses.fields(kind) if is_required(field) and field.name not in table]  # type: ignore[arg-type]
    words = documented(kind) if missing else {}
    examples = _examples(kind, values, missing) if missing else {}
    faults += [
        f"{name} is missing: {words.get(name, 'it has no default').rstrip('.')}; give its value{examples.get(name, '')}"
        for name in missing
    ]
    made: T | None = None
    if not missing:
        try:
            made = kind(**values)
        except InvalidValue as error:
            faults += error.faults
    if faults or made is None:
        faults = [in_toml(fault) for fault in faults]
        raise InvalidValue(f"{kind.__name__}: " + "; ".join(faults), faults)
    return made


def under(section: str, fault: str) -> str:
    """Return a fault of a field as one of the section that holds it, with the section in its example too."""
    return f"{section}.{fault}".replace(EXAMPLE, f"{EXAMPLE}{section}.")


def _examples(kind: type[Any], values: Mapping[str, Any], missing: Sequence[str]) -> dict[str, str]:
    """Return words with a value that each of the missing fields may have, as its check allows it."""
    with recording() as found, contextlib.suppress(MhoError, TypeError, ValueError):
        kind(**values, **dict.fromkeys(missing, 1))  # only so that the fields are checked
    allowed = {name: one for (_, name), one in found.allowed.items() if name in missing}
    known = {name: one.example() for name, one in allowed.items()}
    return {name: f"{EXAMPLE}{name}={value}" for name, value in known.items() if value}


def is_required(field: dataclasses.Field[Any]) -> bool:
    """Return whether a field has no default."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _field(hint: Any, value: Any, part: Part) -> Any:
    """Return the value of a field from what a file has for it."""
    if not isinstance(value, Mapping):
        return None if value == NONE else value
    kinds = [kind for kind in (hint, *typing.get_args(hint)) if isinstance(kind, type)]
    for kind in kinds:
        made = part(kind, value)
        if made is not None:
            return made
        if dataclasses.is_dataclass(kind):
            return fields_from_table(kind, value, part=part)
    return value
