"""mho report: the page of a run, a sweep or a reproduced paper, and its figures as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mho.cli.figures import FigureFolder, FigureFormat, Figures, FigureStyle, FigureWidth
from mho.errors import InvalidValue


def report(
    folder: Annotated[
        Path, typer.Argument(help="A folder, as mho train, mho sweep or mho reproduce makes it.", metavar="DIR")
    ],
    figures: FigureFolder = None,
    form: FigureFormat = "png",
    style: FigureStyle = "page",
    width: FigureWidth = None,
) -> None:
    """Write the page of DIR anew, report.html, and with --figures its figures as files of their own.

    The page has of a run its error curves, settings, arrays and counters; of a
    sweep its errors by value; of a paper its curves beside the paper's numbers.
    Each figure comes with its numbers as CSV. For a paper:

    mho report runs/lenet-1 --figures figures --format pdf --style paper
    """
    shown = Figures(folder=figures, format=form, style=style, width=width)
    if not folder.is_dir():
        raise InvalidValue(f"{folder} is no folder; give the folder that mho train, mho sweep or mho reproduce named")
    from mho.papers.page import is_reproduction, write_reproduction_page
    from mho.report import is_sweep, write_report, write_sweep_report
    from mho.runs.folder import CONFIG, METRICS
    from mho.runs.sweep import SPEC

    above = folder.absolute().parent.parent
    if is_reproduction(above) and not (folder / CONFIG).exists():
        raise InvalidValue(
            f"{folder} is a run of mho reproduce with a training of its own; for the page of its paper write: mho "
            f"report {above}"
        )
    if not is_reproduction(folder) and not any((folder / name).exists() for name in (CONFIG, METRICS, SPEC)):
        raise InvalidValue(
            f"{folder} is no run folder: it has neither {CONFIG} nor {SPEC}; give the folder that mho train, "
            "mho sweep or mho reproduce named"
        )
    with shown.written():
        kinds = [(is_reproduction, write_reproduction_page), (is_sweep, write_sweep_report)]
        write = next((write for is_kind, write in kinds if is_kind(folder)), write_report)
        print(write(folder))
