"""Errors of mho, which say what was given, which rule it breaks, and what to do."""

from __future__ import annotations

import abc
import difflib
import functools
import inspect
import math
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from mho.allowed import Allowed, record

P = ParamSpec("P")
T = TypeVar("T")

CAN_DIFFER = (
    "the fields of a device, noise, bound and input_bound of a Read, x_gain and d_gain of Pulses, and scale can"
)
"""Which fields take a list of one value per replica."""


SHORT = 60
"""Letters of a value that a message repeats."""


class MhoError(Exception):
    """Base of every error that mho raises on purpose."""


class InvalidValue(MhoError, ValueError):
    """A value outside its range; `faults` lists all that were found."""

    def __init__(self, message: str, faults: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults) or (message,)


class WrongUse(MhoError, RuntimeError):
    """A call that cannot do what it promises in the present state."""


class WrongCall(MhoError, TypeError):
    """A call with an argument that the function does not take, or without an argument that it needs."""


class NoSuchName(MhoError, AttributeError):
    """A name that a room of mho does not have."""


class LawError(MhoError, TypeError):
    """A device law that cannot be compiled or fails a check."""


class DataMissing(MhoError, FileNotFoundError):
    """A data set is neither on this machine nor to be had from the network."""


class CheckpointError(MhoError, ValueError):
    """A checkpoint that is damaged, foreign, or of another experiment."""


def an(noun: str) -> str:
    """Return a noun with its indefinite article: "an image"."""
    return f"{'an' if noun[:1].lower() in {*'aeiou'} else 'a'} {noun}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the known name nearest to `name`, or all of them."""
    options = sorted(known)
    found = difflib.get_close_matches(name, options, n=1, cutoff=0.55)
    if found:
        return f"; did you mean {found[0]!r}?"
    return f"; known: {', '.join(options)}" if options else ""


def shown(value: object) -> str:
    """Return what a user gave, for a message: as Python writes it, or its kind where that is long or says nothing."""
    if isinstance(value, type) or inspect.isroutine(value):
        return f"{'the class' if isinstance(value, type) else 'the function'} {value.__name__}"
    text = repr(value)
    return text if len(text) <= SHORT and "\n" not in text else f"of type {type(value).__name__}"


def no_such_name(room: str, name: str, rooms: Iterable[str] = ()) -> NoSuchName:
    """Return the error for a name that a room does not have: with the nearest, or all.

    Args:
        room: the module, such as "mho.devices".
        name: what was asked for.
        rooms: modules in it that are imported when they are asked for.
    """
    if name.startswith("_"):  # what Python, editors and notebooks ask for
        return NoSuchName(f"module {room!r} has no attribute {name!r}")
    module = sys.modules[room]
    known = {*module.__all__, *rooms, *(key for key in vars(module) if f"{room}.{key}" in sys.modules)}
    return NoSuchName(f"{room} has no {name!r}{nearest(name, known)}")


def in_words(function: Callable[P, T], *, name: str = "") -> Callable[P, T]:
    """Let calls of a public function with wrong arguments say which there are, and the nearest to a misspelt name.

    Args:
        function: the function.
        name: under which it is called, for the message; "": its own.
    """

    @functools.wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> T:
        try:
            return function(*args, **options)
        except TypeError as error:
            _explain(error, function, name or function.__name__, args, options)
            raise

    return call


class InWords(abc.ABCMeta):
    """Type of public classes, such as descriptions: making an instance does what `in_words` does for functions."""

    def __call__(cls: type[T], *args: Any, **options: Any) -> T:
        try:
            return super().__call__(*args, **options)  # type: ignore[misc, no-any-return]
        except TypeError as error:
            _explain(error, cls, cls.__name__, args, options)
            raise

    @property
    def __signature__(cls) -> inspect.Signature:
        """Return what editors show: the arguments of the class itself, not those of this type."""
        whole = inspect.signature(cls.__init__)  # type: ignore[misc]
        return whole.replace(parameters=list(whole.parameters.values())[1:])


