"""A device law as source: read, checked, and made ready to stand inside a kernel.

The functions `pulse`, `pulses`, `reach` and `cell_at` below are the places that a law fills: kernels
import them by name, and `compile.py` puts the law's own functions there.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import functools
import hashlib
import inspect
import textwrap
from typing import Any

from mho.errors import LawError, nearest

ARGUMENTS = {
    "pulse": ("w", "up", "cell", "z"),
    "reach": ("n", "up", "cell"),
    "pulses": ("w", "n", "up", "cell", "z"),
    "read": ("w", "cell", "z"),
    "rest": ("w", "cell", "dt", "z"),
}
HIDDEN_PULSE = ("w", "h", "up", "cell", "z")
ALLOWED_BUILTINS = {"abs", "bool", "float", "int", "len", "max", "min", "range", "round"}
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div)
ROOM = 928
"""Lanes of one field in the list from which an update moves cross-points: `mho.kernels.cpu.update` LISTED + PIECE, and
room for whole vectors behind."""


def pulse(w: Any, up: Any, cell: Any, z: Any) -> Any:
    """Filled by the law."""
    raise NotImplementedError


def reach(n: Any, up: Any, cell: Any) -> Any:
    """Filled by the law if it has a closed form."""
    raise NotImplementedError


def pulses(w: Any, n: Any, up: Any, cell: Any, z: Any) -> Any:
    """Filled by the law if it has a closed form."""
    raise NotImplementedError


def read(w: Any, cell: Any, z: Any) -> Any:
    """Filled by the law if what is read is not the weight."""
    raise NotImplementedError


def rest(w: Any, cell: Any, dt: Any, z: Any) -> Any:
    """Filled by the law if devices change between updates."""
    raise NotImplementedError


def cell_at(lanes: Any, lane: Any, tables: Any, replica: Any, cell: Any) -> Any:
    """Filled with a record of the law's fields, gathered from one lane of a block, and of the cell's tables."""
    raise NotImplementedError


def cell_of(fields: Any, strides: Any, tables: Any, replica: Any, cell: Any, row: Any, column: Any) -> Any:
    """Filled with the same record of one cross-point where it stands."""
    raise NotImplementedError


@dataclasses.dataclass(frozen=True, eq=False)
class Law:
    """The functions of a law, ready to compile, and the hash of all they mean."""

    name: str
    places: dict[str, tuple[str, int]]
    functions: dict[str, ast.FunctionDef]
    hash: str
    state: bool
    """Whether the law has a hidden state beside the weight."""
    draws: int
    """Normals a pulse, 1 or 2."""

    @property
    def place(self) -> str:
        """File and line of the law."""
        file, first = self.places["pulse"]
        return f"{file}:{first}"

    def place_of(self, function: str, line: str) -> str:
        """File and line in the user's source of a line of a kernel's text; of the function where it is not found."""
        file, first = self.places[function]
        for node in ast.walk(self.functions[function]):
            if isinstance(node, ast.stmt) and ast.unparse(node).splitlines()[0].strip() == line:
                return f"{file}:{first + node.lineno - 1}"
        return f"{file}:{first}"

    @property
    def varies(self) -> bool:
        """Whether reads of one weight differ: whether `read` uses its z."""
        names = ast.walk(self.functions["read"]) if "read" in self.functions else ()
        return any(isinstance(node, ast.Name) and node.id == "z" for node in names)

    @property
    def closed_form(self) -> bool:
        """Whether the law says in one step what n pulses do."""
        return "pulses" in self.functions


@functools.lru_cache(maxsize=256)
def read_law(law: type) -> Law:
    """Read the functions of a law from its class.

    Raises:
        LawError: for a wrong signature, unreadable source, or a name that a law may not use.
    """
    names = [name for name in ARGUMENTS if hasattr(law, name)]
    state, draws = _kind(law)
    if ("pulses" in names) != ("reach" in names):
        raise LawError(f"{law.__name__}: a closed form needs both pulses(w, n, up, cell, z) and reach(n, up, cell)")
    if "pulses" in names and (state or draws != 1):
        raise LawError(
            f"{law.__name__}: pulses is a closed form of a law with one z and no state; remove it, and pulses go one "
            "by one"
        )
    functions: dict[str, ast.FunctionDef] = {}
    places: dict[str, tuple[str, int]] = {}
    for name in names:
        function = getattr(law, name)
        if not isinstance(inspect.getattr_static(law, name), staticmethod):
            raise LawError(f"{law.__name__}.{name}{_at(function)} needs the decorator @staticmethod above it")
        given = tuple(inspect.signature(function).parameters)
        wanted = HIDDEN_PULSE if state and name == "pulse" else ARGUMENTS[name]
        if given != wanted:
            hint = " (state = True gives a law its hidden state h)" if given == HIDDEN_PULSE else ""
            raise LawError(
                f"{law.__name__}.{name}({', '.join(given)}){_at(function)}: its arguments are "
                f"({', '.join(wanted)}), in this order and by these names{hint}"
            )
        functions[name], places[name] = _read_function(law, name, function)
    text = "\n".join(ast.unparse(node) for node in functions.values())
    text += f"\n{state} {draws}" if state or draws > 1 else ""
    return Law(law.__name__, places, functions, hashlib.sha256(text.encode()).hexdigest()[:16], state, draws)


def _kind(law: type) -> tuple[bool, int]:
    """`state` and `draws` of a law."""
    state, draws = getattr(law, "state", False), getattr(law, "draws", 1)
    if not isinstance(state, bool):
        raise LawError(f"{law.__name__}.state is {state!r}; write  state = True  for a hidden state beside w")
    if isinstance(draws, bool) or draws not in (1, 2):
        raise LawError(f"{law.__name__}.draws is {draws!r}; write  draws = 2  for a pair of normals z, or leave it out")
    own = getattr(law, "__dataclass_fields__", {})
    for name in ("state", "draws"):
        if name in own:
            raise LawError(
                f"{law.__name__}.{name} is a property of the law, not a field: write  {name} = {getattr(law, name)}  "
                "without an annotation"
            )
    return state, draws


def _at(function: Any) -> str:
    """Where a function stands, if that is known."""
    code = getattr(function, "__code__", None)
    return f" at {code.co_filename}:{code.co_firstlineno}" if code else ""


def _read_function(law: type, name: str, function: Any) -> tuple[ast.FunctionDef, tuple[str, int]]:
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError) as error:
        raise LawError(
            f"the source of {law.__name__}.{name} cannot be read ({error}): a law is compiled from its "
            "source, so define it in a file rather than with exec or at a bare prompt"
        ) from error
    file = inspect.getsourcefile(function) or "?"
    node = ast.parse(textwrap.dedent("".join(lines))).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise LawError(f"{law.__name__}.{name} at {file}:{first} is not a plain function")
    node.decorator_list, node.returns = [], None
    for argument in node.args.args:
        argument.annotation = None
    if ast.get_docstring(node) is not None and len(node.body) > 1:
        node.body = node.body[1:]
    _check_fields(law, name, file, first, node)
    _Constants(f"{law.__name__}.{name}", file, first, function.__globals__, node).visit(node)
    _Float32().visit(node)
    return ast.fix_missing_locations(node), (file, first)


def _check_fields(law: type, name: str, file: str, first: int, node: ast.FunctionDef) -> None:
    """Raise for `cell.x` where the law has no field x."""
    known = getattr(law, "__dataclass_fields__", {})
    for part in ast.walk(node):
        if (
            isinstance(part, ast.Attribute)
            and isinstance(part.value, ast.Name)
            and part.value.id == "cell"
            and part.attr not in known
        ):
            raise LawError(
                f"{law.__name__}.{name} at {file}:{first + part.lineno - 1} uses cell.{part.attr}: no such "
                f"field{nearest(part.attr, known)} (to make it one, add  {part.attr}: float = ...)"
            )


class _Constants(ast.NodeTransformer):
    """Replaces module constants by their values and refuses every other outside name."""

    def __init__(self, subject: str, file: str, first: int, scope: dict[str, Any], node: ast.FunctionDef) -> None:
        self.subject, self.file, self.first, self.scope = subject, file, first, scope
        self.local = {argument.arg for argument in node.args.args}
        self.local |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}

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
        raise LawError(
            f"{self.subject} uses {node.id!r} at {self.file}:{self.first + node.lineno - 1}; a law may use "
            "its arguments, math, and module constants that are numbers. Write the formula out, or make "
            f"{node.id!r} a field of the class"
        )


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
