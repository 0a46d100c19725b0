"""Checks of what scripts give to arrays: seeds, rates, times, matrices and vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mho.errors import InvalidValue, WrongUse, shown
from mho.kernels.ops import Floats


def seed_list(seed: int | Sequence[int], replicas: int) -> list[int]:
    """Return a seed for each replica: seed, seed + 1, ..., or the given list.

    Raises:
        InvalidValue: for a list of another length, or a seed outside 0 to 2⁶³ - 1.
    """
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 1:
        raise InvalidValue(f"replicas is {replicas!r}; give an integer of at least 1")
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        seeds = [int(seed) + r for r in range(replicas)]
    elif isinstance(seed, Sequence) and not isinstance(seed, str):
        seeds = list(seed)
    else:
        raise InvalidValue(f"seed is {seed!r}; give an integer of at least 0, or a seed per replica")
    if len(seeds) != replicas:
        raise InvalidValue(f"{len(seeds)} seeds for {replicas} replicas; give one seed per replica")
    if not all(isinstance(s, int) and 0 <= s < 2**63 for s in seeds):
        raise InvalidValue(f"seed is {seed!r}; give integers from 0 to 2**63 - 1")
    return seeds


def check_lr(lr: float) -> None:
    """Raise unless lr is a positive, finite number."""
    if isinstance(lr, bool) or not isinstance(lr, (int, float, np.floating)) or not 0 < lr < float("inf"):
        raise InvalidValue(f"lr is {shown(lr)}; give a number greater than 0, for example 0.01")


def check_time(name: str, dt: float) -> None:
    """Raise InvalidValue unless dt, a time in optimizer steps, is finite and at least 0; `name` names the array."""
    if isinstance(dt, bool) or not isinstance(dt, (int, float)) or not 0 <= dt < float("inf"):
        raise InvalidValue(f"array {name}: dt is {dt!r}; give a number of optimizer steps of at least 0")


def as_matrix(name: str, values: Tensor, what: str, shape: tuple[int, int, int]) -> Tensor:
    """Return values as one float32 (R, out, in).

    Args:
        name: name of the array, for messages.
        values: (R, out, in), or (out, in) for all replicas alike.
        what: the values in a word, for messages.
        shape: (R, out, in).

    Raises:
        InvalidValue: for another shape, or values that are not finite.
    """
    try:
        given = torch.as_tensor(values, dtype=torch.float32, device="cpu").detach()
    except (TypeError, ValueError, RuntimeError):
        raise InvalidValue(f"array {name}: the {what} are {shown(values)}; give a tensor or an array") from None
    if given.shape not in (shape, shape[1:]):
        raise InvalidValue(f"array {name}: {what} of shape {tuple(given.shape)}; give {shape} or {shape[1:]}")
    if not torch.isfinite(given).all():
        raise InvalidValue(f"array {name}: the {what} to write hold NaN or infinite values")
    return given.expand(shape)


def as_vectors(name: str, values: Tensor, label: str, replicas: int, width: int) -> Floats:
    """Return vectors as contiguous float32 NumPy (R, T, width).

    Args:
        name: name of the array, for messages.
        values: (R, T, width), or (T, width) where R = 1.
        label: the argument: x or p for inputs, d or q for outputs.
        replicas: R.
        width: lines that the vectors drive.

    Raises:
        InvalidValue: for another shape, or NaN or infinite values.
        WrongUse: for a tensor that does not lie on the CPU.
    """
    try:
        given = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError):
        raise InvalidValue(f"array {name}: {label} is {shown(values)}; give a tensor or an array") from None
    if given.device.type != "cpu":
        raise WrongUse(f"array {name}: {label} lies on {given.device}; arrays compute on the CPU, give {label}.cpu()")
    array: Floats = np.ascontiguousarray(given.detach().float().numpy(), np.float32)
    if array.ndim == 2 and replicas == 1:
        array = array[None]
    if array.ndim != 3 or array.shape[0] != replicas or array.shape[2] != width:
        rank = f"({replicas}, T, {width})" + (f" or (T, {width})" if replicas == 1 else "")
        raise InvalidValue(f"array {name}: {label} has shape {tuple(given.shape)}; give {rank}")
    fault = not_finite(name, *((None, array) if label in "dq" else (array, None)))
    if fault is not None:
        raise fault
    return array


def check_same_vectors(name: str, x: Floats, d: Floats) -> None:
    """Raise unless x (R, T, in) and d (R, T, out) have equally many vectors T."""
    if x.shape[1] != d.shape[1]:
        raise InvalidValue(f"array {name}: x has {x.shape[1]} vectors and d has {d.shape[1]}; give as many")


def not_finite(name: str, x: Floats | None, d: Floats | None) -> InvalidValue | None:
    """Return the error for NaN or infinite values in an input x or a gradient d of an array; None if there are none."""
    for values, what in ((x, "the input (x)"), (d, "the gradient (d)")):
        if values is not None and not np.isfinite(values).all():
            kind = "NaN" if np.isnan(values).any() else "infinite values"
            return InvalidValue(
                f"array {name}: {what} holds {kind}; the loss may have diverged: try a smaller lr, or a smaller "
                "init_scale of a GradScaler, as a backward cycle cannot pass on what overflows"
            )
    return None
