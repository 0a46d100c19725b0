"""What Numba does not offer of a machine's vectors: their full width, and packing of chosen lanes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import llvmlite.ir as ir
from llvmlite import binding
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic

from mho.random import COUNTERS_A_LINE, MIX_FACTORS, MIX_SHIFTS, PROBABILITY_SCALE

LANES = 16
RUN = 8
WORD = ir.IntType(32)
VECTOR = ir.VectorType(WORD, LANES)
BYTE = ir.IntType(8)
FLOATS = ir.VectorType(ir.FloatType(), LANES)
MASK = ir.VectorType(ir.IntType(1), LANES)


def available() -> bool:
    """Whether the machine, as Numba was told to see it, has AVX-512."""
    told: str | None = getattr(config, "CPU_FEATURES")  # noqa: B009  (set while Numba is imported)
    return "+avx512f" in told.split(",") if told is not None else bool(binding.get_host_cpu_features().get("avx512f"))


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
    """a·b + c, rounded once: half the work of two operations. `mho.kernels.reference.read.fused` is its truth."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float32(types.float32, types.float32, types.float32), codegen


@intrinsic
def compress(
    typingctx: Any,
    out: Any,
    line_to: Any,
    word_to: Any,
    lines: Any,
    line_at: Any,
    words: Any,
    word_at: Any,
    size: Any,
    test: Any,
    keep: Any,
    base: Any,
    flip: Any,
) -> Any:
    """As `mho.kernels.cpu.lists.append`, in AVX-512; LLVM makes no such loop by itself.

    Looks at whole vectors of words, and writes as many.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def pointer(place: int, *offsets: Any) -> Any:
            start = context.make_array(signature.args[place])(context, builder, arguments[place]).data
            for offset in offsets:
                start = builder.gep(start, [offset])
            return builder.bitcast(start, VECTOR.as_pointer())

        line_to, word_to, line_at, word_at, size = (arguments[place] for place in (1, 2, 4, 6, 7))
        test, keep, base, flip = (_splat(builder, value) for value in arguments[8:])
        zero, numbers = ir.Constant(VECTOR, [0] * LANES), ir.Constant(VECTOR, list(range(LANES)))
        limit = _splat(builder, builder.trunc(size, WORD))
        pack = _packer(builder)
        total = cgutils.alloca_once_value(builder, size.type(0))
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (offset, _):
            word = builder.load(pointer(5, word_at, offset), align=4)
            line = builder.load(pointer(3, line_at, offset), align=4)
            place = builder.add(numbers, _splat(builder, builder.trunc(offset, WORD)))
            inside = builder.icmp_unsigned("<", place, limit)
            found = builder.and_(builder.icmp_unsigned("!=", builder.and_(word, test), zero), inside)
            here = builder.load(total)
            cell = builder.xor(builder.add(line, base), flip)
            builder.store(builder.call(pack, [cell, zero, found]), pointer(0, line_to, here), align=4)
            kept = builder.and_(word, keep)
            builder.store(builder.call(pack, [kept, zero, found]), pointer(0, word_to, here), align=4)
            builder.store(builder.add(here, _count(builder, found, here.type)), total)
        return builder.load(total)

    index, word = types.intp, types.uint32
    return index(out, index, index, lines, index, words, index, index, word, word, word, word), codegen


@intrinsic
def list_lines(
    typingctx: Any, out: Any, found: Any, room: Any, drive: Any, at: Any, size: Any, gain: Any, key_0: Any, key_1: Any,
    line: Any, vector: Any,
) -> Any:  # fmt: skip
    """As `mho.kernels.cpu.lists.list_driven`, in AVX-512: what is the same for all lines is written in full vectors."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointers(context, builder, signature, arguments)
        first, room, at, size, line = (arguments[place] for place in (1, 2, 4, 5, 9))
        gain, key_0, key_1, vector = (_splat(builder, arguments[place]) for place in (6, 7, 8, 10))
        zero, numbers = ir.Constant(VECTOR, [0] * LANES), ir.Constant(VECTOR, list(range(LANES)))
        magnitude, sign = (ir.Constant(VECTOR, [word] * LANES) for word in (0x7FFFFFFF, 0x80000000))
        limit, start = _splat(builder, builder.trunc(size, WORD)), _splat(builder, builder.trunc(line, WORD))
        pack = _packer(builder)
        total = cgutils.alloca_once_value(builder, first)
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (offset, _):
            place = builder.add(numbers, _splat(builder, builder.trunc(offset, WORD)))
            inside = builder.icmp_unsigned("<", place, limit)
            word = _masked_load(builder, pointer(3, builder.add(at, offset)), inside, zero)
            driven = builder.icmp_unsigned("!=", builder.and_(word, magnitude), zero)
            number = builder.add(start, place)
            probability = builder.fmul(builder.bitcast(word, FLOATS), builder.bitcast(gain, FLOATS))
            counter = builder.add(builder.shl(number, _constant(int(COUNTERS_A_LINE).bit_length() - 1)), key_0)
            here = builder.load(total)
            columns = (
                builder.call(pack, [builder.or_(number, builder.and_(word, sign)), zero, driven]),
                builder.call(pack, [builder.bitcast(probability, VECTOR), zero, driven]),
                builder.call(pack, [counter, zero, driven]),
                key_1,
                vector,
            )
            to = here
            for column in columns:
                builder.store(column, builder.bitcast(pointer(0, to), VECTOR.as_pointer()), align=4)
                to = builder.add(to, room)
            builder.store(builder.add(here, _count(builder, driven, here.type)), total)
        return builder.load(total)

    index, word = types.intp, types.uint32
    return index(out, index, index, drive, index, index, word, word, word, index, word), codegen


