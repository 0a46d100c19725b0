"""State of a training of CoNNTrA, in memory and in a file."""

from __future__ import annotations

import dataclasses
import platform
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch

from mho.errors import CheckpointError
from mho.learning.combinatorial.levels import Levels
from mho.training.checkpoint import load_checkpoint, save_checkpoint

KIND = "conntra"


@final
@dataclasses.dataclass
class State:
    """Everything that the rest of a training depends on.

    Attributes:
        levels: (W,), of all weights.
        visited: (W,) uint8, weights visited in this sweep.
        best_levels: those of the lowest validation error, or None.
        best: that error, and the loss.
        history: losses at the start and after each sweep.
        records: records of each sweep.
        evaluations: levels evaluated in this sweep.
        changes: weights changed in this sweep.
        seconds: seconds of descent in all.
        all_evaluations: evaluations of the sweeps before.
        all_seconds: seconds of the sweeps before.
        converged: whether a sweep changed nothing.
    """

    levels: Levels
    visited: npt.NDArray[np.uint8]
    best_levels: Levels | None = None
    best: tuple[float, float] | None = None
    history: list[float] = dataclasses.field(default_factory=list)
    records: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    evaluations: int = 0
    changes: int = 0
    seconds: float = 0.0
    all_evaluations: int = 0
    all_seconds: float = 0.0
    converged: bool = False

    @classmethod
    def start(cls, levels: Levels) -> State:
        """Return the state before the first sweep."""
        return cls(levels.copy(), np.zeros(len(levels), np.uint8))

    def begin_sweep(self) -> None:
        """Forget what was visited."""
        self.visited[:] = 0
        self.all_evaluations += self.evaluations
        self.all_seconds = self.seconds
        self.evaluations = self.changes = 0


ARRAYS = ("levels", "visited", "best_levels")


def machine() -> str:
    """Return what a training's last bits may depend on beside mho: libm's logarithm."""
    return f"{platform.system()} {platform.machine()}"


def write_state(file: Path, state: State, description: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all."""
    tensors = {name: torch.from_numpy(array) for name in ARRAYS if (array := getattr(state, name)) is not None}
    notes = {f.name: getattr(state, f.name) for f in dataclasses.fields(state) if f.name not in ARRAYS}
    file.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(file, tensors, {"kind": KIND, "machine": machine(), "state": notes, "training": description})


def read_state(file: Path, description: dict[str, Any], weights: int) -> State:
    """Read a checkpoint.

    Raises:
        CheckpointError: if it is damaged, or belongs to another training or machine, naming what differs.
    """
    tensors, notes = load_checkpoint(file)
    if notes.get("kind") != KIND:
        raise CheckpointError(f"{file} is a checkpoint of mho train, not of CoNNTrA; give another file")
    stored = {"machine": notes["machine"], **notes["training"]}
    here = {"machine": machine(), **description}
    faults = [
        f"{name} ({_short(stored.get(name))} there, {_short(here.get(name))} here)"
        for name in here
        if _plain(stored.get(name)) != _plain(here[name])
    ]
    if faults:
        raise CheckpointError(
            f"{file} belongs to another training: it differs in {'; '.join(faults)}. Continue with what it was begun "
            "with, or give another file"
        )
    values = dict(notes["state"])
    values["best"] = tuple(values["best"]) if values["best"] is not None else None
    arrays: dict[str, Any] = {name: tensors[name].numpy().copy() for name in ARRAYS if name in tensors}
    if arrays["levels"].shape != (weights,):
        raise CheckpointError(f"{file} has {arrays['levels'].size} weights, and the network has {weights}")
    return State(**arrays, **values)


def _plain(value: Any) -> Any:
    """Return a value as JSON gives it back."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else "another"
