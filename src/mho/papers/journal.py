"""The lines, the checkpoint and the pictures of a study in its run folder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from torch import Tensor

from mho.errors import InvalidValue, WrongUse
from mho.runs.folder import CHECKPOINT, PICTURES, holds_metrics, write_metrics
from mho.training.checkpoint import load_checkpoint, save_checkpoint

RESERVED = ("epoch", "seconds")
"""Names of numbers that the journal itself writes."""


@final
class Journal:
    """Keeps lines and state of a study so that a process killed at any moment loses no finished epoch.

    One file, the checkpoint, holds state and lines of one moment; metrics.jsonl is written after it, and again by the
    next process if this process was killed in between.

    Args:
        folder: the run folder; it is made if it does not exist.

    Attributes:
        lines: lines of metrics.jsonl, one per finished epoch.
        tensors: the state as it was saved last, by name; empty at the start.
        notes: what was saved beside it, in values that JSON has; empty at the start.

    Raises:
        CheckpointError: if the folder's checkpoint is damaged, or of another version of the physics.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[dict[str, Any]] = []
        self.tensors: dict[str, Tensor] = {}
        self.notes: dict[str, Any] = {}
        self._seconds = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CHECKPOINT).exists():
            self.tensors, stored = load_checkpoint(folder / CHECKPOINT)
            self.lines, self.notes, self._seconds = stored["lines"], stored["notes"], stored["seconds"]
            self._write_lines()
        self._began = time.perf_counter()

    @property
    def epochs(self) -> int:
        """Number of finished epochs."""
        return len(self.lines)

    def save(self, *, tensors: Mapping[str, Tensor] | None = None, notes: Mapping[str, Any] | None = None) -> None:
        """Write a checkpoint within an epoch.

        Args:
            tensors: the whole state that the rest of the run depends on.
            notes: more of it, in values that JSON has.
        """
        self.tensors, self.notes = dict(tensors or {}), dict(notes or {})
        stored = {"lines": self.lines, "notes": self.notes, "seconds": self._elapsed()}
        save_checkpoint(self.folder / CHECKPOINT, self.tensors, stored)

    def finish_epoch(
        self,
        numbers: Mapping[str, float],
        *,
        tensors: Mapping[str, Tensor] | None = None,
        notes: Mapping[str, Any] | None = None,
        seconds: float | None = None,
    ) -> None:
        """Add the line of an epoch, with the state at its end. Pictures and summary.json are written before.

        Args:
            numbers: named numbers of the line; names that contain "second" may depend on the machine.
            tensors: the whole state that further epochs depend on.
            notes: more of it, in values that JSON has.
            seconds: training time of the epoch; None: the time since the last epoch ended, without pauses.

        Raises:
            InvalidValue: for names that the journal writes itself, values that are no numbers, or other names than
                those of the first epoch.
        """
        self._check(numbers)
        taken = self._elapsed() if seconds is None else seconds
        line = {"epoch": len(self.lines) + 1, **{name: _number(value) for name, value in numbers.items()}}
        self.lines.append(line | {"seconds": taken})
        self._seconds, self._began = 0.0, time.perf_counter()
        self.save(tensors=tensors, notes=notes)
        self._write_lines()

    def picture(self, name: str) -> Path:
        """Return the path of a picture that results keep; write a small PNG there before the epoch is finished.

        Args:
            name: letters, digits, `-` and `_`; expected.toml may have a caption under this name.
        """
        if not name or not all(letter.isalnum() or letter in "-_" for letter in name):
            raise InvalidValue(f"a picture is named {name!r}; give letters, digits, - and _")
        (self.folder / PICTURES).mkdir(exist_ok=True)
        return self.folder / PICTURES / f"{name}.png"

    def _elapsed(self) -> float:
        return self._seconds + time.perf_counter() - self._began

    def _check(self, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            if name in RESERVED:
                raise InvalidValue(f"{name!r} is written by the journal; name the number otherwise")
            if isinstance(value, bool) or not isinstance(_number(value), (int, float)):
                raise InvalidValue(f"{name} is {value!r}; give a number")
        if self.lines and set(self.lines[0]) != {*numbers, *RESERVED}:
            other = sorted(set(self.lines[0]) ^ {*numbers, *RESERVED})
            raise WrongUse(f"epochs of one run have other numbers ({', '.join(other)}); give the same names each time")

    def _write_lines(self) -> None:
        if not holds_metrics(self.folder, self.lines):
            write_metrics(self.folder, self.lines)


def _number(value: Any) -> Any:
    """Return a number of NumPy or torch as Python's."""
    return value.item() if hasattr(value, "item") else value