@intrinsic
def pack_three(
    typingctx: Any, out: Any, line_to: Any, word_to: Any, owners: Any, owner_to: Any, work: Any, lines: Any, words: Any,
    vectors: Any, size: Any,
) -> Any:  # fmt: skip
    """As `mho.kernels.cpu.lists.pack_trains`, in AVX-512. Looks at whole vectors of words, and writes as many."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointers(context, builder, signature, arguments)
        line_to, word_to, owner_to, lines, words, vectors, size = (arguments[place] for place in (1, 2, 4, 6, 7, 8, 9))
        zero = ir.Constant(VECTOR, [0] * LANES)
        pack = _packer(builder)
        total = cgutils.alloca_once_value(builder, size.type(0))
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (offset, _):

            def load(column: Any, offset: Any = offset) -> Any:
                start = builder.bitcast(pointer(5, builder.add(column, offset)), VECTOR.as_pointer())
                return builder.load(start, align=4)

            word = load(words)
            pulsing = builder.icmp_unsigned("!=", word, zero)
            here = builder.load(total)
            for place, to, column in ((0, line_to, load(lines)), (0, word_to, word), (3, owner_to, load(vectors))):
                target = builder.bitcast(pointer(place, builder.add(to, here)), VECTOR.as_pointer())
                builder.store(builder.call(pack, [column, zero, pulsing]), target, align=4)
            builder.store(builder.add(here, _count(builder, pulsing, here.type)), total)
        return builder.load(total)

    index = types.intp
    return index(out, index, index, owners, index, work, index, index, index, index), codegen


@intrinsic
def draw_lines(
    typingctx: Any, out: Any, line_to: Any, word_to: Any, drive: Any, at: Any, size: Any, gain: Any, key_0: Any,
    key_1: Any, line: Any,
) -> Any:  # fmt: skip
    """As `mho.kernels.cpu.lists.draw_single`, in AVX-512: nothing is written but the lines that pulse."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointers(context, builder, signature, arguments)
        line_to, word_to, at, size, line = (arguments[place] for place in (1, 2, 4, 5, 9))
        gain, key_0, key_1 = (_splat(builder, arguments[place]) for place in (6, 7, 8))
        zero, numbers = ir.Constant(VECTOR, [0] * LANES), ir.Constant(VECTOR, list(range(LANES)))
        magnitude, sign, one = (_constant(word) for word in (0x7FFFFFFF, 0x80000000, 1))
        whole, scale = ir.Constant(FLOATS, [1.0] * LANES), ir.Constant(FLOATS, [float(PROBABILITY_SCALE)] * LANES)
        limit, start = _splat(builder, builder.trunc(size, WORD)), _splat(builder, builder.trunc(line, WORD))
        rint = cgutils.get_or_insert_function(builder.module, ir.FunctionType(FLOATS, [FLOATS]), "llvm.rint.v16f32")
        pack = _packer(builder)
        total = cgutils.alloca_once_value(builder, size.type(0))
        saturated = cgutils.alloca_once_value(builder, size.type(0))
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (offset, _):
            place = builder.add(numbers, _splat(builder, builder.trunc(offset, WORD)))
            inside = builder.icmp_unsigned("<", place, limit)
            word = _masked_load(builder, pointer(3, builder.add(at, offset)), inside, zero)
            drive = builder.bitcast(builder.and_(word, magnitude), FLOATS)
            probability = builder.fmul(builder.bitcast(gain, FLOATS), drive)
            above = builder.fcmp_ordered(">", probability, whole)
            builder.store(builder.add(builder.load(saturated), _count(builder, above, size.type)), saturated)
            capped = builder.fmul(builder.select(above, whole, probability), scale)
            threshold = builder.fptoui(builder.call(rint, [capped]), VECTOR)
            number = builder.add(start, place)
            counter = builder.add(builder.shl(number, _constant(int(COUNTERS_A_LINE).bit_length() - 1)), key_0)
            drawn = builder.lshr(_mixed(builder, counter, key_1), one)
            pulsing = builder.icmp_unsigned("<", drawn, threshold)
            here = builder.load(total)
            signed = builder.or_(number, builder.and_(word, sign))
            target = builder.bitcast(pointer(0, builder.add(line_to, here)), VECTOR.as_pointer())
            builder.store(builder.call(pack, [signed, zero, pulsing]), target, align=4)
            target = builder.bitcast(pointer(0, builder.add(word_to, here)), VECTOR.as_pointer())
            builder.store(one, target, align=4)
            builder.store(builder.add(here, _count(builder, pulsing, here.type)), total)
        return cgutils.pack_array(builder, [builder.load(total), builder.load(saturated)])

    index, word = types.intp, types.uint32
    return types.UniTuple(index, 2)(out, index, index, drive, index, index, word, word, word, index), codegen


