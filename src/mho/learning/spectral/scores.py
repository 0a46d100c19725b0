"""Score functions of inputs: S_m(x, t) = (-1)^m ∇^m p(x) / p(x), derivatives by x_t of the density p of the sequence.

Stein's identity E[G(x) ⊗ S_m(x, t)] = E[∇^m G(x)] turns averages over data into averages of derivatives of unknown G.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, final

import numpy as np
import torch

from mho.errors import InvalidValue
from mho.learning.spectral.arrays import Floats


class Scores(abc.ABC):
    """Score functions of a known density of inputs.

    Attributes:
        reach: neighbours of x_t on each side that its score depends on.
    """

    reach: ClassVar[int]

    @abc.abstractmethod
    def first(self, x: Floats) -> Floats:
        """Return S₁ of the inputs `reach` to n - `reach` of x (n, d_x): (n - 2·reach, d_x)."""

    @abc.abstractmethod
    def curvature(self, x: Floats) -> Floats:
        """Return ∇∇ log p by x_t, where S₂ = S₁S₁ᵀ + ∇∇ log p: (d_x, d_x) of all inputs, or (n, d_x, d_x) of each."""

    def second(self, x: Floats) -> Floats:
        """Return S₂ of the inputs `reach` to n - `reach` of x (n, d_x): (n - 2·reach, d_x, d_x)."""
        first = self.first(x)
        return np.asarray(first[:, :, None] * first[:, None, :] + self.curvature(x))

    @abc.abstractmethod
    def cross(self) -> Floats | None:
        """Return P = ∂S₁(x, t)/∂x_(t-1), (d_x, d_x), of dependent Gaussian inputs; None for independent inputs.

        The third score of x_t, once, and x_(t-1), twice, is S₁(t) ⊗ S₂(t-1) less P_pb S₁(t-1)_c + P_pc S₁(t-1)_b.
        """


@final
@dataclasses.dataclass(frozen=True)
class GaussianScores(Scores):
    """Independent inputs x_t ~ N(mean, covariance): S₁ = Σ⁻¹(x - μ), S₂ = S₁S₁ᵀ - Σ⁻¹.

    Attributes:
        mean: μ, (d_x,).
        covariance: Σ, (d_x, d_x).
    """

    mean: Floats
    covariance: Floats
    reach: ClassVar[int] = 0

    def first(self, x: Floats) -> Floats:
        return np.asarray((x - self.mean) @ np.linalg.inv(self.covariance))

    def curvature(self, x: Floats) -> Floats:
        return np.asarray(-np.linalg.inv(self.covariance))

    def cross(self) -> None:
        return None


@final
@dataclasses.dataclass(frozen=True)
class MarkovScores(Scores):
    """Inputs of a Gaussian Markov chain, x_t - μ = Φ (x_(t-1) - μ) + ε_t with ε_t ~ N(0, Q).

    The density of the sequence has x_t twice, after x_(t-1) and before x_(t+1): with e_t = ε_t of the data,
    S₁(t) = Q⁻¹e_t - ΦᵀQ⁻¹e_(t+1), and S₂ = S₁S₁ᵀ - (Q⁻¹ + ΦᵀQ⁻¹Φ).

    Attributes:
        mean: μ, (d_x,).
        transition: Φ, (d_x, d_x), of eigenvalues below 1 in magnitude.
        noise: Q, (d_x, d_x).
    """

    mean: Floats
    transition: Floats
    noise: Floats
    reach: ClassVar[int] = 1

    def first(self, x: Floats) -> Floats:
        centred = x - self.mean
        scaled = (centred[1:] - centred[:-1] @ self.transition.T) @ np.linalg.inv(self.noise)
        return np.asarray(scaled[:-1] - scaled[1:] @ self.transition)

    def curvature(self, x: Floats) -> Floats:
        inverse = np.linalg.inv(self.noise)
        return np.asarray(-inverse - self.transition.T @ inverse @ self.transition)

    def cross(self) -> Floats:
        return np.asarray(-np.linalg.inv(self.noise) @ self.transition)


@final
@dataclasses.dataclass(frozen=True)
class DensityScores(Scores):
    """Independent inputs of a user's own density, by automatic differentiation: S₁ = -∇ log p, S₂ = S₁S₁ᵀ + ∇∇ log p.

    Attributes:
        log_density: log p of one input, a torch function (d_x,) float64 -> scalar that `torch.func` differentiates
            twice; a constant factor of p is free. p must be smooth and fall to 0 at the edge of where it is positive.
    """

    log_density: Callable[[torch.Tensor], torch.Tensor]
    reach: ClassVar[int] = 0

    def first(self, x: Floats) -> Floats:
        return -self._mapped(torch.func.grad(self.log_density), x)

    def curvature(self, x: Floats) -> Floats:
        return self._mapped(torch.func.hessian(self.log_density), x)

    def cross(self) -> None:
        return None

    def _mapped(self, function: Callable[..., Any], x: Floats) -> Floats:
        try:
            found = torch.func.vmap(function)(torch.from_numpy(np.ascontiguousarray(x))).detach().numpy()
        except Exception as error:  # a user's function may raise anything
            raise InvalidValue(
                f"density cannot be differentiated by torch.func ({type(error).__name__}: {error}); give log p of one "
                "input as a function of torch operations, (d_x,) float64 -> scalar"
            ) from error
        if not np.isfinite(found).all():
            raise InvalidValue("density has derivatives that are NaN or infinite at some inputs; give a smooth log p")
        return np.asarray(found, np.float64)
