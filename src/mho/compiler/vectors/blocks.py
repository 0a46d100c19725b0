"""Products of matrices in blocks whose sums stay in registers: LLVM keeps those of a loop over rows in memory."""

from __future__ import annotations

from typing import Any

from mho.compiler.numba_internals import cgutils, has_avx512, intrinsic, ir, types

BLOCK_GROUPS = 3
"""Groups of lanes that a block has at most."""


def block_shape() -> tuple[int, int]:
    """Return the lanes of a group and the rows of a block, whose sums fill three quarters of the registers."""
    return (16, 8) if has_avx512() else (8, 4)


@intrinsic
def block(
    typingctx: Any, out: Any, to: Any, out_step: Any, panel: Any, at: Any, step: Any, groups: Any, values: Any,
    first: Any, value_step: Any, rows: Any, terms: Any, more: Any,
) -> Any:  # fmt: skip
    """Compute out[to + v·out_step + l] = Σ_k values[first + v·value_step + k] · panel[at + k·step + l].

    v runs over the rows of a block (rows from `rows` on repeat the last), k over `terms`, l over the lanes of `groups`.
    Terms are added in index order, each product with a single rounding. The sums stay in registers.

    Args:
        typingctx: Numba's, unused.
        out: takes the products, flat float32.
        to: where in `out` they begin.
        out_step: from a row of `out` to the next.
        panel: packed weights, flat float32.
        at: where in `panel` the first term begins.
        step: from a term of `panel` to the next.
        groups: groups of lanes, 1 to BLOCK_GROUPS; `block_shape` has the lanes of a group.
        values: factors, flat float32.
        first: where in `values` the first row begins.
        value_step: from a row of `values` to the next.
        rows: rows of the block that differ, at least 1.
        terms: how many products a sum has.
        more: True adds to the numbers that stand in `out`; False begins at 0.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def data(place: int) -> Any:
            return context.make_array(signature.args[place])(context, builder, arguments[place]).data

        for count in range(1, BLOCK_GROUPS + 1):
            with builder.if_then(builder.icmp_signed("==", arguments[6], arguments[6].type(count))):
                _write(builder, count, data(0), data(3), data(7), arguments)
        return context.get_dummy_value()

    i = types.intp
    return types.void(out, i, i, panel, i, i, i, values, i, i, i, i, types.boolean), codegen


def _write(builder: Any, groups: int, outs: Any, panels: Any, numbers: Any, arguments: Any) -> None:
    """Write the code for blocks of so many groups."""
    lanes, count = block_shape()
    kind, index = ir.VectorType(ir.FloatType(), lanes), arguments[1].type
    to, out_step, at, step, first, value_step, rows, terms, more = (
        arguments[place] for place in (1, 2, 4, 5, 8, 9, 10, 11, 12)
    )
    fused = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fma.v{lanes}f32"
    )  # llvmlite's own takes scalars only
    undefined, spread = ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    sums = [[cgutils.alloca_once(builder, kind) for _ in range(groups)] for _ in range(count)]

    def target(v: int, group: int) -> Any:
        place = builder.add(to, builder.add(builder.mul(out_step, index(v)), index(lanes * group)))
        return builder.bitcast(builder.gep(outs, [place]), kind.as_pointer())

    with builder.if_else(builder.trunc(more, ir.IntType(1))) as (then, otherwise):
        with then:
            for v, line in enumerate(sums):
                for group, total in enumerate(line):
                    builder.store(builder.load(target(v, group), align=4), total)
        with otherwise:
            for total in (total for line in sums for total in line):
                builder.store(ir.Constant(kind, [0.0] * lanes), total)
    last, starts = builder.sub(rows, index(1)), []
    for v in range(count):
        row = builder.select(builder.icmp_signed("<", index(v), rows), index(v), last)
        starts.append(builder.gep(numbers, [builder.add(first, builder.mul(row, value_step))]))
    with cgutils.for_range(builder, terms) as loop:
        term = builder.gep(panels, [builder.add(at, builder.mul(loop.index, step))])
        places = [builder.bitcast(builder.gep(term, [index(lanes * g)]), kind.as_pointer()) for g in range(groups)]
        across = [builder.load(place, align=4) for place in places]
        for start, line in zip(starts, sums, strict=True):
            value = builder.load(builder.gep(start, [loop.index]), align=4)
            value = builder.insert_element(undefined, value, ir.IntType(32)(0))
            value = builder.shuffle_vector(value, undefined, spread)
            for own, total in zip(across, line, strict=True):
                builder.store(builder.call(fused, [value, own, builder.load(total)]), total)
    for v, line in enumerate(sums):
        for group, total in enumerate(line):
            builder.store(builder.load(total), target(v, group), align=4)
