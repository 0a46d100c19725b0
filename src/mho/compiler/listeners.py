"""Functions that are called before a kernel is compiled; apart from the compiler, which takes a second to import."""

from __future__ import annotations

from collections.abc import Callable

on_compile: list[Callable[[str], None]] = []
"""Called with a line of text before a kernel is compiled, which happens once on a machine."""
