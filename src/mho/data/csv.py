"""A table of numbers in a text file as data: one column is the target, all others are inputs."""

from __future__ import annotations

import csv as reader
import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from mho.data.dataset import Dataset
from mho.data.file_format import FileFormat
from mho.data.text import read_text
from mho.errors import Faults, InvalidValue, nearest

if TYPE_CHECKING:
    from torch import Tensor

    Scale = tuple[Tensor, Tensor]
    """Mean and deviation of columns, (m,) float32."""

TEST_SHARE = 0.2
SPLIT_KEY = 0x637376
"""Key of the permutation that splits the rows: every run with a file has the same test."""
FEWEST = 10
"""Rows of the shortest table that is taken."""
DELIMITERS = (",", ";", "\t")
MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
"""What stands for a missing value, in small letters."""
MOST_FAULTS = 12
"""Faults of cells that a message lists."""
DECIMAL = "write 3.5 for 3,5"
"""The cure for a decimal comma."""
MANY_CLASSES = 50
"""More integers than these in a target are asked about: they may be a quantity."""


class Row(NamedTuple):
    """A row of a table: its line in the file, counted from 1, and its cells."""

    line: int
    cells: list[str]


class Table(NamedTuple):
    """A table as read, checked: names of the columns, place of the target, inputs (n, m), targets as text."""

    names: list[str]
    target: int
    header: bool
    inputs: npt.NDArray[np.float64]
    targets: list[str]

    @property
    def kind(self) -> str:
        """Return what the targets are: "integers", "words" or "numbers"."""
        if all(_is_integer(cell) for cell in self.targets):
            return "integers"
        return "numbers" if all(_number(cell) is not None for cell in self.targets) else "words"


def csv(file: Path, column: str = "") -> Dataset:
    """Make data of a table: a row per example, numbers in every column; the first line may have names.

    The cells of a line lie between commas, semicolons or tabulators. Words, or integers without a point, in the column
    of the target are classes, y (n,) int64, in the order of `Dataset.symbols`; other numbers are values, y (n, 1)
    float32. One row in five, drawn alike for every run, is for the test. Inputs, and values in the target, are
    standardised by mean and standard deviation of the rows for training.

    Args:
        file: the table.
        column: column of the target, its name or its number from 1; "": the last column.

    Raises:
        InvalidValue: naming every fault of the file with its line, and the cure.
    """
    import torch

    table = _read(file, column)
    count = len(table.targets)
    order = np.random.Generator(np.random.Philox(key=[SPLIT_KEY, count])).permutation(count)
    tested = round(count * TEST_SHARE)
    test, train = np.sort(order[:tested]), np.sort(order[tested:])
    x, x_scale, constant = _standardised(table.inputs, train)
    name = table.names[table.target]
    named = "named in the first line" if table.header else "without names"
    notes = [
        f"{count:,} rows of {len(table.names)} columns, {named}; {len(train):,} rows for training, "
        f"{len(test):,} for the test, drawn from the whole file",
        f"{x.shape[1]} inputs are standardised by mean and standard deviation of the rows for training",
    ]
    if constant:
        words = ", ".join(_inputs(table)[place] for place in constant)
        notes.append(f"the same number stands in every row for training of {words}, which is 0 therefore")
    symbols: tuple[str, ...] = ()
    y_scale: Scale | None = None
    if table.kind == "numbers":
        values = np.array([float(cell) for cell in table.targets])[:, None]
        y, y_scale, _ = _standardised(values, train)
        mean, deviation = (float(number) for number in y_scale)
        notes.append(
            f"target {name}, numbers: regression (integers or words would be classes); standardised, a value is "
            f"{mean:.6g} + {deviation:.6g} · the network's output"
        )
        targets = torch.tensor(y, dtype=torch.float32)
    else:
        cells = table.targets if table.kind == "words" else [str(int(cell)) for cell in table.targets]
        symbols = tuple(sorted(set(cells)) if table.kind == "words" else sorted(set(cells), key=int))
        places = {symbol: place for place, symbol in enumerate(symbols)}
        targets = torch.tensor([places[cell] for cell in cells], dtype=torch.int64)
        notes.append(_told_classes(name, table.kind, symbols))
    inputs = torch.tensor(x, dtype=torch.float32)
    return Dataset(
        file.stem,
        inputs[train],
        targets[train],
        inputs[test],
        targets[test],
        symbols=symbols,
        x_scale=x_scale,
        y_scale=y_scale,
        notes=tuple(notes),
    )


def task_of(file: Path, column: str) -> str:
    """Return the task that the target of a table is for: "regression" for numbers, else "classification"."""
    return "regression" if _read(file, column).kind == "numbers" else "classification"


def _told_classes(name: str, kind: str, symbols: Sequence[str]) -> str:
    shown = ", ".join(symbols[:6]) + (", ..." if len(symbols) > 6 else "")
    many = "they look like a quantity: " if len(symbols) > MANY_CLASSES else ""
    other = f"; {many}--task regression takes them as numbers" if kind == "integers" else ""
    return f"target {name}, {kind}: classification of {len(symbols)} classes ({shown}){other}"


def _read(file: Path, column: str) -> Table:
    state = file.stat()
    return _cached(file.absolute(), column, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=4)
