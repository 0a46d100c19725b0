"""The files of a run folder: their names, and how each is written and read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mho.errors import InvalidValue
from mho.files import refuse_full, write_atomically

CONFIG, METRICS, CHECKPOINT, SUMMARY = "config.toml", "metrics.jsonl", "checkpoint.safetensors", "summary.json"
BEST = "best.safetensors"
"""A checkpoint of the epoch with the lowest validation error, where there is validation."""
REPORT = "report.html"
FLOAT = "float"
"""Folder in a run folder: the same network in floating point, a run of its own, where it was asked for."""
PICTURES = "pictures"
"""Folder in the run folder of a study: its pictures, each NAME.png."""
RESUME = "add --resume to continue it, or give another --out"
"""What to do where a run is in the way of a new run."""
PROGRESS = ".progress"
"""A file in the folder of a watched run: the number of finished epochs, and the finished share of the next."""


def refuse_used(folder: Path) -> None:
    """Refuse a folder for a new run that holds something already.

    Raises:
        WrongUse: if the folder is a file, or is not empty.
    """
    refuse_full(folder, known={CONFIG: "holds a run"}, cure=RESUME)


def write_config(folder: Path, text: str) -> None:
    """Write config.toml, from which the run can be repeated."""
    write_atomically(folder / CONFIG, text.encode())


def write_metrics(folder: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write metrics.jsonl, one JSON object a line."""
    write_atomically(folder / METRICS, _metrics(lines))


def holds_metrics(folder: Path, lines: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether metrics.jsonl has just these lines; a process killed after its checkpoint leaves it behind."""
    file = folder / METRICS
    return file.exists() and file.read_bytes() == _metrics(lines)


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write summary.json."""
    write_atomically(folder / SUMMARY, json.dumps(summary, indent=1).encode())


def read_summary(folder: Path) -> dict[str, Any]:
    """Read summary.json as it stands; {} where a run has none.

    Raises:
        InvalidValue: if the file is damaged.
    """
    try:
        text = (folder / SUMMARY).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        return json_object(text, "the file")
    except InvalidValue as error:
        raise InvalidValue(f"{folder / SUMMARY} is damaged: {error}; restore it, or delete it") from None


def read_pictures(folder: Path) -> dict[str, bytes]:
    """Read the pictures of a study by name."""
    return {file.stem: file.read_bytes() for file in sorted((folder / PICTURES).glob("[!.]*.png"))}


def read_history(file: Path) -> list[dict[str, Any]]:
    """Read a metrics.jsonl: one mapping per epoch, empty lines left out.

    Raises:
        InvalidValue: if the file cannot be read, or a line is no JSON object, naming the line.
    """
    if file.is_dir():
        raise InvalidValue(
            f"{file} is a folder; give the file {file / METRICS}, or write the page of the run by  mho report {file}"
        )
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidValue(f"there is no file {file}; give a metrics.jsonl, as mho train writes it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{file} cannot be read: {error}") from None
    return list(parse_lines(text, f"{file}: ").values())


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Read the lines of a folder's metrics.jsonl, which is whole or not there, to go on from them.

    Raises:
        InvalidValue: if the file is damaged.
    """
    try:
        text = (folder / METRICS).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    try:
        lines = list(parse_lines(text).values())
    except InvalidValue as error:
        raise InvalidValue(f"{folder / METRICS} is damaged ({error}); delete {folder} to train it anew") from None
    for number, line in enumerate(lines, 1):
        if line.get("epoch") != number or "seconds" not in line:
            raise InvalidValue(
                f"{folder / METRICS}, line {number}, is {line!r}; trainings write epochs 1, 2, ..., each with seconds"
            )
    return lines


def parse_lines(text: str, where: str = "") -> dict[int, dict[str, Any]]:
    """Parse the lines of a metrics.jsonl, by their numbers; empty lines are left out.

    Args:
        text: one JSON object a line.
        where: what stands before the number of a line in messages.

    Raises:
        InvalidValue: naming the first line that is no JSON object.
    """
    lines = enumerate(text.splitlines(), 1)
    return {number: json_object(line, f"{where}line {number}") for number, line in lines if line.strip()}


def json_object(text: str, subject: str) -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        text: JSON.
        subject: what the text is, for messages.

    Raises:
        InvalidValue: if the text is something else.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidValue(f"{subject} is not JSON ({error})") from None
    if not isinstance(values, dict):
        raise InvalidValue(f"{subject} is not a JSON object")
    return values


def _metrics(lines: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()
