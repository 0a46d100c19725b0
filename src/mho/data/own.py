"""A user's own data: what a function returns, as a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mho.data.dataset import Dataset
from mho.errors import Faults, InvalidValue, an, nearest
from mho.imports import import_own

if TYPE_CHECKING:
    from torch import Tensor

PARTS = ("x_train", "y_train", "x_test", "y_test")


def as_dataset(value: Any, name: str) -> Dataset:
    """Make a Dataset of what a user gives.

    Args:
        value: a Dataset; or ((x_train, y_train), (x_test, y_test)); or a mapping with these four names. Arrays of
            NumPy or tensors: floats become float32, integers int64. Integers in x are indices, such as characters;
            uint8 pixels are refused, because a network takes numbers of about [0, 1].
        name: name of a data set that has none of its own.

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
    x_train, y_train, x_test, y_test = (tensors[part] for part in PARTS)
    return Dataset(name, x_train, y_train, x_test, y_test)


def call_own(name: str) -> Dataset:
    """Return the data that a user's `module:function` makes; see `mho.data.load`."""
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


def as_tensor(part: str, value: Any, faults: Faults) -> Tensor:
    """Return an array of numbers as a tensor: floats as float32, integers as int64; note what is wrong with it.

    Args:
        part: what it is; inputs, whose names begin with x, may not be bytes or booleans.
        value: an array of NumPy, a tensor, or nested lists.
        faults: gets a fault for what is no array of finite real numbers.
    """
    import torch
    from torch import Tensor

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
            faults.add(f"{part} holds NaN or infinite numbers; give finite numbers")
    elif part.startswith("x") and tensor.dtype in (torch.uint8, torch.bool):
        faults.add(f"{part} is {tensor.dtype}; give float32, for pixels x / 255 (int64 would be indices)")
    else:
        tensor = tensor.to(torch.int64)
    return tensor


def _kind(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return an(type(value).__name__)
