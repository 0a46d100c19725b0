"""Whitening, and tensor power iteration with restarts and deflation: units of sums of symmetric rank-1 matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

from mho.learning.spectral.arrays import Floats
from mho.learning.spectral.draws import Purpose, normal

RESTARTS = 20
"""Random starts of the power iteration for each unit; the best is kept."""
ITERATIONS = 500
TOLERANCE = 1e-13
SHARPNESS = (10.0, 100.0, 1000.0)
"""Values of β of the smooth minimum of eigenvalues, used one after another."""


def subspace(slices: Floats, size: int) -> tuple[Floats, Floats]:
    """Return an orthonormal basis (d, size) of the columns of all slices (k, d, d), and all d singular values."""
    vectors, values, _ = np.linalg.svd(np.concatenate(list(slices), axis=1), full_matrices=False)
    return vectors[:, :size], values


def positive_combination(slices: Floats) -> tuple[Floats, float]:
    """Return θ of norm 1 for which Σ_k θ_k slices_k is as far from singular as can be, and its smallest eigenvalue.

    The smallest eigenvalue is a concave function of θ, so a maximum above 0 is the only maximum. The maximum is found
    by ascent of a smooth minimum of all eigenvalues, -log(Σ exp(-β λ))/β, for rising β. Below 0 no positive combination
    exists.

    Args:
        slices: symmetric (k, m, m).
    """
    scale = float(np.abs(np.linalg.eigvalsh(slices)).max()) or 1.0

    def cost(theta: Floats, sharpness: float) -> tuple[float, Floats]:
        length = float(np.linalg.norm(theta))
        unit = theta / length
        values, vectors = np.linalg.eigh(np.tensordot(unit, slices, 1))
        low = values.min()
        weights = np.exp(-sharpness / scale * (values - low))
        soft = low - np.log(weights.sum()) * scale / sharpness
        weights /= weights.sum()
        slope = np.einsum("kij,ia,ja,a->k", slices, vectors, vectors, weights)
        return -float(soft), -np.asarray(slope - (slope @ unit) * unit) / length

    traces = np.trace(slices, axis1=1, axis2=2)
    theta = traces / (np.linalg.norm(traces) or 1.0) + 1e-6
    for sharpness in SHARPNESS:
        theta = minimize(cost, theta, args=(sharpness,), jac=True, method="BFGS").x
    theta = theta / np.linalg.norm(theta)
    return theta, float(np.linalg.eigvalsh(np.tensordot(theta, slices, 1)).min())


def common_vectors(slices: Floats, seed: int) -> Floats:
    """Return the orthonormal vectors v_i (m, m), in rows, of slices Σ_i c_ki v_i v_iᵀ, k = 1, 2, ...

    Power iteration with the symmetric tensor of fourth order Σ_k slices_k ⊗ slices_k, which is never formed: v ← Σ_k
    (vᵀ slices_k v) slices_k v + shift·v. It climbs Σ_k (vᵀ slices_k v)² = ‖Σ_i ⟨v, v_i⟩² c_i‖², a convex function of
    the squares ⟨v, v_i⟩², whose highest points are single units. The mean of the slices' eigenvalues is subtracted
    first, which leaves the v_i as they are and the c_i further apart. A unit that is found is deflated: the next unit
    is looked for in the complement.

    Args:
        slices: symmetric (k, m, m).
        seed: seed of the random starts.
    """
    size = slices.shape[1]
    found = np.empty((0, size))
    space = np.eye(size)
    while len(found) < size:
        inner = space.T @ slices @ space
        v = np.ones(1) if inner.shape[1] == 1 else _strongest(inner, normal(seed, Purpose.RESTARTS, len(found), (
            RESTARTS, inner.shape[1])))  # fmt: skip
        found = np.vstack([found, space @ v])
        space = np.linalg.svd(found)[2][len(found) :].T
    return found


def _strongest(slices: Floats, starts: Floats) -> Floats:
    """Return the best end (m,) of power iterations from several starts (restarts, m)."""
    size = slices.shape[1]
    slices = slices - np.trace(slices, axis1=1, axis2=2)[:, None, None] / size * np.eye(size)
    shift = 0.5 * float((np.linalg.norm(slices, 2, axis=(1, 2)) ** 2).sum())
    v = starts / np.linalg.norm(starts, axis=1, keepdims=True)
    for _ in range(ITERATIONS):
        each = np.einsum("kij,rj->rki", slices, v)
        following = np.einsum("rki,ri,rkj->rj", each, v, each) + shift * v
        following /= np.linalg.norm(following, axis=1, keepdims=True)
        moved = float(np.abs(following - v).max())
        v = following
        if moved < TOLERANCE:
            break
    strength = (np.einsum("kij,ri,rj->rk", slices, v, v) ** 2).sum(axis=1)
    return np.asarray(v[int(strength.argmax())])


def matched(found: Floats, truth: Floats) -> tuple[Any, Floats]:
    """Return the order and the signs (m,) of rows of `found` (m, d) that come nearest to the rows of `truth` (m, d)."""
    from scipy.optimize import linear_sum_assignment

    likeness = truth @ found.T
    _, order = linear_sum_assignment(-np.abs(likeness))
    return order, np.sign(likeness[np.arange(len(truth)), order])
