"""What torch.compile leaves as it is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")


def outside_graphs(function: Callable[P, T]) -> Callable[P, T]:
    """Let graphs of torch.compile end at a function, such as a cycle of an array, which then runs as it stands."""

    @functools.wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> T:
        if torch.compiler.is_compiling():
            # here, and not around the function, which would import the compiler at every start: 1.5 s
            apart: Any = torch.compiler.disable(function)
            return apart(*args, **options)  # type: ignore[no-any-return]
        return function(*args, **options)

    return call
