"""Values of levels in each layer, and the levels from which a training starts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mho import random
from mho.errors import InvalidValue, nearest
from mho.learning.combinatorial.chain import Chain
from mho.learning.combinatorial.memory import Floats
from mho.learning.combinatorial.settings import Settings

THRESHOLD = 0.7
"""Share of the mean |w| of a layer from which a weight becomes a level other than 0 (F. Li, B. Zhang, 2016, eq. 7)."""
Levels = npt.NDArray[np.int8]


UNIT_EXAMPLES = 1000
"""Examples over which `unit_scales` takes the mean."""


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
            scale = float(given) if isinstance(given, (int, float)) else 1.0
        scales[layer.name] = float(np.float32(scale))
    return scales


def unit_scales(
    chain: Chain, model: nn.Module, x: Tensor, indices: Levels, levels: tuple[float, ...]
) -> dict[str, float]:
    """Return scales with which the pre-activations of every layer have a root mean square of 1 at the start.

    Args:
        chain: the network.
        model: it in float64; its weights change.
        x: (n, ...) examples over which the mean is taken.
        indices: (W,), the levels at the start.
        levels: what they are worth without a scale.

    Raises:
        InvalidValue: for a layer whose pre-activations are all 0.
    """
    scales, found = dict.fromkeys((layer.name for layer in chain.layers), 1.0), []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums that do not depend on threads
    try:
        for layer in chain.layers:
            rows = values_of(chain, levels, scales)
            weights = np.concatenate([row[indices[own.places]] for own, row in zip(chain.layers, rows, strict=True)])
            chain.scatter(weights, model)
            module = model.get_submodule(layer.name)
            hook = module.register_forward_hook(lambda module, given, out: found.append(out))
            with torch.no_grad():
                model(x.double())
            hook.remove()
            size = float(found.pop().square().mean().sqrt())
            if not size > 0:
                raise InvalidValue(f"scale='unit': the start makes all pre-activations of {layer.name} 0; give another")
            scales[layer.name] = float(np.float32(1 / size))
    finally:
        torch.set_num_threads(threads)
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
    drawn: Floats = (np.floor(high.astype(np.float64) * 2**23) + low.astype(np.float64)) * 2.0**-23
    return drawn


def permutation(seed: int, what: str, count: int) -> npt.NDArray[np.int64]:
    """Return an order of `count` things that is named by seed and purpose."""
    return np.argsort(uniforms(seed, what, count), kind="stable")
