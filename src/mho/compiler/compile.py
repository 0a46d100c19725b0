"""From kernel sources to compiled, disk-cached functions.

A kernel and everything it refers to, the device law included, is written as one module to
`<user cache>/kernels/<sha256 of that text and of the versions>.py` and compiled there with Numba's
cache. An edited law or kernel is another text, hence another file: no stale physics can be
loaded, and an unedited one is found again by every later process.
"""

from __future__ import annotations

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
from mho.compiler.linker import HEADER, Linker
from mho.compiler.model import DeviceModel, chosen, definitions
from mho.compiler.numba_internals import has_avx512
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
    linker = Linker(given, chosen(model) if model else {})
    text = header + "\n\n".join(["", *linker.link(template, entry)]) + "\n"
    what = f"{entry} kernel" + (f" for {model.law.name}" if model else "")
    with _importing:
        return getattr(_import(text, what), entry)


@functools.cache
def _digest() -> str:
    """Of what kernels import, so that after an edit they are another text."""
    files = [*sorted(Path(vectors.__file__).parent.glob("*.py")), Path(random.__file__)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


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
