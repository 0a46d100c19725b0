"""export: the devices of arrays as files that other programs read, in weights or in siemens."""

from __future__ import annotations

import dataclasses
import io
import itertools
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from mho.arrays import Array
from mho.compiler.law import WRITTEN
from mho.devices.conductance import Conductance
from mho.errors import InvalidValue, WrongUse, in_words, nearest, shown
from mho.files import expanded, write_atomically
from mho.nn.replicas import array_layers

Numbers = npt.NDArray[Any]
UNITS = ("weights", "siemens")
FORMATS = ("npz", "csv")
STATES = ("w_max", "w_min", "decay_to", WRITTEN)
"""Fields and hidden states that are weights: in siemens, zero + unit·w."""
CHANGES = ("dw_min", "noise", "write_noise", "read_variation", "drift", "diffusion")
"""Fields of devices that are differences of weights: in siemens, unit·w. Others of a law stay as the law has them."""
PLACE = ("replica", "device", "output", "input")
TAKEN = ("state", "weight", "scale", "units", *PLACE)
"""Names in files that a law's field would hide; such a field is called law.NAME there."""


@final
@dataclasses.dataclass(frozen=True)
class Column:
    """One quantity of the devices of an array.

    Attributes:
        name: "state", a field of the law, or a hidden state; those of further banks begin with the bank's name.
        unit: "weight", "S", or "" where the law says what it is.
        values: (R, devices, out, in, ...), of the devices from `first` on.
        first: number of the first of these devices among all of a weight.
    """

    name: str
    unit: str
    values: Numbers
    first: int = 0


@in_words
def export(
    source: Array | nn.Module,
    path: str | os.PathLike[str],
    *,
    units: str = "weights",
    format: str | None = None,
    conductance: Conductance | None = None,
) -> list[Path]:
    """Write the devices of arrays to files, one per array: states, drawn fields of the law, hidden states.

    A file .npz holds arrays (R, devices, out, in), `state` and each field by its name; `weight` (R, out, in), which the
    cell makes of the states, always in weights; `scale` (R, out) where the layer is scale × weight; and `units`, texts
    (K, 2): name and unit. A file .csv has a row per device: first the numbers of its replica, device, output and input,
    from 0, then state and fields, with the unit in the heading, as "state (S)"; NaN where a device has no such field.

    Devices of one weight come in the order of `device_weights`: with `OneSided` g⁺ and g⁻, with `Referenced` the weight
    device and then the reference. Inputs are those of the array, so the last may be the layer's bias.

    Args:
        source: an array (`mho.Crossbar`, `layer.crossbars[i]`), or a converted model.
        path: for an array a file .npz or .csv to make; for a model a folder to make or fill, with a file for each array
            by its name.
        units: "weights"; or "siemens" for states, bounds and steps, by the map of the device (`Device.conductance`).
        format: "npz" or "csv"; by default what the ending says, and npz for a folder.
        conductance: the map to siemens, for devices that have none.

    Returns:
        The files.

    Raises:
        InvalidValue: for another unit or format, a model without arrays, or siemens of devices without a map.
        WrongUse: if a file exists already; none is written then.
    """
    if not isinstance(source, Array):
        _arrays(source)  # what is no model is said before its path is
    place = expanded(path)
    kind = _format(place, format, alone=isinstance(source, Array))
    if units not in UNITS:
        raise InvalidValue(f"units is {units!r}{nearest(str(units), UNITS)}")
    if conductance is not None and not isinstance(conductance, Conductance):
        raise InvalidValue(
            f"conductance is {shown(conductance)}; give mho.devices.Conductance(zero=..., unit=...), g of w = 0 and of "
            "one unit of weight"
        )
    if conductance is not None and units == "weights":
        raise InvalidValue("conductance has no effect on units='weights'; give units='siemens', or leave it out")
    arrays = [source] if isinstance(source, Array) else _arrays(source)
    if conductance is not None and all(bank.device.conductance for array in arrays for bank in array.rpu.banks):
        raise InvalidValue(
            "conductance is given, and every device says itself which conductance a weight is, so that it would have "
            "no effect; leave it out"
        )
    files = [place] if isinstance(source, Array) else [place / f"{array.name}.{kind}" for array in arrays]
    present = [str(file) for file in files if file.exists()]
    if present:
        raise WrongUse(f"{', '.join(present)} exists already; give another path, or delete it")
    write = {"npz": _npz, "csv": _csv}[kind]
    texts = [write(array, list(_columns(array, units == "siemens", conductance))) for array in arrays]
    for file, text in zip(files, texts, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, text)
    return files


