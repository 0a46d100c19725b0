"""Data for a machine: any numbers in, binary states out."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mho.errors import InvalidValue


def as_rows(x: Any) -> Any:
    """Return tensors and arrays of more than two axes, such as images (n, 1, 28, 28), as NumPy rows (n, units).

    Everything else is returned as it is. Tensors of types that NumPy lacks become float32.
    """
    if isinstance(x, Tensor):
        x = x.detach().cpu()
        x = (x.to(torch.float32) if x.dtype in (torch.bfloat16, torch.float16) else x).numpy()
    if isinstance(x, np.ndarray) and x.ndim > 2:
        x = x.reshape(len(x), -1)
    return x


def binary(x: Any, threshold: float | None, dtype: torch.dtype, label: str = "X") -> Tensor:
    """Return numbers (n, units) as a tensor of 0 and 1.

    Args:
        x: NumPy array of numbers or booleans.
        threshold: units are 1 where x is above it; None: x must be binary already.
        dtype: type of the result.
        label: what messages call x.

    Raises:
        InvalidValue: for NaN or infinite values, or values other than 0 and 1 without a threshold.
    """
    values = np.asarray(x)
    if values.dtype.kind == "f":
        bad = ~np.isfinite(values)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            kind = "NaN" if np.isnan(values[bad]).any() else "infinite values (inf)"
            raise InvalidValue(
                f"{label} contains {kind}, first in row {row}, column {column}; remove such examples, or fill in values"
            )
    if threshold is not None:
        return torch.from_numpy(values > threshold).to(dtype)
    other = (values != 0) & (values != 1)
    if other.any():
        row, column = np.argwhere(other)[0]
        raise InvalidValue(
            f"{label} holds values other than 0 and 1, first {values[row, column]:g} in row {row}, column {column}, "
            "and units are binary; give threshold=0.5 to set units to 1 above it, or binary data"
        )
    return torch.from_numpy(values.astype(np.float64)).to(dtype)


def like(given: Any, result: Tensor) -> Any:
    """Return a result as a tensor where a tensor was given, else as a NumPy array."""
    return result if isinstance(given, Tensor) else result.numpy()


def fingerprint(v: Tensor) -> str:
    """Return a hash of binary data (n, units) and their order."""
    bits = np.packbits(v.to(torch.uint8).numpy(), axis=1)
    digest = hashlib.blake2b(np.ascontiguousarray(bits).tobytes(), digest_size=8)
    digest.update(repr(tuple(v.shape)).encode())
    return digest.hexdigest()


def log_odds(v: Tensor) -> Tensor:
    """Return the log-odds (size,) of the mean of binary units (n, size), finite also for a unit that is never on."""
    return torch.logit(v.mean(dim=0).clamp(0.02, 0.98))
