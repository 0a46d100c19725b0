"""Jump tables as XBTorch writes them: states, changes, and the cumulative probability of a change at each state."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import final

import numpy as np

from mho.errors import InvalidValue
from mho.measurements.cells import clean, is_number, number, split
from mho.measurements.delimiters import find_delimiter
from mho.measurements.jump_tables import MOST_CELLS, JumpTables, Row, ascending
from mho.measurements.record import Floats
from mho.measurements.text import FileFaults, read_lines, shown

WAYS = {"set": "up", "reset": "down"}
PARTS = ("G", "dG", "cdf")
WORDS = {"G": "states (axis_G)", "dG": "changes (axis_dG)", "cdf": "probabilities (cdf)"}
TEXTS = ("", ".txt", ".csv", ".tsv", ".dat")
"""Endings of files in which headings are looked for."""
WAY = re.compile(r"(?<![a-z])(re)?set(?![a-z])", re.IGNORECASE)
PART = re.compile(r"(axis[ _-]*)?(level[ _-]*)?(?<![a-z])(?P<part>d[ _]?g|g|cdf)(?![a-z])", re.IGNORECASE)
HEADING = re.compile(
    rf"({WAY.pattern}[ _-]*)?{PART.pattern}([ _-]*{WAY.pattern})?\s*([(\[][^)\]]*[)\]])?", re.IGNORECASE
)
"""All of a line above a block of numbers: "axis_G", "# SET cdf", "reset_axis_dG (S)"."""
POINTS = np.array([NormalDist().cdf(z) for z in np.linspace(-4.0, 4.0, 161)])
"""Points of the distribution at which quantiles are kept, evenly in z: steps of 0.02 in the middle, from 3e-5 to 1 -
3e-5."""
ROUNDING = 1e-5
"""Probabilities in files of 5 digits fall or leave [0, 1] by as much."""
FEWEST = 2
LEAST = 0.5
"""Share of a distribution that its axis must hold."""

Role = tuple[str, str]
"""Way ("set", "reset", or "" for both) and part."""


@final
@dataclasses.dataclass(frozen=True)
class Block:
    """Rows of numbers of one role in a file."""

    file: str
    role: Role
    rows: tuple[Row, ...]
    decimal: str

    @property
    def place(self) -> int:
        """First line."""
        return self.rows[0][0]


def find_cumulative_tables(given: Sequence[Path]) -> list[Path]:
    """Return the files of one device's cumulative tables, completed by those beside them; none if they are not such.

    Files are known by their names, PREFIX_set_axis_level_G.txt and the like, or by headings in them.

    Args:
        given: files, or one folder.

    Raises:
        InvalidValue: for a folder with the tables of several devices.
    """
    if len(given) == 1 and given[0].is_dir():
        groups: dict[str, list[Path]] = {}
        for file in _files_in(given[0]):
            if file.is_file() and _roles(file):
                groups.setdefault(_key(file), []).append(file)
        whole = [files for files in groups.values() if _has_table(files)]
        if len(whole) > 1:
            names = ", ".join(next(f.name for f in files if _roles(f) & CDFS) for files in whole)
            raise InvalidValue(f"{given[0]}: it holds the tables of {len(whole)} devices; name one of {names}")
        return whole[0] if whole else []
    files = [file for file in given if file.is_file()]
    if len(files) < len(given) or not all(_roles(file) for file in files):
        return []
    if len(files) == 1 and PART.search(files[0].stem):
        beside = [file for file in _files_in(files[0].parent) if file.is_file() and PART.search(file.stem)]
        files = [file for file in beside if _key(file) == _key(files[0])]
    return files if _has_table(files) else []


def read_cumulative_tables(files: Sequence[str | os.PathLike[str]]) -> JumpTables:
    """Read jump tables in the format of XBTorch, text for `numpy.loadtxt`.

    For SET and for RESET, in files of their own or below headings: the states (axis_G), the changes of conductance at
    one pulse (axis_dG), and the cumulative probability of a change (cdf), a row a state and a column a change, or
    turned round. An axis that names neither SET nor RESET is that of both.

    A step is drawn from the distribution whose cumulative probability is linear between the changes of the table; what
    lies beyond the first or last change is at it. It is kept as quantiles at 161 points of the distribution.

    Args:
        files: files of one device.

    Raises:
        InvalidValue: naming what is missing, or file, line and column of every fault.
    """
    blocks: dict[Role, Block] = {}
    names = [os.fspath(file) for file in files]
    source = ", ".join(names)
    for name in names:
        for block in _blocks(name):
            if block.role in blocks:
                other = blocks[block.role]
                raise InvalidValue(
                    f"{name}: line {block.place}: {_named(block.role)} stand in {other.file}, line {other.place}, too; "
                    "name the files of one device"
                )
            blocks[block.role] = block
    missing = [_named((way, part)) for way in WAYS for part in PARTS if _find(blocks, way, part) is None]
    if missing:
        raise InvalidValue(
            f"{source}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; name the files of all "
            "six, or lay them into one folder, as PREFIX_set_axis_level_G.txt, ..._axis_level_dG.txt, ..._cdf.txt, and "
            "PREFIX_reset_ likewise"
        )
    faults: list[InvalidValue] = []
    sides: dict[str, tuple[Floats, Floats, list[str]]] = {}
    for way in WAYS:
        try:
            sides[way] = _side(*(found for part in PARTS if (found := _find(blocks, way, part)) is not None))
        except InvalidValue as error:
            faults.append(error)
    if faults:
        messages = dict.fromkeys(map(str, faults))
        raise InvalidValue("; ".join(messages), [fault for error in faults for fault in error.faults])
    means = {way: float(np.mean(jumps)) for way, (_, jumps, _) in sides.items()}
    if means["set"] < 0 < means["reset"]:
        raise InvalidValue(
            f"{source}: the changes at SET are negative in the mean ({means['set']:.3g}), and those at RESET positive "
            f"({means['reset']:.3g}); exchange the two"
        )
    notes = [f"{WAYS[way]} ({way.upper()}): {note}" for way, (_, _, own) in sides.items() for note in own]
    for way, mean in means.items():
        if (mean < 0) == (way == "set"):
            notes.append(f"{way.upper()}: its changes are {mean:.3g} in the mean, for pulses that go {WAYS[way]}")
    return JumpTables(
        source,
        sides["set"][0],
        POINTS,
        sides["set"][1],
        sides["reset"][0],
        POINTS,
        sides["reset"][1],
        "S",
        (*notes, "the files name no unit; the states are taken as siemens, on which no weight depends"),
    )


def quantiles(changes: Floats, cdf: Floats, points: Floats) -> Floats:
    """Return the quantiles (B, Q) of distributions whose cumulative probability is linear between changes.

    Args:
        changes: (K,) ascending.
        cdf: (B, K) the probability of at most this change, ascending within [0, 1].
        points: (Q,) probabilities.
    """
    found = np.empty((len(cdf), len(points)))
    for row, below in zip(found, cdf, strict=True):
        right = np.clip(np.searchsorted(below, points, side="left"), 1, len(below) - 1)
        low, high = below[right - 1], below[right]
        part = np.clip((points - low) / np.where(high > low, high - low, 1.0), 0, 1)
        row[:] = changes[right - 1] + part * (changes[right] - changes[right - 1])
    return found


def _side(states: Block, changes: Block, table: Block) -> tuple[Floats, Floats, list[str]]:
    """Return states (B,), jumps (B, Q) and notes of one direction."""
    axes = []
    faults: list[InvalidValue] = []
    for block, what in ((states, "states"), (changes, "changes")):
        try:
            axes.append(_axis(block, what))
        except InvalidValue as error:
            faults.append(error)
    try:
        cdf = _matrix(table)
    except InvalidValue as error:
        faults.append(error)
    if faults:
        raise InvalidValue("; ".join(map(str, faults)), [fault for error in faults for fault in error.faults])
    g, dg = axes
    of_table = FileFaults(table.file)
    turned = cdf.shape == (len(dg), len(g)) and (len(g) != len(dg) or _rising(cdf.T) > _rising(cdf))
    if cdf.shape != (len(g), len(dg)) and not turned:
        of_table.add(
            f"the probabilities are {cdf.shape[0]} rows of {cdf.shape[1]}, for {len(g)} states ({states.file}) and "
            f"{len(dg)} changes ({changes.file}); give a row per state and a column per change",
            table.place,
        )
    of_table.raise_any()
    rows = cdf.T if turned else cdf
    for b, k in np.argwhere((rows < -ROUNDING) | (rows > 1 + ROUNDING)).tolist():
        of_table.add(f"{rows[b, k]:g} is no probability; give 0 to 1", *_where(table, b, k, turned))
    for b, k in np.argwhere(np.diff(rows, axis=1) < -ROUNDING).tolist():
        of_table.add(
            f"{rows[b, k + 1]:g} is less than {rows[b, k]:g} at the change before; cumulative probabilities never fall",
            *_where(table, b, k + 1, turned),
        )
    rows = np.maximum.accumulate(np.clip(rows, 0, 1), axis=1)
    held = rows[:, -1] - rows[:, 0]
    for b in np.flatnonzero(held < LEAST).tolist():
        of_table.add(
            f"the changes hold {100 * held[b]:.0f} % of the distribution at the state {g[b]:g}; give an axis of "
            "changes that holds more",
            *_where(table, b, 0, turned),
        )
    of_table.raise_any()
    notes = [f"{len(g)} states, {len(dg)} changes{', turned round' if turned else ''}"]
    if held.min() < 1 - ROUNDING:
        notes.append(
            f"up to {100 * (1 - held.min()):.2g} % of a distribution lies at or beyond the ends of the changes, and is "
            "drawn at them"
        )
    return g, quantiles(dg, rows, POINTS), notes


def _axis(block: Block, what: str) -> Floats:
    """Return the numbers of a row or a column, ascending."""
    faults = FileFaults(block.file)
    if len(block.rows) == 1:
        values = ascending(block.place, block.rows[0][1], block.decimal, what, faults)
        faults.raise_any()
        return values
    values = np.full(len(block.rows), np.nan)
    for k, (line, cells) in enumerate(block.rows):
        value = number(cells[0], block.decimal)
        if len(cells) > 1:
            faults.add(f"the line has {len(cells)} numbers; give {what} in one row or one column", line, "2")
        elif value is None or not np.isfinite(value):
            faults.add(f"{shown(cells[0])} is no number; {what} stand here", line, "1")
        else:
            values[k] = value
    for k in map(int, np.flatnonzero(np.diff(values) <= 0)):
        fault = f"{shown(block.rows[k + 1][1][0])} is not above {block.rows[k][1][0]}; give {what} in ascending order"
        faults.add(fault, block.rows[k + 1][0], "1")
    faults.raise_any()
    return values


def _matrix(block: Block) -> Floats:
    """Return the numbers of rows of one length."""
    faults = FileFaults(block.file)
    width = len(block.rows[0][1])
    if len(block.rows) * width > MOST_CELLS:
        faults.add(f"there are more than {MOST_CELLS} probabilities; give fewer", block.place)
        faults.raise_any()
    values = np.zeros((len(block.rows), width))
    for b, (line, cells) in enumerate(block.rows):
        if len(cells) != width:
            faults.add(f"the row has {len(cells)} probabilities, and the first has {width}; give each as many", line)
            continue
        for k, cell in enumerate(cells):
            value = number(cell, block.decimal)
            if value is None or not np.isfinite(value):
                faults.add(f"{shown(cell)} is no probability; give 0 to 1", line, str(k + 1))
            else:
                values[b, k] = value
    if len(block.rows) < FEWEST or width < FEWEST:
        faults.add(f"there are {len(block.rows)} rows of {width}; give at least {FEWEST} of {FEWEST}", block.place)
    faults.raise_any()
    return values


def _where(table: Block, state: int, change: int, turned: bool) -> tuple[int, str]:
    """Return line and column of a probability."""
    row, column = (change, state) if turned else (state, change)
    return table.rows[row][0], str(column + 1)


def _rising(rows: Floats) -> float:
    return float(np.mean((np.diff(rows, axis=1) >= -ROUNDING).all(axis=1)))


def _blocks(name: str) -> list[Block]:
    """Return the blocks of numbers of a file: those below headings, or all of it by the name of the file."""
    lines, _ = read_lines(name)
    role: Role | None = _role(Path(name).stem)
    found: dict[Role, list[tuple[int, str]]] = {}
    for at, line in enumerate(lines, 1):
        heading, rest = _heading(line)
        if heading is not None:
            way, part = heading
            role = (way or (_role(Path(name).stem) or ("", ""))[0], part)
        text = line if heading is None else rest
        if text.strip() and role is not None and (heading is not None or not clean(text).startswith(("#", "%"))):
            found.setdefault(role, []).append((at, text))
    made = []
    for role, own in found.items():
        delimiter, decimal, _ = find_delimiter([text for _, text in own], None, None) or (" ", ".", ())
        rows: list[Row] = []
        for at, text in own:
            cells = split(text, delimiter)
            while cells and not cells[-1]:
                cells.pop()
            # words above the first number are a title
            if cells and (rows or any(is_number(cell, decimal) for cell in cells)):
                rows.append((at, cells))
        if not rows:
            raise InvalidValue(f"{name}: line {own[0][0]}: no number stands here; {WORDS[role[1]]} are expected")
        made.append(Block(name, role, tuple(rows), decimal))
    return made


def _heading(line: str) -> tuple[Role | None, str]:
    """Return the role that a line gives to the numbers below it, and the numbers in the line itself."""
    text = clean(line).lstrip("#%;/! \"'")
    if not text[:1].isalpha():
        return None, ""
    head = re.split(r"[:=,;\t]|\s(?=[-+.\d])", text, maxsplit=1)[0].strip(" \"'")
    if not HEADING.fullmatch(head):
        return None, ""
    rest = text[len(head) :].lstrip(":=,;\t \"'")
    return _role(head), rest if any(is_number(word, ".") for word in rest.split()) else ""


def _role(words: str) -> Role | None:
    """Return way and part by the words of a name or a heading."""
    parts = [found["part"].lower().replace("_", "").replace(" ", "") for found in PART.finditer(words)]
    if not parts:
        return None
    part = "cdf" if "cdf" in parts else "dG" if "dg" in parts else "G"
    way = WAY.search(words)
    return ("" if way is None else way[0].lower()), part


CDFS = {("set", "cdf"), ("reset", "cdf"), ("", "cdf")}


def _roles(file: Path) -> set[Role]:
    """Return the roles in a file: by its name, or by headings in it."""
    own = _role(file.stem)
    if own is not None:
        return {own}
    if file.suffix.lower() not in TEXTS:
        return set()
    try:
        lines, _ = read_lines(file)
    except InvalidValue:
        return set()
    return {role for line in lines if (role := _heading(line)[0]) is not None}


def _has_table(files: Sequence[Path]) -> bool:
    """Return True if files hold a table of probabilities and an axis to it."""
    roles = {role for file in files for role in _roles(file)}
    return bool(roles & CDFS) and any(part != "cdf" for _, part in roles)


def _files_in(folder: Path) -> list[Path]:
    """Return the files in a folder; none if it cannot be read, which is reported when pulses are read from it."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _key(file: Path) -> str:
    """Return the name without what differs between the files of one device."""
    return re.sub(r"[ _.-]+", " ", WAY.sub("", PART.sub("", file.stem))).strip().lower()


def _find(blocks: Mapping[Role, Block], way: str, part: str) -> Block | None:
    return blocks.get((way, part)) or (blocks.get(("", part)) if part != "cdf" else None)


def _named(role: Role) -> str:
    way, part = role
    return f"{WORDS[part]}{f' of {way.upper()}' if way else ''}"
