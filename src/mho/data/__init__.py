"""Data sets as tensors, one per file; and a user's own, from a function or from a file.

A file of this room registers its data set by a constant DATA_SET, or a kind of files with a user's data by a constant
FILE_FORMAT; its name, or the prefix of a file's, is the name of the module.
"""

from __future__ import annotations

from pathlib import Path

from mho.data.cifar10 import cifar10, cifar10_part
from mho.data.dataset import Dataset
from mho.data.digits import digits, digits_8x8
from mho.data.fashion_mnist import fashion_mnist
from mho.data.file_format import FileFormat, NamedFile, named_file
from mho.data.mnist import mnist
from mho.data.own import as_dataset, call_own
from mho.data.source import Source
from mho.data.text import text
from mho.errors import InvalidValue, nearest
from mho.imports import inhabitants, is_own

DATA_SETS: dict[str, Source] = inhabitants(__name__, __path__, "DATA_SET")
FILE_FORMATS: dict[str, FileFormat] = inhabitants(__name__, __path__, "FILE_FORMAT")

__all__ = [
    "DATA_SETS",
    "FILE_FORMATS",
    "Dataset",
    "FileFormat",
    "Source",
    "as_dataset",
    "check_name",
    "cifar10",
    "cifar10_part",
    "digits",
    "digits_8x8",
    "fashion_mnist",
    "fetch",
    "file_of",
    "is_here",
    "load",
    "mnist",
    "task_of",
    "text",
]


def check_name(name: str) -> None:
    """Raise InvalidValue unless `load` takes this name; nothing is loaded."""
    if name not in DATA_SETS and file_of(name) is None and not is_own(name):
        files = ", ".join(f"{prefix}:FILE" for prefix in FILE_FORMATS)
        endings = " or ".join(known.ending for known in FILE_FORMATS.values())
        raise InvalidValue(
            f"no data set {name!r}{nearest(name, DATA_SETS)} (your own is module:function; {files}; or a file that "
            f"ends in {endings})"
        )


def file_of(name: str) -> NamedFile | None:
    """Return the file that a name of data means; None if it means no file."""
    return named_file(name, FILE_FORMATS)


def task_of(name: str) -> str:
    """Return the name of the task that data are for, by their name; files are read where this depends on them.

    Raises:
        InvalidValue: for a file that is missing, or whose faults hide what it is for.
    """
    file = file_of(name)
    if file is None or name in DATA_SETS:
        return "classification"
    known = FILE_FORMATS[file.prefix]
    return known.task(file.existing(), file.column)


def is_here(name: str, folder: Path | None = None) -> bool:
    """Return whether `load` with these arguments would need no download.

    Args:
        name: as `load` takes it. Names that are not those of data sets, such as files, are True: they are never
            downloaded.
        folder: with the files of a data set that has such; None: where `load` looks.
    """
    source = DATA_SETS.get(name)
    return source is None or source.here(folder)


def load(name: str, folder: Path | None = None) -> Dataset:
    """Load a data set.

    Args:
        name: a data set that comes with mho ("digits", "iris") or in files ("mnist", "fashion_mnist", "cifar10",
            "cifar10_part": see their functions); or a file: "text:FILE", "csv:FILE", "csv:FILE:COLUMN" with the column
            of the target, "npz:FILE" with x_train, y_train, x_test and y_test, or FILE alone where it ends in .txt,
            .csv or .npz; or `module:function`, whose return value `as_dataset` takes.
        folder: with the files of a data set that has such.

    Raises:
        InvalidValue: for an unknown name, a folder without effect, or data that do not go together.
        DataMissing: where the files are not to be had.
    """
    check_name(name)
    source = DATA_SETS.get(name)
    if folder is not None and (source is None or not source.folder):
        with_files = ", ".join(known for known, one in DATA_SETS.items() if one.folder)
        raise InvalidValue(f"a data folder has no effect on the data {name}; leave it out, or use {with_files}")
    if source is not None:
        return source.load(folder)
    file = file_of(name)
    return call_own(name) if file is None else FILE_FORMATS[file.prefix].load(file.existing(), file.column)


def fetch(name: str, folder: Path | None = None) -> Dataset:
    """Return a data set from files, which is downloaded to the user's cache and checked unless it is on this machine.

    Args:
        name: name of a data set that is read from files, such as "mnist".
        folder: where files are looked for, in place of $MHO_DATA and the cache; nothing is downloaded then.

    Raises:
        InvalidValue: for a name of another kind.
        DataMissing: where neither file nor network is to be had.
    """
    from_files = [known for known, source in DATA_SETS.items() if source.folder]
    if name not in from_files:
        comes = "comes with mho and needs no download" if name in DATA_SETS else "is no data set that can be fetched"
        raise InvalidValue(f"{name} {comes}{nearest(name, from_files)}")
    source = DATA_SETS[name]
    return load(name, folder) if source.whole is None else source.whole(folder)
