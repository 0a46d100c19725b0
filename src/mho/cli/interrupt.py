"""Ctrl-C: the first asks to stop and the second ends at once; or nothing was written, and the command says so."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import typer


@contextlib.contextmanager
def first_interrupt(
    *, say: Callable[[], None] = lambda: None, leave: Callable[..., Any] = signal.default_int_handler
) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C was pressed in here.

    Args:
        say: is called at the first Ctrl-C.
        leave: handler of the second Ctrl-C; by default it raises KeyboardInterrupt, as ever.
    """
    stop = False

    def ask_to_stop(*_: object) -> None:
        nonlocal stop
        stop = True
        signal.signal(signal.SIGINT, leave)
        say()

    before = signal.signal(signal.SIGINT, ask_to_stop)
    try:
        yield lambda: stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def nothing_written() -> Iterator[None]:
    """Let Ctrl-C end a command whose files are written at its end, and say that there are none."""
    try:
        yield
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        raise typer.Exit(130) from None
