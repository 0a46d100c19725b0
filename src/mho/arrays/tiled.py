"""A matrix that is larger than the largest array."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from mho.arrays.base import Array, Floats, seed_list
from mho.arrays.crossbar import Crossbar
from mho.arrays.layout import Place, places
from mho.config import RPU
from mho.kernels import ops


@final
class TiledArray(Array):
    """R replicas of an M×N matrix spread over a grid of crossbars, none larger than the RPU's tile.

    Tile (i, j) is a crossbar of its own by the name `NAME.tilei.j`: its own devices and streams, its own noise,
    bounds and management, which see its part of the vectors only. Partial sums are added digitally in float32:
    forward over j, backward over i, each in ascending order. Weights start with the values of a `Crossbar`
    of the whole matrix, before each device's clip.

    Tiles of one shape, of which there are at most four, are one batch to the kernels, together with their
    replicas: tile k, replica r is entry k·R + r of a `Crossbar` in `tiles`.

    Args: as of `Crossbar`.
    """

    def __init__(
        self,
        rpu: RPU,
        out_features: int,
        in_features: int,
        *,
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str = "crossbar",
        backend: ops.Backend = "cpu",
    ) -> None:
        seeds = seed_list(seed, replicas)
        super().__init__(rpu, out_features, in_features, seeds=seeds, name=name, backend=backend)
        grid = places(rpu, out_features, in_features)
        shapes = dict.fromkeys(place.shape for place in grid)
        self.places = [[place for place in grid if place.shape == shape] for shape in shapes]
        self.tiles = nn.ModuleList(
            Crossbar(
                rpu.repeated(len(alike)),
                *shape,
                seed=seeds * len(alike),
                replicas=replicas * len(alike),
                name=[f"{name}.tile{place.i}.{place.j}" for place in alike for _ in seeds],
                backend=backend,
            )
            for shape, alike in zip(shapes, self.places, strict=True)
        )
        self.batches: list[Crossbar] = list(self.tiles)  # type: ignore[arg-type]
        self.reset_weights()

    # State ---------------------------------------------------------------------------------------

    @property
    def device_weights(self) -> Tensor:
        return self._assembled([batch.device_weights for batch in self.batches])

    @property
    def state(self) -> Tensor:
        """The exact weight of every device that is pulsed (R, pulsed·out, in), as a `Crossbar` of the whole has it; a
        copy."""
        return self.device_weights[:, : self.pulsed].flatten(1, 2)

    @property
    def reference(self) -> Tensor:
        """What the reference devices are programmed to (R, out, in), of cells that have them; a copy."""
        return self.device_weights[:, self.pulsed]

    @property
    def vectors(self) -> Tensor:
        """The running count of vectors of each operation, the same for all tiles."""
        return self.batches[0].vectors

    @property
    def totals(self) -> Tensor:
        """What the kernels counted, int64 (R, SIZE): the sum over the tiles."""
        return self._counts()

    @property
    def tile_shapes(self) -> dict[str, tuple[int, int]]:
        found = sorted(itertools.chain(*self.places), key=lambda place: (place.i, place.j))
        return {f"{self.name}.tile{place.i}.{place.j}": place.shape for place in found}

    def cell_parameters(self) -> dict[str, Tensor]:
        each = [batch.cell_parameters() for batch in self.batches]
        return {name: self._assembled([fields[name] for fields in each]) for name in each[0]}

    def hidden_states(self) -> dict[str, Tensor]:
        each = [batch.hidden_states() for batch in self.batches]
        return {name: self._assembled([states[name] for states in each]) for name in each[0]}

    # Cycles --------------------------------------------------------------------------------------

    def read_vectors(self, inputs: Floats, *, backward: bool) -> Floats:
        return self._read(inputs, lambda batch, part: batch.read_vectors(part, backward=backward), backward=backward)

    def update_vectors(self, x: Floats, d: Floats, lr: float) -> None:
        for batch, inputs, errors in self._parts(x, d):
            batch.update_vectors(inputs, errors, lr)

    def pulse_vectors(self, p: Floats, q: Floats, length: int | None = None) -> None:
        for batch, columns, rows in self._parts(p, q):
            batch.pulse_vectors(columns, rows, length)

    # Inside --------------------------------------------------------------------------------------

    def _parts(self, x: Floats, d: Floats) -> Iterator[tuple[Crossbar, Floats, Floats]]:
        for batch, alike in zip(self.batches, self.places, strict=True):
            yield batch, _cut(x, [p.columns for p in alike]), _cut(d, [p.rows for p in alike])

    def _read(self, inputs: Floats, read: Callable[[Crossbar, Floats], Floats], *, backward: bool) -> Floats:
        """Read every tile and add the partial sums: those of one output in the order of their inputs."""
        partial: list[tuple[Place, Floats]] = []
        for batch, alike in zip(self.batches, self.places, strict=True):
            sums = read(batch, _cut(inputs, [p.rows if backward else p.columns for p in alike]))
            partial += zip(alike, np.split(sums, len(alike)), strict=True)
        width = self.in_features if backward else self.out_features
        out = np.empty((*inputs.shape[:2], width), np.float32)
        for place, sums in sorted(partial, key=lambda part: (part[0].i, part[0].j)):
            outputs, turn = (place.columns, place.i) if backward else (place.rows, place.j)
            if turn == 0:
                out[:, :, outputs] = sums
            else:
                out[:, :, outputs] += sums
        return out

    def _evaluate(self, inputs: Floats) -> Floats:
        return self._read(inputs, lambda batch, part: batch._evaluate(part), backward=False)

    def _program(self, values: Tensor) -> None:
        for batch, alike in zip(self.batches, self.places, strict=True):
            batch.write(torch.cat([values[:, place.rows, place.columns] for place in alike]))

    def _program_reference(self, values: Tensor, error: float) -> None:
        for batch, alike in zip(self.batches, self.places, strict=True):
            part = torch.cat([values[:, place.rows, place.columns] for place in alike])
            batch.write_reference(part, error=error)

    def _rest(self, dt: float) -> None:
        for batch in self.batches:
            batch.rest(dt)

    def _counts(self) -> Tensor:
        each = [batch.totals.unflatten(0, (-1, self.replicas)).sum(dim=0) for batch in self.batches]
        return torch.stack(each).sum(dim=0)

    def _refreshes(self) -> Tensor:
        each = [batch._refreshes().unflatten(0, (-1, self.replicas)).sum(dim=0) for batch in self.batches]
        return torch.stack(each).sum(dim=0)

    def _assembled(self, each: list[Tensor]) -> Tensor:
        """One (R, devices, out, in) from such tensors of the batches."""
        whole = torch.empty(self.replicas, self.devices, self.out_features, self.in_features, *each[0].shape[4:])
        for values, alike in zip(each, self.places, strict=True):
            for place, part in zip(alike, values.split(self.replicas), strict=True):
                whole[:, :, place.rows, place.columns] = part
        return whole


def build_array(
    rpu: RPU,
    out_features: int,
    in_features: int,
    *,
    seed: int | Sequence[int] = 0,
    replicas: int = 1,
    name: str = "crossbar",
    backend: ops.Backend = "cpu",
) -> Crossbar | TiledArray:
    """A `Crossbar` where the matrix fits the RPU's tile, else a `TiledArray`; arguments as theirs."""
    fits = not isinstance(rpu, RPU) or len(places(rpu, max(1, out_features), max(1, in_features))) == 1
    kind: type[Crossbar] | type[TiledArray] = Crossbar if fits else TiledArray
    return kind(rpu, out_features, in_features, seed=seed, replicas=replicas, name=name, backend=backend)


def _cut(values: Floats, parts: list[slice]) -> Floats:
    """Parts of the last axis of (R, T, width), one batch after another: (parts·R, T, ...)."""
    return np.concatenate([values[:, :, part] for part in parts])
