"""Survey of a traced model for batches of one shape: a run without its arrays, which records every value's shape."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, fx, nn

from mho.errors import InvalidValue
from mho.nn import ArrayLayer, Dropout, Passage, passage_of
from mho.training.online.trace import NoGraph, first_words, inner_of, training

QUERIES = ("size", "dim", "ndimension", "numel", "shape", "ndim", "dtype", "device")
"""Methods and attributes of a tensor that do not depend on its numbers."""
VIEWS = (
    "view", "reshape", "flatten", "unflatten", "transpose", "permute", "swapaxes", "t", "squeeze", "unsqueeze",
    "getitem", "chunk", "split", "unbind", "narrow", "select", "expand", "view_as", "contiguous", "detach",
)  # fmt: skip
"""Operations whose answer may lie in the memory of their input."""

IN_PLACE = ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor")


@final
@dataclasses.dataclass(frozen=True)
class Fact:
    """Facts about a value of a traced model.

    Attributes:
        shape: shape of a float32 tensor; None for anything else.
        grad: whether errors come back to it and are needed there.
        constant: whether it follows from shapes alone, and what it is.
        value: value of a constant.
    """

    shape: tuple[int, ...] | None
    grad: bool = False
    constant: bool = False
    value: Any = None


@final
class Survey:
    """Facts about all values of a traced model.

    Args:
        graph: graph of the model.
        model: as `mho.convert` returned it.
        shape: shape of the batch, replicas folded into it.

    Attributes:
        facts: by operation.
        source: the operation that is the batch.
        result: the operation whose value the model returns.
        uses: how often operations take a value, its being returned included.

    Raises:
        NoGraph: if the model cannot be driven online with such a batch.
    """

    def __init__(self, graph: fx.Graph, model: nn.Module, shape: Sequence[int]) -> None:
        self.inner = inner_of(model)
        self._values: dict[fx.Node, Any] = {}
        self._generator = torch.Generator().manual_seed(0)
        self.source, self.result = _ends(graph)
        self.constants = _constants(graph)
        with training(model), _unchanged(self.inner), torch.enable_grad():
            for node in graph.nodes:
                if node.op != "output":
                    self._values[node] = self._value(node, shape)
            reached = self._reached()
        self.facts = {node: self._fact(node, value, node in reached) for node, value in self._values.items()}
        self.uses = self._count_uses(graph)
        self._values.clear()
        for node in self.uses:
            self._check(node)

    def module(self, node: fx.Node) -> nn.Module | None:
        """Return the module that an operation calls."""
        return self.inner.get_submodule(str(node.target)) if node.op == "call_module" else None

    def attribute(self, node: fx.Node) -> Any:
        """Return the parameter or buffer that an operation takes from the model."""
        return operator.attrgetter(str(node.target))(self.inner)

    def changed(self, node: fx.Node) -> fx.Node | None:
        """Return the operation whose value this operation changes in place, or None."""
        return _changed(node, self.module(node))

    def _value(self, node: fx.Node, shape: Sequence[int]) -> Any:
        if node.op == "placeholder":
            return self._random(shape)
        if node.op == "get_attr":
            return self.attribute(node)
        given: Any = [fx.node.map_arg(each, self._values.__getitem__) for each in (node.args, node.kwargs)]
        args, kwargs = given
        module = self.module(node)
        if isinstance(module, ArrayLayer):
            answer = self._random(_answer_shape(module, args[0] if args else None)).requires_grad_()
            return answer + 0.0 * args[0].sum()  # errors pass through
        if isinstance(module, Dropout):
            return args[0] * 1.0
        try:
            return run(node, module, args, kwargs)
        except Exception as error:  # whatever torch says of such shapes
            raise NoGraph(
                f"{node.name} cannot be computed for batches of {tuple(shape)}: {first_words(error)}"
            ) from None

    def _random(self, shape: Sequence[int]) -> Tensor:
        return torch.randn(*shape, generator=self._generator)

    def _reached(self) -> set[fx.Node]:
        """Return the operations whose values errors come back to."""
        out = self._values[self.result]
        if not isinstance(out, Tensor) or out.dtype != torch.float32:
            raise NoGraph("it does not return one tensor of float32")
        if not out.requires_grad:
            raise NoGraph("its forward uses no array")
        asked = {n: v for n, v in self._values.items() if isinstance(v, Tensor) and v.requires_grad}
        found = torch.autograd.grad(out.sum(), list(asked.values()), allow_unused=True)
        return {node for node, gradient in zip(asked, found, strict=True) if gradient is not None}

    def _fact(self, node: fx.Node, value: Any, reached: bool) -> Fact:
        if node in self.constants:
            return Fact(None, constant=True, value=value)
        if isinstance(value, Tensor) and value.dtype == torch.float32:
            return Fact(tuple(value.shape), reached)
        parts = value if isinstance(value, (tuple, list)) else ()
        return Fact(None, reached or any(isinstance(part, Tensor) and part.requires_grad for part in parts))

    def _count_uses(self, graph: fx.Graph) -> dict[fx.Node, int]:
        uses = dict.fromkeys(self.facts, 0)
        for node in graph.nodes:
            if node not in self.constants:
                for taken in inputs_of(node):
                    uses[taken] += 1
        return uses

    def _check(self, node: fx.Node) -> None:
        layer = self.module(node)
        if isinstance(layer, ArrayLayer) and not self.facts[node].grad:
            raise NoGraph(f"no error comes back to {layer.name}")
        changed = self.changed(node)
        while changed is not None:
            if changed.op != "get_attr" and self.uses[changed] > 1:
                raise NoGraph(f"{node.name} changes in place what others use too")
            changed = changed.args[0] if _name(changed) in VIEWS else None  # type: ignore[assignment]


def run(node: fx.Node, module: nn.Module | None, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return what an operation answers to arguments; `module` is what it calls if it calls a module."""
    if module is not None:
        return module(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)  # type: ignore[operator]


