"""What kernels need of a device and a periphery: their numbers, replica by replica."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mho import random
from mho.config import RPU
from mho.errors import InvalidValue
from mho.kernels import ops
from mho.per_replica import of_replica
from mho.periphery import Pulses, Read

Floats = npt.NDArray[np.float32]


def levels_of(read: Read, replicas: int) -> ops.Levels:
    """What a kernel needs for a `Read`, for each replica."""
    return ops.Levels(
        np.array([_levels(of_replica(read, r)) for r in range(replicas)], np.float32),
        read.noise_management,
        read.max_halvings if read.bound_management else 0,
    )


def _levels(read: Read) -> tuple[float, ...]:
    """A row of `Levels.numbers`. A converter of b bits has 2ᵇ⁻¹ - 1 steps to full scale."""
    infinite = float("inf")
    bound = infinite if read.bound is None else float(read.bound)
    full = 1.0 if read.dac_bits is not None else infinite
    input_bound = full if read.input_bound is None else float(read.input_bound)
    return (
        float(read.noise),
        bound,
        input_bound,
        0.0 if read.dac_bits is None else input_bound / (2 ** (read.dac_bits - 1) - 1),
        0.0 if read.adc_bits is None else bound / (2 ** (read.adc_bits - 1) - 1),
    )


def drives_of(rpu: RPU, replicas: int) -> list[tuple[Pulses, float]]:
    """Each replica's own pulses, and the nominal step of its devices; none where updates are exact."""
    if not isinstance(rpu.update, Pulses):
        return []
    steps = [of_replica(rpu.device, r).mean_step() for r in range(replicas)]
    return [(of_replica(rpu.update, r), step) for r, step in enumerate(steps)]


def fields_of(rpu: RPU, seeds: Sequence[int], numbers: Sequence[int], shape: tuple[int, ...]) -> dict[str, Floats]:
    """Draw the fields of the law that differ from cell to cell: name to (R, P, N).

    Args:
        rpu: with lists of R values, or none.
        seeds: R of them.
        numbers: of the arrays as which the replicas draw.
        shape: (R, P, N).

    Raises:
        InvalidValue: where spreads are so wide that bounds cross.
    """
    size = shape[1] * shape[2]
    # an option that is on in one replica is a field in all
    whole = rpu.device.parameters()
    each = [{field: of_replica(parameter, r) for field, parameter in whole.items()} for r in range(len(seeds))]
    drawn = {
        field: np.stack(
            [
                own[field].draw(random.field_normals(seed, number, field, size))
                for own, seed, number in zip(each, seeds, numbers, strict=True)
            ]
        ).reshape(shape)
        for field, parameter in whole.items()
        if parameter.varies
    }
    cells = {field: np.array([own[field].mean for own in each])[:, None, None] for field in each[0]} | drawn
    if "w_max" in cells:
        crossed = int(np.sum(cells["w_min"] >= cells["w_max"]))
        if crossed:
            raise InvalidValue(
                f"the spreads of w_min and w_max are so wide that they crossed in {crossed} cells; narrow them, or "
                "move the means apart"
            )
    refused = rpu.device.cells_refused(cells)
    if refused:
        raise InvalidValue(refused)
    return drawn


def tables_of(rpu: RPU, seeds: Sequence[int], numbers: Sequence[int], shape: tuple[int, ...]) -> dict[str, Floats]:
    """Draw the tables of the law in which cells differ: name to (R, P, N, ...); arguments as of `fields_of`."""
    size = shape[1] * shape[2]
    drawn = {}
    for field, table in rpu.device.tables().items():
        if table.spread:
            normals = np.empty((len(seeds), size, table.values.size), np.float32)
            for r, (seed, number) in enumerate(zip(seeds, numbers, strict=True)):
                for place in range(table.values.size):
                    normals[r, :, place] = random.field_normals(seed, number, f"{field}[{place}]", size)
            drawn[field] = table.draw(normals.reshape(*shape, *table.values.shape))
    return drawn


def shared_field(rpu: RPU, field: str, replicas: int) -> Floats:
    """A field that does not differ from cell to cell as kernels take it: (R, 16) of one number a replica."""
    mean = rpu.device.parameters()[field].mean
    column = np.array(mean, np.float32).reshape(-1, 1)
    return np.ascontiguousarray(np.broadcast_to(column, (replicas, 16)))
