"""Display of mho reproduce: bars while it trains, the verdicts, the list of curves."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import final

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, track
from rich.table import Table

from mho.bar import progress_console
from mho.compiler.listeners import on_compile
from mho.errors import InvalidValue, WrongUse
from mho.papers import Paper
from mho.papers.jobs import Job, Scale, jobs
from mho.papers.records import read_records
from mho.papers.reproduction import Reproduction
from mho.papers.run_folder import State
from mho.papers.shown import UNAVAILABLE
from mho.papers.study import Study
from mho.papers.verdicts import Verdict

REFRESH = 0.5
WIDE = 110
"""Columns of a terminal that has room for labels."""


@final
class ReproduceDisplay:
    """A bar a curve and one for the whole on a terminal; one line an epoch elsewhere."""

    def __init__(self, work: Reproduction) -> None:
        self.work = work
        self.console = progress_console()
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(),
            console=self.console,
            refresh_per_second=2,
        )
        self.missing: list[Job] = []
        self.states: dict[str, State] = {}
        self.told: dict[str, int] = {}
        self.tasks: dict[str, TaskID] = {}
        self.shown = 0.0

    def __enter__(self) -> ReproduceDisplay:
        if self.console.is_terminal:
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._update()
        self.bars.stop()

    def say(self, text: str) -> None:
        """Print a line for the reader."""
        self.console.print(text, highlight=False, soft_wrap=True)

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
        for curve in self.work.curves:
            total = sum(self.work.epochs(one) for one in self._jobs(curve))
            self.tasks[curve] = self.bars.add_task(curve, total=total, told="")
        total = sum(self.work.epochs(one) for one in self.work.jobs)
        self.tasks[""] = self.bars.add_task("the whole", total=total, told="")
        self._update()

    def tick(self) -> None:
        """Read how far the runs are, at most twice a second."""
        now = time.monotonic()
        if now - self.shown >= REFRESH:
            self.shown = now
            self._update()

    def end(self, one: Job) -> None:
        """Show that a run has ended."""
        if one.name in self.work.faults:
            self.say(f"{one.curve}, seed {one.seed}: failed: {self.work.faults[one.name]}")
        self._update()

    def _jobs(self, curve: str) -> list[Job]:
        return [one for one in self.work.jobs if one.curve == curve]

    def _update(self) -> None:
        for one in self.missing:
            state = self.states[one.name] = self.work.state(one)
            if not self.console.is_terminal:
                for line in state.metrics[self.told[one.name] :]:
                    place = f"{one.curve}, seed {one.seed}, epoch {line['epoch']}/{self.work.epochs(one)}"
                    self.say(f"{place}: {', '.join([self._value(one.curve, [line]), *_speeds(line)])}")
            self.told[one.name] = state.epoch
        whole = 0.0
        for curve in self.work.curves:
            mine = self._jobs(curve)
            done = sum(self._epochs(one) for one in mine)
            whole += done
            lines = [self.states[one.name].metrics[-1] for one in mine if self.states[one.name].metrics]
            self.bars.update(self.tasks[curve], completed=done, told=self._value(curve, lines))
        self.bars.update(self.tasks[""], completed=whole)

    def _value(self, curve: str, lines: Sequence[Mapping[str, float]]) -> str:
        """Return the mean of the quantity of a curve over some lines, with its name and unit."""
        quantity = self.work.paper.expected.curves[curve].quantity
        values = [line[quantity.name] for line in lines if quantity.name in line]
        if not values:
            return ""
        return f"{quantity.label} {quantity.show(sum(values) / len(values))} {quantity.unit}".strip()

    def _epochs(self, one: Job) -> float:
        """Return the epochs of a run that are done, the present one in part; not more than are asked for."""
        state = self.states[one.name]
        return min(state.epoch + state.fraction, float(self.work.epochs(one)))


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
    table = Table(title=title, title_justify="left")
    for heading in ("curve", "paper", "measured", "verdict"):
        table.add_column(heading, justify="right" if heading == "measured" else "left", no_wrap=heading == "curve")
    for verdict in verdicts:
        mine = verdict.measured
        measured = "–" if mine is None else str(mine)
        if mine is not None and mine.seeds > 1:
            measured += f" ({mine.seeds} seeds)"
        if mine is not None and not mine.whole:
            span = f"{mine.epochs[0]} to {mine.epochs[1]}" if mine.epochs[0] < mine.epochs[1] else f"{mine.epochs[1]}"
            measured += f" (epoch {span})" if mine.epochs[0] == mine.epochs[1] else f" (epochs {span})"
        mark = {True: "[green]yes[/]", False: "[red]NO[/]", None: ""}[verdict.kept]
        if mine is not None and len(quantities) > 1:
            measured = f"{mine.quantity.label} {measured} {mine.quantity.unit}".strip()
        table.add_row(
            verdict.curve,
            expected.paper(verdict.curve).replace("[", "\\["),
            measured,
            f"{mark} {verdict.words}".strip(),
        )
    console = Console()
    console.print(table)
    if not expected.numbers_available:
        console.print(f"The numbers are {UNAVAILABLE}.")
    console.print(
        "±: standard deviation over the seeds, or over the epochs of a single one.  \\[r] recalled, \\[p] printed, "
        "\\[c] our own number or aim"
    )


def show_list(paper: Paper, curves: Sequence[str], scale: Scale, folder: Path, data_dir: Path | None) -> None:
    """Print the curves of a paper, how many of their runs are done in a folder, and how long the others would take."""
    torch.set_num_threads(1)
    aside, expected, planned = Console(stderr=True), paper.expected, jobs(paper, curves, scale)
    work = None
    with contextlib.suppress(WrongUse, InvalidValue):  # a folder of others has nothing of ours
        work = Reproduction(paper, curves, scale, folder)
    records = read_records(paper.results)
    done: dict[str, int] = {}
    seconds: dict[str, float] = {}
    on_compile.append(aside.print)
    try:
        for name in track(curves, "timing", console=aside, transient=True):
            mine = [one for one in planned if one.curve == name]
            states = [work.state(one) for one in mine] if work is not None else []
            epochs = mine[0].study.epochs
            done[name] = sum(state.epoch >= epochs for state in states)
            left = len(mine) * epochs - sum(min(state.epoch, epochs) for state in states)
            lines = [line for state in states for line in state.metrics]
            lines += [] if name not in records else itertools.chain(*records[name].seeds.values())
            seconds[name] = left * _seconds_an_epoch(mine[0].study, data_dir, lines) if left else 0.0
    finally:
        on_compile.remove(aside.print)
    numbers = sorted({one.study.epochs for one in planned})
    epochs_text = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    table = Table(title=f"{expected.title}\nepochs: {epochs_text}; time: of the runs not yet done, on one core")
    table.title_justify = "left"
    console = Console()
    headings = ["curve", "figures", "label", "paper", "done", "time"]
    if console.width < WIDE:
        headings.remove("label")
    for heading in headings:
        wraps = heading in ("figures", "label", "paper")
        table.add_column(heading, justify="right" if heading in ("done", "time") else "left", no_wrap=not wraps)
    for name in curves:
        shown = expected.curves[name]
        cells = {"curve": name, "figures": ", ".join(expected.figures_of(name)), "label": shown.label}
        cells |= {"paper": expected.paper(name).replace("[", "\\["), "done": f"{done[name]} of {scale.seeds}"}
        cells |= {"time": _duration(seconds[name])}
        table.add_row(*(cells[heading] for heading in headings))
    table.add_section()
    blank = [""] * (len(headings) - 3)
    table.add_row("all", *blank, f"{sum(done.values())} of {len(planned)}", _duration(sum(seconds.values())))
    console.print(table)


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
