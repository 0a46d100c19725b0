"""What LLVM does not make of a machine's vectors by itself: intrinsics for kernels."""

from mho.compiler.vectors.blocks import BLOCK_GROUPS, block
from mho.compiler.vectors.lists import compress, draw_lines, gather, gather_fours, list_lines
from mho.compiler.vectors.machine import fma, full_width
from mho.compiler.vectors.rows import (
    SQUARE,
    add_lines,
    largest_word,
    turn_gathered,
    turn_spread,
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
    "turn_gathered",
    "turn_spread",
]