def _format(place: Path, format: str | None, *, alone: bool) -> str:
    ending = place.suffix.lower()[1:]
    if format is not None and format not in FORMATS:
        raise InvalidValue(f"format is {format!r}{nearest(str(format), FORMATS)}")
    if not alone:
        if ending in FORMATS:
            raise InvalidValue(f"{place} names a file, and every array of a model gets a file; give a folder")
        return format or FORMATS[0]
    if ending not in FORMATS or format not in (None, ending):
        wanted = f".{format}" if format else "one of .npz, .csv"
        raise InvalidValue(f"{place}: give the file of an array the ending {wanted}")
    return ending


def _arrays(model: object) -> list[Array]:
    if not isinstance(model, nn.Module):
        raise InvalidValue(
            f"export takes an array or a converted model, and got {shown(model)}; for a run folder "
            "mho.export(mho.load(folder).model, ...)"
        )
    found = [array for layer in array_layers(model).values() for array in layer.crossbars]
    if not found:
        raise InvalidValue("the model has no layer on arrays; convert it with mho.convert(model, rpu)")
    return found


def _columns(array: Array, siemens: bool, given: Conductance | None) -> Iterator[Column]:
    """Yield what there is of the devices of an array: states, then fields, then hidden states, bank after bank."""
    banks = array.rpu.banks
    firsts = itertools.accumulate((bank.devices for bank in banks), initial=0)
    owners = {}
    for number, (bank, first) in enumerate(zip(banks, firsts, strict=False)):
        known = (bank.device.conductance or given) if siemens else None
        if siemens and known is None:
            raise InvalidValue(
                f"layer {array.name}: which conductance a weight of {type(bank.device).__name__} is, is not known; "
                "give conductance=mho.devices.Conductance(zero=..., unit=...), or give it to the device (a section "
                "[device.conductance] in its file); or export units='weights'"
            )
        owners["" if number == 0 else f"{bank.name}."] = (first, known.siemens() if known else None)
    states = _numbers(array.device_weights)
    parts = []
    for bank, (first, known) in zip(banks, owners.values(), strict=True):
        part = states[:, first : first + bank.devices]
        parts.append(part if known is None else known.of(part.astype(np.float64)))
    whole = np.concatenate(parts, axis=1)
    if siemens and (whole < 0).any():
        warnings.warn(
            f"layer {array.name}: {int((whole < 0).sum())} of {whole.size} states are below 0 S, down to "
            f"{whole.min():.3g}; no device has such a conductance: look at zero and unit of the map",
            stacklevel=4,
        )
    yield Column("state", "S" if siemens else "weight", whole)
    for name, values in (array.cell_parameters() | array.hidden_states()).items():
        prefix = next((prefix for prefix in owners if prefix and name.startswith(prefix)), "")
        first, known = owners[prefix]
        yield _column(name, name.removeprefix(prefix), _numbers(values), first, known)


def _column(name: str, field: str, values: Numbers, first: int, known: Conductance | None) -> Column:
    name = f"law.{name}" if name in TAKEN else name
    if field not in (*STATES, *CHANGES):
        return Column(name, "", values, first)
    if known is None:
        return Column(name, "weight", values, first)
    exact = values.astype(np.float64)
    return Column(name, "S", known.of(exact) if field in STATES else known.unit * exact, first)


def _numbers(values: Tensor) -> Numbers:
    numbers: Numbers = values.detach().clone().cpu().numpy()
    return numbers


def _npz(array: Array, columns: list[Column]) -> bytes:
    """Return a file .npz of an array."""
    held = {column.name: column.values for column in columns} | {"weight": _numbers(array.weight)}
    units = [(column.name, column.unit) for column in columns] + [("weight", "weight")]
    scale = array.scale
    if scale is not None:
        held["scale"] = np.broadcast_to(_numbers(scale), (array.replicas, array.out_features))
    memory = io.BytesIO()
    np.savez_compressed(memory, units=np.array(units), **held)  # type: ignore[arg-type]  # mypy takes ** for its flag
    return memory.getvalue()


def _csv(array: Array, columns: list[Column]) -> bytes:
    """Return a file .csv of an array: a row per device."""
    shape = columns[0].values.shape
    names, rows = [*PLACE], [*np.indices(shape).reshape(len(PLACE), -1)]
    forms = ["%d"] * len(PLACE)
    for column in columns:
        whole = np.full((*shape, *column.values.shape[4:]), np.nan)
        whole[:, column.first : column.first + column.values.shape[1]] = column.values
        for place in np.ndindex(whole.shape[4:]):  # a table has a column per number
            label = f"{column.name}[{','.join(map(str, place))}]" if place else column.name
            names.append(f"{label} ({column.unit})" if column.unit else label)
            rows.append(whole[(..., *place)].ravel())
            forms.append("%.9g" if column.values.dtype == np.float32 else "%.17g")  # what brings each number back
    memory = io.StringIO()
    heading = ",".join(f'"{name}"' if "," in name else name for name in names)
    np.savetxt(memory, np.stack(rows, axis=1), fmt=forms, delimiter=",", header=heading, comments="")
    return memory.getvalue().encode()
