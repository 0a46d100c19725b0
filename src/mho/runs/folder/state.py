"""State of the training in a run folder, read while another process trains there."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any, final

from mho.runs.folder.files import PROGRESS, read_metrics


@final
@dataclasses.dataclass(frozen=True)
class State:
    """State of a run: finished epochs, the finished share (0 to 1) of the next, and the lines of metrics so far."""

    epoch: int
    fraction: float
    metrics: list[dict[str, Any]]

    def done(self, epochs: int) -> float:
        """Return the epochs that are done, the present epoch in part; at most `epochs`, which are asked for."""
        return min(self.epoch + self.fraction, float(epochs))


def read_state(folder: Path) -> State:
    """Read how far a run is."""
    metrics, fraction = read_metrics(folder), 0.0
    with contextlib.suppress(OSError, ValueError):
        progress = json.loads((folder / PROGRESS).read_text())
        if progress["epoch"] == len(metrics):
            fraction = progress.get("fraction", 0.0)  # absent in folders of earlier versions
    return State(len(metrics), fraction, metrics)
