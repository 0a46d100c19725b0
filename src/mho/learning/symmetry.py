"""Symmetry points of the devices of an array."""

from __future__ import annotations

import dataclasses
import math
import types
from typing import Any, final

import numpy as np
import numpy.typing as npt

from mho.devices import Device
from mho.devices.symmetry import cell_record, quiet_balance
from mho.kernels.ops import Floats

SAMPLE = 512
"""Cells whose points are sought where no closed form tells them: their mean is within 5 % of their spread."""
NEGLIGIBLE = 1e-3
"""Part of a step below which an up and a down step cancel."""


@final
@dataclasses.dataclass(frozen=True)
class SymmetryPoints:
    """Symmetry points of some cells of an array.

    Attributes:
        cells: their places in the flat array.
        values: their points; NaN for a cell that has none, or whose steps cancel in every state.
        without: share of the cells of the array that have none.
    """

    cells: npt.NDArray[np.int64]
    values: Floats
    without: float


def symmetry_points(device: Any, fields: dict[str, Floats]) -> SymmetryPoints:
    """Return the symmetry points of all devices if the law has a closed form, `symmetry(cell)`, else of a sample.

    Args:
        device: device of one replica, with numbers only.
        fields: every field of the law, flat arrays of one length; tables with their own axes behind.
    """
    cells = np.arange(len(fields["w_max"]))
    if hasattr(device, "symmetry"):
        known = device.symmetry(types.SimpleNamespace(**fields))
        values = np.broadcast_to(np.asarray(known, np.float32), cells.shape)
        unknown = cells[np.isnan(values)]
        _, none = _sought(device, fields, _some(unknown))
        return SymmetryPoints(cells, values, none * len(unknown) / len(cells))
    sample = _some(cells)
    values, none = _sought(device, fields, sample)
    return SymmetryPoints(sample, values, none)


def _some(cells: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """At most a sample of them, evenly spread."""
    return cells if len(cells) <= SAMPLE else cells[np.linspace(0, len(cells) - 1, SAMPLE).astype(np.int64)]


def _sought(device: Device, fields: dict[str, Floats], cells: npt.NDArray[np.int64]) -> tuple[Floats, float]:
    """Return the points of some cells, NaN for every or no state, and the share of these cells that have none."""
    negligible = NEGLIGIBLE * abs(device.mean_step())
    found = [quiet_balance(device, cell_record(device, fields, cell), negligible=negligible) for cell in cells]
    values = np.array([one.point for one in found], np.float32)
    without = sum(math.isnan(one.point) and not one.everywhere for one in found)
    return values, without / max(1, len(found))
