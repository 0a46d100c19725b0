"""Figures of a fit as functions (data, ax) -> ax: readings, steps, residuals."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from mho.devices.symmetry import quiet_step
from mho.fitting import Fitted, LawFit
from mho.fitting.steps import Steps, mean_steps
from mho.measurements.units import readable
from mho.report.device_figures import DOWN_COLOR, UP_COLOR
from mho.report.figures import REPLICA_COLOR

BINS, EACH = 16, 3
"""Bins of the state, and the steps that each holds at least."""
PLACES = 121
PHONE = 4.5
"""Inches of a figure up to which a legend has two columns."""
DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
"""The best law is drawn through, the others in this order."""


def replayed_readings(fitted: Fitted, number: int, ax: Axes) -> Axes:
    """Readings of one device against time, over the band of the best law's simulated readings; the second's middle."""
    trace, (factor, unit) = fitted.traces[number], fitted.shown_unit
    time = np.arange(len(trace.readings))
    ax.plot(
        time, factor * fitted.scale.readings(trace.readings), ".", color=REPLICA_COLOR, ms=2.5, alpha=0.7,
        label="measured", zorder=1,
    )  # fmt: skip
    for place, fit in enumerate(fitted.laws[:2]):
        replay, color = fit.match.replays[number], (UP_COLOR, DOWN_COLOR)[place]
        low, middle, high = (factor * fitted.scale.readings(v) for v in (replay.low, replay.middle, replay.high))
        if place == 0:
            ax.fill_between(time, low, high, color=color, alpha=0.2, lw=0, zorder=2)
        ax.plot(time, middle, DASHES[place], color=color, lw=1.6, label=fit.name, zorder=4 - place)
    if len(fitted.traces) > 1:
        ax.set_title(trace.device, loc="right", fontsize="medium")
    ax.set_xlim(0, len(time) - 1)
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set_xlabel("reading")
    ax.set_ylabel(f"conductance ({unit})")
    return _finish(ax)


def steps_with_fits(fitted: Fitted, up: bool, ax: Axes) -> Axes:
    """Mean steps of the first device in one direction against the state, with errors, and each law's without noise."""
    (factor, unit), color, sign = fitted.shown_unit, UP_COLOR if up else DOWN_COLOR, 1 if up else -1
    fine, step_unit = readable(factor * _largest_step(fitted, up), unit)
    middle, mean, error = binned(mean_steps(fitted.traces[0], sign, fitted.best.fits[0].noise))
    size = fine * factor * fitted.scale.unit
    states = factor * fitted.scale.readings(middle)
    ax.errorbar(states, size * mean, size * error, fmt="o", color=REPLICA_COLOR, ms=3, lw=1, label="measured")
    for number, fit in enumerate(fitted.laws):
        cell: Any = types.SimpleNamespace(**fit.fits[0].values)
        places = np.linspace(cell.w_min, cell.w_max, PLACES)
        sizes = size * np.array([abs(quiet_step(fit.law, float(v), up, cell)) for v in places])
        inside = (places >= -1.3 * _range(fitted)) & (places <= 1.3 * _range(fitted))
        ax.plot(
            factor * fitted.scale.readings(places[inside]), sizes[inside], color=color, lw=2 if number == 0 else 1,
            ls=DASHES[number % len(DASHES)], alpha=1 if number == 0 else 0.75, label=fit.name,
        )  # fmt: skip
    ax.set_xlabel(f"conductance ({unit})")
    ax.set_ylabel(f"step {'up' if up else 'down'} ({step_unit})")
    ax.axhline(0, color=REPLICA_COLOR, lw=0.6)
    return _finish(ax)


def binned(steps: Steps) -> tuple[Any, Any, Any]:
    """Middles, mean steps and their standard errors, in bins of the state that hold equally many steps."""
    order = np.argsort(steps.states, kind="stable")
    if len(order) < 2 * EACH:
        return steps.states, steps.sizes, np.zeros(len(order))
    bins = np.array_split(order, min(BINS, len(order) // EACH))
    errors = [steps.sizes[b].std(ddof=1) / len(b) ** 0.5 for b in bins]
    middles, means = ([part[b].mean() for b in bins] for part in (steps.states, steps.sizes))
    return np.array(middles), np.array(means), np.array(errors)


def _largest_step(fitted: Fitted, up: bool) -> float:
    """Return the largest step of the best law on the first device, in the units of the file."""
    fit = fitted.best.fits[0]
    cell: Any = types.SimpleNamespace(**fit.values)
    places = np.clip(np.linspace(*fit.series.range, PLACES), cell.w_min, cell.w_max)
    return fitted.scale.unit * max(abs(quiet_step(fit.law, float(v), up, cell)) for v in places)


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
    factor, unit = fitted.shown_unit
    for sign, color, name in ((1, UP_COLOR, "up"), (-1, DOWN_COLOR, "down")):
        for number, fit in enumerate(fitted.best.fits):
            mine = np.sign(fit.series.pulses) == sign
            w = factor * fitted.scale.readings(fit.series.states[mine])
            label = name if number == 0 else None
            ax.plot(w, fit.residuals[mine], ".", color=color, ms=2.5, alpha=0.7, label=label)
    ax.set_xlabel(f"conductance before the pulse ({unit})")
    return _residual_axis(ax)


def _residual_axis(ax: Axes) -> Axes:
    for level in (-2, 0, 2):
        ax.axhline(level, color=REPLICA_COLOR, lw=0.8 if level == 0 else 0.5)
    ax.set_ylabel("residual (standard deviations)")
    return _finish(ax)


def _range(fitted: Fitted) -> float:
    return max(float(np.abs(trace.readings).max()) for trace in fitted.traces)


def _finish(ax: Axes) -> Axes:
    ax.grid(True, lw=0.5, alpha=0.25)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.yaxis.set_major_locator(MaxNLocator(6))
    columns = 3 if ax.get_figure().get_figwidth() > PHONE else 2  # type: ignore[union-attr]
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, borderaxespad=0.3, columnspacing=1.2
    )
    return ax
