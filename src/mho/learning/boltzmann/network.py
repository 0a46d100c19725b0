"""Couplings and biases together: the drive of a unit, and the energy of a state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from mho.learning.boltzmann.couplings import Couplings, States
from mho.learning.boltzmann.dense import DenseCouplings
from mho.learning.boltzmann.structure import Structure


@final
class Network:
    """A Boltzmann machine of binary units as sampling and learning see it: E(s) = -½ sᵀW s - bᵀs.

    Args:
        couplings: W.
        biases: b, a tensor (size,) per layer; digital, also where W lives on arrays.
    """

    def __init__(self, couplings: Couplings, biases: Sequence[Tensor]) -> None:
        self.couplings, self.biases = couplings, list(biases)

    @property
    def structure(self) -> Structure:
        """Layers and blocks."""
        return self.couplings.structure

    @property
    def layers(self) -> range:
        """Indices of the layers; 0 is the visible layer."""
        return range(len(self.biases))

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of states, drives and biases."""
        return self.biases[0].dtype

    def drive(self, layer: int, states: States, *, inside: bool = True) -> Tensor:
        """Return z = W s + b for the units of a layer, (n, size), over the layers that have states.

        Without any state the result is b alone, (size,).
        """
        z, bias = self.couplings.drive(layer, states, inside=inside), self.biases[layer]
        return bias if z is None else z + bias

    def energy(self, states: Sequence[Tensor]) -> Tensor:
        """Return E(s), (n,), of the exact couplings."""
        total = -sum((s @ b for s, b in zip(states, self.biases, strict=True)), torch.zeros((), dtype=self.dtype))
        for block, matrix in zip(self.structure.blocks, self.couplings.matrices(), strict=True):
            pairs = ((states[block.lower] @ matrix) * states[block.upper]).sum(dim=1)
            total = total - (pairs / 2 if block.inside else pairs)
        return total

    def exact(self, dtype: torch.dtype) -> Network:
        """Return a copy in floating point with the exact couplings."""
        return self.scaled(1.0, self.biases, dtype)

    def scaled(self, factor: float, biases: Sequence[Tensor], dtype: torch.dtype) -> Network:
        """Return a copy in floating point with `factor` times the exact couplings, and other biases."""
        couplings = DenseCouplings(self.structure, dtype)
        couplings.write([factor * matrix.to(dtype) for matrix in self.couplings.matrices()])
        return Network(couplings, [bias.to(dtype, copy=True) for bias in biases])
