"""Energy, samples and likelihood of the distribution that a Boltzmann machine has at present."""

from __future__ import annotations

import abc
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mho.errors import InvalidValue, InWords, WrongUse
from mho.learning.boltzmann import annealing, flow
from mho.learning.boltzmann.annealing import LogLikelihood, LogPartition
from mho.learning.boltzmann.data import as_rows, binary, like, log_odds
from mho.learning.boltzmann.draws import Draws, Purpose
from mho.learning.boltzmann.likelihood import can_enumerate, hidden_log_sums
from mho.learning.boltzmann.network import Network
from mho.learning.boltzmann.plan import Plan
from mho.learning.boltzmann.reconstruction import reconstruct
from mho.learning.boltzmann.sampling import gibbs, infer, random_states
from mho.learning.boltzmann.structure import check_state_width, mask_of

METHODS = ("auto", "exact", "ais")


class EnergyModel(abc.ABC, metaclass=InWords):
    """Binary units s ∈ {0, 1}ⁿ with the probability exp(-E(s))/Z, E(s) = -½ sᵀW s - bᵀs.

    Source: Z. Liu, J. Quek, S. Lin 2018, arXiv 1711.07732.
    """

    temperature: float

    @abc.abstractmethod
    def plan(self) -> Plan:
        """Return the parameters, checked together."""

    @abc.abstractmethod
    def _network(self) -> Network:
        """Return couplings and biases; initial values if there are none yet."""

    @abc.abstractmethod
    def _examples(self, X: Any, *, reset: bool) -> Tensor:
        """Return data as binary visible units (n, size)."""

    @property
    def weights_(self) -> Tensor:
        """W, symmetric (units, units) with visible units first: a copy of the exact couplings."""
        network = self._network()
        structure = network.structure
        whole = torch.zeros(structure.units, structure.units, dtype=network.dtype)
        for block, matrix in zip(structure.blocks, network.couplings.matrices(), strict=True):
            rows, columns = structure.slices[block.lower], structure.slices[block.upper]
            whole[rows, columns] = matrix
            whole[columns, rows] = matrix.T
        return whole

    @property
    def biases_(self) -> Tensor:
        """b, (units,) with visible units first: a copy."""
        return torch.cat(self._network().biases)

    def set_weights(self, W: Any, b: Any = None) -> None:
        """Set the couplings, and the biases if given; arrays hold them within the bounds of their devices.

        Args:
            W: symmetric (units, units), 0 where units are not linked.
            b: (units,).

        Raises:
            InvalidValue: for another shape, values that are not finite, or a W that is not symmetric or has couplings
                where there are no links.
        """
        network = self._network()
        structure = network.structure
        whole = torch.as_tensor(W).detach().to(network.dtype)
        if tuple(whole.shape) != (structure.units, structure.units) or not bool(torch.isfinite(whole).all()):
            raise InvalidValue(
                f"W has shape {tuple(whole.shape)}; give finite numbers ({structure.units}, {structure.units})"
            )
        if not torch.equal(whole, whole.T):
            raise InvalidValue("W is not symmetric; give for example (W + W.T) / 2")
        if bool((whole[~mask_of(structure)] != 0).any()):
            raise InvalidValue("W has couplings between units that are not linked; set them to 0, or change the mask")
        biases = None if b is None else torch.as_tensor(b).detach().to(network.dtype)
        if biases is not None and (tuple(biases.shape) != (structure.units,) or not bool(torch.isfinite(biases).all())):
            raise InvalidValue(f"b has shape {tuple(biases.shape)}; give finite numbers ({structure.units},)")
        network.couplings.write([whole[structure.slices[b.lower], structure.slices[b.upper]] for b in structure.blocks])
        if biases is not None:
            for own, given in zip(network.biases, biases.split(list(structure.sizes)), strict=True):
                own.copy_(given)

    def energy(self, states: Any) -> Any:
        """Return E(s), (n,), of states (n, units), visible units first: E = -½ sᵀW s - bᵀs of the exact couplings."""
        return like(states, self._network().energy(self._states(states)))

    def objective(self, states: Any) -> float:
        """Return the flow K of states (n, units): the mean over them of Σ exp((E(s) - E(s'))/2) over one-unit flips s'.

        Of the exact couplings, not as arrays are read.
        """
        network = self._network()
        return flow.objective(network.exact(network.dtype), self._states(states))

    def gradient(self, states: Any) -> tuple[Any, Any]:
        """Return ∂K/∂W (units, units) and ∂K/∂b (units,) of states (n, units); `mho.learning.boltzmann.flow`.

        W_ij = W_ji is one parameter, so ∂K/∂W is symmetric; it is 0 where units are not linked.
        """
        network = self._network()
        W, b = flow.gradient(network.exact(network.dtype), self._states(states))
        return like(states, W), like(states, b)

    def infer(self, X: Any, *, seed: int | None = None) -> Any:
        """Draw the hidden units of examples (n, visible) as learning does, and return whole states (n, units).

        Args:
            X: examples.
            seed: seed of the draws; None: the machine's.
        """
        network, plan = self._network(), self.plan()
        v = self._examples(X, reset=False)
        draws = Draws(_seed(seed, plan.seed), Purpose.INFERENCE)
        sweeps = getattr(plan.rule, "sweeps", 0)
        with network.couplings.evaluating():
            states = infer(network, v, draws, sweeps=sweeps, temperature=float(self.temperature)).states
        return like(X, torch.cat(states, dim=1))

    def sample(
        self,
        n: int | None = None,
        *,
        sweeps: int = 1000,
        temperature: float = 1.0,
        start: Any = None,
        probabilities: bool = False,
        seed: int | None = None,
    ) -> Any:
        """Return visible units (n, size) after Gibbs sweeps of as many independent chains.

        Args:
            n: chains; None: 100, or one per example of `start`.
            sweeps: over all layers, at least 1.
            temperature: T of all units, above 0.
            start: examples (n, visible) to start from, in place of random units.
            probabilities: return the probability of each visible unit in its last draw; not for machines with links
                inside the visible layer.
            seed: seed of the draws; None: the machine's. Equal seeds give equal samples; on arrays the noise is new.
        """
        network, plan = self._network(), self.plan()
        count = n if n is not None else 100 if start is None else len(start)
        _at_least("n", count, 1)
        _at_least("sweeps", sweeps, 1)
        if isinstance(temperature, bool) or not isinstance(temperature, (int, float)) or not 0 < temperature < math.inf:
            raise InvalidValue(f"temperature is {temperature!r}; give a number greater than 0")
        if start is not None and count != len(start):
            raise InvalidValue(f"n is {n}, and start has {len(start)} examples; leave n out")
        draws = Draws(_seed(seed, plan.seed), Purpose.SAMPLING)
        with network.couplings.evaluating():
            if start is None:
                states = random_states(network, count, draws)
            else:
                v = self._examples(start, reset=False)
                states = infer(network, v, draws, sweeps=0, temperature=temperature).states
            states = gibbs(network, states, draws, sweeps=sweeps, temperature=temperature)
            if not probabilities:
                return like(start, states[0])
            if network.structure.inside(0) is not None:
                raise WrongUse("visible units are linked and have no common probabilities; leave probabilities out")
            return like(start, torch.sigmoid(network.drive(0, states) / temperature))

    def reconstruct(self, X: Any, *, known: Any = None, sweeps: int = 1, seed: int | None = None) -> Any:
        """Return probabilities (n, visible) of visible units as hidden units would have them.

        Args:
            X: corrupted examples (n, visible).
            known: bool (visible,) or (n, visible), True for units to trust: they stay as they are, and only the others
                are drawn. None: no unit is trusted, and X is only where the chain starts.
            sweeps: times that hidden units are inferred and visible units drawn; the result is the mean over the later
                half.
            seed: seed of the draws; None: the machine's.

        Raises:
            WrongUse: for a machine without hidden units if nothing is known.
        """
        network, plan = self._network(), self.plan()
        v = self._examples(X, reset=False)
        _at_least("sweeps", sweeps, 1)
        draws = Draws(_seed(seed, plan.seed), Purpose.INFERENCE, 1)
        with network.couplings.evaluating():
            return like(X, reconstruct(network, v, draws, known=known, sweeps=sweeps))

    def free_energy(self, X: Any) -> Any:
        """Return F(v) = -log Σ_h exp(-E(v, h)), (n,) float64, of the exact couplings.

        Raises:
            WrongUse: where more than 14 linked hidden units would have to be enumerated, as in most deep machines.
        """
        network = self._network()
        return like(X, -hidden_log_sums(network, self._examples(X, reset=False)))

    def log_partition(
        self, *, method: str = "auto", chains: int = 100, temperatures: int = 1000, base: Any = None,
        seed: int | None = None,
    ) -> LogPartition:  # fmt: skip
        """Return log Z of the exact couplings.

        Args:
            method: "exact": by enumeration; "ais": annealed importance sampling; "auto": exact where at most 20 units
                have to be enumerated.
            chains: number of chains of the annealing.
            temperatures: number of temperatures of the annealing.
            base: biases (visible,) at the start of the annealing; None: the machine's.
            seed: seed of the annealing's draws; None: the machine's.

        Raises:
            WrongUse: for "exact" with too many units.
        """
        network, plan = self._network(), self.plan()
        if method not in METHODS:
            raise InvalidValue(f"method is {method!r}; give one of {', '.join(METHODS)}")
        if method == "exact" or (method == "auto" and can_enumerate(network.structure)):
            return annealing.exact_partition(network)
        _at_least("chains", chains, 2)
        _at_least("temperatures", temperatures, 1)
        draws = Draws(_seed(seed, plan.seed), Purpose.ANNEALING)
        start = None if base is None else torch.as_tensor(base)
        return annealing.anneal(
            network.exact(network.dtype), draws, chains=chains, temperatures=temperatures, base=start
        )

    def log_likelihood(
        self, X: Any, *, method: str = "auto", chains: int = 100, temperatures: int = 1000, seed: int | None = None
    ) -> LogLikelihood:
        """Return the log-likelihood of examples; options as of `log_partition`.

        Where hidden units cannot be summed, as in most deep machines, it is the mean-field lower bound. Annealing tends
        to find too small a Z, and so too high a likelihood, where it is given too few temperatures.
        """
        network = self._network()
        v = self._examples(X, reset=False)
        log_z = self.log_partition(method=method, chains=chains, temperatures=temperatures, base=log_odds(v), seed=seed)
        return annealing.log_likelihood(network, v, log_z)

    def pseudo_log_likelihood(self, X: Any) -> Any:
        """Return Σ_i log p(v_i | other units), (n,), for visible units, with mean-field hidden units."""
        network = self._network()
        return like(X, annealing.pseudo_log_likelihood(network.exact(network.dtype), self._examples(X, reset=False)))

    def _states(self, states: Any) -> list[Tensor]:
        """Return states of all units, a tensor (n, size) per layer."""
        network = self._network()
        rows = np.atleast_2d(as_rows(states))
        check_state_width(rows.shape[1], network.structure)
        return network.structure.split(binary(rows, None, network.dtype, "states"))


def _seed(seed: int | None, own: int) -> int:
    if seed is None:
        return own
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise InvalidValue(f"seed is {seed!r}; give an integer from 0 to 2**63 - 1, or None")
    return int(seed)


def _at_least(name: str, value: Any, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
        raise InvalidValue(f"{name} is {value!r}; give an integer of at least {low}")
