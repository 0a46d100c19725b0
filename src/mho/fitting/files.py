"""A fit as files: devices in TOML that `mho train --device` takes, and all numbers in JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mho.fitting.estimate import NOISE
from mho.fitting.laws import Fitted, LawFit
from mho.fitting.match import Match
from mho.fitting.population import Parameter
from mho.tables import table_of
from mho.toml_files import write_toml


def fit_files(fitted: Fitted, *, command: str, version: str, trial: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return the files of a fit by name: device.toml for the best law, one for each other law and table, fit.json.

    Args:
        fitted: of `fit_laws`.
        command: what the user typed.
        version: of mho.
        trial: what a network learned on the best law's device, for fit.json; None: it was not tried.
    """
    files = {}
    for number, fit in enumerate(fitted.laws):
        files["device.toml" if number == 0 else f"{fit.name}.toml"] = device_toml(fitted, fit, command)
    for made in fitted.tables:
        head = f"# {made.name} made of the steps of {fitted.measurement.source} in bins of the state\n# {command}\n"
        files[f"{made.name}.toml"] = head + write_toml({"device": table_of(made.device)})
    found = fit_json(fitted, command=command, version=version) | ({"trial": trial} if trial is not None else {})
    files["fit.json"] = json.dumps(found, indent=1) + "\n"
    return files


def device_toml(fitted: Fitted, fit: LawFit, command: str) -> str:
    """Return a device file, with the map from conductance and what is missing in comments above it."""
    unit, count = fitted.measurement.unit, len(fitted.traces)
    lines = [f"{fit.name} fitted to {fitted.measurement.source}", command]
    lines += [f"{fit.scale.equation(6)}, g in {unit}"]
    noise = next(p for p in fit.parameters if p.name == NOISE)
    if noise.value:
        lines.append(f"a reading has noise of standard deviation {noise.value:.4g}: write noise and read noise as one")
    lines += fit.restated
    if count > 1:
        lines.append(f"spreads are over {count} devices")
    elif fitted.spread is None:
        lines.append("d2d not measured: spread = 0")
    else:
        lines.append(f"d2d not measured: spread = {fitted.spread:g} is given, not fitted")
    for p in fit.parameters:
        if p.note and p.name != NOISE:
            lines.append(f"{p.name}: {p.note}")
    head = "".join(f"# {line}\n" for line in " \n".join(lines).splitlines())
    return head.replace(" \n", "\n") + write_toml({"device": device_table(fit)})


def device_table(fit: LawFit) -> dict[str, Any]:
    """Return the device as `mho train --device` reads it."""
    return table_of(fit.device)


def fit_json(fitted: Fitted, *, command: str, version: str) -> dict[str, Any]:
    """Return every number of a fit; null where the data do not tell one."""
    measurement = fitted.measurement
    return {
        "mho": version,
        "command": command,
        "source": measurement.source,
        "unit": measurement.unit,
        "notes": list(measurement.notes),
        "devices": [
            {
                "name": trace.device,
                "readings": len(trace.readings),
                "range": fitted.scale.readings(np.array(trace.range)).tolist(),
            }
            for trace in fitted.traces
        ],
        "best": fitted.best.name,
        "ranking": [_law(fit) for fit in fitted.laws],
        "tables": [{"name": made.name, **_match(made.match)} for made in fitted.tables],
        "verdict": fitted.verdict,
        "training": {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in dataclasses.asdict(fitted.worth).items()
        },
        "untold": list(fitted.untold),
    }


def _law(fit: LawFit) -> dict[str, Any]:
    return {
        "law": fit.law.law_name(),
        "parameters": fit.count,
        "log_likelihood": fit.log_likelihood,
        "held_out": fit.score.total,
        "behind": fit.score.behind,
        "behind_error": fit.score.error,
        "within_one_error": fit.score.as_good,
        **_match(fit.match),
        "zero": fit.scale.zero,
        "unit_of_weight": fit.scale.unit,
        "estimates": {p.name: _parameter(p) for p in fit.parameters},
        "device": device_table(fit),
    }


def _match(match: Match) -> dict[str, Any]:
    return {
        "apart": match.apart,
        "apart_expected": match.expected,
        "within_band": match.inside,
        "apart_unseen": match.unseen,
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    values = dataclasses.asdict(parameter)
    del values["name"]
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
