"""The recurrent network itself: its matrices, its states and outputs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, final

import numpy as np

from mho.learning.spectral.arrays import Floats


@final
@dataclasses.dataclass(frozen=True)
class Weights:
    """Matrices of h_t = f(A₁ x_t + U h_(t-1)), y_t = A₂ᵀ h_t, with f(z) = z² or z.

    A bidirectional network has two such parts, the second running from the last input to the first; its outputs are
    the sum of both.

    Attributes:
        input: A₁, (d_h, d_x), or (2, d_h, d_x): forward, backward.
        recurrent: U, (d_h, d_h), or (2, d_h, d_h).
        output: A₂, (d_h, d_y), or (2, d_h, d_y).
        quadratic: whether f is z².
    """

    input: Floats
    recurrent: Floats
    output: Floats
    quadratic: bool

    @property
    def bidirectional(self) -> bool:
        """Return True if there is a backward part."""
        return self.input.ndim == 3

    def parts(self) -> list[Weights]:
        """Return the forward part, and of a bidirectional network the backward part, as networks of one direction."""
        if not self.bidirectional:
            return [self]
        parts = zip(self.input, self.recurrent, self.output, strict=True)
        return [Weights(*matrices, quadratic=self.quadratic) for matrices in parts]

    def states(self, x: Floats, start: Floats | None = None) -> Floats:
        """Return the hidden states (n, d_h) of a network of one direction.

        Args:
            x: inputs (n, d_x).
            start: the state before the first input (d_h,); None: 0.
        """
        drive = np.ascontiguousarray(x @ self.input.T)
        before = np.zeros(len(self.input)) if start is None else np.array(start, np.float64)
        _follow()(drive, np.ascontiguousarray(self.recurrent), before, self.quadratic)
        return drive

    def outputs(self, x: Floats) -> Floats:
        """Return A₂ᵀ h_t, (n, d_y), from states of 0 before the first input, and after the last."""
        forward, *backward = self.parts()
        y = forward.states(x) @ forward.output
        for part in backward:
            y = y + part.states(x[::-1])[::-1] @ part.output
        return np.asarray(y)


@functools.cache
def _follow() -> Callable[..., None]:
    """Return the compiled recurrence: a step of a small network costs 30 ns, and 3 µs in NumPy."""
    import numba

    def follow(states: Any, recurrent: Any, before: Any, quadratic: bool) -> None:
        """Turn A₁ x_t (n, d_h) into h_t in place; sums run in the order of the units."""
        steps, units = states.shape
        for t in range(steps):
            for i in range(units):
                z = states[t, i]
                for j in range(units):
                    z += recurrent[i, j] * before[j]
                states[t, i] = z * z if quadratic else z
            for i in range(units):
                before[i] = states[t, i]

    return numba.njit(nogil=True)(follow)
