"""Files: paths as users write them, and writing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mho.errors import WrongUse


def expanded(given: str | os.PathLike[str]) -> Path:
    """Return the path that a user gave, with the home folder in place of `~`."""
    return Path(os.path.expanduser(given))


def check_place(file: Path | None) -> None:
    """Refuse a file that could not be written for want of its folder, before there is work that would be lost.

    Raises:
        WrongUse: if there is no such folder, or the file is a folder.
    """
    if file is None:
        return
    if file.is_dir():
        raise WrongUse(f"{file} is a folder; name a file in it")
    if not file.parent.is_dir():
        raise WrongUse(f"{file} cannot be written, because there is no folder {file.parent}; make it, or name another")


def write_atomically(file: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, also when the disk is full.

    Raises:
        WrongUse: if its folder does not exist.
    """
    check_place(file)
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
