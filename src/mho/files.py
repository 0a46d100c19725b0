"""Files: paths as users write them, and writing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
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


def refuse_full(folder: Path, *, known: Mapping[str, str] | None = None, cure: str = "give another --out") -> None:
    """Refuse a folder for new results that holds something already, before there is work that would be lost.

    Args:
        folder: where results go; it may not exist.
        known: what a folder with a file of this name holds, for the message: "config.toml" to "holds a run".
        cure: what to do.

    Raises:
        WrongUse: if the folder is a file, or is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = next((what for file, what in (known or {}).items() if (folder / file).exists()), "")
        raise WrongUse(f"{folder} {what or 'exists and is not empty'}; {cure}")


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
