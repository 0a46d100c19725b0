"""Stages of a chain: each keeps its buffers, and says by which steps it answers, and sends errors back.

Values travel as float32 NumPy of R·B samples: vectors (R·B, n), or maps, channels first (R·B, C, H, W) as torch has
them, or last (R·B, H, W, C) as arrays answer. Errors are δ = -∂L/∂y. All memory is given when the chain is made: the
steps read and write it again and again.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
from typing import final

import numpy as np
import numpy.typing as npt

from mho.arrays import Crossbar, Lane
from mho.compiler.program import Step
from mho.kernels import ops
from mho.nn import ArrayLayer, Conv2d, Dropout, Linear

Floats = npt.NDArray[np.float32]


@final
@dataclasses.dataclass(frozen=True)
class Form:
    """What travels between two stages.

    Attributes:
        samples: R·B.
        sizes: of one sample: (n,), or (C, H, W) in whichever order the numbers lie.
        last: whether channels lie last.
    """

    samples: int
    sizes: tuple[int, ...]
    last: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the NumPy array."""
        if self.last:
            channels, height, width = self.sizes
            return (self.samples, height, width, channels)
        return (self.samples, *self.sizes)

    def buffer(self) -> Floats:
        """Room for it."""
        return np.zeros(self.shape, np.float32)


Plan = tuple[list[Step], Floats]
"""Steps, and where their answer lies."""


class Stage(abc.ABC):
    """One stage of a chain.

    Attributes:
        form: of what it answers.
    """

    form: Form

    @abc.abstractmethod
    def forward(self, x: Floats) -> Plan:
        """The steps that answer what lies in x."""

    @abc.abstractmethod
    def backward(self, errors: Floats) -> Plan:
        """The steps that send errors of the answer back to the input. The first array of a chain is not asked."""


class ArrayStage(Stage):
    """A layer on an array. Its lane holds the inputs of the last forward, and δ for backward and update."""

    def __init__(self, lane: Lane, layer: ArrayLayer, form: Form) -> None:
        self.lane, self.layer, self.form = lane, layer, form
        self.outputs, self.errors = lane.outputs.reshape(form.shape), lane.errors.reshape(form.shape)

    @final
    def take(self, errors: Floats) -> list[Step]:
        """Bring errors to where the lane reads them, if the stage behind has not written them there."""
        if errors is self.errors:
            return []
        own = errors.reshape(self.form.shape)
        return [ops.copy_columns(own.reshape(1, -1), self.errors.reshape(1, -1))]


