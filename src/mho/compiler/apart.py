"""Intrinsics for kernels outside `kernels/cpu`: a change here compiles no kernel of arrays anew."""

from __future__ import annotations

from typing import Any

from mho.compiler.numba_internals import intrinsic, types


@intrinsic
def fused(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a·b + c in float64, rounded once: half the work of two operations, and the same bits on every machine."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), codegen


@intrinsic
def stay_apart(typingctx: Any) -> Any:
    """Keep LLVM from inlining the helper that calls this; for large helpers, which take long to compile inlined."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen
