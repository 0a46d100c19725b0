"""From moments to weights."""

from __future__ import annotations

import dataclasses
from typing import final

import numpy as np

from mho.errors import InvalidValue
from mho.learning.spectral.arrays import Floats, symmetric_power
from mho.learning.spectral.moments import Means
from mho.learning.spectral.tensors import common_vectors, positive_combination, subspace
from mho.learning.spectral.weights import Weights

NULL = 1e-9
"""Ratio of eigenvalues of the outputs' covariance below which a combination of outputs is constant."""


@final
@dataclasses.dataclass(frozen=True)
class Recovered:
    """Weights with what their recovery went through.

    Attributes:
        weights: in order of falling ‖A₂ᵢ‖, rows of A₁ of norm 1 whose largest entry is positive.
        singular_values: singular values of the main moment in coordinates in which its noise is the same everywhere,
            (d_x,) falling; those after the hidden units' are noise.
        space: basis of the rows of A₁ in these coordinates, (d_x, units).
        combination: θ of the combination of outputs that whitens (quadratic), of norm 1.
        smallest: smallest eigenvalue of that combination.
        condition: ratio of that combination's largest eigenvalue to the smallest: whitening multiplies errors by its
            root.
        gap: smallest distance of two units' outputs once whitened; equal outputs could not be told apart.
        evidence: evidence of each unit of a bidirectional network, the share of its recurrent weights found at t - 1
            less the share at t + 1: near 1 forward, near -1 backward.
    """

    weights: Weights
    singular_values: Floats
    space: Floats
    combination: Floats
    smallest: float
    condition: float
    gap: float
    evidence: Floats

    def combined(self, slices: Floats) -> float:
        """Return the norm of this combination of other slices (k, d_x, d_x), as of noise."""
        return float(np.linalg.norm(self.space.T @ np.tensordot(self.combination, slices, 1) @ self.space, 2))


def output_whitener(covariance: Floats) -> Floats:
    """Return R (k, d_y), k ≤ d_y, for which outputs R·y have the covariance 1; constant combinations are left out."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > NULL * max(values[-1], 0.0)
    if not kept.any() or values[-1] <= 0:
        raise InvalidValue("the outputs are constant: nothing can be learnt from them; give outputs that depend on x")
    return np.asarray((vectors[:, kept] / np.sqrt(values[kept])).T)


def standardized(means: Means) -> Floats:
    """Return the main moment with outputs and scores of covariance 1: its noise then is the same everywhere."""
    scale = symmetric_power(means.fisher, -0.5)
    inner = scale @ means.main @ scale if means.main.ndim == 3 else means.main @ scale
    return np.tensordot(output_whitener(means.covariance), inner, 1)


def recover_quadratic(means: Means, units: int, seed: int) -> Recovered:
    """Recover the weights of a quadratic network of one direction; those of two directions are not yet told apart.

    With T = E[y ⊗ S₂] = 2 Σ_i A₂ᵢ ⊗ a_i ⊗ a_i and M = E[y_t ⊗ S₁(t) ⊗ S₂(t-1)] = 4 Σ_ij U_ij A₂ᵢ ⊗ a_i ⊗ a_j ⊗ a_j
    (Sedghi & Anandkumar 2016): whiten T by a positive combination of its outputs, find the orthonormal vectors that all
    outputs share, take the whitening back, then solve T for A₂ and M for U, which are linear in them.

    Args:
        means: moments.
        units: hidden units, of both directions.
        seed: seed of the power iteration's starts.

    Raises:
        InvalidValue: if no combination of outputs weighs all units positively.
    """
    scale, unscale = symmetric_power(means.fisher, -0.5), symmetric_power(means.fisher, 0.5)
    slices = standardized(means)
    space, singular = subspace(slices, units)
    inner = space.T @ slices @ space
    theta, smallest = positive_combination(inner)
    if smallest <= 1e-12 * float(np.abs(inner).max()):  # a combination that is 0 has eigenvalues of rounding errors
        raise InvalidValue(
            f"no combination of the {len(means.covariance)} outputs weighs all {units} hidden units positively, which "
            "whitening needs; as many independent outputs as hidden units always have such a "
            "combination: give more outputs, or fewer hidden units"
        )
    values, vectors = np.linalg.eigh(np.tensordot(theta, inner, 1))
    whitener = vectors / np.sqrt(values)
    whitened = whitener.T @ inner @ whitener
    v = common_vectors(whitened, seed)
    shares = np.einsum("kij,ui,uj->uk", whitened, v, v)
    a = v @ (vectors * np.sqrt(values)).T @ space.T @ unscale
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    a *= np.sign(a[np.arange(units), np.abs(a).argmax(axis=1)])[:, None]

    scaled = a @ scale
    output = _solve(_outer(scaled), (scale @ means.main @ scale).reshape(len(means.covariance), -1).T) / 2
    order = np.argsort(-np.linalg.norm(output, axis=1), kind="stable")
    a, output = a[order], output[order]
    recurrent = {lag: _recurrent(means, mixed, a, output) for lag, mixed in means.mixed.items()}
    weights = Weights(a, recurrent[-1], output, quadratic=True)
    condition = float(values[-1] / values[0])
    found = Recovered(weights, singular, space, theta, smallest, condition, _gap(shares), np.empty(0))
    return _directions(found, recurrent[1]) if 1 in recurrent else found


def recover_linear(means: Means, units: int) -> Recovered:
    """Recover the weights of a linear network from E[y_t ⊗ S₁(t)] = A₂ᵀA₁ and E[y_t ⊗ S₁(t-1)] = A₂ᵀUA₁.

    Any invertible G gives an equal network, GA₁, GUG⁻¹, A₂ᵀG⁻¹. With W D V the singular value decomposition of A₂ᵀA₁ in
    standardized coordinates, A₁ = D^½ V and A₂ᵀ = W D^½ are returned.
    """
    unscale = symmetric_power(means.fisher, 0.5)
    whitener = output_whitener(means.covariance)
    left, singular, right = np.linalg.svd(standardized(means), full_matrices=False)
    root = np.sqrt(singular[:units])
    a = root[:, None] * right[:units] @ unscale
    output = (np.linalg.pinv(whitener) @ left[:, :units] * root).T
    recurrent = np.linalg.pinv(output.T) @ means.mixed[-1] @ np.linalg.pinv(a)
    weights = Weights(a, recurrent, output, quadratic=False)
    condition = float(singular[0] / singular[units - 1])
    none = np.empty(0)
    return Recovered(weights, singular, right[:units].T, none, float(singular[units - 1]), condition, np.inf, none)


def _recurrent(means: Means, mixed: Floats, a: Floats, output: Floats) -> Floats:
    """Solve 4 Σ_ij U_ij A₂ᵢ ⊗ a_i ⊗ a_j ⊗ a_j = mixed for U, by least squares in standardized coordinates."""
    whitener = output_whitener(means.covariance)
    scale = symmetric_power(means.basis.T @ means.fisher @ means.basis, -0.5)
    moment = np.einsum("lk,kpbc,pq,bd,ce->lqde", whitener, mixed, scale, scale, scale, optimize=True)
    scaled = a @ means.basis @ scale
    units, rows = len(a), len(whitener) * scaled.shape[1]
    left = (output @ whitener.T)[:, :, None] * scaled[:, None, :]
    found = _solve(left.reshape(units, -1).T, moment.reshape(rows, -1))
    return _solve(_outer(scaled), found.T).T / 4


def _directions(found: Recovered, ahead: Floats) -> Recovered:
    """Tell forward units, which are linked at t - 1, from backward units, linked at t + 1.

    Args:
        found: with `recurrent` the matrix at t - 1.
        ahead: the matrix at t + 1, (units, units).
    """
    both, back = found.weights, found.weights.recurrent
    at = [(matrix**2).sum(axis=0) + (matrix**2).sum(axis=1) for matrix in (back, ahead)]
    evidence = (at[0] - at[1]) / (at[0] + at[1])
    forward = np.sort(np.argsort(-evidence, kind="stable")[: len(back) // 2])
    backward = np.setdiff1d(np.arange(len(back)), forward)
    weights = Weights(
        np.stack([both.input[part] for part in (forward, backward)]),
        np.stack([back[np.ix_(forward, forward)], ahead[np.ix_(backward, backward)]]),
        np.stack([both.output[part] for part in (forward, backward)]),
        quadratic=True,
    )
    return dataclasses.replace(found, weights=weights, evidence=evidence[np.concatenate([forward, backward])])


def _outer(a: Floats) -> Floats:
    """Return the columns a_i ⊗ a_i, (d², units)."""
    return np.asarray((a[:, :, None] * a[:, None, :]).reshape(len(a), -1).T)


def _solve(matrix: Floats, right: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0])


def _gap(shares: Floats) -> float:
    """Return the smallest distance of two rows; infinite for a single row."""
    distances = np.linalg.norm(shares[:, None] - shares[None, :], axis=2)
    return float((distances + np.where(np.eye(len(shares)) > 0, np.inf, 0.0)).min())
