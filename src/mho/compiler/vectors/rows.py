"""Rows of memory in vectors, whatever their length: LLVM leaves short ones, and unrolled loops, to scalar code."""

from __future__ import annotations

from typing import Any

from mho.compiler.numba_internals import cgutils, intrinsic, ir, types
from mho.compiler.vectors.build import (
    FLOATS,
    LANES,
    MASK,
    VECTOR,
    WORD,
    masked_load,
    masked_store,
    pointers,
    shuffled,
    splat,
)

RUN = 8


@intrinsic
def largest_word(typingctx: Any, words: Any, at: Any, size: Any) -> Any:
    """Largest of words[at : at + size] without their highest bits; LLVM leaves short rows to scalar code."""

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
def copy_run(typingctx: Any, out: Any, to: Any, size: Any, source: Any, at: Any, low: Any, high: Any) -> Any:
    """out[to + l] = source[at + l] where low <= l < high, else 0, for the first `size` of RUN lanes.

    What is masked out is neither read nor written, so it may lie outside the arrays.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = pointers(context, builder, signature, arguments)
        size, low, high = (builder.trunc(arguments[place], WORD) for place in (2, 5, 6))
        numbers = ir.Constant(ir.VectorType(WORD, RUN), list(range(RUN)))
        zeros = ir.Constant(ir.VectorType(ir.FloatType(), RUN), [0.0] * RUN)
        inside = builder.and_(
            builder.icmp_signed(">=", numbers, splat(builder, low, RUN)),
            builder.icmp_signed("<", numbers, splat(builder, high, RUN)),
        )
        read = masked_load(builder, pointer(3, arguments[4]), inside, zeros)
        masked_store(
            builder, read, pointer(0, arguments[1]), builder.icmp_signed("<", numbers, splat(builder, size, RUN))
        )
        return context.get_dummy_value()

    index = types.intp
    return types.void(out, index, index, source, index, index, index), codegen


@intrinsic
def add_runs(
    typingctx: Any, out: Any, to: Any, inside: Any, source: Any, at: Any, step: Any, shift: Any, stride: Any, size: Any,
    count: Any,
) -> Any:  # fmt: skip
    """Add `count` runs of `size` numbers, one after another, to the first `inside` of LANES at out[to].

    Run k begins at source[at + k·step] and at lane k·stride - shift; lanes outside are left out.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = pointers(context, builder, signature, arguments)
        to, inside, at, step, shift, stride, size, count = (arguments[place] for place in (1, 2, 4, 5, 6, 7, 8, 9))
        numbers = ir.Constant(VECTOR, list(range(LANES)))
        zeros = ir.Constant(FLOATS, [0.0] * LANES)
        written = builder.icmp_signed("<", numbers, splat(builder, builder.trunc(inside, WORD)))
        limit = splat(builder, builder.trunc(size, WORD))
        sums = cgutils.alloca_once_value(builder, masked_load(builder, pointer(0, to), written, zeros))
        with cgutils.for_range(builder, count) as loop:
            lag = builder.sub(shift, builder.mul(loop.index, stride))
            place = builder.add(numbers, splat(builder, builder.trunc(lag, WORD)))
            start = builder.add(builder.add(at, builder.mul(loop.index, step)), lag)
            own = builder.icmp_unsigned("<", place, limit)
            more = masked_load(builder, pointer(3, start), own, zeros)
            builder.store(builder.fadd(builder.load(sums), more), sums)
        masked_store(builder, builder.load(sums), pointer(0, to), written)
        return context.get_dummy_value()

    index = types.intp
    return types.void(out, index, index, source, index, index, index, index, index, index), codegen


