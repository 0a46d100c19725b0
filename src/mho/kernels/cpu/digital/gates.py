"""Digital arithmetic of a time step of a recurrent layer, and its adjoint: rows are sequences.

Equations are those of torch.nn.RNN, LSTM and GRU. `given` is the answer of the array that reads the inputs, `answer`
that of the recurrent array. S sequences, H units; all arrays are float32.

Each kernel makes several passes over a row, each over few fields: LLVM checks before a loop that what it writes
overlaps nothing it reads, and leaves loops over many fields to scalar code. A step of an LSTM of 64 units on 10
sequences takes 1.7 µs forward and 0.6 µs backward; single operations of torch took 34 and 74 µs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

ZERO = np.float32(0.0)
ONE = np.float32(1.0)
HALF = np.float32(0.5)
FAR = np.float32(4.6)  # beyond twice this argument tanh is ±1 in float32
# Lambert's continued fraction of tanh y, cut after y⁷: y (A0 + A1 y² + A2 y⁴ + y⁶) / (A0 + B1 y² + B2 y⁴ + B3 y⁶)
A0 = np.float32(135135.0)
A1 = np.float32(17325.0)
A2 = np.float32(378.0)
B1 = np.float32(62370.0)
B2 = np.float32(3150.0)
B3 = np.float32(28.0)


def squash(values: Any, at: Any, size: Any, scale: Any, offset: Any) -> None:
    """Apply v → offset + scale·tanh(scale·v) to values[at : at + size]; NaN stays NaN.

    Scale 1 and offset 0 give tanh v; ½ and ½ give the logistic function σ(v). The error is at most 2·10⁻⁷.
    """
    # tanh y = n/d is computed at half the argument, where the fraction converges, and tanh 2y = 2nd/(n² + d²) follows:
    # a single division per number
    for j in range(size):
        place = np.uintp(at + j)
        v = values[place]
        y = min(max(v * scale * HALF, -FAR), FAR)
        s = y * y
        n = y * (A0 + s * (A1 + s * (A2 + s)))
        d = A0 + s * (B1 + s * (B2 + s * B3))
        t = n * d / (n * n + d * d)
        values[place] = offset + scale * min(max(t + t, -ONE), ONE) if v == v else v


def add_row(a: Any, b: Any, out: Any, size: Any) -> None:
    """Write out[j] = a[j] + b[j] for j < size."""
    for j in range(size):
        out[np.uintp(j)] = a[np.uintp(j)] + b[np.uintp(j)]


def copy_row(values: Any, out: Any, size: Any) -> None:
    """Write out[j] = values[j] for j < size."""
    for j in range(size):
        out[np.uintp(j)] = values[np.uintp(j)]


def add_columns(start: Any, stop: Any, counts: Any, a: Any, b: Any, out: Any) -> None:
    """Compute out = a + b over the first n columns.

    Args:
        start: first row, a sequence.
        stop: the row behind the last.
        counts: not added to.
        a: (S, n) at least.
        b: (S, n) at least.
        out: takes the sums, (S, n).
    """
    for i in range(start, stop):
        add_row(a[np.uintp(i)], b[np.uintp(i)], out[np.uintp(i)], out.shape[1])


def elman(start: Any, stop: Any, counts: Any, given: Any, answer: Any, rectified: Any, h: Any) -> None:
    """Step an Elman network: h = f(given + answer).

    Args:
        start: first row, a sequence.
        stop: the row behind the last.
        counts: not added to.
        given: (S, H).
        answer: (S, H).
        rectified: True for f = ReLU, False for tanh.
        h: takes the output, (S, H) at least.
    """
    hidden = given.shape[1]
    for i in range(start, stop):
        row = h[np.uintp(i)]
        add_row(given[np.uintp(i)], answer[np.uintp(i)], row, hidden)
        if rectified:
            rectify(row, hidden)
        else:
            squash(row, 0, hidden, ONE, ZERO)


def rectify(values: Any, size: Any) -> None:
    """Write values[j] = max(values[j], 0) for j < size; NaN stays NaN."""
    for j in range(size):
        v = values[np.uintp(j)]
        values[np.uintp(j)] = ZERO if v < ZERO else v


def elman_back(start: Any, stop: Any, counts: Any, d: Any, h: Any, rectified: Any, errors: Any) -> None:
    """Compute the backward pass of `elman`: errors = d·f'(argument).

    Args:
        start: first row, a sequence.
        stop: the row behind the last.
        counts: not added to.
        d: δ of h, (S, H).
        h: output of `elman`, (S, H) at least, from which f' follows.
        rectified: True for ReLU, False for tanh.
        errors: takes δ of given and of answer, (S, H).
    """
    for i in range(start, stop):
        own, row, out = d[np.uintp(i)], h[np.uintp(i)], errors[np.uintp(i)]
        if rectified:
            for j in range(out.shape[0]):
                out[np.uintp(j)] = own[np.uintp(j)] if row[np.uintp(j)] > ZERO else ZERO
        else:
            for j in range(out.shape[0]):
                out[np.uintp(j)] = own[np.uintp(j)] * (ONE - row[np.uintp(j)] * row[np.uintp(j)])


def lstm(start: Any, stop: Any, counts: Any, given: Any, answer: Any, gates: Any, memory: Any, h: Any) -> None:
    """Step an LSTM: i, f, o = σ(given + answer), g = tanh(given + answer); c' = f·c + i·g, h = o·tanh c'.

    Args:
        start: first row, a sequence.
        stop: the row behind the last.
        counts: not added to.
        given: (S, 4H), in the order i, f, g, o.
        answer: (S, 4H), in this order.
        gates: takes i, f, g, o side by side, (S, 4H).
        memory: `mho.kernels.records.LstmMemory`; c' and tanh c' are written.
        h: takes the output, (S, H) at least.
    """
    hidden = memory.c.shape[1]
    for i in range(start, stop):
        own, new, bent = gates[np.uintp(i)], memory.new_c[np.uintp(i)], memory.tanh_c[np.uintp(i)]
        out = h[np.uintp(i)]
        add_row(given[np.uintp(i)], answer[np.uintp(i)], own, 4 * hidden)
        squash(own, 0, 2 * hidden, HALF, HALF)
        squash(own, 2 * hidden, hidden, ONE, ZERO)
        squash(own, 3 * hidden, hidden, HALF, HALF)
        remember(own, memory.c[np.uintp(i)], new)
        copy_row(new, bent, hidden)
        squash(bent, 0, hidden, ONE, ZERO)
        for j in range(hidden):
            out[np.uintp(j)] = own[np.uintp(3 * hidden + j)] * bent[np.uintp(j)]


def remember(gates: Any, c: Any, new: Any) -> None:
    """Write new (H,) = f·c + i·g for gates i, f, g, o side by side (4H,) and c (H,)."""
    hidden = new.shape[0]
    for j in range(hidden):
        i, f, g = gates[np.uintp(j)], gates[np.uintp(hidden + j)], gates[np.uintp(2 * hidden + j)]
        new[np.uintp(j)] = f * c[np.uintp(j)] + i * g


def lstm_back(
    start: Any, stop: Any, counts: Any, d: Any, gates: Any, tanh_c: Any, c: Any, d_c: Any, errors: Any
) -> None:
    """Compute the backward pass of `lstm`.

    Args:
        start: first row, a sequence.
        stop: the row behind the last.
        counts: not added to.
        d: `mho.kernels.records.LstmErrors`, δ of h and of c'.
        gates: i, f, g, o as `lstm` has written them, (S, 4H).
        tanh_c: tanh c' as `lstm` has written it, (S, H).
        c: memory c of the time step before, (S, H).
        d_c: takes δ of c, (S, H).
        errors: takes δ of given and of answer, (S, 4H).
    """
    for i in range(start, stop):
        own, bent, back, out = gates[np.uintp(i)], tanh_c[np.uintp(i)], d_c[np.uintp(i)], errors[np.uintp(i)]
        # `back` holds δ of c' until the gates have used it, and then becomes δ of c
        lstm_to_memory(d.h[np.uintp(i)], d.new_c[np.uintp(i)], own, bent, back)
        lstm_to_input(back, own, out)
        lstm_to_forget(back, own, c[np.uintp(i)], out)
        lstm_to_output(d.h[np.uintp(i)], own, bent, out)
        hidden = back.shape[0]
        for j in range(hidden):
            back[np.uintp(j)] *= own[np.uintp(hidden + j)]


def lstm_to_memory(d: Any, d_next: Any, gates: Any, tanh_c: Any, back: Any) -> None:
    """Write back = δ of c': what the next time step sends back, and what comes through h."""
    hidden = back.shape[0]
    for j in range(hidden):
        bent = tanh_c[np.uintp(j)]
        back[np.uintp(j)] = d_next[np.uintp(j)] + d[np.uintp(j)] * gates[np.uintp(3 * hidden + j)] * (ONE - bent * bent)


