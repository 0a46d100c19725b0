"""A device parameter of which every cell has a value of its own, such as a measured map."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, TypeVar, final

import numpy as np
import numpy.typing as npt

from mho.devices.per_cell import PerCell
from mho.errors import InvalidValue, shown
from mho.kernels.ops import Floats

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
AXES = (2, 3, 4)


@final
class CellMap:
    """Numbers of cells: (out, in), (devices, out, in) or (R, devices, out, in).

    Attributes:
        values: float32, read-only.

    Raises:
        InvalidValue: for what is no such array, or has NaN or infinite numbers.
    """

    def __init__(self, values: Any) -> None:
        self.values = floats_of(values, "values")
        if self.values.ndim not in AXES or not self.values.size:
            raise InvalidValue(
                f"values have shape {self.values.shape}; give a number for each cell of the array: (out, in), or "
                "(devices, out, in) where a weight has several devices, or (replicas, devices, out, in)"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CellMap) and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((self.values.tobytes(), self.values.shape))

    def __repr__(self) -> str:
        low, high = self.values.min(), self.values.max()
        return f"{'×'.join(map(str, self.values.shape))} numbers from {low:.4g} to {high:.4g}"


@final
@dataclasses.dataclass(frozen=True)
class MeasuredCells(PerCell):
    """A parameter of which every cell has a value of its own.

    Attributes:
        mean: the nominal value, which sets pulse gains and is what a device without cells is asked with.
        values: values of the cells.
    """

    values: CellMap = dataclasses.field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.spread or self.std or self.distribution != "normal":
            fault = (
                "values give every device its own number: spread, std and distribution have no effect; leave them out"
            )
            object.__setattr__(self, "_faults", (*self.faults, fault))

    @property
    def varies(self) -> bool:
        return True

    def draw(self, z: Floats) -> Floats:
        """Raise: nothing is drawn; arrays take the values themselves."""
        raise InvalidValue(f"per_cell: nothing is drawn of {self.values!r}; they are the cells' own")

    def __repr__(self) -> str:
        mean = f"{self.mean:.6g}" if isinstance(self.mean, (int, float)) else repr(self.mean)
        return f"per_cell({mean}, values={self.values!r})"


def measured_cells(mean: Any, values: Any, spread: Any, std: Any, distribution: str) -> MeasuredCells:
    """Return a parameter with these values, whose nominal value is their mean unless `mean` is given."""
    made = CellMap(values)
    nominal = float(made.values.mean(dtype=np.float64)) if mean is None else mean
    return MeasuredCells(nominal, spread, std, distribution, values=made)


def in_turn(part: T, rows: int, columns: int) -> T:
    """Return a device, or an effect, for an array of another size, whose cells take the measured values in turn."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if isinstance(value, MeasuredCells):
            values = np.resize(value.values.values, (rows, columns))
            changed[field.name] = dataclasses.replace(value, values=CellMap(values))
        elif field.name == "effects":
            changed[field.name] = tuple(in_turn(effect, rows, columns) for effect in value)
    return dataclasses.replace(part, **changed)


def floats_of(values: Any, what: str) -> Floats:
    """Return numbers as a read-only float32 array of its own.

    Raises:
        InvalidValue: for what is no array of finite real numbers in the range of float32.
    """
    try:
        plain = values.detach() if hasattr(values, "detach") else values  # a tensor that requires grad has no numpy()
        if isinstance(plain, np.ma.MaskedArray):
            plain = np.ma.filled(plain.astype(np.float64), math.nan)  # a masked cell has no value
        made = np.asarray(plain)
        if made.dtype.kind not in "biuf":
            raise TypeError
        with np.errstate(over="ignore"):
            own: Floats = np.array(made, np.float32, order="C")
    except (TypeError, ValueError, RuntimeError):
        raise InvalidValue(
            f"{what} are {shown(values)}; give an array of real numbers, in rows of one length"
        ) from None
    wrong = ~np.isfinite(own)
    if wrong.any():
        raise InvalidValue(
            f"{what} hold NaN, infinite or masked numbers, or some beyond float32, in {int(wrong.sum())} of "
            f"{own.size} cells, the first at {first_cell(wrong)}; give every cell a finite number"
        )
    own.setflags(write=False)
    return own


def first_cell(wrong: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the index of the first cell that is wrong."""
    return tuple(int(i) for i in np.argwhere(wrong)[0])
