"""A torch model as a chain of operations that the kernels know."""

from __future__ import annotations

import dataclasses
import math
import operator
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from mho.errors import InvalidValue
from mho.learning.combinatorial.kernels import codes
from mho.learning.combinatorial.memory import Integers

ACTIVATIONS: dict[Any, int] = {
    nn.Tanh: codes.TANH, torch.tanh: codes.TANH, F.tanh: codes.TANH, "tanh": codes.TANH,
    nn.ReLU: codes.RELU, torch.relu: codes.RELU, F.relu: codes.RELU, "relu": codes.RELU,
    nn.Sigmoid: codes.SIGMOID, torch.sigmoid: codes.SIGMOID, F.sigmoid: codes.SIGMOID, "sigmoid": codes.SIGMOID,
    nn.Hardtanh: codes.HARDTANH, F.hardtanh: codes.HARDTANH,
}  # fmt: skip
VIEWS: set[Any] = {nn.Flatten, nn.Identity, torch.flatten, "flatten", "view", "reshape", torch.reshape, "contiguous"}
POOLS: dict[Any, int] = {
    nn.MaxPool2d: codes.MAX_POOL, F.max_pool2d: codes.MAX_POOL, torch.max_pool2d: codes.MAX_POOL,
    nn.AvgPool2d: codes.MEAN_POOL, F.avg_pool2d: codes.MEAN_POOL, torch._C._nn.avg_pool2d: codes.MEAN_POOL,
}  # fmt: skip
POOL_ARGUMENTS = ("kernel_size", "stride", "padding")
KNOWN = "Linear, Conv2d, Tanh, ReLU, Sigmoid, Hardtanh, MaxPool2d, AvgPool2d, Flatten and Identity"


@final
@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer whose weights are trained.

    Attributes:
        name: path of the module in the model.
        operation: its place in the table of operations.
        out: outputs, or output channels.
        fan_in: inputs of one output, without the bias.
        first: place of its first weight; it has out · (fan_in + 1) of them, of each output the bias last.
        bias: whether it has biases; else their places stay 0.
    """

    name: str
    operation: int
    out: int
    fan_in: int
    first: int
    bias: bool

    @property
    def places(self) -> slice:
        """Return the places of its weights among those of the network."""
        return slice(self.first, self.first + self.out * (self.fan_in + 1))


@final
@dataclasses.dataclass(frozen=True)
class Chain:
    """A network as the kernels see it.

    Attributes:
        operations: (operations, COLUMNS) int64; see `mho.learning.combinatorial.memory`.
        layers: those with weights, in order.
        shape: shape of one example.
        outputs: how many numbers the network returns for an example.
        weights: how many places for weights there are, those of missing biases included.
    """

    operations: Integers
    layers: tuple[Layer, ...]
    shape: tuple[int, ...]
    outputs: int
    weights: int

    @property
    def inputs(self) -> int:
        """Return how many numbers an example has."""
        return math.prod(self.shape)

    @property
    def rows(self) -> int:
        """Rows of values: one for biases, the inputs, and the outputs of every operation."""
        return 1 + self.inputs + int(self.operations[:, codes.OUT_ROWS].sum())

    def trained(self) -> Integers:
        """Return the places of weights that are there: all but those of missing biases."""
        there = np.ones(self.weights, bool)
        for layer in self.layers:
            if not layer.bias:
                there[layer.places].reshape(layer.out, -1)[:, -1] = False
        return np.flatnonzero(there)

    def to_table(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {
            "operations": self.operations.tolist(),
            "layers": [dataclasses.asdict(layer) for layer in self.layers],
            "shape": list(self.shape),
            "outputs": self.outputs,
            "weights": self.weights,
        }

    @classmethod
    def from_table(cls, table: dict[str, Any]) -> Chain:
        """Make a chain of what `to_table` returned."""
        return cls(
            np.array(table["operations"], np.int64),
            tuple(Layer(**layer) for layer in table["layers"]),
            tuple(table["shape"]),
            table["outputs"],
            table["weights"],
        )

    def check(self, model: nn.Module) -> None:
        """Raise InvalidValue unless a model has the layers of this chain."""
        modules = dict(model.named_modules())
        for layer in self.layers:
            module: Any = modules.get(layer.name, modules.get(layer.name.replace(".", "_") or "layer"))
            if not isinstance(module, (nn.Linear, nn.Conv2d)) or (
                (len(module.weight), module.weight[0].numel(), module.bias is not None)
                != (layer.out, layer.fan_in, layer.bias)
            ):
                raise InvalidValue(
                    f"the model has no layer {layer.name!r} of {layer.out} outputs and {layer.fan_in} inputs "
                    f"{'with' if layer.bias else 'without'} bias, which the stored network has"
                )

    def gather(self, model: nn.Module, *, gradient: bool = False) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the weights of a model, or their gradients, as one row (W,) in float64; 0 for missing biases."""
        row = np.zeros(self.weights, np.float64)
        for layer in self.layers:
            module: Any = model.get_submodule(layer.name)
            matrix = row[layer.places].reshape(layer.out, layer.fan_in + 1)
            for part, parameter in ((np.s_[:, :-1], module.weight), (np.s_[:, -1], module.bias)):
                if parameter is not None:
                    given: Any = parameter.grad if gradient else parameter
                    matrix[part] = given.detach().double().reshape(matrix[part].shape).numpy()
        return row

    def _module(self, model: nn.Module, layer: Layer) -> Any:
        modules = dict(model.named_modules())
        return modules[layer.name] if layer.name in modules else modules[layer.name.replace(".", "_") or "layer"]

    def scatter(self, row: np.ndarray[Any, Any], model: nn.Module) -> None:
        """Write weights (W,) into a model, in its own type."""
        with torch.no_grad():
            for layer in self.layers:
                module: Any = self._module(model, layer)
                matrix = torch.from_numpy(row[layer.places].reshape(layer.out, layer.fan_in + 1))
                module.weight.copy_(matrix[:, :-1].reshape(module.weight.shape))
                if layer.bias:
                    module.bias.copy_(matrix[:, -1])


