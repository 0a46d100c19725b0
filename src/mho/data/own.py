"""A user's own data: what a function returns, or a file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mho.data.dataset import Dataset
from mho.errors import Faults, InvalidValue, nearest
from mho.imports import import_own

FILES = (".npz", ".txt")
PARTS = ("x_train", "y_train", "x_test", "y_test")
TEST_SHARE = 0.1


def is_file(name: str) -> bool:
    """Return whether a name of data is that of a file."""
    return name.lower().endswith(FILES)


def load_own(name: str) -> Dataset:
    """Load data by `module:function`, or from a file; see `mho.data.load`."""
    if not is_file(name):
        return _called(name)
    file = Path(name)
    try:
        return _npz(file) if file.suffix.lower() == ".npz" else text(file.read_text(encoding="utf-8"), file.stem)
    except FileNotFoundError:
        raise InvalidValue(f"there is no file {file} (looked in {Path.cwd()}); give a file that exists") from None
    except UnicodeDecodeError as error:
        raise InvalidValue(f"{file} is no UTF-8 text (byte {error.start}); save it as UTF-8") from None


def as_dataset(value: Any, name: str) -> Dataset:
    """Make a Dataset of what a user gives.

    Args:
        value: a Dataset; or ((x_train, y_train), (x_test, y_test)); or a mapping with these four names. Arrays of
            NumPy or tensors: floats become float32, integers int64. Integers in x are indices, such as characters;
            uint8 pixels are refused, because a network takes numbers of about [0, 1].
        name: of a data set that has none of its own.

    Raises:
        InvalidValue: naming every part that is missing, of a wrong kind, or does not go with the others.
    """
    if isinstance(value, Dataset):
        return value
    if isinstance(value, Mapping):
        parts = dict(value)
    else:
        try:
            (x_train, y_train), (x_test, y_test) = value
        except (TypeError, ValueError):
            raise InvalidValue(
                f"data {name!r}: got {_kind(value)}; give ((x_train, y_train), (x_test, y_test)), or a mho.data.Dataset"
            ) from None
        parts = dict(zip(PARTS, (x_train, y_train, x_test, y_test), strict=True))
    faults = Faults(f"data {name!r}")
    for part in PARTS:
        if part not in parts:
            faults.add(f"{part} is missing{nearest(part, set(parts) - set(PARTS)) if set(parts) - set(PARTS) else ''}")
    faults.raise_any()
    tensors = {part: as_tensor(part, parts[part], faults) for part in PARTS}
    faults.raise_any()
    return Dataset(name, **tensors)


def text(content: str, name: str = "text", *, test_share: float = TEST_SHARE) -> Dataset:
    """Make data of a text, for the task next_character.

    x is (n,) int64, each character as its place in the sorted set of the text's characters; y is (n,), the character
    that follows each. The last share of the text is the test.

    Raises:
        InvalidValue: for a text of fewer than 100 characters, or a share that is not between 0 and 1.
    """
    faults = Faults(f"text {name!r}")
    if faults.number("test_share", test_share, above=0.0) and not test_share < 1:
        faults.add(f"test_share is {test_share!r}; give a number below 1")
    if len(content) < 100:
        faults.add(f"{len(content)} characters are too few to train and test on; give at least 100")
    faults.raise_any()
    places = {character: place for place, character in enumerate(sorted(set(content)))}
    codes = torch.tensor([places[character] for character in content], dtype=torch.int64)
    cut = len(codes) - max(2, int(len(codes) * test_share))
    train, test = codes[:cut], codes[cut:]
    return Dataset(name, train[:-1], train[1:], test[:-1], test[1:])


def _called(name: str) -> Dataset:
    function = import_own(name)
    short = name.rpartition(":")[2]
    if not callable(function):
        raise InvalidValue(f"{name!r} is {_kind(function)}; give a function without arguments that returns the data")
    try:
        value = function()
    except Exception as error:  # it runs the user's code, which may raise anything
        raise InvalidValue(
            f"data {name!r} cannot be made without arguments: {type(error).__name__}: {error}"
        ) from error
    return as_dataset(value, short)


def _npz(file: Path) -> Dataset:
    try:
        with np.load(file, allow_pickle=False) as content:
            return as_dataset({part: content[part] for part in content.files}, file.stem)
    except InvalidValue:
        raise
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise InvalidValue(
            f"{file} cannot be read as an .npz file ({error}); write it with "
            "numpy.savez(file, x_train=..., y_train=..., x_test=..., y_test=...)"
        ) from None


def as_tensor(part: str, value: Any, faults: Faults) -> Tensor:
    """Return an array of numbers as a tensor: floats as float32, integers as int64; note what is wrong with it.

    Args:
        part: what it is; inputs, whose names begin with x, may not be bytes or booleans.
        value: an array of NumPy, a tensor, or nested lists.
        faults: gets a fault for what is no array of finite real numbers.
    """
    try:
        tensor = value.detach().cpu() if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))
    except (TypeError, ValueError) as error:
        faults.add(f"{part} is {_kind(value)} ({error}); give an array of numbers")
        return torch.empty(0)
    if tensor.is_complex():
        faults.add(f"{part} is complex; give real numbers")
    elif tensor.is_floating_point():
        tensor = tensor.to(torch.float32)
        if not torch.isfinite(tensor).all():
            faults.add(f"{part} holds NaN or infinite numbers; give finite ones")
    elif part.startswith("x") and tensor.dtype in (torch.uint8, torch.bool):
        faults.add(f"{part} is {tensor.dtype}; give float32, for pixels x / 255 (int64 would be indices)")
    else:
        tensor = tensor.to(torch.int64)
    return tensor


def _kind(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
