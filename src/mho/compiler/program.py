"""Kernels one after another in one call: a program is native code that finds its arrays through a table.

Between two kernels that Python calls the interpreter is entered, for 2 to 5 µs; where several threads share it, they
wait for one another, and a wait may put a thread to sleep. A program leaves the interpreter once.
"""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, cast, final

import llvmlite.ir as ir
import numpy as np
import numpy.typing as npt
from numba import types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target

from mho.compiler import threads

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
        self._calls = tuple(calls)  # their arrays must live as long as something points to them
        places = [value.ctypes.data for call in calls for value in _flat(call.values) if isinstance(value, np.ndarray)]
        numbers = [call.number.ctypes.data for call in calls if call.number is not None]
        self._table = np.array([*places, *numbers], np.intp)
        self._function = _function_of(self._calls)
        self._start = self._table.ctypes.data

    def __call__(self) -> None:
        failed = self._function(self._start)
        if failed:
            raise RuntimeError(f"kernel {self._calls[failed - 1].kernel.__name__} of a program ended with an error")


def joined(steps: Sequence[Step]) -> list[Step]:
    """The same steps with runs of calls put into programs."""
    found: list[Step] = []
    for is_call, members in itertools.groupby(steps, lambda step: isinstance(step, Call)):
        group = list(members)
        found += [Program(cast(list[Call], group))] if is_call else group
    return found


_functions: dict[Hashable, tuple[Any, Callable[[int], int]]] = {}
"""Native code, and the library that holds it, by the shapes of all that it is given."""


def _function_of(calls: Sequence[Call]) -> Callable[[int], int]:
    """Native code of the calls, which takes a table of places; calls of the same shapes share it.

    It returns the number of the call that failed, or 0.
    """
    compiled = [call.compiled() for call in calls]
    key = tuple(
        (kinds, id(code), tuple(_shape(value) for value in _flat(call.values)))
        for call, (kinds, code) in zip(calls, compiled, strict=True)
    )
    if key not in _functions:
        with global_compiler_lock:
            _functions[key] = _compile(calls, compiled)
    return _functions[key][1]


def _compile(calls: Sequence[Call], compiled: Sequence[tuple[Any, Any]]) -> tuple[Any, Callable[[int], int]]:
    context = cpu_target.target_context
    library = context.codegen().create_library("mho.program")
    module = library.create_ir_module("mho.program")
    name, word, result_type = f"mho_program_{next(_names)}", ir.IntType(64), ir.IntType(32)
    function = ir.Function(module, ir.FunctionType(result_type, [word.as_pointer()]), name)
    builder = ir.IRBuilder(function.append_basic_block())
    entries = itertools.count()

    def next_place(kind: Any) -> Any:
        """The place that the table names next."""
        entry = builder.gep(function.args[0], [ir.Constant(word, next(entries))])
        return builder.inttoptr(builder.load(entry), kind.as_pointer())

    values = [
        [_value(context, builder, kind, value, next_place) for kind, value in zip(kinds, call.values, strict=False)]
        for call, (kinds, _) in zip(calls, compiled, strict=True)
    ]
    numbers = [None if call.number is None else next_place(word) for call in calls]
    for place, (call_values, number, (kinds, code)) in enumerate(zip(values, numbers, compiled, strict=True), 1):
        given = call_values if number is None else [*call_values, builder.load(number)]
        convention, returned = context.call_conv, code.signature.return_type
        address = ir.Constant(word, code.library.get_pointer_to_function(code.fndesc.llvm_func_name))
        target = builder.inttoptr(address, convention.get_function_type(returned, kinds).as_pointer())
        status, _ = convention.call_function(builder, target, returned, kinds, given)
        with builder.if_then(status.is_error, likely=False):
            builder.ret(ir.Constant(result_type, place))
    builder.ret(ir.Constant(result_type, 0))
    library.add_ir_module(module)
    library.finalize()
    # ctypes lets other threads into the interpreter while the function runs
    return library, ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(library.get_pointer_to_function(name))


def _value(context: Any, builder: Any, kind: Any, value: Any, next_place: Callable[[Any], Any]) -> Any:
    """A value as a kernel takes it: numbers and shapes are constants, places of arrays come from the table."""
    if isinstance(kind, types.Array):
        sizes = types.UniTuple(types.intp, kind.ndim)
        array = context.make_array(kind)(context, builder)
        array.data = next_place(context.get_data_type(kind.dtype))
        array.shape = context.get_constant_generic(builder, sizes, value.shape)
        array.strides = context.get_constant_generic(builder, sizes, value.strides)
        array.itemsize, array.nitems = (context.get_constant(types.intp, n) for n in (value.itemsize, value.size))
        array.meminfo = array.parent = ir.Constant(ir.IntType(8).as_pointer(), None)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        parts = zip(cast(Any, kind), value, strict=True)
        return context.make_tuple(
            builder, kind, [_value(context, builder, part, item, next_place) for part, item in parts]
        )
    return context.get_constant(kind, value)


def _flat(values: Sequence[Any]) -> Iterator[Any]:
    """Values, those of tuples one by one."""
    for value in values:
        if isinstance(value, tuple):
            yield from _flat(value)
        else:
            yield value


def _shape(value: Any) -> Hashable:
    """What of a value is part of the code."""
    return (value.shape, value.strides) if isinstance(value, np.ndarray) else value
