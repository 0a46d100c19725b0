"""mho device: device laws and device files, checked and drawn."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mho.cli.configs import is_pulses, read_device
from mho.cli.device_advise import advise
from mho.cli.device_compare import compare, conductance_range
from mho.cli.device_fit import find_laws, fit, fit_shown
from mho.cli.device_improve import improve
from mho.cli.map import FIGURES
from mho.cli.measured import show_reading
from mho.devices import LAWS
from mho.errors import InvalidValue, WrongUse
from mho.presets import DEVICES

if TYPE_CHECKING:
    from mho.devices import Device
    from mho.testing import DeviceReport

device = typer.Typer(
    help="Devices: check a law, draw what pulses do to it, fit laws to measured pulses.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
device.command()(fit)
device.command()(compare)
device.command()(advise)
device.command()(improve)
Named = Annotated[
    str,
    typer.Argument(
        metavar="DEVICE",
        help=f"A law ({', '.join(name for name, law in LAWS.items() if law.pulse_driven)}), your own as "
        f"module:Class, a published device ({', '.join(DEVICES)}), a TOML file: one with a section device, or only "
        "what stands in it; pulses (.csv, .txt, .tsv, .dat), to which laws are fitted; or jump tables or their folder.",
    ),
]


@device.command()
def check(
    name: Named,
    seed: Annotated[int, typer.Option(help="Of the cells that are drawn.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """Check that a law and its effects keep the contract, and measure the law.

    Values are finite up to the bounds, up pulses do not lower a weight, arrays
    keep their bounds, devices that are stuck do not move, and compiled code
    equals interpreted code. What breaks a rule is reported with its file and
    line.

    Examples: mho device check SoftBounds; mho device check reram_es; mho
    device check my_devices:Ferro.
    """
    made = find_device(name)

    from mho.testing import check_device

    report = check_device(made, seed=seed)
    if as_json:
        print(json.dumps(dataclasses.asdict(report)))
    else:
        print(_describe(report, made))


@device.command()
def plot(
    name: Named,
    out: Annotated[Path, typer.Option(help="Figure to write; .png, .svg or .pdf.")],
    cells: Annotated[int, typer.Option(help="Cells that are pulsed.")] = 500,
    pulses: Annotated[
        int | None, typer.Option(help="Of each direction (default: 1.5 times the number of states).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the cells and their noise.")] = 0,
) -> None:
    """Draw a device: weights under up and down pulses, steps against the state, symmetry points.

    Cells are driven from their lower bound up and then down, with the spread
    and the noise of the law. Steps are those without noise.

    Examples: mho device plot SoftBounds --out soft.png; mho device plot
    mine.toml --out mine.svg --pulses 400.
    """
    if out.suffix.lower() not in FIGURES:
        raise InvalidValue(f"--out {out}: name a file that ends in {', '.join(FIGURES)}")
    made = find_device(name)

    from mho.report import save_device
    from mho.testing import pulse_response

    save_device(pulse_response(made, cells=cells, pulses=pulses, seed=seed), out)
    print(f"figure {out}")


@device.command()
def toml(
    name: Named,
    out: Annotated[Path | None, typer.Option(help="File to write (default: standard output).")] = None,
) -> None:
    """Write a device as a device file, which mho train --device takes and you may edit.

    A published device comes with its source, and with what its numbers were
    converted from, as comments.

    Examples: mho device toml reram_es --out reram_es.toml; mho device toml
    SoftBounds.
    """
    from mho.config import write_toml
    from mho.files import write_atomically
    from mho.presets import device_toml

    text = device_toml(name) if name in DEVICES else write_toml({"device": read_device(name)})
    if out is None:
        print(text, end="")
        return
    if out.exists():
        raise WrongUse(f"{out} exists; give another --out, or delete it")
    write_atomically(out, text.encode())
    print(f"device {out}")


def find_device(name: str) -> Device:
    """Return a device by what the command line says.

    As `read_device`; or by a file of pulses, to which laws are fitted; or by jump tables, which are a device.
    """
    from mho.config import device_from_table

    if not is_measured(name):
        return device_from_table(read_device(name))

    from mho.measurements import Measurement, read_measured
    from mho.measurements.jump_table_device import jump_table_device

    measured = read_measured(Path(name))
    if not isinstance(measured, Measurement):
        return jump_table_device(measured)[0]
    show_reading(measured)
    return fit_shown(measured, find_laws(None)).best.device


def is_measured(name: str) -> bool:
    """Return whether the command line names measurements: a file of pulses or jump tables, or a folder of these."""
    return is_pulses(name) or (name not in LAWS and name not in DEVICES and Path(name).is_dir())


def _describe(report: DeviceReport, made: Device) -> str:
    """The report, one measure a line."""
    lines = {
        "states": f"{report.states:.4g} (range over the mean step in the middle)",
        "steps in the middle": f"{report.step_up:+.4g} up, {-report.step_down:+.4g} down",
        "asymmetry": f"{report.asymmetry:+.3g} (their difference over their mean)",
        "symmetry point": report.symmetry,
        "several pulses": "closed form" if report.closed_form else "pulse by pulse",
        "speed": f"{report.pulses_per_second:.2g} pulses a second, one core",
    }
    if made.conductance is not None:
        in_unit = made.conductance.for_axes()
        step = in_unit.unit * (report.step_up + report.step_down) / 2
        lines["conductance"] = f"{conductance_range(made)}, a step of {step:.3g} {in_unit.name}"
    measured = [f"  {name:<20} {text}" for name, text in lines.items()]
    return "\n".join([f"{report.law} keeps the contract", *measured, *(f"note: {text}" for text in report.remarks)])
