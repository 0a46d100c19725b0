"""What the user did, the rule it breaks, and the cure."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence

CAN_DIFFER = (
    "the fields of a device, noise, bound and input_bound of a Read, x_gain and d_gain of Pulses, and scale can"
)
"""Which fields take a list of one value a replica."""


class MhoError(Exception):
    """Base of every error that mho raises on purpose."""


class InvalidValue(MhoError, ValueError):
    """A value outside its range; `faults` lists every one that was found."""

    def __init__(self, message: str, faults: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults) or (message,)


class WrongUse(MhoError, RuntimeError):
    """A call that cannot do what it promises in the present state."""


class LawError(MhoError, TypeError):
    """A device law that cannot be compiled or does not keep its contract."""


class DataMissing(MhoError, FileNotFoundError):
    """A data set is neither on this machine nor to be had from the network."""


class CheckpointError(MhoError, ValueError):
    """A checkpoint that is damaged, foreign, or of another experiment."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the known name nearest to `name`, or all of them."""
    options = sorted(known)
    found = difflib.get_close_matches(name, options, n=1, cutoff=0.55)
    if found:
        return f"; did you mean {found[0]!r}?"
    return f"; known: {', '.join(options)}" if options else ""


class Faults:
    """Collects what is wrong with one description, so that all of it is told at once."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.found: list[str] = []

    def add(self, fault: str) -> None:
        self.found.append(fault)

    def number(
        self,
        name: str,
        value: object,
        *,
        low: float = -math.inf,
        high: float = math.inf,
        above: float = -math.inf,
        optional: bool = False,
        integer: bool = False,
    ) -> bool:
        """Note a fault unless `value` is a number in [low, high] and greater than `above`."""
        if value is None and optional:
            return True
        kind = int if integer else (int, float)
        allowed = ("an integer" if integer else "a number") + _range(low, high, above)
        if optional:
            allowed += ", or None"
        if self.list_refused(name, value, allowed):
            return False
        if not isinstance(value, kind) or isinstance(value, bool):
            self.add(f"{name} is {value!r}; give {allowed}")
            return False
        if math.isnan(value) or not (low <= value <= high) or not value > above:
            self.add(f"{name} is {value!r}; give {allowed}")
            return False
        return True

    def flag(self, name: str, value: object) -> None:
        """Note a fault unless `value` is a bool."""
        if not self.list_refused(name, value, "true or false") and not isinstance(value, bool):
            self.add(f"{name} is {value!r}; give true or false")

    def list_refused(self, name: str, value: object, allowed: str) -> bool:
        """Note a fault if `value` is a list, which only fields that may differ between replicas take."""
        if not isinstance(value, (list, tuple)):
            return False
        self.add(f"{name} is {list(value)!r}: it cannot differ between replicas ({CAN_DIFFER}); give {allowed}")
        return True

    def raise_any(self) -> None:
        """Raise one `InvalidValue` that names every fault noted so far."""
        if self.found:
            raise InvalidValue(f"{self.subject}: " + "; ".join(self.found), self.found)


def _range(low: float, high: float, above: float) -> str:
    if math.isfinite(low) and math.isfinite(high):
        return f" from {low:g} to {high:g}"
    if math.isfinite(above):
        return f" greater than {above:g}" + (f" and at most {high:g}" if math.isfinite(high) else "")
    if math.isfinite(low):
        return f" of at least {low:g}"
    return ""
