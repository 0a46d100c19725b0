"""A problem of 10 + 10 units on which every sum is exact: how near do VPF and others come to a known distribution?"""

from __future__ import annotations

import dataclasses
from typing import final

import torch
from torch import Tensor

from mho.learning.boltzmann import BoltzmannMachine
from mho.learning.boltzmann.draws import Draws, Purpose

VISIBLE, HIDDEN = 10, 10
SPREAD = 1.5
"""Standard deviation of the couplings of the machine that the examples come from."""
TEACHERS = 2**32
"""Added to a seed, so that the teacher has other draws than the machine that learns."""


@final
@dataclasses.dataclass(frozen=True)
class KnownDistribution:
    """Examples of a Boltzmann machine of 10 + 10 units, and its distribution.

    Attributes:
        examples: (n, 10) drawn from it, float32.
        states: all (1024, 10), float64.
        log_p: logarithm of each state's probability, (1024,).
    """

    examples: Tensor
    states: Tensor
    log_p: Tensor

    @classmethod
    def of_seed(cls, seed: int, examples: int) -> KnownDistribution:
        """Draw couplings of standard deviation 1.5; by their biases units are on about half of the time."""
        teacher = BoltzmannMachine([VISIBLE, HIDDEN], dtype="float64", weight_std=SPREAD, seed=TEACHERS + seed)
        W = teacher.weights_
        teacher.set_weights(W, -W.sum(dim=1) / 2)
        numbers = torch.arange(2**VISIBLE)
        states = ((numbers[:, None] >> torch.arange(VISIBLE)) & 1).to(torch.float64)
        log_p = teacher.log_likelihood(states).values
        uniform = Draws(TEACHERS + seed, Purpose.SAMPLING).uniform((examples,), torch.float64)
        chosen = torch.searchsorted(log_p.exp().cumsum(0), uniform).clamp(max=len(states) - 1)
        return cls(states[chosen].to(torch.float32), states, log_p)

    def divergence(self, machine: BoltzmannMachine) -> float:
        """Return the Kullback-Leibler divergence of a machine from the distribution, in nats."""
        log_q = machine.log_likelihood(self.states, method="exact").values
        return float((self.log_p.exp() * (self.log_p - log_q)).sum())

    def numbers(self, machine: BoltzmannMachine) -> dict[str, float]:
        """Return the divergence, and the mean log-likelihood of the examples and of the distribution itself [nats]."""
        divergence = self.divergence(machine)
        return {
            "divergence": divergence,
            "log_likelihood": float((self.log_p.exp() * self.log_p).sum()) - divergence,
            "train_log_likelihood": machine.score(self.examples),
        }
