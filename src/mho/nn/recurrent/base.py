"""Base of recurrent layers and cells: parts for each matrix, steps of time, initial states."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from mho.config import RPU
from mho.errors import Faults, InvalidValue, shown, warn
from mho.nn.composite import Composite, PartRPUs
from mho.nn.dropout import Dropout
from mho.nn.kinds import LayerKind, Matrix, Part, register, remake
from mho.nn.linear import Linear
from mho.nn.recurrent.gates import Gates, States
from mho.nn.recurrent.sequences import Steps, form_of
from mho.nn.recurrent.sweep import Sweeps, sweep_through


@final
class ReplicasMayMix(UserWarning):
    """A layer with replicas takes its batch along axis 1, while a model with replicas takes it along the first axis."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Cycle:
    """Matrices of one layer in one direction.

    Attributes:
        given: the input matrix.
        recurrent: the recurrent matrix.
        projection: the matrix from hidden units to the output, or None where these are the output.
    """

    given: Linear
    recurrent: Linear
    projection: Linear | None
    gates: Gates

    def sweep(self, x: Tensor, steps: Steps, states: States, sweeps: Sweeps) -> tuple[Tensor, States]:
        """Return outputs (T, S, n) and the last states for inputs (T, S, m): as one node of autograd where that goes.

        Sequences of different lengths, and parts whose every call somebody watches, go step by step.
        """
        if steps.alive is not None or not sweeps.take(self.recurrent, self.projection):
            return self.run(x, steps, states)
        return sweep_through(self.given(steps.rows(x)), states, sweeps, self.recurrent, self.projection, self.gates)

    def step(self, given: Tensor, states: States) -> States:
        """Return the next states from what the input matrix has answered."""
        first, *others = self.gates.step(given, self.recurrent(states[0]), states)
        return (first if self.projection is None else self.projection(first), *others)

    def run(self, x: Tensor, steps: Steps, states: States) -> tuple[Tensor, States]:
        """Return outputs (T, S, n) and the last states for inputs (T, S, m)."""
        answers = steps.by_step(self.given(steps.rows(x)), len(x))
        outputs = []
        for t, answer in enumerate(answers):
            if steps.alive is None:
                states = self.step(answer, states)
            else:
                own = steps.alive[t]
                new = self.step(answer, tuple(state[own] for state in states))
                states = tuple(old.index_copy(0, own, now) for old, now in zip(states, new, strict=True))
            outputs.append(states[0])
        return torch.stack(outputs), states


