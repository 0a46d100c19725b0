"""Packing and gathering of chosen lanes; `mho.kernels.cpu.lists` has the loops that these stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mho.compiler.numba_internals import cgutils, intrinsic, ir, types
from mho.compiler.vectors.build import (
    FLOATS,
    LANES,
    MASK,
    VECTOR,
    WORD,
    chosen,
    constant,
    fields,
    masked_load,
    pack,
    pointers,
    splat,
)
from mho.random import COUNTERS_A_LINE, MIX_FACTORS, MIX_SHIFTS, PROBABILITY_SCALE

BYTE = ir.IntType(8)


@intrinsic
def compress(typingctx: Any, out: Any, source: Any, size: Any, slots: Any, base: Any, flip: Any) -> Any:
    """Compute `mho.kernels.cpu.lists.append` in vectors; LLVM makes no such loop by itself.

    Whole vectors of LANES words are read, and as many are written.

    Args:
        typingctx: Numba's, unused.
        out: `mho.kernels.cpu.records.PulseList` that takes the entries, with room for a vector behind its end: numbers
            (number + base) ^ flip, and those of their slots that are in `slots`.
        source: `mho.kernels.cpu.records.PulseList` whose entries are looked at.
        size: how many entries are looked at.
        slots: a bit per slot; an entry is kept if it pulses in any of these slots.
        base: added to a number.
        flip: exclusive-or with the sum.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        out, source = (
            fields(context, builder, kind, value, numbers=types.intp, slots=types.intp)
            for kind, value in zip(signature.args[:2], arguments[:2], strict=True)
        )

        def pointer(record: Any, column: Any, offset: Any) -> Any:
            return builder.gep(builder.gep(record.words, [column]), [offset])

        def load(column: Any, offset: Any) -> Any:
            return builder.load(builder.bitcast(pointer(source, column, offset), VECTOR.as_pointer()), align=4)

        size = arguments[2]
        wanted, base, flip = (splat(builder, value) for value in arguments[3:])
        zero, numbers = ir.Constant(VECTOR, [0] * LANES), ir.Constant(VECTOR, list(range(LANES)))
        limit = splat(builder, builder.trunc(size, WORD))
        total = cgutils.alloca_once_value(builder, size.type(0))
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (offset, _):
            kept, number = builder.and_(load(source.slots, offset), wanted), load(source.numbers, offset)
            place = builder.add(numbers, splat(builder, builder.trunc(offset, WORD)))
            inside = builder.icmp_unsigned("<", place, limit)
            found = builder.and_(builder.icmp_unsigned("!=", kept, zero), inside)
            here = builder.load(total)
            changed = builder.xor(builder.add(number, base), flip)
            columns = [(changed, pointer(out, out.numbers, here)), (kept, pointer(out, out.slots, here))]
            more = pack(builder, found, columns)
            builder.store(builder.add(here, more), total)
        return builder.load(total)

    index, word = types.intp, types.uint32
    return index(out, source, index, word, word, word), codegen