def _cached(file: Path, column: str, changed: int, size: int) -> Table:
    rows = _rows(file)
    header = bool(rows) and not any(_number(cell) is not None or _is_missing(cell) for cell in rows[0].cells)
    names = [cell.strip() for cell in rows[0].cells] if header else []
    rows = rows[header:]
    if len(rows) < FEWEST:
        raise InvalidValue(
            f"{file} has {len(rows)} rows of examples; give at least {FEWEST}, of which every fifth is for the test"
        )
    width = len(names) or max(map(len, (row.cells for row in rows[:FEWEST])))
    names = names or [f"column {place}" for place in range(1, width + 1)]
    if width < 2:
        raise InvalidValue(
            f"{file} has one column; give the inputs and the target, with commas, semicolons or tabulators between them"
        )
    target = _place(file, column, names)
    faults = Faults(str(file))
    faults.found += _shortened(_cell_faults(rows, names, target))
    faults.raise_any()
    inputs = [[float(cell) for place, cell in enumerate(row.cells) if place != target] for row in rows]
    targets = [row.cells[target].strip() for row in rows]
    if len(set(targets)) < 2:
        raise InvalidValue(f"{file}: the target {names[target]} is {targets[0]} in every row; give some that differ")
    table = Table(names, target, header, np.array(inputs), targets)
    if table.kind == "words" and all(_has_comma(cell) or _number(cell) is not None for cell in targets):
        first = next(row for row in rows if _has_comma(row.cells[target]))
        raise InvalidValue(f"{file}: {_told_words(names[target], first, target)}")
    if table.kind == "words" and len(set(targets)) == len(targets):
        raise InvalidValue(
            f"{file}: the target {names[target]} holds another word in each row, such as {targets[0]!r}, which is no "
            f"class to learn; name the column of the target: csv:{file.name}:COLUMN"
        )
    return table


def _rows(file: Path) -> list[Row]:
    """Return the lines that are not empty."""
    content = read_text(file).removeprefix("\ufeff")
    first = next((line for line in content.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=first.count)
    lines = reader.reader(content.splitlines(keepends=True), delimiter=delimiter, skipinitialspace=True)
    try:
        return [Row(lines.line_num, cells) for cells in lines if any(cell.strip() for cell in cells)]
    except reader.Error as error:
        raise InvalidValue(f"{file} is no table: line {lines.line_num}: {error}; write one row per line") from None


def _place(file: Path, column: str, names: Sequence[str]) -> int:
    """Return the place of the column of the target."""
    if not column:
        return len(names) - 1
    if column in names:
        return names.index(column)
    if column.isdecimal() and 1 <= int(column) <= len(names):
        return int(column) - 1
    raise InvalidValue(
        f"{file} has no column {column!r}{nearest(column, names)}; give a name of its first line, or a number from 1 "
        f"to {len(names)}"
    )


def _cell_faults(rows: Sequence[Row], names: Sequence[str], target: int) -> list[str]:
    """Return what is wrong with the cells, a sentence each."""
    worded = {
        place
        for place in range(len(names))
        if place != target and all(len(row.cells) <= place or _is_word(row.cells[place]) for row in rows)
    }
    faults = [_told_words(names[place], rows[0], place) for place in sorted(worded)]
    for row in rows:
        if len(row.cells) != len(names):
            faults.append(f"line {row.line} has {len(row.cells)} cells, and there are {len(names)} columns")
            continue
        for place, cell in enumerate(row.cells):
            where = f"line {row.line}, {names[place]}"
            if _is_missing(cell):
                faults.append(f"{where}: a value is missing; fill it in, or remove the row")
            elif place != target and place not in worded and _number(cell) is None:
                decimal = f" ({DECIMAL})" if _has_comma(cell) else ""
                faults.append(
                    f"{where}: {cell.strip()!r} is no finite number{decimal}; code words as numbers, or remove the "
                    "column"
                )
    return faults


def _told_words(name: str, row: Row, place: int) -> str:
    """Return the fault of a column of inputs that holds no number."""
    cell = row.cells[place].strip() if place < len(row.cells) else ""
    where = f"such as {cell!r} in line {row.line}"
    if _has_comma(cell):
        return f"{name} holds numbers with a decimal comma, {where}; {DECIMAL}"
    return f"{name} holds words, {where}; code them as numbers, or remove the column"


def _shortened(faults: list[str]) -> list[str]:
    more = len(faults) - MOST_FAULTS
    return faults if more <= 0 else [*faults[:MOST_FAULTS], f"and {more:,} more faults of cells"]


def _standardised(
    values: npt.NDArray[np.float64], train: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], Scale, list[int]]:
    """Return values (n, m) with mean 0 and deviation 1 over the rows of training, their scale, and constant columns.

    A constant column becomes 0, with a deviation of 1.
    """
    import torch

    mean, deviation = values[train].mean(axis=0), values[train].std(axis=0)
    constant = np.flatnonzero(deviation <= 1e-12 * np.abs(mean))  # rounding of the mean leaves a few ulps
    deviation[constant] = 1.0
    found = (values - mean) / deviation
    found[:, constant] = 0.0
    scale = torch.tensor(mean, dtype=torch.float32), torch.tensor(deviation, dtype=torch.float32)
    return found, scale, [int(place) for place in constant]


def _inputs(table: Table) -> list[str]:
    return [name for place, name in enumerate(table.names) if place != table.target]


def _number(cell: str) -> float | None:
    """Return a cell as a finite number; None where it is none."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _has_comma(cell: str) -> bool:
    return _number(cell) is None and _number(cell.replace(",", ".", 1)) is not None


def _is_integer(cell: str) -> bool:
    return cell.strip().lstrip("+-").isdecimal()


def _is_word(cell: str) -> bool:
    return _number(cell) is None and not _is_missing(cell)


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in MISSING


FILE_FORMAT = FileFormat(load=csv, ending=".csv", task=task_of, axes=1, column=True)
