"""Building blocks of intrinsics: LLVM's vectors, and loads and stores of them."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from mho.compiler.numba_internals import cgutils, has_avx512, ir

LANES = 16
WORD = ir.IntType(32)
VECTOR = ir.VectorType(WORD, LANES)
FLOATS = ir.VectorType(ir.FloatType(), LANES)
HALF = ir.VectorType(WORD, LANES // 2)
MASK = ir.VectorType(ir.IntType(1), LANES)


def pointers(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Return a function that gives the pointer to a number of an array argument of an intrinsic.

    Args:
        context: Numba's target context.
        builder: llvmlite's IRBuilder, at the place where code is written.
        signature: types of the intrinsic's arguments.
        arguments: LLVM's values of the arguments.

    Returns:
        A function of the place of an argument, from 0, and of an offset in numbers (an LLVM integer), which is
            unchecked.
    """

    def pointer(place: int, offset: Any) -> Any:
        start = context.make_array(signature.args[place])(context, builder, arguments[place]).data
        return builder.gep(start, [offset])

    return pointer


def fields(context: Any, builder: Any, kind: Any, value: Any, **numbers: Any) -> SimpleNamespace:
    """Return the fields of a record that an intrinsic is given, as attributes of the same names.

    Args:
        context: Numba's target context.
        builder: llvmlite's IRBuilder, at the place where code is written.
        kind: Numba's type of the record, a named tuple.
        value: LLVM's value of the record.
        numbers: Numba's type to which a field that is a number is converted, by the field's name.

    Returns:
        LLVM's values of the numbers, and for each other field, which is an array, the pointer to its first number.
    """
    found = SimpleNamespace()
    for name, own, part in zip(kind.fields, kind.types, cgutils.unpack_tuple(builder, value), strict=True):
        if name in numbers:
            setattr(found, name, context.cast(builder, part, own, numbers[name]))
        else:
            setattr(found, name, context.make_array(own)(context, builder, part).data)
    return found


def masked_load(builder: Any, start: Any, mask: Any, instead: Any) -> Any:
    """Load a vector from memory; lanes that are masked out are not read, and get those of `instead`.

    Args:
        builder: llvmlite's IRBuilder, at the place where code is written.
        start: pointer to the first lane, aligned to 4 bytes.
        mask: vector of bits, one per lane; 1 reads the lane.
        instead: vector of as many float32 or 32-bit words, whose type the result has.
    """
    kind = instead.type
    load = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(kind, [kind.as_pointer(), WORD, mask.type, kind]),
        f"llvm.masked.load.{_mangled(kind)}.p0",
    )
    return builder.call(load, [builder.bitcast(start, kind.as_pointer()), WORD(4), mask, instead])


def _mangled(kind: Any) -> str:
    """Return how a vector type is written in the name of an intrinsic."""
    return f"v{kind.count}{'f32' if kind.element == ir.FloatType() else 'i32'}"


def splat(builder: Any, value: Any, lanes: int = LANES) -> Any:
    """Return a vector with one value in all lanes.

    Args:
        builder: llvmlite's IRBuilder, at the place where code is written.
        value: a 32-bit word.
        lanes: how many, at least 1.
    """
    kind = ir.VectorType(WORD, lanes)
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(WORD, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(kind, [0] * lanes))


def constant(word: int) -> Any:
    """Return a constant vector with one number in all lanes."""
    return ir.Constant(VECTOR, [word] * LANES)


def chosen(builder: Any, mask: Any, kind: Any) -> Any:
    """Return the number of lanes that a mask chooses.

    Args:
        builder: llvmlite's IRBuilder, at the place where code is written.
        mask: vector of bits, one per lane.
        kind: LLVM's integer type of the number, wider than the mask has lanes.
    """
    return builder.zext(builder.ctpop(builder.bitcast(mask, ir.IntType(mask.type.count))), kind)


def pack(builder: Any, mask: Any, columns: Sequence[tuple[Any, Any]]) -> Any:
    """Store the chosen lanes of vectors of words side by side, each vector from its own pointer on; return how many.

    What follows in memory is overwritten, up to LANES words from each pointer. AVX-512 has an instruction for it; with
    AVX2 each half is permuted by a table of all its masks.

    Args:
        builder: llvmlite's IRBuilder, at the place where code is written.
        mask: vector of LANES bits; 1 keeps the lane.
        columns: pairs of a vector of LANES words and the pointer from which it is stored, aligned to 4 bytes.
    """
    count = chosen(builder, mask, ir.IntType(64))
    if has_avx512():
        kind = ir.FunctionType(VECTOR, [VECTOR, VECTOR, MASK])
        bring = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.avx512.mask.compress.v{LANES}i32")
        for value, start in columns:
            packed = builder.call(bring, [value, constant(0), mask])
            builder.store(packed, builder.bitcast(start, VECTOR.as_pointer()), align=4)
        return count
    permute = cgutils.get_or_insert_function(builder.module, ir.FunctionType(HALF, [HALF, HALF]), "llvm.x86.avx2.permd")
    halves = [ir.Constant(ir.VectorType(WORD, LANES // 2), list(range(first, first + 8))) for first in (0, 8)]
    done = ir.IntType(64)(0)
    for places in halves:
        own = builder.shuffle_vector(mask, mask, places)
        index = builder.zext(builder.bitcast(own, ir.IntType(8)), ir.IntType(64))
        order = builder.load(builder.gep(_orders(builder.module), [index.type(0), index]))
        order = builder.zext(order, HALF)
        for value, start in columns:
            packed = builder.call(permute, [builder.shuffle_vector(value, value, places), order])
            builder.store(packed, builder.bitcast(builder.gep(start, [done]), HALF.as_pointer()), align=4)
        done = builder.add(done, chosen(builder, own, done.type))
    return count


def _orders(module: Any) -> Any:
    """Return the table of the lanes that each mask of eight chooses, the first of them first."""
    name = "mho.orders"
    if name in module.globals:
        return module.globals[name]
    kind = ir.VectorType(ir.IntType(8), 8)
    rows = [[lane for lane in range(8) if mask >> lane & 1] for mask in range(256)]
    values = [ir.Constant(kind, row + [0] * (8 - len(row))) for row in rows]
    return cgutils.global_constant(module, name, ir.Constant(ir.ArrayType(kind, len(values)), values))


def shuffled(builder: Any, a: Any, b: Any, places: Sequence[int]) -> Any:
    """Return a vector of chosen lanes of two vectors.

    Args:
        builder: llvmlite's IRBuilder, at the place where code is written.
        a: vector of n lanes.
        b: vector of n lanes of the same type.
        places: numbers of the chosen lanes, from 0, the first lane of `a`, to 2n - 1, the last lane of `b`.
    """
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(WORD, len(places)), list(places)))