class Recurrence(Composite):
    """Base of recurrent layers and cells.

    Attributes:
        state_sizes: numbers of each state.
        proj_size: outputs of a projection of the hidden units; 0: none.
    """

    @property
    @abc.abstractmethod
    def gates(self) -> Gates:
        """Return the digital part of a step."""

    proj_size = 0

    def __init__(self, input_size: int, hidden_size: int, *, bias: bool, name: str, replicas: int) -> None:
        super().__init__(name=name, replicas=replicas)
        faults = Faults(f"layer {name}")
        faults.number("input_size", input_size, low=1, integer=True)
        faults.number("hidden_size", hidden_size, low=1, integer=True)
        faults.number("proj_size", self.proj_size, low=0, integer=True)
        if not faults.found and self.proj_size >= hidden_size:
            faults.add(f"proj_size is {self.proj_size}; give less than hidden_size={hidden_size}, or 0 for none")
        faults.raise_any()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self.state_sizes = (self.proj_size or hidden_size, *[hidden_size] * (self.gates.states - 1))

    def _add(self, sizes: Mapping[str, tuple[int, int]], rpus: PartRPUs, *, seed: int | Sequence[int]) -> None:
        """Make the parts, outputs and inputs by name."""
        for part, (out, inputs) in sizes.items():
            layer = Linear(
                inputs,
                out,
                rpu=rpus[part],
                bias=self.bias and not part.startswith("hr"),
                seed=seed,
                replicas=self.replicas,
                name=f"{self.name}.{part}",
            )
            layer.time_first = True
            self.add_module(part, layer)

    def _cycle(self, suffix: str) -> Cycle:
        parts: dict[str, Any] = self._modules
        return Cycle(parts[f"ih{suffix}"], parts[f"hh{suffix}"], parts.get(f"hr{suffix}"), self.gates)

    def _states(self, given: Any, shapes: Sequence[tuple[int, ...]], like: Tensor) -> States:
        """Return initial states of these shapes, in float32: zeros, or what the user gives.

        Raises:
            InvalidValue: for another number of states, or other shapes.
        """
        if given is None:
            return tuple(like.new_zeros(shape, dtype=torch.float32) for shape in shapes)
        states = (given,) if isinstance(given, Tensor) else given
        fits = isinstance(states, (tuple, list)) and all(isinstance(state, Tensor) for state in states)
        got = [tuple(state.shape) for state in states] if fits else type(given).__name__
        if got != list(shapes):
            words = " and ".join(f"{label} of {shape}" for label, shape in zip("hc", shapes, strict=False))
            raise InvalidValue(f"layer {self.name}: the initial state is {got}; give {words}, or none for zeros")
        return tuple(state.float() for state in states)  # as arrays answer

    def _shared(self, sequences: int) -> None:
        """Raise unless the replicas can share so many sequences alike."""
        if sequences % self.replicas:
            raise InvalidValue(
                f"layer {self.name}: a batch of {sequences} cannot be shared by {self.replicas} replicas; call the "
                "model that convert returned, not a layer inside it"
            )

    def _answer(self, states: States) -> Any:
        return states if self.gates.states > 1 else states[0]


