"""mho device compare: devices side by side."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mho.cli import names
from mho.cli.measured import reads_pulses
from mho.errors import InvalidValue

if TYPE_CHECKING:
    from mho.devices import Device
    from mho.measurements import Format
    from mho.testing import DeviceReport

FEWEST = 2


@reads_pulses
def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="DEVICE...",
            help="As for mho device check: published devices, laws, files, measurements.",
            autocompletion=names.complete(names.devices),
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
    *,
    form: Format | None,
) -> None:
    """Compare devices: states, asymmetry, symmetry point and its spread, steps, noise.

    Signal to noise is the mean step in the middle of the range over the noise of a step.
    Values that may have been meant in per cent are asked about below.

    Examples: mho device compare SoftBounds ConstantStep; mho device compare
    reram_es capacitor; mho device compare mine.toml pulses.csv.
    """
    if len(names) < FEWEST:
        raise InvalidValue(f"compare takes two devices or more, and got {', '.join(names)}; mho device check takes one")

    from mho.cli.devices import find_devices_shown
    from mho.testing import check_device

    found = find_devices_shown(names, form)
    reports = [check_device(device) for device in found]
    noises = [step_noise(device) for device in found]
    if as_json:
        rows = [
            {
                "device": name,
                **dataclasses.asdict(report),
                "step_noise": noise,
                "signal_to_noise": _ratio(report, noise),
            }
            for name, report, noise in zip(names, reports, noises, strict=True)
        ]
        print(json.dumps(rows))
        return
    _show(names, reports, noises, [conductance_range(device) for device in found])


def step_noise(device: Device) -> float | None:
    """Standard deviation of one step in the middle of the range, over both directions; None for laws of more than w."""
    import types

    from mho.devices import Table

    tables = any(isinstance(getattr(device, field.name), Table) for field in dataclasses.fields(device))
    if device.states or device.draws > 1 or tables:
        return None
    cell = types.SimpleNamespace(**{name: p.mean for name, p in device.parameters().items()})
    middle = 0.0 if cell.w_min < 0 < cell.w_max else (cell.w_min + cell.w_max) / 2
    ways = (True, False)
    parts = [(device.pulse(middle, up, cell, 1.0) - device.pulse(middle, up, cell, -1.0)) / 2 for up in ways]
    return math.sqrt(sum(part**2 for part in parts) / len(parts))


def conductance_range(device: Device) -> str:
    """Return the nominal range of conductance, as text; "–" where it is not known."""
    if device.conductance is None:
        return "–"
    in_unit, bounds = device.conductance.for_axes(), device.parameters()
    low, high = (in_unit.of(bounds[name].mean) for name in ("w_min", "w_max"))
    return f"{low:.4g} to {high:.4g} {in_unit.name}"


def short_names(names: Sequence[str]) -> list[str]:
    """Return the last part of each path, and as many folders before it as tell it from the others."""
    parts = [Path(name).parts for name in names]
    most = max(map(len, parts))
    lengths = [
        next((n for n in range(1, most) if sum(other[-n:] == own[-n:] for other in parts) == 1), most) for own in parts
    ]
    return [str(Path(*own[-length:])) for own, length in zip(parts, lengths, strict=True)]


def _ratio(report: DeviceReport, noise: float | None) -> float | None:
    """Return the mean step over its noise; None if there is no noise, or it is not known."""
    return (report.step_up + report.step_down) / 2 / noise if noise else None


def _show(
    names: Sequence[str], reports: Sequence[DeviceReport], noises: Sequence[float | None], ranges: Sequence[str]
) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    heads = short_names(names)
    for head in heads:
        table.add_column(head, justify="right", overflow="fold")
    rows = {
        "law": [report.law for report in reports],
        "states": [f"{report.states:.4g}" for report in reports],
        "step up": [f"{report.step_up:.4g}" for report in reports],
        "step down": [f"{report.step_down:.4g}" for report in reports],
        "asymmetry": [f"{report.asymmetry:+.3g}" for report in reports],
        "symmetry point": [report.symmetry for report in reports],
        "noise of a step": ["–" if noise is None else f"{noise:.3g}" for noise in noises],
        "signal to noise": [
            "–" if (ratio := _ratio(report, noise)) is None else f"{ratio:.3g}"
            for report, noise in zip(reports, noises, strict=True)
        ],
    }
    if any(text != "–" for text in ranges):
        rows["conductance"] = list(ranges)
    for name, cells in rows.items():
        table.add_row(name, *cells)
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    for name, report in zip(heads, reports, strict=True):
        for remark in report.remarks:
            console.print(f"note: {name}: {remark}", markup=False)
