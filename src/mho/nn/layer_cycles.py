"""Node of autograd's graph that sends a batch through the arrays of a layer, forward and backward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch._subclasses import FakeTensor

from mho.errors import InvalidValue, WrongUse, shown
from mho.kernels.ops import Floats
from mho.nn.compiled import outside_graphs

if TYPE_CHECKING:
    from mho.nn.array_layer import ArrayLayer


class LayerCycles(torch.autograd.Function):
    """Forward and backward cycle of a layer's arrays."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, anchor: Tensor, layer: ArrayLayer, *scales: Tensor) -> Tensor:
        inputs = [layer.by_replica(v) for v in layer.send(_for_numpy(x.detach()))]
        ctx.layer, ctx.shape, ctx.inputs, ctx.number = layer, x.shape, inputs, layer.memory.number()
        answers = [array.read_vectors(v, backward=False) for array, v in zip(layer.crossbars, inputs, strict=True)]
        ctx.answers = [a.copy() for a in answers] if scales else []  # a copy: what follows may write into the output
        return layer.receive([_by_sample(a, x.shape[0]) for a in answers], x.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        layer: ArrayLayer = ctx.layer
        if torch.is_grad_enabled():
            # create_graph=True: what leaves here stands for a read with noise, which has no derivative
            with torch.no_grad():
                downwards, *others = LayerCycles.backward(ctx, grad)
            return None if downwards is None else watched(downwards, grad, layer), *others
        grad = grad.detach()
        errors = [layer.by_replica(d) for d in layer.send_back(grad.neg())]
        downwards = None
        if ctx.needs_input_grad[0]:
            answers = [array.read_vectors(d, backward=True) for array, d in zip(layer.crossbars, errors, strict=True)]
            samples = [_by_sample(a, ctx.shape[0]) for a in answers]
            downwards = layer.receive_back(samples, ctx.shape).neg_()
        layer.keep(ctx.number, ctx.inputs, errors)
        learning = ctx.answers if layer.training else [None] * len(ctx.answers)
        scales = zip(layer.learned_scales(), errors, learning, strict=True) if learning else ()
        return downwards, torch.empty(0), None, *(scale_gradient(s, d, y) for s, d, y in scales)


def scale_gradient(log_factor: Tensor, d: Floats, y: Floats | None) -> Tensor | None:
    """Return the derivative by log s, (R, 1) or (R, out), from δ = -∂L/∂y and y = s·a, (R, T, out); None without y."""
    if y is None:
        return None
    per_output = -np.einsum("rto,rto->ro", d, y)
    return torch.from_numpy(per_output if log_factor.shape[1] > 1 else per_output.sum(axis=1, keepdims=True))


class _FirstDerivative(torch.autograd.Function):
    """Node behind a backward cycle, which raises where its derivative is asked for."""

    @staticmethod
    def forward(ctx: Any, downwards: Tensor, grad: Tensor, anchor: Tensor, name: str) -> Tensor:
        # grad: else torch would find no way from here to the input, and call the second derivative 0
        ctx.name = name
        return downwards.view_as(downwards)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise WrongUse(
            f"layer {ctx.name}: arrays have no second derivative, as a backward cycle is a read with noise. For a "
            "gradient penalty keep this network digital (exclude=), or clip its weights or use spectral "
            "normalisation instead"
        )


def watched(downwards: Tensor, grad: Tensor, layer: ArrayLayer) -> Tensor:
    """Return what a backward cycle brought, in answer to `grad`, so that its derivative is refused in words."""
    answer: Tensor = _FirstDerivative.apply(downwards, grad, layer.anchor, layer.name)  # type: ignore[no-untyped-call]
    return answer


def _by_sample(vectors: Floats, samples: int) -> Floats:
    """Return vectors (R, B·T, n) as (S, T, n)."""
    replicas, count, width = vectors.shape
    return vectors.reshape(samples, replicas * count // samples if samples else 0, width)


def _for_numpy(x: Tensor) -> Tensor:
    """Return numbers in a type that NumPy knows too: bfloat16, as autocast makes it, has none."""
    return x.float() if x.dtype == torch.bfloat16 else x


def check_tensor(x: object, name: str) -> None:
    """Raise unless the input of a layer is a tensor of real numbers.

    Raises:
        InvalidValue: saying what it is.
    """
    if isinstance(x, fx.Proxy):
        raise unrecorded(name, "torch.fx.symbolic_trace")
    if not isinstance(x, Tensor):
        raise InvalidValue(f"layer {name}: input {shown(x)}; give a tensor, for example torch.as_tensor(x)")
    if x.is_complex():
        raise InvalidValue(
            f"layer {name}: the input is complex; lines of an array take real numbers: torch.view_as_real(x)"
        )


def unrecorded(name: str, by: str) -> WrongUse:
    return WrongUse(
        f"layer {name}: {by} would record what an array answers once, noise and all; arrays cannot be recorded. "
        "Export the digital twin, mho.to_digital(model), which has the same weights"
    )


@outside_graphs
def through_arrays(x: Tensor, layer: Any, cycles: type[torch.autograd.Function]) -> Tensor:
    """Add a node to autograd's graph.

    Args:
        x: a batch, as the layer has prepared it.
        layer: with a name, replicas, an anchor and learned scales.
        cycles: a function of x, the anchor, the layer and the scales.

    Raises:
        InvalidValue: for a batch that the replicas cannot share.
        WrongUse: inside DistributedDataParallel, torch.jit.trace, torch.export or transforms of torch.func.
    """
    if torch._C._get_tracing_state() is not None:
        raise unrecorded(layer.name, "torch.jit.trace")
    if isinstance(x, FakeTensor):
        raise unrecorded(layer.name, "torch.export")
    if nn.parallel.DistributedDataParallel._active_ddp_module is not None:
        raise WrongUse(
            f"layer {layer.name}: DistributedDataParallel averages gradients, and arrays take every vector as "
            "pulses, in order: their updates cannot be averaged. Train each model in one process"
        )
    if x.shape[0] % layer.replicas:
        raise InvalidValue(
            f"layer {layer.name}: a batch of {x.shape[0]} cannot be shared by {layer.replicas} replicas; call the "
            "model that convert returned, not a layer inside it"
        )
    scales = layer.learned_scales()
    try:
        answer: Tensor = cycles.apply(x, layer.anchor, layer, *scales)
    except RuntimeError as error:
        if "functorch transforms" not in str(error):
            raise
        raise WrongUse(
            f"layer {layer.name}: arrays take vectors one after another and cannot be vectorised or differentiated by "
            "torch.func (vmap, grad, jacrev); give one batch of all vectors, use torch.autograd, or take "
            "mho.to_digital(model)"
        ) from None
    return answer