class Recurrent(Recurrence):
    """A recurrent layer of torch on arrays: RNN, LSTM or GRU.

    Each layer and direction has an array for the input matrix, `ih_l0`, and an array for the recurrent matrix, `hh_l0`,
    each with its bias as a column driven by 1; names are those of torch without "weight_". All vectors of the input
    pass the input matrix before the first step. The recurrent matrix is read at every step, and backward through time
    in the opposite order. Gates are digital. In an update an array takes the vectors of all steps, in the order of time
    as its direction runs, and at each step in the order of the batch.

    All steps of a layer and direction are one node of autograd, which runs compiled kernels. Packed sequences of
    different lengths, and parts with hooks, go step by step: same reads, and digital functions that differ by an ulp.

    Takes (T, R·B, in), (R·B, T, in) where `batch_first`, (T, in) or a `PackedSequence`, and returns output and last
    state as torch does. Arguments are those of torch, and:

    Args:
        rpu: what the arrays are made of.
        layers: other RPUs by pattern of a part's name, {"hh*": other_rpu}.
        seed: seed of replica 0, the others get seed + 1, ...; or one seed per replica.
        replicas: R.
        name: names the draws.

    Raises:
        InvalidValue: for sizes or a dropout out of range, a dropout without layers between which it lies, or a pattern
            that matches no part.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        rpu: RPU,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        layers: Mapping[str, RPU] | None = None,
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str = "recurrent",
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, name=name, replicas=replicas)
        faults = Faults(f"layer {name}")
        faults.number("num_layers", num_layers, low=1, integer=True)
        faults.number("dropout", dropout, low=0.0, high=1.0)
        faults.raise_any()
        if dropout and num_layers == 1:
            raise InvalidValue(
                f"layer {name}: dropout={dropout:g} lies between layers and would have no effect on a single layer; "
                "leave it out, or give num_layers=2 or more"
            )
        self.num_layers, self.batch_first, self.dropout = num_layers, batch_first, dropout
        self.bidirectional = bidirectional
        self.sweeps = Sweeps()
        rows, out = self.gates.rows * hidden_size, self.state_sizes[0]
        sizes: dict[str, tuple[int, int]] = {}
        for layer, suffixes in enumerate(self._suffixes):
            inputs = out * len(suffixes) if layer else input_size
            for suffix in suffixes:
                sizes |= {f"ih{suffix}": (rows, inputs), f"hh{suffix}": (rows, out)}
                sizes |= {f"hr{suffix}": (out, hidden_size)} if self.proj_size else {}
        self._add(sizes, PartRPUs(rpu, layers, sizes), seed=seed)
        if dropout:
            self.between = Dropout(dropout, seed=seed, replicas=replicas, name=f"{name}.between")

    @property
    def _suffixes(self) -> list[list[str]]:
        """Return the endings of the names of each layer's parts, one for each direction."""
        ends = ("", "_reverse") if self.bidirectional else ("",)
        return [[f"_l{layer}{end}" for end in ends] for layer in range(self.num_layers)]

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, Any]:
        """Return the output of the last layer, in the form of the input, and the last states of layers and directions.

        Args:
            input: sequences.
            hx: initial state h, or (h, c) of an LSTM, (layers·directions, R·B, n); zeros where left out.

        Raises:
            InvalidValue: for sequences or states of other shapes.
        """
        form = form_of(input, self.input_size, replicas=self.replicas, batch_first=self.batch_first, name=self.name)
        x, steps = form.values, form.steps
        self._shared(steps.sequences)
        self._warn_of_mixing(input)
        count = sum(map(len, self._suffixes))
        shapes = [form.state_shape(count, size) for size in self.state_sizes]
        starts = iter(zip(*map(form.state_in, self._states(hx, shapes, x)), strict=True))
        ends: list[States] = []
        for layer, suffixes in enumerate(self._suffixes):
            if layer and self.dropout:
                x = self.between(x.transpose(0, 1)).transpose(0, 1)  # a sequence is a sample
            outputs = []
            for suffix in suffixes:
                back = suffix.endswith("_reverse")
                given, order = (x.flip(0), steps.reversed()) if back else (x, steps)
                out, end = self._cycle(suffix).sweep(given, order, next(starts), self.sweeps)
                outputs.append(out.flip(0) if back else out)
                ends.append(end)
            x = torch.cat(outputs, dim=2) if len(outputs) > 1 else outputs[0]
        last = tuple(form.state_out(torch.stack(states)) for states in zip(*ends, strict=True))
        return form.output(x), self._answer(last)

    def _warn_of_mixing(self, input: Tensor | PackedSequence) -> None:
        """Warn where steps of time may have been taken for replicas, which a model has along its first axis."""
        if not isinstance(input, Tensor) or input.dim() < 3 or self.batch_first:
            return
        if self.replicas > 1 and len(input) % self.replicas == 0:
            warn(
                f"layer {self.name}: of the input {tuple(input.shape)} axis 1 is the batch (batch_first=False), and "
                "the replicas of a converted model lie along the first axis of its input: if this is its own input, "
                "steps of time have been taken for replicas. Use batch_first=True, or be sure that the model itself "
                "brings time to the front",
                ReplicasMayMix,
            )

    def flatten_parameters(self) -> None:
        """Do nothing: models call this to lay parameters side by side, and arrays have no parameters."""

    def extra_repr(self) -> str:
        """Return the sizes and options of the layer in words, as print(model) shows them."""
        return _options(
            f"{self.input_size}, {self.hidden_size}",
            num_layers=(self.num_layers, 1),
            bias=(self.bias, True),
            batch_first=(self.batch_first, False),
            dropout=(self.dropout, 0.0),
            bidirectional=(self.bidirectional, False),
            proj_size=(self.proj_size, 0),
        )