def _explain(
    error: TypeError, called: Any, subject: str, args: Sequence[object], options: Mapping[str, object]
) -> None:
    """Raise WrongCall in place of Python's error, if this is about the arguments of the call itself."""
    if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
        return  # from inside
    kinds = dict(inspect.signature(called).parameters)
    if any(p.kind is p.VAR_KEYWORD for p in kinds.values()):
        return  # it takes any name
    by_place = [name for name, p in kinds.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in kinds.values())
    faults = [f"there is no option {name!r}{nearest(name, kinds)}" for name in options if name not in kinds]
    if len(args) > len(by_place) and not takes_any:
        named = [name for name, p in kinds.items() if p.kind is p.KEYWORD_ONLY]
        places = f"only {', '.join(by_place)} may come without a name" if by_place else "every value needs its name"
        faults.append(
            f"{len(args)} {'value was' if len(args) == 1 else 'values were'} given without a name, and {places}"
            + (f"; write for example {named[0]}=..." if named else "")
        )
    faults += [f"{name} was given twice" for name in by_place[: len(args)] if name in options]
    given = {*by_place[: len(args)], *options}
    missing = [
        name
        for name, p in kinds.items()
        if name not in given and p.default is p.empty and p.kind is not p.VAR_POSITIONAL
    ]
    if missing:
        written = ", ".join(f"{name}=..." for name in missing)
        faults.append(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; give {written}")
    if faults:
        raise WrongCall(f"{subject}: {'; '.join(faults)}") from None


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn of the line outside of mho that led here.

    Args:
        message: the warning.
        category: class of the warning, by which a user can filter it.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "mho":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def show_warning(message: Warning | str, *_: object) -> None:
    """Show a warning of a command without the line of code that gave it, which tells its user nothing."""
    print(f"mho: warning: {message}", file=sys.stderr)


class Faults:
    """Collector of the faults of a description, so that all of them are raised at once."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.found: list[str] = []
        self._places: dict[str, int] = {}

    def add(self, fault: str) -> None:
        """Note a fault, a sentence that says what was given, what is allowed and what to do; nothing is raised yet."""
        self.found.append(fault)

    def number(
        self,
        name: str,
        value: object,
        *,
        low: float = -math.inf,
        high: float = math.inf,
        above: float = -math.inf,
        below: float = math.inf,
        optional: bool = False,
        integer: bool = False,
        also: tuple[str, ...] = (),
    ) -> bool:
        """Note a fault unless `value` is a number in [low, high], greater than `above` and smaller than `below`.

        Args:
            name: name of the field.
            value: what it was given.
            low: smallest number.
            high: largest number.
            above: bound that is no value itself.
            below: bound that is no value itself.
            optional: whether None is a value.
            integer: whether numbers are integers.
            also: words that are values too.
        """
        allowed = Allowed(low=low, high=high, above=above, below=below, optional=optional, integer=integer, also=also)
        return self.check(name, value, allowed)

    def choice(self, name: str, value: object, choices: Iterable[str]) -> bool:
        """Note a fault unless `value` is one of some words."""
        allowed = Allowed(choices=tuple(choices))
        record(self.subject, name, allowed)
        if not allowed.takes(value):
            self.add(f"{name} is {value!r}{nearest(str(value), allowed.choices)}")
        return allowed.takes(value)

    def check(self, name: str, value: object, allowed: Allowed) -> bool:
        """Note a fault unless a field may have this value."""
        record(self.subject, name, allowed)
        if self.list_refused(name, value, allowed):
            return False
        if allowed.takes(value):
            return True
        fault = f"{name} is {value!r}; give {allowed}"
        place = self._places.setdefault(name, len(self.found))
        if place < len(self.found) and self.found[place].startswith(f"{name} is "):
            self.found[place] = fault  # a later check of a field is the closer check
        else:
            self.add(fault)
        return False

    def flag(self, name: str, value: object) -> None:
        """Note a fault unless `value` is a bool."""
        self.check(name, value, Allowed(flag=True))

    def list_refused(self, name: str, value: object, allowed: Allowed) -> bool:
        """Note a fault if `value` is a list, which only fields that may differ between replicas take."""
        if not isinstance(value, (list, tuple)):
            return False
        self.add(f"{name} is {list(value)!r}: it cannot differ between replicas ({CAN_DIFFER}); give {allowed}")
        return True

    def raise_any(self) -> None:
        """Raise one `InvalidValue` that names every fault noted so far."""
        if self.found:
            raise InvalidValue(f"{self.subject}: " + "; ".join(self.found), self.found)
