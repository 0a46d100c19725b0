"""Users' tables of errors: CSV with a column of epochs."""

from __future__ import annotations

import contextlib
import csv
import math
from collections.abc import Sequence
from pathlib import Path

from mho.comparison.curve import ERROR, LOSS, Lines
from mho.errors import InvalidValue

IGNORED = ("low", "high", "seconds")
Found = dict[str, tuple[dict[int, Lines], bool]]


def read_curves(file: Path) -> Found:
    """Read a table of errors.

    Columns: `epoch` (or the first); `curve` and `seed`, where the table has them; every other column of numbers is test
    errors in per cent, of a curve of its own where there are several. A column whose name has "loss" is the training
    loss, a column with "train" is left out, as are `low` and `high`, which mho's own tables have.

    Args:
        file: text with commas, semicolons or tabs.

    Returns:
        Label to lines by seed, and whether the table has seeds.

    Raises:
        InvalidValue: if it has no such columns, or a cell is no number, naming the line.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{file} cannot be read: {error}") from None
    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(row)]
    if not rows or len(rows[0]) < 2:
        raise InvalidValue(
            f"{file} is no table of errors; give a CSV with a column epoch and one of errors in per cent"
        )
    names = [name.lower() for name in rows[0]]
    if _number(names[0]) is not None:  # no header
        names, body, before = ["epoch", *(f"column {n}" for n in range(2, len(rows[0]) + 1))], rows, 0
    else:
        body, before = rows[1:], 1
    heads = names if before == 0 else rows[0]
    epoch = names.index("epoch") if "epoch" in names else next(i for i, n in enumerate(names) if n != "curve")
    places = {name: names.index(name) for name in ("curve", "seed") if name in names}
    taken = {epoch, *places.values(), *(place for place, name in enumerate(names) if name in IGNORED)}
    loss = next((place for place, name in enumerate(names) if "loss" in name), None)
    columns = [
        place for place, name in enumerate(names) if place not in taken and "loss" not in name and "train" not in name
    ]
    if not columns:
        raise InvalidValue(f"{file} has the columns {', '.join(heads)}; give a column of test errors in per cent too")
    found: dict[str, dict[int, list[dict[str, float]]]] = {}
    for number, row in enumerate(body, 1 + before):
        if len(row) < len(names):
            raise InvalidValue(f"{file}, line {number}, has {len(row)} cells; the first line has {len(names)}")
        when = _cell(row[epoch], file, number)
        seed = int(_cell(row[places["seed"]], file, number)) if "seed" in places else 0
        for place in columns:
            if not row[place]:
                continue
            label = _label(file, row[places["curve"]] if "curve" in places else "", heads[place], columns)
            line = {"epoch": int(when), ERROR: _cell(row[place], file, number)}
            if loss is not None and row[loss]:
                line[LOSS] = _cell(row[loss], file, number)
            found.setdefault(label, {}).setdefault(seed, []).append(line)
    if not found:
        raise InvalidValue(f"{file} has no line with an error")
    for seeds in found.values():
        for lines in seeds.values():
            lines.sort(key=lambda line: line["epoch"])
            if len({line["epoch"] for line in lines}) < len(lines):
                raise InvalidValue(f"{file} has an epoch twice; give each curve a column, or name it in a column curve")
    return {label: (dict(seeds), "seed" in places) for label, seeds in found.items()}


def _label(file: Path, curve: str, column: str, columns: Sequence[int]) -> str:
    if curve:
        return curve if len(columns) == 1 else f"{curve}, {column}"
    return file.stem if len(columns) == 1 else f"{file.stem}, {column}"


def _cell(text: str, file: Path, number: int) -> float:
    value = _number(text)
    if value is None:
        raise InvalidValue(f"{file}, line {number}: {text!r} is no number")
    if not math.isfinite(value):
        raise InvalidValue(f"{file}, line {number}: {text!r} is not finite; leave the cell empty instead")
    return value


def _number(text: str) -> float | None:
    with contextlib.suppress(ValueError):
        return float(text)
    return None
