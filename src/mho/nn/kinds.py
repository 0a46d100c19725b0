"""Kinds of layers on arrays: one record each, found by the torch type that it replaces."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, final

import torch
from torch import Tensor, nn

from mho.errors import InvalidValue, InWords
from mho.nn.array_layer import ArrayLayer
from mho.nn.composite import Composite
from mho.nn.on_arrays import OnArrays
from mho.nn.passage import PassageOf, passage_by_cycles

T = TypeVar("T")


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Matrix:
    """Weights of one array of a layer: a weight (out, in), and the bias (out,) of its last column, or None."""

    weight: Tensor
    bias: Tensor | None = None

    @property
    def parameters(self) -> list[Tensor]:
        """Return the parameters of the torch layer that weight and bias are, or are views of."""
        given = [self.weight, *([] if self.bias is None else [self.bias])]
        return [value if value._base is None else value._base for value in given]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """Matrices that a torch layer gives to one layer on arrays.

    Attributes:
        matrices: one for each array, in order, all of one shape.
        stepwise: whether each vector of a sample is read in a use of its own, as step after step of a recurrence.
        vectors: shapes of all inputs of the torch layer, and of its output, to the vectors that each array gets, where
            these differ from those of other parts; None: as `LayerKind.vectors` says.
    """

    matrices: Sequence[Matrix]
    stepwise: bool = False
    vectors: Callable[[Sequence[Sequence[int]], Sequence[int]], int] | None = None

    @property
    def trains(self) -> bool:
        """Return True if any parameter of the matrices trains."""
        return any(parameter.requires_grad for matrix in self.matrices for parameter in matrix.parameters)

    def copies(self) -> Part:
        """Return a part with copies of the matrices."""
        copied = [
            Matrix(m.weight.detach().clone(), None if m.bias is None else m.bias.detach().clone())
            for m in self.matrices
        ]
        return dataclasses.replace(self, matrices=copied)


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerKind(metaclass=InWords):
    """Kind of layers on arrays: all that conversion, tables of arrays and drivers need to know of it.

    Attributes:
        replaces: torch type whose modules become such layers. Subclasses of it do not: they may compute something else.
        layer: the layer on arrays, or a `Composite` of several.
        make: makes a layer for a module of that type; the keywords rpu, seed, replicas and name are for `ArrayLayer`.
            A composite gets the keyword `layers` beside, a dict of other RPUs by the name of a part.
        matrices: matrices of a module of that type, one for each array of its layer, in order, all of one shape. Only
            shapes count where weights are on torch's meta device.
        parts: in place of `matrices`, where the layer is a composite: what each layer inside gets, by its path there,
            in the order of the composite.
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
        InvalidValue: for a layer that is neither `ArrayLayer` nor `Composite`, an `ArrayLayer` with a forward of its
            own, which the online driver would not call, or the wrong one of `matrices` and `parts`.
    """

    replaces: type[nn.Module]
    layer: type[OnArrays]
    make: Callable[..., OnArrays]
    vectors: Callable[[Sequence[int], Sequence[int]], int]
    matrices: Callable[[Any], Sequence[Matrix]] | None = None
    parts: Callable[[Any], Mapping[str, Part]] | None = None
    fault: Callable[[Any, Sequence[int]], str | None] = lambda module, shape: None
    passage: Callable[[Any], PassageOf] = passage_by_cycles
    digital: Callable[[Any], str] = lambda layer: ""
    twin: Callable[[Any], nn.Module] | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.replaces, type) and issubclass(self.replaces, nn.Module)):
            raise InvalidValue(f"replaces is {self.replaces!r}; give a type of torch modules")
        if not (isinstance(self.layer, type) and issubclass(self.layer, (ArrayLayer, Composite))):
            raise InvalidValue(f"layer is {self.layer!r}; give a subclass of mho.nn.ArrayLayer or mho.nn.Composite")
        is_composite = issubclass(self.layer, Composite)
        if not is_composite and self.layer.forward is not ArrayLayer.forward:
            raise InvalidValue(f"{self.layer.__name__} has a forward of its own; write prepare, send and receive")
        if (self.parts is not None) != is_composite or (self.matrices is None) != is_composite:
            raise InvalidValue("give parts where the layer is a Composite, and matrices where it is an ArrayLayer")

    def parts_of(self, module: nn.Module) -> Mapping[str, Part]:
        """Return what each layer on arrays gets of a module, by its path inside; "" for the layer itself."""
        if self.parts is not None:
            return self.parts(module)
        assert self.matrices is not None
        return {"": Part(self.matrices(module))}

    def twin_of(self, layer: OnArrays) -> nn.Module | None:
        """Return the torch layer that a layer on arrays stands for, of equal geometry; None for a kind without `twin`.

        The weights are those of a new layer, until `fill` writes them. torch's generator is left as it is.
        """
        if self.twin is None:
            return None
        with torch.random.fork_rng(devices=[]):  # what the twin starts with is written over
            return self.twin(layer)

    def fill(self, twin: nn.Module, layer: OnArrays, *, replica: int = 0, read: bool = False) -> None:
        """Write the weights of a layer's arrays, and what is frozen of them, into the torch layer that it stands for.

        Args:
            twin: as `twin_of` made it.
            layer: the layer.
            replica: whose weights.
            read: weights as a read sees them, and not exact.

        Raises:
            InvalidValue: where the matrices of the twin are no views of its parameters, or of other shapes.
        """
        layers = layers_inside(layer)
        wholes = [own.matrix(read=read)[replica].chunk(len(own.crossbars)) for own in layers]

        def held() -> list[tuple[Tensor, Tensor]]:
            """Return pairs of what the torch layer holds and what it is to hold."""
            pairs = []
            for part, own in zip(self.parts_of(twin).values(), wholes, strict=True):
                for matrix, values in zip(part.matrices, own, strict=True):
                    width = matrix.weight.shape[1]
                    pairs.append((matrix.weight, values[:, :width]))
                    if matrix.bias is not None and values.shape[1] > width:
                        pairs.append((matrix.bias, values[:, width]))
            return pairs

        with torch.no_grad():
            for target, values in held():
                target.copy_(values)
            if not all(torch.equal(target, values) for target, values in held()):
                raise InvalidValue(
                    f"layer {layer.name}: the matrices of a {type(twin).__name__} are copies of its parameters, so the "
                    "weights of the arrays cannot be written into them; let LayerKind.matrices return views"
                )
        twin.requires_grad_(layer.trains)
        trains: dict[Tensor, bool] = {}
        for own, part in zip(layers, self.parts_of(twin).values(), strict=True):
            for parameter in (p for matrix in part.matrices for p in matrix.parameters):
                trains[parameter] = trains.get(parameter, False) or own.trains  # several arrays may hold parts of it
        for parameter, value in trains.items():
            parameter.requires_grad_(value)


def remake(kind: Callable[..., T], arguments: Callable[[Any], dict[str, Any]]) -> Callable[..., T]:
    """Return a function that makes a layer of `kind` from another layer whose constructor arguments it shares.

    Args:
        kind: class of the layer.
        arguments: reads these arguments from the other layer; the function takes further arguments by keyword.
    """
    return lambda source, **own: kind(**arguments(source), **own)


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


def kind_of_layer(layer: OnArrays) -> LayerKind | None:
    """Return the kind of a layer on arrays: the kind that made it, or the first that makes such layers, or None."""
    kinds = (kind for kind in LAYER_KINDS.values() if kind.layer is type(layer))
    return next(kinds, None) if layer.replaces is None else LAYER_KINDS.get(layer.replaces)


def layers_inside(layer: OnArrays) -> list[ArrayLayer]:
    """Return the layers on arrays of which a composite is made, in order; an `ArrayLayer` gives itself."""
    return [module for module in layer.modules() if isinstance(module, ArrayLayer)]


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
