"""A fit as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from mho.fitting import Fitted, LawFit, lag_one
from mho.fitting.estimate import LASTS, NOISE, SLOW
from mho.report.drawing import svg
from mho.report.fit_figures import replayed_readings, residuals_in_state, residuals_in_time, steps_with_fits
from mho.report.template import render, share

SHOWN = 4
"""Devices whose readings are drawn."""
WIDE, NARROW, HALF = (7.6, 3.7), (3.8, 3.2), (5.2, 3.6)
MEANINGS = {
    "dw_min": "mean step, in weights",
    "up_down": "up step over down step",
    "c2c": "noise of a step over the step",
    "w_max": "upper bound, in weights",
    "w_min": "lower bound, in weights",
    NOISE: "noise of a reading, in weights: write noise and read noise together",
    SLOW: "noise of readings that lasts, in weights",
    LASTS: "pulses after which 1/e of the lasting noise is left",
}


def fit_page(fitted: Fitted, *, command: str, version: str, device_toml: str, tried: Sequence[str] = ()) -> str:
    """Return the page of a fit; the same fit gives the same page.

    Args:
        fitted: of `fit_laws`.
        command: what the user typed.
        version: of mho.
        device_toml: the best law's device file.
        tried: what a network learned on the device, in sentences.
    """
    best, measurement = fitted.best, fitted.measurement
    return render(
        "fit.html",
        title=f"{best.name} fitted to {_short(measurement.source)}",
        version=version,
        headlines=_headlines(fitted),
        readings=[_both(partial(replayed_readings, fitted, n), f"readings-{n + 1}", _label(fitted, n))
                  for n in range(min(SHOWN, len(fitted.traces)))],
        left_out=max(len(fitted.traces) - SHOWN, 0),
        steps=[_half(partial(steps_with_fits, fitted, up), f"steps-{name}", f"Steps {name}")
               for up, name in ((True, "up"), (False, "down"))
               if any((np.sign(t.pulses) == (1 if up else -1)).any() for t in fitted.traces)],
        residuals=[
            _half(lambda ax: residuals_in_time(best, ax), "residuals-time", "Residuals in time"),
            _half(lambda ax: residuals_in_state(fitted, ax), "residuals-state", "Residuals against the state"),
        ],
        lags=[(fit.series.device, lag_one(fit.residuals), float(np.nanstd(fit.residuals))) for fit in best.fits],
        parameters=best.parameters,
        meanings=MEANINGS,
        laws=fitted.laws,
        tables=fitted.tables,
        verdict=fitted.verdict,
        worth=(*fitted.worth.sentences, *tried),
        unseen=any(made.match.unseen is not None for made in fitted.judged),
        several=len(fitted.traces) > 1,
        untold=fitted.untold,
        notes=measurement.notes,
        unit=measurement.unit,
        scale=best.scale,
        command=command,
        device_toml=device_toml,
    )  # fmt: skip


def _short(source: str) -> str:
    """Names of files without their folders."""
    names = [part.strip().replace("\\", "/").rsplit("/", 1)[-1] for part in source.split(", ")]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _headlines(fitted: Fitted) -> list[tuple[str, str, str]]:
    """Number, what it is, and a remark."""
    values = {p.name: p for p in fitted.best.parameters}
    count = sum(int((t.pulses != 0).sum()) for t in fitted.traces)
    match = fitted.best.match
    off = f"ranked probability score, of the range; the law's noise alone makes {share(match.expected)}"
    lines = [
        (fitted.best.name, "best law", _rival(fitted.laws)),
        (share(match.apart), "simulated readings are off by", off),
    ]
    lines.append(
        (f"{count:,}", "readings after a pulse", f"{len(fitted.traces)} devices" if len(fitted.traces) > 1 else "")
    )
    lines.append((f"{fitted.worth.states:,.0f}", "states", "range of the device over its mean step"))
    if "c2c" in values and values["c2c"].value > 0:
        remark = f"1 / c2c; c2c is {values['c2c'].value:.2g}"
        if values["c2c"].error is not None:
            remark += f" ± {values['c2c'].error:.2g}"
        lines.append((f"{1 / values['c2c'].value:.2g}", "signal to noise of a step", remark))
    if values[NOISE].value:
        span = fitted.worth.ends[1] - fitted.worth.ends[0]
        remark = f"in weights: {100 * values[NOISE].value / span:.2g} % of the range, ±{span / 2:.2g}"
        lines.append((f"{values[NOISE].value:.2g}", "noise of a reading", remark))
    return lines


def _rival(laws: tuple[LawFit, ...]) -> str:
    near = [fit.name for fit in laws[1:] if fit.score.as_good]
    return f"{', '.join(near)} within one standard error" if near else "alone within one standard error"


def _label(fitted: Fitted, number: int) -> str:
    return f"Readings of device {fitted.traces[number].device} and of simulated devices"


def _both(draw: Callable[[Axes], Any], name: str, label: str) -> dict[str, Markup]:
    return {
        kind: svg(draw, size=size, name=f"{name}-{kind}", kind=kind, label=label)
        for kind, size in (("wide", WIDE), ("narrow", NARROW))
    }


def _half(draw: Callable[[Axes], Any], name: str, label: str) -> Markup:
    return svg(draw, size=HALF, name=name, label=label)
