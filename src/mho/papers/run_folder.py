"""What the run folders of a reproduction have beside the lines of their metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mho.runs.run import SUMMARY

PICTURES = "pictures"
"""Folder of a run's pictures, each NAME.png."""


def read_summary(folder: Path) -> dict[str, Any]:
    """Read a run's summary.json; empty for a study that writes none."""
    try:
        summary: dict[str, Any] = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return summary


def read_pictures(folder: Path) -> dict[str, bytes]:
    """Read a run's pictures by name."""
    return {file.stem: file.read_bytes() for file in sorted((folder / PICTURES).glob("[!.]*.png"))}
