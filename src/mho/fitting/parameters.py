"""The fields of a law as numbers that a search may move freely."""

from __future__ import annotations

import ast
import dataclasses
import functools
import math
import types
from collections.abc import Mapping
from typing import Any, TypeVar, final

import numpy as np

from mho.compiler.law import read_law
from mho.devices import Device
from mho.errors import InvalidValue, LawError
from mho.measurements.record import Floats

Numbers = TypeVar("Numbers", float, Floats)
LARGE = 1e6
HALVINGS = 70
USUAL = 1e-6
"""Distance at which a law is asked about either side of a usual limit."""
BESIDE = 1e-4
"""Part of an interval that differences are taken over."""
NEAR = 1e-4
"""Part of an interval from which a value counts as one at its end."""


@final
@dataclasses.dataclass(frozen=True)
class Interval:
    """Interval of a parameter, and its map from a free number v.

    Ends that a value can reach are turning points (squares, and the square of a sine between two ends), so that
    a search passes through them and comes back; an end that it cannot reach is infinitely far, as a logarithm.

    Attributes:
        low, high: the ends.
        open: whether `low`, the only finite end, cannot be reached.
    """

    low: float = -math.inf
    high: float = math.inf
    open: bool = False

    def value(self, v: Numbers) -> Numbers:
        if math.isfinite(self.low) and math.isfinite(self.high):
            return self.low + (self.high - self.low) * np.sin(v) ** 2  # type: ignore[no-any-return]
        if self.open:
            return self.low + np.exp(np.minimum(np.maximum(v, -50.0), 50.0))  # type: ignore[no-any-return]
        if math.isfinite(self.low):
            return self.low + v * v
        return self.high - v * v if math.isfinite(self.high) else v

    def free(self, value: float) -> float:
        """Return the free number of a value; an end of the range is taken a little inside."""
        if math.isfinite(self.low) and math.isfinite(self.high):
            part = min(max((value - self.low) / (self.high - self.low), 1e-6), 1 - 1e-6)
            return math.asin(math.sqrt(part))
        if self.open:
            return math.log(max(value - self.low, 1e-12))
        if math.isfinite(self.low):
            return math.sqrt(max(value - self.low, 1e-6))
        return math.sqrt(max(self.high - value, 1e-6)) if math.isfinite(self.high) else value

    def slope(self, v: float) -> float:
        """Return how fast the value moves with the free number."""
        return (self.value(v + 1e-6) - self.value(v - 1e-6)) / 2e-6

    def aside(self, v: float) -> tuple[float, float]:
        """Return a free number beside another, and how far their values are apart.

        Apart in parts of the interval, which a half-open one has of 1, and towards its middle: free numbers themselves
        turn at an end. Where there is no end to reach, apart in free numbers.
        """
        if self.open or not (math.isfinite(self.low) or math.isfinite(self.high)):
            return v + BESIDE, BESIDE
        both = math.isfinite(self.low) and math.isfinite(self.high)
        value, size = self.value(v), self.high - self.low if both else 1.0
        upwards = value < (self.low + self.high) / 2 if both else math.isfinite(self.low)
        other = self.free(value + (BESIDE if upwards else -BESIDE) * size)
        return other, (self.value(other) - value) / size

    def end(self, value: float) -> float | None:
        """Return the end that a value has reached, if any."""
        size = self.high - self.low if math.isfinite(self.high - self.low) else 1.0
        ends = [] if self.open else [e for e in (self.low, self.high) if abs(value - e) < NEAR * size]
        return ends[0] if ends else None


@functools.cache
def used_fields(law: type[Device]) -> tuple[str, ...]:
    """Fields that pulses depend on, in the order of declaration; bounds always."""
    read = {
        node.attr
        for node in ast.walk(read_law(law).functions["pulse"].node)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cell"
    }
    return tuple(f.name for f in dataclasses.fields(law) if f.name in read | {"w_max", "w_min"})


@functools.cache
def defaults(law: type[Device]) -> dict[str, float]:
    """Nominal values of a law as it is made without arguments.

    Raises:
        LawError: for a law that cannot be fitted: it takes no pulses, lacks defaults, or has infinite bounds.
    """
    try:
        parameters = law().parameters()
    except TypeError:
        raise LawError(
            f"{law.__name__} has fields without defaults; a fit starts from defaults, so give each field a default"
        ) from None
    values = {name: parameter.mean for name, parameter in parameters.items()}
    more = [name for name in ("read", "rest") if hasattr(law, name)]
    if law.states or law.draws > 1 or more or set(used_fields(law)) - set(values):
        raise LawError(
            f"{law.__name__} has a hidden state, tables, read, rest or several draws: pulses and readings alone are "
            "fitted to laws that are a function of w; give such a law"
        )
    if not law.pulse_driven:
        raise LawError(f"{law.__name__} takes no pulses, so no pulses can determine its parameters")
    if not all(isinstance(v, float) and math.isfinite(v) for v in values.values()):
        raise LawError(f"{law.__name__} has defaults that are lists or infinite; a fit starts from finite numbers")
    return values


@functools.cache
def shapes_bounds(law: type[Device]) -> bool:
    """Return True if steps without noise end at the bounds, so that the bounds shape every step, as in soft bounds."""
    cell = types.SimpleNamespace(**defaults(law))
    ends = ((cell.w_max, True), (cell.w_min, False))
    return all(abs(law.pulse(w, up, cell, 0.0) - w) <= 1e-9 * abs(cell.w_max - cell.w_min) for w, up in ends)


def evaluates(law: type[Device], values: Mapping[str, float]) -> bool:
    """Return True if the law has a finite value at every state between its bounds."""
    cell = types.SimpleNamespace(**values)
    try:
        moved = [
            law.pulse(w, up, cell, z)
            for w in np.linspace(values["w_min"], values["w_max"], 5).tolist()
            for up in (True, False)
            for z in (0.0, 1.0)
        ]
    except (ArithmeticError, ValueError):
        return False
    return all(isinstance(w, (float, int)) and math.isfinite(w) for w in moved)


@functools.cache
def limits(law: type[Device], name: str) -> Interval:
    """Values of a field that the law accepts beside its other defaults, and can be evaluated with, found by asking."""
    start = defaults(law)[name]

    def accepted(value: float) -> bool:
        fields: dict[str, Any] = {name: value}
        if not evaluates(law, defaults(law) | fields):
            return False
        try:
            law(**fields)
        except InvalidValue:
            return False
        return True

    def edge(far: float) -> float:
        if accepted(far):
            return math.copysign(math.inf, far)
        way = math.copysign(USUAL, far)
        for end in (0.0, 1.0, -1.0):  # where most limits lie: a bisection makes a hundred devices
            if (end - start) * way >= 0 and not accepted(end + way) and (end == start or accepted(end - way)):
                return end
        inside, outside = start, far
        for _ in range(HALVINGS):
            if abs(outside - inside) < 2e-7 * abs(inside) or max(abs(inside), abs(outside)) < 1e-9:
                break
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if accepted(middle) else (inside, middle)
        return float(f"{inside:.6g}") if abs(inside) > 1e-9 else 0.0

    low, high = edge(-LARGE), edge(LARGE)
    if math.isfinite(high) and not accepted(high):
        high -= 1e-6 * max(1.0, abs(high))
    return Interval(low, high, open=math.isfinite(low) and not math.isfinite(high) and not accepted(low))
