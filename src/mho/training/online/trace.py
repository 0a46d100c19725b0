"""From a torch model to the links of a chain, or to the reason why it is none."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from mho.errors import InvalidValue
from mho.kernels.ops import Pooling
from mho.nn import ArrayLayer, Dropout, ReplicaModel, passage_of
from mho.training.online import stages
from mho.training.online.stages import Form, Stage

Link = Callable[[Form, slice], Stage]
"""Makes a stage for some replicas from the form of what it takes."""


class NoChain(Exception):
    """Why a model cannot be driven online, to follow "autograd, because"."""


def links_of(model: nn.Module) -> list[Link]:
    """The links of a converted model, in order.

    Raises:
        NoChain: if the model is no chain of layers that have a stage.
    """
    inner = model.model if isinstance(model, ReplicaModel) else model
    _refuse_unseen(model)
    modes = {module: module.training for module in model.modules()}
    inner.train()  # as every step finds it
    try:
        with torch.enable_grad():
            graph = _Tracer().trace(inner)
    except Exception as error:  # whatever a model's own code raises when it meets a stand-in for its input
        reason = str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__
        raise NoChain(f"its forward cannot be traced ({reason})") from None
    finally:
        for module, mode in modes.items():
            module.training = mode
    return _walk(graph, dict(inner.named_modules()))


class _Tracer(fx.Tracer):
    """Looks into containers only."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (ArrayLayer, Dropout)) or super().is_leaf_module(m, module_qualified_name)

    def create_node(self, *arguments: Any, **options: Any) -> fx.Node:
        if not torch.is_grad_enabled():
            raise RuntimeError("a part of it runs without gradients")
        return super().create_node(*arguments, **options)


def _refuse_unseen(model: nn.Module) -> None:
    """Digital parameters, hooks and what is frozen are not part of a traced graph."""
    layers = [module for module in model.modules() if isinstance(module, ArrayLayer)]
    anchors = {id(layer.anchor) for layer in layers}
    for name, parameter in model.named_parameters():
        if id(parameter) not in anchors:
            raise NoChain(f"{name} is a digital parameter, which only autograd can train")
    for name, module in model.named_modules():
        if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks:
            raise NoChain(f"{name or 'the model'} has hooks")
        if model.training and not module.training:
            raise NoChain(f"{name} is in evaluation mode, in a model that is not")
    replicas = model.replicas if isinstance(model, ReplicaModel) else 1
    for layer in layers:
        if not layer.anchor.requires_grad:
            raise NoChain(f"{layer.name} is frozen: its anchor requires no grad")
        if layer.replicas != replicas:
            raise NoChain(f"{layer.name} has {layer.replicas} replicas, the model given {replicas}: a part of a model")


def _walk(graph: fx.Graph, modules: Mapping[str, nn.Module]) -> list[Link]:
    links: list[Link] = []
    used: set[nn.Module] = set()
    shapes: set[fx.Node] = set()
    sizes: set[fx.Node] = set()  # the batch size, asked for by x.view(x.size(0), -1)
    last: fx.Node | None = None
    for node in graph.nodes:
        if node.op == "placeholder":
            if last is not None:
                raise NoChain("its forward takes more than one input")
            last = node
        elif node.op == "output":
            if node.args[0] is not last:
                raise NoChain("it does not return one tensor, that of its last layer")
        elif _asks_shape(node):
            shapes.add(node)
        elif _asks_size(node, shapes):
            sizes.add(node)
        else:
            others = [a for a in node.all_input_nodes if a is not last and a not in sizes]
            if others or last not in node.all_input_nodes:
                raise NoChain(f"{node.name} does not simply follow the layer before it")
            if node.op == "call_module":
                _refuse_second_use(str(node.target), modules[str(node.target)], used)
            links.append(_link(node, modules, sizes))
            last = node
    return links


def _refuse_second_use(name: str, module: nn.Module, used: set[nn.Module]) -> None:
    """Within a step a layer numbers its vectors once, and a second use would draw the same noise."""
    if module in used:
        raise NoChain(f"{name} is used twice")
    if isinstance(module, (ArrayLayer, Dropout)):
        used.add(module)


def _asks_shape(node: fx.Node) -> bool:
    """Every node of a chain has the batch first, so any will do."""
    if node.op == "call_method" and node.target == "size":
        return len(node.args) == 1 and not node.kwargs
    return node.op == "call_function" and node.target is getattr and node.args[1] == "shape"


def _asks_size(node: fx.Node, shapes: set[fx.Node]) -> bool:
    if node.op == "call_method" and node.target == "size":
        return (*node.args[1:], *node.kwargs.values()) == (0,)
    picks = node.op == "call_function" and node.target is operator.getitem
    return bool(picks and node.args[0] in shapes and node.args[1] == 0)


def _link(node: fx.Node, modules: Mapping[str, nn.Module], sizes: set[fx.Node]) -> Link:
    if node.op == "call_module":
        return _module_link(str(node.target), modules[str(node.target)])
    rest = node.args[1:]
    if node.target in SIMPLE and not rest and not set(node.kwargs) - {"inplace", "input"}:
        return _unary(SIMPLE[node.target])
    if node.target in (F.max_pool2d, torch.max_pool2d):
        return _max_pool(_bound(rest, node.kwargs, MAX_POOL))
    if node.target in (F.avg_pool2d, torch._C._nn.avg_pool2d):
        return _mean_pool(_bound(rest, node.kwargs, MEAN_POOL))
    if node.target in (torch.flatten, "flatten"):
        return _flatten(**_bound(rest, node.kwargs, {"start_dim": 0, "end_dim": -1}))
    if node.target in ("view", "reshape", torch.reshape):
        shape = rest[0] if len(rest) == 1 and isinstance(rest[0], (tuple, list)) else rest
        if len(shape) == 2 and (shape[0] == -1 or shape[0] in sizes) and isinstance(shape[1], int):
            return lambda form, replicas: _flat(form, shape[1] if isinstance(shape[1], int) else -1)
    raise NoChain(f"{node.name} has no stage")


