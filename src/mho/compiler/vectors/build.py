"""What intrinsics are built of: vectors of LLVM, and loads and stores of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mho.compiler.numba_internals import cgutils, ir

LANES = 16
WORD = ir.IntType(32)
VECTOR = ir.VectorType(WORD, LANES)
FLOATS = ir.VectorType(ir.FloatType(), LANES)
MASK = ir.VectorType(ir.IntType(1), LANES)


def pointers(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """How an intrinsic reaches the numbers of its arrays."""

    def pointer(place: int, offset: Any) -> Any:
        start = context.make_array(signature.args[place])(context, builder, arguments[place]).data
        return builder.gep(start, [offset])

    return pointer


def masked_load(builder: Any, start: Any, mask: Any, instead: Any) -> Any:
    """A vector from memory; what is masked out is not read."""
    kind = instead.type
    load = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(kind, [kind.as_pointer(), WORD, mask.type, kind]),
        f"llvm.masked.load.{_mangled(kind)}.p0",
    )
    return builder.call(load, [builder.bitcast(start, kind.as_pointer()), WORD(4), mask, instead])


def masked_store(builder: Any, value: Any, start: Any, mask: Any) -> None:
    """A vector to memory; what is masked out is not written."""
    kind = value.type
    store = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(ir.VoidType(), [kind, kind.as_pointer(), WORD, mask.type]),
        f"llvm.masked.store.{_mangled(kind)}.p0",
    )
    builder.call(store, [value, builder.bitcast(start, kind.as_pointer()), WORD(4), mask])


def _mangled(kind: Any) -> str:
    """A vector type in the name of an intrinsic."""
    return f"v{kind.count}{'f32' if kind.element == ir.FloatType() else 'i32'}"


def splat(builder: Any, value: Any, lanes: int = LANES) -> Any:
    """A vector of one value."""
    kind = ir.VectorType(WORD, lanes)
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(WORD, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(kind, [0] * lanes))


def constant(word: int) -> Any:
    """A vector of one number."""
    return ir.Constant(VECTOR, [word] * LANES)


def shuffled(builder: Any, a: Any, b: Any, places: Sequence[int]) -> Any:
    """The lanes of two vectors, counted one behind the other, at these places."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(WORD, len(places)), list(places)))