def inputs_of(node: fx.Node) -> list[fx.Node]:
    """Return the operations whose values an operation takes, in order, as often as it takes them."""
    found: list[fx.Node] = []

    def note(taken: fx.Node) -> fx.Node:
        found.append(taken)
        return taken

    fx.node.map_arg((node.args, node.kwargs), note)
    return found


def _ends(graph: fx.Graph) -> tuple[fx.Node, fx.Node]:
    """Return the operations that stand for the input and for what is returned."""
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1:
        raise NoGraph(f"its forward takes {len(inputs) or 'no'} inputs, not one")
    (output,) = (node for node in graph.nodes if node.op == "output")
    if not isinstance(output.args[0], fx.Node):
        raise NoGraph("it does not return one tensor")
    return inputs[0], output.args[0]


def _constants(graph: fx.Graph) -> set[fx.Node]:
    """Return the operations that follow from shapes alone."""
    found: set[fx.Node] = set()
    for node in graph.nodes:
        asks = node.op == "call_method" and node.target in QUERIES
        asks = asks or (node.op == "call_function" and node.target is getattr and node.args[1] in QUERIES)
        taken = inputs_of(node)
        if asks or (node.op.startswith("call") and taken and found.issuperset(taken)):
            found.add(node)
    return found


def _name(node: fx.Node) -> str:
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")


def _changed(node: fx.Node, module: nn.Module | None) -> fx.Node | None:
    if isinstance(node.kwargs.get("out"), fx.Node):
        return node.kwargs["out"]  # type: ignore[return-value]
    name, inplace = _name(node), bool(getattr(module, "inplace", False))
    if node.op == "call_function":
        with contextlib.suppress(TypeError, ValueError):  # functions of C have no signature
            bound = inspect.signature(node.target).bind(*node.args, **node.kwargs)  # type: ignore[arg-type]
            inplace = bool(bound.arguments.get("inplace", False))
        inplace = inplace or name in IN_PLACE
    if node.op in ("call_function", "call_method"):
        inplace = inplace or (name.endswith("_") and not name.endswith("__"))
    taken = inputs_of(node)
    return taken[0] if inplace and taken else None


def _answer_shape(layer: ArrayLayer, x: Any) -> tuple[int, ...]:
    """Return the shape of what a layer answers to a batch."""
    if not isinstance(x, Tensor) or x.dtype != torch.float32:
        raise NoGraph(f"layer {layer.name} gets no tensor of float32")
    shape = tuple(x.shape)
    if x.shape[0] % layer.replicas:
        raise NoGraph(f"layer {layer.name} gets a batch of {x.shape[0]}, which {layer.replicas} replicas cannot share")
    return (shape[0], *passage_for(layer, shape).sizes)


def passage_for(layer: ArrayLayer, shape: Sequence[int]) -> Passage:
    """Return how samples of a batch (S, ...) pass through a layer.

    Raises:
        NoGraph: with the reason where they cannot.
    """
    try:
        return passage_of(layer)(shape[0], tuple(shape[1:]))
    except InvalidValue as reason:
        raise NoGraph(str(reason)) from None


@contextlib.contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Leave the buffers of a model, those of its arrays aside, and torch's generator as they are."""
    arrays = {id(own) for m in model.modules() if isinstance(m, (ArrayLayer, Dropout)) for own in m.buffers()}
    kept = [(buffer, buffer.clone()) for buffer in model.buffers() if id(buffer) not in arrays]
    generator = torch.get_rng_state()
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)
        torch.set_rng_state(generator)
