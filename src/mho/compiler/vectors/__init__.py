"""Intrinsics for kernels: vector instructions that LLVM does not generate from plain loops."""

from mho.compiler.vectors.blocks import BLOCK_GROUPS, block
from mho.compiler.vectors.lists import compress, draw_lines, gather, gather_fours, list_lines
from mho.compiler.vectors.machine import fma, full_width
from mho.compiler.vectors.rows import (
    LINE_SQUARES,
    SQUARE,
    TURNED,
    add_lines,
    largest_word,
    line_sums,
    transpose_gathered,
    transpose_spread,
)

__all__ = [
    "BLOCK_GROUPS",
    "LINE_SQUARES",
    "SQUARE",
    "TURNED",
    "add_lines",
    "block",
    "compress",
    "draw_lines",
    "fma",
    "full_width",
    "gather",
    "gather_fours",
    "largest_word",
    "line_sums",
    "list_lines",
    "transpose_gathered",
    "transpose_spread",
]
