"""Replicas of a network: the replica axis of the inputs and outputs of a converted model, and the loss over it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from mho.errors import InvalidValue, WrongUse, in_words, shown
from mho.nn.array_layer import ArrayLayer
from mho.nn.on_arrays import OnArrays


@final
class ReplicaOutput(Tensor):
    """Outputs of all replicas (R, B, ...): a tensor that refuses torch's losses, which would take R for the batch.

    Whatever is computed of it, its parts included, is a plain tensor.
    """

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        name = getattr(func, "__name__", "")
        if name.endswith(LOSSES) and isinstance(out := args[0] if args else options.get("input"), ReplicaOutput):
            target = args[1] if len(args) > 1 else options.get("target")
            alike = isinstance(target, Tensor) and target.shape == out.shape
            if not alike or options.get("reduction") not in ("sum", "none"):
                given = f" and targets {tuple(target.shape)}" if isinstance(target, Tensor) else ""
                raise WrongUse(
                    f"{name} of outputs {tuple(out.shape)}{given}: a model with replicas returns (replicas, batch, "
                    "...), and each replica needs a loss of its own; use mho.replica_loss(torch.nn.functional."
                    f"{name}, out, y)"
                )
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **options)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return copy.deepcopy(self.as_subclass(Tensor), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.as_subclass(Tensor).__reduce_ex__(protocol)


LOSSES = ("_loss", "cross_entropy", "cross_entropy_with_logits", "kl_div")
"""How the names of torch's losses end."""


@final
class ReplicaModel(nn.Module):
    """A converted model with R > 1: takes (B, ...), shared, or (R, B, ...); returns (R, B, ...).

    Inside, replicas are folded into the batch, so ordinary torch code between the arrays needs
    no change.
    """

    def __init__(self, model: nn.Module, replicas: int) -> None:
        super().__init__()
        self.model, self.replicas = model, replicas
        layers = [module for module in model.modules() if isinstance(module, OnArrays)]
        self._first: Any = (layers[0],) if layers else ()  # a tuple, so that it is not a submodule twice

    def forward(self, x: Tensor, *others: Any, per_replica: bool | None = None, **options: Any) -> Any:
        """Run all replicas.

        Args:
            x: (B, ...), shared by the replicas, or (R, B, ...), a batch for each.
            per_replica: which of the two x is; None: as its shape says.

        Raises:
            InvalidValue: for a shape that is neither, or that may be either where `per_replica` is None; and for
                further inputs, of which nothing says whether replicas share them.
        """
        if others or options or not isinstance(x, Tensor):
            given = [f"{len(others)} more"] * bool(others) + [f"{name}=" for name in options]
            words = f" beside it ({', '.join(given)})" if given else f", and not {shown(x)}"
            raise InvalidValue(
                f"a model with replicas takes one tensor{words}; put a module around the model before mho.convert that "
                "takes one tensor and makes the rest of it, as a mask by x == padding, or convert with replicas=1, one "
                "seed after another"
            )
        batch = x if self.is_per_replica(x, per_replica) else x.expand(self.replicas, *x.shape)
        out = self.model(batch.reshape(-1, *batch.shape[2:]))
        if not isinstance(out, Tensor):
            raise InvalidValue(
                f"a model with replicas must return one tensor, and this model returned {type(out).__name__}"
            )
        whole = out.reshape(self.replicas, -1, *out.shape[1:])
        return whole if torch.compiler.is_compiling() else whole.as_subclass(ReplicaOutput)

    def is_per_replica(self, x: Tensor, per_replica: bool | None = None) -> bool:
        """Tell (R, B, ...) from (B, ...): as `per_replica` says, or by what the first array takes.

        Raises:
            InvalidValue: for a shape that is neither; or that may be either, as (R, T, n) where the first array takes
                n numbers: a batch of n for each replica, or R sequences, shared.
        """
        shape = tuple(x.shape)
        forms = f"(batch, ...), shared by all, or ({self.replicas}, batch, ...)"
        if per_replica is not None:
            if per_replica and (len(shape) < 2 or shape[0] != self.replicas):
                raise InvalidValue(f"input of shape {shape} with per_replica=True; give ({self.replicas}, batch, ...)")
            return per_replica
        shared, own = self._fits(shape), shape[:1] == (self.replicas,) and self._fits(shape[1:])
        if shared and own:
            raise InvalidValue(
                f"input of shape {shape} may be {forms}, as there are {self.replicas} replicas; say which: "
                "model(x, per_replica=False) or True, with a driver choose_driver(..., per_replica=False)"
            )
        if not shared and not own:
            raise InvalidValue(
                f"input of shape {shape} for {self.replicas} replicas; give {forms}, or say which it is: "
                "model(x, per_replica=False) or True"
            )
        return own

    def _fits(self, shape: tuple[int, ...]) -> bool:
        """Return whether a batch (B, ...) of this shape may reach the first array as it is, or flattened."""
        (first,) = self._first
        return bool(first.takes(shape) or (len(shape) > 2 and first.takes((shape[0], math.prod(shape[1:])))))


def replica_outputs(model: nn.Module, x: Tensor, *, per_replica: bool | None = None) -> Tensor:
    """Return outputs (R, B, ...) of a converted model, also where R = 1; arguments as of `ReplicaModel.forward`.

    Raises:
        InvalidValue: as `ReplicaModel.forward`; and for `per_replica=True` where R = 1.
    """
    out: Tensor
    if isinstance(getattr(model, "_orig_mod", model), ReplicaModel):  # _orig_mod: of torch.compile
        out = model(x, per_replica=per_replica)
        return out.as_subclass(Tensor)
    if per_replica:
        raise InvalidValue("per_replica=True, and the model has one replica; give (batch, ...) and leave it out")
    out = model(x)
    return out[None]


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


@in_words
def replica_loss(
    fn: Callable[[Tensor, Tensor], Tensor], out: Tensor, y: Tensor, *, per_replica: bool | None = None
) -> Tensor:
    """Return the sum over replicas of their losses, so that each gets the gradients that it would get alone.

    Args:
        fn: a loss with mean reduction, for example `torch.nn.functional.cross_entropy`.
        out: (R, B, ...), what a model with replicas returns.
        y: targets (B, ...), shared, or (R, B, ...).
        per_replica: whether y is (R, B, ...); None: as its shape says.

    Returns:
        A scalar in the unit of `fn`.

    Raises:
        RuntimeError: by torch, for targets whose shape is neither.
    """
    return torch.stack(replica_losses(fn, out, y, per_replica=per_replica)).sum()


def replica_losses(
    fn: Callable[[Tensor, Tensor], Tensor], out: Tensor, y: Tensor, *, per_replica: bool | None = None
) -> list[Tensor]:
    """Return each replica's loss; arguments as for `replica_loss`."""
    out = out.as_subclass(Tensor)
    targets = replica_targets(y, out.shape, per_replica=per_replica)
    return [fn(own, target) for own, target in zip(out, targets, strict=True)]


def replica_targets(y: Tensor, out: Sequence[int], *, per_replica: bool | None = None) -> Tensor:
    """Return targets (R, B, ...) for outputs of shape `out`, from y (B, ...), shared, or (R, B, ...).

    Where `per_replica` does not say which, numbers that are shaped as the outputs of one replica are shared.
    """
    own = per_replica
    if own is None:
        own = y.shape[:2] == tuple(out[:2]) and not (y.is_floating_point() and y.shape == tuple(out[1:]))
    return y if own else y.expand(out[0], *y.shape)
