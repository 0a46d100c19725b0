"""Fields that differ between replicas: a tuple of one number per replica in place of a number.

A description is a frozen dataclass, or is made of other descriptions, by themselves or in tuples; any other tuple in it
is such a list.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from mho.allowed import record_several
from mho.errors import Faults, InvalidValue

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Number = float | Sequence[float]
"""A number, or one per replica; lists are stored as tuples."""
T = TypeVar("T", bound="DataclassInstance")


def check_lists(part: DataclassInstance, faults: Faults, may_differ: Collection[str]) -> bool:
    """Store the lists of a description under construction as tuples, and note what is wrong with them.

    With lists, all other rules are checked on what each replica gets, so that no rule has to know of lists.

    Args:
        part: the description, from its `__post_init__`.
        faults: where to note them.
        may_differ: names of the fields that may be lists.

    Returns:
        Whether there is a list, and hence nothing left to check.
    """
    record_several(faults.subject, may_differ)
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if isinstance(value, (list, tuple)) and not _is_parts(value):
            # a list where none may be stays a list, which the field's own rule refuses
            kept = tuple(value) if field.name in may_differ else list(value)
            object.__setattr__(part, field.name, kept)
            if field.name in may_differ:
                _check_numbers(field.name, value, faults)
    found = lengths(part)
    if found and not faults.found:
        check_lengths(found, faults)
    if found and not faults.found:
        _check_each(part, next(iter(found.values())), faults)
    return bool(found) or bool(faults.found)


def lengths(part: DataclassInstance) -> dict[str, int]:
    """Dotted names of all lists in a description, with their lengths."""
    return {name: len(values) for name, values in lists(part).items()}


def lists(part: DataclassInstance, prefix: str = "") -> dict[str, tuple[float, ...]]:
    """Return all lists in a description by their dotted names."""
    found: dict[str, tuple[float, ...]] = {}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if _is_parts(value):
            for each in value:
                found |= lists(each, f"{prefix}{type(each).__name__}.")
        elif isinstance(value, tuple):
            found[prefix + field.name] = value
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            found |= lists(value, f"{prefix}{field.name}.")
    return found


def value_names(values: Mapping[str, Sequence[float]], replicas: int) -> list[str]:
    """Return for each replica its values: "forward.noise = 0.06, backward.noise = 0.1"; "" where there are none."""
    return [", ".join(f"{name} = {own[r]:.12g}" for name, own in values.items()) for r in range(replicas)]


def replica_labels(values: Mapping[str, Sequence[float]], seeds: Sequence[int]) -> list[str]:
    """Return a name for each replica: the values in which it differs from the others, else its seed.

    Replicas with equal values have their seeds too: "forward.noise = 0.06, seed 1".

    Args:
        values: dotted name of each field in which replicas differ to its values, one per replica.
        seeds: one per replica.
    """
    names = value_names(values, len(seeds))
    if all(names) and len(set(names)) == len(names):
        return names
    return [", ".join([*([name] if name else []), f"seed {seed}"]) for name, seed in zip(names, seeds, strict=True)]


def check_lengths(found: Mapping[str, int], faults: Faults) -> None:
    """Note a fault unless all lists have one length."""
    if len(set(found.values())) > 1:
        each = ", ".join(f"{name} has {length}" for name, length in found.items())
        faults.add(f"lists of different lengths: {each}; give each one value per replica")


def map_lists(part: T, change: Callable[[tuple[float, ...]], Any]) -> T:
    """Return the description with `change` applied to each of its lists; itself if it has none."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if _is_parts(value):
            parts = tuple(map_lists(each, change) for each in value)
            if any(new is not old for new, old in zip(parts, value, strict=True)):
                changed[field.name] = parts
        elif isinstance(value, tuple):
            changed[field.name] = change(value)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            inner = map_lists(value, change)
            if inner is not value:
                changed[field.name] = inner
    return dataclasses.replace(part, **changed) if changed else part


def _is_parts(value: object) -> bool:
    """Return whether a value is a tuple of descriptions; () is one of none."""
    return isinstance(value, tuple) and all(dataclasses.is_dataclass(each) for each in value)


def of_replica(part: T, replica: int) -> T:
    """Return the description of one replica, with numbers in place of lists."""
    return map_lists(part, lambda values: values[replica])


def power(number: Number, exponent: int) -> Number:
    """Return a number to a power, or a list of numbers each to it."""
    return number**exponent if isinstance(number, (int, float)) else tuple(own**exponent for own in number)


def _check_numbers(name: str, values: Sequence[object], faults: Faults) -> None:
    wrong = [value for value in values if isinstance(value, bool) or not isinstance(value, (int, float))]
    if not values:
        faults.add(f"{name} is an empty list; give one number per replica")
    elif wrong:
        faults.add(f"{name} is {list(values)!r}: a list holds one number per replica, and {wrong[0]!r} is none")


def _check_each(part: DataclassInstance, replicas: int, faults: Faults) -> None:
    """Note what is wrong with each replica's own; what is wrong with all is noted once."""
    each: list[Sequence[str]] = []
    for replica in range(replicas):
        try:
            of_replica(part, replica)
        except InvalidValue as error:
            each.append(error.faults)
        else:
            each.append(())
    shared = [fault for fault in each[0] if all(fault in others for others in each)]
    for fault in shared:
        faults.add(fault)
    for replica, own in enumerate(each):
        for fault in own:
            if fault not in shared:
                faults.add(f"replica {replica}: {fault}")
