"""The only module that knows Numba's private parts and LLVM's builder; read it when Numba is upgraded.

Numba promises nothing of `numba.core`, of code generation or of its calling convention, so `pyproject.toml` has an
upper bound for its version: the series that `constraints.txt` pins. `compiler/vectors/` builds intrinsics from what is
exported here. `tests/test_compiler.py` holds that no other module imports such parts.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import itertools
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, ModuleType
from typing import Any, cast

import llvmlite.ir as ir
import numpy as np
from llvmlite import binding
from numba import types
from numba.core import cgutils, config
from numba.core.codegen import CPUCodeLibrary, JITCPUCodegen
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numba.np.unsafe.ndarray import to_fixed_tuple

__all__ = [
    "APART",
    "ENTRY",
    "INLINE",
    "NumbaError",
    "cgutils",
    "compile_for",
    "cpu_features",
    "cpu_name",
    "entry_point",
    "has_avx2",
    "has_avx512",
    "intrinsic",
    "ir",
    "is_compiled",
    "meeting_point",
    "replace_compile",
    "sequence_runner",
    "server",
    "set_parts",
    "to_fixed_tuple",
    "types",
    "words",
]

WORD = ir.IntType(64)
LOOKS = 1024
"""How often a waiting thread looks before it lets others run: some 2 µs."""
PATIENCE = 1000
"""How often it lets others run before it leaves: some 3 ms where no others are."""
GONE, WAITING, POSTED = range(3)
PART = "mho.part."
"""Begins the names of helpers in Numba's code libraries."""
MANGLED = "3mho4part"
"""How it stands in the names of their functions."""
ENTRY = "@njit(error_model='numpy', nogil=True, cache=True, no_cfunc_wrapper=True)"
# Helpers never allocate: without Numba's reference counts, which are atomic and stop vectorisation around every
# slice, the update of a 128×513 array takes 0.7 of the time.
# Nor does Python call them, so that they need no wrappers.
INLINE = "@njit(error_model='numpy', forceinline=True, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)"
# Large helpers stay functions of their own (`mho.compiler.apart.stay_apart`): what is inlined is optimised again in
# each function around it.
APART = INLINE.replace("forceinline=True", "forceinline=False")


def has_avx512() -> bool:
    """Return whether the machine, as Numba was told to see it, has AVX-512."""
    return _has("avx512f")


def has_avx2() -> bool:
    """Return whether the machine, as Numba was told to see it, has AVX2."""
    return _has("avx2")


def _has(feature: str) -> bool:
    told = getattr(config, "CPU_FEATURES")  # noqa: B009  (set while Numba is imported)
    return f"+{feature}" in str(told).split(",") if told is not None else bool(cpu_features().get(feature))


def cpu_features() -> dict[str, bool]:
    """Return LLVM's features of the processor, by name, whatever Numba was told."""
    return dict(binding.get_host_cpu_features())


def cpu_name() -> str:
    """Return LLVM's name of the processor."""
    return str(binding.get_host_cpu_name())


def compile_for(kernel: Any, values: Sequence[Any], *, numbered: bool) -> tuple[Any, ...]:
    """Compile a kernel for the types of these values, and with `numbered` of an integer behind them; return the types.

    Raises:
        NumbaError: if the kernel cannot be compiled for them.
    """
    kinds = tuple(kernel.typeof_pyval(value) for value in values)
    kinds = (*kinds, types.int64) if numbered else kinds
    kernel.compile(kinds)
    return kinds


def is_compiled(kernel: Any, signature: tuple[Any, ...]) -> bool:
    """Return whether a kernel's code for these types is in memory or in its cache on disk."""
    if signature in kernel.overloads:
        return True
    cache = kernel._cache
    return cache._index_key(signature, kernel.targetctx.codegen()) in cache._cache_file._load_index()