class RecurrentCell(Recurrence):
    """One step of a recurrent layer of torch on arrays: RNNCell, LSTMCell or GRUCell.

    The input matrix is the array of `ih` and the recurrent matrix that of `hh`, each with its bias as a column driven
    by 1; gates are digital. Steps between two calls of `optimizer.step()` pulse then, in their order.

    Takes (R·B, in), or (in,), and returns the state as torch does. Arguments are those of torch, and those of
    `Recurrent`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        rpu: RPU,
        bias: bool = True,
        layers: Mapping[str, RPU] | None = None,
        seed: int | Sequence[int] = 0,
        replicas: int = 1,
        name: str = "cell",
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, name=name, replicas=replicas)
        rows = self.gates.rows * hidden_size
        sizes = {"ih": (rows, input_size), "hh": (rows, hidden_size)}
        self._add(sizes, PartRPUs(rpu, layers, sizes), seed=seed)

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """Return the next state h, or (h, c) of an LSTM.

        Args:
            input: (R·B, in) or (in,).
            hx: state of the step before, h or (h, c), in the form of the returned state; None: zeros.

        Raises:
            InvalidValue: for inputs or states of other shapes.
        """
        if not isinstance(input, Tensor):
            layer = type(self).__name__.removesuffix("Cell")
            raise InvalidValue(
                f"layer {self.name}: a cell takes one step, and this is {shown(input)}; give its steps one by one, "
                f"or use {layer}"
            )
        alone = input.dim() == 1 and self.replicas == 1
        if input.shape[-1:] != (self.input_size,) or input.dim() != 2 - alone:
            raise InvalidValue(
                f"layer {self.name}: input of shape {tuple(input.shape)}; give (batch, {self.input_size}), or "
                f"({self.input_size},) for one replica"
            )
        states = self._states(hx, [(*input.shape[:-1], size) for size in self.state_sizes], input)
        if alone:
            input, states = input[None], tuple(state[None] for state in states)
        self._shared(len(input))
        cycle = self._cycle("")
        states = cycle.step(cycle.given(input), states)
        return self._answer(tuple(state[0] for state in states) if alone else states)

    def extra_repr(self) -> str:
        """Return the sizes and options of the layer in words, as print(model) shows them."""
        return _options(f"{self.input_size}, {self.hidden_size}", bias=(self.bias, True))


def _options(sizes: str, **options: tuple[Any, Any]) -> str:
    """Return sizes and the options that differ from their defaults, as `print` shows a layer."""
    return ", ".join([sizes, *(f"{name}={value}" for name, (value, usual) in options.items() if value != usual)])


def register_recurrent(
    replaces: type[nn.Module], layer: type[Recurrence], options: str = "", *, digital: str = ""
) -> LayerKind:
    """Register the kind of a recurrent layer or cell.

    Args:
        replaces: the torch type.
        layer: the layer on arrays, which takes the arguments of the torch type.
        options: names of the arguments beyond sizes and bias, with spaces between.
        digital: what is digital, for tables.
    """
    names = ("input_size", "hidden_size", "bias", *options.split())
    stepwise = issubclass(layer, Recurrent)  # a cell is called at every step

    def arguments(module: Any) -> dict[str, Any]:
        given = {name: getattr(module, name) for name in names}
        if given.get("num_layers") == 1:
            given["dropout"] = 0.0  # torch takes a dropout here, warns, and does nothing
        return given

    def parts(module: nn.Module) -> dict[str, Part]:
        labels = [name.removeprefix("weight_") for name in module._parameters if name.startswith("weight_")]
        held = {label: (getattr(module, f"weight_{label}"), getattr(module, f"bias_{label}", None)) for label in labels}
        return {
            label: Part([Matrix(weight, bias)], stepwise and not label.startswith("ih"))
            for label, (weight, bias) in held.items()
        }

    def fault(module: Any, shape: Sequence[int]) -> str | None:
        fits = bool(shape) and shape[-1] == module.input_size
        return None if fits else f"its last number must be {module.input_size}"

    return register(
        LayerKind(
            replaces=replaces,
            layer=layer,
            make=remake(layer, arguments),
            parts=parts,
            vectors=lambda given, answer: math.prod(given[:-1]),
            fault=fault,
            digital=lambda layer: digital,
            twin=remake(replaces, arguments),
        )
    )
