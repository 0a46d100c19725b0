"""Steps of recurrent layers between their arrays, as calls on memory that stays; rows are sequences.

Fields of a step are (S, n) each; h may have columns behind its last unit, which stay as they are.
"""

from __future__ import annotations

from mho.compiler.program import Call
from mho.kernels.ops import Floats, plain

MODULE = "gates"


def add_columns(a: Floats, b: Floats, out: Floats) -> Call:
    """out (S, n) = a + b, of which only the first n columns are taken."""
    return plain(MODULE, "add_columns", len(out), out.size, a, b, out)


def elman(given: Floats, answer: Floats, h: Floats, *, rectified: bool) -> Call:
    """h = f(given + answer): tanh, or ReLU where `rectified`."""
    return plain(MODULE, "elman", len(given), given.size, given, answer, rectified, h)


def elman_back(d: Floats, h: Floats, errors: Floats, *, rectified: bool) -> Call:
    """Adjoint of `elman`: from δ of h to δ of given and of answer."""
    return plain(MODULE, "elman_back", len(errors), errors.size, d, h, rectified, errors)


def lstm(given: Floats, answer: Floats, c: Floats, *, gates: Floats, new_c: Floats, tanh_c: Floats, h: Floats) -> Call:
    """Gates i, f, g, o of given + answer, c' = f·c + i·g and h = o·tanh c'; gates and tanh c' are kept."""
    return plain(MODULE, "lstm", len(given), given.size, given, answer, c, gates, new_c, tanh_c, h)


def lstm_back(
    d: Floats, d_next: Floats, gates: Floats, tanh_c: Floats, c: Floats, *, d_c: Floats, errors: Floats
) -> Call:
    """Adjoint of `lstm`: from δ of h and of c' to δ of c, and of given and answer."""
    return plain(MODULE, "lstm_back", len(errors), errors.size, d, d_next, gates, tanh_c, c, d_c, errors)


def gru(given: Floats, answer: Floats, h: Floats, *, gates: Floats, new_h: Floats) -> Call:
    """Gates r, z and candidate n of given and answer, and h' = n + z (h - n); gates are kept."""
    return plain(MODULE, "gru", len(given), given.size, given, answer, h, gates, new_h)


def gru_back(
    d: Floats, gates: Floats, answer: Floats, h: Floats, *, given_errors: Floats, errors: Floats, past: Floats
) -> Call:
    """Adjoint of `gru`: from δ of h' to δ of given, of answer, and of h beside the recurrent matrix."""
    return plain(MODULE, "gru_back", len(errors), errors.size, d, gates, answer, h, given_errors, errors, past)
