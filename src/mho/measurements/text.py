"""The text of a file of measurements, or what it is instead."""

from __future__ import annotations

import codecs
import os
from collections.abc import Sequence
from pathlib import Path

from mho.errors import InvalidValue
from mho.measurements.vocabulary import BETWEEN_CJK
from mho.toml_files import no_such_file

MOST_BYTES = 256 * 2**20
SHOWN = 10
"""Largest number of faults of a file that are reported in full."""
FOREIGN = {
    b"PK\x03\x04": "a spreadsheet or an archive (.xlsx, .ods, .zip)",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet (.xls)",
    b"\x89PNG": "an image (PNG)",
    b"\xff\xd8\xff": "an image (JPEG)",
    b"GIF8": "an image (GIF)",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "packed (gzip)",
    b"\x89HDF": "an HDF5 file",
    b"MATLAB 5.0": "a MATLAB file",
    b"\x93NUMPY": "a NumPy array",
}
BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The longer marks of UTF-32 stand before those of UTF-16, which they begin with."""
EASTERN = ("gb18030", "shift_jis", "euc_kr")
"""Encodings that are taken where they make words of pulses and columns."""
AS_CSV = "export its table as CSV"


class FileFaults:
    """Faults of a file, by line and column."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[str] = []

    def add(self, fault: str, line: int | None = None, column: str | None = None) -> None:
        """Note a fault; `column` is the number of the column, with its name if it has a name."""
        place = f"line {line}" if line is not None else ""
        if column is not None:
            place += f"{', ' if place else ''}column {column}"
        self.found.append(f"{place}: {fault}" if place else fault)

    def raise_any(self) -> None:
        """Raise one `InvalidValue` with the first faults and the number of the others."""
        if self.found:
            more = len(self.found) - SHOWN
            shown = [*self.found[:SHOWN], *([f"and {more} more"] if more > 0 else [])]
            raise InvalidValue(f"{self.file}: " + "; ".join(shown), self.found)


def shown(cell: str) -> str:
    """Return a cell as an error quotes it."""
    return repr(cell if len(cell) <= 40 else cell[:37] + "...")


def read_lines(file: str | os.PathLike[str], encoding: str | None = None) -> tuple[list[str], Sequence[str]]:
    """Return the lines of a text file, line 1 first, and notes about its encoding.

    Raises:
        InvalidValue: naming the file, when it is missing, a folder, empty, too large, or no text.
    """
    path = Path(file)
    data = _bytes(path)
    for magic, kind in FOREIGN.items():
        if data.startswith(magic):
            raise InvalidValue(f"{path}: it is {kind}, not text; {AS_CSV}")
    text, notes = _decoded(path, data, encoding)
    odd = sum(not character.isprintable() and character not in "\t\r\n\f\v\x1a\ufeff" for character in text[:100_000])
    if odd > 0.02 * len(text[:100_000]) + 1:
        raise InvalidValue(f"{path}: it is no text ({odd} control characters at its start); {AS_CSV}")
    if not text.strip():
        raise InvalidValue(f"{path}: it is empty; give a table with at least two readings")
    # not splitlines, which knows more line ends than editors count
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), notes


def _bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise InvalidValue(f"{path}: it is a folder; name the files in it")
        if not path.exists():
            raise InvalidValue(no_such_file(path))
        if not path.is_file():
            raise InvalidValue(f"{path}: it is no regular file; give a text file")
        if path.stat().st_size > MOST_BYTES:
            raise InvalidValue(
                f"{path}: it has {path.stat().st_size / 2**20:.0f} MiB, and at most {MOST_BYTES // 2**20} are read; "
                "give fewer readings"
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidValue):
            raise
        raise InvalidValue(f"{path}: it cannot be read ({error}); check name and permissions") from error


def _decoded(path: Path, data: bytes, encoding: str | None) -> tuple[str, Sequence[str]]:
    if encoding is not None:
        try:
            return data.decode(encoding).lstrip("\ufeff"), ()
        except (UnicodeError, LookupError) as error:
            line = data[: getattr(error, "start", 0)].count(b"\n") + 1
            raise InvalidValue(
                f"{path}: line {line}, column 1: it is not {encoding} ({error}); leave it out, or give another"
            ) from error
    for mark, name in BOMS.items():
        if data.startswith(mark):
            return data.decode(name, errors="replace"), () if name == "utf-8-sig" else (f"encoding {name}",)
    zeros = [data[start:2000:2].count(0) for start in (0, 1)]
    half = max(len(data[:2000]) // 2, 1)
    if max(zeros) > 0.6 * half and min(zeros) < 0.2 * half:
        name = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
        return data.decode(name, errors="replace"), (f"encoding {name}, without a mark",)
    try:
        return data.decode("utf-8"), ()
    except UnicodeDecodeError:
        pass
    for name in EASTERN:
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        if BETWEEN_CJK.search(text):
            return text, (f"encoding {name}",)
    return data.decode("latin-1"), ("encoding latin-1",)
