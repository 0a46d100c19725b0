"""Nodes of layers on arrays."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import final

import numpy as np

from mho.arrays import Cycles, any_flag
from mho.compiler.program import Step
from mho.errors import MhoError
from mho.kernels import feature_maps
from mho.kernels.ops import Floats
from mho.kernels.scratch import room
from mho.nn import ArrayLayer, Passage
from mho.training.online.blocks import Blocks, copied
from mho.training.online.nodes import Form, Node, Plan, Returns
from mho.training.online.survey import passage_for


@final
class ArrayNode(Node):
    """One use of a layer, whose samples pass through its arrays in blocks.

    The vectors of a convolution are several times as many numbers as its maps. So maps are kept from the forward to the
    update, and the vectors of a block are sent again. Where the whole mini-batch is one block, its vectors stay.

    Args:
        layer: on arrays.
        replicas: replicas of this share.
        form: form of the input.
        before: the first use of the layer in a step, whose numbers of vectors go on here; or None.
        threads: threads that its share may use.

    Attributes:
        layer: whose arrays they are.
        cycles: cycles of each array of the layer, for one block.
        flags: flags of all these cycles.
        errors: where δ of the answer is kept until the update, and may be written; None: not chosen yet.
    """

    def __init__(
        self, layer: ArrayLayer, replicas: slice, form: Form, before: ArrayNode | None, *, threads: int
    ) -> None:
        self.layer, count = layer, replicas.stop - replicas.start
        whole = passage_for(layer, form.shape)
        widest = max(array.in_features for array in layer.crossbars)
        self._blocks = Blocks(count, form.samples, whole.vectors * widest, threads)
        self._passage: Passage = passage_for(layer, (self._blocks.samples, *form.shape[1:]))
        self._kept = self._blocks.count == 1
        vectors = self._blocks.samples * whole.vectors // count
        others: Iterable[Cycles | None] = [None] * len(layer.crossbars) if before is None else before.cycles
        self.cycles: list[Cycles] = [
            array.cycles(replicas, vectors, other, kept=self._kept)
            for array, other in zip(layer.crossbars, others, strict=True)
        ]
        self.flags = [flag for cycles in self.cycles for flag in cycles.flags]
        self.form, self._before = Form(form.samples, whole.sizes, last=whole.channels_last), form
        self._direct, self._turns = self._kept and whole.receive is None, False
        self._out = self.cycles[0].outputs.reshape(self.form.shape) if self._direct else None
        self.errors = self.cycles[0].errors.reshape(self.form.shape) if self._direct else None
        self._inside = self._blocks.memory(form.shape)
        self._outside = self._blocks.memory((form.samples, math.prod(whole.sizes)))
        self._input: Floats | None = None

    def placed(self, out: Floats) -> bool:
        if self._direct or (self.form.last and self._passage.receive is not None):
            return False
        # a block is turned where it lies in a cache, so that no other node has to turn the whole
        self._turns, self.form = self.form.last, dataclasses.replace(self.form, last=False)
        self._out = out.reshape(self.form.shape)
        return True

    def forward(self, *inputs: Floats) -> Plan:
        self._input, self._out = inputs[0], self.form.buffer() if self._out is None else self._out
        steps: list[Step] = []
        for block in range(self._blocks.count):
            steps += self._send(block)
            for cycles in self.cycles:
                steps += cycles.forward
            steps += self._receive(block)
        return steps, self._out

    def backward(self, errors: Floats) -> Returns:
        steps, whole = self.take(errors), room(self._before.shape, np.float32)
        for block in range(self._blocks.count):
            steps += [] if self._kept else self._send_errors(block)
            for cycles in self.cycles:
                steps += cycles.backward
            given, back = self._blocks.given(whole, block, self._inside)
            each = [self._by_sample(cycles.downwards) for cycles in self.cycles]
            steps += [*self._passage.receive_back(each, back), *given]
        return steps, [whole]

    def take(self, errors: Floats) -> list[Step]:
        """Plan to bring errors to where the arrays read them, unless the node behind has written them there."""
        if self.errors is None:
            self.errors = self.form.buffer()
        is_there = errors.ctypes.data == self.errors.ctypes.data
        steps = [] if is_there else [copied(errors.reshape(self.form.shape), self.errors)]
        return [*steps, *(self._send_errors(0) if self._kept else [])]

    def update(self) -> list[Step]:
        """Plan the update of every array."""
        steps: list[Step] = []
        for block in range(self._blocks.count):
            steps += [] if self._kept else [*self._send(block), *self._send_errors(block)]
            for cycles in self.cycles:
                steps += cycles.update
        return steps

    def fault(self, *, x: bool, d: bool) -> MhoError | None:
        """Return the error that the flags of the kernels mean, or None; x and d as for `Cycles.fault`."""
        if not any_flag(self.flags):
            return None
        for block in range(0 if self._kept else self._blocks.count):
            for step in [*(self._send(block) if x else []), *(self._send_errors(block) if d else [])]:
                step()
            read = [values for cycles in self.cycles for values in ([cycles.inputs] * x + [cycles.errors] * d)]
            if not all(np.isfinite(values).all() for values in read):
                break
        return next((fault for cycles in self.cycles if (fault := cycles.fault(x=x, d=d)) is not None), None)

    def _send(self, block: int) -> list[Step]:
        """Plan to bring the vectors of a block to the inputs of the arrays."""
        assert self._input is not None
        steps, own = self._blocks.taken(self._input, block, self._inside)
        return [*steps, *self._passage.send(own, [self._by_sample(cycles.inputs) for cycles in self.cycles])]

    def _receive(self, block: int) -> list[Step]:
        """Plan to bring the outputs of the arrays to the answer."""
        if self._direct:
            return []
        assert self._out is not None
        given, out = self._blocks.given(self._out, block, self._shaped())
        if self._turns:
            return [feature_maps.turn(self._by_sample(self.cycles[0].outputs), _pixels(out)), *given]
        if self._passage.receive is None:
            return [copied(self.cycles[0].outputs.reshape(out.shape), out), *given]
        return [*self._passage.receive([self._by_sample(cycles.outputs) for cycles in self.cycles], out), *given]

    def _send_errors(self, block: int) -> list[Step]:
        """Plan to bring δ of a block to the errors of the arrays."""
        if self._direct:
            return []
        assert self.errors is not None
        steps, own = self._blocks.taken(self.errors, block, self._shaped())
        if self._turns:
            return [*steps, feature_maps.turn(_pixels(own), self._by_sample(self.cycles[0].errors))]
        if self._passage.send_back is None:
            return [*steps, copied(own, self.cycles[0].errors.reshape(own.shape))]
        return [*steps, *self._passage.send_back(own, [self._by_sample(cycles.errors) for cycles in self.cycles])]

    def _shaped(self) -> Floats | None:
        """Return the memory for a block of answers or of their errors in the order of the answer."""
        return None if self._outside is None else self._outside.reshape(-1, *self.form.shape[1:])

    def _by_sample(self, vectors: Floats) -> Floats:
        return vectors.reshape(self._blocks.samples, self._passage.vectors, -1)


def _pixels(maps: Floats) -> Floats:
    """Return maps (S, C, H, W) as (S, C, H·W)."""
    return maps.reshape(*maps.shape[:2], -1)
