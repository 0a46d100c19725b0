"""Statistics of inputs from one pass: estimates of a Gaussian density, and whether the inputs have it."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
from scipy import stats

from mho.errors import InvalidValue
from mho.learning.spectral.arrays import Floats
from mho.learning.spectral.scores import GaussianScores, MarkovScores, Scores

FALSE_ALARM = 1e-3
"""Probability that Gaussian inputs are taken for others, each time that they are tested."""
SINGULAR = 1e-10
"""Eigenvalue of the inputs' correlations below which an input is a linear function of the others."""
NAMES = ("origin", "scale", "count", "total", "square", "lag", "residual", "lag_residual", "powers")


@final
class InputStatistics:
    """Sums over inputs in coordinates that the first block fixes, so that large means and scales cost no digits.

    Residuals are what a density of independent Gaussian inputs, or of a Gaussian Markov chain, leaves unexplained.

    Args:
        markov: whether the inputs are a chain of order 1; else they are independent.

    Attributes:
        arrays: the sums, by name; empty before the first block.
    """

    def __init__(self, *, markov: bool) -> None:
        self.markov = markov
        self.arrays: dict[str, Floats] = {}

    def copy(self) -> InputStatistics:
        """Return independent sums of equal values."""
        made = InputStatistics(markov=self.markov)
        made.arrays = {name: array.copy() for name, array in self.arrays.items()}
        return made

    def add(self, x: Floats) -> None:
        """Take in inputs (1 + order + n, d_x), order 1 for a chain and else 0: the last n are new."""
        if not self.arrays:
            self._begin(x)
        a = self.arrays
        z = (x - a["origin"]) @ a["scale"]
        skipped = 2 if self.markov else 1
        a["count"] += len(z) - skipped
        a["total"] += z[skipped:].sum(axis=0)
        a["square"] += z[skipped:].T @ z[skipped:]
        a["lag"] += z[skipped:].T @ z[skipped - 1 : -1]
        e = z[1:] - z[:-1] @ self._transition().T if self.markov else z
        new, before = e[1:], e[:-1]
        a["residual"] += new.T @ new
        a["lag_residual"] += new.T @ before
        a["powers"] += [(new**k).sum(axis=0) for k in (1, 2, 3, 4)]

    def scores(self) -> Scores:
        """Return the score functions of the estimated density."""
        a = self.arrays
        back = np.linalg.inv(a["scale"])
        mean = a["origin"] + (a["total"] / a["count"]) @ back
        covariance = back.T @ self._covariance() @ back
        if not self.markov:
            return GaussianScores(mean, covariance)
        transition = self._transition()
        noise = self._covariance() - transition @ self._lag().T
        return MarkovScores(mean, back.T @ transition @ a["scale"].T, back.T @ (noise + noise.T) / 2 @ back)

    def check(self) -> None:
        """Raise InvalidValue if the inputs are not what the density says, by tests of skewness, kurtosis and lag 1.

        Each of the 2·d_x + 1 tests has the share `FALSE_ALARM` / (2·d_x + 1) of false alarms.
        """
        a = self.arrays
        n, size = float(a["count"][0]), len(a["total"])
        limit = FALSE_ALARM / (2 * size + 1)
        mean, second, third, fourth = a["powers"] / n
        variance = second - mean**2
        skewness = (third - 3 * mean * second + 2 * mean**3) / variance**1.5
        kurtosis = (fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4) / variance**2
        what = "innovations of the inputs (what x_(t-1) does not predict)" if self.markov else "inputs"
        for name, values, p in (
            ("skewness", skewness, 2 * stats.norm.sf(np.abs(_skewness_z(skewness, n)))),
            ("excess kurtosis", kurtosis - 3, 2 * stats.norm.sf(np.abs(_kurtosis_z(kurtosis, n)))),
        ):
            worst = int(p.argmin())
            if p[worst] < limit:
                raise InvalidValue(
                    f"the {what} are not Gaussian: {name} {values[worst]:.3g} in direction {worst} of the whitened "
                    f"inputs (p = {p[worst]:.1g}), and score functions of a Gaussian would give wrong weights; give "
                    "their density, density=function, the torch function x (d_x,) -> log p(x), or "
                    "density=GaussianScores(mean, covariance) to keep to a Gaussian"
                )
        root = np.linalg.inv(np.linalg.cholesky(a["residual"] / n))
        correlation = root @ (a["lag_residual"] / n - np.outer(mean, mean)) @ root.T
        p_lag = float(stats.chi2.sf(n * (correlation**2).sum(), size**2))
        if p_lag < limit:
            cure = (
                "a Gaussian chain of order 1 does not describe them; thin them out, or give inputs of order 1"
                if self.markov
                else 'give density="markov" for a Gaussian chain of order 1'
            )
            raise InvalidValue(
                f"the {what} are not independent in time: the largest correlation with the step before is "
                f"{np.abs(correlation).max():.3g} (p = {p_lag:.1g}); {cure}"
            )

    def _begin(self, x: Floats) -> None:
        centred = x - x.mean(axis=0)
        covariance = centred.T @ centred / len(x)
        check_not_singular(covariance, len(x))
        size = x.shape[1]
        scale = np.linalg.inv(np.linalg.cholesky(covariance)).T
        self.arrays = {"origin": x.mean(axis=0), "scale": scale, "count": np.zeros(1), "total": np.zeros(size)}
        self.arrays |= {name: np.zeros((size, size)) for name in ("square", "lag", "residual", "lag_residual")}
        self.arrays["powers"] = np.zeros((4, size))

    def _covariance(self) -> Floats:
        mean = self.arrays["total"] / self.arrays["count"]
        return np.asarray(self.arrays["square"] / self.arrays["count"] - np.outer(mean, mean))

    def _lag(self) -> Floats:
        mean = self.arrays["total"] / self.arrays["count"]
        return np.asarray(self.arrays["lag"] / self.arrays["count"] - np.outer(mean, mean))

    def _transition(self) -> Floats:
        return np.asarray(np.linalg.solve(self._covariance(), self._lag().T).T)


