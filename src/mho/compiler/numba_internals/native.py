"""Functions of native code, built by LLVM's builder: each takes words and returns a word."""

from __future__ import annotations

import itertools
from typing import Any

import llvmlite.ir as ir
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

WORD = ir.IntType(64)
libraries: list[Any] = []
"""Code libraries of functions that are used as long as the process lives."""
_names = itertools.count()


def begin_function(title: str, arguments: list[Any]) -> tuple[Any, ...]:
    """Begin a function that returns a word: its library, its builder, its arguments."""
    library = cpu_target.target_context.codegen().create_library(title)
    module = library.create_ir_module(title)
    function = ir.Function(module, ir.FunctionType(WORD, arguments), f"{title}.{next(_names)}")
    return library, ir.IRBuilder(function.append_basic_block()), *function.args


def finish_function(library: Any, builder: Any) -> int:
    """Compile the function under construction and return its address."""
    with global_compiler_lock:
        name = builder.function.name
        library.add_ir_module(builder.module)
        library.finalize()
        return int(library.get_pointer_to_function(name))