@intrinsic
def largest_word(typingctx: Any, words: Any, at: Any, size: Any) -> Any:
    """Largest of words[at : at + size] without their highest bits; LLVM leaves short rows to scalar code."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointers(context, builder, signature, arguments)
        at, size = arguments[1:]
        zero, numbers = ir.Constant(VECTOR, [0] * LANES), ir.Constant(VECTOR, list(range(LANES)))
        limit, magnitude = _splat(builder, builder.trunc(size, WORD)), ir.Constant(VECTOR, [0x7FFFFFFF] * LANES)
        top = cgutils.alloca_once_value(builder, zero)
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (offset, _):
            place = builder.add(numbers, _splat(builder, builder.trunc(offset, WORD)))
            inside = builder.icmp_unsigned("<", place, limit)
            word = _masked_load(builder, pointer(0, builder.add(at, offset)), inside, zero)
            word, before = builder.and_(word, magnitude), builder.load(top)
            builder.store(builder.select(builder.icmp_unsigned(">", word, before), word, before), top)
        reduce = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(WORD, [VECTOR]), f"llvm.vector.reduce.umax.v{LANES}i32"
        )
        return builder.call(reduce, [builder.load(top)])

    return types.uint32(words, types.intp, types.intp), codegen


def _mixed(builder: Any, counter: Any, key_1: Any) -> Any:
    """`mho.random.mix` of counters to which the first key has been added."""
    h = counter
    for round_, (shift, factor) in enumerate(zip(MIX_SHIFTS, (*MIX_FACTORS, 0), strict=True)):
        h = builder.xor(h, builder.lshr(h, _constant(shift)))
        if round_ == 1:
            h = builder.add(h, key_1)
        h = builder.mul(h, _constant(factor)) if factor else h
    return h


def _constant(word: int) -> Any:
    return ir.Constant(VECTOR, [word] * LANES)


def _packer(builder: Any) -> Any:
    """AVX-512's instruction that brings chosen lanes to the front."""
    return cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(VECTOR, [VECTOR, VECTOR, MASK]), "llvm.x86.avx512.mask.compress.v16i32"
    )


def _count(builder: Any, mask: Any, kind: Any) -> Any:
    """Number of chosen lanes."""
    return builder.zext(builder.ctpop(builder.bitcast(mask, ir.IntType(LANES))), kind)


