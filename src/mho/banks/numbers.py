"""Numbers of a device and a periphery as kernels take them, replica by replica."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mho import random
from mho.devices import Device
from mho.errors import InvalidValue
from mho.kernels import ops
from mho.kernels.ops import Floats
from mho.per_replica import of_replica
from mho.periphery import Exact, Pulses, Read


def circuit_of(read: Read, replicas: slice, of: int) -> ops.Circuit:
    """Return a `Read` as kernels take it, for some of the replicas of an array that has `of` of them."""
    return ops.Circuit(
        np.array([_numbers(of_replica(read, r)) for r in range(*replicas.indices(of))], np.float32),
        read.noise_management,
        read.max_halvings if read.bound_management else 0,
        read.matmul == "blas",
    )


def _numbers(read: Read) -> tuple[float, ...]:
    """Return a row of `Circuit.numbers`. A converter of b bits has 2ᵇ⁻¹ - 1 steps to full scale."""
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


def pulses_of(update: Pulses | Exact, device: Device, replicas: int) -> list[tuple[Pulses, float]]:
    """Return each replica's pulses and the nominal step of its devices; nothing where updates are exact."""
    if not isinstance(update, Pulses):
        return []
    steps = [of_replica(device, r).mean_step() for r in range(replicas)]
    return [(of_replica(update, r), step) for r, step in enumerate(steps)]


def fields_of(
    device: Device,
    seeds: Sequence[int],
    numbers: Sequence[int],
    shape: tuple[int, ...],
    own: Mapping[str, Floats],
) -> dict[str, Floats]:
    """Draw the fields of the law that differ from cell to cell, or take what is given for them: name to (R, P, N).

    Args:
        device: with lists of R values, or none.
        seeds: R of them.
        numbers: numbers of the arrays as which the replicas draw.
        shape: (R, P, N).
        own: fields that are not drawn, (R, P, N).

    Raises:
        InvalidValue: where spreads are so wide that bounds cross, or bounds that are given do.
    """
    size = shape[1] * shape[2]
    # an option that is on in one replica is a field in all
    whole = device.parameters()
    each = [{field: of_replica(parameter, r) for field, parameter in whole.items()} for r in range(len(seeds))]
    drawn = {
        field: own[field]
        if field in own
        else np.stack(
            [
                of_one[field].draw(random.field_normals(seed, number, field, size))
                for of_one, seed, number in zip(each, seeds, numbers, strict=True)
            ]
        ).reshape(shape)
        for field, parameter in whole.items()
        if parameter.varies or field in own
    }
    cells = {field: np.array([of_one[field].mean for of_one in each])[:, None, None] for field in each[0]} | drawn
    if "w_max" in cells:
        crossed = np.broadcast_to(cells["w_min"] >= cells["w_max"], shape)
        if crossed.any():
            raise InvalidValue(_crossed(crossed, [name for name in ("w_min", "w_max") if name in own]))
    refused = device.cells_refused(cells)
    if refused:
        raise InvalidValue(refused)
    return drawn


def _crossed(crossed: npt.NDArray[np.bool_], own: Sequence[str]) -> str:
    """Say in which cells w_min is not below w_max, and what to do."""
    count = int(crossed.sum())
    if not own:
        return (
            f"the spreads of w_min and w_max are so wide that they crossed in {count} cells; narrow them, or "
            "move the means apart"
        )
    first = tuple(int(i) for i in np.argwhere(crossed)[0])
    return (
        f"w_min is not below w_max in {count} of {crossed.size} cells, the first (replica, line, column) = {first}; "
        f"look at the values of {' and '.join(own)}"
    )


def tables_of(
    device: Device,
    seeds: Sequence[int],
    numbers: Sequence[int],
    shape: tuple[int, ...],
    own: Mapping[str, Floats],
) -> dict[str, Floats]:
    """Draw or take the tables of the law in which cells differ: name to (R, P, N, ...); arguments as of `fields_of`."""
    size = shape[1] * shape[2]
    drawn = {}
    for field, table in device.tables().items():
        if field in own:
            drawn[field] = own[field]
        elif table.spread:
            normals = np.empty((len(seeds), size, table.values.size), np.float32)
            for r, (seed, number) in enumerate(zip(seeds, numbers, strict=True)):
                for place in range(table.values.size):
                    normals[r, :, place] = random.field_normals(seed, number, f"{field}[{place}]", size)
            drawn[field] = table.draw(normals.reshape(*shape, *table.values.shape))
    return drawn


def shared_field(device: Device, field: str, replicas: int) -> Floats:
    """Return a field that does not differ from cell to cell as kernels take it: (R, 16), equal in each replica."""
    mean = device.parameters()[field].mean
    column = np.array(mean, np.float32).reshape(-1, 1)
    return np.ascontiguousarray(np.broadcast_to(column, (replicas, 16)))
