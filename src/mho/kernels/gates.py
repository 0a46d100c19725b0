"""Time steps of recurrent layers between their arrays, as calls on memory that stays; rows are sequences.

S sequences, H units, float32. `given` is the answer of the array that reads the inputs, `answer` that of the recurrent
array. h may have further columns, which stay as they are. Nothing is counted.
"""

from __future__ import annotations

from mho.compiler.program import Call
from mho.kernels.ops import Floats, plain
from mho.kernels.records import GruErrors, LstmErrors, LstmMemory

MODULE = "digital.gates"


def add_columns(a: Floats, b: Floats, out: Floats) -> Call:
    """Plan out (S, n) = a + b, of which the first n columns are taken."""
    return plain(MODULE, "add_columns", len(out), out.size, a, b, out)


def elman(given: Floats, answer: Floats, h: Floats, *, rectified: bool) -> Call:
    """Plan a step of an Elman network, h = f(given + answer), each (S, H); f is ReLU if `rectified`, else tanh."""
    return plain(MODULE, "elman", len(given), given.size, given, answer, rectified, h)


def elman_back(d: Floats, h: Floats, errors: Floats, *, rectified: bool) -> Call:
    """Plan the adjoint of `elman`.

    Args:
        d: δ of h, (S, H).
        h: output of `elman`, (S, H).
        errors: takes δ of given and of answer, (S, H).
        rectified: as for `elman`.
    """
    return plain(MODULE, "elman_back", len(errors), errors.size, d, h, rectified, errors)


def lstm(given: Floats, answer: Floats, gates: Floats, memory: LstmMemory, h: Floats) -> Call:
    """Plan a step of an LSTM: i, f, o = σ(given + answer), g = tanh(given + answer), c' = f·c + i·g, h = o·tanh c'.

    Args:
        given: (S, 4H), in the order i, f, g, o.
        answer: (S, 4H).
        gates: takes i, f, g, o, (S, 4H).
        memory: holds c, takes c' and tanh c'.
        h: takes the output, (S, H).
    """
    return plain(MODULE, "lstm", len(given), given.size, given, answer, gates, memory, h)


def lstm_back(d: LstmErrors, gates: Floats, tanh_c: Floats, c: Floats, *, d_c: Floats, errors: Floats) -> Call:
    """Plan the adjoint of `lstm`.

    Args:
        d: δ of h and of c', (S, H) each.
        gates: as `lstm` has written them, (S, 4H).
        tanh_c: as `lstm` has written it, (S, H).
        c: memory c of the time step before, (S, H).
        d_c: takes δ of c, (S, H).
        errors: takes δ of given and of answer, (S, 4H).
    """
    return plain(MODULE, "lstm_back", len(errors), errors.size, d, gates, tanh_c, c, d_c, errors)


def gru(given: Floats, answer: Floats, h: Floats, *, gates: Floats, new_h: Floats) -> Call:
    """Plan a step of a GRU: r, z = σ(given + answer), n = tanh(given + r·answer), h' = n + z·(h - n).

    Args:
        given: (S, 3H), in the order r, z, n.
        answer: (S, 3H).
        h: output h of the time step before, (S, H).
        gates: takes r, z, n, (S, 3H).
        new_h: takes h', (S, H).
    """
    return plain(MODULE, "gru", len(given), given.size, given, answer, h, gates, new_h)


def gru_back(d: Floats, gates: Floats, answer: Floats, h: Floats, errors: GruErrors) -> Call:
    """Plan the adjoint of `gru`.

    Args:
        d: δ of h', (S, H).
        gates: as `gru` has written them, (S, 3H).
        answer: as `gru` was given it, (S, 3H).
        h: output h of the time step before, (S, H).
        errors: takes δ of given, of answer, and of h past the recurrent array.
    """
    return plain(MODULE, "gru_back", len(d), errors.answer.size, d, gates, answer, h, errors)
