"""Products of matrices in blocks whose sums stay in registers: LLVM keeps those of a loop over rows in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mho.compiler.numba_internals import cgutils, has_avx512, intrinsic, ir, types
from mho.compiler.vectors.build import fields

BLOCK_GROUPS = 3
"""Groups of lanes that a block has at most."""


def block_shape() -> tuple[int, int]:
    """Return the lanes of a group and the rows of a block, whose sums fill three quarters of the registers."""
    return (16, 8) if has_avx512() else (8, 4)


@intrinsic
def block(typingctx: Any, out: Any, values: Any, panel: Any, groups: Any, rows: Any, terms: Any, more: Any) -> Any:
    """Compute out[v, l] = Σ_k values[v, k] · panel[k, l]; each is a `mho.kernels.cpu.records.FlatMatrix`.

    v runs over the rows of a block (rows from `rows` on repeat the last), k over `terms`, l over the lanes of `groups`.
    Terms are added in index order, each product with a single rounding. The sums stay in registers.

    Args:
        typingctx: Numba's, unused.
        out: takes the products.
        values: factors, a row per row of `out`.
        panel: packed weights, a row per term.
        groups: groups of lanes, 1 to BLOCK_GROUPS; `block_shape` has the lanes of a group.
        rows: rows of the block that differ, at least 1.
        terms: how many products a sum has.
        more: True adds to the numbers that stand in `out`; False begins at 0.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        matrices = [
            fields(context, builder, kind, value, at=types.intp, step=types.intp)
            for kind, value in zip(signature.args[:3], arguments[:3], strict=True)
        ]
        for count in range(1, BLOCK_GROUPS + 1):
            with builder.if_then(builder.icmp_signed("==", arguments[3], arguments[3].type(count))):
                _write(builder, count, matrices, arguments[4:])
        return context.get_dummy_value()

    i = types.intp
    return types.void(out, values, panel, i, i, i, types.boolean), codegen


def _write(builder: Any, groups: int, matrices: Sequence[Any], arguments: Sequence[Any]) -> None:
    """Write the code for blocks of so many groups; matrices and arguments are those of `block`, in its order."""
    lanes, count = block_shape()
    out, values, panel = matrices
    rows, terms, more = arguments
    kind, index = ir.VectorType(ir.FloatType(), lanes), rows.type
    fused = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fma.v{lanes}f32"
    )  # llvmlite's own takes scalars only
    undefined, spread = ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    sums = [[cgutils.alloca_once(builder, kind) for _ in range(groups)] for _ in range(count)]

    def target(v: int, group: int) -> Any:
        place = builder.add(out.at, builder.add(builder.mul(out.step, index(v)), index(lanes * group)))
        return builder.bitcast(builder.gep(out.numbers, [place]), kind.as_pointer())

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
        starts.append(builder.gep(values.numbers, [builder.add(values.at, builder.mul(row, values.step))]))
    with cgutils.for_range(builder, terms) as loop:
        term = builder.gep(panel.numbers, [builder.add(panel.at, builder.mul(loop.index, panel.step))])
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
