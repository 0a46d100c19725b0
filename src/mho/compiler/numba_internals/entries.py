"""Entry points of kernels, which find their arguments in a table, and what runs many of them in one call."""

from __future__ import annotations

import ctypes
import functools
import itertools
import weakref
from collections.abc import Callable
from typing import Any, cast

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from mho.compiler.numba_internals.native import WORD, begin_function, finish_function, libraries


def entry_point(kernel: Any, kinds: tuple[Any, ...], *, numbered: bool) -> int:
    """Return the address of native code that calls a kernel, compiled before, with arguments from a table of words.

    The code takes the address of the table, which `words` of all arguments fill; with `numbered` the kernel's last
    argument is an integer, and the table ends with the address where the integer stands. It returns 0, or another
    number if the kernel raised.
    """
    with global_compiler_lock:
        entries = _entry_points.setdefault(kernel, {})
        if kinds not in entries:
            entries[kinds] = _compile_entry(kernel.overloads[kinds], kinds, numbered)
        return entries[kinds][1]


_entry_points: weakref.WeakKeyDictionary[Any, dict[Any, tuple[Any, int]]] = weakref.WeakKeyDictionary()
"""For each kernel, by the types of its arguments: what holds the native code, and its address."""


def words(kind: Any, value: Any) -> list[int]:
    """Return an argument as 64-bit words: an array's place, size, shape and strides, a tuple's items, or a number."""
    if isinstance(kind, types.Array):
        return [value.ctypes.data, value.size, *value.shape, *value.strides]
    if isinstance(kind, types.BaseTuple):
        return [word for part, item in zip(cast(Any, kind), value, strict=True) for word in words(part, item)]
    if isinstance(kind, types.Float):
        return [int(np.array(value, f"f{kind.bitwidth // 8}").view(f"i{kind.bitwidth // 8}"))]
    return [int(value)]


def _compile_entry(code: Any, kinds: tuple[Any, ...], numbered: bool) -> tuple[Any, int]:
    context = cpu_target.target_context
    library, builder, table = begin_function("mho.entry", [WORD.as_pointer()])
    places = itertools.count()

    def next_word() -> Any:
        return builder.load(builder.gep(table, [WORD(next(places))]))

    given = [_argument(context, builder, kind, next_word) for kind in (kinds[:-1] if numbered else kinds)]
    if numbered:
        given.append(builder.load(builder.inttoptr(next_word(), WORD.as_pointer())))
    convention, returned = context.call_conv, code.signature.return_type
    address = WORD(code.library.get_pointer_to_function(code.fndesc.llvm_func_name))
    target = builder.inttoptr(address, convention.get_function_type(returned, kinds).as_pointer())
    status, _ = convention.call_function(builder, target, returned, kinds, given)
    builder.ret(builder.zext(status.is_error, WORD))
    return library, finish_function(library, builder)


def _argument(context: Any, builder: Any, kind: Any, next_word: Callable[[], Any]) -> Any:
    """Build an argument as a kernel takes it from the words that `words` writes."""
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder)
        array.data = builder.inttoptr(next_word(), context.get_data_type(kind.dtype).as_pointer())
        array.nitems = next_word()
        array.shape, array.strides = (
            cgutils.pack_array(builder, [next_word() for _ in range(kind.ndim)]) for _ in range(2)
        )
        array.itemsize = context.get_constant(types.intp, kind.dtype.bitwidth // 8)
        array.meminfo = array.parent = ir.Constant(ir.IntType(8).as_pointer(), None)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        parts = [_argument(context, builder, part, next_word) for part in cast(Any, kind)]
        return context.make_tuple(builder, kind, parts)
    if isinstance(kind, types.Boolean):
        return builder.icmp_unsigned("!=", next_word(), WORD(0))
    number = context.get_value_type(kind)
    word, whole = next_word(), ir.IntType(kind.bitwidth)
    word = builder.trunc(word, whole) if kind.bitwidth < WORD.width else word
    return builder.bitcast(word, number) if isinstance(kind, types.Float) else word


@functools.cache
def sequence_runner() -> Callable[[int, int], int]:
    """Return native code that calls entry points one after another.

    It takes their number and the address of pairs of words, an entry point and its table, and returns 0, or the
    number of the first that failed, counted from 1. Other threads may enter the interpreter meanwhile.
    """
    library, builder, count, pairs = begin_function("mho.sequence", [WORD, WORD.as_pointer()])
    builder.ret(run_sequence(builder, count, pairs))
    run = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)(finish_function(library, builder))
    libraries.append(library)
    return run


def run_sequence(builder: Any, count: Any, pairs: Any) -> Any:
    """Build calls of entry points one after another; returns 0, or the number of the first that failed, from 1 on."""
    kind = ir.FunctionType(WORD, [WORD.as_pointer()]).as_pointer()
    answer = cgutils.alloca_once_value(builder, WORD(0))
    with cgutils.for_range(builder, count) as loop:
        at = builder.shl(loop.index, WORD(1))
        entry, table = (builder.load(builder.gep(pairs, [builder.add(at, WORD(part))])) for part in range(2))
        failed = builder.call(builder.inttoptr(entry, kind), [builder.inttoptr(table, WORD.as_pointer())])
        with builder.if_then(builder.icmp_unsigned("!=", failed, WORD(0)), likely=False):
            builder.store(builder.add(loop.index, WORD(1)), answer)
            loop.do_break()
    return builder.load(answer)