def _module_link(name: str, module: nn.Module) -> Link:
    kind = type(module)
    if isinstance(module, ArrayLayer):
        return _array(module)
    if isinstance(module, Dropout):
        dropout = module
        return lambda form, replicas: stages.DropoutStage(dropout, replicas, form)
    if kind in SIMPLE:
        return _unary(SIMPLE[kind])
    if kind is nn.MaxPool2d:
        return _max_pool({field: getattr(module, field) for field in MAX_POOL})
    if kind is nn.AvgPool2d:
        return _mean_pool({field: getattr(module, field) for field in MEAN_POOL})
    if kind is nn.Flatten:
        return _flatten(module.start_dim, module.end_dim)  # type: ignore[arg-type]
    raise NoChain(f"{name} is a {kind.__name__}, which has no stage")


SIMPLE: dict[Any, type[stages.Activation]] = {
    nn.Tanh: stages.Tanh,
    torch.tanh: stages.Tanh,
    F.tanh: stages.Tanh,
    "tanh": stages.Tanh,
    nn.Sigmoid: stages.Sigmoid,
    torch.sigmoid: stages.Sigmoid,
    F.sigmoid: stages.Sigmoid,
    "sigmoid": stages.Sigmoid,
    nn.ReLU: stages.ReLU,
    torch.relu: stages.ReLU,
    F.relu: stages.ReLU,
    "relu": stages.ReLU,
}
MAX_POOL = {
    "kernel_size": None,
    "stride": None,
    "padding": 0,
    "dilation": 1,
    "ceil_mode": False,
    "return_indices": False,
}
MEAN_POOL = {
    "kernel_size": None,
    "stride": None,
    "padding": 0,
    "ceil_mode": False,
    "count_include_pad": True,
    "divisor_override": None,
}


def _bound(args: Any, kwargs: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name."""
    given = {name: value for name, value in kwargs.items() if name != "input"}
    return {**defaults, **dict(zip(defaults, args, strict=False)), **given}


def _unary(stage: Any) -> Link:
    return lambda form, replicas: stage(form)


def _array(layer: ArrayLayer) -> Link:
    """Return the link of a layer with one array."""
    if len(layer.crossbars) > 1:
        raise NoChain(f"{layer.name} has {len(layer.crossbars)} arrays")
    array = layer.crossbars[0]
    try:
        passage = passage_of(layer)
    except InvalidValue as reason:
        raise NoChain(str(reason)) from None

    def link(form: Form, replicas: slice) -> Stage:
        try:
            return stages.ArrayStage(layer, array, replicas, form, passage(form.samples, form.sizes))
        except InvalidValue as reason:
            raise NoChain(str(reason)) from None

    return link


def _max_pool(options: Mapping[str, Any]) -> Link:
    if options["return_indices"] or _pair(options["dilation"]) != (1, 1):
        raise NoChain("a max pooling returns indices, or is dilated")
    _check_window(options)
    return lambda form, replicas: stages.MaxPool(form, _window(form, options))


def _mean_pool(options: Mapping[str, Any]) -> Link:
    if options["divisor_override"] is not None:
        raise NoChain("an average pooling overrides its divisor")
    _check_window(options)
    return lambda form, replicas: stages.MeanPool(form, _window(form, options), bool(options["count_include_pad"]))


def _check_window(options: Mapping[str, Any]) -> None:
    if options["ceil_mode"]:
        raise NoChain("a pooling has ceil_mode")
    kernel, padding = _pair(options["kernel_size"]), _pair(options["padding"])
    if any(2 * pad > size for pad, size in zip(padding, kernel, strict=True)):
        raise NoChain("a pooling pads by more than half its window")  # which torch refuses


def _window(form: Form, options: Mapping[str, Any]) -> Pooling:
    if len(form.sizes) != 3:
        raise NoChain(f"a pooling takes maps, not {form.sizes}")
    kernel, padding = _pair(options["kernel_size"]), _pair(options["padding"])
    stride = kernel if options["stride"] in (None, (), []) else _pair(options["stride"])
    out = tuple((form.sizes[i + 1] + 2 * padding[i] - kernel[i]) // stride[i] + 1 for i in range(2))
    if min(out) < 1:
        raise NoChain(f"maps of {form.sizes} are smaller than a pooling's window")
    return Pooling(kernel, stride, padding, (out[0], out[1]))


def _flatten(start_dim: int, end_dim: int) -> Link:
    if start_dim != 1:
        raise NoChain(f"flatten from dimension {start_dim} joins the samples of a batch")
    if end_dim != -1:
        raise NoChain(f"flatten ends at dimension {end_dim}")
    return lambda form, replicas: stages.Flatten(form)


def _flat(form: Form, width: int) -> Stage:
    size = math.prod(form.sizes)
    if width not in (-1, size):
        raise NoChain(f"a view makes {width} numbers a sample of {size}")
    return stages.Flatten(form)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[-1]))