@intrinsic
def list_lines(typingctx: Any, out: Any, found: Any, room: Any, lines: Any, key: Any) -> Any:
    """Compute `mho.kernels.cpu.lists.list_driven` in vectors; the second key word is written unpacked.

    Args:
        typingctx: Numba's, unused.
        out: takes four columns of words, flat uint32; `list_driven` describes them.
        found: length of the list before; its new length is returned.
        room: words of a column.
        lines: `mho.kernels.cpu.records.LineDrive` of the lines that are looked at.
        key: `mho.kernels.cpu.records.Key` of the vector.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = pointers(context, builder, signature, arguments)
        first, room = arguments[1:3]
        lines, word_0, word_1 = _drive(context, builder, signature, arguments)
        size, gain = lines.size, splat(builder, lines.gain)
        zero, numbers = ir.Constant(VECTOR, [0] * LANES), ir.Constant(VECTOR, list(range(LANES)))
        magnitude, sign = (ir.Constant(VECTOR, [word] * LANES) for word in (0x7FFFFFFF, 0x80000000))
        limit, start = splat(builder, builder.trunc(size, WORD)), splat(builder, builder.trunc(lines.line, WORD))
        total = cgutils.alloca_once_value(builder, first)
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (offset, _):
            place = builder.add(numbers, splat(builder, builder.trunc(offset, WORD)))
            inside = builder.icmp_unsigned("<", place, limit)
            word = masked_load(builder, builder.gep(lines.values, [builder.add(lines.at, offset)]), inside, zero)
            driven = builder.icmp_unsigned("!=", builder.and_(word, magnitude), zero)
            number = builder.add(start, place)
            probability = builder.fmul(builder.bitcast(word, FLOATS), builder.bitcast(gain, FLOATS))
            counter = builder.add(builder.shl(number, constant(int(COUNTERS_A_LINE).bit_length() - 1)), word_0)
            here = builder.load(total)
            starts = [pointer(0, builder.add(here, builder.mul(room, room.type(k)))) for k in range(4)]
            signed = builder.or_(number, builder.and_(word, sign))
            columns = (signed, builder.bitcast(probability, VECTOR), counter)
            more = pack(builder, driven, list(zip(columns, starts[:3], strict=True)))
            builder.store(word_1, builder.bitcast(starts[3], VECTOR.as_pointer()), align=4)
            builder.store(builder.add(here, more), total)
        return builder.load(total)

    return types.intp(out, types.intp, types.intp, lines, key), codegen


@intrinsic
def draw_lines(typingctx: Any, out: Any, lines: Any, key: Any) -> Any:
    """Compute `mho.kernels.cpu.lists.draw_single` in vectors: only lines that pulse are written.

    The lines that pulse, and those whose probability is above 1, are counted and returned.

    Args:
        typingctx: Numba's, unused.
        out: `mho.kernels.cpu.records.PulseList` that takes the lines that pulse, with room for a vector behind its
            end: their numbers with the sign of the drive in the highest bit, and slots, each 1.
        lines: `mho.kernels.cpu.records.LineDrive` of the lines that are looked at.
        key: `mho.kernels.cpu.records.Key` of the vector.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        out = fields(context, builder, signature.args[0], arguments[0], numbers=types.intp, slots=types.intp)
        lines, word_0, word_1 = _drive(context, builder, signature, arguments)
        size, gain = lines.size, splat(builder, lines.gain)
        zero, numbers = ir.Constant(VECTOR, [0] * LANES), ir.Constant(VECTOR, list(range(LANES)))
        magnitude, sign, one = (constant(word) for word in (0x7FFFFFFF, 0x80000000, 1))
        whole, scale = ir.Constant(FLOATS, [1.0] * LANES), ir.Constant(FLOATS, [float(PROBABILITY_SCALE)] * LANES)
        limit, start = splat(builder, builder.trunc(size, WORD)), splat(builder, builder.trunc(lines.line, WORD))
        rint = cgutils.get_or_insert_function(builder.module, ir.FunctionType(FLOATS, [FLOATS]), "llvm.rint.v16f32")
        total = cgutils.alloca_once_value(builder, size.type(0))
        saturated = cgutils.alloca_once_value(builder, size.type(0))
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES), size.type) as (offset, _):
            place = builder.add(numbers, splat(builder, builder.trunc(offset, WORD)))
            inside = builder.icmp_unsigned("<", place, limit)
            word = masked_load(builder, builder.gep(lines.values, [builder.add(lines.at, offset)]), inside, zero)
            drive = builder.bitcast(builder.and_(word, magnitude), FLOATS)
            probability = builder.fmul(builder.bitcast(gain, FLOATS), drive)
            above = builder.fcmp_ordered(">", probability, whole)
            builder.store(builder.add(builder.load(saturated), chosen(builder, above, size.type)), saturated)
            capped = builder.fmul(builder.select(above, whole, probability), scale)
            threshold = builder.fptoui(builder.call(rint, [capped]), VECTOR)
            number = builder.add(start, place)
            counter = builder.add(builder.shl(number, constant(int(COUNTERS_A_LINE).bit_length() - 1)), word_0)
            drawn = builder.lshr(mixed(builder, counter, word_1), one)
            pulsing = builder.icmp_unsigned("<", drawn, threshold)
            here = builder.load(total)
            signed = builder.or_(number, builder.and_(word, sign))
            more = pack(builder, pulsing, [(signed, builder.gep(out.words, [builder.add(out.numbers, here)]))])
            target = builder.gep(out.words, [builder.add(out.slots, here)])
            builder.store(one, builder.bitcast(target, VECTOR.as_pointer()), align=4)
            builder.store(builder.add(here, more), total)
        return cgutils.pack_array(builder, [builder.load(total), builder.load(saturated)])

    return types.UniTuple(types.intp, 2)(out, lines, key), codegen


