"""Arrays of NumPy in one file as data."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from mho.data.dataset import Dataset
from mho.data.file_format import FileFormat
from mho.data.own import as_dataset
from mho.errors import InvalidValue


def npz(file: Path) -> Dataset:
    """Read a file .npz with x_train, y_train, x_test and y_test, which `as_dataset` takes.

    Raises:
        InvalidValue: for another file, or arrays that are missing or do not go together.
    """
    try:
        with np.load(file, allow_pickle=False) as content:
            return as_dataset({part: content[part] for part in content.files}, file.stem)
    except InvalidValue:
        raise
    except (ValueError, OSError, AttributeError, zipfile.BadZipFile, EOFError) as error:
        raise InvalidValue(
            f"{file} cannot be read as an .npz file ({error}); write it with "
            "numpy.savez(file, x_train=..., y_train=..., x_test=..., y_test=...)"
        ) from None


FILE_FORMAT = FileFormat(load=lambda file, column: npz(file), ending=".npz")
