"""How messages name options: as Python takes them, or as they are typed where a command was typed."""

from __future__ import annotations

import contextlib
import contextvars
import json
import shlex
from collections.abc import Iterator, Sequence
from typing import final


@final
class _Shell:
    """What the process is: a command at the shell, with the option that keeps layers digital, or "" in Python."""

    exclude: str = ""


EXCLUDE = "--set training.exclude={}"
"""How `mho train` keeps layers digital."""
_DIGITAL = contextvars.ContextVar[tuple[str, ...]]("layers that stay digital already", default=())


@contextlib.contextmanager
def at_the_shell(exclude: str = EXCLUDE) -> Iterator[None]:
    """Let messages name options as they are typed at the shell.

    Args:
        exclude: the option that keeps layers digital, with "{}" for a list of names; or what `voice` returned in the
            process that started this process.
    """
    before, _Shell.exclude = _Shell.exclude, exclude
    try:
        yield
    finally:
        _Shell.exclude = before


def voice() -> str:
    """Return what `at_the_shell` takes in another process, so that its messages name options as messages here do."""
    return _Shell.exclude


def is_at_the_shell() -> bool:
    """Return whether a command was typed at the shell."""
    return bool(_Shell.exclude)


def option(name: str, value: str | None = None) -> str:
    """Return an option for a message: `columns="number,reading"`, at the shell `--columns number,reading`.

    Args:
        name: as Python has it; at the shell options have it with hyphens.
        value: what to give; None names the option alone.
    """
    if not is_at_the_shell():
        return name if value is None else f"{name}={json.dumps(value)}"
    typed = f"--{name.replace('_', '-')}"
    return typed if value is None else f"{typed} {value if value == '...' else shlex.quote(value)}"


@contextlib.contextmanager
def already_digital(layers: Sequence[str]) -> Iterator[None]:
    """Let `kept_digital` name layers too that stay digital already: a list that is typed replaces the list before.

    Args:
        layers: their names, or patterns of names.
    """
    token = _DIGITAL.set(tuple(layers))
    try:
        yield
    finally:
        _DIGITAL.reset(token)


def kept_digital(layers: Sequence[str]) -> str:
    """Return how to keep layers digital: `exclude=["fc2"]`, at the shell `--set 'training.exclude=["fc2"]'`.

    Args:
        layers: names, beside those of `already_digital`.
    """
    layers = list(dict.fromkeys((*_DIGITAL.get(), *layers)))
    names = json.dumps(layers)
    if not is_at_the_shell():
        return f"exclude={names}"
    flag, _, rest = _Shell.exclude.partition(" ")
    if rest == "{}":  # an option that is repeated for each name
        return " ".join(f"{flag} {shlex.quote(name)}" for name in layers)
    return f"{flag} {shlex.quote(rest.format(names))}"


def scale_chosen() -> str:
    """Return how to have a digital factor chosen between weights and devices."""
    return "--set scale=max" if is_at_the_shell() else 'mho.RPU(scale="max", ...)'


def one_replica() -> str:
    """Return how to have a device of numbers where its fields are lists, one value per replica."""
    if is_at_the_shell():
        return "give one number in place of each list"
    return "take the device of one replica, mho.RPU(device=device).of_replica(0).device"
