"""Where devices have their symmetry points."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, final

import numpy as np
import numpy.typing as npt

from mho.devices import Device

Floats = npt.NDArray[np.float32]
SAMPLE = 512
"""Cells whose points are sought where a law has no closed form: a mean of them is within a standard error of 5 % of the
spread."""
HALVINGS = 30
NEGLIGIBLE = 1e-3
"""Part of a step below which an up and a down step cancel."""


@final
@dataclasses.dataclass(frozen=True)
class SymmetryPoints:
    """Symmetry points of some cells of an array.

    Attributes:
        cells: their places in the flat array.
        values: their points; NaN for a cell that has none, and for one whose points are many, where steps cancel in
            every state.
        none: whether a cell has no point.
    """

    cells: npt.NDArray[np.int64]
    values: Floats
    none: npt.NDArray[np.bool_]


def symmetry_points(device: Device, fields: dict[str, Floats]) -> SymmetryPoints:
    """The points of all cells by the law's closed form, else those of a sample by bisection of the law without noise.

    Args:
        device: of one replica, with numbers only.
        fields: every field of the law, flat arrays of one length.
    """
    known = device.symmetry_point(fields)
    count = len(fields["w_max"])
    if known is not None:
        return SymmetryPoints(np.arange(count), np.asarray(known, np.float32), np.isnan(known))
    cells = np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.int64))
    found = [_point(device, types.SimpleNamespace(**{n: v[cell] for n, v in fields.items()})) for cell in cells]
    values = np.array([np.nan if point is None else point for point in found], np.float32)
    return SymmetryPoints(cells, values, np.array([point is None for point in found]))


def _point(device: Device, cell: Any) -> float | None:
    """The point of one cell; NaN if every state is one, None if none is."""

    def drift(w: float) -> float:
        at, still = np.float32(w), np.float32(0)
        up, down = (np.float32(device.pulse(at, rises, cell, still)) for rises in (True, False))  # type: ignore[arg-type]
        return float((up - at) + (down - at))

    low, high = float(cell.w_min), float(cell.w_max)
    ends, enough = (drift(low), drift(high)), NEGLIGIBLE * abs(device.mean_step())
    if max(map(abs, ends)) <= enough:
        return float("nan")
    if not ends[0] > 0 > ends[1]:
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if drift(middle) > 0 else (low, middle)
    return (low + high) / 2
