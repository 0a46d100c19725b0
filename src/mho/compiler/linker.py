"""Kernels as one text: a function with all that it refers to, gathered from the modules where it stands."""

from __future__ import annotations

import ast
import copy
import functools
import importlib.util
import symtable
from collections.abc import Callable
from pathlib import Path
from typing import final

from mho.compiler.numba_internals import APART, ENTRY, INLINE
from mho.errors import LawError

LAW = "mho.compiler.law"
"""Module whose functions a law replaces."""
CELL = "mho.kernels.cpu.cell"
"""Module whose functions effects and cells replace."""
TRANSFER = "mho.kernels.cpu.transfer"
"""Module with the function that a cell's transfer replaces."""
HEADER = """import math
from collections import namedtuple

import numpy as np
from numba import njit

from mho.compiler.vectors import full_width
"""
STAYS_APART = "stay_apart"
"""Name of the function that a helper calls to be compiled apart from its callers: see `mho.compiler.apart`."""
TAKEN = ("math", "namedtuple", "np", "njit", "full_width", "Cell")
"""Names of the header, and the class of a law's records."""


@final
class Linker:
    """Gathers the definitions that a function refers to, each before its first use.

    A definition is known by its module and its name. Where two of one name meet, which are not the same text, the later
    is renamed, with all that refers to it.

    Args:
        given: texts that stand for functions of `LAW`, `CELL` and `TRANSFER`, and for constants of kernels, by name;
            and what these texts refer to, beside the definitions of the module in which they stand.
        chosen: which function of `CELL` stands for a name that is imported from there.
        homes: modules of given constants that are of one module only, by name; others may use the name for their own.
    """

    def __init__(self, given: dict[str, str], chosen: dict[str, str], *, homes: dict[str, str] | None = None) -> None:
        self._given, self._chosen, self._only = given, chosen, homes or {}
        self._homes: dict[str, str] = {}  # modules of the given constants
        self._names: dict[tuple[str, str], str] = {}
        self._texts: dict[str, str] = {}

    def link(self, module: str, entry: str) -> list[str]:
        """Return the definitions for a function, itself the last, under its own name.

        Raises:
            LawError: for a name that a module imports and the other does not define.
        """
        self._entry = (module, entry)
        self._add(module, entry, decorator=ENTRY)
        return list(self._texts.values())

    def _add(self, module: str, name: str, decorator: str = INLINE) -> str:
        """Add a definition and return the name under which it stands in the text."""
        if (module, name) not in self._names:
            self._names[module, name] = self._define(module, name, decorator)
        return self._names[module, name]

    def _define(self, module: str, name: str, decorator: str) -> str:
        node = _definitions(module).get(name)
        if node is None:
            raise LawError(f"{module} has no {name}, which a kernel refers to: define {name} there, at its top level")
        if self._is_given(module, name, node):
            self._put_given(module, name)
            return name
        if isinstance(node, ast.ImportFrom):
            original = next(alias.name for alias in node.names if name == (alias.asname or alias.name))
            original = self._chosen.get(name, original) if node.module == CELL else original
            stands = self._add(str(node.module), original)
            return name if stands == name else self._put(module, name, lambda final: f"{final} = {stands}")
        if isinstance(node, ast.ClassDef):  # the class itself, so that a record of Python's is one of the kernel's
            return self._put(module, name, lambda final: _import_of(module, node, final))
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            return self._put(
                module, name, lambda final: f"from {module} import {name}" + (f" as {final}" if final != name else "")
            )
        bare, plain, used = _in_kernels(module, name)
        renamed = {other: self._add(module, other) for other in used}
        if decorator == INLINE and STAYS_APART in renamed:
            decorator = APART

        def text(final: str) -> str:
            changed = _changed({**renamed, name: final})
            written = ast.unparse(_renamed(bare, changed)) if changed else plain
            return f"{decorator}\n{written}" if isinstance(bare, ast.FunctionDef) else written

        return self._put(module, name, text)

    def _is_given(self, module: str, name: str, node: ast.stmt) -> bool:
        """Return whether a text was given for this definition."""
        if name not in self._given:
            return False
        if self._only.get(name, module) != module:
            return False
        if isinstance(node, ast.Assign):
            home = self._homes.setdefault(name, module)
            if home != module:
                raise LawError(
                    f"{name} is set by the compiler and stands in {home} and in {module}, which meet in one kernel: "
                    "import it from one of them, or rename the other"
                )
            return True
        return isinstance(node, ast.FunctionDef) and module in (LAW, CELL, TRANSFER)

    def _put_given(self, module: str, name: str) -> None:
        """Put a given text, after all that it refers to, as it would stand in a module."""
        text = ast.parse(self._given[name])
        renamed = {}
        for used in sorted(_outside(symtable.symtable(self._given[name], "kernel", "exec")) - {name}):
            if used in _definitions(module):
                renamed[used] = self._add(module, used)
            elif used in self._given and used not in self._texts:
                self._put_given(module, used)
        changed = _changed(renamed)
        self._texts[name] = ast.unparse(_renamed(text, changed)) if changed else self._given[name]

    def _put(self, module: str, name: str, text: Callable[[str], str]) -> str:
        """Put a definition under its name, or under another where that is taken by another text."""
        final, number = name, 1
        while (module, name) != self._entry and self._taken(final, text(final)):
            number += 1
            final = f"{name}_{number}"
        self._texts[final] = text(final)
        return final

    def _taken(self, name: str, text: str) -> bool:
        reserved = name in TAKEN or name in self._given or name == self._entry[1]
        return reserved or self._texts.get(name, text) != text


