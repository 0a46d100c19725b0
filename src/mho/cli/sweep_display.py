"""The live table of a sweep."""

from __future__ import annotations

import statistics
import time
from types import TracebackType
from typing import final

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from mho.bar import progress_console
from mho.runs.batches import Batch
from mho.runs.coordinator import Ended
from mho.runs.results import DONE, Result, Results
from mho.runs.sweep import Row, Sweep

LINES = 20
"""Points that the table shows, the last to end below."""


@final
class SweepDisplay:
    """Finished points on a terminal, with the mean over their seeds; one line a batch elsewhere."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep, self.rows = sweep, {row.number: row for row in sweep.rows}
        self.console = progress_console()
        self.points: dict[int, list[float]] = {}
        self.failed = self.ended = 0
        self.began = time.monotonic()
        self.fresh = 0
        self.live = Live(console=self.console, get_renderable=self._table, refresh_per_second=1)

    def __enter__(self) -> SweepDisplay:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def say(self, text: str) -> None:
        """One line for the reader."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def start(self, results: Results, count: int) -> None:
        """Show what is done already, and how much is to come."""
        for number in sorted(results.done):
            self._note(self.rows[number], results.test_error(number))
        already = f", {self.ended} done before" if self.ended else ""
        plan = f"{count} batch{'es' if count > 1 else ''} to train, the first may compile kernels"
        self.say(f"{len(self.rows)} rows{already}; {plan if count else 'nothing is left to train'}")
        self._refresh()

    def end(self, ended: Ended) -> None:
        """Show a batch."""
        rows = ended.batch.rows
        if ended.again:
            self.say(f"{_span(ended.batch)}: failed ({ended.again}); its rows are tried one by one")
            return
        for row, result in zip(rows, ended.results, strict=True):
            self.fresh += 1
            if result.status == DONE:
                self._note(row, result.test_error)
            else:
                self.failed += 1
                self.ended += 1
        if ended.results[0].status != DONE:
            self.say(f"{_span(ended.batch)}: failed: {ended.results[0].message}")
        elif not self.console.is_terminal:
            self.say(f"{self.ended}/{len(self.rows)}  {_span(ended.batch)}: {_errors(ended.results)}")
        self._refresh()

    def _note(self, row: Row, error: float | None) -> None:
        self.ended += 1
        # a point that ended last stands last
        errors = self.points.pop(row.point, [])
        self.points[row.point] = errors if error is None else [*errors, error]

    def _refresh(self) -> None:
        if self.console.is_terminal:
            self.live.refresh()

    def _table(self) -> Group:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("point", *self.sweep.axes.fields, "seeds", "test error, %"):
            table.add_column(heading, justify="right")
        for point, errors in list(self.points.items())[-min(LINES, max(3, self.console.height - 6)) :]:
            spread = f" ± {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
            values = map(str, self.sweep.points[point].values())
            table.add_row(str(point), *values, str(len(errors)), f"{statistics.fmean(errors):.2f}{spread}")
        total, elapsed = len(self.rows), time.monotonic() - self.began
        left = elapsed / self.fresh * (total - self.ended) if self.fresh else None
        words = f"{self.ended} of {total} rows, {self.failed} failed, {elapsed // 60:.0f}:{int(elapsed) % 60:02}"
        words += f", about {left / 60:.0f} min left" if left is not None and left >= 60 else ""
        below = Table.grid(padding=(0, 2, 0, 0))
        below.add_row(ProgressBar(total, self.ended, width=40), words)
        return Group(table, below)


def _span(batch: Batch) -> str:
    numbers = sorted({row.point for row in batch.rows})
    points = f"point {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} points from {numbers[0]} on"
    rows = len(batch.rows)
    return f"{points}, {rows} row{'s' if rows > 1 else ''} ({batch.name})"


def _errors(results: tuple[Result, ...]) -> str:
    errors = [result.test_error for result in results if result.test_error is not None]
    low, high = min(errors), max(errors)
    return f"test error {low:.2f} %" if low == high else f"test error {low:.2f} to {high:.2f} %"