def replace_compile(kernel: Any, compile: Callable[[Any, Callable[[Any], Any], tuple[Any, ...]], Any]) -> None:
    """Have a kernel call compile(kernel, Numba's own, types) where Numba would compile for types that are new.

    The call is made by one thread of the process at a time.
    """
    own, kernel_of = type(kernel).compile, weakref.ref(kernel)

    def replaced(signature: Any) -> Any:
        alive: Any = kernel_of()
        with global_compiler_lock, _compiled_as_one():
            return compile(alive, functools.partial(own, alive), tuple(signature))

    kernel.compile = replaced


def set_parts(module: ModuleType) -> None:
    """Make the helpers of a generated module, all compiled functions in it, parts of its kernel.

    Parts are named by what they mean, as their kernel's file in the cache has to be understood by processes that do
    not know the module. A helper that another module has too is replaced by that one, which may be compiled.
    """
    digests: dict[int, str] = {}
    for name, value in list(vars(module).items()):
        if isinstance(value, Dispatcher):
            digest = _digest(value, digests)
            value.py_func.__module__, value.py_func.__qualname__ = __name__, f"{PART}{name}.{digest}"
            setattr(module, name, _parts.setdefault(digest, value))


_parts: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
"""Helpers by the digest of all that they mean."""


def _digest(value: Any, known: dict[int, str]) -> str:
    """Hash all that a helper means, its constants and the helpers that it calls included."""
    if id(value) not in known:
        function = value.py_func
        known[id(value)] = function.__name__  # where it calls itself
        meaning = _meaning(function.__code__, function.__globals__, known)
        cells = [_known_value(cell.cell_contents, known) for cell in function.__closure__ or ()]
        defaults = [_known_value(each, known) for each in (function.__defaults__, function.__kwdefaults__)]
        text = repr((value.targetoptions, defaults, cells, meaning))
        known[id(value)] = hashlib.sha256(text.encode()).hexdigest()[:32]
    return known[id(value)]


def _meaning(code: CodeType, scope: dict[str, Any], known: dict[int, str]) -> tuple[Any, ...]:
    """Return what code does, with the meaning of each name that it takes from its module."""
    inner = [_meaning(each, scope, known) if isinstance(each, CodeType) else repr(each) for each in code.co_consts]
    used = [_known_value(scope[name], known) for name in code.co_names if name in scope]
    shape = code.co_argcount, code.co_kwonlyargcount, code.co_flags, code.co_freevars, code.co_cellvars
    return code.co_code, code.co_names, code.co_varnames, shape, inner, used


def _known_value(value: Any, known: dict[int, str]) -> Any:
    """Return the meaning of a name of a module: a helper, an intrinsic, a record, a library or a constant."""
    if isinstance(value, Dispatcher):
        return _digest(value, known)
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return [_known_value(each, known) for each in value]
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if callable(value) and hasattr(value, "__qualname__"):
        return value.__module__, value.__qualname__, getattr(value, "_fields", None)
    return type(value).__name__, repr(value)


@contextlib.contextmanager
def _compiled_as_one() -> Iterator[None]:
    """Have LLVM compile a kernel as a whole, with all helpers inlined, and not each helper before as well.

    Numba links, optimises and compiles every function, so what stands at the bottom of five helpers is compiled in each
    of them. The caller holds Numba's lock, so no other thread compiles meanwhile.
    """
    library_class: Any = CPUCodeLibrary
    codegen_class: Any = JITCPUCodegen
    finalize, set_env = library_class.finalize, codegen_class.set_env

    def finalize_whole(library: Any) -> None:
        if library.name.startswith(PART):
            library._finalized = True
        else:
            library._linking_libraries = _linked(library)
            finalize(library)
            missing = [f.name for f in library._final_module.functions if f.is_declaration and MANGLED in f.name]
            if missing:
                raise RuntimeError(f"{library.name} was linked without {', '.join(missing)}")

    def set_env_of_native(codegen: Any, name: str, environment: Any) -> None:
        if codegen._engine.is_symbol_defined(name):
            set_env(codegen, name, environment)

    library_class.finalize, codegen_class.set_env = finalize_whole, set_env_of_native
    try:
        yield
    finally:
        library_class.finalize, codegen_class.set_env = finalize, set_env


