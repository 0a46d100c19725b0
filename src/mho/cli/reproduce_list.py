"""The list of mho reproduce: curves by the names to type, and what results there are of each.

Where no run has begun it needs neither the curves' modules nor torch.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track
from rich.table import Table

from mho.compiler.listeners import on_compile
from mho.errors import InvalidValue, WrongUse
from mho.papers import Paper
from mho.papers.records import Included, read_included
from mho.papers.scale import Scale
from mho.text import duration

if TYPE_CHECKING:
    from mho.papers.jobs import Job
    from mho.papers.study import Study
    from mho.runs.folder import State

WIDE = 110
"""Columns of a terminal that has room for labels."""
SOURCES = "[r] recalled, [p] printed, [c] our own number or aim"
FIRM = ("curve", "results")
"""Columns of a list whose words stay on one line."""


def show_list(
    paper: Paper, curves: Sequence[str], scale: Scale, folder: Path, *, data_dir: Path | None, timed: bool
) -> None:
    """Print the curves of a paper by the names to type, and what there is of each: results with mho, and finished runs.

    Args:
        paper: the paper.
        curves: names of its curves.
        scale: how much of each is trained.
        folder: folder of the runs of `mho reproduce`, which need not exist.
        data_dir: folder with the data set's files, for `timed`.
        timed: whether the time of the runs that are not done is measured; else nothing is trained, and no data are
            needed.
    """
    expected, included = paper.expected, dict[str, Included]()
    if scale.kind == "results":
        included = {name: one for name, one in read_included(paper.results).items() if one.valid}
    done, seconds, epochs = dict.fromkeys(curves, 0), dict[str, float](), ""
    if timed or folder.exists() or scale != Scale(seeds=scale.seeds):  # else no run can be done
        done, seconds, epochs = _of_runs(paper, curves, scale, folder, data_dir=data_dir, timed=timed)
    console = Console(highlight=False)
    console.print(f"[bold]{paper.name}[/]: {expected.title}", soft_wrap=not console.is_terminal)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    headings = ["curve", "results", "paper", "figures", "label", *(["time"] if timed else [])]
    if console.width < WIDE:
        headings.remove("label")
    for heading in headings:
        table.add_column(heading, justify="right" if heading == "time" else "left", no_wrap=heading in FIRM)
    for name in curves:
        cells = {
            "curve": name,
            "results": _results(included.get(name), done[name], scale.seeds),
            "paper": expected.paper(name).replace("[", "\\["),
            "figures": ", ".join(expected.figures_of(name)),
            "label": expected.curves[name].label,
            "time": duration(seconds.get(name, 0.0), rough=True),
        }
        table.add_row(*(cells[heading] for heading in headings))
    console.print(table)
    for line in _below(paper, curves, included, done, scale, epochs):
        console.print(line, markup=False, soft_wrap=not console.is_terminal)
    if timed:
        console.print(
            f"time: of the runs not yet done, on one core; {duration(sum(seconds.values()), rough=True)} in all"
        )
    console.print()


def _of_runs(
    paper: Paper, curves: Sequence[str], scale: Scale, folder: Path, *, data_dir: Path | None, timed: bool
) -> tuple[dict[str, int], dict[str, float], str]:
    """Return how many runs of each curve are done, the seconds that the others take, and the epochs in words."""
    from mho.papers.jobs import jobs
    from mho.papers.reproduction import Reproduction

    planned, work = jobs(paper, curves, scale), None
    with contextlib.suppress(WrongUse, InvalidValue):  # a folder of others has nothing of ours
        work = Reproduction(paper, curves, scale, folder)
    states = {one.name: work.state(one) for one in planned} if work is not None else {}
    done = {
        name: sum(
            one.name in states and states[one.name].epoch >= one.study.epochs for one in planned if one.curve == name
        )
        for name in curves
    }
    seconds = _times(paper, curves, planned, states, data_dir) if timed else {}
    numbers = sorted({one.study.epochs for one in planned})
    return done, seconds, f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _results(record: Included | None, done: int, seeds: int) -> str:
    """Return what there is of a curve: results that come with mho, and runs that are done in the folder."""
    words = []
    if record is not None:
        count = record.seeds
        words.append(f"included, {count} seed{'s' if count > 1 else ''}")
    if done or record is None:
        words.append(f"{done} of {seeds} done" if done else "not trained")
    return "; ".join(words)


def _below(
    paper: Paper,
    curves: Sequence[str],
    included: Mapping[str, Included],
    done: Mapping[str, int],
    scale: Scale,
    epochs: str,
) -> list[str]:
    """Return the lines below a list: what is there, the figures, and what to type."""
    here = sum(name in included for name in curves)
    begun = [name for name in curves if done[name]]
    lines = []
    if here:
        lines.append(
            f"results of {here} of {len(curves)} curves are included: mho reproduce {paper.name} --from-results"
        )
    if begun:
        lines.append(f"{sum(done.values())} of {len(curves) * scale.seeds} runs are done in the folder")
    untrained = len([name for name in curves if name not in included and not done[name]])
    if untrained:
        lines.append(
            f"{untrained} of {len(curves)} curves are not trained" + (f"; {epochs} epochs each" if epochs else "")
        )
    figures = paper.expected.figures
    shown = [name for name, figure in figures.items() if set(figure.curves) <= set(curves)]
    for name in shown:
        figure = figures[name]
        lines.append(f"  --figure {name}: {figure.title}" + (f" (figure {figure.paper})" if figure.paper else ""))
    words = f"--figure {shown[0]}, or --curve {curves[0]}" if shown else f"--curve {curves[0]}"
    return [*lines, f"train them: mho reproduce {paper.name} {words}", SOURCES]


def _times(
    paper: Paper, curves: Sequence[str], planned: Sequence[Job], states: Mapping[str, State], data_dir: Path | None
) -> dict[str, float]:
    """Measure the seconds that the runs of each curve still take on one core."""
    import torch

    from mho.papers.records import read_records

    torch.set_num_threads(1)
    aside, records, seconds = Console(stderr=True), read_records(paper.results), dict[str, float]()
    on_compile.append(aside.print)
    try:
        for name in track(curves, "timing", console=aside, transient=True):
            mine = [one for one in planned if one.curve == name]
            known = [states[one.name] for one in mine if one.name in states]
            epochs = mine[0].study.epochs
            left = len(mine) * epochs - sum(min(state.epoch, epochs) for state in known)
            lines = [line for state in known for line in state.metrics]
            lines += [] if name not in records else itertools.chain(*records[name].seeds.values())
            seconds[name] = left * _seconds_an_epoch(mine[0].study, data_dir, lines) if left else 0.0
    finally:
        on_compile.remove(aside.print)
    return seconds


def _seconds_an_epoch(study: Study, data_dir: Path | None, lines: Sequence[Mapping[str, float]]) -> float:
    """Estimate the seconds of an epoch; where the study cannot, from epochs that are done; else not a number."""
    estimate = study.seconds_an_epoch(data_dir)
    if estimate is None and lines:
        estimate = sum(line["seconds"] for line in lines) / len(lines)
    return math.nan if estimate is None else estimate
