"""Inference of hidden units and Gibbs sampling.

Layers are drawn one after another, each given all others. Units of a layer without links inside are independent then
and drawn together. Units of a layer with links inside are drawn in groups that have no links among each other
(`Structure.groups`), one group after another: drawing linked units in parallel would not be Gibbs sampling, and would
have another stationary distribution.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import final

import torch
from torch import Tensor

from mho.learning.boltzmann.couplings import States
from mho.learning.boltzmann.draws import Draws
from mho.learning.boltzmann.network import Network

MEAN_FIELD_SWEEPS = 20
"""Sweeps of mean-field inference; the activities of networks trained on MNIST move by less than 1e-3 after ten."""
DAMPING = 0.5
"""Part of an old activity that stays, in layers with links inside, which are moved in parallel."""


@final
@dataclasses.dataclass(frozen=True)
class Inferred:
    """Units of all layers for given visible units.

    Attributes:
        states: a tensor (n, size) per layer.
        top_drive: z of the highest layer for these states where it is known already, so that it need not be read again.
    """

    states: list[Tensor]
    top_drive: Tensor | None


def infer(network: Network, v: Tensor, draws: Draws, *, sweeps: int, temperature: float) -> Inferred:
    """Draw hidden units for visible units v (n, size): a bottom-up pass, then sweeps with v clamped.

    The bottom-up pass draws each layer given the layers below it only, its links inside left out. A sweep draws each
    hidden layer given all other layers.

    Args:
        network: the machine.
        v: visible units.
        draws: random numbers.
        sweeps: clamped Gibbs sweeps after the pass, at least 0.
        temperature: T of the hidden units, above 0: they are 1 with probability 1/(1 + exp(-z/T)).
    """
    states: list[Tensor | None] = [v, *(None for _ in network.layers[1:])]
    z = None
    for layer in network.layers[1:]:
        z = network.drive(layer, states, inside=False)
        states[layer] = draws.bernoulli(torch.sigmoid(z / temperature).expand(len(v), -1))
    for _ in range(sweeps):
        for layer in network.layers[1:]:
            z = draw_layer(network, layer, states, draws, temperature=temperature)
    if z is not None and network.structure.inside(network.layers[-1]) is not None:
        z = None
    return Inferred(complete(states), z)


def draw_layer(
    network: Network, layer: int, states: list[Tensor | None], draws: Draws, *, temperature: float = 1.0
) -> Tensor:
    """Draw a layer given all other layers, in place; return its drives (n, size) but for those of links inside."""
    z = network.drive(layer, states, inside=False)
    inside = network.structure.inside(layer)
    if inside is None:
        states[layer] = draws.bernoulli(torch.sigmoid(z / temperature))
        return z
    before = states[layer]
    assert before is not None
    s, links = before.clone(), network.couplings.matrices()[inside]
    uniform = draws.uniform(tuple(s.shape), s.dtype)
    for group in network.structure.groups[layer]:
        own = z[..., group] + s @ links[:, group]
        s[:, group] = (uniform[:, group] < torch.sigmoid(own / temperature)).to(s.dtype)
    states[layer] = s
    return z


def sweep(
    network: Network, states: list[Tensor | None], draws: Draws, layers: Iterable[int], *, temperature: float = 1.0
) -> None:
    """Draw some layers one after another, each given all others, in place."""
    for layer in layers:
        draw_layer(network, layer, states, draws, temperature=temperature)


def gibbs(network: Network, states: Sequence[Tensor], draws: Draws, *, sweeps: int, temperature: float) -> list[Tensor]:
    """Return the states after sweeps over all layers, the highest first, so that visible units come last."""
    moving: list[Tensor | None] = list(states)
    for _ in range(sweeps):
        sweep(network, moving, draws, reversed(network.layers), temperature=temperature)
    return complete(moving)


def random_states(network: Network, count: int, draws: Draws) -> list[Tensor]:
    """Return `count` states of which every unit is 0 or 1 with probability ½."""
    half = torch.full((), 0.5, dtype=network.dtype)
    return [draws.bernoulli(half.expand(count, len(bias))) for bias in network.biases]


def mean_field(network: Network, v: Tensor, *, sweeps: int = MEAN_FIELD_SWEEPS) -> list[Tensor]:
    """Return visible units v and the activities in [0, 1] of the hidden layers: a bottom-up pass, then sweeps.

    Exact after the pass where hidden units are independent given v; then there are no sweeps.
    """
    activities: list[Tensor | None] = [v, *(None for _ in network.layers[1:])]
    for layer in network.layers[1:]:
        activities[layer] = torch.sigmoid(network.drive(layer, activities, inside=False)).expand(len(v), -1)
    for _ in range(0 if network.structure.bottom_up_is_exact else sweeps):
        for layer in network.layers[1:]:
            new, old = torch.sigmoid(network.drive(layer, activities)), activities[layer]
            if network.structure.inside(layer) is not None and old is not None:
                new = DAMPING * old + (1 - DAMPING) * new
            activities[layer] = new
    return complete(activities)


def complete(states: States) -> list[Tensor]:
    """Return states of which none is missing."""
    found = [state for state in states if state is not None]
    assert len(found) == len(states)
    return found
