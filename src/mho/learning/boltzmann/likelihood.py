"""Exact sums over the states of a Boltzmann machine: partition function, free energy, means of the model.

Layers that are independent given the others (`Structure.independent`) are summed in closed form, and the states of the
others, the kept layers, are enumerated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from mho.errors import WrongUse
from mho.learning.boltzmann.couplings import Move
from mho.learning.boltzmann.network import Network
from mho.learning.boltzmann.structure import Structure

MOST_UNITS = 20
"""Units whose states are enumerated: a million."""
MOST_HIDDEN = 14
"""Hidden units whose states are enumerated for each example."""
CHUNK = 2**14


@final
@dataclasses.dataclass(frozen=True)
class Split:
    """Layers whose states are enumerated or sampled, and layers summed in closed form given those.

    Attributes:
        kept: layers that are enumerated.
        summed: layers without links among each other or inside.
    """

    kept: tuple[int, ...]
    summed: tuple[int, ...]

    @classmethod
    def of(cls, structure: Structure, among: Sequence[int]) -> Split:
        """Return the split of some layers that sums the most units in closed form."""
        summed = structure.independent(among)
        return cls(tuple(layer for layer in among if layer not in summed), summed)

    def units(self, structure: Structure) -> int:
        """Return how many units are kept."""
        return sum(structure.sizes[layer] for layer in self.kept)


def log_weight(network: Network, states: Sequence[Tensor | None], summed: Sequence[int]) -> Tensor:
    """Return log Σ exp(-E(s)) over the states of the summed layers, (n,); `states` has all other layers."""
    given = next(state for state in states if state is not None)
    rest = [
        torch.zeros(len(given), len(b), dtype=b.dtype) if s is None else s
        for s, b in zip(states, network.biases, strict=True)
    ]
    total = -network.energy(rest)
    known = [None if layer in summed else state for layer, state in enumerate(states)]
    for layer in summed:
        total = total + softplus(network.drive(layer, known)).expand(len(given), -1).sum(dim=1)
    return total


def can_enumerate(structure: Structure) -> bool:
    """Return whether the partition function is summed exactly: at most 20 units are kept."""
    return Split.of(structure, range(len(structure.sizes))).units(structure) <= MOST_UNITS


def log_partition(network: Network) -> float:
    """Return log Z = log Σ_s exp(-E(s)) of the exact couplings, in float64.

    Raises:
        WrongUse: for a machine with too many states.
    """
    exact = network.exact(torch.float64)
    return float(torch.logsumexp(torch.cat([weights for _, weights in _enumerated(exact)]), dim=0))


def hidden_log_sums(network: Network, v: Tensor) -> Tensor:
    """Return log Σ_h exp(-E(v, h)), (n,), the negative free energy of visible units v (n, size), in float64.

    Raises:
        WrongUse: for hidden layers with too many states.
    """
    exact, structure = network.exact(torch.float64), network.structure
    split = Split.of(structure, range(1, len(structure.sizes)))
    if split.units(structure) > MOST_HIDDEN:
        raise WrongUse(
            f"the free energy sums over the states of {split.units(structure)} hidden units that are linked, and takes "
            f"at most {MOST_HIDDEN}; log_likelihood(X) gives a variational bound"
        )
    given = v.to(torch.float64)
    total: Tensor | None = None
    for hidden in _states(structure, split.kept, 1):
        states: list[Tensor | None] = [None] * len(structure.sizes)
        states[0] = given
        for layer in split.kept:
            states[layer] = hidden[layer].expand(len(v), -1)
        own = log_weight(exact, states, split.summed)
        total = own if total is None else torch.logaddexp(total, own)
    assert total is not None
    return total


def free_energy_is_exact(structure: Structure) -> bool:
    """Return whether `hidden_log_sums` takes a machine of this structure."""
    return Split.of(structure, range(1, len(structure.sizes))).units(structure) <= MOST_HIDDEN


@final
@dataclasses.dataclass(frozen=True)
class Means:
    """Means of a machine's own distribution, by enumeration.

    Attributes:
        structure: structure of the machine.
        kept: states (2ᵏ, size) of each kept layer, by layer, for summed layers their means given these states.
        probabilities: probabilities of the kept states, (2ᵏ,).
    """

    structure: Structure
    states: list[Tensor]
    probabilities: Tensor

    @property
    def biases(self) -> list[Tensor]:
        """Mean of each unit, a tensor (size,) per layer."""
        return [self.probabilities @ states for states in self.states]

    def moves(self, sign: float) -> list[Move]:
        """Return sign times the mean of s_i s_j as outer products."""
        found = []
        for place, block in enumerate(self.structure.blocks):
            weights = sign * self.probabilities[:, None] / (2 if block.inside else 1)
            found.append(Move(place, self.states[block.lower] * weights, self.states[block.upper]))
        return found


def model_means(network: Network) -> Means:
    """Return the means of a small machine, in the type of the network.

    Raises:
        WrongUse: for a machine with too many states.
    """
    structure = network.structure
    split = Split.of(structure, range(len(structure.sizes)))
    chunks = list(_enumerated(network))
    weights = torch.cat([own for _, own in chunks])
    states: list[Tensor] = []
    for layer in network.layers:
        if layer in split.kept:
            states.append(torch.cat([own[layer] for own, _ in chunks]))
        else:
            means = [torch.sigmoid(network.drive(layer, _known(own, network.layers))) for own, _ in chunks]
            states.append(torch.cat([m.expand(len(own[1]), -1) for m, own in zip(means, chunks, strict=True)]))
    return Means(structure, states, torch.softmax(weights, dim=0))


def _known(states: dict[int, Tensor], layers: range) -> list[Tensor | None]:
    return [states.get(layer) for layer in layers]


def _enumerated(network: Network) -> Iterator[tuple[dict[int, Tensor], Tensor]]:
    """Yield all states of the kept layers in chunks, with the logarithm of each state's weight in Z."""
    structure = network.structure
    split = Split.of(structure, range(len(structure.sizes)))
    if split.units(structure) > MOST_UNITS:
        raise WrongUse(
            f"an exact sum runs over the states of {split.units(structure)} units, and takes at most {MOST_UNITS}; "
            "estimate it by annealed importance sampling: log_likelihood(X, method='ais')"
        )
    for states in _states(structure, split.kept, CHUNK, dtype=network.dtype):
        yield states, log_weight(network, _known(states, network.layers), split.summed)


def _states(
    structure: Structure, layers: Sequence[int], chunk: int, dtype: torch.dtype = torch.float64
) -> Iterator[dict[int, Tensor]]:
    """Yield all states of some layers, at most `chunk` at a time: layer to (m, size)."""
    sizes = [structure.sizes[layer] for layer in layers]
    units = sum(sizes)
    for start in range(0, 2**units, chunk):
        numbers = torch.arange(start, min(start + chunk, 2**units))
        bits = ((numbers[:, None] >> torch.arange(units)) & 1).to(dtype)
        yield dict(zip(layers, bits.split(sizes, dim=1), strict=True)) if sizes else {}
