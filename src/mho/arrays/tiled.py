"""A matrix that is larger than the largest array."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from mho.arrays.arguments import seed_list
from mho.arrays.base import Array
from mho.arrays.crossbar import Crossbar
from mho.arrays.cycles import Cycles, JoinedCycles
from mho.arrays.layout import Place, places
from mho.arrays.own_cells import own_cells
from mho.arrays.reads import Reads
from mho.banks import Rate
from mho.config import RPU
from mho.errors import in_words
from mho.kernels.ops import Floats


@final
class TiledArray(Array):
    """R replicas of an M×N matrix spread over a grid of crossbars, none larger than the RPU's tile.

    Tile (i, j) is a crossbar of its own by the name `NAME.tilei.j`: its own devices and streams, its own noise,
    bounds and management, which see its part of the vectors only. Partial sums are added digitally in float32:
    forward over j, backward over i, each in ascending order. Weights start with the values of a `Crossbar`
    of the whole matrix, before each device's clip.

    Tiles of one shape, of which there are at most four, are one batch to the kernels, together with their
    replicas: tile k of K, replica r is entry r·K + k of a `Crossbar` in `tiles`.

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
        backend: str = "cpu",
        cell_parameters: Mapping[str, Any] | None = None,
    ) -> None:
        seeds = seed_list(seed, replicas)
        super().__init__(rpu, out_features, in_features, seeds=seeds, name=name, backend=backend)
        given = own_cells(rpu, cell_parameters, name=name, replicas=replicas, rows=out_features, columns=in_features)
        grid = places(rpu, out_features, in_features)
        shapes = dict.fromkeys(place.shape for place in grid)
        self.places = [[place for place in grid if place.shape == shape] for shape in shapes]
        self.tiles = nn.ModuleList(
            Crossbar(
                rpu.replace(scale=None).repeated(len(alike)),  # the factor is that of the whole matrix
                *shape,
                seed=[own for own in seeds for _ in alike],
                replicas=replicas * len(alike),
                name=[f"{name}.tile{place.i}.{place.j}" for _ in seeds for place in alike],
                backend=backend,
                cell_parameters={field: _cells_of(values, alike) for field, values in given.items()},
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
    def weight(self) -> Tensor:
        return self._assembled([batch.weight[:, None] for batch in self.batches])[:, 0]

    def matrix_of(self, bank: str) -> Tensor:
        return self._assembled([batch.matrix_of(bank)[:, None] for batch in self.batches])[:, 0]

    @property
    def state(self) -> Tensor:
        """Return a copy of the state of the pulsed devices of the first bank, (R, P, in), as of a whole `Crossbar`."""
        return self.device_weights[:, : self.main.lines].flatten(1, 2)

    @property
    def vectors(self) -> Tensor:
        """Return the running count of vectors of each operation, the same for all tiles."""
        return self.batches[0].vectors

    @property
    def tile_shapes(self) -> dict[str, tuple[int, int]]:
        found = sorted(itertools.chain(*self.places), key=lambda place: (place.i, place.j))
        return {f"{self.name}.tile{place.i}.{place.j}": place.shape for place in found}

    def _drawn(self) -> dict[str, Tensor]:
        each = [batch._drawn() for batch in self.batches]
        return {name: self._assembled([fields[name] for fields in each]) for name in each[0]}

    def hidden_states(self) -> dict[str, Tensor]:
        each = [batch.hidden_states() for batch in self.batches]
        return {name: self._assembled([states[name] for states in each]) for name in each[0]}

    # Cycles --------------------------------------------------------------------------------------

    def _read_vectors(self, inputs: Floats, *, backward: bool) -> Floats:
        return self._read(inputs, lambda batch, part: batch._read_vectors(part, backward=backward), backward=backward)

    def _update_vectors(self, x: Floats, d: Floats, lr: Rate) -> None:
        for (batch, inputs, errors), alike in zip(self._parts(x, d), self.places, strict=True):
            batch._update_vectors(inputs, errors, np.repeat(lr, len(alike)) if isinstance(lr, np.ndarray) else lr)

    def pulse_vectors(self, p: Floats, q: Floats, length: int | None = None) -> None:
        for batch, columns, rows in self._parts(p, q):
            batch.pulse_vectors(columns, rows, length)

    def _cycles(self, replicas: slice, vectors: int, before: Cycles | None, *, kept: bool) -> Cycles:
        assert before is None or isinstance(before, TiledCycles)
        return TiledCycles(self, replicas, vectors, before, kept=kept)

    def _plan_reads(self, inputs: Floats, outputs: Floats, *, backward: bool) -> Reads:
        ins: list[Floats] = []
        outs: list[Floats] = []
        plans: list[Reads] = []
        for batch in self.batches:
            sizes = (batch.in_features, batch.out_features)
            own_in, own_out = (
                np.empty((batch.replicas, inputs.shape[1], size), np.float32)
                for size in (sizes[::-1] if backward else sizes)
            )
            ins.append(own_in)
            outs.append(own_out)
            plans.append(batch.plan_reads(own_in, own_out, backward=backward))

        def cut() -> None:
            _cut_into(inputs, ins, self.places, _rows if backward else _columns)

        def add() -> None:
            _add_from(outs, outputs, self.places, backward=backward)

        def prepare() -> None:
            for plan in plans:
                plan.prepare()

        steps = [cut, *(step for plan in plans for step in plan.steps), add]
        return Reads(steps, [number for plan in plans for number in plan.numbers], prepare)

    @property
    def bound(self) -> tuple[object, ...]:
        return tuple(own for batch in self.batches for own in batch.bound)

    def check_reads(self, *, x: Floats | None = None, d: Floats | None = None) -> None:
        for batch in self.batches:
            batch.check_reads(x=x, d=d)

    # Inside --------------------------------------------------------------------------------------

    def _parts(self, x: Floats, d: Floats) -> Iterator[tuple[Crossbar, Floats, Floats]]:
        for batch, alike in zip(self.batches, self.places, strict=True):
            yield batch, _cut(x, [p.columns for p in alike]), _cut(d, [p.rows for p in alike])

    def _read(self, inputs: Floats, read: Callable[[Crossbar, Floats], Floats], *, backward: bool) -> Floats:
        """Read every tile and add the partial sums of each output in the order of their inputs."""
        sides = ([place.rows if backward else place.columns for place in alike] for alike in self.places)
        sums = [read(batch, _cut(inputs, own)) for batch, own in zip(self.batches, sides, strict=True)]
        out = np.empty((*inputs.shape[:2], self.in_features if backward else self.out_features), np.float32)
        _add_from(sums, out, self.places, backward=backward)
        return out

    def _evaluate(self, inputs: Floats) -> Floats:
        return self._read(inputs, lambda batch, part: batch._evaluate(part), backward=False)

    def _step(self, pulses: Tensor) -> None:
        for batch, part in self._cells_of_batches(pulses):
            batch._step(part)

    def _add(self, change: Tensor) -> None:
        for batch, part in self._cells_of_batches(change):
            batch._add(part)

    def _program(self, values: Tensor) -> None:
        for batch, part in self._cells_of_batches(values):
            batch._program(part)

    def _program_reference(self, values: Tensor, error: float) -> None:
        for batch, part in self._cells_of_batches(values):
            batch.write_reference(part, error=error)

    def _cells_of_batches(self, values: Tensor) -> Iterator[tuple[Crossbar, Tensor]]:
        """Yield every batch with its part (R·K, rows, columns) of a whole (R, out, in)."""
        for batch, alike in zip(self.batches, self.places, strict=True):
            yield batch, _together([values[:, place.rows, place.columns] for place in alike])

    def pass_time(self, dt: float) -> None:
        for batch in self.batches:
            batch.pass_time(dt)

    def _advance(self, loss: Floats) -> None:
        for batch in self.batches:
            batch._advance(np.repeat(loss, batch.replicas // self.replicas))

    def _counts(self) -> Tensor:
        return self._summed([batch._counts() for batch in self.batches])

    def _cell_counts(self) -> dict[str, Tensor]:
        each = [batch._cell_counts() for batch in self.batches]
        return {name: self._summed([counts[name] for counts in each]) for name in each[0]}

    def _summed(self, each: list[Tensor]) -> Tensor:
        """Return the sum over all tiles of counters (R·K, ...) of the batches: (R, ...)."""
        return torch.stack([counts.unflatten(0, (self.replicas, -1)).sum(dim=1) for counts in each]).sum(dim=0)

    def _assembled(self, each: list[Tensor]) -> Tensor:
        """Return a whole (R, k, out, in) from such tensors (R·K, k, rows, columns) of the batches."""
        size = (self.replicas, each[0].shape[1], self.out_features, self.in_features, *each[0].shape[4:])
        whole = torch.empty(size)
        for values, alike in zip(each, self.places, strict=True):
            parts = values.unflatten(0, (self.replicas, len(alike)))
            for k, place in enumerate(alike):
                whole[:, :, place.rows, place.columns] = parts[:, k]
        return whole


@final
class TiledCycles(JoinedCycles):
    """Cycles of some replicas of a tiled array: vectors are cut for the tiles, and their partial sums added."""

    def __init__(
        self, array: TiledArray, replicas: slice, vectors: int, before: TiledCycles | None, *, kept: bool
    ) -> None:
        count = len(range(*replicas.indices(array.replicas)))
        super().__init__(count, vectors, array.out_features, array.in_features, kept=kept)
        self.array = array
        start = replicas.indices(array.replicas)[0]
        others: Sequence[Cycles | None] = [None] * len(array.batches) if before is None else before.parts
        self.parts = [
            batch.cycles(slice(start * len(alike), (start + count) * len(alike)), vectors, other, kept=kept)
            for batch, alike, other in zip(array.batches, array.places, others, strict=True)
        ]
        self.preparing = [step for part in self.parts for step in part.preparing]
        self.forward = [self._cut_inputs, *(s for part in self.parts for s in part.forward), self._add_outputs]
        self.backward = [self._cut_errors, *(s for part in self.parts for s in part.backward), self._add_downwards]
        # errors are cut again: a layer whose input is data has no backward cycle
        cut = [self._cut_errors] if kept else [self._cut_inputs, self._cut_errors]
        self.update = [*cut, *(s for part in self.parts for s in part.update)]
        self.relax = [step for part in self.parts for step in part.relax]

    def set_rate(self, lr: Rate) -> None:
        for part, alike in zip(self.parts, self.array.places, strict=True):
            part.set_rate(np.repeat(lr, len(alike)) if isinstance(lr, np.ndarray) else lr)

    def _cut_inputs(self) -> None:
        _cut_into(self.inputs, [part.inputs for part in self.parts], self.array.places, _columns)

    def _cut_errors(self) -> None:
        _cut_into(self.errors, [part.errors for part in self.parts], self.array.places, _rows)

    def _add_outputs(self) -> None:
        _add_from([part.outputs for part in self.parts], self.outputs, self.array.places, backward=False)

    def _add_downwards(self) -> None:
        _add_from([part.downwards for part in self.parts], self.downwards, self.array.places, backward=True)


def _rows(place: Place) -> slice:
    return place.rows


def _columns(place: Place) -> slice:
    return place.columns


def _cut_into(
    whole: Floats, each: Sequence[Floats], places_of: Sequence[Sequence[Place]], of: Callable[[Place], slice]
) -> None:
    """Cut vectors (R, T, width) for the tiles of every batch, (R·K, T, ...)."""
    for k, place, own in _tiles(len(whole), each, places_of):
        own[:, k] = whole[:, :, of(place)]


def _add_from(each: Sequence[Floats], whole: Floats, places_of: Sequence[Sequence[Place]], *, backward: bool) -> None:
    """Add the partial sums (R·K, T, ...) of every batch to (R, T, width), in ascending order for each output."""
    of = _columns if backward else _rows

    def order(tile: tuple[int, Place, Floats]) -> tuple[int, int]:
        return (tile[1].i, tile[1].j) if backward else (tile[1].j, tile[1].i)

    for tile in sorted(_tiles(len(whole), each, places_of), key=order):
        k, place, own = tile
        if order(tile)[0] == 0:
            whole[:, :, of(place)] = own[:, k]
        else:
            whole[:, :, of(place)] += own[:, k]


def _tiles(
    replicas: int, each: Sequence[Floats], places_of: Sequence[Sequence[Place]]
) -> Iterator[tuple[int, Place, Floats]]:
    """Yield every tile: its place in its batch, its place in the matrix, the memory (R, K, T, ...) of the batch."""
    for own, alike in zip(each, places_of, strict=True):
        shaped = own.reshape(replicas, len(alike), *own.shape[1:])
        for k, place in enumerate(alike):
            yield k, place, shaped


@in_words
def build_array(
    rpu: RPU,
    out_features: int,
    in_features: int,
    *,
    seed: int | Sequence[int] = 0,
    replicas: int = 1,
    name: str = "crossbar",
    backend: str = "cpu",
    cell_parameters: Mapping[str, Any] | None = None,
) -> Crossbar | TiledArray:
    """Make a `Crossbar` if the matrix fits the RPU's tile, else a `TiledArray`; arguments and errors are theirs."""
    fits = not isinstance(rpu, RPU) or len(places(rpu, max(1, out_features), max(1, in_features))) == 1
    kind: type[Crossbar] | type[TiledArray] = Crossbar if fits else TiledArray
    return kind(
        rpu, out_features, in_features, seed=seed, replicas=replicas, name=name, backend=backend,
        cell_parameters=cell_parameters,
    )  # fmt: skip


def _cut(values: Floats, parts: list[slice]) -> Floats:
    """Return K parts of the last axis of (R, T, width), side by side for each replica: (R·K, T, ...)."""
    cut = np.stack([values[:, :, part] for part in parts], axis=1)
    return cut.reshape(-1, *cut.shape[2:])


def _together(parts: list[Tensor]) -> Tensor:
    """Return K tensors (R, ...) side by side for each replica: (R·K, ...)."""
    return torch.stack(parts, dim=1).flatten(0, 1)


def _cells_of(values: Floats, alike: Sequence[Place]) -> Floats:
    """Return the fields (R·K, devices, rows, columns, ...) of K tiles of equal shape, cut out of those of a matrix."""
    parts = np.stack([values[:, :, place.rows, place.columns] for place in alike], axis=1)
    return parts.reshape(-1, *parts.shape[2:])
