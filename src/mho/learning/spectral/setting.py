"""The parameters of an estimator, checked together with the shapes of its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mho.errors import Faults, InvalidValue, nearest
from mho.learning.spectral.scores import DensityScores, GaussianScores, MarkovScores, Scores
from mho.learning.spectral.stream import Setting

ACTIVATIONS = ("quadratic", "linear")
DENSITIES = ("gaussian", "markov")


def make_setting(parameters: Mapping[str, Any], inputs: int, outputs: int) -> Setting:
    """Return what a stream needs of an estimator's parameters and the widths of its data.

    Raises:
        InvalidValue: naming every fault.
    """
    faults = Faults("SpectralRNN")
    hidden, activation, both = (parameters[name] for name in ("hidden", "activation", "bidirectional"))
    hidden = int(hidden) if isinstance(hidden, np.integer) else hidden
    seed = int(parameters["seed"]) if isinstance(parameters["seed"], np.integer) else parameters["seed"]
    known = faults.number("hidden", hidden, low=1, integer=True)
    faults.number("seed", seed, low=0, high=2**63 - 1, integer=True)
    faults.flag("bidirectional", both)
    faults.flag("verbose", parameters["verbose"])
    if activation not in ACTIVATIONS:
        faults.add(f"activation is {activation!r}; give one of {', '.join(ACTIVATIONS)}")
    density = _density(parameters["density"], inputs, faults)
    faults.raise_any()
    if both and activation == "linear":
        raise InvalidValue(
            "a bidirectional linear network is not determined: E[y_t ⊗ S₁(t)] is the sum of its two directions; give "
            'activation="quadratic", or bidirectional=False'
        )
    assert known
    units = 2 * hidden if both else hidden
    count = (
        f"hidden is {hidden}, so there are {units} hidden units of both directions" if both else f"hidden is {hidden}"
    )
    if units > inputs:
        raise InvalidValue(
            f"{count}, and the inputs have {inputs} columns: more hidden units than inputs cannot be recovered; give "
            f"hidden={max(inputs // (2 if both else 1), 1)} or less, or more inputs"
        )
    if outputs < 2 <= units and activation == "quadratic":
        raise InvalidValue(
            f"{count}, and y has 1 column: one output does not tell several hidden units apart; give 2 outputs or more "
            "(as many as hidden units always suffice), or hidden=1"
        )
    if outputs < units and activation == "linear":
        raise InvalidValue(
            f"{count}, and y has {outputs} columns: a linear network needs as many outputs as hidden units; give "
            f"hidden={outputs}, or more outputs"
        )
    return Setting(inputs, outputs, units, activation == "quadratic", bool(both), density)


def _density(density: Any, inputs: int, faults: Faults) -> str | Scores:
    if isinstance(density, str):
        if density not in DENSITIES:
            faults.add(
                f"density is {density!r}{nearest(density, DENSITIES)}; or give GaussianScores, MarkovScores, or a "
                "torch function of one input that returns log p"
            )
        return density
    if isinstance(density, GaussianScores):
        _shape(faults, "density.mean", density.mean, (inputs,))
        _covariance(faults, "density.covariance", density.covariance, inputs)
    elif isinstance(density, MarkovScores):
        _shape(faults, "density.mean", density.mean, (inputs,))
        _covariance(faults, "density.noise", density.noise, inputs)
        if _shape(faults, "density.transition", density.transition, (inputs, inputs)):
            radius = float(np.abs(np.linalg.eigvals(density.transition)).max())
            if not radius < 1:
                faults.add(
                    f"density.transition has an eigenvalue of magnitude {radius:.3g}; a steady chain has less than 1"
                )
    elif callable(density):
        return DensityScores(density)
    elif not isinstance(density, Scores):
        faults.add(
            f"density is {density!r}; give {' or '.join(map(repr, DENSITIES))}, GaussianScores, MarkovScores, or a "
            "torch function of one input that returns log p"
        )
    return density  # type: ignore[no-any-return]


def _shape(faults: Faults, name: str, array: Any, shape: tuple[int, ...]) -> bool:
    if np.shape(array) == shape and np.isfinite(array).all():
        return True
    faults.add(f"{name} has shape {np.shape(array)}; give finite numbers {shape}, for inputs of {shape[0]} columns")
    return False


def _covariance(faults: Faults, name: str, array: Any, inputs: int) -> None:
    if not _shape(faults, name, array, (inputs, inputs)):
        return
    if not np.allclose(array, np.transpose(array)) or not np.linalg.eigvalsh(array)[0] > 0:
        faults.add(f"{name} is no covariance; give a symmetric matrix of positive eigenvalues")
