"""Nodes of a graph: each keeps its buffers, and plans the steps by which it answers, and sends errors back.

Values travel as float32 NumPy, samples first: vectors (S, n), or maps, with channels first (S, C, H, W) as torch has
them, or last (S, H, W, C) as arrays answer; S is R·B, or a multiple of R with replica after replica. Errors are
δ = -∂L/∂y. All memory is given when the graph is made: the steps read and write it again and again.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import final

import numpy as np

from mho.compiler.program import Step
from mho.kernels import feature_maps, ops
from mho.kernels.ops import Floats
from mho.kernels.scratch import room
from mho.nn import Dropout


@final
@dataclasses.dataclass(frozen=True)
class Form:
    """Shape and order of a value between two nodes.

    Attributes:
        samples: S.
        sizes: sizes of one sample: (n,), or (C, H, W) in whichever order the numbers lie.
        last: whether channels lie last.
    """

    samples: int
    sizes: tuple[int, ...]
    last: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the NumPy array."""
        if self.last:
            channels, height, width = self.sizes
            return (self.samples, height, width, channels)
        return (self.samples, *self.sizes)

    def buffer(self) -> Floats:
        """Return memory for a value of this form."""
        return np.zeros(self.shape, np.float32)


Plan = tuple[list[Step], Floats]
"""Steps, and where their answer lies."""
Returns = tuple[list[Step], Sequence[Floats]]
"""Steps, and where the errors of each input lie."""


class Node(abc.ABC):
    """A compiled node of a graph.

    Attributes:
        form: form of the value that it answers.
    """

    form: Form

    rereads = False
    """Whether steps behind the forward read the answer again."""
    is_view = False
    """Whether the answer lies in the memory of the input."""
    over: int | None = None
    """Number of the input over which the answer may be written, as nothing else reads it; None: of none."""

    @abc.abstractmethod
    def forward(self, *inputs: Floats) -> Plan:
        """Plan the answer to what lies in the inputs."""

    def placed(self, out: Floats) -> bool:
        """Let the answer lie in given memory, channels first, before `forward` is asked; return False if it cannot."""
        return False

    @abc.abstractmethod
    def backward(self, errors: Floats) -> Returns:
        """Plan how errors of the answer are sent back to each input; not asked where no input needs them."""


class Activation(Node):
    """A function of each number, whose slope follows from its value.

    NumPy computes the function: its tanh is the fastest there is.

    Attributes:
        bends: False if the node behind applies the slope.
        out: the value.
        back: where errors of the input are written; None: wherever there is memory.
    """

    slope: ops.Slope
    rereads = True

    def __init__(self, form: Form) -> None:
        self.form = form
        self.bends = True
        self.out: Floats
        self.back: Floats | None = None

    @final
    def forward(self, *inputs: Floats) -> Plan:
        self.out = _out(self, inputs)
        return self.steps(inputs[0]), self.out

    @final
    def backward(self, errors: Floats) -> Returns:
        if not self.bends:
            return [], [errors]
        back = _back(self.back, self.form)
        return [ops.apply_slope(self.slope, errors, self.out, back)], [back]

    @abc.abstractmethod
    def steps(self, x: Floats) -> list[Step]:
        """Plan to fill `out`, which is set before, and stays."""


@final
class Tanh(Activation):
    """tanh x; slope 1 - y²."""

    slope = "tanh"

    def steps(self, x: Floats) -> list[Step]:
        return [functools.partial(np.tanh, x, self.out)]


@final
class Sigmoid(Activation):
    """1 / (1 + e⁻ˣ), as ½ + ½ tanh(x/2), which cannot overflow; slope y (1 - y)."""

    slope = "sigmoid"

    def steps(self, x: Floats) -> list[Step]:
        out = self.out
        half, tanh = functools.partial(np.multiply, x, 0.5, out), functools.partial(np.tanh, out, out)
        return [half, tanh, functools.partial(np.multiply, out, 0.5, out), functools.partial(np.add, out, 0.5, out)]


@final
class ReLU(Activation):
    """max(x, 0); slope 1 where y is above 0."""

    slope = "relu"

    def steps(self, x: Floats) -> list[Step]:
        return [functools.partial(np.maximum, x, 0.0, out=self.out)]


@final
class MaxPool(Node):
    """The largest of each window."""

    rereads = True

    def __init__(self, form: Form, window: feature_maps.Pooling) -> None:
        self.window, self.last, self._before = window, form.last, form
        self.form = Form(form.samples, (form.sizes[0], *window.out))
        self.out = self.form.buffer()
        self.back: Floats | None = None
        self.chosen = np.zeros(self.form.shape, np.int32)
        self._activation: Activation | None = None

    def absorb(self, activation: Activation) -> None:
        """Apply the slope of the preceding activation here: its value at a chosen place is the maximum, and there are
        fewer windows than places."""
        self._activation, activation.bends = activation, False

    def forward(self, *inputs: Floats) -> Plan:
        return [feature_maps.max_pool(inputs[0], self.window, self.out, self.chosen, last=self.last)], self.out

    def backward(self, errors: Floats) -> Returns:
        own, steps = errors.reshape(self.form.shape), list[Step]()
        if self._activation is not None:
            bent = self.form.buffer()
            steps, own = [ops.apply_slope(self._activation.slope, own, self.out, bent)], bent
        back = _back(self.back, self._before)
        unpool = feature_maps.max_unpool(own, self.chosen, back, last=self.last)
        return [*steps, ops.clear(back), unpool], [back]


