"""Progress of a descent, on a terminal."""

from __future__ import annotations

from typing import final

from mho.bar import Bar
from mho.learning.combinatorial.descent import Progress


@final
class DescentBar(Bar[Progress]):
    """Sweep, evaluations per second, loss and changes.

    Args:
        sweeps: at most.
        show: False: show nothing.
    """

    def __init__(self, sweeps: int, *, show: bool = True) -> None:
        super().__init__(
            f"sweep {{task.fields[sweep]}}/{sweeps}",
            "{task.fields[rate]:,.0f} evaluations/s  loss {task.fields[loss]:.4g}  {task.fields[changes]:,} changes  "
            "left at most",
            total=sweeps, show=show, sweep=1, rate=0.0, loss=float("nan"), changes=0,
        )  # fmt: skip

    def step(self, progress: Progress) -> None:
        self.update(
            progress.sweep - 1 + progress.visited / progress.weights,
            sweep=progress.sweep,
            rate=progress.evaluations / max(progress.seconds, 1e-9),
            loss=progress.loss,
            changes=progress.changes,
        )
