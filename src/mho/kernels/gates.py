"""Steps of recurrent layers between their arrays, as calls on memory that stays; rows are sequences.

Fields of a step are (S, n) each; h may have columns behind its last unit, which stay as they are.
"""

from __future__ import annotations

from mho.compiler.program import Call
from mho.kernels.ops import Floats, plain
from mho.kernels.records import GruErrors, LstmErrors, LstmMemory

MODULE = "gates"


def add_columns(a: Floats, b: Floats, out: Floats) -> Call:
    """Plan out (S, n) = a + b, of which only the first n columns are taken."""
    return plain(MODULE, "add_columns", len(out), out.size, a, b, out)


def elman(given: Floats, answer: Floats, h: Floats, *, rectified: bool) -> Call:
    """Plan h = f(given + answer): tanh, or ReLU where `rectified`."""
    return plain(MODULE, "elman", len(given), given.size, given, answer, rectified, h)


def elman_back(d: Floats, h: Floats, errors: Floats, *, rectified: bool) -> Call:
    """Plan the adjoint of `elman`: from δ of h to δ of given and of answer."""
    return plain(MODULE, "elman_back", len(errors), errors.size, d, h, rectified, errors)


def lstm(given: Floats, answer: Floats, gates: Floats, memory: LstmMemory, h: Floats) -> Call:
    """Plan gates i, f, g, o of given + answer, c' = f·c + i·g and h = o·tanh c'; gates and tanh c' are kept."""
    return plain(MODULE, "lstm", len(given), given.size, given, answer, gates, memory, h)


def lstm_back(d: LstmErrors, gates: Floats, tanh_c: Floats, c: Floats, *, d_c: Floats, errors: Floats) -> Call:
    """Plan the adjoint of `lstm`: from δ of h and of c' to δ of c, and of given and answer."""
    return plain(MODULE, "lstm_back", len(errors), errors.size, d, gates, tanh_c, c, d_c, errors)


def gru(given: Floats, answer: Floats, h: Floats, *, gates: Floats, new_h: Floats) -> Call:
    """Plan gates r, z and candidate n of given and answer, and h' = n + z (h - n); gates are kept."""
    return plain(MODULE, "gru", len(given), given.size, given, answer, h, gates, new_h)


def gru_back(d: Floats, gates: Floats, answer: Floats, h: Floats, errors: GruErrors) -> Call:
    """Plan the adjoint of `gru`: from δ of h' to δ of given, of answer, and of h beside the recurrent matrix."""
    return plain(MODULE, "gru_back", len(d), errors.answer.size, d, gates, answer, h, errors)
