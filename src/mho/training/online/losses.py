"""Losses of a graph: the mean over a batch, for each replica, and the errors that they send back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mho.errors import InvalidValue
from mho.kernels import ops
from mho.kernels.ops import Floats

TorchLoss = Callable[[Tensor, Tensor], Tensor]
Loss = Callable[[Floats, Tensor], tuple[list[float], Floats]]
"""Outputs and targets (R, B, ...) to each replica's loss, and δ = -∂L/∂out (R, B, ...)."""
IGNORED = -100
"""The label that torch's cross entropy leaves out."""


def loss_of(fn: TorchLoss) -> Loss:
    """Cross entropy and squared error in a few NumPy calls; any other loss of torch through autograd, which takes
    about 50 µs more."""
    if fn is F.cross_entropy or _is_plain(fn, nn.CrossEntropyLoss):
        return cross_entropy
    if fn is F.mse_loss or _is_plain(fn, nn.MSELoss):
        return squared_error
    return lambda out, targets: _through_autograd(fn, out, targets)


def cross_entropy(out: Floats, labels: Tensor) -> tuple[list[float], Floats]:
    """-log softmax at the label: logits (R, B, classes), labels (R, B) of integers."""
    classes = labels.numpy()
    if out.ndim != 3 or classes.dtype != np.int64 or classes.shape != out.shape[:2]:
        return _through_autograd(F.cross_entropy, out, labels)
    losses, errors = np.empty(len(out)), np.empty_like(out)
    ops.cross_entropy(out, np.ascontiguousarray(classes), losses, errors)
    means: list[float] = losses.tolist()
    if any(mean != mean for mean in means):
        if IGNORED in classes:
            return _through_autograd(F.cross_entropy, out, labels)
        raise InvalidValue(f"labels lie from {classes.min()} to {classes.max()}; give 0 to {out.shape[2] - 1}")
    return means, errors


def squared_error(out: Floats, targets: Tensor) -> tuple[list[float], Floats]:
    """Compute the mean of (out - target)² of each replica, and its errors."""
    wanted = targets.numpy()
    if wanted.shape != out.shape or wanted.dtype != np.float32:
        return _through_autograd(F.mse_loss, out, targets)
    errors = wanted - out
    losses: list[float] = np.square(errors).reshape(len(out), -1).mean(axis=1).tolist()
    errors *= np.float32(2.0 / (errors.size // len(out)))
    return losses, errors


def _through_autograd(fn: TorchLoss, out: Floats, targets: Tensor) -> tuple[list[float], Floats]:
    leaf = torch.from_numpy(out.copy()).requires_grad_()
    losses = [fn(own, target) for own, target in zip(leaf, targets, strict=True)]
    (gradient,) = torch.autograd.grad(torch.stack(losses).sum(), leaf)
    return [loss.item() for loss in losses], -gradient.numpy()


def _is_plain(fn: Any, kind: type[nn.Module]) -> bool:
    """Return True if all options of a loss module have their defaults."""
    return type(fn) is kind and str(vars(kind())) == str(vars(fn) | {"training": True})
