"""A text file as a table: its heading, its rows, and on which line each stands."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Sequence
from typing import final

import numpy as np
import numpy.typing as npt

from mho.errors import InvalidValue
from mho.measurements.cells import clean, is_comment, is_gap, is_number, number, split
from mho.measurements.delimiters import find_delimiter
from mho.measurements.formats import Format
from mho.measurements.text import FileFaults, read_lines, shown
from mho.measurements.units import is_unit

MOST_COLUMNS = 1000
RARE = 0.05
"""A column that fewer rows than this share have is a stray cell."""
SPACED = 1 / 3
"""More blank lines than this share are how the file is set, not readings that are missing."""
Row = tuple[int, list[str]]
"""Number of the line, and its cells."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """A table of W columns.

    Attributes:
        file: its name.
        decimal: its decimal sign.
        names: (W,) of the columns, "" where there is none.
        units: (W,) what a second heading line says of them, "" where there is none.
        rows: line number and W cells each; all empty where a line is blank.
        notes: how it was read.
    """

    file: str
    decimal: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.names)

    @functools.cached_property
    def lines(self) -> list[int]:
        """The line of every row."""
        return [line for line, _ in self.rows]

    def label(self, column: int) -> str:
        """A column as errors and notes call it, counted from 1."""
        name = self.names[column]
        return f"{column + 1} ({shown(name)})" if name else str(column + 1)

    def cells(self, column: int) -> list[str]:
        """The cells of a column."""
        return [row[column] for _, row in self.rows]

    def is_numeric(self, column: int) -> bool:
        """Whether more of its cells are numbers than words."""
        return _balance(self.cells(column), self.decimal) > 0

    def is_empty(self, column: int) -> bool:
        """Whether all of its cells are gaps."""
        return all(is_gap(cell) for cell in self.cells(column))

    def numbers(self, column: int, faults: FileFaults) -> npt.NDArray[np.float64]:
        """The column as numbers, NaN for gaps; every cell that is neither is a fault."""
        values = np.full(len(self.rows), np.nan)
        for place, (line, row) in enumerate(self.rows):
            value = number(row[column], self.decimal)
            if value is None:
                example = "1.5e-6" if self.decimal == "." else "1,5e-6"
                cure = f"give a number like {example}, or leave it empty for a gap"
                if place == 0:
                    cure += "; if the line belongs to the heading, give header, the number of lines above the table"
                faults.add(f"{shown(row[column])} is no number; {cure}", line, self.label(column))
            else:
                values[place] = value
        return values


def read_grid(file: str | os.PathLike[str], form: Format) -> Grid:
    """Read a table.

    Raises:
        InvalidValue: naming the file, and line and column, when it has no table.
    """
    name = os.fspath(file)
    lines, notes = read_lines(file, form.encoding)
    skipped = form.header or 0
    full = [line for line in lines[skipped:] if line.strip() and not is_comment(clean(line))]
    check_width(name, lines)
    found = find_delimiter(full, form.separator, form.decimal)
    if found is None:
        raise _without_numbers(name, lines, skipped, form)
    delimiter, decimal, more = found
    heading = [(at, split(line, delimiter)) for at, line in enumerate(lines[:skipped], 1) if line.strip()]
    body: list[Row] = []
    comment = None
    for at, line in enumerate(lines[skipped:], skipped + 1):
        if is_comment(clean(line)):
            comment = comment if any(_has_number(row, decimal) for _, row in body) else (at, line)
        else:
            body.append((at, split(line, delimiter) if line.strip() else []))
    while body and not any(body[-1][1]):
        body.pop()
    width = _width(body, decimal)
    if form.header is None:
        leading = _heading_rows(body, width, decimal)
        heading, body = body[:leading], body[leading:]
    heading = [row for row in heading if any(row[1])]
    if not heading and comment is not None and comment[0] < body[0][0]:
        words = split(clean(comment[1]).lstrip("#%/! "), delimiter)
        heading = [(comment[0], words)] if len(words) == width else []
    names, units = _names(heading, width)
    if heading:
        ends = heading[-1][0]
        more += (f"heading: line{'s 1 to' if ends > 1 else ''} {ends}",) if form.header is None else ()
    if len(body) == 1 and width > 2:
        faults = FileFaults(name)
        faults.add(f"the table is one row of {width} columns; give readings one below the other", body[0][0], "1")
        faults.raise_any()
    rows = _fitted(name, _without_spacing(body), width, decimal)
    return Grid(name, decimal, names, units, rows, (*notes, *more))


def _without_numbers(name: str, lines: Sequence[str], skipped: int, form: Format) -> InvalidValue:
    faults = FileFaults(name)
    given = "".join(
        f" with {option} {value!r}"
        for option, value in (("delimiter", form.delimiter), ("decimal", form.decimal))
        if value is not None
    )
    first = next((at for at, line in enumerate(lines, 1) if at > skipped and line.strip()), None)
    if first is None:
        faults.add(f"nothing stands below the {skipped} lines of its heading; give a smaller header", skipped, "1")
    else:
        faults.add(
            f"{shown(lines[first - 1].strip())} begins a text without a number{given}; give a table of readings",
            first,
            "1",
        )
    return InvalidValue(f"{name}: {faults.found[0]}", faults.found)


def _has_number(row: list[str], decimal: str) -> bool:
    return any(is_number(cell, decimal) for cell in row)


def _trimmed(row: list[str]) -> int:
    """The number of cells without empty ones at the end."""
    return max((place for place, cell in enumerate(row, 1) if cell), default=0)


def check_width(name: str, lines: Sequence[str]) -> None:
    """Refuse lines of too many cells, before every delimiter is tried on them."""
    for at, line in enumerate(lines, 1):
        if len(line) > MOST_COLUMNS and not is_comment(line):
            cells = max(max(line.count(delimiter) for delimiter in ",;\t|") + 1, len(line.split()))
            if cells > MOST_COLUMNS:
                raise InvalidValue(
                    f"{name}: line {at}, column {MOST_COLUMNS + 1}: the line has {cells} columns, and at most "
                    f"{MOST_COLUMNS} are read; give readings one below the other, a column a device"
                )


def _width(body: Sequence[Row], decimal: str) -> int:
    """Columns of the table: as many as a fair share of the rows with numbers have, or its heading."""
    widths = [_trimmed(row) for _, row in body if _has_number(row, decimal)]
    width = max(w for w in set(widths) if sum(other >= w for other in widths) >= max(RARE * len(widths), 1))
    if len(widths) > 2 and sum(other >= width for other in widths) == 1:  # one stray cell in a short file
        width = max(set(widths), key=lambda w: (widths.count(w), w))
    for _, row in body:
        if _has_number(row, decimal):
            break
        width = max(width, min(_trimmed(row), max(widths)))
    return width


def _balance(cells: Sequence[str], decimal: str) -> int:
    """Numbers less words."""
    return sum(1 if is_number(cell, decimal) else 0 if is_gap(cell) else -1 for cell in cells)


def _heading_rows(body: Sequence[Row], width: int, decimal: str) -> int:
    """How many rows stand above the table: down to the last line of words before the first row that fits it."""
    numbered = [row for _, row in body if _has_number(row, decimal)]
    columns = [[row[column] for row in numbered if column < len(row)] for column in range(width)]
    numeric = [column for column in range(width) if _balance(columns[column], decimal) > 0]
    last = 0
    for place, (_, row) in enumerate(body):
        cells = [row[column] for column in numeric if column < len(row)]
        fits = all(number(cell, decimal) is not None for cell in cells)
        if fits and _has_number(cells, decimal):
            break
        if any(row) and not _has_number(row, decimal):
            last = place + 1
    return last


def _names(heading: Sequence[Row], width: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and units of the columns, by the last lines of the heading that have as many cells as the table."""
    fitting = [row[:width] for _, row in heading if width in (_trimmed(row), len(row))]
    nothing = ("",) * width
    if not fitting:
        return nothing, nothing
    last = tuple(cell.strip('"') for cell in fitting[-1])
    if len(fitting) > 1 and all(is_unit(cell) or is_gap(cell) or cell == "#" for cell in last):
        return tuple(cell.strip('"') for cell in fitting[-2]), last
    return last, nothing


def _without_spacing(body: Sequence[Row]) -> Sequence[Row]:
    """The rows, without blank lines where these are many."""
    blank = sum(not any(row) for _, row in body)
    return [row for row in body if any(row[1])] if blank > SPACED * len(body) else body


def _fitted(name: str, body: Sequence[Row], width: int, decimal: str) -> tuple[Row, ...]:
    """The rows with exactly `width` cells."""
    faults = FileFaults(name)
    for line, row in body:
        for column, cell in enumerate(row[width:], width + 1):
            if not is_gap(cell):
                faults.add(
                    f"{shown(cell)} stands beyond the {width} columns of the table; take it out, or give delimiter and "
                    "decimal if the columns are not these",
                    line,
                    str(column),
                )
    faults.raise_any()
    return tuple((line, (row + [""] * width)[:width]) for line, row in body)
