"""Growth of the time of a call with a size: series of calls, their exponents, records and charts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, final

from mho.benchmarks.loads import Call, Case
from mho.benchmarks.results import Chart, Line
from mho.benchmarks.timing import Samples, exponent

LABELS = {"T": "vectors a call, T", "BL": "bit length, BL", "area": "cross-points, M·N", "threads": "threads"}


@final
@dataclasses.dataclass(frozen=True)
class Point:
    """A call at one size."""

    size: float
    case: Case
    call: Call


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    """Calls that differ in one size only.

    Attributes:
        over: what grows: a key of `LABELS`.
        what: what is called, for example "forward".
        points: the calls, at least two.
    """

    over: str
    what: str
    points: tuple[Point, ...]

    def names(self) -> tuple[str, ...]:
        """Return the names of the contestants, one per point."""
        return tuple(f"{self.what} against {self.over}: {point.size:g}" for point in self.points)

    def calls(self) -> dict[str, Call]:
        """Return the contestants: calls of each size."""
        return dict(zip(self.names(), (point.call for point in self.points), strict=True))

    def fit(self, taken: Mapping[str, Samples]) -> Samples:
        """b of time = a·sizeᵇ."""
        return exponent([point.size for point in self.points], [taken[name] for name in self.names()])

    def records(self, taken: Mapping[str, Samples]) -> list[dict[str, Any]]:
        """Return a record for each point, and a record for the exponent."""
        about = {"what": self.what, "over": self.over}
        found: list[dict[str, Any]] = []
        for name, point in zip(self.names(), self.points, strict=True):
            size = {"measured": "scaling", **about, "size": point.size, **point.case.record()}
            found.append(size | pair_time(taken[name], point.case).record("ns_a_pair"))
        return [*found, {"measured": "exponent", **about} | self.fit(taken).record("exponent")]


def pair_time(taken: Samples, case: Case) -> Samples:
    """Nanoseconds a (weight, vector) pair."""
    return taken.scaled(1e9 / case.pairs)


def curves(group: list[Series], taken: Mapping[str, Samples]) -> Chart:
    """Time against the size that the series share."""
    over, case = group[0].over, group[0].points[0].case
    at = {"area": f"T = {case.vectors}", "T": f"{case.rows}×{case.columns}"}.get(over, str(case))
    lines = tuple(
        Line(
            label=f"{series.what}: time ∝ size^{series.fit(taken).median:.2f}",
            x=tuple(point.size for point in series.points),
            y=tuple(taken[name].scaled(1e6) for name in series.names()),
        )
        for series in group
    )
    return Chart(title=f"Time against {LABELS[over]}; {at}", x_label=LABELS[over], y_label="µs a call", lines=lines)