def read_chain(model: nn.Module, example: Tensor) -> Chain:
    """Read a model as a chain of operations.

    Args:
        model: a torch model on the CPU, whose forward passes one tensor through one operation after another.
        example: a batch (B, ...) of inputs, B at least 1, for the shapes.

    Raises:
        InvalidValue: naming the part of the model that is not supported, and why.
    """
    if not isinstance(model, nn.Module):
        raise InvalidValue(f"model is {type(model).__name__}; give a torch.nn.Module of {KNOWN}")
    try:
        graph = _Tracer().trace(model)
    except Exception as error:  # whatever a model's own code raises when it meets a stand-in for its input
        raise InvalidValue(
            f"the forward of {type(model).__name__} cannot be traced ({str(error).splitlines()[0]}); CoNNTrA takes "
            f"chains of {KNOWN}"
        ) from None
    return _Reading(model, example).read(graph)


class _Tracer(fx.Tracer):
    """Looks into a user's containers, and takes torch's layers as they are."""


class _Reading:
    """One walk along the operations of a model."""

    def __init__(self, model: nn.Module, example: Tensor) -> None:
        self.model = model
        kinds = [parameter.dtype for parameter in model.parameters()]
        self.value = example[:1].detach().to(kinds[0] if kinds else torch.float32)
        self.shape = tuple(example.shape[1:])
        self.rows: list[list[int]] = []
        self.layers: list[Layer] = []
        self.first, self.weights = 1, 0
        self.next = 1 + math.prod(self.shape)

    def read(self, graph: fx.Graph) -> Chain:
        last: fx.Node | None = None
        training, _ = self.model.training, self.model.eval()
        try:
            for node in graph.nodes:
                if node.op == "output":
                    if node.args[0] is not last:
                        raise InvalidValue(f"{type(self.model).__name__} does not return the end of one chain")
                elif node.op != "placeholder" or last is not None:
                    self._add(node, last)
                last = node if node.op != "output" else last
        finally:
            self.model.train(training)
        if not self.layers:
            raise InvalidValue(f"{type(self.model).__name__} has no layer to train; CoNNTrA trains Linear and Conv2d")
        if self.value.dim() != 2:
            raise InvalidValue(
                f"the model returns {tuple(self.value.shape[1:])} numbers per example; flatten them into one row"
            )
        return Chain(np.array(self.rows, np.int64), tuple(self.layers), self.shape, self.value.shape[1], self.weights)

    def _add(self, node: fx.Node, last: fx.Node | None) -> None:
        """Add an operation, which must take the value of the operation before it and nothing else."""
        module = self.model.get_submodule(str(node.target)) if node.op == "call_module" else None
        target: Any = type(module) if module is not None else node.target
        name = str(node.target) if module is not None else node.name
        what = f"{name} ({target.__name__ if hasattr(target, '__name__') else target})"
        if node.op in ("placeholder", "get_attr") or node.args[:1] != (last,) or node.all_input_nodes != [last]:
            raise InvalidValue(f"{what} is not one link of a chain; CoNNTrA takes chains of {KNOWN}")
        before = tuple(self.value.shape[1:])
        with torch.no_grad():
            self.value = self._run(node, module, what)
        after = tuple(self.value.shape[1:])
        if target in VIEWS:
            if self.value.shape[0] != 1 or (after != before and after != (math.prod(before),)):
                raise InvalidValue(f"{what} makes {after} of {before}; only flattening an example into a row is known")
            return
        row = [0] * codes.COLUMNS
        row[codes.IN_ROW], row[codes.IN_ROWS] = self.first, math.prod(before)
        row[codes.OUT_ROW], row[codes.OUT_ROWS], row[codes.WEIGHTS] = self.next, math.prod(after), -1
        if target in ACTIVATIONS:
            row[codes.KIND] = ACTIVATIONS[target]
            if row[codes.KIND] == codes.HARDTANH:
                self._check_hardtanh(node, module, what)
        elif target in POOLS:
            row[codes.KIND] = POOLS[target]
            self._pool(row, node, module, what, before, after)
        elif module is not None and type(module) in (nn.Linear, nn.Conv2d):
            self._layer(row, name, module, what, before, after)
        else:
            raise InvalidValue(f"{what} is not supported; CoNNTrA takes chains of {KNOWN}")
        self.rows.append(row)
        self.first, self.next = self.next, self.next + row[codes.OUT_ROWS]

    def _run(self, node: fx.Node, module: nn.Module | None, what: str) -> Tensor:
        args = (self.value, *node.args[1:])
        try:
            if module is not None:
                out = module(self.value)
            elif node.op == "call_method":
                out = getattr(self.value, str(node.target))(*args[1:], **node.kwargs)
            else:
                out = node.target(*args, **node.kwargs)  # type: ignore[operator]
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise InvalidValue(
                f"{what} cannot take an example of shape {tuple(self.value.shape[1:])}: {str(error).splitlines()[0]}"
            ) from None
        if not isinstance(out, Tensor):
            raise InvalidValue(f"{what} returns no tensor; CoNNTrA takes chains of {KNOWN}")
        return out

    def _check_hardtanh(self, node: fx.Node, module: Any, what: str) -> None:
        ends = (module.min_val, module.max_val) if module is not None else (*node.args[1:], *node.kwargs.values())
        if ends and tuple(ends) != (-1.0, 1.0):
            raise InvalidValue(f"{what} has the ends {ends}; only -1 and 1 are known")

    def _pool(
        self, row: list[int], node: fx.Node, module: Any, what: str, before: tuple[int, ...], after: tuple[int, ...]
    ) -> None:
        """Fill in the windows of a pooling."""
        if module is not None:
            given = {name: getattr(module, name, None) for name in (*POOL_ARGUMENTS, "dilation", "ceil_mode")}
            counts, divisor = getattr(module, "count_include_pad", True), getattr(module, "divisor_override", None)
        else:
            given = dict(zip(POOL_ARGUMENTS, node.args[1:], strict=False)) | dict(node.kwargs)
            counts, divisor = given.get("count_include_pad", True), given.get("divisor_override")
            if len(node.args) > 1 + len(POOL_ARGUMENTS):
                raise InvalidValue(f"{what}: name the options behind padding")
        unknown = given.get("ceil_mode") or divisor or _pair(given.get("dilation") or 1) != (1, 1)
        if len(before) != 3 or unknown:
            raise InvalidValue(f"{what}: pooling of (channels, height, width) is known, without ceil_mode or dilation")
        kernel, padding = _pair(given["kernel_size"]), _pair(given.get("padding") or 0)
        self._windows(row, before, after, kernel, _pair(given.get("stride") or kernel), padding)
        row[codes.COUNT_PADDING] = int(bool(counts))

    def _layer(
        self, row: list[int], name: str, module: Any, what: str, before: tuple[int, ...], after: tuple[int, ...]
    ) -> None:
        """Fill in a layer with weights."""
        if any(layer.name == name for layer in self.layers):
            raise InvalidValue(f"{what} is used twice; CoNNTrA gives every weight one place in the chain")
        if isinstance(module, nn.Linear):
            if len(before) != 1:
                raise InvalidValue(f"{what} gets examples of shape {before}; flatten them first")
            row[codes.KIND], fan_in = codes.DENSE, module.in_features
        else:
            if module.groups != 1 or _pair(module.dilation) != (1, 1) or module.padding_mode != "zeros":
                raise InvalidValue(f"{what} has groups, dilation or padding that is not zeros, which are not supported")
            if isinstance(module.padding, str):
                raise InvalidValue(f"{what} has padding={module.padding!r}; give numbers")
            row[codes.KIND], fan_in = codes.CONV, math.prod(module.weight.shape[1:])
            self._windows(row, before, after, module.kernel_size, module.stride, module.padding)
        row[codes.WEIGHTS], row[codes.FAN_IN] = self.weights, fan_in
        layer = Layer(name, len(self.rows), module.weight.shape[0], fan_in, self.weights, module.bias is not None)
        self.layers.append(layer)
        self.weights += layer.out * (fan_in + 1)

    def _windows(
        self, row: list[int], before: tuple[int, ...], after: tuple[int, ...], kernel: Any, stride: Any, padding: Any
    ) -> None:
        row[codes.IN_CHANNELS : codes.OUT_CHANNELS] = before
        row[codes.OUT_CHANNELS : codes.KERNEL_HEIGHT] = after
        row[codes.KERNEL_HEIGHT : codes.COUNT_PADDING] = [*_pair(kernel), *_pair(stride), *_pair(padding)]


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, (tuple, list)):
        return operator.index(value[0]), operator.index(value[-1])
    return operator.index(value), operator.index(value)
