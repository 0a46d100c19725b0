"""The display of mho sweep: bars by epochs while it trains, rows as they end, and the points at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, final

from rich.console import Console
from rich.table import Table

from mho.cli.epoch_bars import WHOLE, EpochBars
from mho.intervals import FROM, MEANING
from mho.runs.batches import Batch
from mho.runs.coordinator import Ended
from mho.runs.folder import State, read_state
from mho.runs.points import (
    PointErrors,
    chance_in_words,
    lowest,
    lowest_in_words,
    named,
    points_of,
    rank,
    value_text,
)
from mho.runs.results import DONE, Result, Results
from mho.runs.sweep import Row, Sweep
from mho.runs.work import FOLDERS

SHOWN = 3
"""Largest number of values of a field that are all named."""
MOST = 60
"""Points of the table at the end."""


@final
class SweepDisplay:
    """Bars of the batches that train, by epochs, on a terminal; a line for each row that ends."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep, self.bars = sweep, EpochBars()
        self._rows = len(sweep.rows)
        self._batches: dict[str, Batch] = {}
        self._results: Results | None = None
        self._ended = self._failed = self._epochs = 0
        self._began = time.monotonic()

    def __enter__(self) -> SweepDisplay:
        self.bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.__exit__(kind, error, trace)

    def say(self, text: str) -> None:
        """Print a line."""
        self.bars.say(text)

    def start(self, results: Results, missing: list[Batch]) -> None:
        """Show what is done already, and how much is to come."""
        self._results, self._ended = results, len(results.done)
        self._epochs = sum(record["epoch"] for record in results.records)  # of rows that are done: others are forgotten
        self._batches = {one.name: one for one in missing}
        already = f", {self._ended} done before" if self._ended else ""
        rows = f"{self._rows} row{'s' if self._rows > 1 else ''}"
        plan = f"{len(missing)} batch{'es' if len(missing) > 1 else ''} to train, the first may compile kernels"
        self.say(f"{rows}{already}; {plan if missing else 'nothing is left to train'}")
        self._update()

    def tick(self) -> None:
        """Read how far the batches are, at most twice a second."""
        if self.bars.live and self.bars.due():
            self._update()

    def end(self, ended: Ended) -> None:
        """Show a batch: a line for each of its rows."""
        self._batches.pop(ended.batch.name, None)
        self.bars.forget(words_of(ended.batch))
        if ended.again:
            self.say(f"{words_of(ended.batch)}: failed ({ended.again}); its rows are tried one by one")
            self._batches |= {one.name: one for one in ended.instead}
            return
        pairs = zip(ended.batch.rows, ended.results, strict=True)
        for row, result in sorted(pairs, key=lambda pair: (*map(rank, pair[0].values.values()), pair[0].seed)):
            self._ended += 1
            self._failed += result.status != DONE
            self._epochs += result.epoch or 0
            self.say(f"{self._ended}/{self._rows}  {_line(row, result)}")
        self._update()

    def _update(self) -> None:
        """Draw every batch that has begun, and the whole: rows times epochs, of which those of today tell the time."""
        if not self.bars.live:
            return
        done = total = float(self._epochs)
        for one in self._batches.values():
            state = read_state(self._results.file.parent / FOLDERS / one.name) if self._results else State(0, 0.0, [])
            epochs = one.tables["training"].get("epochs", self.sweep.epochs)
            total += epochs * len(one.rows)
            done += state.done(epochs) * len(one.rows)
            if state.epoch + state.fraction > 0:
                self.bars.show(words_of(one), done=state.done(epochs), total=epochs, note=_note(state, epochs))
        elapsed = int(time.monotonic() - self._began)
        text = f"{self._ended} of {self._rows} rows" + (f", {self._failed} failed" if self._failed else "")
        self.bars.show(WHOLE, done=done, total=total, note=f"{text}, {elapsed // 60}:{elapsed % 60:02}")


def words_of(batch: Batch) -> str:
    """Return a batch by the values of its rows: "noise 0, 0.06, 0.3, length 1; 9 rows"."""
    parts = []
    for name in batch.rows[0].values:
        values = sorted({row.values[name] for row in batch.rows}, key=rank)
        few = ", ".join(map(value_text, values))
        many = f"{value_text(values[0])} to {value_text(values[-1])}"
        parts.append(f"{_short(name, batch.rows[0].values)} {few if len(values) <= SHOWN else many}")
    seeds = sorted({row.seed for row in batch.rows})
    if not parts:
        parts.append(f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}")
    return f"{', '.join(parts)}; {len(batch.rows)} row{'s' if len(batch.rows) > 1 else ''}"


def _short(name: str, others: Mapping[str, object]) -> str:
    """Return the last word of a field's name where no other field ends in it."""
    last = name.rpartition(".")[2]
    return last if sum(other.rpartition(".")[2] == last for other in others) == 1 else name


def _note(state: State, epochs: int) -> str:
    words = f"epoch {min(state.epoch + 1, epochs)}/{epochs}"
    return words + (f", test error {state.metrics[-1]['test_error']:.2f} %" if state.metrics else "")


def _line(row: Row, result: Result) -> str:
    place = ", ".join([*([named(row.values)] if row.values else []), f"seed {row.seed}"])
    return f"{place}: " + (
        f"test error {result.test_error:.2f} %" if result.status == DONE else f"failed: {result.message}"
    )


def show_points(records: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> None:
    """Print the points of a sweep in the order of their values, the lowest test errors in bold; of many only the best.

    Args:
        records: rows, as `Results.records` has them.
        fields: that are swept.
    """
    points = points_of(records, fields)
    if not points:
        return
    best, shown = lowest(points), points
    if len(points) > MOST:
        first = sorted(points, key=lambda point: point.interval.mean)[:MOST]
        shown = [point for point in points if point in first]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in (*fields, "test error (%)", "seeds"):
        table.add_column(heading, justify="right")
    for point in shown:
        cells = [*map(value_text, point.values.values()), point.interval.text(), str(len(point.test))]
        table.add_row(*cells, style="bold" if point in best and len(best) < len(points) else None)
    console = Console(highlight=False)
    console.print(table)
    notes = [meaning(points)]
    if len(points) > len(shown):
        notes.append(f"the {MOST} points of lowest error of {len(points)}")
    if len(points) > 1 and fields:
        notes.append(f"lowest mean: {lowest_in_words(points, fields)}")
    notes.append(chance_in_words(records))
    for note in filter(None, notes):
        console.print(note, markup=False, soft_wrap=not console.is_terminal)


def meaning(points: Sequence[PointErrors]) -> str:
    """Return what stands beside the means, where anything does."""
    most = max(len(point.test) for point in points)
    if most < 2:
        return ""
    return MEANING if most >= FROM else "(low to high): both seeds"