@final
class ConvStage(ArrayStage):
    """A convolution: patches pass through the array one after another."""

    def __init__(self, layer: Conv2d, array: Crossbar, replicas: slice, form: Form) -> None:
        size = (form.samples, *form.sizes)
        high, wide = layer.output_size(size)
        count = replicas.stop - replicas.start
        lane = Lane(array, replicas, form.samples // count * high * wide)
        super().__init__(lane, layer, Form(form.samples, (layer.out_channels, high, wide), last=True))
        self.geometry, self.bias = layer.geometry(size), layer.has_bias
        self.back = form.buffer()
        patches = (form.samples, high * wide, lane.array.in_features)
        self.inputs, self.downwards = lane.inputs.reshape(patches), lane.downwards.reshape(patches)

    def forward(self, x: Floats) -> Plan:
        return [ops.gather(x, self.geometry, self.inputs, bias=self.bias), self.lane.forward], self.outputs

    def backward(self, errors: Floats) -> Plan:
        scatter = ops.scatter(self.downwards, self.back, self.geometry)
        return [*self.take(errors), self.lane.backward, ops.clear(self.back), scatter], self.back


@final
class LinearStage(ArrayStage):
    """A fully connected layer: every sample is one vector."""

    def __init__(self, layer: Linear, array: Crossbar, replicas: slice, form: Form) -> None:
        count = replicas.stop - replicas.start
        lane = Lane(array, replicas, form.samples // count)
        super().__init__(lane, layer, Form(form.samples, (layer.out_features,)))
        self.inputs = lane.inputs.reshape(form.samples, -1)
        self.downwards = lane.downwards.reshape(form.samples, -1)
        self.back = form.buffer()

    def forward(self, x: Floats) -> Plan:
        return [ops.copy_columns(x, self.inputs), self.lane.forward], self.outputs

    def backward(self, errors: Floats) -> Plan:
        copy = ops.copy_columns(self.downwards, self.back)
        return [*self.take(errors), self.lane.backward, copy], self.back


class Activation(Stage):
    """A function of each number, whose slope follows from its value.

    NumPy computes the function: its tanh is the fastest there is.
    """

    slope: ops.Slope

    def __init__(self, form: Form) -> None:
        self.form = form
        self.out, self.back = form.buffer(), form.buffer()
        self.bends = True

    @final
    def forward(self, x: Floats) -> Plan:
        return [functools.partial(self.answer, x)], self.out

    @final
    def backward(self, errors: Floats) -> Plan:
        return ([ops.bend(self.slope, errors, self.out, self.back)], self.back) if self.bends else ([], errors)

    @abc.abstractmethod
    def answer(self, x: Floats) -> None:
        """Fill `out`."""


@final
class Tanh(Activation):
    """tanh x; slope 1 - y²."""

    slope = "tanh"

    def answer(self, x: Floats) -> None:
        np.tanh(x, out=self.out)


@final
class Sigmoid(Activation):
    """1 / (1 + e⁻ˣ), as ½ + ½ tanh(x/2), which cannot overflow; slope y (1 - y)."""

    slope = "sigmoid"

    def answer(self, x: Floats) -> None:
        np.multiply(x, 0.5, out=self.out)
        np.tanh(self.out, out=self.out)
        np.multiply(self.out, 0.5, out=self.out)
        np.add(self.out, 0.5, out=self.out)


@final
class ReLU(Activation):
    """max(x, 0); slope 1 where y is above 0."""

    slope = "relu"

    def answer(self, x: Floats) -> None:
        np.maximum(x, 0.0, out=self.out)


@final
class MaxPool(Stage):
    """The largest of each window."""

    def __init__(self, form: Form, window: ops.Window) -> None:
        self.window, self.last = window, form.last
        self.form = Form(form.samples, (form.sizes[0], *window.out))
        self.out, self.back = self.form.buffer(), form.buffer()
        self.chosen = np.zeros(self.form.shape, np.int32)
        self._activation: Activation | None = None
        self._bent = self.form.buffer()

    def absorb(self, activation: Activation) -> None:
        """Bend errors on behalf of the activation before: its value at a chosen place is the one chosen, and errors
        are as many as windows, not as places."""
        self._activation, activation.bends = activation, False

    def forward(self, x: Floats) -> Plan:
        return [ops.max_pool(x, self.window, self.out, self.chosen, last=self.last)], self.out

    def backward(self, errors: Floats) -> Plan:
        own, steps = errors.reshape(self.form.shape), list[Step]()
        if self._activation is not None:
            steps, own = [ops.bend(self._activation.slope, own, self.out, self._bent)], self._bent
        unpool = ops.max_unpool(own, self.chosen, self.back, last=self.last)
        return [*steps, ops.clear(self.back), unpool], self.back


@final
class MeanPool(Stage):
    """The mean of each window."""

    def __init__(self, form: Form, window: ops.Window, count_padding: bool) -> None:
        self.window, self.last, self.count_padding = window, form.last, count_padding
        self.form = Form(form.samples, (form.sizes[0], *window.out))
        self.out, self.back = self.form.buffer(), form.buffer()

    def forward(self, x: Floats) -> Plan:
        pool = ops.mean_pool(x, self.window, self.out, last=self.last, count_padding=self.count_padding)
        return [pool], self.out

    def backward(self, errors: Floats) -> Plan:
        maps = errors.reshape(self.form.shape)
        unpool = ops.mean_unpool(maps, self.window, self.back, last=self.last, count_padding=self.count_padding)
        return [ops.clear(self.back), unpool], self.back


@final
class Flatten(Stage):
    """Each sample as one vector."""

    def __init__(self, form: Form) -> None:
        self.form = Form(form.samples, (math.prod(form.sizes),))
        self.before = form.shape

    def forward(self, x: Floats) -> Plan:
        return [], x.reshape(self.form.shape)

    def backward(self, errors: Floats) -> Plan:
        return [], errors.reshape(self.before)


@final
class ChannelsFirst(Stage):
    """Brings channels to the front, for stages that need them there."""

    def __init__(self, form: Form) -> None:
        self.form = dataclasses.replace(form, last=False)
        self.out, self.back = self.form.buffer(), form.buffer()

    def forward(self, x: Floats) -> Plan:
        return [functools.partial(np.copyto, self.out, x.transpose(0, 3, 1, 2))], self.out

    def backward(self, errors: Floats) -> Plan:
        own = errors.reshape(self.form.shape)
        return [functools.partial(np.copyto, self.back, own.transpose(0, 2, 3, 1))], self.back


@final
class DropoutStage(Stage):
    """Drops what the layer of the model would drop."""

    def __init__(self, layer: Dropout, replicas: slice, form: Form) -> None:
        self.layer, self.replicas, self.form = layer, replicas, form
        self.out, self.back = form.buffer(), form.buffer()
        self.factor: Floats = np.ones(form.shape, np.float32)
        self._first = 0

    def begin(self) -> None:
        """Take the layer's number of the next sample."""
        self._first = int(self.layer.samples.item())

    def settle(self) -> None:
        """Give the layer the number that this stage has come to."""
        self.layer.samples.fill_(self._first)

    def count_on(self, samples: int) -> None:
        """Number the samples that were dropped from."""
        if self.layer.p > 0:
            self._first += samples

    def forward(self, x: Floats) -> Plan:
        return [functools.partial(self._drop, x)], self.out

    def backward(self, errors: Floats) -> Plan:
        return [functools.partial(self._send_back, errors.reshape(self.form.shape))], self.back

    def _drop(self, x: Floats) -> None:
        self.factor = self.layer.factors(self.form.shape, self.replicas, self._first)
        np.multiply(x, self.factor, out=self.out)

    def _send_back(self, errors: Floats) -> None:
        np.multiply(errors, self.factor, out=self.back)
