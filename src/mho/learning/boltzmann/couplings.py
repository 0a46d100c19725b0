"""Base of the couplings of a Boltzmann machine, whichever memory holds them."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import final

from torch import Tensor

from mho.learning.boltzmann.structure import Structure

States = Sequence[Tensor | None]
"""One tensor (n, size) a layer; None for a layer that has no state yet."""


@final
@dataclasses.dataclass(frozen=True)
class Move:
    """An outer product that a step adds to a block of couplings, Σ_t lower_t upper_tᵀ.

    Inside a layer the sum and its transpose are added, and the diagonal stays 0.

    Attributes:
        block: index of the block.
        lower: (T, units of the lower layer).
        upper: (T, units of the upper layer).
    """

    block: int
    lower: Tensor
    upper: Tensor


class Couplings(abc.ABC):
    """Symmetric couplings W of a machine, block by block.

    Args:
        structure: layers and blocks.
    """

    def __init__(self, structure: Structure) -> None:
        self.structure = structure

    @abc.abstractmethod
    def drive(self, layer: int, states: States, *, inside: bool = True) -> Tensor | None:
        """Return Σ_j W_ij s_j for the units of a layer, (n, size), over the layers that have states; None for none.

        Args:
            layer: which units.
            states: states of every layer.
            inside: whether links inside the layer count.
        """

    @abc.abstractmethod
    def update(self, moves: Sequence[Move], lr: float) -> None:
        """Add lr times the moves to the couplings, one after another, and let the time of one step pass."""

    @abc.abstractmethod
    def matrices(self) -> list[Tensor]:
        """Return the exact couplings of each block, (units of lower, units of upper)."""

    @abc.abstractmethod
    def write(self, matrices: Sequence[Tensor]) -> None:
        """Set the couplings of each block, as far as what they live in can hold them."""

    @abc.abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return all state by name, the memory itself, for checkpoints."""

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Drives in here change nothing of what training will draw."""
        yield
