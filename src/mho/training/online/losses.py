"""Losses of a chain: the mean over a batch, for each replica, and the errors that they send back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mho.errors import InvalidValue
from mho.kernels import ops
from mho.nn import replica_loss

Floats = npt.NDArray[np.float32]
TorchLoss = Callable[[Tensor, Tensor], Tensor]
Loss = Callable[[Floats, Tensor], tuple[list[float], Floats]]
"""Outputs (R, B, ...) and targets (B, ...) to each replica's loss, and δ = -∂L/∂out (R, B, ...)."""


def loss_of(fn: TorchLoss) -> Loss:
    """Cross entropy and squared error in a few NumPy calls; any other loss of torch through autograd, which takes
    about 50 µs more."""
    if fn is F.cross_entropy or _is_plain(fn, nn.CrossEntropyLoss):
        return cross_entropy
    if fn is F.mse_loss or _is_plain(fn, nn.MSELoss):
        return squared_error
    return lambda out, targets: _through_autograd(fn, out, targets)


def cross_entropy(out: Floats, labels: Tensor) -> tuple[list[float], Floats]:
    """-log softmax at the label: logits (R, B, classes), labels (B,) or (R, B) of integers."""
    classes = labels.numpy()
    if out.ndim != 3 or classes.dtype != np.int64 or classes.shape not in (out.shape[1:2], out.shape[:2]):
        return _through_autograd(F.cross_entropy, out, labels)
    if classes.ndim == 1:
        classes = classes[None] if len(out) == 1 else np.tile(classes, (len(out), 1))
    losses, errors = np.empty(len(out)), np.empty_like(out)
    ops.cross_entropy(out, np.ascontiguousarray(classes), losses, errors)
    means: list[float] = losses.tolist()
    if any(mean != mean for mean in means):
        raise InvalidValue(f"labels lie from {classes.min()} to {classes.max()}; give 0 to {out.shape[2] - 1}")
    return means, errors


def squared_error(out: Floats, targets: Tensor) -> tuple[list[float], Floats]:
    """Mean of (out - target)²."""
    wanted = targets.numpy()
    if wanted.shape not in (out.shape, out.shape[1:]) or wanted.dtype != np.float32:
        return _through_autograd(F.mse_loss, out, targets)
    errors = wanted - out
    losses: list[float] = np.square(errors).reshape(len(out), -1).mean(axis=1).tolist()
    errors *= np.float32(2.0 / (errors.size // len(out)))
    return losses, errors


def _through_autograd(fn: TorchLoss, out: Floats, targets: Tensor) -> tuple[list[float], Floats]:
    leaf = torch.from_numpy(out.copy()).requires_grad_()
    shared = targets.shape[0] != len(out) or targets.shape[:2] != leaf.shape[:2]
    losses = [fn(leaf[r].detach(), targets if shared else targets[r]).item() for r in range(len(out))]
    (gradient,) = torch.autograd.grad(replica_loss(fn, leaf, targets), leaf)
    return losses, -gradient.numpy()


def _is_plain(fn: Any, kind: type[nn.Module]) -> bool:
    """Whether a loss module has the options it has when none are given."""
    return type(fn) is kind and str(vars(kind())) == str(vars(fn) | {"training": True})