@intrinsic
def turn(
    typingctx: Any, out: Any, to: Any, out_step: Any, written: Any, source: Any, at: Any, step: Any, rows: Any,
    columns: Any,
) -> Any:  # fmt: skip
    """out[to + j·out_step + i] = source[at + i·step + j] for i < rows and j < columns, at most LANES each.

    i runs up to `written`, at most LANES, with zeros from `rows` on.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = pointers(context, builder, signature, arguments)
        to, out_step, written, at, step, rows, columns = (arguments[place] for place in (1, 2, 3, 5, 6, 7, 8))
        numbers, zeros = ir.Constant(VECTOR, list(range(LANES))), ir.Constant(FLOATS, [0.0] * LANES)
        inside = builder.icmp_signed("<", numbers, splat(builder, builder.trunc(columns, WORD)))
        nowhere = ir.Constant(MASK, [0] * LANES)
        lines = []
        for i in range(LANES):
            mask = builder.select(builder.icmp_signed("<", rows.type(i), rows), inside, nowhere)
            start = builder.add(at, builder.mul(step, rows.type(i)))
            lines.append(masked_load(builder, pointer(4, start), mask, zeros))
        for width in (1, 2, 4, 8):  # squares of this width change places across the diagonal
            turned = list(lines)
            for i in (i for i in range(LANES) if not i & width):
                upper = [j if not j & width else LANES + j - width for j in range(LANES)]
                lower = [j + width if not j & width else LANES + j for j in range(LANES)]
                turned[i] = shuffled(builder, lines[i], lines[i + width], upper)
                turned[i + width] = shuffled(builder, lines[i], lines[i + width], lower)
            lines = turned
        kept = builder.icmp_signed("<", numbers, splat(builder, builder.trunc(written, WORD)))
        for j in range(LANES):
            mask = builder.select(builder.icmp_signed("<", columns.type(j), columns), kept, nowhere)
            start = builder.add(to, builder.mul(out_step, columns.type(j)))
            masked_store(builder, lines[j], pointer(0, start), mask)
        return context.get_dummy_value()

    index = types.intp
    return types.void(out, index, index, index, source, index, index, index, index), codegen


@intrinsic
def rows_by_tile(typingctx: Any, out: Any, to: Any, weights: Any, rows: Any, columns: Any, tile: Any) -> Any:
    """out[to + k·64 + t] = Σ_j weights[rows[k] + j] · tile[j·64 + t], for four rows and the 64 vectors of a tile.

    Sums stay in registers, sixteen of them: 25 to 19 µs for 32×401. Term by term in index order, each product added
    with one rounding.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = pointers(context, builder, signature, arguments)
        to, columns = arguments[1], arguments[4]
        starts = [builder.extract_value(arguments[3], k) for k in range(4)]
        zeros = ir.Constant(FLOATS, [0.0] * LANES)
        sums = [[cgutils.alloca_once_value(builder, zeros) for _ in range(4)] for _ in range(4)]
        undefined, first = ir.Constant(FLOATS, ir.Undefined), ir.Constant(VECTOR, [0] * LANES)
        # llvmlite's own fma takes scalars only
        kind = ir.FunctionType(FLOATS, [FLOATS] * 3)
        fused = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")
        with cgutils.for_range(builder, columns) as loop:
            term = builder.shl(loop.index, loop.index.type(6))
            places = [pointer(5, builder.add(term, term.type(LANES * group))) for group in range(4)]
            values = [builder.load(builder.bitcast(place, FLOATS.as_pointer()), align=4) for place in places]
            for start, line in zip(starts, sums, strict=True):
                weight = builder.load(pointer(2, builder.add(start, loop.index)), align=4)
                weight = builder.shuffle_vector(builder.insert_element(undefined, weight, WORD(0)), undefined, first)
                for value, total in zip(values, line, strict=True):
                    builder.store(builder.call(fused, [weight, value, builder.load(total)]), total)
        for k, line in enumerate(sums):
            for group, total in enumerate(line):
                start = pointer(0, builder.add(to, to.type(64 * k + LANES * group)))
                builder.store(builder.load(total), builder.bitcast(start, FLOATS.as_pointer()), align=4)
        return context.get_dummy_value()

    index = types.intp
    return types.void(out, index, weights, types.UniTuple(index, 4), index, tile), codegen
