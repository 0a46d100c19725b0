"""Kernels one after another in one call: a program is native code whose arguments are constants.

Between two kernels that Python calls the interpreter is entered, for 2 to 5 µs; where several threads share it, they
wait for one another, and a wait may put a thread to sleep. A program leaves the interpreter once.
"""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any, cast, final

import llvmlite.ir as ir
import numpy as np
import numpy.typing as npt
from numba import types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target

from mho.kernels import threads

Step = Callable[[], None]
"""Something to be done again and again on the same memory: a `Call`, or a function of Python."""
_names = itertools.count()


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """A kernel and its arguments, to be called again and again.

    Attributes:
        kernel: compiled; it takes start, stop, counts, the arguments and, with `number`, one integer more.
        lines: it is called for all of them: 0 to lines.
        work: weight-vector pairs, which decide over how many threads it is spread.
        counts: (R, SIZE) that it adds to.
        arguments: arrays keep their memory; what is written there between two calls is seen.
        number: array of one integer, read at each call.
        explain: what an error of the compiler means to the user.
    """

    kernel: Any
    lines: int
    work: int
    counts: npt.NDArray[np.int64]
    arguments: tuple[Any, ...]
    number: npt.NDArray[np.int64] | None = None
    explain: Callable[[NumbaError], Exception] | None = None

    def __call__(self) -> None:
        last = () if self.number is None else (int(self.number[0]),)
        try:
            threads.run(self.kernel, self.lines, self.work, self.counts, *self.arguments, *last)
        except NumbaError as error:
            raise self._explained(error) from None

    def compiled(self) -> tuple[tuple[Any, ...], Any]:
        """The types of all that the kernel takes, and its native code for them."""
        kinds = tuple(self.kernel.typeof_pyval(value) for value in self.values)
        kinds = kinds if self.number is None else (*kinds, types.int64)
        try:
            self.kernel.compile(kinds)
        except NumbaError as error:
            raise self._explained(error) from None
        return kinds, self.kernel.overloads[kinds]

    def _explained(self, error: NumbaError) -> Exception:
        return error if self.explain is None else self.explain(error)

    @property
    def values(self) -> tuple[Any, ...]:
        """All that the kernel takes, the number left out."""
        return (0, self.lines, self.counts, *self.arguments)


@final
class Program:
    """Some calls, one after another, on the thread that runs it."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = tuple(calls)  # their arrays must live as long as the code that points to them
        with global_compiler_lock:
            self._library, self._run = _compile(self._calls)

    def __call__(self) -> None:
        failed = self._run()
        if failed:
            raise RuntimeError(f"kernel {self._calls[failed - 1].kernel.__name__} of a program ended with an error")


def joined(steps: Sequence[Step]) -> list[Step]:
    """The same steps with runs of calls put into programs."""
    found: list[Step] = []
    for is_call, members in itertools.groupby(steps, lambda step: isinstance(step, Call)):
        group = list(members)
        found += [Program(cast(list[Call], group))] if is_call else group
    return found


def _compile(calls: Sequence[Call]) -> tuple[Any, Callable[[], int]]:
    """Native code of the calls, and what it is part of; it returns the number of the call that failed, or 0."""
    context = cpu_target.target_context
    library = context.codegen().create_library("mho.program")
    module = library.create_ir_module("mho.program")
    name = f"mho_program_{next(_names)}"
    function = ir.Function(module, ir.FunctionType(ir.IntType(32), []), name)
    builder = ir.IRBuilder(function.append_basic_block())
    for number, call in enumerate(calls, 1):
        kinds, compiled = call.compiled()
        values = [_constant(context, builder, kind, value) for kind, value in zip(kinds, call.values, strict=False)]
        if call.number is not None:
            values.append(builder.load(_pointer(builder, call.number.ctypes.data, ir.IntType(64))))
        convention, result = context.call_conv, compiled.signature.return_type
        kind = convention.get_function_type(result, kinds)
        address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        target = _pointer(builder, address, kind)
        status, _ = convention.call_function(builder, target, result, kinds, values)
        with builder.if_then(status.is_error, likely=False):
            builder.ret(ir.Constant(ir.IntType(32), number))
    builder.ret(ir.Constant(ir.IntType(32), 0))
    library.add_ir_module(module)
    library.finalize()
    return library, ctypes.CFUNCTYPE(ctypes.c_int32)(library.get_pointer_to_function(name))


def _constant(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """A value as a kernel takes it; of an array its place in memory."""
    if isinstance(kind, types.Array):
        sizes = types.UniTuple(types.intp, kind.ndim)
        array = context.make_array(kind)(context, builder)
        array.data = _pointer(builder, value.ctypes.data, context.get_data_type(kind.dtype))
        array.shape = context.get_constant_generic(builder, sizes, value.shape)
        array.strides = context.get_constant_generic(builder, sizes, value.strides)
        array.itemsize, array.nitems = (context.get_constant(types.intp, n) for n in (value.itemsize, value.size))
        array.meminfo = array.parent = ir.Constant(ir.IntType(8).as_pointer(), None)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        parts = [_constant(context, builder, part, item) for part, item in zip(cast(Any, kind), value, strict=True)]
        return context.make_tuple(builder, kind, parts)
    return context.get_constant(kind, value)


def _pointer(builder: Any, address: int, kind: Any) -> Any:
    return builder.inttoptr(ir.Constant(ir.IntType(64), address), kind.as_pointer())
