"""Operations of torch that a graph has compiled nodes for."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Mapping
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import fx, nn

from mho.kernels.feature_maps import Pooling
from mho.training.online import nodes
from mho.training.online.nodes import Node
from mho.training.online.survey import Survey, inputs_of


@final
@dataclasses.dataclass(frozen=True)
class Known:
    """Operation that a compiled node can replace, and how the node is made.

    Attributes:
        make: from the forms of the inputs.
        any_order: whether inputs may have channels last.
    """

    make: Callable[..., Node]
    any_order: bool = True


def known(node: fx.Node, survey: Survey) -> Known | None:
    """Return what makes a compiled node for an operation without arrays, or None if torch is to run it."""
    inputs, out = inputs_of(node), survey.facts[node].shape
    if out is None or not inputs:
        return None
    if any(own not in survey.constants and survey.facts[own].shape is None for own in inputs):
        return None
    if any(own.op == "get_attr" for own in inputs):
        return None
    module = survey.module(node)
    target = node.target if module is None else type(module)
    options = {} if module is None else vars(module)
    shapes = [survey.facts[own].shape for own in inputs if own not in survey.constants]
    if target in SIMPLE and shapes == [out]:
        return Known(SIMPLE[target])
    if target in RESHAPES and len(shapes) == 1 and shapes[0] and out and shapes[0][0] == out[0]:
        return Known(lambda form: nodes.Reshape(form, out[1:]), any_order=False)
    if target in MAX_POOLS and len(out) == 4 and len(shapes) == 1:
        return _max_pool(_bound(node, options, MAX_POOL), out)
    if target in MEAN_POOLS and len(out) == 4 and len(shapes) == 1:
        return _mean_pool(_bound(node, options, MEAN_POOL), out)
    if target in SUMS and shapes == [out, out] and not set(node.kwargs) - {"input", "other"} and len(out) > 1:
        return Known(lambda form, other: nodes.Add(form))
    if target in JOINS and len(out) > 1 and len(shapes) == len(inputs):
        given = _bound(node, {}, {"tensors": None, "dim": 0})
        return Known(nodes.Concatenate, any_order=False) if given["dim"] in (1, 1 - len(out)) else None
    return None


SIMPLE: dict[Any, type[nodes.Activation]] = {
    nn.Tanh: nodes.Tanh,
    torch.tanh: nodes.Tanh,
    F.tanh: nodes.Tanh,
    "tanh": nodes.Tanh,
    nn.Sigmoid: nodes.Sigmoid,
    torch.sigmoid: nodes.Sigmoid,
    F.sigmoid: nodes.Sigmoid,
    "sigmoid": nodes.Sigmoid,
    nn.ReLU: nodes.ReLU,
    torch.relu: nodes.ReLU,
    F.relu: nodes.ReLU,
    "relu": nodes.ReLU,
}
RESHAPES: set[Any] = {nn.Flatten, torch.flatten, "flatten", "view", "reshape", torch.reshape, nn.Identity, "contiguous"}
MAX_POOLS: set[Any] = {nn.MaxPool2d, F.max_pool2d, torch.max_pool2d}
MEAN_POOLS: set[Any] = {nn.AvgPool2d, F.avg_pool2d, torch._C._nn.avg_pool2d}
SUMS: set[Any] = {operator.add, torch.add, "add"}
JOINS: set[Any] = {torch.cat, torch.concat, torch.concatenate}
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


def _bound(node: fx.Node, module: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of an operation by name: of its module, or of its arguments behind the input."""
    own = {name: value for name, value in module.items() if name in defaults}
    names = list(defaults) if "tensors" in defaults else ["input", *defaults]
    given = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
    return {**defaults, **own, **given}


def _max_pool(options: Mapping[str, Any], out: tuple[int, ...]) -> Known | None:
    if options["ceil_mode"] or options["return_indices"] or _pair(options["dilation"]) != (1, 1):
        return None
    window = _window(options, out)
    return Known(lambda form: nodes.MaxPool(form, window))


def _mean_pool(options: Mapping[str, Any], out: tuple[int, ...]) -> Known | None:
    if options["ceil_mode"] or options["divisor_override"] is not None:
        return None
    window, count_padding = _window(options, out), bool(options["count_include_pad"])
    return Known(lambda form: nodes.MeanPool(form, window, count_padding=count_padding))


def _window(options: Mapping[str, Any], out: tuple[int, ...]) -> Pooling:
    kernel, padding = _pair(options["kernel_size"]), _pair(options["padding"])
    stride = kernel if options["stride"] in (None, (), []) else _pair(options["stride"])
    return Pooling(kernel, stride, padding, (out[2], out[3]))


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[-1]))
