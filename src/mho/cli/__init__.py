"""The command line: one file a verb."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated

import typer

from mho.cli.bench import bench
from mho.cli.compare import compare
from mho.cli.config import config
from mho.cli.data import data
from mho.cli.device import device
from mho.cli.export import export
from mho.cli.learn import learn
from mho.cli.map import map_
from mho.cli.report import report
from mho.cli.reproduce import reproduce
from mho.cli.sweep import sweep
from mho.cli.train import train
from mho.cli.verbs import SettingVerb, as_verb
from mho.errors import MhoError, show_warning
from mho.spoken import at_the_shell

app = typer.Typer(
    help="Train neural networks on the physics of resistive cross-point arrays.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (train, reproduce, sweep, report, compare, export, config, bench):
    kind = SettingVerb if verb in (train, sweep) else None
    app.command(cls=kind)(as_verb(verb, progress=verb in (train, reproduce, sweep, bench)))
app.command("map", cls=SettingVerb)(as_verb(map_))
app.add_typer(data, name="data")
app.add_typer(device, name="device")
app.add_typer(learn, name="learn")


def _show_version(wanted: bool) -> None:
    if wanted:
        import mho

        print(f"mho {mho.__version__}, physics version {mho.PHYSICS_VERSION}")
        raise typer.Exit


@app.callback()
def verbs(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the versions of mho and of its physics: runs of equal physics can be compared bit for bit.",
        ),
    ] = False,
) -> None:
    """Train neural networks on the physics of resistive cross-point arrays."""


def main() -> None:
    """Run the command line; a user's mistake ends in one message and exit status 1, a warning is one line.

    Users' own laws are looked for in the working directory too.
    """
    sys.path.append(os.getcwd())
    try:
        with warnings.catch_warnings(), at_the_shell():
            warnings.showwarning = show_warning  # type: ignore[assignment]
            app(prog_name="mho")
    except MhoError as error:
        sys.exit(f"mho: {error}")
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        sys.exit(f"mho: cannot use{place}: {error.strerror or error}; check that it exists, is writable and has room")
