"""mho data: the data sets that mho knows, and where they are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mho.cli import names
from mho.cli.verbs import as_verb
from mho.errors import DataMissing

data = typer.Typer(help="Data sets: list them, fetch them.", no_args_is_help=True)


@data.command("list")
def list_() -> None:
    """List the data sets by name, with the shape of an example, and whether they are on this machine."""
    from mho.data import DATA_SETS, FILE_FORMATS

    for name, source in DATA_SETS.items():
        place = "comes with mho"
        if source.folder:
            place, fetched = "on this machine", f"mho data fetch {name}"
            if not source.here(None):
                place = f"not on this machine: {fetched}"
            elif missing := source.missing(None):
                place += f": {missing}; the whole: {fetched}"
        print(f"{name:<14} {'×'.join(map(str, source.example)):<8} {place}")
    for prefix, known in FILE_FORMATS.items():
        column = "[:COLUMN]" if known.column else ""
        print(f"{prefix + ':FILE' + column:<23} your own, a file such as mine{known.ending}")
    print(f"{'module:function':<23} your own, a function that returns ((x_train, y_train), (x_test, y_test))")


def fetch(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="mnist, fashion_mnist, cifar10, cifar10_part.",
            autocompletion=names.complete(names.data_sets),
        ),
    ],
    data_dir: Annotated[
        Path | None, typer.Option(help="Check the files of this folder, in place of $MHO_DATA, cache and download.")
    ] = None,
) -> None:
    """Download data sets to the user's cache, unless they are on this machine, and check their files.

    Example: mho data fetch mnist fashion_mnist.
    """
    from mho.data import fetch as fetched

    missing = []
    for name in names:
        try:
            found = fetched(name, data_dir)
        except DataMissing as error:
            missing.append(str(error))
            print(f"mho: {error}", file=sys.stderr)
            continue
        shape = "×".join(map(str, found.x_train.shape[1:]))
        print(f"{name}: {len(found.x_train):,} examples {shape} for training, {len(found.x_test):,} for the test")
    if missing:
        raise typer.Exit(1)


data.command()(as_verb(fetch))
