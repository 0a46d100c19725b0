"""Helpers of kernels as parts of one compilation, and kernels compiled for types of arguments."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, ModuleType
from typing import Any

import numpy as np
from numba import types
from numba.core.codegen import CPUCodeLibrary, JITCPUCodegen
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

MODULE = "mho.compiler.numba_internals"
"""Stands for the module of every part in Numba's names: files in the cache of kernels have it."""
PART = "mho.part."
"""Begins the names of helpers in Numba's code libraries."""
MANGLED = "3mho4part"
"""Stands for `PART` in the names of functions in these libraries."""
ENTRY = "@njit(error_model='numpy', nogil=True, cache=True, no_cfunc_wrapper=True)"
# Helpers never allocate: without Numba's reference counts, which are atomic and stop vectorisation around every
# slice, the update of a 128×513 array takes 0.7 of the time.
# Nor does Python call them, so that they need no wrappers.
INLINE = "@njit(error_model='numpy', forceinline=True, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)"
# Large helpers stay functions of their own (`mho.compiler.apart.stay_apart`): what is inlined is optimised again in
# each function around it.
APART = INLINE.replace("forceinline=True", "forceinline=False")


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
    not know the module. A helper that another module has too is replaced by that module's, which may be compiled.
    """
    digests: dict[int, str] = {}
    for name, value in list(vars(module).items()):
        if isinstance(value, Dispatcher):
            digest = _digest(value, digests)
            value.py_func.__module__, value.py_func.__qualname__ = MODULE, f"{PART}{name}.{digest}"
            _take_literals_as_numbers(value)
            setattr(module, name, _parts.setdefault(digest, value))


def _take_literals_as_numbers(part: Any) -> None:
    """Have a helper compiled once for numbers, where Numba would compile it anew for each literal 0 or True in a call.

    LLVM sees the literal anyway in what it inlines. Helpers that need it, to index a tuple of several types, get it.
    """
    own, part_of = type(part).get_call_template, weakref.ref(part)

    def replaced(arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        numbers = tuple(types.unliteral(kind) for kind in arguments)
        kinds = {name: types.unliteral(kind) for name, kind in options.items()}
        try:
            return own(part_of(), numbers, kinds)
        except NumbaError:
            if (numbers, kinds) == (arguments, options):
                raise
            return own(part_of(), arguments, options)

    part.get_call_template = replaced


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