def _linked(library: Any) -> list[Any]:
    """Return all that a library refers to, through parts, which have nothing linked in; callers before what they call.

    LLVM drops what nothing refers to at the time when it is linked.
    """
    found: dict[Any, None] = {}

    def visit(caller: Any, open_: tuple[Any, ...]) -> None:
        for each in caller._linking_libraries:
            if each not in found and each not in open_:
                if each.name.startswith(PART):
                    visit(each, (*open_, each))
                found[each] = None

    visit(library, (library,))
    return list(reversed(found))


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
    library, builder, table = _function("mho.entry", [WORD.as_pointer()])
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
    return library, _finished(library, builder)


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
    library, builder, count, pairs = _function("mho.sequence", [WORD, WORD.as_pointer()])
    builder.ret(_run_sequence(builder, count, pairs))
    run = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)(_finished(library, builder))
    _kept.append(library)
    return run


def _run_sequence(builder: Any, count: Any, pairs: Any) -> Any:
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


@functools.cache
def meeting_point() -> int:
    """Return the address of native code at which threads wait for one another, an entry point as those of kernels.

    Its table has the address of three words, 0 at first, and the number of threads. The words count who has come, and
    how often all have met; the third is set where a thread has failed, and then whoever waits returns 1, and else 0.
    """
    library, builder, table = _function("mho.meeting", [WORD.as_pointer()])
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
    _kept.append(library)
    return _finished(library, builder)


@functools.cache
def server() -> tuple[Callable[[int], int], Callable[[int, int, int], int]]:
    """Return two functions of native code: one runs sequences as they are posted, another posts them.

    Both take the address of five words of a post: its state (GONE: no thread waits, WAITING, POSTED), the address of
    pairs as `sequence_runner` takes them, their number, its answer, and the address of a word that becomes 1 where the
    answer is not 0. The first runs what is posted, waits some time for more, and returns. The second takes the pairs
    and their number beside. It waits until the sequence before has ended, posts, and returns 1 where a thread waited;
    where it returns 0, call the first on some thread.
    """
    library, builder, post = _function("mho.serve", [WORD.as_pointer()])
    pairs, count, answer, failed = (builder.gep(post, [WORD(place)]) for place in range(1, 5))
    with _waiting(builder) as (turns, renew):
        posted = builder.icmp_unsigned("==", builder.load_atomic(post, "acquire", 8), WORD(POSTED))
        with builder.if_then(posted):
            start = builder.inttoptr(builder.load(pairs), WORD.as_pointer())
            found = _run_sequence(builder, builder.load(count), start)
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
    serve = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(_finished(library, builder))
    _kept.append(library)
    library, builder, post, start, number = _function("mho.post", [WORD.as_pointer(), WORD, WORD])
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
    _kept.append(library)
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    return serve, kind(_finished(library, builder))


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


_kept: list[Any] = []
_names = itertools.count()


def _function(title: str, arguments: list[Any]) -> tuple[Any, ...]:
    """Begin a function that returns a word: its library, its builder, its arguments."""
    library = cpu_target.target_context.codegen().create_library(title)
    module = library.create_ir_module(title)
    function = ir.Function(module, ir.FunctionType(WORD, arguments), f"{title}.{next(_names)}")
    return library, ir.IRBuilder(function.append_basic_block()), *function.args


def _finished(library: Any, builder: Any) -> int:
    """Compile the function under construction and return its address."""
    with global_compiler_lock:
        name = builder.function.name
        library.add_ir_module(builder.module)
        library.finalize()
        return int(library.get_pointer_to_function(name))
