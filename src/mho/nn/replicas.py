"""R networks in one: the replica axis at the door of a converted model, and the loss over it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, nn

from mho.errors import InvalidValue
from mho.nn.array_layer import ArrayLayer
from mho.nn.conv import Conv2d
from mho.nn.linear import Linear


@final
class ReplicaModel(nn.Module):
    """A converted model with R > 1: takes (B, ...), shared, or (R, B, ...); returns (R, B, ...).

    Inside, replicas are folded into the batch, so ordinary torch code between the arrays needs
    no change.
    """

    def __init__(self, model: nn.Module, replicas: int) -> None:
        super().__init__()
        self.model, self.replicas = model, replicas
        layers = [module for module in model.modules() if isinstance(module, ArrayLayer)]
        self._first: Any = (layers[0],) if layers else ()  # a tuple, so that it is not a submodule twice

    def forward(self, x: Tensor) -> Any:
        """Run all replicas."""
        per_replica = self.is_per_replica(x)
        batch = x if per_replica else x.expand(self.replicas, *x.shape)
        out = self.model(batch.reshape(-1, *batch.shape[2:]))
        if not isinstance(out, Tensor):
            raise InvalidValue(
                f"a model with replicas must return one tensor, and this one returned {type(out).__name__}"
            )
        return out.reshape(self.replicas, -1, *out.shape[1:])

    def is_per_replica(self, x: Tensor) -> bool:
        """Tell (R, B, ...) from (B, ...) by what the first array takes.

        Raises:
            InvalidValue: for a shape that is neither.
        """
        (first,) = self._first
        replicated = x.dim() > 2 and x.shape[0] == self.replicas
        if isinstance(first, Conv2d):
            shared, replicated = x.dim() == 4, x.dim() == 5 and replicated
        else:
            assert isinstance(first, Linear)
            width, last = first.in_features, x.shape[-1]
            shared = width in (last, math.prod(x.shape[1:]))
            replicated = replicated and width in (last, math.prod(x.shape[2:]))
            if shared and replicated:  # one more axis than a batch of vectors or of images has
                shared = not (width == last or x.dim() == 5)
        if shared or replicated:
            return not shared
        raise InvalidValue(
            f"input of shape {tuple(x.shape)} for {self.replicas} replicas; give (batch, ...), shared by all, or "
            f"({self.replicas}, batch, ...)"
        )


def array_layers(model: nn.Module) -> dict[str, ArrayLayer]:
    """Return every array layer of a model by its path, in the order of the model.

    A path is that of `named_modules`, without the steps that `ReplicaModel` and torch.compile add, so that it is the
    same for any number of replicas; a layer in several places has the first of them, and a model that is a layer itself
    is called "model".
    """
    found: dict[str, ArrayLayer] = {}
    _collect(model, "", found, set())
    return found


def _collect(module: nn.Module, path: str, found: dict[str, ArrayLayer], seen: set[nn.Module]) -> None:
    module = getattr(module, "_orig_mod", module)  # of torch.compile
    if module in seen:
        return
    seen.add(module)
    if isinstance(module, ArrayLayer):
        found[path or "model"] = module
    for name, child in module.named_children():
        inside = path if isinstance(module, ReplicaModel) else f"{path}.{name}" if path else name
        _collect(child, inside, found, seen)


def replica_loss(fn: Callable[[Tensor, Tensor], Tensor], out: Tensor, y: Tensor) -> Tensor:
    """Sum over replicas of each one's loss, so that each gets the gradients it would get alone.

    Args:
        fn: a loss with mean reduction, for example `torch.nn.functional.cross_entropy`.
        out: (R, B, ...), what a model with replicas returns.
        y: targets (B, ...), shared, or (R, B, ...).
    """
    return torch.stack(replica_losses(fn, out, y)).sum()


def replica_losses(fn: Callable[[Tensor, Tensor], Tensor], out: Tensor, y: Tensor) -> list[Tensor]:
    """Each replica's loss; arguments as for `replica_loss`."""
    return [fn(own, target) for own, target in zip(out, replica_targets(y, *out.shape[:2]), strict=True)]


def replica_targets(y: Tensor, replicas: int, batch: int) -> Tensor:
    """Targets (R, B, ...), given so or as (B, ...), shared."""
    return y if y.shape[:2] == (replicas, batch) else y.expand(replicas, *y.shape)
