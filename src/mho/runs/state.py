"""How far the training in a run folder is, read while another process trains there."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any, final

from mho.errors import InvalidValue
from mho.runs.run import METRICS
from mho.runs.worker import PROGRESS


@final
@dataclasses.dataclass(frozen=True)
class State:
    """How far a run is: finished epochs, the finished share (0 to 1) of the next, and the lines of metrics so far."""

    epoch: int
    fraction: float
    metrics: list[dict[str, Any]]

    def done(self, epochs: int) -> float:
        """Return the epochs that are done, the present one in part; not more than `epochs`, which are asked for."""
        return min(self.epoch + self.fraction, float(epochs))


def read_state(folder: Path) -> State:
    """Read how far a run is."""
    metrics, fraction = read_metrics(folder), 0.0
    with contextlib.suppress(OSError, ValueError):
        progress = json.loads((folder / PROGRESS).read_text())
        if progress["epoch"] == len(metrics):
            fraction = progress.get("fraction", 0.0)  # absent in folders of earlier versions
    return State(len(metrics), fraction, metrics)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Read the lines of a run's metrics.jsonl, which is whole or not there.

    Raises:
        InvalidValue: if the file is damaged.
    """
    try:
        text = (folder / METRICS).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    try:
        lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    except ValueError as error:
        raise InvalidValue(f"{folder / METRICS} is damaged ({error}); delete {folder} to train it anew") from None
    for number, line in enumerate(lines, 1):
        if line.get("epoch") != number or "seconds" not in line:
            raise InvalidValue(
                f"{folder / METRICS}, line {number}, is {line!r}; trainings write epochs 1, 2, ..., each with seconds"
            )
    return lines
