"""Callbacks of a loop: what is done with the numbers of each epoch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, final

from mho.errors import InvalidValue, InWords

Line = Mapping[str, Any]
"""The numbers of an epoch by name, as a line of metrics.jsonl has them."""
Callback = Callable[[Line], object]
"""What a loop calls after each epoch with its numbers."""
REPLICAS = "_replicas"
"""Ends the name of a list of one number per replica, whose mean has the name without it."""
NAMES = "replicas"
"""Key of a line's list of names of the replicas, where they differ in a value: "forward.noise = 0.06"."""


@final
class TensorBoard(metaclass=InWords):
    """A callback that writes the numbers of each epoch as scalars for TensorBoard.

    Each number has its name of metrics.jsonl; replica r of `test_error_replicas` is `test_error_replicas/r`, or has its
    name in place of r where the line names the replicas. A loop of your own calls the board as mho's loop does,
    `board({"epoch": 1, "test_error": 4.2})`; to write a finished run, call the board with each line of
    `mho.load(folder).history`. Close the board at the end, or use it in a `with` statement.

    Args:
        folder: folder of TensorBoard's event files, which is made: `tensorboard --logdir FOLDER` shows it.

    Raises:
        InvalidValue: without the package tensorboard, naming the extra that brings it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InvalidValue(
                'TensorBoard needs the package tensorboard, which is not installed; run: pip install "mho[tensorboard]"'
            ) from None
        self._writer: Any = SummaryWriter(str(Path(folder)))

    def __call__(self, line: Line) -> None:
        """Write the numbers of an epoch.

        Raises:
            InvalidValue: for a line without a whole number `epoch`.
        """
        epoch = line.get("epoch")
        if not isinstance(epoch, int):
            raise InvalidValue(f"the line has epoch {epoch!r}; give the number of the epoch, a whole number")
        for name, value in line.items():
            if name.endswith(REPLICAS):
                names = line.get(NAMES) or range(len(value))
                for replica, own in zip(names, value, strict=True):
                    self._writer.add_scalar(f"{name}/{replica}", own, epoch)
            elif name not in ("epoch", NAMES):
                self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left, and close the files."""
        self._writer.close()

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
