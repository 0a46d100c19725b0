"""What levels are worth in each layer, and from which levels a training starts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from mho import random
from mho.errors import InvalidValue, nearest
from mho.learning.combinatorial.chain import Chain
from mho.learning.combinatorial.memory import Floats
from mho.learning.combinatorial.settings import Settings

THRESHOLD = 0.7
"""Share of the mean |w| of a layer from which a weight becomes a level other than 0 (F. Li, B. Zhang, 2016, eq. 7)."""
Levels = npt.NDArray[np.int8]


def scales_of(chain: Chain, settings: Settings, weights: Floats) -> dict[str, float]:
    """Return the digital factor of each layer, a float32 number.

    Args:
        chain: the network.
        settings: with `scale`.
        weights: (W,), those that the model came with.

    Raises:
        InvalidValue: for a name that is no layer, or "mean" of weights that are all 0.
    """
    names = [layer.name for layer in chain.layers]
    given = settings.scale
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise InvalidValue(f"scale: no layer {name!r}{nearest(name, names)}")
    scales = {}
    for layer in chain.layers:
        if isinstance(given, Mapping):
            scale = float(given.get(layer.name, 1.0))
        elif given == "fan_in":
            scale = layer.fan_in**-0.5
        elif given == "mean":
            scale = _mean(weights[layer.places], layer.name, settings.levels)
        else:
            scale = 1.0 if given is None else float(given)  # type: ignore[arg-type]
        scales[layer.name] = float(np.float32(scale))
    return scales


def _mean(weights: Floats, name: str, levels: tuple[float, ...]) -> float:
    """Return the mean |w| above the threshold, over the smallest level other than 0."""
    sizes = np.abs(weights)
    above = sizes[sizes > THRESHOLD * sizes.mean()]
    if not above.size:
        raise InvalidValue(f"scale='mean' needs a model whose weights are not all 0; those of {name} are")
    return float(above.mean()) / _unit(levels)


def _unit(levels: tuple[float, ...]) -> float:
    return min(abs(level) for level in levels if level != 0)


def values_of(chain: Chain, levels: tuple[float, ...], scales: Mapping[str, float]) -> Floats:
    """Return what each level is worth in each layer, (layers, L): float32 products, so that a torch model has them."""
    rows = [np.float32(scales[layer.name]) * np.array(levels, np.float32) for layer in chain.layers]
    return np.stack(rows).astype(np.float64)


def start_levels(chain: Chain, settings: Settings, weights: Floats, values: Floats) -> Levels:
    """Return the levels (W,) from which a training starts; see `conntra` for the ways."""
    if settings.start == "random":
        return (uniforms(settings.seed, "start", chain.weights) * len(settings.levels)).astype(np.int8)
    out = np.zeros(chain.weights, np.int8)
    levels = np.array(settings.levels)
    for layer, row in zip(chain.layers, values, strict=True):
        own = weights[layer.places]
        if settings.start == "nearest":
            own, ladder = own, row
        else:
            mean = np.abs(own).mean()
            own, ladder = own / (2 * THRESHOLD * (mean or 1.0)) * _unit(settings.levels), levels
        out[layer.places] = np.abs(own[:, None] - ladder[None, :]).argmin(axis=1)
    return out


def uniforms(seed: int, what: str, count: int) -> Floats:
    """Return uniforms in (0, 1), 46 bits each, that are named by seed and purpose."""
    number = random.array_number("conntra")
    high, low = (random.field_uniforms(seed, number, f"{what}, {part}", count) for part in ("high", "low"))
    return (np.floor(high.astype(np.float64) * 2**23) + low) * 2.0**-23


def permutation(seed: int, what: str, count: int) -> npt.NDArray[np.int64]:
    """Return an order of `count` things that is named by seed and purpose."""
    return np.argsort(uniforms(seed, what, count), kind="stable")


