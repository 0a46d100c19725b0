"""Sums of outputs times scores over a sequence: all that the weights are recovered from."""

from __future__ import annotations

import dataclasses
from typing import final

import numpy as np

from mho.learning.spectral.arrays import Floats, packed, pairs, unpacked
from mho.learning.spectral.scores import Scores

GROUPS = 16
"""Blocks of the sequence are summed in so many groups in turn; leaving out a group at a time gives standard errors."""


@final
@dataclasses.dataclass(frozen=True)
class Means:
    """Moments of outputs y and scores S_m(x, t), averaged over t.

    Attributes:
        count: number of averaged times.
        covariance: covariance of y, (d_y, d_y).
        fisher: F = E[S₁ S₁ᵀ], (d_x, d_x).
        mixed: by lag, in the `basis` B: E[y_t ⊗ BᵀS₁(t) ⊗ BᵀS₂(t + lag)B] of a quadratic network, (d_y, r, r, r), or
            E[y_t ⊗ S₁(t + lag)] of a linear network, (d_y, d_x).
        main: E[y_t ⊗ S₂(t)] (d_y, d_x, d_x), or E[y_t ⊗ S₁(t)] (d_y, d_x) of a linear network.
        basis: B, (d_x, r).
    """

    count: int
    covariance: Floats
    fisher: Floats
    main: Floats
    mixed: dict[int, Floats]
    basis: Floats


@final
class Moments:
    """Running sums of the moments in `Means`, in bounded memory: `GROUPS` times d_y·d_x² and d_y·r²·(r + 1)/2 numbers.

    Args:
        inputs: d_x.
        outputs: d_y.
        quadratic: whether the network is quadratic, and not linear.
        lags: -1, and 1 for a network that runs backward too.

    Attributes:
        sums: by name, each (GROUPS, ...).
        basis: B, (d_x, r), in which mixed moments are summed; None until `set_basis`.
    """

    def __init__(self, inputs: int, outputs: int, *, quadratic: bool, lags: tuple[int, ...]) -> None:
        self.inputs, self.outputs, self.quadratic, self.lags = inputs, outputs, quadratic, lags
        main = (outputs, inputs, inputs) if quadratic else (outputs, inputs)
        shapes = {"count": (), "y": (outputs,), "yy": (outputs, outputs), "fisher": (inputs, inputs), "main": main}
        shapes |= {"x": (inputs,), "s": (inputs,), "xs": (inputs, inputs)}
        self.sums: dict[str, Floats] = {name: np.zeros((GROUPS, *shape)) for name, shape in shapes.items()}
        self.basis: Floats | None = None
        if not quadratic:
            self.set_basis(np.eye(inputs))

    def set_basis(self, basis: Floats) -> None:
        """Fix the basis B (d_x, r) of mixed moments, of which there are none yet."""
        self.basis = basis
        r = basis.shape[1]
        shape = (self.outputs, r, r * (r + 1) // 2) if self.quadratic else (self.outputs, self.inputs)
        self.sums |= {f"mixed {lag}": np.zeros((GROUPS, *shape)) for lag in self.lags}

    def copy(self) -> Moments:
        """Return independent sums of equal values."""
        made = Moments(self.inputs, self.outputs, quadratic=self.quadratic, lags=self.lags)
        made.basis = self.basis
        made.sums = {name: array.copy() for name, array in self.sums.items()}
        return made

    def add(self, group: int, x: Floats, y: Floats, scores: Scores) -> None:
        """Add the moments that need no basis.

        Args:
            group: from 0 to GROUPS - 1.
            x: inputs of the times of y, with 1 + `scores.reach` more before and max(lags, 0) + `scores.reach` after.
            y: outputs (n, d_y), less a constant: scores have the mean 0, so a constant adds nothing but noise.
            scores: scores of the inputs.
        """
        s = scores.first(x)[1 : 1 + len(y)]
        sums = self.sums
        sums["count"][group] += len(y)
        sums["y"][group] += y.sum(axis=0)
        sums["yy"][group] += y.T @ y
        sums["fisher"][group] += s.T @ s
        now = x[1 + scores.reach :][: len(y)]
        sums["x"][group] += now.sum(axis=0)
        sums["s"][group] += s.sum(axis=0)
        sums["xs"][group] += now.T @ s
        if not self.quadratic:
            sums["main"][group] += y.T @ s
            return
        curvature = scores.curvature(x)
        curvature = curvature[1 : 1 + len(y)] if curvature.ndim == 3 else curvature
        for k in range(self.outputs):
            weighted = curvature * y[:, k].sum() if curvature.ndim == 2 else np.tensordot(y[:, k], curvature, 1)
            sums["main"][group, k] += (s * y[:, k, None]).T @ s + weighted

    def add_mixed(self, group: int, x: Floats, y: Floats, scores: Scores) -> None:
        """Add the moments in the basis; arguments as of `add`."""
        assert self.basis is not None
        first = scores.first(x)
        if not self.quadratic:
            for lag in self.lags:
                self.sums[f"mixed {lag}"][group] += y.T @ first[1 + lag : 1 + lag + len(y)]
            return
        s = first @ self.basis
        curvature = packed(self.basis.T @ scores.curvature(x) @ self.basis)
        rows, columns = pairs(s.shape[1])
        left = (y[:, :, None] * s[1 : 1 + len(y), None, :]).reshape(len(y), -1)
        for lag in self.lags:
            shifted = slice(1 + lag, 1 + lag + len(y))
            other = s[shifted]
            second = other[:, rows] * other[:, columns] + (curvature[shifted] if curvature.ndim == 2 else curvature)
            found = (left.T @ second).reshape(self.outputs, s.shape[1], -1)
            self.sums[f"mixed {lag}"][group] += found - self._dependence(y.T @ other, scores.cross(), lag)

    def means(self, *, without: int | None = None) -> Means:
        """Return the averages over all groups, or over all but the group `without`."""
        kept = [group for group in range(GROUPS) if group != without]
        sums = {name: array[kept].sum(axis=0) for name, array in self.sums.items()}
        count = float(sums["count"])
        mean = sums["y"] / count
        mixed = {}
        for lag in self.lags if self.basis is not None else ():
            found = sums[f"mixed {lag}"] / count
            mixed[lag] = unpacked(found) if self.quadratic else found
        return Means(
            count=int(count),
            covariance=sums["yy"] / count - np.outer(mean, mean),
            fisher=sums["fisher"] / count,
            main=sums["main"] / count,
            mixed=mixed,
            basis=np.eye(self.inputs) if self.basis is None else self.basis,
        )

    @property
    def groups(self) -> list[int]:
        """Groups that have samples."""
        return [int(group) for group in np.flatnonzero(self.sums["count"])]

    def _dependence(self, ys: Floats, cross: Floats | None, lag: int) -> Floats | float:
        """Return what the third score of dependent Gaussian inputs has less than S₁(t) ⊗ S₂(t + lag): y ⊗ pairs.

        Args:
            ys: Σ y ⊗ S₁(t + lag) in the basis, (d_y, r).
            cross: P between t and t - 1.
            lag: -1 or 1.
        """
        if cross is None:
            return 0.0
        assert self.basis is not None
        linked = self.basis.T @ (cross if lag < 0 else cross.T) @ self.basis
        rows, columns = pairs(linked.shape[0])
        # P_pb s_c + P_pc s_b for each p and each pair b ≤ c
        return np.asarray(linked[None, :, rows] * ys[:, None, columns] + linked[None, :, columns] * ys[:, None, rows])
