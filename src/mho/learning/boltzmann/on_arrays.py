"""Couplings on cross-point arrays: one array per pair of layers, read both ways; or two, by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import final

import torch
from torch import Tensor

from mho.arrays import Crossbar, TiledArray, build_array
from mho.config import RPU
from mho.errors import InvalidValue
from mho.learning.boltzmann.couplings import Couplings, Move, States
from mho.learning.boltzmann.structure import Structure

KINDS = ("symmetric", "asymmetric")


@final
class ArrayCouplings(Couplings):
    """Couplings that live in arrays of rows × columns = units of the upper × units of the lower layer of a block.

    "symmetric": one array per pair of layers. A forward read drives the upper layer and a backward read the lower
    layer, so W is symmetric by construction. "asymmetric": a second array per pair, read forward only, drives the lower
    layer; both get every move, and what differs between them is what their devices make of it. Each move is one update
    cycle per array, W += lr·δ xᵀ, vector after vector; then the time of one step passes.

    Args:
        structure: layers and blocks; no links inside layers, and no masks.
        rpu: what the arrays are made of.
        seed: seed of devices, noise and pulses.
        kind: "symmetric" or "asymmetric".

    Raises:
        InvalidValue: for links that an array cannot have.
    """

    def __init__(self, structure: Structure, rpu: RPU, *, seed: int, kind: str) -> None:
        super().__init__(structure)
        check_links(structure)
        if rpu.scaling is not None and rpu.scaling.learned:
            raise InvalidValue(
                'rpu.scale is learned, and a Boltzmann machine has no derivative by it; give a number or "max"'
            )
        self._arrays: list[Crossbar | TiledArray] = []
        self._down: list[Crossbar | TiledArray | None] = []
        for block in structure.blocks:
            low, up = structure.sizes[block.lower], structure.sizes[block.upper]
            self._arrays.append(build_array(rpu, up, low, seed=seed, name=f"boltzmann.{block.name}"))
            down = None
            if kind == "asymmetric":
                down = build_array(rpu, low, up, seed=seed, name=f"boltzmann.{block.name}.down")
            self._down.append(down)

    @property
    def arrays(self) -> dict[str, Crossbar | TiledArray]:
        """Return all arrays by name."""
        return {array.name: array for array in (*self._arrays, *self._down) if array is not None}

    def drive(self, layer: int, states: States, *, inside: bool = True) -> Tensor | None:
        total: Tensor | None = None
        for place, block in enumerate(self.structure.blocks):
            if layer not in (block.lower, block.upper):
                continue
            other = states[block.lower if layer == block.upper else block.upper]
            if other is not None:
                own = self._read(place, other, upwards=layer == block.upper)
                total = own if total is None else total + own
        return total

    def update(self, moves: Sequence[Move], lr: float) -> None:
        for move in moves:
            self._arrays[move.block].update(move.lower, move.upper, lr, dt=0.0)
            down = self._down[move.block]
            if down is not None:
                down.update(move.upper, move.lower, lr, dt=0.0)
        for array in self.arrays.values():
            array.pass_time(1.0)

    def matrices(self) -> list[Tensor]:
        """Return the exact couplings of each block; of two arrays their mean, of which the energy is made."""
        each = []
        for array, down in zip(self._arrays, self._down, strict=True):
            own = array.scaled_weight[0].T
            each.append(own if down is None else (own + down.scaled_weight[0]) / 2)
        return each

    def write(self, matrices: Sequence[Tensor]) -> None:
        for array, down, values in zip(self._arrays, self._down, matrices, strict=True):
            array.adopt(values.T.to(torch.float32), quiet=True)
            if down is not None:
                down.adopt(values.to(torch.float32), quiet=True)

    def tensors(self) -> dict[str, Tensor]:
        kept = {name: array.state_dict(keep_vars=True) for name, array in self.arrays.items()}
        return {f"{name}.{key}": value for name, values in kept.items() for key, value in values.items()}

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        arrays = list(self.arrays.values())
        for array in arrays:
            array.eval()
        try:
            yield
        finally:
            for array in arrays:
                array.train()

    def _read(self, place: int, states: Tensor, *, upwards: bool) -> Tensor:
        array, down = self._arrays[place], self._down[place]
        if upwards:
            return array.forward(states)
        return array.backward(states) if down is None else down.forward(states)


def check_links(structure: Structure) -> None:
    """Raise InvalidValue for links that arrays cannot have."""
    for block in structure.blocks:
        if block.inside:
            raise InvalidValue(
                f"links inside layer {block.lower} cannot live on an array: its diagonal devices would couple each "
                "unit with itself; leave rpu out, or intra_layer"
            )
        if block.mask is not None:
            raise InvalidValue(
                f"the mask between layers {block.lower} and {block.upper} leaves out links, and an array has a device "
                "at every crossing; leave rpu out, or the mask"
            )
