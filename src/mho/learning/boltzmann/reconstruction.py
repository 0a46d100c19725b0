"""Reconstruction of corrupted visible units."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mho.errors import InvalidValue, WrongUse
from mho.learning.boltzmann.draws import Draws
from mho.learning.boltzmann.network import Network
from mho.learning.boltzmann.sampling import draw_layer, infer


def reconstruct(network: Network, v: Tensor, draws: Draws, *, known: Any, sweeps: int) -> Tensor:
    """Return probabilities (n, size) of visible units, as `BoltzmannMachine.reconstruct` describes.

    Links inside the visible layer make units depend on each other: then states are averaged in place of probabilities.
    """
    trusted = _known(known, v)
    if len(network.biases) == 1 and trusted is None:
        raise WrongUse("a machine without hidden units can only fill in units: give known, True for units to trust")
    states: list[Tensor | None] = list(infer(network, v, draws, sweeps=0, temperature=1.0).states)
    total, kept = torch.zeros_like(v), 0
    for turn in range(sweeps):
        z = draw_layer(network, 0, states, draws)
        now = states[0]
        assert now is not None
        values = torch.sigmoid(z).expand(len(v), -1) if network.structure.inside(0) is None else now
        if trusted is not None:
            now, values = torch.where(trusted, v, now), torch.where(trusted, v, values)
            states[0] = now
        if turn >= sweeps // 2:
            total, kept = total + values, kept + 1
        for layer in network.layers[1:]:
            draw_layer(network, layer, states, draws)
    return total / kept


def _known(known: Any, v: Tensor) -> Tensor | None:
    if known is None:
        return None
    trusted = torch.as_tensor(np.asarray(known))
    if trusted.dtype != torch.bool or tuple(trusted.shape) not in (tuple(v.shape), tuple(v.shape[1:])):
        raise InvalidValue(
            f"known is {trusted.dtype} of shape {tuple(trusted.shape)}; give bool of {tuple(v.shape[1:])} or "
            f"{tuple(v.shape)}, True for units to trust"
        )
    return trusted
