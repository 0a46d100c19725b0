"""Couplings in floating point: a matrix a block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from mho.learning.boltzmann.couplings import Couplings, Move, States
from mho.learning.boltzmann.structure import Structure


@final
class DenseCouplings(Couplings):
    """A matrix (units of lower, units of upper) of float32 or float64 for each block; 0 where its mask has no link.

    Args:
        structure: layers and blocks.
        dtype: type of the numbers.
    """

    def __init__(self, structure: Structure, dtype: torch.dtype) -> None:
        super().__init__(structure)
        sizes = structure.sizes
        self._matrices = [torch.zeros(sizes[b.lower], sizes[b.upper], dtype=dtype) for b in structure.blocks]

    def drive(self, layer: int, states: States, *, inside: bool = True) -> Tensor | None:
        total: Tensor | None = None
        for block, matrix in zip(self.structure.blocks, self._matrices, strict=True):
            if layer not in (block.lower, block.upper) or (block.inside and not inside):
                continue
            other = states[block.lower if layer == block.upper else block.upper]
            if other is not None:
                own = other @ (matrix if layer == block.upper else matrix.T)
                total = own if total is None else total + own
        return total

    def update(self, moves: Sequence[Move], lr: float) -> None:
        for move in moves:
            block, matrix = self.structure.blocks[move.block], self._matrices[move.block]
            if block.mask is None and not block.inside:
                matrix.addmm_(move.lower.T, move.upper, alpha=lr)
                continue
            step = move.lower.T @ move.upper
            if block.inside:
                step += step.T.clone()
            self._keep_links(move.block, step)
            matrix.add_(step, alpha=lr)

    def matrices(self) -> list[Tensor]:
        return self._matrices

    def write(self, matrices: Sequence[Tensor]) -> None:
        for place, (own, given) in enumerate(zip(self._matrices, matrices, strict=True)):
            own.copy_(given)
            self._keep_links(place, own)

    def tensors(self) -> dict[str, Tensor]:
        return {f"couplings.{b.name}": m for b, m in zip(self.structure.blocks, self._matrices, strict=True)}

    def _keep_links(self, place: int, matrix: Tensor) -> None:
        """Set to 0 what has no link."""
        block = self.structure.blocks[place]
        if block.mask is not None:
            matrix.mul_(block.mask)
        elif block.inside:
            matrix.fill_diagonal_(0.0)
