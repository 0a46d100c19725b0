"""Instructions and attributes that Numba does not offer."""

from __future__ import annotations

from typing import Any

from mho.compiler.numba_internals import intrinsic, types


@intrinsic
def full_width(typingctx: Any) -> Any:
    """Let the function that calls this use vectors of 512 bits where the machine has them.

    LLVM prefers 256 bits on such machines, for the sake of code that is not all arithmetic: a normal takes 1.30 ns
    so and 1.05 ns with 512. Results do not depend on the width. Numba has no option for one function.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # the set of llvmlite refuses attributes that it does not know, and prints any that are there
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a·b + c, rounded once, in one instruction. `mho.kernels.reference.rounding.fused` is the truth.

    Args:
        typingctx: Numba's, unused.
        a: first factor, float32.
        b: second factor, float32.
        c: what is added, float32.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float32(types.float32, types.float32, types.float32), codegen
