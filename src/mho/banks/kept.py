"""What is made from memory once, and dropped when that memory is another."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


def once(kept: dict[Hashable, Any], key: Hashable, make: Callable[[], T]) -> T:
    """Return what is kept under a key, made first if there is nothing; whoever keeps it clears it."""
    if key not in kept:
        kept[key] = make()
    made: T = kept[key]
    return made
