"""Fields of devices that an array was given cell by cell, instead of drawing them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mho.banks import BankSpec
from mho.config import RPU
from mho.devices import Device
from mho.devices.measured_cells import MeasuredCells, first_cell, floats_of
from mho.devices.options import OPTIONS
from mho.errors import Faults, InvalidValue, nearest, shown
from mho.kernels.ops import Floats


def own_cells(
    rpu: RPU, given: Mapping[str, Any] | None, *, name: str, replicas: int, rows: int, columns: int
) -> dict[str, Floats]:
    """Return the fields that cells do not draw, by the names of `Crossbar.cell_parameters`.

    Args:
        rpu: with fields that have values of their own (`mho.per_cell(values=...)`), or none.
        given: further fields by name, which come before those of the rpu; of the law's tables too.
        name: name of the array, for messages.
        replicas: R.
        rows: M, outputs of the array.
        columns: N, its inputs.

    Returns:
        Float32 (R, devices, M, N), of tables (R, devices, M, N, ...). What is given for a field in which cells do not
        differ is left out where it is the field's own number.

    Raises:
        InvalidValue: naming every unknown field, wrong shape and value that the law refuses at once.
    """
    if given is not None and not isinstance(given, Mapping):
        raise InvalidValue(f"array {name}: cell_parameters is {shown(given)}; give a dict of arrays by field")
    faults, found, known = Faults(f"array {name}"), {}, []
    own = dict(given or {})
    for place, bank in enumerate(rpu.banks):
        fields, tables = bank.device.parameters(), bank.device.tables()
        for field in (*fields, *tables):
            label = field if place == 0 else f"{bank.name}.{field}"
            known.append(label)
            parameter = fields.get(field)
            if label in own:
                values = own.pop(label)
            elif isinstance(parameter, MeasuredCells):
                values = parameter.values.values
            else:
                continue
            more = () if parameter is not None else tables[field].values.shape
            made = _cells(label, values, (replicas, bank.devices, rows, columns), more, faults)
            if made is None:
                continue
            fault = _refused(bank, field, made)
            if fault:
                faults.add(f"{label}: {fault}")
            elif parameter is None or parameter.varies or not _is_nominal(made, parameter.mean):
                found[label] = made
    for label in own:
        off = f"; it is off in this device: give {label} to the device" if label in OPTIONS else nearest(label, known)
        faults.add(f"cell_parameters has {label!r}, and the cells of this array have no such field{off}")
    faults.raise_any()
    return found


def _cells(
    label: str, values: Any, cells: tuple[int, int, int, int], more: tuple[int, ...], faults: Faults
) -> Floats | None:
    """Return values as (R, devices, M, N, ...), or note why they are none."""
    try:
        made = floats_of(values, label)
    except InvalidValue as error:
        faults.add(str(error))
        return None
    replicas, devices, rows, columns = cells
    shapes = [(replicas, devices, rows, columns, *more), (devices, rows, columns, *more)]
    if devices == 1:
        shapes.append((rows, columns, *more))
    if replicas > 1:
        shapes.append((1, devices, rows, columns, *more))
    if made.shape not in shapes:
        allowed = " or ".join(map(str, dict.fromkeys(reversed(shapes))))
        inputs = f"; {columns} inputs count a layer's bias, as the last" if columns - 1 in made.shape else ""
        each = f"; a weight has {devices} devices" if devices > 1 else ""
        faults.add(f"{label} has values of shape {made.shape}; this array takes {allowed}{each}{inputs}")
        return None
    full = made.reshape((1,) * (4 + len(more) - made.ndim) + made.shape)
    return np.array(np.broadcast_to(full, shapes[0]))


def _is_nominal(values: Floats, mean: Any) -> bool:
    """Return whether every cell has the number of its replica, so that the field needs no memory."""
    column = np.asarray(mean, np.float32).reshape(-1, 1, 1, 1)
    return bool((values == column).all())


def _refused(bank: BankSpec, field: str, values: Floats) -> str | None:
    """Return which cells the rules of the law or effect refuse, with how many there are and the first of them."""
    device = bank.device
    if field in device.tables():
        extremes = (end(values, axis=(0, 1, 2, 3)) for end in (np.min, np.max))
        return next(filter(None, (_replaced(device, field, table, f"{field} ") for table in extremes)), None)
    if device.parameters()[field].distribution == "bernoulli":
        wrong = (values != 0) & (values != 1)
        return f"{_count(wrong, values)}; give 1 for a device that is, else 0" if wrong.any() else None
    for wrong, fault in _refusals(device, field, values):
        return f"{_count(wrong, values)}; {fault.partition('; ')[2]}"
    return None


def _count(wrong: npt.NDArray[np.bool_], values: Floats) -> str:
    first = first_cell(wrong)
    return (
        f"{int(wrong.sum())} of {wrong.size} cells are refused, the first (replica, device, out, in) = {first} with "
        f"{values[first]:.6g}"
    )


def _refusals(device: Device, field: str, values: Floats) -> Any:
    """Yield what the rule of a field refuses at either end of the values: which cells, and why.

    Rules are ranges, so the boundary between what is taken and what is refused is found by halving.
    """
    sizes = np.unique(values)
    for ordered in (sizes, sizes[::-1]):
        fault = _fault(device, field, float(ordered[0]))
        if fault is None:
            continue
        refused, taken = 0, len(ordered)
        while taken - refused > 1:
            middle = (refused + taken) // 2
            if _fault(device, field, float(ordered[middle])) is None:
                taken = middle
            else:
                refused = middle
        limit = ordered[refused]
        yield (values <= limit if ordered is sizes else values >= limit), fault


def _fault(device: Device, field: str, value: float) -> str | None:
    """Return why a device refuses a number for a field, by the rule of this field alone."""
    effect, _, own = field.rpartition(".")
    part = next((each for each in device.effects if type(each).__name__ == effect), device)
    return _replaced(part, own, value, f"{own} is {value!r};")


def _replaced(part: Any, field: str, value: Any, begin: str) -> str | None:
    """Return the fault that begins so of a device or an effect with another value of a field; None for none."""
    try:
        dataclasses.replace(part, **{field: value})
    except InvalidValue as error:
        return next((fault for fault in error.faults if fault.startswith(begin)), None)
    return None
