"""Detection of the delimiter and the decimal sign of a table."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

from mho.measurements.cells import is_gap, is_junk, is_number, quantity, split
from mho.spoken import option

CANDIDATES = (
    ("", "."),
    ("\t", "."),
    ("\t", ","),
    (";", "."),
    (";", ","),
    (",", "."),
    (" ", "."),
    (" ", ","),
    ("", ","),
    (",", ","),
    ("|", "."),
    ("|", ","),
)
"""The more likely stand first; the delimiter "" is a file of one column."""
SAMPLE = 300
"""Lines that are tried."""
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", " ": "blanks", "": "none (one column)"}


def find_delimiter(
    lines: Sequence[str], delimiter: str | None, decimal: str | None
) -> tuple[str, str, tuple[str, ...]] | None:
    """Return delimiter, decimal sign and notes; None if no reading of the lines gives a number.

    csv.Sniffer is not asked: it takes the most regular character for the delimiter, the comma of decimals included.

    Args:
        lines: lines of the file, without blank lines and comments.
        delimiter: if it is given.
        decimal: sign of decimals, "." or ","; None: found out.
    """
    sample = lines[:: max(len(lines) // SAMPLE, 1)]
    pairs = [pair for pair in CANDIDATES if delimiter in (None, pair[0]) and decimal in (None, pair[1])]
    if not pairs:  # a delimiter of the user's own
        assert delimiter is not None
        pairs = [(delimiter, sign) for sign in (".", ",") if decimal in (None, sign)]
    scores = [_score(sample, *pair) for pair in pairs]
    best = max(scores)
    if best <= 0:
        return None
    tied = [pair for pair, score in zip(pairs, scores, strict=True) if score == best]
    if (",", ".") in tied and ("", ",") in tied:
        found = ("", ",") if _commas_are_decimal(sample) else (",", ".")
        one, two = option("delimiter", "comma"), f"{option('delimiter', 'none')} and {option('decimal', ',')}"
        other = one if found[0] == "" else two
        what = "decimal signs" if found[0] == "" else "delimiters"
        return *found, (f"the commas are taken as {what}; give {other} if they are not",)
    found = tied[0]
    name = NAMES.get(found[0], repr(found[0]))
    notes = [f"delimiter {name}"] if found[0] not in (",", "") else []
    if found[1] == ",":
        notes.append("decimal comma")
    return *found, tuple(notes)


def _score(lines: Sequence[str], delimiter: str, decimal: str) -> float:
    """Return the share of lines that are rows of one table: as wide as most, with numbers where most have them.

    A title with a number in it is no such row, whatever cuts it into cells.
    """
    rows = [split(line, delimiter) for line in lines]
    rows = [row for row in rows if any(_is_value(cell, row, decimal) for cell in row)]
    rows = [row for row in rows if not any(is_junk(cell, decimal) for cell in row)]
    if not rows:
        return 0.0
    width = Counter(map(len, rows)).most_common(1)[0][0]
    balance = [0] * width
    for row in rows:
        for column, cell in enumerate(row[:width]):
            balance[column] += 1 if _is_value(cell, row, decimal) else 0 if is_gap(cell) else -1
    numeric = [column for column in range(width) if balance[column] > 0]
    good = 0
    for row in rows:
        # a short row under blanks may lack any of its cells
        fits = len(row) == width or (len(row) < width and delimiter != " ")
        cells = [row[column] for column in numeric if column < len(row)]
        good += fits and all(_is_value(cell, row, decimal) or is_gap(cell) for cell in cells)
    # where no two rows are alike any number counts, so that faults are told of a table and not of a text
    return (good or 0.1) / len(lines)


def _is_value(cell: str, row: Sequence[str], decimal: str) -> bool:
    """Return True if a cell is a number, with a unit or without; in a row of one cell blanks delimit the unit."""
    return is_number(cell, decimal) or (quantity(cell, decimal) is not None and (len(row) > 1 or " " not in cell))


def _commas_are_decimal(lines: Sequence[str]) -> bool:
    """Return True if lines such as 12,5 are one number each, and not two."""
    cells = [line.strip().strip('"').split(",") for line in lines]
    pairs = [(cell[0].strip(), cell[1].strip()) for cell in cells if len(cell) == 2 and not is_gap(cell[0])]
    if any(len(cell) > 1 and not cell[0][:1].lstrip("+-").isdigit() for cell in cells[:3]):
        return False  # a heading with a comma
    if any(left == "-0" or (right[:1] == "0" and len(right) > 1) or "e" in right.lower() for left, right in pairs):
        return True
    whole = [int(left) for left, _ in pairs if left.lstrip("+-").isdigit()]
    steps = {after - before for before, after in itertools.pairwise(whole)}
    if len(whole) > 2 and len(steps) == 1 and 0 not in steps:
        return False  # the left numbers count pulses
    lengths = [len(right) for _, right in pairs]
    return len(set(whole)) < 0.8 * len(whole) or lengths.count(max(lengths, default=0)) > 0.5 * len(lengths) > 0
