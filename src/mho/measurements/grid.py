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
from mho.measurements.cells import (
    clean,
    is_comment,
    is_gap,
    is_number,
    is_stamp,
    names_unit,
    number,
    quantity,
    split,
)
from mho.measurements.delimiters import find_delimiter
from mho.measurements.formats import Format
from mho.measurements.text import FileFaults, read_lines, shown
from mho.measurements.units import is_unit, kind_of, power
from mho.measurements.vocabulary import WORDS, words
from mho.spoken import option

MOST_COLUMNS = 1000
RARE = 0.05
"""A column that fewer rows than this share have is a stray cell."""
ABOVE = 2
"""So many rows that fit the table may stand above its heading."""
LISTED = 6
"""So many lines are listed in a note."""
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
        units: (W,) what a second heading line or the cells say of them, "" where they say nothing.
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
        """Line of every row."""
        return [line for line, _ in self.rows]

    def label(self, column: int) -> str:
        """Return a column as errors and notes call it, counted from 1."""
        name = self.names[column]
        return f"{column + 1} ({shown(name)})" if name else str(column + 1)

    def cells(self, column: int) -> list[str]:
        """Return the cells of a column."""
        return [row[column] for _, row in self.rows]

    def is_numeric(self, column: int) -> bool:
        """Return True if more of its cells are numbers than words."""
        return _balance(self.cells(column), self.decimal) > 0

    def is_empty(self, column: int) -> bool:
        """Return True if all of its cells are gaps."""
        return all(is_gap(cell) for cell in self.cells(column))

    def numbers(self, column: int, faults: FileFaults) -> npt.NDArray[np.float64]:
        """Return the column as numbers, NaN for gaps; every cell that is neither is a fault."""
        values = np.full(len(self.rows), np.nan)
        for place, (line, row) in enumerate(self.rows):
            value = number(row[column], self.decimal)
            if value is None:
                example = "1.5e-6" if self.decimal == "." else "1,5e-6"
                cure = f"give a number like {example}, or leave it empty for a gap"
                if place == 0:
                    cure += f"; if the line belongs to the heading, give {option('header')}, the number of lines above"
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
    width = _widened(width, [row for row in heading if any(row[1])], body, decimal)
    if form.transpose:
        names, _ = _names(heading, width, decimal)
        # the corner names the column of devices, and stands above none of them
        body = _turned(name, [(body[0][0], ["", *names[1:]]), *body] if any(names) else body)
        more += ("rows and columns change places (transpose): lines count the columns of the file",)
        width = _width(body, decimal)
        leading = _heading_rows(body, width, decimal)
        heading, body = body[:leading], body[leading:]
    heading = [row for row in heading if any(row[1])]
    if not heading and comment is not None and body and comment[0] < body[0][0]:
        names_of = split(clean(comment[1]).lstrip("#%/! "), delimiter)
        heading = [(comment[0], names_of)] if len(names_of) == width else []
    names, units = _names(heading, width, decimal)
    if heading and not form.transpose:
        ends = heading[-1][0]
        more += (f"heading: line{'s 1 to' if ends > 1 else ''} {ends}",) if form.header is None else ()
    if len(body) == 1 and width > 2:
        faults = FileFaults(name)
        faults.add(
            f"the table is one row of {width} columns; give readings one below the other, or {option('transpose')}",
            body[0][0],
            "1",
        )
        faults.raise_any()
    body, again = _without_headings(body, heading)
    more += again
    rows = _fitted(name, _without_spacing(body), width, decimal)
    rows, units = _without_units(name, rows, names, units, decimal)
    return Grid(name, decimal, names, units, rows, (*notes, *more))


def _turned(name: str, body: Sequence[Row]) -> list[Row]:
    """Return the transposed grid."""
    body = [row for row in body if any(row[1])]
    longest = max((_trimmed(row) for _, row in body), default=0)
    if len(body) > MOST_COLUMNS:
        raise InvalidValue(
            f"{name}: line {body[MOST_COLUMNS][0]}, column 1: with transpose the table has {len(body)} columns, and "
            "at most "
            f"{MOST_COLUMNS} are read; leave transpose out"
        )
    return [(at + 1, [row[at] if at < len(row) else "" for _, row in body]) for at in range(longest)]


