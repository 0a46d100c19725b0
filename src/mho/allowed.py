"""Allowed values of fields, recorded from their checks, for messages and `mho config`."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import final


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Allowed:
    """The values that a field may have.

    Attributes:
        low: smallest number.
        high: largest number.
        above: numbers are greater than this.
        below: numbers are smaller than this.
        integer: whether numbers are integers.
        shares: whether shares, numbers from 0 to below 1, stand beside integers.
        optional: whether None is a value too.
        choices: words, in place of numbers.
        also: words beside numbers.
        flag: whether the field is true or false, in place of a number.
    """

    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    integer: bool = False
    shares: bool = False
    optional: bool = False
    choices: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    flag: bool = False

    def takes(self, value: object) -> bool:
        """Return whether the field may have this value."""
        if value is None:
            return self.optional
        if self.flag:
            return isinstance(value, bool)
        if isinstance(value, str):
            return value in (*self.choices, *self.also)
        if self.choices:
            return False
        if self.shares and isinstance(value, float):
            return 0 <= value < 1
        if isinstance(value, bool) or not isinstance(value, int if self.integer else (int, float)):
            return False
        is_below = math.isinf(self.below) or value < self.below
        return self.low <= value <= self.high and value > self.above and is_below

    def __str__(self) -> str:
        """Return the allowed values in words that follow "give", such as "an integer from 1 to 64, or None"."""
        if self.flag:
            return "true or false"
        if self.choices:
            words = [f'"{choice}"' for choice in self.choices]
            return " or ".join(words) if len(words) == 2 else f"one of {', '.join(words)}"
        number = ("an integer" if self.integer else "a number") + self._range()
        number += ", or a share below 1" if self.shares else ""
        words = [*(f'"{word}"' for word in self.also), *(["None"] if self.optional else [])]
        return ", ".join([number, *words[:-1]]) + (
            f"{' or' if len(words) > 1 else ', or'} {words[-1]}" if words else ""
        )

    def example(self) -> str:
        """Return a value that the field may have, as TOML has it; "" where none comes to mind."""
        if self.flag:
            return "true"
        if self.choices:
            return f'"{self.choices[0]}"'
        tried = (4, 1, 0.1, 0.5, self.low, self.high, (self.low + self.high) / 2)
        return next((f"{value:g}" for value in tried if math.isfinite(value) and self.takes(value)), "")

    def _range(self) -> str:
        low, high, above, below = map(_plain, (self.low, self.high, self.above, self.below))
        if math.isfinite(self.low) and math.isfinite(self.high):
            return f" from {low} to {high}"
        ends = [f"greater than {above}"] if math.isfinite(self.above) else []
        ends += [f"of at least {low}"] if math.isfinite(self.low) else []
        ends += [f"{'at most' if ends else 'of at most'} {high}"] if math.isfinite(self.high) else []
        ends += [f"below {below}"] if math.isfinite(self.below) else []
        return " " + " and ".join(ends) if ends else ""

    def __and__(self, other: Allowed) -> Allowed:
        """Return what both allow: a field may be checked in two places, once more closely."""
        return Allowed(
            low=max(self.low, other.low),
            high=min(self.high, other.high),
            above=max(self.above, other.above),
            below=min(self.below, other.below),
            integer=self.integer or other.integer,
            shares=self.shares or other.shares,
            optional=self.optional and other.optional,
            choices=self.choices or other.choices,
            also=self.also or other.also,
            flag=self.flag or other.flag,
        )


@final
@dataclasses.dataclass(frozen=True)
class Recorded:
    """Record of what checks allow, by the subject whose faults they collect, such as "Read", and by field.

    Attributes:
        allowed: what each field may be.
        several: the fields that may be lists of one value per replica.
    """

    allowed: dict[tuple[str, str], Allowed] = dataclasses.field(default_factory=dict)
    several: set[tuple[str, str]] = dataclasses.field(default_factory=set)


_recorded: contextvars.ContextVar[Recorded | None] = contextvars.ContextVar("recorded", default=None)


@contextlib.contextmanager
def recording() -> Iterator[Recorded]:
    """Yield what the checks that run in here allow, as they run: so that no list beside them has to say it."""
    found = Recorded()
    token = _recorded.set(found)
    try:
        yield found
    finally:
        _recorded.reset(token)


def record(subject: str, name: str, allowed: Allowed) -> None:
    """Note what a field may be, for those who record."""
    found = _recorded.get()
    if found is not None:
        key = (subject, name)
        found.allowed[key] = found.allowed[key] & allowed if key in found.allowed else allowed


def record_several(subject: str, names: Iterable[str]) -> None:
    """Note which fields may be lists of one value per replica, for those who record."""
    found = _recorded.get()
    if found is not None:
        found.several.update((subject, name) for name in names)


def _plain(number: float) -> str:
    text = f"{number:g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
    return str(number) if isinstance(number, int) and float(text) != number else text
