"""Base of registered kinds of files, and the file that a name of data means."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import final

from mho.data.dataset import Dataset
from mho.errors import InvalidValue


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class FileFormat:
    """A kind of files with a user's data.

    Attributes:
        load: makes the data set of a file and of a column's name or number, "" for none.
        ending: ending of the names of its files, with the dot; a name of data that ends so needs no prefix.
        task: returns the name of the task that a file is for, unless the user names another; arguments as of `load`.
        axes: number of axes of an example, 1 for (n,), and 0 for the characters of a text; None where each file
            decides.
        column: whether a column may be named, as `prefix:FILE:COLUMN`.
    """

    load: Callable[[Path, str], Dataset]
    ending: str
    task: Callable[[Path, str], str] = lambda file, column: "classification"
    axes: int | None = None
    column: bool = False


@final
@dataclasses.dataclass(frozen=True)
class NamedFile:
    """Parts of a name of data such as "csv:house.csv:price": prefix, file and column."""

    prefix: str
    file: str
    column: str = ""

    @property
    def path(self) -> Path:
        """The file as it is named; else in the folder $MHO_DATA, in its subfolder of the prefix's name first."""
        named, given = Path(self.file), os.environ.get("MHO_DATA")
        places = [] if given is None else [Path(given) / self.prefix / named, Path(given) / named]
        return next((place for place in (named, *places) if place.is_file()), named)

    def existing(self) -> Path:
        """Return the path of the file.

        Raises:
            InvalidValue: if there is none, naming where it was looked for.
        """
        if not self.file:
            raise InvalidValue(f"{self.prefix}: names no file; write {self.prefix}:FILE")
        path = self.path
        if path.is_dir():
            raise InvalidValue(f"{path} is a folder; give a file")
        if not path.is_file():
            before, colon, after = self.file.partition(":")
            meant = NamedFile(self.prefix, after)
            if colon and before and meant.path.is_file():  # a prefix that is none
                raise InvalidValue(f"there is no file {path}; did you mean {self.prefix}:{after}?")
            alone = self.file.rpartition(":")[0]
            if alone and NamedFile(self.prefix, alone).path.is_file():
                raise InvalidValue(f"there is no file {path}; did you mean {self.prefix}:{alone}? It has no columns")
            beside = "" if "MHO_DATA" not in os.environ else f", and in {os.environ['MHO_DATA']}"
            raise InvalidValue(f"there is no file {path} (looked in {Path.cwd()}{beside}); give a file that exists")
        return path


def named_file(name: str, formats: Mapping[str, FileFormat]) -> NamedFile | None:
    """Return which file a name of data means: `prefix:FILE`, `prefix:FILE:COLUMN`, or FILE with a known ending.

    Args:
        name: name of data.
        formats: the kinds of files by prefix.

    Returns:
        None for a name that means no file, such as `module:function`.
    """
    prefix, colon, rest = name.partition(":")
    if colon and prefix in formats:
        file, colon, column = rest.rpartition(":")
        known = formats[prefix]
        if known.column and colon and file and PurePath(column).name == column and not Path(rest).is_file():
            return NamedFile(prefix, file, column)
        return NamedFile(prefix, rest)
    return next(
        (NamedFile(prefix, name) for prefix, known in formats.items() if name.lower().endswith(known.ending)), None
    )
