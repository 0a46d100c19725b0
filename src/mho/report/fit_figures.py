"""Figures of a fit as functions (data, ax) -> ax: readings, steps, residuals."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from mho.devices.symmetry import quiet_step
from mho.measurements.fitting import Fitted, LawFit
from mho.measurements.fitting.line import quiet_path
from mho.measurements.fitting.weights import WINDOW, WeightTrace, ramps, smoothed
from mho.report.device_figures import DOWN_COLOR, UP_COLOR
from mho.report.figures import REPLICA_COLOR

BINS = 16
PLACES = 121
DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
"""The best law is drawn through, the others in this order."""


def readings_with_fits(fitted: Fitted, number: int, ax: Axes) -> Axes:
    """Readings of one device against time, and each law's path without noise from the first reading of every ramp."""
    trace, scale = fitted.traces[number], fitted.scale
    count = len(trace.readings)
    ax.plot(scale.readings(trace.readings), ".", color=REPLICA_COLOR, ms=2.5, alpha=0.7, label="readings", zorder=1)
    for place, fit in enumerate(fitted.laws[:2]):
        path, _ = quiet_path(fit.fits[number])
        color = UP_COLOR if place == 0 else DOWN_COLOR
        ax.plot(scale.readings(path), DASHES[place], color=color, lw=1.6, label=fit.name, zorder=3 - place)
    ax.set_xlim(0, count - 1)
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set_xlabel("reading")
    ax.set_ylabel(f"conductance ({fitted.measurement.unit})")
    return _finish(ax, 2)


def steps_with_fits(fitted: Fitted, up: bool, ax: Axes) -> Axes:
    """Mean measured steps of one direction in bins of the state, with errors, and each law's step without noise."""
    unit, color = fitted.scale.unit, UP_COLOR if up else DOWN_COLOR
    w, steps = binned(fitted.traces, up)
    if len(w):
        edges = np.linspace(w.min(), w.max() + 1e-12, BINS + 1)
        place = np.searchsorted(edges, w, side="right") - 1
        told = [b for b in range(BINS) if (place == b).sum() >= 3]
        mean = np.array([steps[place == b].mean() for b in told]) * unit
        error = np.array([steps[place == b].std(ddof=1) / (place == b).sum() ** 0.5 for b in told]) * unit
        middle = fitted.scale.readings(((edges[1:] + edges[:-1]) / 2)[told])
        ax.errorbar(middle, mean, error, fmt="o", color=REPLICA_COLOR, ms=3, lw=1, label="measured")
    for number, fit in enumerate(fitted.laws):
        cell: Any = types.SimpleNamespace(**fit.fits[0].values)
        places = np.linspace(cell.w_min, cell.w_max, PLACES)
        sizes = np.array([abs(quiet_step(fit.law, float(v), up, cell)) for v in places]) * unit
        inside = (places >= -1.3 * _range(fitted)) & (places <= 1.3 * _range(fitted))
        ax.plot(
            fitted.scale.readings(places[inside]), sizes[inside], color=color, lw=2 if number == 0 else 1,
            ls=DASHES[number % len(DASHES)], alpha=1 if number == 0 else 0.75, label=fit.name,
        )  # fmt: skip
    ax.set_xlabel(f"conductance ({fitted.measurement.unit})")
    ax.set_ylabel(f"step {'up' if up else 'down'} ({fitted.measurement.unit})")
    ax.axhline(0, color=REPLICA_COLOR, lw=0.6)
    return _finish(ax, 3)


def binned(traces: tuple[WeightTrace, ...], up: bool) -> tuple[Any, Any]:
    """States and steps of one direction, of all devices; where readings are noisy, means over `WINDOW` pulses each."""
    w, steps = [np.empty(0)], [np.empty(0)]
    for trace in traces:
        mine = np.sign(trace.pulses) == (1 if up else -1)
        if not trace.noisy:
            w.append(trace.states[mine])
            steps.append(trace.steps[mine])
            continue
        group = ramps(trace.pulses)
        line = smoothed(trace.readings, group)
        counts = np.concatenate([[0], np.cumsum(np.abs(trace.pulses))])
        first = np.arange(0, len(line) - WINDOW, WINDOW)
        last = first + WINDOW
        inside = (group[last] == group[first + 1]) & mine[first + 1]
        first, last = first[inside], last[inside]
        w.append((line[first] + line[last]) / 2)
        steps.append((line[last] - line[first]) / (counts[last] - counts[first]) * (1 if up else -1))
    return np.concatenate(w), np.concatenate(steps)


def residuals_in_time(fit: LawFit, ax: Axes) -> Axes:
    """Standardised residuals of the first device against time."""
    left = fit.fits[0].residuals
    colors = np.sign(fit.fits[0].series.pulses)
    time = np.arange(1, len(left) + 1)
    for sign, color, name in ((1, UP_COLOR, "up"), (-1, DOWN_COLOR, "down")):
        ax.plot(time[colors == sign], left[colors == sign], ".", color=color, ms=2.5, alpha=0.7, label=name)
    ax.set_xlabel("reading")
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    return _residual_axis(ax)


def residuals_in_state(fitted: Fitted, ax: Axes) -> Axes:
    """Standardised residuals of the best law, all devices, against the state before the pulse."""
    for sign, color, name in ((1, UP_COLOR, "up"), (-1, DOWN_COLOR, "down")):
        for number, fit in enumerate(fitted.best.fits):
            mine = np.sign(fit.series.pulses) == sign
            w = fitted.scale.readings(fit.series.states[mine])
            label = name if number == 0 else None
            ax.plot(w, fit.residuals[mine], ".", color=color, ms=2.5, alpha=0.7, label=label)
    ax.set_xlabel(f"conductance before the pulse ({fitted.measurement.unit})")
    return _residual_axis(ax)


def _residual_axis(ax: Axes) -> Axes:
    for level in (-2, 0, 2):
        ax.axhline(level, color=REPLICA_COLOR, lw=0.8 if level == 0 else 0.5)
    ax.set_ylabel("residual (standard deviations)")
    return _finish(ax, 2)


def _range(fitted: Fitted) -> float:
    return max(float(np.abs(trace.readings).max()) for trace in fitted.traces)


def _finish(ax: Axes, columns: int) -> Axes:
    ax.grid(True, lw=0.5, alpha=0.25)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.yaxis.set_major_locator(MaxNLocator(6))
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, borderaxespad=0.3, columnspacing=1.2
    )
    return ax
