"""From kernel sources to compiled, disk-cached functions.

A kernel and everything it refers to, the device law included, is written as one module to
`<user cache>/kernels/<sha256 of that text and of the versions>.py` and compiled there with Numba's
cache. An edited law or kernel is another text, hence another file: no stale physics can be
loaded, and an unedited one is found again by every later process.
"""

from __future__ import annotations

import ast
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
from mho.compiler.law import ROOM, Law
from mho.compiler.linker import HEADER, Linker
from mho.compiler.numba_internals import INLINE, has_avx512
from mho.files import write_atomically

_importing = threading.RLock()
"""A module stands in `sys.modules` before it has run: other threads must not find it then."""

on_compile: list[Callable[[str], None]] = []
"""Called with a line of text before a kernel is compiled for the first time on this machine."""


def cache_folder() -> Path:
    """Where generated kernels lie: `$MHO_CACHE_DIR`, else the user's cache folder."""
    return Path(os.environ.get("MHO_CACHE_DIR") or platformdirs.user_cache_dir("mho")) / "kernels"


@functools.cache
def load(
    template: str, entry: str, law: Law | None = None, fields: tuple[str, ...] = (), tables: tuple[str, ...] = ()
) -> Any:
    """Return a compiled kernel.

    Args:
        template: module that holds the kernel, for example `mho.kernels.cpu.update`.
        entry: its function.
        law: the device law to stand inside it, if it has a place for one.
        fields: the law's fields and options, in the order in which the kernel receives them.
        tables: its tables, likewise.
    """
    given = {name: f"{name} = {has_avx512()}" for name in ("COMPRESSES", "WIDE")}
    given |= _law_definitions(law, fields, tables) if law else {}
    header = f"{HEADER}# vectors: {_digest()}\n"
    chosen = _choices(law, fields) if law else {}
    text = header + "\n\n".join(["", *Linker(given, chosen).link(template, entry)]) + "\n"
    what = f"{entry} kernel" + (f" for {law.name}" if law else "")
    with _importing:
        return getattr(_import(text, what), entry)


@functools.cache
def _digest() -> str:
    """Of what kernels import, so that after an edit they are another text."""
    files = [*sorted(Path(vectors.__file__).parent.glob("*.py")), Path(random.__file__)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _choices(law: Law, fields: tuple[str, ...]) -> dict[str, str]:
    """Which function of `mho.kernels.cpu.cell` stands for a name in kernels, where it is not the plain one."""
    choices = {
        "draw": ("draw_pair", law.draws == 2),
        "step": ("step_hidden", law.state),
        "heed": ("heed_side", "side" in fields),
        "turn": ("turn_up", "side" in fields),
        "hold": ("hold_stuck", "stuck" in fields),
        "show": ("show_noisy", "write_noise" in fields),
        "see": ("see_by_law", "read" in law.functions),
        "vary": ("vary_each_read", "read_variation" in fields),
        "settle": ("rest_by_law", "rest" in law.functions),
        "age": ("age_by_options", "decay" in fields),
    }
    return {name: function for name, (function, wanted) in choices.items() if wanted}


def _law_definitions(law: Law, fields: tuple[str, ...], tables: tuple[str, ...]) -> dict[str, str]:
    """The law's functions, and how a kernel finds its fields: in a list of cross-points, or where they stand.

    One array of a list holds ROOM lanes a slot; slot 0 is the weight that is read, the law's fields follow, then what
    reads do not see.
    """
    count, written = len(fields), "write_noise" in fields
    of_cell = [f"tables[{place}][replica, cell]" for place in range(len(tables))]
    lanes = ", ".join([*(f"lanes[{ROOM * (1 + slot)} + lane]" for slot in range(count)), *of_cell])
    at = "replica * strides[{0}, 0] + row * strides[{0}, 1] + column * strides[{0}, 2]"
    standing = ", ".join([*(f"fields[{slot}][{at.format(slot)}]" for slot in range(count)), *of_cell])
    functions = {name: f"{INLINE}\n{ast.unparse(node)}" for name, node in law.functions.items()}
    if not law.closed_form:
        functions["pulses"] = f"{INLINE}\ndef pulses(w, n, up, cell, z):\n    return w"
        functions["reach"] = f"{INLINE}\ndef reach(n, up, cell):\n    return n"
    return functions | {
        "CLOSED_FORM": f"CLOSED_FORM = {law.closed_form}",
        "FIELDS": f"FIELDS = {count}",
        "WRITTEN": f"WRITTEN = {ROOM * (1 + count) if written else 0}",
        "HIDDEN": f"HIDDEN = {written + law.state}",
        "STATE": f"STATE = {law.state}",
        "SLOTS": f"SLOTS = {1 + count + written + law.state}",
        "W_MAX": f"W_MAX = {ROOM * (1 + fields.index('w_max'))}",
        "W_MIN": f"W_MIN = {ROOM * (1 + fields.index('w_min'))}",
        "cell_at": f"Cell = namedtuple('Cell', {[*fields, *tables]!r})\n\n"
        f"{INLINE}\ndef cell_at(lanes, lane, tables, replica, cell):\n    return Cell({lanes})",
        "cell_of": f"Cell = namedtuple('Cell', {[*fields, *tables]!r})\n\n"
        f"{INLINE}\ndef cell_of(fields, strides, tables, replica, cell, row, column):\n    return Cell({standing})",
    }


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
