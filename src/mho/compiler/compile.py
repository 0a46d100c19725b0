"""From kernel sources to compiled, disk-cached functions.

A kernel and everything it refers to, the device law included, is written as one module to
`<user cache>/kernels/<sha256 of that text and of the versions>.py` and compiled there with Numba's
cache. An edited law or kernel is another text, hence another file: no stale physics can be
loaded, and an unedited one is found again by every later process.
"""

from __future__ import annotations

import ast
import copy
import functools
import hashlib
import importlib
import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
import platformdirs

from mho import random
from mho.compiler import vectors
from mho.compiler.model import DeviceModel, chosen, definitions
from mho.compiler.numba_internals import ENTRY, INLINE, has_avx512
from mho.files import write_atomically

HEADER = """import math
from collections import namedtuple

import numpy as np
from numba import njit

from mho.compiler.vectors import full_width
"""

_importing = threading.RLock()
"""A module stands in `sys.modules` before it has run: other threads must not find it then."""

on_compile: list[Callable[[str], None]] = []
"""Called with a line of text before a kernel is compiled for the first time on this machine."""


def cache_folder() -> Path:
    """Where generated kernels lie: `$MHO_CACHE_DIR`, else the user's cache folder."""
    return Path(os.environ.get("MHO_CACHE_DIR") or platformdirs.user_cache_dir("mho")) / "kernels"


@functools.cache
def load(
    template: str,
    entry: str,
    model: DeviceModel | None = None,
    fields: tuple[str, ...] = (),
    tables: tuple[str, ...] = (),
) -> Any:
    """Return a compiled kernel.

    Args:
        template: module that holds the kernel, for example `mho.kernels.cpu.update`.
        entry: its function.
        model: the law and the hooks to stand inside it, if it has places for them.
        fields: the fields of the devices, in the order in which the kernel receives them.
        tables: their tables, likewise.
    """
    given = {name: f"{name} = {has_avx512()}" for name in ("COMPRESSES", "WIDE")}
    given |= definitions(model, fields, tables) if model else {}
    header = f"{HEADER}# vectors: {_digest()}\n"
    text = header + "\n\n".join(["", *_Linker(given, chosen(model) if model else {}).link(template, entry)]) + "\n"
    what = f"{entry} kernel" + (f" for {model.law.name}" if model else "")
    with _importing:
        return getattr(_import(text, what), entry)


class _Linker:
    """Gathers the definitions that a function refers to, each before its first use.

    A name that is imported from another module may be `chosen` to stand for another function of that module. A
    definition that is `given` may refer to others that are, and to what stands in the module whose place it takes.
    """

    def __init__(self, given: dict[str, str], chosen: dict[str, str]) -> None:
        self.given, self.chosen = given, chosen
        self.done: dict[str, str] = {}

    def link(self, module: str, entry: str) -> list[str]:
        self._add(module, entry, decorator=ENTRY)
        return list(self.done.values())

    def _add(self, module: str, name: str, decorator: str = INLINE) -> None:
        if name in self.done:
            return
        scope = _definitions(module)
        node = scope.get(name)
        if name in self.given:
            home = str(node.module) if isinstance(node, ast.ImportFrom) else module
            for used in _free_names(self.given[name]):
                if used in self.given or used in _definitions(home):
                    self._add(home, used)
            self.done[name] = self.given[name]
            return
        if isinstance(node, ast.ImportFrom):
            original = next(alias.name for alias in node.names if name in (alias.asname, alias.name))
            original = self.chosen.get(name, original)
            self._add(str(node.module), original)
            if original != name:
                self.done[name] = f"{name} = {original}"
        elif isinstance(node, ast.FunctionDef) and node.decorator_list:
            self.done[name] = f"from {module} import {name}"
        elif isinstance(node, (ast.Assign, ast.FunctionDef)):
            for used in _names(node):
                if used != name and used in scope:
                    self._add(module, used)
            node = _bare(node)
            if isinstance(node, ast.FunctionDef):  # helpers too: Numba optimises each before it is inlined
                node.body.insert(0, ast.parse("full_width()").body[0])
            text = ast.unparse(node)
            self.done[name] = f"{decorator}\n{text}" if isinstance(node, ast.FunctionDef) else text


@functools.cache
def _definitions(module: str) -> dict[str, ast.stmt]:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mho."):
            found |= {alias.asname or alias.name: node for alias in node.names}
    return found


@functools.cache
def _digest() -> str:
    """Of what kernels import, so that after an edit they are another text."""
    files = [*sorted(Path(vectors.__file__).parent.glob("*.py")), Path(random.__file__)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _names(node: ast.AST) -> list[str]:
    inside = _bare(node) if isinstance(node, ast.FunctionDef) else node
    return [n.id for n in ast.walk(inside) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]


def _free_names(text: str) -> list[str]:
    """Return the names that the functions of a given text take from outside."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.Name, ast.arg, ast.FunctionDef))]
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    own |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return [node.id for node in nodes if isinstance(node, ast.Name) and node.id not in own]


def _bare(node: ast.stmt) -> ast.stmt:
    """Drop what the compiler does not need: annotations and docstrings."""
    node = copy.deepcopy(node)
    if isinstance(node, ast.FunctionDef):
        node.returns, node.decorator_list = None, []
        for argument in node.args.args:
            argument.annotation = None
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.fix_missing_locations(node)


def _import(text: str, what: str) -> ModuleType:
    versions = f"{numba.__version__} {np.__version__} {sys.version}"
    name = hashlib.sha256(f"{versions}\n{text}".encode()).hexdigest()
    if name in sys.modules:
        return sys.modules[name]
    file = _write(cache_folder(), name, text)
    if not any((file.parent / "__pycache__").glob(f"{name}.*.nbi")):
        for tell in on_compile:
            tell(f"compiling the {what} (once on this machine)")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Numba's cache finds a function's module by name while it unpickles, so it must be there first.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _write(folder: Path, name: str, text: str) -> Path:
    """Write a module so that no other process can see half of it; fall back to a folder of our own."""
    file = folder / f"{name}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            write_atomically(file, text.encode())
    except OSError:
        private = Path(tempfile.mkdtemp(prefix="mho-kernels-"))
        file = private / f"{name}.py"
        file.write_text(text, encoding="utf-8")
    return file
