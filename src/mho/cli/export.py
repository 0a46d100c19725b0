"""mho export: the devices of a trained run as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mho.errors import InvalidValue


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, as mho train makes it.")],
    out: Annotated[Path, typer.Option(help="Folder to make, with one file per array.")],
    units: Annotated[
        str, typer.Option(help="weights; or siemens, for devices whose conductance is known or given.")
    ] = "weights",
    format: Annotated[str, typer.Option(help="npz, or csv with one row per device.")] = "npz",
    zero: Annotated[float | None, typer.Option(help="Siemens of w = 0, where the run's device does not say.")] = None,
    unit: Annotated[
        float | None, typer.Option(help="Siemens of one unit of weight, where the run's device does not say.")
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="last, or best: of the lowest validation error.")] = "last",
) -> None:
    """Export the devices of a run: states, drawn fields of the law, hidden states, of every array.

    NPZ holds arrays (replicas, devices, outputs, inputs) and a table of their
    units; CSV one row per device, with the units in the heading.

    Examples: mho export runs/digits-1 --out devices; mho export runs/digits-1
    --out devices --units siemens --format csv --zero 3e-6 --unit 2e-6.
    """
    if (zero is None) != (unit is None):
        raise InvalidValue("--zero and --unit belong together: conductance is zero + unit·w; give both")

    import mho
    from mho.devices import Conductance

    given = None if zero is None or unit is None else Conductance(zero=zero, unit=unit)
    model = mho.load(run, checkpoint=checkpoint).model
    for file in mho.export(model, out, units=units, format=format, conductance=given):
        print(file)
