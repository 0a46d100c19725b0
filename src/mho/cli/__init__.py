"""The command line: one file a verb."""

from __future__ import annotations

import os
import sys
import warnings

import typer

from mho.cli.bench import bench
from mho.cli.compare import compare
from mho.cli.data import data
from mho.cli.device import device
from mho.cli.export import export
from mho.cli.learn import learn
from mho.cli.map import map_
from mho.cli.report import report
from mho.cli.reproduce import reproduce
from mho.cli.sweep import sweep
from mho.cli.train import train
from mho.errors import MhoError, show_warning

app = typer.Typer(
    help="Train neural networks on the physics of resistive cross-point arrays.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (train, reproduce, sweep, report, compare, export, bench):
    app.command()(verb)
app.command("map")(map_)
app.add_typer(data, name="data")
app.add_typer(device, name="device")
app.add_typer(learn, name="learn")


@app.callback()
def verbs() -> None:
    """Keeps verbs as words of their own, however many there are."""


def main() -> None:
    """Run the command line; a user's mistake ends in one message and exit status 1, a warning is one line.

    Users' own laws are looked for in the working directory too.
    """
    sys.path.append(os.getcwd())
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning  # type: ignore[assignment]
            app()
    except MhoError as error:
        sys.exit(f"mho: {error}")
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        sys.exit(f"mho: cannot use{place}: {error.strerror or error}; check that it exists, is writable and has room")
