"""Threads that wait for one another in native code, and for sequences of kernels that are posted to them."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import llvmlite.ir as ir
from numba.core import cgutils

from mho.compiler.numba_internals.entries import run_sequence
from mho.compiler.numba_internals.native import WORD, begin_function, finish_function, libraries

LOOKS = 1024
"""How often a waiting thread looks before it lets others run: some 2 µs."""
PATIENCE = 1000
"""How often a waiting thread lets others run before it leaves: some 3 ms where no others are."""
GONE, WAITING, POSTED = range(3)


@functools.cache
def meeting_point() -> int:
    """Return the address of native code at which threads wait for one another, an entry point as those of kernels.

    Its table has the address of three words, 0 at first, and the number of threads. The words count who has come, and
    how often all have met; the third is set where a thread has failed, and then whoever waits returns 1, and else 0.
    """
    library, builder, table = begin_function("mho.meeting", [WORD.as_pointer()])
    words = builder.inttoptr(builder.load(table), WORD.as_pointer())
    count = builder.load(builder.gep(table, [WORD(1)]))
    met, failed = (builder.gep(words, [WORD(place)]) for place in (1, 2))
    times = builder.load_atomic(met, "acquire", 8)
    before = builder.atomic_rmw("add", words, WORD(1), "acq_rel")
    with builder.if_then(builder.icmp_unsigned("==", builder.add(before, WORD(1)), count)):
        builder.store_atomic(WORD(0), words, "monotonic", 8)
        builder.atomic_rmw("add", met, WORD(1), "release")
        builder.ret(WORD(0))
    with _waiting(builder):
        with builder.if_then(builder.icmp_unsigned("!=", builder.load_atomic(met, "acquire", 8), times)):
            builder.ret(WORD(0))
        with builder.if_then(builder.icmp_unsigned("!=", builder.load_atomic(failed, "monotonic", 8), WORD(0))):
            builder.ret(WORD(1))
    libraries.append(library)
    return finish_function(library, builder)


@functools.cache
def server() -> tuple[Callable[[int], int], Callable[[int, int, int], int]]:
    """Return two functions of native code: one runs sequences as they are posted, another posts them.

    Both take the address of five words of a post: its state (GONE: no thread waits, WAITING, POSTED), the address of
    pairs as `sequence_runner` takes them, their number, its answer, and the address of a word that becomes 1 where the
    answer is not 0. The first runs what is posted, waits some time for more, and returns. The second takes the pairs
    and their number beside. It waits until the sequence before has ended, posts, and returns 1 where a thread waited;
    where it returns 0, call the first on some thread.
    """
    library, builder, post = begin_function("mho.serve", [WORD.as_pointer()])
    pairs, count, answer, failed = (builder.gep(post, [WORD(place)]) for place in range(1, 5))
    with _waiting(builder) as (turns, renew):
        posted = builder.icmp_unsigned("==", builder.load_atomic(post, "acquire", 8), WORD(POSTED))
        with builder.if_then(posted):
            start = builder.inttoptr(builder.load(pairs), WORD.as_pointer())
            found = run_sequence(builder, builder.load(count), start)
            builder.store(found, answer)
            with builder.if_then(builder.icmp_unsigned("!=", found, WORD(0)), likely=False):
                word = builder.inttoptr(builder.load(failed), WORD.as_pointer())
                builder.store_atomic(WORD(1), word, "release", 8)
            builder.store_atomic(WORD(WAITING), post, "release", 8)
            renew()
        with builder.if_then(builder.icmp_unsigned(">", turns(), WORD(PATIENCE))):
            left = builder.cmpxchg(post, WORD(WAITING), WORD(GONE), "acq_rel", "acquire")
            with builder.if_then(builder.extract_value(left, 1)):
                builder.ret(WORD(0))
            renew()
    serve = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(finish_function(library, builder))
    libraries.append(library)
    library, builder, post, start, number = begin_function("mho.post", [WORD.as_pointer(), WORD, WORD])
    pairs, count = (builder.gep(post, [WORD(place)]) for place in (1, 2))
    with _waiting(builder):
        state = builder.load_atomic(post, "acquire", 8)
        with builder.if_then(builder.icmp_unsigned("!=", state, WORD(POSTED))):
            builder.store(start, pairs)
            builder.store(number, count)
            taken = builder.cmpxchg(post, WORD(WAITING), WORD(POSTED), "acq_rel", "acquire")
            with builder.if_then(builder.extract_value(taken, 1)):
                builder.ret(WORD(1))
            builder.store_atomic(WORD(POSTED), post, "release", 8)
            builder.ret(WORD(0))
    libraries.append(library)
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    return serve, kind(finish_function(library, builder))


@contextlib.contextmanager
def _waiting(builder: Any) -> Iterator[tuple[Callable[[], Any], Callable[[], None]]]:
    """Build a loop that never ends but by a return in it, and that lets other threads run now and then.

    Yields functions that build how often it has done so, and the setting back of this number.
    """
    looks, turns = (cgutils.alloca_once_value(builder, WORD(0)) for _ in range(2))
    waiting = builder.append_basic_block("waiting")
    builder.branch(waiting)
    builder.position_at_end(waiting)
    yield lambda: builder.load(turns), lambda: builder.store(WORD(0), turns)
    looked = builder.add(builder.load(looks), WORD(1))
    builder.store(looked, looks)
    with builder.if_then(builder.icmp_unsigned("==", builder.and_(looked, WORD(LOOKS - 1)), WORD(0))):
        give_way = builder.inttoptr(WORD(_give_way()), ir.FunctionType(ir.IntType(32), []).as_pointer())
        builder.call(give_way, [])
        builder.store(builder.add(builder.load(turns), WORD(1)), turns)
    builder.branch(waiting)


def _give_way() -> int:
    """Return the address of the system's function that lets another thread run."""
    if os.name == "nt":  # untried
        return int(ctypes.cast(ctypes.WinDLL("kernel32").SwitchToThread, ctypes.c_void_p).value or 0)  # type: ignore
    return int(ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0)
