"""Hashes of a user's own task, model and data, so that a run is not continued with others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mho.data import file_of
from mho.errors import InvalidValue
from mho.imports import file_hash, is_own, source_hash
from mho.training import Training

NAMED = ("task", "model", "data")
"""Fields of [training] that may name a user's own; the hash of `model` stands beside it as `model_hash`."""


def source_hashes(training: Training) -> dict[str, str]:
    """Return the hash of the module, or of the file of data, of each field that names a user's own.

    Raises:
        InvalidValue: if a module or file cannot be read.
    """
    names = {field: getattr(training, field) for field in NAMED}
    return {f"{field}_hash": _hash(name) for field, name in names.items() if _hash(name)}


def check_sources(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table [training] without its hashes, once they are those of the sources as they are.

    Raises:
        InvalidValue: naming every source that has changed, and the cure.
    """
    rest, faults = dict(table), []
    for field in NAMED:
        expected, name = rest.pop(f"{field}_hash", None), rest.get(field)
        if expected is None or not isinstance(name, str):
            continue
        try:
            now = _hash(name)
        except InvalidValue as error:
            faults.append(str(error))
            continue
        if now != expected:
            faults.append(
                f"{field}_hash: the source of {name} has changed ({now or 'no source'}, the file says {expected}); "
                f"restore it, or delete the line {field}_hash to train anew with the source as it is"
            )
    if faults:
        raise InvalidValue("; ".join(faults), faults)
    return rest


def forget_sources(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table [training] without the hashes of what the changes name anew."""
    replaced = {f"{field}_hash" for field in NAMED if field in changes and changes[field] != table.get(field)}
    return {name: value for name, value in table.items() if name not in replaced}


def _hash(name: str) -> str:
    """Hash of a user's own; of a name of mho's nothing."""
    file = file_of(name)
    if file is not None:
        return file_hash(file.path)
    return source_hash(name) if is_own(name) else ""
