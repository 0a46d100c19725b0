"""Intrinsics for kernels: vector instructions that LLVM does not generate from plain loops."""

from mho.compiler.vectors.blocks import BLOCK_GROUPS, block
from mho.compiler.vectors.lists import compress, draw_lines, gather, gather_fours, list_lines
from mho.compiler.vectors.machine import fma, full_width
from mho.compiler.vectors.rows import (
    SQUARE,
    add_lines,
    largest_word,
    transpose_gathered,
    transpose_spread,
)

__all__ = [
    "BLOCK_GROUPS",
    "SQUARE",
    "add_lines",
    "block",
    "compress",
    "draw_lines",
    "fma",
    "full_width",
    "gather",
    "gather_fours",
    "largest_word",
    "list_lines",
    "transpose_gathered",
    "transpose_spread",
]
