"""Nodes of layers on arrays."""

from __future__ import annotations

import abc
import functools
from collections.abc import Iterable, Sequence
from typing import final

import numpy as np
import numpy.typing as npt

from mho.arrays import Cycles
from mho.compiler.program import Step
from mho.kernels import ops
from mho.nn import ArrayLayer, Conv2d, Linear
from mho.training.online.nodes import Form, Node, Plan, Returns

Floats = npt.NDArray[np.float32]


class ArrayNode(Node):
    """One use of a layer. Its cycles hold the inputs of the last forward, and δ for backward and update.

    Attributes:
        layer: whose arrays they are.
        cycles: of each group of the layer.
        again: whether the layer has other uses in a step: then vectors are numbered where they are sent, and not at
            the end of the step.
        sends_back: whether errors go back through the arrays, to an input that needs them.
        errors: where δ of the whole answer may be written; None: each group takes its part.
    """

    def __init__(self, layer: ArrayLayer, cycles: Sequence[Cycles], form: Form) -> None:
        self.layer, self.cycles, self.form = layer, cycles, form
        self.again = self.sends_back = False
        self.errors = cycles[0].errors.reshape(form.shape) if len(cycles) == 1 else None

    @final
    def update(self) -> list[Step]:
        """Plan the update of every group."""
        steps = list[Step]()
        for cycles in self.cycles:
            steps += cycles.update
            if self.again:
                steps.append(functools.partial(cycles.count_on, update=True))
        return steps

    @final
    def take(self, errors: Floats) -> list[Step]:
        """Plan to bring errors to where the arrays read them, unless the node behind has written them there."""
        own, steps, start = errors.reshape(self.form.shape), list[Step](), 0
        if self.errors is not None:
            return [] if errors is self.errors else [_copy(own, self.errors)]
        for cycles in self.cycles:
            width = cycles.errors.shape[-1]
            part = own[..., start : start + width]
            steps.append(functools.partial(np.copyto, cycles.errors.reshape(part.shape), part))
            start += width
        return steps

    @final
    def backward(self, errors: Floats) -> Returns:
        steps = self.take(errors)
        for cycles in self.cycles:
            steps += cycles.backward
            if self.again:
                steps.append(functools.partial(cycles.count_on, backward=True))
        more, back = self.receive_back()
        return [*steps, *more], [back]

    @abc.abstractmethod
    def receive_back(self) -> Plan:
        """Plan how the answers of the backward cycles become errors of the input."""

    @final
    def read(self) -> list[Step]:
        """Plan the forward cycle of every group."""
        steps = list[Step]()
        for cycles in self.cycles:
            steps += cycles.forward
            if self.again:
                steps.append(functools.partial(cycles.count_on, forward=True))
        return steps


@final
class ConvNode(ArrayNode):
    """A convolution: patches pass through the array of their group one after another."""

    def __init__(self, layer: Conv2d, replicas: slice, form: Form, before: ArrayNode | None) -> None:
        size = (form.samples, *form.sizes)
        self.geometry, self.bias = layer.geometry(size), layer.has_bias
        high, wide = self.geometry.out
        cycles = cycles_of(layer, replicas, form.samples * high * wide, before)
        super().__init__(layer, cycles, Form(form.samples, (layer.out_channels, high, wide), last=True))
        self.back = form.buffer()
        self._channels = form.sizes[0] // layer.groups
        part = Form(form.samples, (self._channels, *form.sizes[1:]))
        self._maps = [part.buffer() for _ in cycles] if layer.groups > 1 else []
        self._out = self.form.buffer() if layer.groups > 1 else cycles[0].outputs.reshape(self.form.shape)

    def forward(self, *inputs: Floats) -> Plan:
        steps = list[Step]()
        for own, maps, cycles in zip(self._parts(inputs[0]), self._maps or inputs, self.cycles, strict=True):
            if own is not maps:
                steps.append(functools.partial(np.copyto, maps, own))
            steps.append(ops.gather(maps, self.geometry, self._patches(cycles.inputs), bias=self.bias))
        steps += self.read()
        if self._maps:
            ends = np.array_split(self._out, len(self.cycles), axis=3)
            for out, cycles in zip(ends, self.cycles, strict=True):
                steps.append(functools.partial(np.copyto, out, cycles.outputs.reshape(out.shape)))
        return steps, self._out

    def receive_back(self) -> Plan:
        steps = list[Step]()
        for own, maps, cycles in zip(self._parts(self.back), self._maps or [self.back], self.cycles, strict=True):
            steps += [ops.clear(maps), ops.scatter(self._patches(cycles.downwards), maps, self.geometry)]
            if own is not maps:
                steps.append(functools.partial(np.copyto, own, maps))
        return steps, self.back

    def _parts(self, maps: Floats) -> list[Floats]:
        """Return the channels of each group."""
        if not self._maps:
            return [maps]
        return [maps[:, g * self._channels : (g + 1) * self._channels] for g in range(len(self._maps))]

    def _patches(self, vectors: Floats) -> Floats:
        return vectors.reshape(self.form.samples, -1, vectors.shape[-1])


@final
class LinearNode(ArrayNode):
    """A fully connected layer: every row of its input is one vector."""

    def __init__(self, layer: Linear, replicas: slice, form: Form, before: ArrayNode | None) -> None:
        rows = int(np.prod(form.shape[:-1]))
        cycles = cycles_of(layer, replicas, rows, before)
        super().__init__(layer, cycles, Form(form.samples, (*form.sizes[:-1], layer.out_features)))
        self.back = form.buffer()

    def forward(self, *inputs: Floats) -> Plan:
        (cycles,), rows = self.cycles, inputs[0].reshape(-1, inputs[0].shape[-1])
        copy = ops.copy_columns(rows, cycles.inputs.reshape(len(rows), -1))
        return [copy, *self.read()], cycles.outputs.reshape(self.form.shape)

    def receive_back(self) -> Plan:
        (cycles,), rows = self.cycles, self.back.reshape(-1, self.back.shape[-1])
        return [ops.copy_columns(cycles.downwards.reshape(len(rows), -1), rows)], self.back


def cycles_of(layer: ArrayLayer, replicas: slice, vectors: int, before: ArrayNode | None) -> list[Cycles]:
    """Return the cycles of each group of a layer, for so many vectors of these replicas together."""
    count = replicas.stop - replicas.start
    others: Iterable[Cycles | None] = [None] * len(layer.crossbars) if before is None else before.cycles
    return [
        array.cycles(replicas, vectors // count, other) for array, other in zip(layer.crossbars, others, strict=True)
    ]


def _copy(values: Floats, out: Floats) -> Step:
    return ops.copy_columns(values.reshape(1, -1), out.reshape(1, -1))
