"""Display of mho reproduce: bars while it trains, and the verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import final

from rich.console import Console
from rich.table import Table

from mho.cli.epoch_bars import WHOLE, EpochBars
from mho.cli.reproduce_list import SOURCES
from mho.intervals import MEANING
from mho.papers import Paper
from mho.papers.jobs import Job
from mho.papers.quantities import KNOWN
from mho.papers.reproduction import Reproduction
from mho.papers.scale import Scale
from mho.papers.shown import UNAVAILABLE
from mho.papers.verdicts import Verdict
from mho.runs.folder import State


@final
class ReproduceDisplay:
    """A bar per curve and one for the whole on a terminal; one line per epoch elsewhere."""

    def __init__(self, work: Reproduction) -> None:
        self.work, self.bars = work, EpochBars()
        self.missing: list[Job] = []
        self.states: dict[str, State] = {}
        self.shown_epochs: dict[str, int] = {}

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
            self.shown_epochs[one.name] = self.states[one.name].epoch
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
                for line in state.metrics[self.shown_epochs[one.name] :]:
                    place = f"{one.curve}, seed {one.seed}, epoch {line['epoch']}/{self.work.epochs(one)}"
                    said = [*filter(None, [self._value(one.curve, [line])]), *_speeds(line)]
                    self.say(f"{place}: {', '.join(said)}" if said else place)
            self.shown_epochs[one.name] = state.epoch
        whole = 0.0
        for curve in self.work.curves:
            mine = [one for one in self.work.jobs if one.curve == curve]
            done = sum(self.states[one.name].done(self.work.epochs(one)) for one in mine)
            whole += done
            lines = [self.states[one.name].metrics[-1] for one in mine if self.states[one.name].metrics]
            total = sum(self.work.epochs(one) for one in mine)
            self.bars.show(curve, done=done, total=total, note=self._value(curve, lines))
        self.bars.show(WHOLE, done=whole, total=sum(self.work.epochs(one) for one in self.work.jobs))

    def _value(self, curve: str, lines: Sequence[Mapping[str, float]]) -> str:
        """Return the mean of the quantity of a curve over the lines that measured it, with its name and unit.

        A study that tests at its end only has its training loss in the place of what was not measured; "" without both.
        """
        for quantity in (self.work.paper.expected.curves[curve].quantity, KNOWN["train_loss"]):
            values = [line[quantity.name] for line in lines if math.isfinite(line.get(quantity.name, math.nan))]
            if values:
                return f"{quantity.label} {quantity.show(sum(values) / len(values))} {quantity.unit}".strip()
        return ""


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
