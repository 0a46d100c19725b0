"""Rows of memory in vectors, whatever their length: LLVM leaves short ones, and unrolled loops, to scalar code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mho.compiler.numba_internals import cgutils, intrinsic, ir, types
from mho.compiler.vectors.build import LANES, VECTOR, WORD, masked_load, pointers, shuffled, splat

SQUARE = 8
EIGHT = ir.VectorType(ir.FloatType(), SQUARE)


@intrinsic
def largest_word(typingctx: Any, words: Any, at: Any, size: Any) -> Any:
    """Return the largest of words[at : at + size] without their highest bits, uint32; 0 if the size is 0.

    Of float32 numbers seen as words this is the largest magnitude. LLVM leaves short rows to scalar code.

    Args:
        typingctx: Numba's, unused.
        words: flat uint32; nothing behind the row is read.
        at: first word.
        size: how many words.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = pointers(context, builder, signature, arguments)
        at, size = arguments[1:]
        zero, numbers = ir.Constant(VECTOR, [0] * LANES), ir.Constant(VECTOR, list(range(LANES)))
        limit, magnitude = splat(builder, builder.trunc(size, WORD)), ir.Constant(VECTOR, [0x7FFFFFFF] * LANES)
        top = cgutils.alloca_once_value(builder, zero)
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (offset, _):
            place = builder.add(numbers, splat(builder, builder.trunc(offset, WORD)))
            inside = builder.icmp_unsigned("<", place, limit)
            word = masked_load(builder, pointer(0, builder.add(at, offset)), inside, zero)
            word, before = builder.and_(word, magnitude), builder.load(top)
            builder.store(builder.select(builder.icmp_unsigned(">", word, before), word, before), top)
        reduce = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(WORD, [VECTOR]), f"llvm.vector.reduce.umax.v{LANES}i32"
        )
        return builder.call(reduce, [builder.load(top)])

    return types.uint32(words, types.intp, types.intp), codegen


@intrinsic
def transpose_gathered(
    typingctx: Any, out: Any, to: Any, out_step: Any, rows: Any, source: Any, places: Any, first: Any, base: Any
) -> Any:
    """Transpose a square: out[to + t·out_step + k] = source[places[first + k] + base + t] for k < SQUARE and t < rows.

    Args:
        typingctx: Numba's, unused.
        out: takes the square, flat float32.
        to: where in `out` it begins.
        out_step: from a line of `out` to the next.
        rows: lines that are written, 1 to SQUARE.
        source: flat float32; SQUARE numbers are read from each place.
        places: flat int64.
        first: the first of SQUARE places.
        base: added to each place.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = pointers(context, builder, signature, arguments)
        to, out_step, rows, first, base = (arguments[place] for place in (1, 2, 3, 6, 7))
        lines = []
        for k in range(SQUARE):
            place = builder.load(pointer(5, builder.add(first, first.type(k))))
            lines.append(_load_eight(builder, pointer(4, builder.add(place, base))))
        last = builder.sub(rows, rows.type(1))
        transposed = _transposed(builder, lines)
        for t in reversed(range(SQUARE)):  # lines that are too many are written where the last one comes behind them
            line = builder.select(builder.icmp_signed("<", rows.type(t), rows), rows.type(t), last)
            _store_eight(builder, transposed[t], pointer(0, builder.add(to, builder.mul(out_step, line))))
        return context.get_dummy_value()

    index = types.intp
    return types.void(out, index, index, index, source, places, index, index), codegen


@intrinsic
def transpose_spread(
    typingctx: Any, out: Any, to: Any, out_step: Any, source: Any, at: Any, step: Any, rows: Any
) -> Any:
    """Transpose a square: out[to + k·out_step + t] = source[at + t·step + k] for k, t < SQUARE; 0 from t = rows on.

    Args:
        typingctx: Numba's, unused.
        out: takes the square, flat float32.
        to: where in `out` it begins.
        out_step: from a line of `out` to the next.
        source: flat float32; SQUARE numbers are read of each line.
        at: where in `source` the first line begins.
        step: from a line of `source` to the next.
        rows: lines that are read, 1 to SQUARE.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = pointers(context, builder, signature, arguments)
        to, out_step, at, step, rows = (arguments[place] for place in (1, 2, 4, 5, 6))
        last = builder.sub(rows, rows.type(1))
        lines = []
        for t in range(SQUARE):
            line = builder.select(builder.icmp_signed("<", rows.type(t), rows), rows.type(t), last)
            lines.append(_load_eight(builder, pointer(3, builder.add(at, builder.mul(step, line)))))
        numbers = ir.Constant(ir.VectorType(WORD, SQUARE), list(range(SQUARE)))
        inside = builder.icmp_signed("<", numbers, splat(builder, builder.trunc(rows, WORD), SQUARE))
        zeros = ir.Constant(EIGHT, [0.0] * SQUARE)
        for k, line in enumerate(_transposed(builder, lines)):
            start = pointer(0, builder.add(to, builder.mul(out_step, out_step.type(k))))
            _store_eight(builder, builder.select(inside, line, zeros), start)
        return context.get_dummy_value()

    index = types.intp
    return types.void(out, index, index, source, index, index, index), codegen


@intrinsic
def add_lines(typingctx: Any, out: Any, to: Any, size: Any, source: Any, at: Any, step: Any, count: Any) -> Any:
    """Add lines: out[to + i] += source[at + i + m·step] for m = 0, 1, ..., count - 1 in this order, and i < size.

    Sums stay in registers: a load that meets two stores before it would wait for both.

    Args:
        typingctx: Numba's, unused.
        out: takes the sums, flat float32.
        to: where in `out` the line begins.
        size: numbers of a line, a multiple of SQUARE.
        source: flat float32.
        at: where in `source` the first line begins.
        step: from a line of `source` to the next.
        count: how many lines.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = pointers(context, builder, signature, arguments)
        to, size, at, step, count = (arguments[place] for place in (1, 2, 4, 5, 6))
        sums = cgutils.alloca_once(builder, EIGHT)
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(SQUARE), size.type) as (offset, _):
            target, start = pointer(0, builder.add(to, offset)), builder.add(at, offset)
            builder.store(_load_eight(builder, target), sums)
            with cgutils.for_range(builder, count) as loop:
                place = builder.add(start, builder.mul(loop.index, step))
                builder.store(builder.fadd(builder.load(sums), _load_eight(builder, pointer(3, place))), sums)
            _store_eight(builder, builder.load(sums), target)
        return context.get_dummy_value()

    index = types.intp
    return types.void(out, index, index, source, index, index, index), codegen


def _load_eight(builder: Any, start: Any) -> Any:
    return builder.load(builder.bitcast(start, EIGHT.as_pointer()), align=4)


def _store_eight(builder: Any, value: Any, start: Any) -> None:
    builder.store(value, builder.bitcast(start, EIGHT.as_pointer()), align=4)


def _transposed(builder: Any, lines: Sequence[Any]) -> list[Any]:
    """Return the transpose of a square of vectors: as many vectors as each has lanes."""
    count, lines = len(lines), list(lines)
    for width in (1 << place for place in range(count.bit_length() - 1)):
        transposed = list(lines)  # squares of this width change places across the diagonal
        for i in (i for i in range(count) if not i & width):
            upper = [j if not j & width else count + j - width for j in range(count)]
            lower = [j + width if not j & width else count + j for j in range(count)]
            transposed[i] = shuffled(builder, lines[i], lines[i + width], upper)
            transposed[i + width] = shuffled(builder, lines[i], lines[i + width], lower)
        lines = transposed
    return lines
