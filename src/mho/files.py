"""Files: paths as users write them, and writing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def expanded(given: str | os.PathLike[str]) -> Path:
    """Return the path that a user gave, with the home folder in place of `~`."""
    return Path(os.path.expanduser(given))


def write_atomically(file: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, also when the disk is full."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(name, 0o644)
        os.replace(name, file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
