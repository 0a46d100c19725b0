"""Kinds of layers on arrays: one record each, found by the torch type that it replaces."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from mho.errors import InvalidValue, InWords
from mho.nn.array_layer import ArrayLayer
from mho.nn.passage import PassageOf, passage_by_cycles


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Matrix:
    """What one array of a layer holds: a weight (out, in), and the bias (out,) of its last column, or None."""

    weight: Tensor
    bias: Tensor | None = None


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerKind(metaclass=InWords):
    """All that conversion, tables of arrays and drivers know of one kind of layer.

    Attributes:
        replaces: torch type whose modules become such layers. Subclasses of it do not: they may compute something else.
        layer: the layer on arrays.
        make: makes a layer for a module of that type; the keywords rpu, seed, replicas and name are for `ArrayLayer`.
        matrices: of a module of that type, one for each array of its layer, in order, all of one shape. Only shapes
            count where weights are on torch's meta device.
        vectors: shapes of an input and of its output, the batch included, to the vectors that each array gets.
        fault: what is wrong with an input of this shape for a module, "its last number must be 8"; None: nothing. Left
            out: the error of the module itself is reported.
        passage: how the online driver passes samples through; raises InvalidValue with the reason where it cannot. Left
            out: by the layer's own methods, which takes Python's time for each step.
        digital: what a layer does beside its arrays, for the table of what became of it: "its input scaled digitally".
            Left out: nothing worth a word.
        twin: makes the module of that type that a layer stands for, of the same geometry; `mho.to_digital` writes the
            weights into its `matrices`, which have to be views of its parameters. Left out: `mho.to_digital` refuses
            such layers.

    Raises:
        InvalidValue: for a layer that is no `ArrayLayer`, or has a forward of its own, which the online driver would
            not call.
    """

    replaces: type[nn.Module]
    layer: type[ArrayLayer]
    make: Callable[..., ArrayLayer]
    matrices: Callable[[Any], Sequence[Matrix]]
    vectors: Callable[[Sequence[int], Sequence[int]], int]
    fault: Callable[[Any, Sequence[int]], str | None] = lambda module, shape: None
    passage: Callable[[Any], PassageOf] = passage_by_cycles
    digital: Callable[[Any], str] = lambda layer: ""
    twin: Callable[[Any], nn.Module] | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.replaces, type) and issubclass(self.replaces, nn.Module)):
            raise InvalidValue(f"replaces is {self.replaces!r}; give a type of torch modules")
        if not (isinstance(self.layer, type) and issubclass(self.layer, ArrayLayer)):
            raise InvalidValue(f"layer is {self.layer!r}; give a subclass of mho.nn.ArrayLayer")
        if self.layer.forward is not ArrayLayer.forward:
            raise InvalidValue(f"{self.layer.__name__} has a forward of its own; write prepare, send and receive")

    def twin_of(self, layer: ArrayLayer) -> nn.Module | None:
        """Return what `twin` makes for a layer, with torch's generator left as it is; None where there is none."""
        if self.twin is None:
            return None
        with torch.random.fork_rng(devices=[]):  # what the twin starts with is written over
            return self.twin(layer)


LAYER_KINDS: dict[type[nn.Module], LayerKind] = {}
"""Every kind by the torch type that it replaces."""


def register(kind: LayerKind) -> LayerKind:
    """Make a kind known to `convert`, `mho map`, replicas and drivers, from now on.

    Raises:
        InvalidValue: if the torch type is replaced by another kind already.
    """
    taken = LAYER_KINDS.setdefault(kind.replaces, kind)
    if taken is not kind:
        raise InvalidValue(f"{kind.replaces.__name__} is replaced by {taken.layer.__name__} already")
    return kind


def kind_of(module: nn.Module) -> LayerKind | None:
    """Return the kind that replaces modules of exactly this type, or None."""
    return LAYER_KINDS.get(type(module))


def kind_of_layer(layer: ArrayLayer) -> LayerKind | None:
    """Return the kind of a layer on arrays: the one that made it, or the first that makes such layers, or None."""
    kinds = (kind for kind in LAYER_KINDS.values() if kind.layer is type(layer))
    return next(kinds, None) if layer.replaces is None else LAYER_KINDS.get(layer.replaces)


def passage_of(layer: ArrayLayer) -> PassageOf:
    """Return how the online driver passes samples through a layer.

    Raises:
        InvalidValue: with the reason where it cannot.
    """
    kind = kind_of_layer(layer)
    return (passage_by_cycles if kind is None else kind.passage)(layer)


def kind_names(word: str) -> str:
    """Return the names of the types that have an array form, the last behind a word: "Conv1d, Conv2d or Linear"."""
    *others, last = (kind.__name__ for kind in LAYER_KINDS)
    return f"{', '.join(others)} {word} {last}" if others else last
