"""mho report: the page of a run or a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mho.errors import InvalidValue


def report(
    folder: Annotated[Path, typer.Argument(help="A folder, as mho train or mho sweep makes it.")],
) -> None:
    """Write report.html anew: of a run its error curves, spec, arrays and counters; of a sweep errors by value."""
    if not folder.is_dir():
        raise InvalidValue(f"{folder} is no folder; give the folder that mho train or mho sweep named")
    from mho.report import is_sweep, write_report, write_sweep_report

    head = folder.absolute().parent.parent / "reproduce.json"
    if head.exists() and not (folder / "config.toml").exists():
        raise InvalidValue(
            f"{folder} is a run of mho reproduce with a training of its own; the page of its paper, {head.parent}/"
            "report.html, is written by mho reproduce"
        )
    if not any((folder / name).exists() for name in ("config.toml", "metrics.jsonl", "sweep.toml")):
        raise InvalidValue(
            f"{folder} is no run folder: it has neither config.toml nor sweep.toml; give the folder that mho train or "
            "mho sweep named"
        )
    print(write_sweep_report(folder) if is_sweep(folder) else write_report(folder))
