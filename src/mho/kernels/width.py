"""Asks the compiler for the machine's widest vectors."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


@intrinsic
def full_width(typingctx: Any) -> Any:  # type: ignore[no-untyped-def]
    """Let the function that calls this use vectors of 512 bits where the machine has them.

    LLVM prefers 256 bits on such machines, for the sake of code that is not all arithmetic: a normal takes 1.30 ns
    so and 1.05 ns with 512. Results do not depend on the width. Numba has no option for one function.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # the set of llvmlite refuses attributes that it does not know, and prints any that are there
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), codegen