@intrinsic
def gather(typingctx: Any, out: Any, to: Any, source: Any, base: Any, step: Any, cells: Any, size: Any) -> Any:
    """As `mho.kernels.cpu.lists.take`, in AVX-512. Looks at whole vectors of cells."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def pointer(place: int, offset: Any, kind: Any) -> Any:
            start = context.make_array(signature.args[place])(context, builder, arguments[place]).data
            return builder.bitcast(builder.gep(start, [offset]), kind.as_pointer())

        to, base, step, size = (arguments[place] for place in (1, 3, 4, 6))
        first = pointer(2, base, BYTE)
        stride = _splat(builder, builder.trunc(step, WORD))
        index = _splat(builder, WORD(0x7FFFFFFF))
        fetch = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(FLOATS, [FLOATS, BYTE.as_pointer(), VECTOR, MASK, WORD]),
            "llvm.x86.avx512.mask.gather.dps.512",
        )
        every = ir.Constant(MASK, [1] * LANES)
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (offset, _):
            cell = builder.load(pointer(5, offset, VECTOR), align=4)
            place = builder.mul(builder.and_(cell, index), stride)
            taken = builder.call(fetch, [ir.Constant(FLOATS, ir.Undefined), first, place, every, WORD(4)])
            builder.store(taken, pointer(0, builder.add(to, offset), FLOATS), align=4)
        return context.get_dummy_value()

    index = types.intp
    return types.void(out, index, source, index, index, cells, index), codegen


@intrinsic
def gather_fours(typingctx: Any, out: Any, to: Any, source: Any, base: Any, cells: Any, size: Any) -> Any:
    """As `mho.kernels.cpu.lists.take_fours`, in AVX-512. Looks at whole vectors of cells.

    Sixteen loads of four numbers and a transposition, for four gathers of sixteen: 1.2 to 0.6 ns a cell.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def pointer(place: int, offset: Any, kind: Any) -> Any:
            start = context.make_array(signature.args[place])(context, builder, arguments[place]).data
            return builder.bitcast(builder.gep(start, [offset]), kind.as_pointer())

        def joined(a: Any, b: Any, places: Sequence[int]) -> Any:
            return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(WORD, len(places)), list(places)))

        four = ir.VectorType(ir.FloatType(), 4)
        base, size = arguments[3], arguments[5]
        targets = [builder.extract_value(arguments[1], f) for f in range(4)]
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (offset, _):
            cell = builder.and_(builder.load(pointer(4, offset, VECTOR), align=4), _splat(builder, WORD(0x7FFFFFFF)))
            records = []
            for lane in range(LANES):
                place = builder.zext(builder.extract_element(cell, WORD(lane)), size.type)
                start = builder.add(base, builder.shl(place, size.type(2)))
                records.append(builder.load(pointer(2, start, four), align=4))
            while len(records) > 4:
                width = 2 * records[0].type.count
                records = [joined(a, b, range(width)) for a, b in zip(records[::2], records[1::2], strict=True)]
            for f, to in enumerate(targets):
                halves = [joined(a, b, range(f, 32, 4)) for a, b in (records[:2], records[2:])]
                column = joined(halves[0], halves[1], range(LANES))
                builder.store(column, pointer(0, builder.add(to, offset), FLOATS), align=4)
        return context.get_dummy_value()

    index = types.intp
    return types.void(out, types.UniTuple(index, 4), source, index, cells, index), codegen


