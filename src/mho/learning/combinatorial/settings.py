"""Options of CoNNTrA, checked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

from mho.errors import Faults, nearest
from mho.learning.combinatorial.kernels import codes

LOSSES = {
    "cross_entropy": codes.CROSS_ENTROPY,
    "squared": codes.SQUARED,
    "hinge": codes.HINGE,
    "zero_one": codes.ZERO_ONE,
}
SCALES = ("fan_in", "mean", "unit")
STARTS = ("random", "threshold", "nearest")
ORDERS = ("random", "gradient")
MOST_LEVELS = 127


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings that decide a training, beside model and data; `conntra` says what each means.

    Raises:
        InvalidValue: naming every option that is out of range or has no effect.
    """

    levels: tuple[float, ...] = (-1.0, 0.0, 1.0)
    seed: int = 0
    loss: str = "cross_entropy"
    scale: float | str | Mapping[str, float] | None = None
    start: str = "random"
    order: str = "random"
    sweeps: int = 50
    batch_size: int | None = None
    batch_every: int | None = None
    gradient_every: int | None = None
    validation: float = 0.0
    tolerance: float = 1e-10
    time_limit: float | None = None

    def __post_init__(self) -> None:
        faults = Faults("conntra")
        object.__setattr__(self, "levels", _levels(self.levels, faults))
        faults.number("seed", self.seed, low=0, high=2**63 - 1, integer=True)
        for name, known in (("loss", LOSSES), ("start", STARTS), ("order", ORDERS)):
            value = getattr(self, name)
            if value not in known:
                faults.add(f"{name} is {value!r}{nearest(str(value), known)}")
        self._check_scale(faults)
        faults.number("sweeps", self.sweeps, low=0, high=10**9, integer=True)
        for name in ("batch_size", "batch_every", "gradient_every"):
            faults.number(name, getattr(self, name), low=1, integer=True, optional=True)
        if faults.number("validation", self.validation, low=0.0) and not self.validation < 1:
            faults.add(f"validation is {self.validation!r}; give a share of the examples below 1")
        faults.number("tolerance", self.tolerance, low=0.0, high=1e6)
        faults.number("time_limit", self.time_limit, above=0.0, optional=True)
        if self.batch_every is not None and self.batch_size is None:
            faults.add("batch_every has no effect without batch_size; give both, or neither")
        if self.gradient_every is not None and self.order != "gradient":
            faults.add('gradient_every has no effect without order="gradient"')
        if self.order == "gradient" and self.loss == "zero_one":
            faults.add('the loss zero_one has no gradient; give order="random", or another loss')
        if self.scale == "unit" and self.start == "nearest":
            faults.add('scale="unit" follows from the start, and start="nearest" from the scale; change one of them')
        faults.raise_any()

    def _check_scale(self, faults: Faults) -> None:
        if isinstance(self.scale, Mapping):
            for name, value in self.scale.items():
                faults.number(f"scale[{name!r}]", value, above=0.0, high=1e30)
        elif isinstance(self.scale, str):
            if self.scale not in SCALES:
                faults.add(f"scale is {self.scale!r}{nearest(self.scale, SCALES)}")
        else:
            faults.number("scale", self.scale, above=0.0, high=1e30, optional=True)

    def decisive(self) -> dict[str, Any]:
        """Return the options that decide the bits of a training: all but how long it goes on."""
        table = dataclasses.asdict(self)
        del table["sweeps"], table["time_limit"]
        table["levels"] = list(self.levels)
        if isinstance(self.scale, Mapping):
            table["scale"] = dict(self.scale)
        return table


def _levels(given: Any, faults: Faults) -> tuple[float, ...]:
    """Return levels in ascending order."""
    if isinstance(given, (str, bytes)) or not isinstance(given, (Sequence, np.ndarray)):
        faults.add(f"levels is {given!r}; give at least two numbers, for example (-1, 0, 1)")
        return ()
    try:
        levels = sorted({float(level) for level in given})
    except (TypeError, ValueError):
        faults.add(f"levels is {given!r}; give numbers")
        return ()
    if not all(math.isfinite(level) and abs(level) <= 1e30 for level in levels):
        faults.add(f"levels hold a value that is not finite: {given!r}")
    elif not 2 <= len(levels) <= MOST_LEVELS:
        faults.add(f"levels has {len(levels)} different values; give 2 to {MOST_LEVELS}, for example -1, 0, 1")
    elif len(levels) != len(given):
        faults.add(f"levels has a value twice: {given!r}")
    return tuple(levels)
