"""A run folder: what its files are called, what stands in them, how they are written, and read again.

`files.py` has the names, writes and reads; `summary.py` what summary.json holds; `contents.py` reads a whole folder and
names all its faults; `state.py` reads how far a run is, while another process trains there.
"""

from mho.runs.folder.contents import RunFolder, read_folder
from mho.runs.folder.files import (
    BEST,
    CHECKPOINT,
    CONFIG,
    FLOAT,
    METRICS,
    PICTURES,
    PROGRESS,
    REPORT,
    SUMMARY,
    holds_metrics,
    read_history,
    read_metrics,
    read_pictures,
    read_summary,
    refuse_used,
    write_config,
    write_metrics,
    write_summary,
)
from mho.runs.folder.state import State, read_state

__all__ = [
    "BEST",
    "CHECKPOINT",
    "CONFIG",
    "FLOAT",
    "METRICS",
    "PICTURES",
    "PROGRESS",
    "REPORT",
    "SUMMARY",
    "RunFolder",
    "State",
    "holds_metrics",
    "read_folder",
    "read_history",
    "read_metrics",
    "read_pictures",
    "read_state",
    "read_summary",
    "refuse_used",
    "write_config",
    "write_metrics",
    "write_summary",
]
