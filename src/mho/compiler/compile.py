"""From kernel sources to compiled, disk-cached functions.

A kernel and everything it refers to, the device law included, is written as one module to
`<user cache>/kernels/<sha256 of that text and of the versions>.py` and compiled there with Numba's
cache. An edited law or kernel is another text, hence another file: no stale physics can be
loaded, and an unedited law is found again by every later process.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path
from typing import Any

from mho import random
from mho.compiler import vectors
from mho.compiler.cache import load_kernel
from mho.compiler.linker import HEADER, Linker
from mho.compiler.model import DeviceModel, chosen, definitions
from mho.compiler.numba_internals import has_avx2, has_avx512
from mho.compiler.vectors.blocks import block_shape

KEPT = 64
"""Kernels that a process keeps for the next use, about 4 MB each; those in use somewhere stay anyway."""


@functools.lru_cache(maxsize=KEPT)
def load(
    template: str,
    entry: str,
    model: DeviceModel | None = None,
    fields: tuple[str, ...] = (),
    tables: tuple[str, ...] = (),
    more: tuple[tuple[str, str], ...] = (),
) -> Any:
    """Return a compiled kernel.

    Args:
        template: module that holds the kernel, for example `mho.kernels.cpu.update`.
        entry: its function.
        model: the law and the hooks to stand inside it, if it has places for them.
        fields: the fields of the devices, in the order in which the kernel receives them.
        tables: names of the tables of the law.
        more: definitions that take the place of names in the kernel, each with its text.
    """
    machine = _machine()
    given = {name: f"{name} = {value}" for (_, name), value in machine.items()}
    given |= definitions(model, fields, tables) if model else {}
    given |= dict(more)
    header = f"{HEADER}# vectors: {_digest()}\n"
    linker = Linker(given, chosen(model) if model else {}, homes={name: home for home, name in machine})
    text = header + "\n\n".join(["", *linker.link(template, entry)]) + "\n"
    what = f"{entry} kernel" + (f" for {model.law.name}" if model else "")
    return load_kernel(text, entry, what)


def _machine() -> dict[tuple[str, str], object]:
    """Return the constants of kernels that depend on the machine, by module and name."""
    lanes, rows = block_shape()
    lists, products = "mho.kernels.cpu.lists", "mho.kernels.cpu.products"
    return {
        (lists, "COMPRESSES"): has_avx2(),
        (lists, "GATHERS"): has_avx512(),
        (products, "BLOCK_LANES"): lanes,
        (products, "BLOCK_ROWS"): rows,
    }


@functools.cache
def _digest() -> str:
    """Hash what kernels import, so that after an edit they are another text.

    Of random.py only functions and constants: a new name for an operation must not compile every kernel anew.
    """
    parts = [file.read_text(encoding="utf-8") for file in sorted(Path(vectors.__file__).parent.glob("*.py"))]
    nodes = ast.parse(Path(random.__file__).read_text(encoding="utf-8")).body
    parts += [ast.unparse(node) for node in nodes if isinstance(node, (ast.FunctionDef, ast.Assign, ast.AnnAssign))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
