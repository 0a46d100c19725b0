"""Lines of metrics.jsonl, as they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mho.errors import InvalidValue


def read_history(file: Path) -> list[dict[str, Any]]:
    """Read a metrics.jsonl: one mapping an epoch, empty lines left out.

    Raises:
        InvalidValue: if the file cannot be read, or a line is no JSON object, naming the line.
    """
    if file.is_dir():
        raise InvalidValue(
            f"{file} is a folder; give the file {file / 'metrics.jsonl'}, or write the page of the run by  mho report "
            f"{file}"
        )
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidValue(f"there is no file {file}; give a metrics.jsonl, as mho train writes it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{file} cannot be read: {error}") from None
    lines = enumerate(text.splitlines(), 1)
    return [json_object(line, f"{file}: line {number}") for number, line in lines if line.strip()]


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
