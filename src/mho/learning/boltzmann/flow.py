"""Minimum probability flow: the objective K and its gradient.

For binary states s and E(s) = -½ sᵀW s - bᵀs, with z = W s + b and δ_i = ½ - s_i, flipping unit i changes the energy
by -2 δ_i z_i. So K, the mean over data of Σ exp((E(s) - E(s'))/2) over the neighbours s' that differ in one unit, is
the mean of Σ_i h_i with h_i = exp(δ_i z_i), and

    ∂K/∂b_i = δ_i h_i,    ∂K/∂W_ij = s_j δ_i h_i + s_i δ_j h_j,

where W_ij = W_ji is one parameter. Local to two units, two outer products, no negative phase.

Source: Z. Liu, J. Quek, S. Lin 2018, arXiv 1711.07732; J. Sohl-Dickstein et al. 2011, arXiv 0906.4779.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from mho.learning.boltzmann.couplings import Move
from mho.learning.boltzmann.network import Network
from mho.learning.boltzmann.structure import Structure


@final
@dataclasses.dataclass(frozen=True)
class Flow:
    """Probability flow out of states into their neighbours.

    Attributes:
        values: Σ_i h_i of each state, (n,).
        biases: δ_i h_i, the gradient ∂/∂b of each state's flow, a tensor (n, size) per layer.
    """

    values: Tensor
    biases: list[Tensor]


def flow(states: Sequence[Tensor], drives: Sequence[Tensor]) -> Flow:
    """Return the flow out of states s with drives z = W s + b; both have a tensor (n, size) per layer."""
    values, biases = torch.zeros(len(states[0]), dtype=drives[0].dtype), []
    for s, z in zip(states, drives, strict=True):
        delta = 0.5 - s
        h = torch.exp(delta * z)
        values = values + h.sum(dim=1)
        biases.append(delta * h)
    return Flow(values, biases)


def flow_moves(structure: Structure, states: Sequence[Tensor], found: Flow) -> list[Move]:
    """Return the outer products of one descent step, -∂K/∂W, of the mean over n states.

    Two a block, one for the flips of each layer; inside a layer they are each other's transpose, hence one move.
    """
    rates = [-rate / len(rate) for rate in found.biases]
    moves = []
    for place, block in enumerate(structure.blocks):
        moves.append(Move(place, states[block.lower], rates[block.upper]))
        if not block.inside:
            moves.append(Move(place, rates[block.lower], states[block.upper]))
    return moves


def objective(network: Network, states: Sequence[Tensor]) -> float:
    """Return K, the mean over states of the flow out of each."""
    return float(flow(states, [network.drive(layer, states) for layer in network.layers]).values.mean())


def gradient(network: Network, states: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return ∂K/∂W, symmetric (units, units), 0 where units are not linked, and ∂K/∂b, (units,)."""
    structure = network.structure
    found = flow(states, [network.drive(layer, states) for layer in network.layers])
    whole = torch.zeros(structure.units, structure.units, dtype=network.dtype)
    steps = network.scaled(0.0, network.biases, network.dtype).couplings
    steps.update(flow_moves(structure, states, found), lr=-1.0)
    for block, matrix in zip(structure.blocks, steps.matrices(), strict=True):
        rows, columns = structure.slices[block.lower], structure.slices[block.upper]
        whole[rows, columns] = matrix
        whole[columns, rows] = matrix.T
    return whole, torch.cat(found.biases, dim=1).mean(dim=0)
