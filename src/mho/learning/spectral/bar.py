"""Progress of a pass over a sequence, on standard error."""

from __future__ import annotations

import time
from types import TracebackType
from typing import final

from mho.bar import Bar


@final
class SequenceBar(Bar[int]):
    """Samples, samples a second and time left on a terminal; one line at the end elsewhere.

    Args:
        seen: samples of the sequence before this piece.
        samples: samples of this piece.
        show: whether anything is shown.
    """

    def __init__(self, seen: int, samples: int, *, show: bool) -> None:
        self.seen, self.samples = seen, samples
        super().__init__(
            "samples {task.fields[seen]:,}", "{task.fields[rate]:,.0f} samples/s  left",
            total=samples, show=show, seen=seen, rate=0.0,
        )  # fmt: skip
        self.began = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if not self.is_live and kind is None:
            self.say(f"samples {self.seen + self.samples:,}  {self._rate(self.samples):,.0f} samples/s")

    def step(self, progress: int) -> None:
        """Show the progress after so many rows of the whole sequence, if it is time."""
        if self.due():
            self.update(progress - self.seen, seen=progress, rate=self._rate(progress - self.seen))

    def _rate(self, done: int) -> float:
        return done / max(time.monotonic() - self.began, 1e-9)
