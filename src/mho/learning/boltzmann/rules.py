"""Rules of learning: what one step of each adds to couplings and biases."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor

from mho.errors import Faults, nearest
from mho.learning.boltzmann.couplings import Move
from mho.learning.boltzmann.draws import Draws
from mho.learning.boltzmann.flow import flow, flow_moves
from mho.learning.boltzmann.likelihood import hidden_log_sums, log_partition, model_means
from mho.learning.boltzmann.network import Network
from mho.learning.boltzmann.sampling import complete, draw_layer, infer
from mho.learning.boltzmann.structure import Structure

SWEEPS = 3
"""Clamped sweeps where the bottom-up pass alone is no draw from the posterior."""


@final
@dataclasses.dataclass(frozen=True)
class Step:
    """Change of a step, before the learning rate.

    Attributes:
        moves: to the couplings.
        biases: to the biases, a tensor (size,) per layer.
        loss: sum over the examples of what the rule measures.
    """

    moves: list[Move]
    biases: list[Tensor]
    loss: float


class Rule(abc.ABC):
    """A rule of learning; a frozen dataclass of its options.

    Attributes:
        measure: name in metrics of what `Step.loss` sums.
        title: what it is called in tables and figures.
    """

    measure: str

    @property
    @abc.abstractmethod
    def title(self) -> str:
        """Return the name of this rule in tables and figures."""

    @abc.abstractmethod
    def step(self, network: Network, v: Tensor, draws: Draws) -> Step:
        """Return the step for a mini-batch of visible units v (n, size)."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class VariationalFlow(Rule):
    """VPF: hidden units are inferred for each example, then the flow K(v, h) descends (`mho.learning.boltzmann.flow`).

    On arrays with two layers an example costs a forward read, which draws h and gives its flow too, a backward read
    and two update cycles.

    Attributes:
        sweeps: clamped sweeps after the bottom-up pass.
        temperature: temperature of the inference.

    Source: Z. Liu, J. Quek, S. Lin 2018, arXiv 1711.07732; how hidden units are inferred is recalled, not re-read.
    """

    sweeps: int
    temperature: float
    measure = "flow"

    @property
    def title(self) -> str:
        return "VPF"

    def step(self, network: Network, v: Tensor, draws: Draws) -> Step:
        inferred = infer(network, v, draws, sweeps=self.sweeps, temperature=self.temperature)
        states, drives = inferred.states, [network.drive(layer, inferred.states) for layer in network.layers[:-1]]
        top = network.layers[-1]
        drives.append(network.drive(top, states) if inferred.top_drive is None else inferred.top_drive)
        found = flow(states, drives)
        biases = [-rate.mean(dim=0) for rate in found.biases]
        return Step(flow_moves(network.structure, states, found), biases, float(found.values.sum()))


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ContrastiveDivergence(Rule):
    """CD-k: correlations of the data minus those after k Gibbs sweeps that start from the data.

    With one hidden layer without links inside, hidden units enter the correlations by their probabilities, as is usual
    (Hinton 2012, section 3); otherwise by their states.

    Attributes:
        k: Gibbs sweeps, at least 1.
        sweeps: clamped sweeps after the bottom-up pass, in the phase of the data.
        temperature: temperature of the inference in that phase.

    Source: G. Hinton 2002, Neural Computation 14:1771.
    """

    k: int
    sweeps: int
    temperature: float
    measure = "reconstruction_error"

    @property
    def title(self) -> str:
        return f"CD-{self.k}"

    def step(self, network: Network, v: Tensor, draws: Draws) -> Step:
        inferred = infer(network, v, draws, sweeps=self.sweeps, temperature=self.temperature)
        states: list[Tensor | None] = list(inferred.states)
        first, z = v, inferred.top_drive
        for turn in range(self.k):
            for layer in network.layers:
                z = draw_layer(network, layer, states, draws)
            if turn == 0:
                first = complete(states)[0]
        data, model = inferred.states, complete(states)
        if len(network.layers) == 2 and network.structure.bottom_up_is_exact:
            assert inferred.top_drive is not None
            assert z is not None
            data = [v, torch.sigmoid(inferred.top_drive / self.temperature)]
            model = [model[0], torch.sigmoid(z)]
        moves = correlation_moves(network.structure, data, 1.0) + correlation_moves(network.structure, model, -1.0)
        biases = [(plus - minus).mean(dim=0) for plus, minus in zip(data, model, strict=True)]
        return Step(moves, biases, float((first != v).to(v.dtype).mean(dim=1).sum()))


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class MaximumLikelihood(Rule):
    """Gradient of the log-likelihood by enumeration of all states: for small machines only.

    It needs one hidden layer without links inside, or none. Nothing is drawn.
    """

    measure = "negative_log_likelihood"

    @property
    def title(self) -> str:
        return "exact maximum likelihood"

    def step(self, network: Network, v: Tensor, draws: Draws) -> Step:
        data = [v, *(torch.sigmoid(network.drive(layer, [v, None])) for layer in network.layers[1:])]
        model = model_means(network)
        moves = correlation_moves(network.structure, data, 1.0) + model.moves(-1.0)
        biases = [plus.mean(dim=0) - mean for plus, mean in zip(data, model.biases, strict=True)]
        loss = len(v) * log_partition(network) - float(hidden_log_sums(network, v).sum())
        return Step(moves, biases, loss)


