"""From a torch model to the graph of its operations, or to the reason why there is none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn

from mho.nn import ArrayLayer, Dropout, OnArrays, ReplicaModel


class NoGraph(Exception):
    """Raised with the reason why a model cannot be driven online; the text follows "autograd, because"."""


def inner_of(model: nn.Module) -> nn.Module:
    """Return the model that sees replicas folded into the batch."""
    return model.model if isinstance(model, ReplicaModel) else model


def trace(model: nn.Module) -> fx.Graph:
    """Return the operations of a converted model in order.

    Raises:
        NoGraph: if the model has a part that a graph would leave out, or its forward cannot be traced.
    """
    _refuse_unseen(model)
    inner = inner_of(model)
    if isinstance(inner, ArrayLayer):
        graph = fx.Graph()
        graph.output(graph.call_module("", (graph.placeholder("x"),)))
    else:
        with training(model), torch.enable_grad():
            try:
                graph = _Tracer().trace(inner)
            except Exception as error:  # whatever a model's own code raises when it meets a stand-in for its input
                raise NoGraph(f"its forward cannot be traced ({first_words(error)})") from None
    _prepare_before_arrays(graph, inner)
    return graph


@contextlib.contextmanager
def training(model: nn.Module) -> Iterator[None]:
    """Put a model into training mode, as every step finds it, and back."""
    modes = {module: module.training for module in model.modules()}
    if not model.training:
        model.train()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def first_words(error: Exception) -> str:
    """Return the first sentence of an error."""
    return str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__


def runs_itself(module: nn.Module) -> bool:
    """Return whether a module is a layer of torch, whose own code a graph runs, in whichever mode it is."""
    return type(module).__module__.startswith("torch.nn") and not isinstance(module, (nn.Sequential, nn.ModuleList))


class _Tracer(fx.Tracer):
    """Looks into containers only."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (ArrayLayer, Dropout)) or super().is_leaf_module(m, module_qualified_name)

    def create_node(self, *arguments: Any, **options: Any) -> fx.Node:
        if not torch.is_grad_enabled():
            raise RuntimeError("a part of it runs without gradients")
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("a part of it runs under autocast")
        return super().create_node(*arguments, **options)


def _refuse_unseen(model: nn.Module) -> None:
    """Hooks and what is frozen are not part of a traced graph; digital parameters have no replicas."""
    for name, module in model.named_modules():
        if isinstance(module, OnArrays) and not isinstance(module, ArrayLayer):
            raise NoGraph(
                f"{name or 'the model'} ({type(module).__name__}) passes its arrays by a forward of its own, such as "
                "steps of time or attention, which only autograd follows"
            )
    layers = [module for module in model.modules() if isinstance(module, ArrayLayer)]
    anchors = {id(layer.anchor) for layer in layers}
    replicas = model.replicas if isinstance(model, ReplicaModel) else 1
    for name, parameter in model.named_parameters():
        if replicas > 1 and id(parameter) not in anchors:
            raise NoGraph(f"{name} is a digital parameter, which {replicas} replicas would share")
    for name, module in model.named_modules():
        if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks:
            raise NoGraph(f"{name or 'the model'} has hooks")
        if model.training and not module.training and not runs_itself(module):
            raise NoGraph(f"{name} is in evaluation mode, in a model that is not")
    for layer in layers:
        if not layer.anchor.requires_grad:
            raise NoGraph(f"layer {layer.name} is frozen: its anchor requires no grad")
        if layer.replicas != replicas:
            raise NoGraph(
                f"layer {layer.name} has {layer.replicas} replicas, the model given {replicas}: a part of a model"
            )


def _prepare_before_arrays(graph: fx.Graph, inner: nn.Module) -> None:
    """Make what a layer computes of its input before it sends it, such as a padding, an operation of its own."""
    for node in list(graph.nodes):
        layer = inner.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(layer, ArrayLayer) and layer.prepares and node.args:
            with graph.inserting_before(node):
                prepared = graph.call_function(layer.prepare, (node.args[0],))
            node.args = (prepared,)
