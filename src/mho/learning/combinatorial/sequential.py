"""A chain of operations as a torch.nn.Sequential."""

from __future__ import annotations

import math
from collections import OrderedDict

from torch import nn

from mho.learning.combinatorial.chain import Chain
from mho.learning.combinatorial.kernels import codes

ACTIVATIONS: dict[int, type[nn.Module]] = {
    codes.TANH: nn.Tanh,
    codes.RELU: nn.ReLU,
    codes.SIGMOID: nn.Sigmoid,
    codes.HARDTANH: nn.Hardtanh,
}


def as_sequential(chain: Chain) -> nn.Sequential:
    """Return a torch model of these operations; layers have their names, with _ for dots."""
    layers = {layer.operation: layer for layer in chain.layers}
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    flat = len(chain.shape) == 1
    for place, row in enumerate(chain.operations.tolist()):
        kind, layer = row[codes.KIND], layers.get(place)
        name = layer.name.replace(".", "_") or "layer" if layer else f"operation{place}"
        kernel, stride, padding = (
            tuple(row[at : at + 2]) for at in (codes.KERNEL_HEIGHT, codes.STRIDE_Y, codes.PADDING_Y)
        )
        if kind == codes.DENSE and layer:
            if not flat:
                parts["flatten"], flat = nn.Flatten(), True
            parts[name] = nn.Linear(layer.fan_in, layer.out, bias=layer.bias)
        elif kind == codes.CONV and layer:
            inputs = row[codes.IN_CHANNELS]
            parts[name] = nn.Conv2d(inputs, layer.out, kernel, stride, padding, bias=layer.bias)
            assert math.prod(kernel) * inputs == layer.fan_in
        elif kind == codes.MAX_POOL:
            parts[name] = nn.MaxPool2d(kernel, stride, padding)
        elif kind == codes.MEAN_POOL:
            parts[name] = nn.AvgPool2d(kernel, stride, padding, count_include_pad=bool(row[codes.COUNT_PADDING]))
        else:
            parts[name] = ACTIVATIONS[kind]()
    if not flat:
        parts["flatten"] = nn.Flatten()
    return nn.Sequential(parts)
