"""Results on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from mho.benchmarks.results import Result


def show_machine(machine: Mapping[str, Any], console: Console) -> None:
    """Print a line: the machine, and how busy it was."""
    load = "" if machine["load_average"] is None else f", load {machine['load_average'][0]:.2f}"
    console.print(
        f"{machine['cpu']}, {machine['usable_cores']} core(s), AVX-512: {'yes' if machine['avx512'] else 'no'}, Python "
        f"{machine['python']}, Numba {machine['numba']}, torch {machine['torch']}{load}",
        markup=False,
    )


def show(result: Result, console: Console) -> None:
    """Print the tables of a suite, with how it was measured."""
    console.rule(result.title, align="left")
    console.print(result.method, style="dim", markup=False, highlight=False)
    for table in result.tables:
        grid = RichTable(title=table.title, title_justify="left", caption=table.note or None, caption_justify="left")
        for number, heading in enumerate(table.columns):
            grid.add_column(heading, justify="left" if number < table.names else "right", overflow="fold")
        for row in table.rows:
            grid.add_row(*row)
        console.print(grid)
    for note in result.notes:
        console.print(f"Note: {note}", markup=False, highlight=False)
