"""mho report: the page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mho.errors import InvalidValue


def report(
    folder: Annotated[Path, typer.Argument(help="A run folder, as mho train makes it.")],
) -> None:
    """Write report.html anew from a run folder: error curves, spec, arrays, counters."""
    if not folder.is_dir():
        raise InvalidValue(f"{folder} is no folder; give the run folder that mho train named")
    from mho.report import write_report

    print(write_report(folder))
