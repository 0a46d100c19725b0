"""From a model on arrays back to an ordinary torch model."""

from __future__ import annotations

import copy
from typing import final

import numpy as np
from torch import nn

from mho.errors import InvalidValue, in_words, shown
from mho.nn.dropout import Dropout
from mho.nn.fused import open_fused_path
from mho.nn.kinds import kind_of_layer
from mho.nn.on_arrays import OnArrays
from mho.nn.place import Replacement, take_place
from mho.nn.replicas import ReplicaModel, array_layers
from mho.nn.tied import TiedEmbedding


@in_words
def to_digital(model: nn.Module, *, read: bool = False, replica: int | None = None) -> nn.Module:
    """Return the plain torch model that a model on arrays stands for, with the weights of its arrays.

    Every layer on arrays becomes the torch layer that it replaced, mho's dropout becomes torch's, and all else is
    copied: hooks, mode and `requires_grad` stay, a module that stands in several places stays a single module. The
    result knows nothing of mho: it can be exported, its state_dict loads into the model that was converted, and
    `mho.convert` takes it again. Its weights are float32.

    Args:
        model: a model from `mho.convert`, or a module that contains such models or layers; it is left as it is.
        read: take the weights as one noisy forward read of unit vectors sees them, in place of the exact weights. The
            noise is that of the next evaluation: two calls without an evaluation between them give equal weights.
        replica: which replica, from 0; has to be given where there are several.

    Raises:
        InvalidValue: for a model without layers on arrays, several replicas of which none is chosen, a replica that
            there is not, or a layer kind that does not say what it stands for.
    """
    if not isinstance(model, nn.Module):
        raise InvalidValue(
            f"model is {shown(model)}; give the model of mho.convert itself, not what it holds, such as its state_dict"
        )
    whole = getattr(model, "_orig_mod", model)  # of torch.compile
    layers = array_layers(whole)
    if not layers:
        raise InvalidValue("the model has no layers on arrays; give a model of mho.convert")
    made = _Twins(read, _chosen(replica, {layer.replicas for layer in layers.values()}))
    return made.walk(copy.deepcopy(whole), "")


def _chosen(replica: int | None, counts: set[int]) -> int:
    """Return the number of the replica to take from layers of so many replicas.

    Raises:
        InvalidValue: where it is not one of them, or has to be given.
    """
    fewest = min(counts)
    if replica is None and max(counts) > 1:
        raise InvalidValue(
            f"the model has {max(counts)} replicas, and a digital model is one network; say which: "
            f"mho.to_digital(model, replica=0), up to {max(counts) - 1}"
        )
    chosen = 0 if replica is None else replica
    if isinstance(chosen, bool) or not isinstance(chosen, (int, np.integer)) or not 0 <= chosen < fewest:
        raise InvalidValue(f"replica is {replica!r}; give an integer from 0 to {fewest - 1}")
    return int(chosen)


@final
class _Twins(Replacement):
    """Walk of `to_digital` over the copy of a model."""

    def __init__(self, read: bool, replica: int) -> None:
        super().__init__()
        self.read, self.replica = read, replica

    def replace(self, module: nn.Module, name: str) -> nn.Module:
        if isinstance(module, ReplicaModel):
            return self.walk(module.model, name)
        if isinstance(module, Dropout):
            return _in_place_of(module, module.twin())
        if isinstance(module, TiedEmbedding):
            owner = self.walk(module.owner, module.owner.name)
            assert isinstance(owner, nn.Linear)
            return _in_place_of(module, module.twin(owner))
        if isinstance(module, OnArrays):
            return _in_place_of(module, self._digital(module, name or "model"))
        vars(module).pop("conversion", None)  # the table of mho.convert
        self.inside(module, name)
        open_fused_path(module)
        return module

    def _digital(self, layer: OnArrays, name: str) -> nn.Module:
        """Return the torch layer of a layer on arrays, with its weights."""
        kind = kind_of_layer(layer)
        twin = None if kind is None else kind.twin_of(layer)
        if kind is None or twin is None:
            raise InvalidValue(
                f"{name} ({type(layer).__name__}): its kind does not say which torch layer it stands for; give "
                "LayerKind(twin=lambda layer: ...), which makes the layer, to mho.nn.register"
            )
        kind.fill(twin, layer, replica=self.replica, read=self.read)
        return twin


def _in_place_of(module: nn.Module, twin: nn.Module) -> nn.Module:
    take_place(twin, module)
    return twin