def lstm_to_input(back: Any, gates: Any, errors: Any) -> None:
    """Write δ of the arguments of i and g, from δ of c'."""
    hidden = back.shape[0]
    for j in range(hidden):
        i, g = gates[np.uintp(j)], gates[np.uintp(2 * hidden + j)]
        errors[np.uintp(j)] = back[np.uintp(j)] * g * (i * (ONE - i))
    for j in range(hidden):
        i, g = gates[np.uintp(j)], gates[np.uintp(2 * hidden + j)]
        errors[np.uintp(2 * hidden + j)] = back[np.uintp(j)] * i * (ONE - g * g)


def lstm_to_forget(back: Any, gates: Any, c: Any, errors: Any) -> None:
    """Write δ of the argument of f, from δ of c'."""
    hidden = back.shape[0]
    for j in range(hidden):
        f = gates[np.uintp(hidden + j)]
        errors[np.uintp(hidden + j)] = back[np.uintp(j)] * c[np.uintp(j)] * (f * (ONE - f))


def lstm_to_output(d: Any, gates: Any, tanh_c: Any, errors: Any) -> None:
    """Write δ of the argument of o, from δ of h."""
    hidden = tanh_c.shape[0]
    for j in range(hidden):
        o = gates[np.uintp(3 * hidden + j)]
        errors[np.uintp(3 * hidden + j)] = d[np.uintp(j)] * tanh_c[np.uintp(j)] * (o * (ONE - o))