def _without_headings(body: list[Row], heading: Sequence[Row]) -> tuple[list[Row], tuple[str, ...]]:
    """Return the rows with a gap wherever the heading is repeated, as in exports that were put one below the other."""
    own = [row for _, row in heading if sum(map(bool, row)) > 1]
    places = [place for place, (_, row) in enumerate(body) if row in own]
    if not places:
        return body, ()
    lines = [body[place][0] for place in places]
    kept = [(at, [] if row in own else row) for at, row in body]
    listed = ", ".join(map(str, lines[:LISTED])) + (" ..." if len(lines) > LISTED else "")
    return kept, (f"the heading is repeated at line {listed}, where another block of rows starts",)


def _without_numbers(name: str, lines: Sequence[str], skipped: int, form: Format) -> InvalidValue:
    faults = FileFaults(name)
    given = "".join(
        f" with {option} {value!r}"
        for option, value in (("delimiter", form.delimiter), ("decimal", form.decimal))
        if value is not None
    )
    first = next((at for at, line in enumerate(lines, 1) if at > skipped and line.strip()), None)
    if first is None:
        faults.add(
            f"nothing stands below the {skipped} lines of its heading; give a smaller {option('header')}", skipped, "1"
        )
    else:
        faults.add(
            f"{shown(lines[first - 1].strip())} begins a text without a number{given}; give a table of readings",
            first,
            "1",
        )
    return InvalidValue(f"{name}: {faults.found[0]}", faults.found)


def _has_number(row: list[str], decimal: str) -> bool:
    return any(_is_value(cell, decimal) for cell in row)


def _trimmed(row: list[str]) -> int:
    """Return the number of cells of a row, not counting empty cells at the end."""
    return max((place for place, cell in enumerate(row, 1) if cell), default=0)


def check_width(name: str, lines: Sequence[str]) -> None:
    """Refuse lines of too many cells, before every delimiter is tried on them."""
    for at, line in enumerate(lines, 1):
        if len(line) > MOST_COLUMNS and not is_comment(line):
            cells = max(max(line.count(delimiter) for delimiter in ",;\t|") + 1, len(line.split()))
            if cells > MOST_COLUMNS:
                raise InvalidValue(
                    f"{name}: line {at}, column {MOST_COLUMNS + 1}: the line has {cells} columns, and at most "
                    f"{MOST_COLUMNS} are read; give readings one below the other, a column per device"
                )


def _width(body: Sequence[Row], decimal: str) -> int:
    """Columns of the table: as many as a fair share of the rows with numbers have, or the line above them."""
    widths = [_trimmed(row) for _, row in body if _has_number(row, decimal)]
    width = max(
        (w for w in set(widths) if sum(other >= w for other in widths) >= max(RARE * len(widths), 1)), default=1
    )
    if len(widths) > 2 and sum(other >= width for other in widths) == 1:  # one stray cell in a short file
        width = max(set(widths), key=lambda w: (widths.count(w), w))
    return width


def _widened(width: int, heading: Sequence[Row], body: Sequence[Row], decimal: str) -> int:
    """Return the number of columns that the line of names above the rows has, if rows have as many entries."""
    if not heading or _has_number(heading[-1][1], decimal):
        return width
    return max(width, min(_trimmed(heading[-1][1]), max((len(row) for _, row in body), default=0)))


def _balance(cells: Sequence[str], decimal: str) -> int:
    """Return how many more numbers than words there are; dates and times count as words."""
    return sum(1 if _is_value(cell, decimal) else 0 if is_gap(cell) else -1 for cell in cells)


def _is_value(cell: str, decimal: str) -> bool:
    """Return True if a cell is a number, with its unit or without."""
    return is_number(cell, decimal) or quantity(cell, decimal) is not None


def _heading_rows(body: Sequence[Row], width: int, decimal: str) -> int:
    """Return how many rows stand above the table: down to the last line of words before its first rows.

    A line of words in every column of numbers ends what stood above it, where that was a row or two that only happen
    to fit, such as sizes and settings of an instrument.
    """
    numbered = [row for _, row in body if _has_number(row, decimal) and _trimmed(row) <= width]
    columns = [[row[column] for row in numbered if column < len(row)] for column in range(width)]
    numeric = [column for column in range(width) if _balance(columns[column], decimal) > 0]
    beside = [cell for _, row in body for column, cell in enumerate(row[:width]) if column not in numeric]
    last = fitting = 0
    for place, (_, row) in enumerate(body):
        cells = [row[column] for column in numeric if column < len(row)]
        values = sum(_is_value(cell, decimal) for cell in cells)
        words_of = sum(not _is_value(cell, decimal) and not is_gap(cell) for cell in cells)
        if values and not words_of:
            fitting += len(row) >= width
            if fitting > ABOVE:
                break
        elif fitting:
            others = [row[column] for column in range(min(width, len(row))) if column not in numeric and row[column]]
            named = len(cells) > 1 or any(not is_stamp(cell) and beside.count(cell) == 1 for cell in others)
            if named and words_of == len(cells):
                last, fitting = place + 1, 0
        elif any(row) and not _has_number(row, decimal):
            last = place + 1
    return last


