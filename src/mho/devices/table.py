"""A parameter of a law that is an array: nodes of a curve, a measured distribution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import numpy.typing as npt

from mho.errors import Faults, InvalidValue, in_words, nearest

KEYS = ("values", "spread")


@final
class Table:
    """Numbers in up to three axes, which a law reads as `cell.name[i]`.

    Attributes:
        values: float32, read-only.
        spread: relative device-to-device spread: every cell draws each number for itself, as |v(1 + s z)| with the sign
            of v; 0: one table for all cells.
    """

    def __init__(self, values: npt.ArrayLike, spread: float = 0.0) -> None:
        faults = Faults("table")
        try:
            made = np.array(values, np.float32, order="C")
        except (TypeError, ValueError):
            raise InvalidValue(f"table: {_short(values)} is no array of numbers; give rows of one length") from None
        if not 1 <= made.ndim <= 3 or not made.size:
            faults.add(f"values have shape {made.shape}; give 1 to 3 axes, none of them empty")
        elif not np.isfinite(made).all():
            faults.add("values hold NaN or infinite numbers; give finite numbers")
        faults.number("spread", spread, low=0.0)
        faults.raise_any()
        made.setflags(write=False)
        self.values, self.spread = made, float(spread)

    def draw(self, z: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the tables of devices for standard normals z, (devices, *shape) as z."""
        return np.copysign(np.abs(self.values * (1 + np.float32(self.spread) * z)), self.values)

    def plain(self) -> Any:
        """Return the values as nested lists, as files hold them; with a spread a mapping of `values` and `spread`."""
        values = [float(v) for v in self.values] if self.values.ndim == 1 else self.values.tolist()
        values = _rounded(values)
        return {"values": values, "spread": self.spread} if self.spread else values

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return NotImplemented
        return self.spread == other.spread and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((self.values.tobytes(), self.values.shape, self.spread))

    def __repr__(self) -> str:
        text = np.array2string(self.values, threshold=8, precision=4, separator=", ").replace("\n", "")
        return f"table({text}, shape {self.values.shape}" + (f", spread={self.spread:g})" if self.spread else ")")


@in_words
def table(values: npt.ArrayLike, *, spread: float = 0.0) -> Any:
    """Declare a field of a law that is an array, or give such a field its values.

    Args:
        values: 1 to 3 axes of finite numbers.
        spread: relative device-to-device spread of every number, at least 0; memory is then as many numbers per cell.

    Raises:
        InvalidValue: for anything else.
    """
    return Table(values, spread)


def table_from(value: Any) -> Table:
    """Return a table from rows of numbers, or from a mapping with `values` and `spread`, as files give them."""
    if isinstance(value, Table):
        return value
    if not isinstance(value, Mapping):
        return Table(value)
    unknown = [f"unknown key {key!r}{nearest(key, KEYS)}" for key in value if key not in KEYS]
    if unknown or "values" not in value:
        found = unknown or ["a table needs values, for example { values = [1.0, 0.5], spread = 0.1 }"]
        raise InvalidValue("table: " + "; ".join(found), found)
    return Table(value["values"], value.get("spread", 0.0))


def _rounded(values: Any) -> Any:
    """Float32 numbers in as few digits as tell them apart."""
    return [_rounded(v) for v in values] if isinstance(values, list) else float(str(np.float32(values)))


def _short(values: object) -> str:
    text = repr(values)
    return text if len(text) < 60 else text[:57] + "..."