def gru(start: Any, stop: Any, counts: Any, given: Any, answer: Any, h: Any, gates: Any, new_h: Any) -> None:
    """Step a GRU: r, z = σ(given + answer), n = tanh(given + r·answer), h' = n + z·(h - n).

    Args:
        start: first row, a sequence.
        stop: the row behind the last.
        counts: not added to.
        given: (S, 3H), in the order r, z, n.
        answer: (S, 3H), in this order.
        h: output h of the time step before, (S, H) at least.
        gates: takes r, z, n side by side, (S, 3H).
        new_h: takes h', (S, H) at least.
    """
    hidden = gates.shape[1] // 3
    for i in range(start, stop):
        own, old, out = gates[np.uintp(i)], h[np.uintp(i)], new_h[np.uintp(i)]
        add_row(given[np.uintp(i)], answer[np.uintp(i)], own, 2 * hidden)
        squash(own, 0, 2 * hidden, HALF, HALF)
        propose(given[np.uintp(i)], answer[np.uintp(i)], own, hidden)
        squash(own, 2 * hidden, hidden, ONE, ZERO)
        for j in range(hidden):
            z, n = own[np.uintp(hidden + j)], own[np.uintp(2 * hidden + j)]
            out[np.uintp(j)] = n + z * (old[np.uintp(j)] - n)


def propose(given: Any, answer: Any, gates: Any, hidden: Any) -> None:
    """Write the argument of the candidate n to its place: given + r·answer."""
    for j in range(hidden):
        at = np.uintp(2 * hidden + j)
        gates[at] = given[at] + gates[np.uintp(j)] * answer[at]


def gru_back(start: Any, stop: Any, counts: Any, d: Any, gates: Any, answer: Any, h: Any, errors: Any) -> None:
    """Compute the backward pass of `gru`.

    Args:
        start: first row, a sequence.
        stop: the row behind the last.
        counts: not added to.
        d: δ of h', (S, H).
        gates: r, z, n as `gru` has written them, (S, 3H).
        answer: as `gru` was given it, (S, 3H).
        h: output h of the time step before, (S, H) at least.
        errors: takes δ of given, of answer and of h, `mho.kernels.records.GruErrors`.
    """
    hidden = d.shape[1]
    for i in range(start, stop):
        back, own, row = d[np.uintp(i)], gates[np.uintp(i)], errors.given[np.uintp(i)]
        gru_to_update(back, own, h[np.uintp(i)], row)
        for j in range(hidden):
            errors.past[np.uintp(i), np.uintp(j)] = back[np.uintp(j)] * own[np.uintp(hidden + j)]
        for j in range(hidden):
            z, n = own[np.uintp(hidden + j)], own[np.uintp(2 * hidden + j)]
            row[np.uintp(2 * hidden + j)] = back[np.uintp(j)] * (ONE - z) * (ONE - n * n)
        gru_to_reset(row, own, answer[np.uintp(i)], hidden)
        # r multiplies the answer in the candidate only: δ of given and of answer differ there, and are equal for r and
        # z
        out = errors.answer[np.uintp(i)]
        copy_row(row, out, 2 * hidden)
        for j in range(hidden):
            out[np.uintp(2 * hidden + j)] = row[np.uintp(2 * hidden + j)] * own[np.uintp(j)]


def gru_to_update(d: Any, gates: Any, h: Any, errors: Any) -> None:
    """Write δ of the argument of z, from δ of h'."""
    hidden = d.shape[0]
    for j in range(hidden):
        z, n = gates[np.uintp(hidden + j)], gates[np.uintp(2 * hidden + j)]
        errors[np.uintp(hidden + j)] = d[np.uintp(j)] * (h[np.uintp(j)] - n) * (z * (ONE - z))


def gru_to_reset(errors: Any, gates: Any, answer: Any, hidden: Any) -> None:
    """Write δ of the argument of r, from that of n, which stands in `errors` already."""
    for j in range(hidden):
        r, at = gates[np.uintp(j)], np.uintp(2 * hidden + j)
        errors[np.uintp(j)] = errors[at] * answer[at] * (r * (ONE - r))
