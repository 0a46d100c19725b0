"""Distance of simulated devices from the measured ones, for laws and for tables of steps, by a single measure."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Sequence
from typing import Protocol, final

import numpy as np

from mho.devices import Conductance, Device
from mho.devices.symmetry import nominal_cell
from mho.fitting.estimate import TraceFit
from mho.fitting.replay import FEW, Replay, held_out_from, replay
from mho.fitting.search import climb
from mho.fitting.table_devices import table_devices
from mho.fitting.weights import ReadingNoise, WeightTrace

LOW_BAND = 0.7
"""Share of readings in the band below which noise is not as the device has it."""
NEARER, CLEARLY = 0.8, 0.003
"""A device comes clearly nearer than the best law if it is apart by less than this factor, and by this part of the
range less."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Match:
    """A simulated device beside the measured one.

    Attributes:
        replays: one a measured device.
        unseen: distance, as `apart`, from the last cycle of ramps of a device that was made of the readings before it;
            None where no cycle could be left out of all measured devices.
    """

    replays: tuple[Replay, ...]
    unseen: float | None

    @property
    def apart(self) -> float:
        """Distance of simulated and measured readings in parts of the range, mean over devices: the figure of merit."""
        return float(np.mean([one.apart for one in self.replays]))

    @property
    def expected(self) -> float:
        """Return what the distance would be if the measured devices were some of the simulated ones: noise alone."""
        return float(np.mean([one.expected for one in self.replays]))

    @property
    def inside(self) -> float:
        """Share of the readings within the band that should hold nine in ten."""
        return float(np.mean([one.inside for one in self.replays]))


@final
@dataclasses.dataclass(frozen=True, eq=False)
class TableFit:
    """A device of binned steps, without a law.

    Attributes:
        device: a `JumpTable` or `PiecewiseStep`, in weights of `Fitted.scale`.
        match: how near it comes to the measured devices.
    """

    device: Device
    match: Match

    @property
    def name(self) -> str:
        return type(self.device).__name__


def match_law(fits: Sequence[TraceFit], *, within: bool, cells: int) -> Match:
    """Simulate every measured device as a law was fitted to it.

    Args:
        fits: one per device.
        within: whether devices end where the measurement does, though their law's bounds lie beyond.
        cells: that are simulated of each.
    """
    replays, unseen = [], []
    for fit in fits:
        bounds = fit.series.range if within else None
        replays.append(
            replay(fit.law, types.SimpleNamespace(**fit.values), fit.noise, fit.series, bounds=bounds, cells=cells)
        )
        begin = held_out_from(fit.series)
        if begin is None:
            continue
        weights = np.ones(len(fit.series.pulses))
        weights[begin:] = 0.0
        problem = fit.problem.replaced(weights=weights)
        values = problem.values(climb(problem, fit.places).places)
        cell = types.SimpleNamespace(**{name: values[name] for name in problem.fields})
        unseen.append(replay(fit.law, cell, fit.noise, fit.series, bounds=bounds, begin=begin, cells=FEW).apart)
    return Match(tuple(replays), _mean(unseen, len(fits)))


def match_tables(traces: Sequence[WeightTrace], noise: ReadingNoise, conductance: Conductance) -> tuple[TableFit, ...]:
    """Simulate every measured device with the devices that the binned steps of all of them make.

    Args:
        traces: one per device.
        noise: of readings.
        conductance: map from weights to conductances.
    """
    begins = [held_out_from(trace) for trace in traces]
    cut = [_until(trace, begin) for trace, begin in zip(traces, begins, strict=True) if begin is not None]
    early = table_devices(cut, noise) if len(cut) == len(traces) else ()
    found = []
    for kind, device in enumerate(table_devices(traces, noise, conductance)):
        replays = tuple(replay(device, nominal_cell(device), noise, trace, cells=FEW) for trace in traces)
        unseen = [
            replay(early[kind], nominal_cell(early[kind]), noise, trace, begin=begin, cells=FEW).apart
            for trace, begin in zip(traces, begins, strict=True)
            if early and begin is not None
        ]
        found.append(TableFit(device, Match(replays, _mean(unseen, len(traces)))))
    return tuple(found)


class Judged(Protocol):
    """A law or a table of steps, and how near its devices come."""

    @property
    def name(self) -> str: ...
    @property
    def match(self) -> Match: ...


def verdict(chosen: Judged, others: Sequence[Judged]) -> str:
    """Return how near the best law's simulated devices come to the measured ones, and what comes nearer, in words."""
    best, name = chosen.match, chosen.name
    unseen = "" if best.unseen is None else f", and by {100 * best.unseen:.2g} % in a cycle that its fit has not seen"
    said = (
        f"Sent the measured pulses, a simulated {name} reads {100 * best.apart:.2g} % of the range off{unseen}; its "
        f"own noise alone makes {100 * best.expected:.2g} %. {100 * best.inside:.0f} % of the measured readings lie "
        "within its band of nine in ten."
    )
    if best.inside < LOW_BAND:
        said += " That is too few: training would see another device than was measured."
    nearer = [o for o in others if o.match.apart < min(NEARER * best.apart, best.apart - CLEARLY)]
    if nearer:
        other = min(nearer, key=lambda o: o.match.apart)
        said += f" {other.name} comes nearer ({100 * other.match.apart:.2g} %): try {other.name}.toml too."
    return said


def _until(trace: WeightTrace, begin: int) -> WeightTrace:
    return dataclasses.replace(trace, readings=trace.readings[: begin + 1], pulses=trace.pulses[:begin])


def _mean(found: Sequence[float], devices: int) -> float | None:
    return float(np.mean(found)) if len(found) == devices else None