@functools.cache
def _definitions(module: str) -> dict[str, ast.stmt]:
    """Return the functions, constants, records (classes of named tuples) and imported names of a module."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) or (isinstance(node, ast.ClassDef) and _is_record(node)):
            found[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mho."):
            found |= {alias.asname or alias.name: node for alias in node.names}
    return found


def _is_record(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "NamedTuple" for base in node.bases)


def _import_of(module: str, record: ast.ClassDef, name: str) -> str:
    """Return the import of a record, with its fields behind it, so that kernels with other fields are other texts."""
    fields = [ast.unparse(part.target) for part in record.body if isinstance(part, ast.AnnAssign)]
    renamed = "" if name == record.name else f" as {name}"
    return f"from {module} import {record.name}{renamed}  # {', '.join(fields)}"


@functools.cache
def _in_kernels(module: str, name: str) -> tuple[ast.stmt, str, tuple[str, ...]]:
    """Return a definition as kernels have it, its text, and the other definitions of its module that it refers to."""
    scope, node = _definitions(module), _definitions(module)[name]
    bare = _bare(node) if isinstance(node, ast.FunctionDef) else node
    names = [n.id for n in ast.walk(bare) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    used = tuple(other for other in dict.fromkeys(names) if other != name and other in scope)
    if isinstance(bare, ast.FunctionDef):  # helpers too: LLVM may leave a helper as a call
        bare.body.insert(0, ast.parse("full_width()").body[0])
    return bare, ast.unparse(bare), used


def _bare(node: ast.FunctionDef) -> ast.FunctionDef:
    """Return a function without what the compiler does not need: annotations, decorators and the docstring."""
    arguments = ast.arguments(**{**vars(node.args), "args": [ast.arg(argument.arg) for argument in node.args.args]})
    body = node.body[1:] if ast.get_docstring(node) is not None else list(node.body)
    return ast.fix_missing_locations(ast.FunctionDef(node.name, arguments, body, []))


def _changed(names: dict[str, str]) -> dict[str, str]:
    return {name: other for name, other in names.items() if name != other}


def _renamed(node: ast.stmt | ast.Module, names: dict[str, str]) -> ast.stmt | ast.Module:
    """Return a definition that refers to other definitions, and to itself, by other names."""
    outside = _outside(symtable.symtable(ast.unparse(node), "kernel", "exec"))
    node = copy.deepcopy(node)
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in outside:
            part.id = names.get(part.id, part.id)
        elif isinstance(part, ast.FunctionDef) and part.name in outside:
            part.name = names.get(part.name, part.name)
    return node


def _outside(table: symtable.SymbolTable) -> set[str]:
    """Return the names that a text takes from outside or defines, without the variables of its functions."""
    names = {s.get_name() for s in table.get_symbols() if s.is_global() or table.get_type() == "module"}
    return names.union(*(_outside(child) for child in table.get_children()))