@intrinsic
def gather(typingctx: Any, out: Any, to: Any, source: Any, base: Any, step: Any, cells: Any, size: Any) -> Any:
    """Compute `mho.kernels.cpu.lists.take` with AVX-512: out[to + i] = source[base + step·cells[i]].

    Args:
        typingctx: Numba's, unused.
        out: takes the numbers, flat float32.
        to: where in `out` they begin.
        source: flat float32.
        base: where in `source` cross-point 0 has its number.
        step: from a cross-point to the next, not 0.
        cells: numbers of cross-points, flat uint32, their highest bit is not part of the number; whole vectors of
            LANES are read.
        size: how many.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def pointer(place: int, offset: Any, kind: Any) -> Any:
            start = context.make_array(signature.args[place])(context, builder, arguments[place]).data
            return builder.bitcast(builder.gep(start, [offset]), kind.as_pointer())

        to, base, step, size = (arguments[place] for place in (1, 3, 4, 6))
        first = pointer(2, base, BYTE)
        stride = splat(builder, builder.trunc(step, WORD))
        index = splat(builder, WORD(0x7FFFFFFF))
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
    """Compute `mho.kernels.cpu.lists.take_fours` with AVX-512: out[to[f] + i] = source[base + 4·cells[i] + f].

    Sixteen loads of four numbers and a transposition take 0.6 ns per cross-point; four gathers of sixteen took 1.2.

    Args:
        typingctx: Numba's, unused.
        out: takes the numbers, flat float32.
        to: four places in `out`, where each field begins.
        source: flat float32.
        base: where in `source` cross-point 0 has its four numbers.
        cells: numbers of cross-points, flat uint32, their highest bit is not part of the number; whole vectors of
            LANES are read.
        size: how many.
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
            cell = builder.and_(builder.load(pointer(4, offset, VECTOR), align=4), splat(builder, WORD(0x7FFFFFFF)))
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


def _drive(context: Any, builder: Any, signature: Any, arguments: Any) -> tuple[Any, Any, Any]:
    """Return the fields of a LineDrive, and vectors of the words of a Key, the last arguments of an intrinsic."""
    index, word = types.intp, types.uint32
    lines = fields(context, builder, signature.args[-2], arguments[-2], at=index, size=index, gain=word, line=index)
    key = fields(context, builder, signature.args[-1], arguments[-1], word_0=word, word_1=word)
    return lines, splat(builder, key.word_0), splat(builder, key.word_1)


def mixed(builder: Any, counter: Any, key_1: Any) -> Any:
    """Return `mho.random.mix` of counters to which the first key has been added.

    Args:
        builder: llvmlite's IRBuilder, at the place where code is written.
        counter: vector of LANES uint32, counter + key_0.
        key_1: second key word, a vector of LANES uint32.
    """
    h = counter
    for round_, (shift, factor) in enumerate(zip(MIX_SHIFTS, (*MIX_FACTORS, 0), strict=True)):
        h = builder.xor(h, builder.lshr(h, constant(shift)))
        if round_ == 1:
            h = builder.add(h, key_1)
        h = builder.mul(h, constant(factor)) if factor else h
    return h
