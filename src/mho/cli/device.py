"""mho device: device laws and device files, checked and drawn."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mho.cli.device_advise import advise
from mho.cli.device_compare import compare, conductance_range
from mho.cli.device_fit import fit
from mho.cli.device_improve import improve
from mho.cli.devices import Named, find_device_shown
from mho.cli.figures import FigureFolder, FigureFormat, Figures, FigureStyle, FigureWidth
from mho.cli.map import FIGURES
from mho.cli.measured import reads_pulses
from mho.cli.verbs import as_verb
from mho.errors import InvalidValue, WrongUse
from mho.files import check_place

if TYPE_CHECKING:
    from mho.devices import Device
    from mho.measurements import Format
    from mho.testing import DeviceReport

device = typer.Typer(
    help="Devices: check a law, draw what pulses do to it, fit laws to measured pulses.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
device.command()(as_verb(fit, progress=True))
device.command()(as_verb(compare, progress=True))
device.command()(as_verb(advise, progress=True))
device.command()(as_verb(improve, progress=True))


@reads_pulses
def check(
    name: Named,
    seed: Annotated[int, typer.Option(help="Of the cells that are drawn.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
    *,
    form: Format | None,
) -> None:
    """Check that a law and its effects do what arrays need of them, and measure the law.

    Values are finite up to the bounds, up pulses do not lower a weight, arrays
    keep their bounds, devices that are stuck do not move, and compiled code
    equals interpreted code. What breaks a rule is reported with its file and
    line.

    Examples: mho device check SoftBounds; mho device check reram_es; mho
    device check my_devices:Ferro.
    """
    made = find_device_shown(name, form)

    from mho.testing import check_device

    report = check_device(made, seed=seed)
    if as_json:
        print(json.dumps(dataclasses.asdict(report)))
    else:
        print(_describe(report, made))


@reads_pulses
def plot(
    name: Named,
    out: Annotated[Path | None, typer.Option(help="File for all three figures together; .png, .svg or .pdf.")] = None,
    figures: FigureFolder = None,
    picture: FigureFormat = "png",
    style: FigureStyle = "page",
    width: FigureWidth = None,
    cells: Annotated[int, typer.Option(help="Cells that are pulsed.")] = 500,
    pulses: Annotated[
        int | None, typer.Option(help="Of each direction (default: 1.5 times the number of states).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the cells and their noise.")] = 0,
    *,
    form: Format | None,
) -> None:
    """Draw a device: weights under up and down pulses, steps against the state, symmetry points.

    Cells are driven from their lower bound up and then down, with the spread
    and the noise of the law. Steps are those without noise. Give --out, or
    --figures, or both.

    Examples: mho device plot SoftBounds --out soft.png; mho device plot
    mine.toml --out mine.svg --pulses 400; mho device plot reram_es --figures
    figures --format pdf --style paper.
    """
    drawn = Figures(folder=figures, format=picture, style=style, width=width)
    if out is None and figures is None:
        raise InvalidValue("name what to write: --out FILE for one file, or --figures DIR for a file of each figure")
    if out is not None and out.suffix.lower() not in FIGURES:
        raise InvalidValue(f"--out {out}: name a file that ends in {', '.join(FIGURES)}")
    check_place(out)
    made = find_device_shown(name, form)

    from mho.report import device_gallery, save_device
    from mho.testing import pulse_response

    response = pulse_response(made, cells=cells, pulses=pulses, seed=seed)
    if out is not None:
        save_device(response, out)
        print(f"figure {out}")
    drawn.save(device_gallery(response))


@reads_pulses
def toml(
    name: Named,
    out: Annotated[Path | None, typer.Option(help="File to write (default: standard output).")] = None,
    *,
    form: Format | None,
) -> None:
    """Write a device as a device file, which mho train --device takes and you may edit.

    A published device comes with its source, and with what its numbers were
    converted from, as comments.

    Examples: mho device toml reram_es --out reram_es.toml; mho device toml
    SoftBounds.
    """
    from mho.files import write_atomically
    from mho.presets import DEVICES, device_toml
    from mho.tables import table_of
    from mho.toml_files import write_toml

    if out is not None and out.exists():
        raise WrongUse(f"{out} exists; give another --out, or delete it")
    check_place(out)
    made = find_device_shown(name, form)
    text = device_toml(name) if name in DEVICES else write_toml({"device": table_of(made)})
    if out is None:
        print(text, end="")
        return
    write_atomically(out, text.encode())
    print(f"device {out}")


def _describe(report: DeviceReport, made: Device) -> str:
    """Return the report, one measure a line."""
    lines = {
        "states": f"{report.states:.4g} (range over the mean step in the middle)",
        "steps in the middle": f"{report.step_up:+.4g} up, {-report.step_down:+.4g} down",
        "asymmetry": f"{report.asymmetry:+.3g} (their difference over their mean)",
        "symmetry point": report.symmetry,
        "several pulses": "closed form" if report.closed_form else "pulse by pulse",
        "speed": f"{report.pulses_per_second:.2g} pulses per second on one core",
    }
    if made.conductance is not None:
        in_unit = made.conductance.for_axes()
        step = in_unit.unit * (report.step_up + report.step_down) / 2
        lines["conductance"] = f"{conductance_range(made)}, a step of {step:.3g} {in_unit.name}"
    measured = [f"  {name:<20} {text}" for name, text in lines.items()]
    return "\n".join(
        [f"{report.law} passes every check of a law", *measured, *(f"note: {text}" for text in report.remarks)]
    )


for verb in (check, plot, toml):
    device.command()(as_verb(verb, progress=True))