def _names(heading: Sequence[Row], width: int, decimal: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names and units of the columns, by the last lines of the heading with as many cells as the table.

    A line above names that occur twice tells them apart: devices above LTP and LTD, for example.
    """
    fitting = [row[:width] for _, row in heading if width in (_trimmed(row), len(row))]
    nothing = ("",) * width
    if not fitting:
        return nothing, nothing
    last = tuple(cell.strip('"') for cell in fitting[-1])
    units = nothing
    if len(fitting) > 1 and all(map(names_unit, last)) and any(map(is_unit, last)):
        units = last
        fitting = fitting[:-1]
        last = tuple(cell.strip('"') for cell in fitting[-1])
    above = _groups(heading, width, last, decimal)
    twice = {name for name in last if name and last.count(name) > 1}
    if above and twice:
        last = tuple(
            f"{over} {name}".strip() if name in twice else name for over, name in zip(above, last, strict=True)
        )
    return last, units


def _groups(heading: Sequence[Row], width: int, names: Sequence[str], decimal: str) -> list[str]:
    """Return the line of words above the names, each for the columns up to the next; empty where there is none."""
    rows = [row for _, row in heading]
    at = next((place for place in range(len(rows) - 1, 0, -1) if tuple(rows[place][:width]) == tuple(names)), 0)
    if not at or not 2 <= _trimmed(rows[at - 1]) <= width or _has_number(rows[at - 1], decimal):
        return []
    found: list[str] = []
    for column in range(width):
        cell = rows[at - 1][column].strip('"') if column < len(rows[at - 1]) else ""
        found.append(cell or (found[-1] if found else ""))
    return found


def _without_units(
    name: str, rows: tuple[Row, ...], names: Sequence[str], units: tuple[str, ...], decimal: str
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Cells such as "12.3 uS" as numbers, all of a column in the unit of its first, and the units of the columns."""
    found = list(units)
    changed = [list(row) for _, row in rows]
    faults = FileFaults(name)
    for column in range(len(names)):
        cells = [(place, cell) for place, (_, row) in enumerate(rows) if (cell := row[column]) and not is_gap(cell)]
        values = {place: read for place, cell in cells if (read := quantity(cell, decimal))}
        if len(values) < max(0.5 * len(cells), 1) or set(words(names[column])) & WORDS["device"]:
            continue
        unit = next(iter(values.values()))[1]
        if len({kind_of(other) for _, other in values.values()}) > 1:
            continue  # told as cells that are no numbers
        for place, cell in cells:
            if place not in values:
                if number(cell, decimal) not in (0.0, None):
                    faults.add(
                        f"{shown(cell)} has no unit, and others of the column have {unit}; give a unit in all or none",
                        rows[place][0],
                        str(column + 1),
                    )
                continue
            value, own = values[place]
            text = rows[place][1][column][: -len(own)].strip()
            if own != unit:
                text = repr(value * 10.0 ** ((power(own) or 0) - (power(unit) or 0))).replace(".", decimal)
            changed[place][column] = text
        found[column] = unit
    faults.raise_any()
    return tuple((line, row) for (line, _), row in zip(rows, changed, strict=True)), tuple(found)


def _without_spacing(body: Sequence[Row]) -> Sequence[Row]:
    """Return the rows without blank lines, if these are many."""
    blank = sum(not any(row) for _, row in body)
    return [row for row in body if any(row[1])] if blank > SPACED * len(body) else body


def _fitted(name: str, body: Sequence[Row], width: int, decimal: str) -> tuple[Row, ...]:
    """Return the rows with exactly `width` cells."""
    faults = FileFaults(name)
    for line, row in body:
        for column, cell in enumerate(row[width:], width + 1):
            if not is_gap(cell):
                faults.add(
                    f"{shown(cell)} stands beyond the {width} columns of the table; take it out, or give "
                    f"{option('delimiter')} and {option('decimal')} if the columns are not these",
                    line,
                    str(column),
                )
    faults.raise_any()
    return tuple((line, (row + [""] * width)[:width]) for line, row in body)