@final
class MeanPool(Node):
    """The mean of each window."""

    def __init__(self, form: Form, window: feature_maps.Pooling, *, count_padding: bool) -> None:
        self.window, self.last, self.count_padding, self._before = window, form.last, count_padding, form
        self.form = Form(form.samples, (form.sizes[0], *window.out))
        self.out = self.form.buffer()

    def forward(self, *inputs: Floats) -> Plan:
        pool = feature_maps.mean_pool(
            inputs[0], self.window, self.out, last=self.last, count_padding=self.count_padding
        )
        return [pool], self.out

    def backward(self, errors: Floats) -> Returns:
        maps, back = errors.reshape(self.form.shape), _back(None, self._before)
        unpool = feature_maps.mean_unpool(maps, self.window, back, last=self.last, count_padding=self.count_padding)
        return [ops.clear(back), unpool], [back]


@final
class Reshape(Node):
    """The numbers of each sample in other sizes, in the same memory."""

    is_view = True

    def __init__(self, form: Form, sizes: tuple[int, ...]) -> None:
        self.form, self.before = Form(form.samples, sizes), form.shape

    def forward(self, *inputs: Floats) -> Plan:
        return [], inputs[0].reshape(self.form.shape)

    def backward(self, errors: Floats) -> Returns:
        return [], [errors.reshape(self.before)]


@final
class Collect(Node):
    """Brings a value, channels first, to given memory, for nodes that need it so."""

    def __init__(self, form: Form, out: Floats | None = None) -> None:
        self.form, self._before = dataclasses.replace(form, last=False), form
        self.out = self.form.buffer() if out is None else out

    def forward(self, *inputs: Floats) -> Plan:
        own = inputs[0].transpose(0, 3, 1, 2) if self._before.last else inputs[0]
        return [functools.partial(np.copyto, self.out, own)], self.out

    def backward(self, errors: Floats) -> Returns:
        own = errors.reshape(self.form.shape)
        if not self._before.last:
            return [], [own]
        back = _back(None, self._before)
        return [functools.partial(np.copyto, back, own.transpose(0, 2, 3, 1))], [back]


@final
class Add(Node):
    """The sum of two values."""

    def __init__(self, form: Form) -> None:
        self.form = form

    def forward(self, *inputs: Floats) -> Plan:
        out = _out(self, inputs)
        return [functools.partial(np.add, inputs[0], inputs[1], out)], out

    def backward(self, errors: Floats) -> Returns:
        return [], [errors, errors]


@final
class Concatenate(Node):
    """Values side by side along the channels, or the numbers of vectors."""

    def __init__(self, *forms: Form) -> None:
        widths = [form.sizes[0] for form in forms]
        self.form = Form(forms[0].samples, (sum(widths), *forms[0].sizes[1:]))
        self.out, self._before = self.form.buffer(), forms
        ends = np.cumsum([0, *widths]).tolist()
        self._parts = [slice(start, stop) for start, stop in itertools.pairwise(ends)]

    def forward(self, *inputs: Floats) -> Plan:
        each = zip(self._parts, inputs, strict=True)
        return [functools.partial(np.copyto, self.out[:, part], own) for part, own in each], self.out

    def backward(self, errors: Floats) -> Returns:
        own, backs = errors.reshape(self.form.shape), [_back(None, form) for form in self._before]
        each = zip(backs, self._parts, strict=True)
        return [functools.partial(np.copyto, back, own[:, part]) for back, part in each], backs


@final
class Samples:
    """Number of the next sample of a dropout layer, for all its uses by some replicas."""

    def __init__(self, layer: Dropout) -> None:
        self.layer, self.next = layer, 0

    def begin(self) -> None:
        """Copy the number of the next sample from the layer."""
        self.next = int(self.layer.samples.item())

    def store_numbers(self) -> None:
        """Write the number of the next sample back to the layer."""
        self.layer.samples.fill_(self.next)


@final
class DropoutNode(Node):
    """Drops what the layer of the model would drop."""

    def __init__(self, samples: Samples, replicas: slice, form: Form) -> None:
        self.samples, self.replicas, self.form = samples, replicas, form
        self.out = form.buffer()
        self.factor: Floats = np.ones(form.shape, np.float32)

    def forward(self, *inputs: Floats) -> Plan:
        return [functools.partial(self._drop, inputs[0])], self.out

    def backward(self, errors: Floats) -> Returns:
        back = _back(None, self.form)
        return [functools.partial(self._send_back, errors.reshape(self.form.shape), back)], [back]

    def _drop(self, x: Floats) -> None:
        layer = self.samples.layer
        self.factor = layer.factors(self.form.shape, self.replicas, self.samples.next)
        np.multiply(x, self.factor, out=self.out)
        if layer.p > 0:
            self.samples.next += self.form.samples // (self.replicas.stop - self.replicas.start)

    def _send_back(self, errors: Floats, back: Floats) -> None:
        np.multiply(errors, self.factor, out=back)


def _out(node: Node, inputs: Sequence[Floats]) -> Floats:
    """Return memory for the answer of a node that goes from number to number: that of an input, or new memory."""
    return node.form.buffer() if node.over is None else inputs[node.over].reshape(node.form.shape)


def _back(given: Floats | None, form: Form) -> Floats:
    """Return memory for the errors of an input: what is given, or what the share lends."""
    return room(form.shape, np.float32) if given is None else given.reshape(form.shape)


def added(values: Sequence[Floats], out: Floats) -> list[Step]:
    """Plan the sum of errors in the order given, as torch adds gradients, into `out`."""
    first, *others = (value.reshape(out.shape) for value in values)
    if not others and first.ctypes.data == out.ctypes.data:
        return []
    if not others:
        return [functools.partial(np.copyto, out, first)]
    steps: list[Step] = [functools.partial(np.add, first, others[0], out)]
    return steps + [functools.partial(np.add, out, other, out) for other in others[1:]]
