"""Rows of memory in vectors, whatever their length: LLVM leaves short ones, and unrolled loops, to scalar code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mho.compiler.numba_internals import cgutils, intrinsic, ir, types
from mho.compiler.vectors.build import LANES, VECTOR, WORD, masked_load, pointers, shuffled, splat

SQUARE = 8
TURNED = 4
"""Numbers of each line that are turned at a time."""
LINE_SQUARES = 2
"""Groups of SQUARE lines whose sums are computed side by side, so that none waits for its own last addition; lines of
more of them, 2 KB apart as in arrays of 512 columns, push one another out of the first-level cache."""
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


@intrinsic
def line_sums(
    typingctx: Any, out: Any, to: Any, weights: Any, at: Any, step: Any, values: Any, terms: Any, squares: Any
) -> Any:
    """Compute out[to + t] = Σ_k weights[at + t·step + k]·values[k] for k < terms and t < SQUARE·squares.

    Terms are added in index order, each product with a single rounding. Lines are turned in registers, so that each
    lane sums a line of its own.

    Args:
        typingctx: Numba's, unused.
        out: takes the sums, flat float32.
        to: where in `out` they begin.
        weights: flat float32.
        at: where in `weights` the first line begins.
        step: from a line of `weights` to the next.
        values: factors, flat float32.
        terms: how many products a sum has, a multiple of TURNED.
        squares: 1 to LINE_SQUARES.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = pointers(context, builder, signature, arguments)
        to, at, step, terms, squares = (arguments[place] for place in (1, 3, 4, 6, 7))
        index = terms.type
        fused = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(EIGHT, [EIGHT] * 3), f"llvm.fma.v{SQUARE}f32"
        )
        for count in range(1, LINE_SQUARES + 1):
            with builder.if_then(builder.icmp_signed("==", squares, squares.type(count))):
                sums = [cgutils.alloca_once_value(builder, ir.Constant(EIGHT, [0.0] * SQUARE)) for _ in range(count)]
                for total in sums:  # `alloca_once_value` stores where the function begins, and this may run again
                    builder.store(ir.Constant(EIGHT, [0.0] * SQUARE), total)
                with cgutils.for_range_slice(builder, index(0), terms, index(TURNED), index) as (term, _):
                    for square, total in enumerate(sums):
                        first = builder.add(at, builder.add(builder.mul(step, index(SQUARE * square)), term))
                        starts = [pointer(2, builder.add(first, builder.mul(step, index(t)))) for t in range(SQUARE)]
                        for k, line in enumerate(_turned(builder, starts)):
                            value = builder.load(pointer(5, builder.add(term, index(k))), align=4)
                            own = splat(builder, builder.bitcast(value, WORD), SQUARE)
                            factor = builder.bitcast(own, EIGHT)
                            builder.store(builder.call(fused, [line, factor, builder.load(total)]), total)
                for square, total in enumerate(sums):
                    _store_eight(builder, builder.load(total), pointer(0, builder.add(to, index(SQUARE * square))))
        return context.get_dummy_value()

    index = types.intp
    return types.void(out, index, weights, index, index, values, index, index), codegen


def _load_eight(builder: Any, start: Any) -> Any:
    return builder.load(builder.bitcast(start, EIGHT.as_pointer()), align=4)


def _store_eight(builder: Any, value: Any, start: Any) -> None:
    builder.store(value, builder.bitcast(start, EIGHT.as_pointer()), align=4)


def _turned(builder: Any, starts: Sequence[Any]) -> list[Any]:
    """Return TURNED numbers from each of SQUARE places as TURNED vectors, of a number from each place.

    It takes few registers, and no number crosses the halves of a vector but as it is loaded.
    """
    four = ir.VectorType(ir.FloatType(), TURNED)
    each = [builder.load(builder.bitcast(start, four.as_pointer()), align=4) for start in starts]
    pairs = [shuffled(builder, each[t], each[t + TURNED], list(range(SQUARE))) for t in range(TURNED)]
    low, high = [0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15]
    mixed = [shuffled(builder, pairs[t], pairs[t + 1], lanes) for lanes in (low, high) for t in (0, 2)]
    low, high = [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]
    return [shuffled(builder, mixed[t], mixed[t + 1], lanes) for t in (0, 2) for lanes in (low, high)]


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