def correlation_moves(structure: Structure, states: Sequence[Tensor], sign: float) -> list[Move]:
    """Return sign times the mean over n states of s_i s_j, as outer products."""
    moves = []
    for place, block in enumerate(structure.blocks):
        share = 1 / (len(states[0]) * (2 if block.inside else 1))
        moves.append(Move(place, sign * states[block.lower], share * states[block.upper]))
    return moves


METHODS = ("vpf", "cd", "ml")


def make_rule(
    structure: Structure, *, method: Any, k: Any, sweeps: Any, temperature: Any, on_arrays: bool, faults: Faults
) -> Rule | None:
    """Return the rule of these options, or note what is wrong with them.

    Args:
        structure: structure of the machine.
        method: "vpf", "cd" or "ml".
        k: Gibbs sweeps of "cd"; None: 1.
        sweeps: clamped sweeps of the inference; None: 0 where the bottom-up pass is exact, else 3.
        temperature: temperature of the inference.
        on_arrays: whether the couplings live on arrays.
        faults: where faults are noted.
    """
    if not isinstance(method, str) or method not in METHODS:
        faults.add(f"method is {method!r}{nearest(str(method), METHODS)}")
        return None
    before = len(faults.found)
    faults.number("k", k, low=1, high=10**6, integer=True, optional=True)
    faults.number("sweeps", sweeps, low=0, high=10**6, integer=True, optional=True)
    faults.number("temperature", temperature, above=0.0, high=1e6)
    if k is not None and method != "cd":
        faults.add(f"k is {k!r} and has no effect on method {method!r}; leave it out, or give method='cd'")
    if method == "ml":
        _check_enumerable(structure, sweeps, temperature, on_arrays, faults)
    if sweeps is not None and len(structure.sizes) == 1:
        faults.add(f"sweeps is {sweeps!r} and has no effect: the machine has no hidden layer; leave it out")
    if len(faults.found) > before:
        return None
    if method == "ml":
        return MaximumLikelihood()
    done = sweeps if sweeps is not None else 0 if structure.bottom_up_is_exact else SWEEPS
    if method == "vpf":
        return VariationalFlow(sweeps=done, temperature=float(temperature))
    return ContrastiveDivergence(k=k or 1, sweeps=done, temperature=float(temperature))


def _check_enumerable(structure: Structure, sweeps: Any, temperature: Any, on_arrays: bool, faults: Faults) -> None:
    if not structure.bottom_up_is_exact:
        faults.add("method 'ml' needs one hidden layer without links inside, or none; give method='vpf' or 'cd'")
    if on_arrays:
        faults.add("method 'ml' sums over all states, which arrays cannot; leave rpu out, or give method='vpf'")
    if sweeps is not None or temperature != 1.0:
        faults.add("sweeps and temperature have no effect on method 'ml', which infers exactly; leave them out")
