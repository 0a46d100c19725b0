"""Cells of a table as text: numbers, gaps, dates and times, words; and lines as cells."""

from __future__ import annotations

import csv
import re

from mho.measurements.units import MHO, OHM, OTHERS, PREFIX, is_unit

NUMBERS = {
    ".": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII),
    # a comma at the end is a delimiter
    ",": re.compile(r"[+-]?(\d+(,\d+)?|,\d+)([eE][+-]?\d+)?", re.ASCII),
}
QUANTITY = re.compile(rf"([+-]?[\d.,]+(?:[eE][+-]?\d+)?)\s?({PREFIX}(?:{MHO}|A|V|s|{OHM})|%)")
"""A number with its unit."""
CLOCK = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\s?[AaPp]\.?[Mm]\.?)?"
DATE = (
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})|\d{8}(?=T)|\d{1,2}[- "
    r".]+[A-Za-z]{3,9}\.?[- ,]+\d{2,4}"
    r"|[A-Za-z]{3,9}\.? \d{1,2},? \d{4})"
)
STAMP = re.compile(rf"{DATE}([T ,_-]+({CLOCK}|\d{{6}}))?\s?(Z|UTC|GMT|[+-]\d{{2}}:?\d{{2}})?|{CLOCK}", re.ASCII)
"""A date, a time of the day, or both."""
WRONG_CUT = re.compile(r"[+-]?[.,]?\d(.*[,;|\t ]\s*[+-]?[.,]?\d|[^\s,;|]*[,;|]$)")
"""A number with a character after it that delimits, and perhaps with another number."""
SPREADSHEET = ("#n/a", "#na", "#num!", "#div/0!", "#value!", "#ref!", "#name?")
NOT_FINITE = ("nan", "inf", "+inf", "-inf", "infinity", "-infinity", "1.#inf", "1.#ind", "1.#qnan")
NO_READING = ("na", "n/a", "null", "none", "nil", "missing", "invalid", "failed", "err", "error")
OVER_RANGE = ("over", "overflow", "ovfl", "ovld", "ovrflw")
DASHES = ("", "-", "--", "---", "–", "—", "?", "*", ".")
GAPS = frozenset((*SPREADSHEET, *NOT_FINITE, *NO_READING, *OVER_RANGE, *DASHES))
OVERFLOW = 9.9e37
"""Instruments write 9.9e37 for infinity and 9.91e37 for not a number (SCPI 1999.0, 7.2.1)."""
MINUS = str.maketrans({"−": "-", "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u00a0": " ", "\u202f": " "})
COMMENTS = ("#", "%", "//", "!")


def clean(cell: str) -> str:
    """Return a cell without blanks around it, with the minus sign of ASCII."""
    return cell.translate(MINUS).strip().strip("\ufeff\x1a").strip()


def is_gap(cell: str) -> bool:
    """Return True if a cell says that there is no reading."""
    return cell.lower() in GAPS


def names_unit(cell: str) -> bool:
    """Return True if a cell of a heading line is a unit, or says there is none: "(nS)", "[cycles]", "(-)", "#", ""."""
    bare = cell.strip().strip("()[]").strip()
    bracketed = cell.strip()[:1] in ("(", "[") and OTHERS.fullmatch(bare) is not None
    return is_unit(cell) or bracketed or is_gap(bare) or bare in ("", "#")


def is_number(cell: str, decimal: str) -> bool:
    """Return True if a cell is a number with this decimal sign."""
    return NUMBERS[decimal].fullmatch(cell) is not None


def number(cell: str, decimal: str) -> float | None:
    """Return the number in a cell; NaN for a gap, None for anything else."""
    if is_number(cell, decimal):
        value = float(cell.replace(",", "."))
        return value if abs(value) < OVERFLOW else float("nan")
    return float("nan") if is_gap(cell) else None


def quantity(cell: str, decimal: str) -> tuple[float, str] | None:
    """Return the number and the unit in a cell such as "12.3 uS"; None for anything else."""
    found = QUANTITY.fullmatch(cell)
    if found is None or not is_number(found[1], decimal):
        return None
    return float(found[1].replace(",", ".")), found[2]


def is_stamp(cell: str) -> bool:
    """Return True if a cell is a date, a time of the day, or both."""
    return STAMP.fullmatch(cell) is not None


def is_junk(cell: str, decimal: str) -> bool:
    """Return True if a cell holds what another delimiter or decimal sign would take apart."""
    if not cell[:1].isdigit() and cell[:1] not in "+-.,":
        return False
    if is_number(cell, decimal) or is_stamp(cell) or quantity(cell, decimal):
        return False
    return WRONG_CUT.match(cell) is not None


def is_comment(line: str) -> bool:
    """Return True if a line is a comment; a gap in a file of one column is none."""
    return line.startswith(COMMENTS) and not is_gap(line)


def split(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line; "" keeps it whole, " " splits at runs of blanks and tabs.

    Every line is taken by itself: a quote that is never closed must not swallow the lines below.
    """
    if delimiter == "":
        return [clean(line.strip().strip('"'))]
    if delimiter == " ":
        # a unit belongs to the name before it
        line = re.sub(r"\s+([(\[])", r"\1", " ".join(line.translate(MINUS).split()))
    try:
        found = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:  # a cell beyond the csv module's limit
        found = line.split(delimiter)
    return [clean(cell) for cell in found]
