"""Annealed importance sampling of the partition function, and what it says about data.

Source: R. Neal 2001, Statistics and Computing 11:125; R. Salakhutdinov, I. Murray 2008, ICML (restricted machines).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from mho.learning.boltzmann.draws import Draws
from mho.learning.boltzmann.likelihood import Split, free_energy_is_exact, hidden_log_sums, log_partition, log_weight
from mho.learning.boltzmann.network import Network
from mho.learning.boltzmann.sampling import complete, mean_field, sweep

DEVIATIONS = 3.0
"""Standard errors between the estimate and each end of its interval."""


@final
@dataclasses.dataclass(frozen=True)
class LogPartition:
    """An estimate of log Z.

    Attributes:
        value: log Z.
        low: three standard errors of the mean weight below; -∞ where they exceed the mean.
        high: three above.
        kind: "exact" or "AIS".
    """

    value: float
    low: float
    high: float
    kind: str


@final
@dataclasses.dataclass(frozen=True)
class LogLikelihood:
    """Log-likelihood of examples, in nats.

    Attributes:
        mean: over the examples.
        low: with the upper end of log Z's interval; it says nothing of the spread over examples.
        high: with the lower end.
        values: values of each example, (n,) float64.
        log_z: the partition function that was used.
        kind: "exact", "AIS", or "variational bound, exact log Z" or "variational bound, AIS": a lower bound but for
            the error of log Z.
    """

    mean: float
    low: float
    high: float
    values: Tensor
    log_z: LogPartition
    kind: str

    def __str__(self) -> str:
        how = self.kind.replace("AIS", "by annealed importance sampling")
        if self.log_z.kind == "exact":
            return f"{self.mean:.2f} nats ({how})"
        return f"{self.mean:.2f} nats, {self.low:.2f} to {self.high:.2f} ({how})"


def exact_partition(network: Network) -> LogPartition:
    """Return log Z by enumeration."""
    value = log_partition(network)
    return LogPartition(value, value, value, "exact")


def anneal(
    network: Network,
    draws: Draws,
    *,
    chains: int,
    temperatures: int,
    base: Tensor | None = None,
    on_step: Callable[[int], None] = lambda done: None,
) -> LogPartition:
    """Estimate log Z by annealed importance sampling from independent units, in the network's own type.

    Couplings grow from 0 to W in equal steps while biases go from those of the base to b. Layers that are independent
    given the others are summed in closed form; each step draws them, then the others, by Gibbs sampling.

    Args:
        network: the machine, with its exact couplings.
        draws: random numbers.
        chains: independent runs, at least 2.
        temperatures: steps from the base to the machine, at least 1.
        base: biases of the visible units at the start, for example the logit of the mean of data; None: those of the
            machine.
        on_step: sees the number of steps done.
    """
    structure = network.structure
    split = Split.of(structure, range(len(structure.sizes)))
    start = list(network.biases)
    if base is not None:
        start[0] = base.to(network.dtype)

    def at(step: int) -> Network:
        share = step / temperatures
        biases = [a + share * (b - a) for a, b in zip(start, network.biases, strict=True)]
        return network.scaled(share, biases, network.dtype)

    def weight(machine: Network) -> Tensor:
        kept = [None if layer in split.summed else state for layer, state in enumerate(states)]
        return log_weight(machine, kept, split.summed).to(torch.float64)

    states: list[Tensor | None] = [draws.bernoulli(torch.sigmoid(bias).expand(chains, -1)) for bias in start]
    total = torch.zeros(chains, dtype=torch.float64)
    before = at(0)
    for step in range(1, temperatures + 1):
        after = at(step)
        total += weight(after) - weight(before)
        sweep(after, states, draws, (*split.summed, *split.kept))
        before = after
        on_step(step)
    log_base = sum(float(softplus(bias.to(torch.float64)).sum()) for bias in start)
    return _interval(total, log_base)


def _interval(weights: Tensor, log_base: float) -> LogPartition:
    """Return log Z from log importance weights of the chains, (chains,)."""
    peak = float(weights.max())
    ratios = torch.exp(weights - peak)
    mean, error = float(ratios.mean()), float(ratios.std()) / math.sqrt(len(ratios))
    low = mean - DEVIATIONS * error
    return LogPartition(
        log_base + peak + math.log(mean),
        log_base + peak + math.log(low) if low > 0 else -math.inf,
        log_base + peak + math.log(mean + DEVIATIONS * error),
        "AIS",
    )


def log_likelihood(network: Network, v: Tensor, log_z: LogPartition) -> LogLikelihood:
    """Return the log-likelihood of visible units v (n, size), or a variational lower bound where h cannot be summed."""
    exact = free_energy_is_exact(network.structure)
    sums = hidden_log_sums(network, v) if exact else variational_sums(network, v)
    mean = float(sums.mean())
    kind = log_z.kind
    if not exact:
        kind = f"variational bound, {'exact log Z' if kind == 'exact' else kind}"
    return LogLikelihood(mean - log_z.value, mean - log_z.high, mean - log_z.low, sums - log_z.value, log_z, kind)


def variational_sums(network: Network, v: Tensor) -> Tensor:
    """Return a lower bound of log Σ_h exp(-E(v, h)), (n,) in float64: entropy less mean energy, by mean field."""
    exact = network.exact(torch.float64)
    activities = mean_field(exact, v.to(torch.float64))
    entropy = torch.zeros(len(v), dtype=torch.float64)
    for m in activities[1:]:
        entropy = entropy - (torch.xlogy(m, m) + torch.xlogy(1 - m, 1 - m)).sum(dim=1)
    return entropy - exact.energy(activities)


def pseudo_log_likelihood(network: Network, v: Tensor) -> Tensor:
    """Return Σ_i log p(s_i | all other units), (n,), for visible units with mean-field hidden units."""
    activities = complete(mean_field(network, v))
    z = network.drive(0, activities)
    return -softplus((1 - 2 * v) * z).sum(dim=1)
