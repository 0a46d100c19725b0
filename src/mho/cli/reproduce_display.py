"""Display of mho reproduce: bars while it trains, the verdicts, the list of curves."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import final

from rich.console import Console
from rich.progress import track
from rich.table import Table

from mho.cli.epoch_bars import WHOLE, EpochBars
from mho.compiler.listeners import on_compile
from mho.errors import InvalidValue, WrongUse
from mho.intervals import MEANING
from mho.papers import Paper
from mho.papers.jobs import Job, Scale, jobs
from mho.papers.records import Record, read_records, valid_records
from mho.papers.reproduction import Reproduction
from mho.papers.shown import UNAVAILABLE
from mho.papers.study import Study
from mho.papers.verdicts import Verdict
from mho.runs.state import State

WIDE = 110
"""Columns of a terminal that has room for labels."""
SOURCES = "[r] recalled, [p] printed, [c] our own number or aim"
FIRM = ("curve", "results")
"""Columns of a list whose words stay on one line."""


@final
class ReproduceDisplay:
    """A bar a curve and one for the whole on a terminal; one line an epoch elsewhere."""

    def __init__(self, work: Reproduction) -> None:
        self.work, self.bars = work, EpochBars()
        self.missing: list[Job] = []
        self.states: dict[str, State] = {}
        self.told: dict[str, int] = {}

    def __enter__(self) -> ReproduceDisplay:
        self.bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._update()
        self.bars.__exit__(kind, error, trace)

    def say(self, text: str) -> None:
        """Print a line for the reader."""
        self.bars.say(text)

    def start(self, missing: list[Job]) -> None:
        """Show what is done already, and what is to come."""
        self.missing = missing
        for one in self.work.jobs:
            self.states[one.name] = self.work.state(one)
            self.told[one.name] = self.states[one.name].epoch
        done = len(self.work.jobs) - len(missing)
        already = f", {done} done before" if done else ""
        self.say(f"{self.work.paper.name}: {len(self.work.curves)} curves, {len(self.work.jobs)} runs{already}")
        if missing:
            self.say("the first runs may compile kernels")
        self._update()

    def tick(self) -> None:
        """Read how far the runs are, at most twice a second."""
        if self.bars.due():
            self._update()

    def end(self, one: Job) -> None:
        """Show that a run has ended."""
        if one.name in self.work.faults:
            self.say(f"{one.curve}, seed {one.seed}: failed: {self.work.faults[one.name]}")
        self._update()

    def _update(self) -> None:
        for one in self.missing:
            state = self.states[one.name] = self.work.state(one)
            if not self.bars.live:
                for line in state.metrics[self.told[one.name] :]:
                    place = f"{one.curve}, seed {one.seed}, epoch {line['epoch']}/{self.work.epochs(one)}"
                    self.say(f"{place}: {', '.join([self._value(one.curve, [line]), *_speeds(line)])}")
            self.told[one.name] = state.epoch
        whole = 0.0
        for curve in self.work.curves:
            mine = [one for one in self.work.jobs if one.curve == curve]
            done = sum(self.states[one.name].done(self.work.epochs(one)) for one in mine)
            whole += done
            lines = [self.states[one.name].metrics[-1] for one in mine if self.states[one.name].metrics]
            total = sum(self.work.epochs(one) for one in mine)
            self.bars.show(curve, done=done, total=total, told=self._value(curve, lines))
        self.bars.show(WHOLE, done=whole, total=sum(self.work.epochs(one) for one in self.work.jobs))

    def _value(self, curve: str, lines: Sequence[Mapping[str, float]]) -> str:
        """Return the mean of the quantity of a curve over some lines, with its name and unit."""
        quantity = self.work.paper.expected.curves[curve].quantity
        values = [line[quantity.name] for line in lines if quantity.name in line]
        if not values:
            return ""
        return f"{quantity.label} {quantity.show(sum(values) / len(values))} {quantity.unit}".strip()


def _speeds(line: Mapping[str, float]) -> list[str]:
    """Return the speeds of a line of metrics, such as images/s of `images_per_second`."""
    ending = "_per_second"
    return [
        f"{value:,.0f} {name.removesuffix(ending).replace('_', ' ')}/s"
        for name, value in line.items()
        if name.endswith(ending) and isinstance(value, (int, float))
    ]


def show_verdicts(paper: Paper, verdicts: Sequence[Verdict], scale: Scale) -> None:
    """Print the verdicts as a table."""
    expected = paper.expected
    quantities = list(dict.fromkeys(verdict.expected.quantity for verdict in verdicts))
    words = ", ".join(quantity.words for quantity in quantities)
    title = f"{paper.name}: {words}, {expected.span}"
    if scale.quick:
        title = f"{paper.name}, quick: {words} after a short training; only some curves can be judged by it"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("curve", "measured", "seeds", "paper", "verdict"):
        right, firm = heading in ("measured", "seeds"), heading in ("curve", "seeds")
        table.add_column(heading, justify="right" if right else "left", no_wrap=firm)
    for verdict in verdicts:
        mine = verdict.measured
        measured = "not trained" if mine is None else str(mine)
        if mine is not None and not mine.whole:
            span = f"{mine.epochs[0]} to {mine.epochs[1]}" if mine.epochs[0] < mine.epochs[1] else f"{mine.epochs[1]}"
            measured += f" (epoch {span})" if mine.epochs[0] == mine.epochs[1] else f" (epochs {span})"
        mark = {True: "[green]yes[/]", False: "[red]NO[/]", None: ""}[verdict.kept]
        if mine is not None and len(quantities) > 1:
            measured = f"{mine.quantity.label} {measured} {mine.quantity.unit}".strip()
        table.add_row(
            verdict.curve,
            measured,
            "" if mine is None else str(mine.seeds),
            expected.paper(verdict.curve).replace("[", "\\["),
            f"{mark} {verdict.words}".strip() if mine is not None else "",
        )
    console = Console()
    untrained = sum(verdict.measured is None for verdict in verdicts)
    if untrained:
        console.print(f"{untrained} of {len(verdicts)} curves are not trained", highlight=False)
    console.print(table)
    if not expected.numbers_available:
        console.print(f"The numbers are {UNAVAILABLE}.")
    if any(verdict.measured is not None and verdict.measured.seeds > 1 for verdict in verdicts):
        console.print(MEANING, highlight=False)
    console.print(SOURCES, highlight=False, markup=False)


def show_list(
    paper: Paper, curves: Sequence[str], scale: Scale, folder: Path, *, data_dir: Path | None, timed: bool
) -> None:
    """Print the curves of a paper by the names to type, and what there is of each: results with mho, and finished runs.

    Args:
        paper: the paper.
        curves: names of its curves.
        scale: how much of each is trained.
        folder: of the runs of `mho reproduce`, which need not exist.
        data_dir: folder with the data set's files, for `timed`.
        timed: whether the time of the runs that are not done is measured; else nothing is trained, and no data are
            needed.
    """
    expected, planned = paper.expected, jobs(paper, curves, scale)
    work = None
    with contextlib.suppress(WrongUse, InvalidValue):  # a folder of others has nothing of ours
        work = Reproduction(paper, curves, scale, folder)
    states = {one.name: work.state(one) for one in planned} if work is not None else {}
    included = valid_records(read_records(paper.results)) if scale.kind == "results" else {}
    done = {
        name: sum(
            one.name in states and states[one.name].epoch >= one.study.epochs for one in planned if one.curve == name
        )
        for name in curves
    }
    seconds = _times(paper, curves, planned, states, data_dir) if timed else {}
    numbers = sorted({one.study.epochs for one in planned})
    epochs = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
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
            "time": _duration(seconds.get(name, 0.0)),
        }
        table.add_row(*(cells[heading] for heading in headings))
    console.print(table)
    for line in _below(paper, curves, included, done, scale, epochs):
        console.print(line, markup=False, soft_wrap=not console.is_terminal)
    if timed:
        console.print(f"time: of the runs not yet done, on one core; {_duration(sum(seconds.values()))} in all")
    console.print()


def _results(record: Record | None, done: int, seeds: int) -> str:
    """Return what there is of a curve: results that come with mho, and runs that are done in the folder."""
    words = []
    if record is not None:
        count = len(record.seeds)
        words.append(f"included, {count} seed{'s' if count > 1 else ''}")
    if done or record is None:
        words.append(f"{done} of {seeds} done" if done else "not trained")
    return "; ".join(words)


def _below(
    paper: Paper,
    curves: Sequence[str],
    included: Mapping[str, Record],
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
        lines.append(f"{untrained} of {len(curves)} curves are not trained; {epochs} epochs each")
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


def _duration(seconds: float) -> str:
    if math.isnan(seconds):
        return "unknown"
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
