"""Options that several verbs share: numbers with errors in mho's words, and the folder of a run."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import typer


def integer(text: Any) -> int:
    """Return the integer that a text gives."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"it is {text}; give an integer") from None


def number(text: Any) -> float:
    """Return the number that a text gives."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"it is {text}; give a number") from None


def share_or_number(text: Any) -> float:
    """Return the number that a text gives, as an integer if it is whole."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    raise typer.BadParameter(f"it is {text}; give a share such as 0.1, or a number such as 5000")


def whole(*, help: str) -> Any:  # named as in typer
    """Make an option that takes an integer, whose faults are reported in mho's words."""
    return typer.Option(help=help, parser=integer, metavar="INTEGER")


def say_if_new(folder: Path) -> None:
    """Show on standard error that --resume starts a new run, where a folder has no checkpoint."""
    from mho.runs.folder import CHECKPOINT

    if not (folder / CHECKPOINT).exists():
        print(f"nothing to resume in {folder}, which has no checkpoint: a new run starts there", file=sys.stderr)


def next_folder(name: str) -> Path:
    """Return the first of runs/NAME-1, runs/NAME-2, ... that does not exist."""
    number = 1
    while (folder := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return folder
