"""The numbers of a run for TensorBoard."""

from __future__ import annotations

from mho.runs.run import Run
from mho.training import TensorBoard

FOLDER, FILES = "tensorboard", "events.out.tfevents.*"


def write_board(run: Run) -> TensorBoard:
    """Write the epochs of a run so far as scalars for TensorBoard, and return what writes those to come.

    They stand in the folder tensorboard of the run folder, written anew, so that they are those of metrics.jsonl also
    where a run is resumed.

    Raises:
        InvalidValue: without the package tensorboard, naming the extra that brings it; nothing is written then.
    """
    folder = run.folder / FOLDER
    old = list(folder.glob(FILES))
    board = TensorBoard(folder)
    for file in old:
        file.unlink()
    for line in run.loop.progress.metrics:
        board(line)
    return board
