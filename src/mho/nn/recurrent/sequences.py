"""Forms in which sequences come to a recurrent layer and leave it, and the order of their vectors."""

from __future__ import annotations

import abc
import dataclasses
from typing import final

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from mho.errors import InvalidValue, shown


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Steps:
    """Sequences that go on at each of T time steps, out of S, which are grouped by replica.

    Vectors of an array lie step after step, at each step in the order of the batch.

    Attributes:
        sequences: S = R·B.
        replicas: R.
        alive: the numbers of the sequences that go on at each step, in order, as many of each replica; None: all.
    """

    sequences: int
    replicas: int
    alive: tuple[Tensor, ...] | None = None

    def rows(self, values: Tensor) -> Tensor:
        """Return the vectors of values (T, S, n) in the order of the array, (R·V, n)."""
        if self.alive is None:
            each = values.unflatten(1, (self.replicas, self.sequences // self.replicas))
            rows: Tensor = each.transpose(0, 1).flatten(0, 2)
            return rows
        places = [t * self.sequences + own.reshape(self.replicas, -1) for t, own in enumerate(self.alive)]
        return values.flatten(0, 1)[torch.cat(places, dim=1).flatten()]

    def by_step(self, rows: Tensor, steps: int) -> list[Tensor]:
        """Return the rows (R·V, n) of each step, (S_t, n): the opposite of `rows`, without what has ended."""
        each = rows.unflatten(0, (self.replicas, -1))
        if self.alive is None:
            return [step.flatten(0, 1) for step in each.split([self.sequences // self.replicas] * steps, dim=1)]
        counts = [len(own) // self.replicas for own in self.alive]
        return [step.flatten(0, 1) for step in each.split(counts, dim=1)]

    def reversed(self) -> Steps:
        """Return the same steps from the last to the first."""
        return self if self.alive is None else dataclasses.replace(self, alive=self.alive[::-1])


class Form(abc.ABC):
    """Sequences as a user gives them.

    Attributes:
        values: numbers (T, S, n).
        steps: which sequences go on at each step.
    """

    values: Tensor
    steps: Steps

    @abc.abstractmethod
    def output(self, values: Tensor) -> Tensor | PackedSequence:
        """Return an output (T, S, m) in the same form."""

    def state_shape(self, layers: int, size: int) -> tuple[int, ...]:
        """Return the shape of the states of so many layers as the user has them."""
        return (layers, self.steps.sequences, size)

    def state_in(self, state: Tensor) -> Tensor:
        """Return an initial state (layers, S, m), as the user has it, with the axis of sequences."""
        return state

    def state_out(self, state: Tensor) -> Tensor:
        """Return a last state (layers, S, m) as the user has it."""
        return state


@final
class Padded(Form):
    """A tensor (T, S, n), or (S, T, n) where `batch_first`: all sequences have T steps."""

    def __init__(self, x: Tensor, replicas: int, *, batch_first: bool) -> None:
        self.batch_first = batch_first
        self.values = x.transpose(0, 1) if batch_first else x
        self.steps = Steps(self.values.shape[1], replicas)

    def output(self, values: Tensor) -> Tensor:
        return values.transpose(0, 1) if self.batch_first else values


@final
class Alone(Form):
    """A sequence without a batch: input (T, n), output (T, H), states (layers, H)."""

    def __init__(self, x: Tensor) -> None:
        self.values, self.steps = x.unsqueeze(1), Steps(1, 1)

    def output(self, values: Tensor) -> Tensor:
        return values.squeeze(1)

    def state_shape(self, layers: int, size: int) -> tuple[int, ...]:
        return (layers, size)

    def state_in(self, state: Tensor) -> Tensor:
        return state.unsqueeze(1)

    def state_out(self, state: Tensor) -> Tensor:
        return state.squeeze(1)


@final
class Packed(Form):
    """A `PackedSequence`: sequences of different lengths, of which nothing behind the end is read or pulsed.

    Raises:
        InvalidValue: where the replicas have sequences of different lengths.
    """

    def __init__(self, packed: PackedSequence, replicas: int, name: str) -> None:
        self.packed = packed
        self.values, lengths = pad_packed_sequence(packed)
        sequences = len(lengths)
        if sequences % replicas == 0 and (lengths.view(replicas, -1) != lengths[: sequences // replicas]).any():
            raise InvalidValue(
                f"layer {name}: a packed sequence whose lengths differ between {replicas} replicas; each array takes "
                "as many vectors as the others: give all replicas the same batch, or pad the sequences"
            )
        whole = bool((lengths == lengths[0]).all())
        alive = None if whole else tuple(torch.nonzero(lengths > t).flatten() for t in range(len(packed.batch_sizes)))
        self.steps = Steps(sequences, replicas, alive)

    def output(self, values: Tensor) -> PackedSequence:
        packed, sequences = self.packed, values.shape[1]
        order = packed.sorted_indices if packed.sorted_indices is not None else torch.arange(sequences)
        places = [t * sequences + order[: int(count)] for t, count in enumerate(packed.batch_sizes)]
        rows = values.flatten(0, 1)[torch.cat(places)]
        return PackedSequence(rows, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)


def form_of(x: Tensor | PackedSequence, inputs: int, *, replicas: int, batch_first: bool, name: str) -> Form:
    """Return sequences of `inputs` numbers in the form in which they come.

    Raises:
        InvalidValue: for another shape.
    """
    if isinstance(x, PackedSequence):
        _check_width(x.data, inputs, name, f"pack sequences of {inputs} numbers per step")
        return Packed(x, replicas, name)
    axes = "(batch, time" if batch_first else "(time, batch"
    give = f"give {axes}, {inputs}), (time, {inputs}) or a PackedSequence"
    if not isinstance(x, Tensor) or x.dim() not in (2, 3):
        raise InvalidValue(f"layer {name}: input {_told(x)}; {give}")
    _check_width(x, inputs, name, give)
    if x.numel() == 0:
        raise InvalidValue(f"layer {name}: input {_told(x)} has no step or no sequence; {give}")
    if x.dim() == 3:
        return Padded(x, replicas, batch_first=batch_first)
    if replicas > 1:
        raise InvalidValue(
            f"layer {name}: input {_told(x)} is one sequence without a batch, which {replicas} replicas cannot "
            f"share; give {axes}, {inputs})"
        )
    return Alone(x)


def _check_width(x: Tensor, inputs: int, name: str, give: str) -> None:
    if x.shape[-1] != inputs:
        raise InvalidValue(f"layer {name}: input {_told(x)} has {x.shape[-1]} numbers per step; {give}")


def _told(x: object) -> str:
    return f"of shape {tuple(x.shape)}" if isinstance(x, Tensor) else shown(x)
