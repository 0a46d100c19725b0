"""Scalar functions of users as source: read, checked, and made ready for use inside a kernel."""

from __future__ import annotations

import ast
import builtins
import copy
import dataclasses
import inspect
import textwrap
import types
from collections.abc import Mapping
from typing import Any

from mho.errors import LawError, nearest

ALLOWED_BUILTINS = {"abs", "bool", "float", "int", "len", "max", "min", "range", "round"}
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div)
LIBRARY = ("mho.devices.", "mho.cells.")
"""Functions of these rooms may be called from anybody's law, or map of a transfer."""


@dataclasses.dataclass(frozen=True, eq=False)
class Function:
    """A scalar function that kernels can hold.

    Attributes:
        node: its definition: without annotations, with constants put in and literals as float32.
        file: where its source stands.
        line: its first line there.
        helpers: the functions that it calls, by the names which they have in kernels, each after those it calls.
    """

    node: ast.FunctionDef
    file: str
    line: int
    helpers: Mapping[str, Function]

    @property
    def place(self) -> str:
        """File and line of the function."""
        return f"{self.file}:{self.line}"

    @property
    def text(self) -> str:
        """Source as kernels hold it."""
        return ast.unparse(self.node)

    def place_of(self, line: str) -> str:
        """Return file and line of the statement that stands in a kernel as `line`, or the function's own."""
        for node in ast.walk(self.node):
            if isinstance(node, ast.stmt) and ast.unparse(node).splitlines()[0].strip() == line:
                return f"{self.file}:{self.line + node.lineno - 1}"
        return self.place

    def renamed(self, name: str, fields: Mapping[str, str]) -> Function:
        """Return the function under another name, with `cell.x` replaced by `cell.` + fields[x]."""
        node = _Fields(fields).visit(copy.deepcopy(self.node))
        node.name = name
        return dataclasses.replace(self, node=node)


def read_function(subject: str, function: Any, wanted: tuple[str, ...], fields: Mapping[str, Any] | None) -> Function:
    """Read a static function of a class.

    Args:
        subject: what users call it, for messages: `Class.function`.
        function: a plain Python function.
        wanted: names of its arguments.
        fields: what `cell` has; None: anything.

    Raises:
        LawError: for a wrong signature, unreadable source, or a name that the function may not use.
    """
    given = tuple(inspect.signature(function).parameters)
    if given != wanted:
        raise LawError(
            f"{subject}({', '.join(given)}){place_of(function)}: its arguments are ({', '.join(wanted)}), in this "
            "order and by these names"
        )
    return _read(subject, function, fields, ())


def static_function(cls: type, name: str) -> Any:
    """Return a static function of a class.

    Raises:
        LawError: if it lacks the decorator.
    """
    function = getattr(cls, name)
    if not isinstance(inspect.getattr_static(cls, name), staticmethod):
        raise LawError(f"{cls.__name__}.{name}{place_of(function)} needs the decorator @staticmethod above it")
    return function


def place_of(function: Any) -> str:
    """Return " at file:line" of a function, nothing if that is not known."""
    code = getattr(function, "__code__", None)
    return f" at {code.co_filename}:{code.co_firstlineno}" if code else ""


def helper_name(function: types.FunctionType) -> str:
    """Return the name in kernels of a function that laws call."""
    return f"{function.__name__}_of_{function.__module__.replace('.', '_')}"