def check_not_singular(covariance: Floats, count: int) -> None:
    """Raise InvalidValue if inputs of this covariance (d_x, d_x), from a number of them, have no density."""
    spread = np.sqrt(np.diag(covariance))
    values = np.linalg.eigvalsh(covariance / np.outer(spread, spread)) if spread.all() else np.zeros(1)
    if not values[0] > SINGULAR:
        raise InvalidValue(
            f"the inputs have no density: of their {len(spread)} columns one is a linear function of the others, or "
            f"constant, in the first {count} inputs (smallest eigenvalue of their correlations {values[0]:.2g}); leave "
            "such columns out"
        )


def _skewness_z(skewness: Floats, n: float) -> Floats:
    """Return the skewness of n normal numbers as a standard normal number (R. D'Agostino 1970)."""
    y = skewness * math.sqrt((n + 1) * (n + 3) / (6 * (n - 2)))
    beta = 3 * (n * n + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9))
    w = math.sqrt(2 * (beta - 1)) - 1
    return np.asarray(np.arcsinh(y / math.sqrt(2 / (w - 1))) / math.sqrt(0.5 * math.log(w)))


def _kurtosis_z(kurtosis: Floats, n: float) -> Floats:
    """Return the kurtosis of n normal numbers as a standard normal number (F. Anscombe, W. Glynn 1983)."""
    mean = 3 * (n - 1) / (n + 1)
    variance = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    x = (kurtosis - mean) / math.sqrt(variance)
    root = 6 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9)) * math.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    a = 6 + 8 / root * (2 / root + math.sqrt(1 + 4 / root**2))
    inner: Any = (1 - 2 / a) / (1 + x * math.sqrt(2 / (a - 4)))
    return np.asarray((1 - 2 / (9 * a) - np.cbrt(inner)) / math.sqrt(2 / (9 * a)))
