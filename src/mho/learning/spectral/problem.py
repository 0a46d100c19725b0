"""Networks with known weights, and endless sequences of their inputs and outputs."""

from __future__ import annotations

import dataclasses
from typing import final

import numpy as np

from mho.learning.spectral import Weights, aligned
from mho.learning.spectral.arrays import Floats

CHUNK = 50_000
"""Times that are drawn at once."""
AHEAD = 300
"""Inputs after a piece from which a backward state starts: it forgets its start by a factor of about 5 per step."""
CONDITION = 2.5
"""Condition number of A₁ above which another A₁ is drawn: for nearly equal rows 10⁵ samples are too few."""
TRIES = 200
"""Draws of A₁, of which the best is kept, where there are so many units that none has this condition number."""
SINGULAR = (1.5, 0.5)
"""Largest and smallest singular value of A₂: random square matrices are often too nearly singular for 10⁵ samples."""
TEACHER, INPUTS, ERRORS = range(3)
"""What numbers are drawn for."""


def draws(seed: int, purpose: int, number: int = 0) -> np.random.Generator:
    """Return a generator that belongs to a seed, a purpose and a number, as of a chunk."""
    return np.random.Generator(np.random.Philox(key=[seed, purpose * 2**40 + number]))


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """A random network, y_t = A₂ᵀh_t + noise, and the distribution of its inputs, of covariance 1.

    Attributes:
        inputs: d_x.
        hidden: d_h of each direction.
        outputs: d_y.
        recurrent: norm ‖U‖₂; rows of A₁ have norm 1, singular values of A₂ are evenly spaced.
        noise: standard deviation of the outputs' noise.
        quadratic: whether f(z) is z², and not z.
        bidirectional: whether there is a backward part.
        memory: 0 for independent inputs; else those are a Gaussian chain whose Φ is a rotation times this.
    """

    inputs: int = 10
    hidden: int = 4
    outputs: int = 4
    recurrent: float = 0.1
    noise: float = 0.1
    quadratic: bool = True
    bidirectional: bool = False
    memory: float = 0.0

    def weights(self, seed: int) -> Weights:
        """Return the network of a seed."""
        generator, directions = draws(seed, TEACHER), 1 + self.bidirectional
        a, best = np.empty(0), np.inf
        for _ in range(TRIES):
            tried = generator.normal(size=(directions * self.hidden, self.inputs))
            tried /= np.linalg.norm(tried, axis=1, keepdims=True)
            condition = float(np.linalg.cond(tried))
            if condition < best:
                a, best = tried, condition
            if best <= CONDITION:
                break
        u = generator.normal(size=(directions, self.hidden, self.hidden))
        u *= self.recurrent / np.linalg.norm(u, 2, axis=(1, 2))[:, None, None]
        left, singular, right = np.linalg.svd(generator.normal(size=(len(a), self.outputs)), full_matrices=False)
        output = left * np.linspace(*SINGULAR, len(singular)) @ right
        shape = (directions, self.hidden, -1)
        if self.bidirectional:
            return Weights(a.reshape(shape), u, output.reshape(shape), quadratic=self.quadratic)
        return Weights(a, u[0], output, quadratic=self.quadratic)

    @property
    def density(self) -> str:
        """Return the density of the inputs, as the estimator gets it."""
        return "markov" if self.memory else "gaussian"


@final
class Sequence:
    """Inputs and outputs of a problem's network, chunk by chunk, each a function of seed and number.

    Args:
        problem: the problem.
        seed: seed of the network, the inputs and the noise.

    Attributes:
        weights: weights of the network.
    """

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem, self.seed, self.weights = problem, seed, problem.weights(seed)
        generator = draws(seed, TEACHER, 1)
        rotation = np.linalg.qr(generator.normal(size=(problem.inputs, problem.inputs)))[0]
        self.transition = problem.memory * rotation

    def chunk(self, number: int) -> tuple[Floats, Floats]:
        """Return inputs (CHUNK, d_x) and outputs (CHUNK, d_y) of a chunk.

        States, of the network and of chained inputs, start `AHEAD` times before the chunk, and after it where they run
        backward: by then they have forgotten their start to the last digit.
        """
        x = np.concatenate(
            [self._fresh(number - 1)[-2 * AHEAD :], self._fresh(number), self._fresh(number + 1)[:AHEAD]]
        )
        if self.problem.memory:
            chain = Weights(np.eye(x.shape[1]), self.transition, np.eye(x.shape[1]), quadratic=False)
            x = chain.states(x * np.sqrt(1 - self.problem.memory**2))
        whole = self.weights.outputs(x[AHEAD:])[AHEAD : AHEAD + CHUNK]
        noise = draws(self.seed, ERRORS, number).normal(size=whole.shape)
        return x[2 * AHEAD : 2 * AHEAD + CHUNK], whole + self.problem.noise * noise

    def rows(self, count: int, first: int = 0) -> tuple[Floats, Floats]:
        """Return `count` inputs and outputs from chunk number `first` on."""
        chunks = [self.chunk(first + place) for place in range(-(-count // CHUNK))]
        return np.concatenate([x for x, _ in chunks])[:count], np.concatenate([y for _, y in chunks])[:count]

    def _fresh(self, number: int) -> Floats:
        return draws(self.seed, INPUTS, number + 1).normal(size=(CHUNK, self.problem.inputs))


def parameter_errors(found: Weights, truth: Weights) -> dict[str, float]:
    """Return ‖found - truth‖ / ‖truth‖ in per cent, up to order and sign, the mean over directions.

    Of a linear network the matrices are not determined, and A₂ᵀA₁ and A₂ᵀUA₁ stand for input and recurrent weights.
    """
    errors: dict[str, list[float]] = {}
    for part, true in zip(found.parts(), truth.parts(), strict=True):
        if truth.quadratic:
            own = aligned(part, true)
            pairs = {"input": (own.input, true.input), "recurrent": (own.recurrent, true.recurrent)}
            pairs["output"] = (own.output, true.output)
        else:
            pairs = {
                name: tuple(w.output.T @ np.linalg.matrix_power(w.recurrent, k) @ w.input for w in (part, true))
                for k, name in enumerate(("input", "recurrent"))
            }
        for name, (own_matrix, matrix) in pairs.items():
            errors.setdefault(name, []).append(float(np.linalg.norm(own_matrix - matrix) / np.linalg.norm(matrix)))
    return {f"{name}_error": 100 * float(np.mean(values)) for name, values in errors.items()}