@intrinsic
def copy_run(typingctx: Any, out: Any, to: Any, size: Any, source: Any, at: Any, low: Any, high: Any) -> Any:
    """out[to + l] = source[at + l] where low <= l < high, else 0, for the first `size` of RUN lanes.

    What is masked out is neither read nor written, so it may lie outside the arrays.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointers(context, builder, signature, arguments)
        size, low, high = (builder.trunc(arguments[place], WORD) for place in (2, 5, 6))
        numbers = ir.Constant(ir.VectorType(WORD, RUN), list(range(RUN)))
        zeros = ir.Constant(ir.VectorType(ir.FloatType(), RUN), [0.0] * RUN)
        inside = builder.and_(
            builder.icmp_signed(">=", numbers, _splat(builder, low, RUN)),
            builder.icmp_signed("<", numbers, _splat(builder, high, RUN)),
        )
        read = _masked_load(builder, pointer(3, arguments[4]), inside, zeros)
        _masked_store(
            builder, read, pointer(0, arguments[1]), builder.icmp_signed("<", numbers, _splat(builder, size, RUN))
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
        pointer = _pointers(context, builder, signature, arguments)
        to, inside, at, step, shift, stride, size, count = (arguments[place] for place in (1, 2, 4, 5, 6, 7, 8, 9))
        numbers = ir.Constant(VECTOR, list(range(LANES)))
        zeros = ir.Constant(FLOATS, [0.0] * LANES)
        written = builder.icmp_signed("<", numbers, _splat(builder, builder.trunc(inside, WORD)))
        limit = _splat(builder, builder.trunc(size, WORD))
        sums = cgutils.alloca_once_value(builder, _masked_load(builder, pointer(0, to), written, zeros))
        with cgutils.for_range(builder, count) as loop:
            lag = builder.sub(shift, builder.mul(loop.index, stride))
            place = builder.add(numbers, _splat(builder, builder.trunc(lag, WORD)))
            start = builder.add(builder.add(at, builder.mul(loop.index, step)), lag)
            own = builder.icmp_unsigned("<", place, limit)
            more = _masked_load(builder, pointer(3, start), own, zeros)
            builder.store(builder.fadd(builder.load(sums), more), sums)
        _masked_store(builder, builder.load(sums), pointer(0, to), written)
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
        pointer = _pointers(context, builder, signature, arguments)
        to, out_step, written, at, step, rows, columns = (arguments[place] for place in (1, 2, 3, 5, 6, 7, 8))
        numbers, zeros = ir.Constant(VECTOR, list(range(LANES))), ir.Constant(FLOATS, [0.0] * LANES)
        inside = builder.icmp_signed("<", numbers, _splat(builder, builder.trunc(columns, WORD)))
        nowhere = ir.Constant(MASK, [0] * LANES)
        lines = []
        for i in range(LANES):
            mask = builder.select(builder.icmp_signed("<", rows.type(i), rows), inside, nowhere)
            start = builder.add(at, builder.mul(step, rows.type(i)))
            lines.append(_masked_load(builder, pointer(4, start), mask, zeros))
        for width in (1, 2, 4, 8):  # squares of this width change places across the diagonal
            turned = list(lines)
            for i in (i for i in range(LANES) if not i & width):
                upper = [j if not j & width else LANES + j - width for j in range(LANES)]
                lower = [j + width if not j & width else LANES + j for j in range(LANES)]
                turned[i] = _shuffled(builder, lines[i], lines[i + width], upper)
                turned[i + width] = _shuffled(builder, lines[i], lines[i + width], lower)
            lines = turned
        kept = builder.icmp_signed("<", numbers, _splat(builder, builder.trunc(written, WORD)))
        for j in range(LANES):
            mask = builder.select(builder.icmp_signed("<", columns.type(j), columns), kept, nowhere)
            start = builder.add(to, builder.mul(out_step, columns.type(j)))
            _masked_store(builder, lines[j], pointer(0, start), mask)
        return context.get_dummy_value()

    index = types.intp
    return types.void(out, index, index, index, source, index, index, index, index), codegen


@intrinsic
def rows_by_tile(typingctx: Any, out: Any, to: Any, weights: Any, rows: Any, columns: Any, tile: Any) -> Any:
    """out[to + k·64 + t] = Σ_j weights[rows[k] + j] · tile[j·64 + t], for four rows and the 64 vectors of a tile.

    Sums stay in registers, sixteen of them: 25 to 19 µs for 32×401. Term by term in index order, each product added with one rounding.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointers(context, builder, signature, arguments)
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


def _shuffled(builder: Any, a: Any, b: Any, places: Sequence[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(VECTOR, list(places)))


def _pointers(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """How an intrinsic reaches the numbers of its arrays."""

    def pointer(place: int, offset: Any) -> Any:
        start = context.make_array(signature.args[place])(context, builder, arguments[place]).data
        return builder.gep(start, [offset])

    return pointer


def _masked_load(builder: Any, start: Any, mask: Any, instead: Any) -> Any:
    kind = instead.type
    load = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(kind, [kind.as_pointer(), WORD, mask.type, kind]),
        f"llvm.masked.load.{_mangled(kind)}.p0",
    )
    return builder.call(load, [builder.bitcast(start, kind.as_pointer()), WORD(4), mask, instead])


def _masked_store(builder: Any, value: Any, start: Any, mask: Any) -> None:
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


def _splat(builder: Any, value: Any, lanes: int = LANES) -> Any:
    kind = ir.VectorType(WORD, lanes)
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(WORD, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(kind, [0] * lanes))
