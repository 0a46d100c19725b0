"""Nodes of layers on arrays."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import final

from mho.arrays import Cycles
from mho.compiler.program import Step
from mho.kernels import ops
from mho.kernels.ops import Floats
from mho.nn import ArrayLayer, Passage
from mho.training.online.nodes import Form, Node, Plan, Returns


@final
class ArrayNode(Node):
    """One use of a layer. Its cycles hold the inputs of the last forward, and δ for backward and update.

    Args:
        layer: on arrays.
        passage: how samples pass through them.
        replicas: replicas of this share.
        form: form of the input.
        before: the first use of the layer in a step, whose numbers of vectors go on here; or None.

    Attributes:
        layer: whose arrays they are.
        cycles: cycles of each array of the layer.
        again: whether the layer has other uses in a step: then vectors are numbered where they are sent, and not at
            the end of the step.
        sends_back: whether errors go back through the arrays, to an input that needs them.
        errors: where δ of the answer may be written.
    """

    def __init__(
        self, layer: ArrayLayer, passage: Passage, replicas: slice, form: Form, before: ArrayNode | None
    ) -> None:
        self.layer, self._passage = layer, passage
        self.again = self.sends_back = False
        count = form.samples * passage.vectors // (replicas.stop - replicas.start)
        others: Iterable[Cycles | None] = [None] * len(layer.crossbars) if before is None else before.cycles
        self.cycles: list[Cycles] = [
            array.cycles(replicas, count, other) for array, other in zip(layer.crossbars, others, strict=True)
        ]
        self.form = Form(form.samples, passage.sizes, last=passage.channels_last)
        self._same = passage.receive is None
        self._out = self.cycles[0].outputs.reshape(self.form.shape) if self._same else self.form.buffer()
        self.errors = self.cycles[0].errors.reshape(self.form.shape) if self._same else self.form.buffer()
        self._back = form.buffer()

    def forward(self, *inputs: Floats) -> Plan:
        steps = self._passage.send(inputs[0], [self._by_sample(cycles.inputs) for cycles in self.cycles])
        for cycles in self.cycles:
            steps += cycles.forward
            if self.again:
                steps.append(functools.partial(cycles.count_on, forward=True))
        if self._passage.receive is not None:
            steps += self._passage.receive([self._by_sample(cycles.outputs) for cycles in self.cycles], self._out)
        return steps, self._out

    def backward(self, errors: Floats) -> Returns:
        steps = self.take(errors)
        for cycles in self.cycles:
            steps += cycles.backward
            if self.again:
                steps.append(functools.partial(cycles.count_on, backward=True))
        each = [self._by_sample(cycles.downwards) for cycles in self.cycles]
        return [*steps, *self._passage.receive_back(each, self._back)], [self._back]

    def take(self, errors: Floats) -> list[Step]:
        """Plan to bring errors to where the arrays read them, unless the node behind has written them there."""
        steps: list[Step] = []
        if errors is not self.errors:
            own = errors.reshape(self.form.shape)
            steps.append(ops.copy_columns(own.reshape(1, -1), self.errors.reshape(1, -1)))
        if self._passage.send_back is not None:
            steps += self._passage.send_back(self.errors, [self._by_sample(cycles.errors) for cycles in self.cycles])
        return steps

    def update(self) -> list[Step]:
        """Plan the update of every array."""
        steps: list[Step] = []
        for cycles in self.cycles:
            steps += cycles.update
            if self.again:
                steps.append(functools.partial(cycles.count_on, update=True))
        return steps

    def _by_sample(self, vectors: Floats) -> Floats:
        return vectors.reshape(self.form.samples, self._passage.vectors, -1)