def _read(subject: str, function: Any, fields: Mapping[str, Any] | None, callers: tuple[Any, ...]) -> Function:
    """Read a function and all that it calls; `callers` are those that lead to it."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError) as error:
        raise LawError(
            f"the source of {subject} cannot be read ({error}): a law is compiled from its "
            "source, so define it in a file rather than with exec or at a bare prompt"
        ) from error
    file = inspect.getsourcefile(function) or "?"
    node = ast.parse(textwrap.dedent("".join(lines))).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise LawError(f"{subject} at {file}:{first} is not a plain function")
    node.decorator_list, node.returns = [], None
    for argument in node.args.args:
        argument.annotation = None
    if ast.get_docstring(node) is not None and len(node.body) > 1:
        node.body = node.body[1:]
    if fields is not None:
        _check_fields(subject, file, first, node, fields)
    outside = _Outside(subject, file, first, function, node, (*callers, function))
    outside.visit(node)
    _Float32().visit(node)
    return Function(ast.fix_missing_locations(node), file, first, outside.helpers)


def _check_fields(subject: str, file: str, first: int, node: ast.FunctionDef, known: Mapping[str, Any]) -> None:
    """Raise for `cell.x` where there is no field x."""
    for part in ast.walk(node):
        if (
            isinstance(part, ast.Attribute)
            and isinstance(part.value, ast.Name)
            and part.value.id == "cell"
            and part.attr not in known
        ):
            raise LawError(
                f"{subject} at {file}:{first + part.lineno - 1} uses cell.{part.attr}: no such "
                f"field{nearest(part.attr, known)} (to make it a field, add  {part.attr}: float = ...)"
            )


class _Outside(ast.NodeTransformer):
    """Puts in values of module constants, gathers the functions that are called, and refuses other outside names."""

    def __init__(
        self, subject: str, file: str, first: int, function: Any, node: ast.FunctionDef, callers: tuple[Any, ...]
    ) -> None:
        self.subject, self.file, self.first, self.callers = subject, file, first, callers
        self.scope, self.module = function.__globals__, function.__module__
        self.local = {argument.arg for argument in node.args.args}
        self.local |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        self.helpers: dict[str, Function] = {}

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Store) or node.id in self.local:
            return node
        value = self.scope.get(node.id)
        if node.id == "math" and inspect.ismodule(value) and value.__name__ == "math":
            return node
        if isinstance(value, (bool, int, float)):
            return ast.copy_location(ast.Constant(value), node)
        if node.id in ALLOWED_BUILTINS and node.id not in self.scope and hasattr(builtins, node.id):
            return node
        if isinstance(value, types.FunctionType):
            return ast.copy_location(ast.Name(self._helper(node, value), ast.Load()), node)
        raise LawError(
            f"{self.subject} uses {node.id!r} at {self._place(node)}; a law may use its arguments, math, module "
            "constants that are numbers, and scalar functions of its module, mho.devices or mho.cells. Write the "
            f"formula out, or make {node.id!r} a field of the class"
        )

    def _helper(self, node: ast.Name, function: types.FunctionType) -> str:
        """Gather a function that is called, and return its name in kernels."""
        own = function.__module__ == self.module
        if not own and not (function.__module__ or "").startswith(LIBRARY):
            raise LawError(
                f"{self.subject} calls {node.id} of {function.__module__} at {self._place(node)}; a law may call "
                "scalar functions of its own module, mho.devices and mho.cells: copy it into the law's module"
            )
        if function in self.callers:
            raise LawError(f"{self.subject} calls {node.id} at {self._place(node)}, which calls itself; write a loop")
        arguments = inspect.signature(function).parameters.values()
        if any(a.default is not a.empty or a.kind is not a.POSITIONAL_OR_KEYWORD for a in arguments):
            raise LawError(
                f"{self.subject} calls {node.id} at {self._place(node)}, whose arguments have defaults or stars; give "
                "it plain arguments"
            )
        name = helper_name(function)
        found = _read(f"{self.subject} calls {node.id}, which", function, None, self.callers)
        found.node.name = name
        self.helpers |= {**found.helpers, name: found}
        return name

    def _place(self, node: ast.Name) -> str:
        return f"{self.file}:{self.first + node.lineno - 1}"


class _Fields(ast.NodeTransformer):
    """Renames fields of `cell`."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = fields

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "cell":
            node.attr = self.fields.get(node.attr, node.attr)
        return self.generic_visit(node)


class _Float32(ast.NodeTransformer):
    """Makes literals float32, so that compiled arithmetic stays in float32 as NumPy's does.

    Integers keep their type where they count or index: in subscripts, `range`, `int` and exponents.
    """

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return _float32(node) if isinstance(node.value, float) else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if isinstance(node.op, ARITHMETIC):
            node.left, node.right = _arithmetic(node.left), _arithmetic(node.right)
        return self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        node.body, node.orelse = _arithmetic(node.body), _arithmetic(node.orelse)
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return _Float32Literals().visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in ("range", "int"):
            return _Float32Literals().visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in ("min", "max"):
            node.args = [_arithmetic(argument) for argument in node.args]
        return self.generic_visit(node)


class _Float32Literals(ast.NodeTransformer):
    """Makes literals float32 and leaves integers, which count or index here."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return _float32(node) if isinstance(node.value, float) else node


def _arithmetic(node: ast.expr) -> ast.expr:
    is_integer = isinstance(node, ast.Constant) and type(node.value) is int
    return _float32(node) if is_integer else node  # type: ignore[arg-type]


def _float32(node: ast.Constant) -> ast.Call:
    function = ast.Attribute(ast.Name("np", ast.Load()), "float32", ast.Load())
    return ast.Call(function, [ast.Constant(float(node.value))], [])  # type: ignore[arg-type]
