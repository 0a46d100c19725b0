"""A hash of all source that decides a result, so that no result is taken for one of other code."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import io
import tokenize
from pathlib import Path

from mho.models import NETWORKS

DECIDES = (
    "compiler",
    "kernels",
    "random.py",
    "per_replica.py",
    "devices",
    "cells",
    "periphery",
    "tile.py",
    "config.py",
    "arrays",
    "nn",
    "training",
    "learning",
    "data",
    "runs/build.py",
)
"""Rooms and files; of the models only the one that is trained."""
LENGTH = 12


@functools.cache
def code_version(model: str) -> str:
    """Hash of the code that trains a network of `mho.models.NETWORKS`; comments and docstrings do not count."""
    digest = hashlib.sha256(code_of(Path(__file__).parent.parent).encode())
    digest.update(bare(inspect.getsource(NETWORKS[model].build)).encode())
    return digest.hexdigest()[:LENGTH]


def code_of(root: Path) -> str:
    """All code of a package folder of mho that decides a result, the networks apart."""
    parts = []
    for place in DECIDES:
        found = sorted((root / place).rglob("*.py")) if (root / place).is_dir() else [root / place]
        for file in found:
            parts.append(f"{file.relative_to(root).as_posix()}\n{bare(file.read_text(encoding='utf-8'))}\n")
    return "".join(parts)


@functools.cache
def bare(source: str) -> str:
    """Python source without comments, docstrings and empty lines."""
    lines = [line.encode() for line in source.splitlines()]
    # from the end, so that what is cut does not move what comes before
    for first, start, last, stop in sorted(_docstrings(source) + _comments(source), reverse=True):
        lines[first] = lines[first][:start] + lines[last][stop:]
        del lines[first + 1 : last + 1]
    return "\n".join(line.decode().rstrip() for line in lines if line.strip())


Span = tuple[int, int, int, int]
"""First line, byte in it, last line, byte in it; lines count from 0."""


def _docstrings(source: str) -> list[Span]:
    spans = []
    for node in ast.walk(ast.parse(source)):
        # a text that stands alone is a docstring wherever it stands: under an attribute too
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            spans.append((node.lineno - 1, node.col_offset, node.end_lineno - 1, node.end_col_offset))
    return spans


def _comments(source: str) -> list[Span]:
    spans = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line = token.start[0] - 1
            start, stop = (len(token.line[:column].encode()) for column in (token.start[1], token.end[1]))
            spans.append((line, start, line, stop))
    return spans
