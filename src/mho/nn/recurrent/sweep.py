"""All steps of time of one layer and direction as one node of autograd, on programs that are bound once.

A block of memory holds a record for each step: inputs of the arrays, their answers, gates and δ, each field of all
sequences together. Between two steps nothing enters Python where arrays and gates are kernels. Every use of a layer has
a block of its own, as a layer may be used as often as wanted before the backward.

A training step of two LSTM layers of 64 units on 10 sequences of 100 characters: 74 to 25 ms, with every step a node of
its own before; on one sequence 49 to 5.3 ms.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from mho.arrays import Array
from mho.compiler.program import Repeated, Step
from mho.kernels import gates as kernels
from mho.kernels import ops
from mho.kernels.ops import Floats
from mho.nn.compiled import outside_graphs
from mho.nn.layer_cycles import scale_gradient, watched
from mho.nn.linear import Linear
from mho.nn.place import HOOKS
from mho.nn.recurrent.gates import Gates, Record, States

MOST_SWEEPS = 16
"""Plans that a layer keeps: of its layers and directions, for batches of the sizes that came last."""
MOST_SPARE = 8
LARGEST_SPARE = 1 << 24
"""Blocks that a layer keeps for the next step, and numbers of the largest of them: 64 MB."""
LINE = 16
"""Numbers to whose multiples fields are padded."""


@final
class Layout:
    """Layout of a record: places of its fields.

    Args:
        widths: numbers of each field for a sequence.
        sequences: S.

    Attributes:
        size: numbers of a record.
    """

    def __init__(self, widths: Mapping[str, int], sequences: int) -> None:
        self.widths, self.sequences = dict(widths), sequences
        ends = itertools.accumulate((-(-width * sequences // LINE) * LINE for width in widths.values()), initial=0)
        *starts, self.size = ends
        self._starts = dict(zip(widths, starts, strict=True))

    def of(self, block: Floats, name: str) -> Floats:
        """Return a field of all records of a block (K, size): (K, S, width), on its memory."""
        start, width = self._starts[name], self.widths[name]
        return block[:, start : start + self.sequences * width].reshape(len(block), self.sequences, width)

    def record(self, block: Floats, number: int) -> Record:
        """Return the fields of a record of a block."""
        return {name: self.of(block, name)[number] for name in self.widths}


@final
class Spare:
    """Blocks that have been given back, for the next: new memory costs a tenth of a training step, page by page."""

    def __init__(self) -> None:
        self._blocks: list[Floats] = []

    def block(self, records: int, size: int) -> Floats:
        """Return a block (records, size); its memory comes back here when nobody refers to it any more."""
        count = records * size
        fits = [k for k, block in enumerate(self._blocks) if count <= block.size <= 4 * count]
        memory = self._blocks.pop(fits[0]) if fits else np.empty(count, np.float32)
        block = memory[:count].reshape(records, size)
        weakref.finalize(block, self._take_back, memory).atexit = False
        return block

    def _take_back(self, memory: Floats) -> None:
        if memory.size <= LARGEST_SPARE:
            self._blocks = [memory, *self._blocks][:MOST_SPARE]


@final
class Sweep:
    """Forward and backward through time of one layer in one direction, for S sequences and any number of steps.

    Args:
        recurrent: the recurrent matrix.
        projection: the matrix from hidden units to the output, or None.
        gates: gates of the layer.
        sequences: S.
        spare: where blocks come from.
    """

    def __init__(
        self, recurrent: Linear, projection: Linear | None, gates: Gates, sequences: int, spare: Spare
    ) -> None:
        self.layers = [recurrent] if projection is None else [recurrent, projection]
        self.spare = spare
        self.gates, self.sequences, self.replicas = gates, sequences, recurrent.replicas
        self.bound = bound_of(self.layers)
        self.outputs, rows = recurrent.in_features, recurrent.out_features
        hidden, wide = rows // gates.rows, self.outputs + recurrent.has_bias
        widths = {"given": rows, "x": wide, "answer": rows, "out_errors": self.outputs, "d": hidden}
        widths |= {"errors": rows, "down": wide, **gates.fields(hidden)}
        if projection is not None:
            widths |= {"hidden": hidden, "projected": self.outputs, "output_d": self.outputs}
        self.layout = Layout(widths, sequences)
        self._pattern = np.zeros((2, self.layout.size), np.float32)
        now, after = (self.layout.record(self._pattern, number) for number in range(2))
        self._plan_forward(now, after)
        self._plan_backward(now, after)

    def forward(self, block: Floats) -> None:
        """Run all steps of a block (T + 1, size), whose record T takes the last states."""
        for reads in self._ahead_reads:
            reads.prepare()
        self._ahead(block, np.arange(len(block) - 1))

    def backward(self, block: Floats, *, to_start: bool) -> None:
        """Send errors back through all steps of a block.

        Args:
            block: as `forward` left it.
            to_start: whether they are wanted for the first state; else the recurrent matrix is not read for it.
        """
        for reads in self._back_reads:
            reads.prepare()
        records = np.arange(len(block) - 2, -1, -1)
        self._back(block, records if to_start else records[:-1])
        if not to_start:
            self._last_back(block, records[-1:])

    def vectors(self, block: Floats, name: str) -> Floats:
        """Return a field of the steps of a block as vectors of an array, (R, T·B, width), step after step: a copy."""
        field = self.layout.of(block[:-1], name)
        each = field.reshape(len(field), self.replicas, -1, field.shape[2]).transpose(1, 0, 2, 3)
        return np.array(each, order="C").reshape(self.replicas, -1, field.shape[2])

    def put_vectors(self, block: Floats, name: str, vectors: Floats) -> None:
        """Write vectors (R·T·B, width), those of a replica step after step, into a field of the steps of a block."""
        field = self.layout.of(block[:-1], name)
        steps = len(field)
        given = vectors.reshape(self.replicas, steps, -1, field.shape[2]).transpose(1, 0, 2, 3)
        np.copyto(field.reshape(steps, self.replicas, -1, field.shape[2]), given)

    def _by_replica(self, field: Floats) -> Floats:
        return field.reshape(self.replicas, -1, field.shape[1])

    def _plan_forward(self, now: Record, after: Record) -> None:
        recurrent, *projections = self.layers
        h = now["hidden"] if projections else after["x"]
        each = [(recurrent, "x", "answer"), *((layer, "hidden", "projected") for layer in projections)]
        self._ahead_reads = [
            _array(layer).plan_reads(self._by_replica(now[x]), self._by_replica(now[y]), backward=False)
            for layer, x, y in each
        ]
        first, *others = self._ahead_reads
        steps: list[Step] = [*first.steps, self.gates.forward(now, after, h)]
        for reads in others:
            steps += [*reads.steps, ops.copy_columns(now["projected"], after["x"])]
        self._ahead = self._repeated(steps, [number for reads in self._ahead_reads for number in reads.numbers])

    def _plan_backward(self, now: Record, after: Record) -> None:
        recurrent, *projections = self.layers
        h, d = (now["hidden"], now["output_d"]) if projections else (after["x"], now["d"])
        steps: list[Step] = [kernels.add_columns(now["out_errors"], after["down"], d)]
        if self.gates.past is not None:
            steps.append(kernels.add_columns(d, after[self.gates.past], d))
        others = [
            _array(layer).plan_reads(self._by_replica(d), self._by_replica(now["d"]), backward=True)
            for layer in projections
        ]
        steps += [step for reads in others for step in reads.steps]
        steps.append(self.gates.backward(now, after, h))
        errors, down = self._by_replica(now["errors"]), self._by_replica(now["down"])
        own = _array(recurrent).plan_reads(errors, down, backward=True)
        self._back_reads = [own, *others]
        numbers = [number for reads in others for number in reads.numbers]
        self._last_back = self._repeated(steps, numbers)
        self._back = self._repeated([*steps, *own.steps], [*own.numbers, *numbers])

    def _repeated(self, steps: Sequence[Step], numbers: Sequence[Any]) -> Repeated:
        return Repeated(steps, self._pattern, numbers, self.sequences // self.replicas)


@final
class Sweeps:
    """Plans that a layer keeps; a copy of the layer makes its own."""

    def __init__(self) -> None:
        self._kept: dict[Any, Sweep] = {}
        self._spare = Spare()

    def take(self, recurrent: Linear, projection: Linear | None) -> bool:
        """Return whether these parts can take all steps at once: nobody watches their calls or replaces arrays."""
        layers = [recurrent] if projection is None else [recurrent, projection]
        watched = any(getattr(layer, name) for layer in layers for name in HOOKS)
        watched = watched or nn.modules.module._has_any_global_hook()
        return not watched and all(isinstance(layer.crossbars[0], Array) for layer in layers)

    def find(self, recurrent: Linear, projection: Linear | None, gates: Gates, sequences: int) -> Sweep:
        """Return plans for S = `sequences`."""
        layers = [recurrent] if projection is None else [recurrent, projection]
        key = (sequences, *((layer, _array(layer).training) for layer in layers))
        sweep = self._kept.pop(key, None)
        if sweep is None or any(a is not b for a, b in zip(sweep.bound, bound_of(layers), strict=True)):
            sweep = Sweep(recurrent, projection, gates, sequences, self._spare)
        self._kept[key] = sweep  # the last that was used comes last
        if len(self._kept) > MOST_SWEEPS:
            del self._kept[next(iter(self._kept))]
        return sweep

    def __reduce__(self) -> Any:
        return Sweeps, ()


def bound_of(layers: Sequence[Linear]) -> tuple[object, ...]:
    """Return what plans of some layers are bound to."""
    return tuple(own for layer in layers for own in layer.crossbars[0].bound)


@outside_graphs
def sweep_through(
    given: Tensor, states: States, sweeps: Sweeps, recurrent: Linear, projection: Linear | None, gates: Gates
) -> tuple[Tensor, States]:
    """Return outputs (T, S, n) and the last states, from what the input matrix answered and the first states.

    Args:
        given: (R·T·B, rows·H), those of a replica step after step.
        states: (S, n) each.
        sweeps: plans of the layer.
        recurrent: the recurrent matrix.
        projection: the matrix from hidden units to the output, or None.
        gates: gates of the layer.
    """
    sweep = sweeps.find(recurrent, projection, gates, len(states[0]))
    anchors = [layer.anchor for layer in sweep.layers]
    scales = [scale for layer in sweep.layers for scale in layer.learned_scales()]
    out, *last = _Swept.apply(given, sweep, *anchors, *states, *scales)  # type: ignore[no-untyped-call]
    return out, tuple(last)


def _array(layer: Linear) -> Array:
    return layer.crossbars[0]


class _Swept(torch.autograd.Function):
    """Steps of a layer, forward and backward through time."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, sweep: Sweep, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.sweep, layout, gates = sweep, sweep.layout, sweep.gates
        states = tensors[len(sweep.layers) : len(sweep.layers) + gates.states]
        steps = len(given) // sweep.sequences
        block = sweep.spare.block(steps + 1, layout.size)
        ctx.save_for_backward(torch.from_numpy(block))  # which torch frees, or a checkpoint computes anew
        ctx.numbers = [layer.memory.number() for layer in sweep.layers]
        sweep.put_vectors(block, "given", given.detach().numpy())
        x = layout.of(block, "x")
        x[:, :, sweep.outputs :] = 1.0
        x[0, :, : sweep.outputs] = states[0].detach().float().numpy()
        if gates.memory is not None:
            layout.of(block, gates.memory[0])[0] = states[1].detach().float().numpy()
        sweep.forward(block)
        for layer, name in zip(sweep.layers, ("x", "hidden"), strict=False):
            _array(layer).check_reads(x=layout.of(block[:-1], name))
        out = x[:, :, : sweep.outputs]
        answers = [out[1:], out[-1], *(layout.of(block, name)[-1] for name in (gates.memory or ())[:1])]
        return tuple(torch.from_numpy(np.array(answer, order="C")) for answer in answers)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        sweep: Sweep = ctx.sweep
        if torch.is_grad_enabled():
            # create_graph=True: see `watched`
            with torch.no_grad():
                found = _Swept.backward(ctx, *grads)
            begin = 2 + len(sweep.layers)
            asked = next((grad for grad in grads if grad.requires_grad), grads[0])
            sent = list(found)
            for place in (0, *range(begin, begin + sweep.gates.states)):
                gradient = sent[place]
                sent[place] = None if gradient is None else watched(gradient, asked, sweep.layers[0])
            return tuple(sent)
        (saved,) = ctx.saved_tensors
        block, layout, gates, layers = saved.numpy(), sweep.layout, sweep.gates, sweep.layers
        needed = ctx.needs_input_grad[2 + len(layers) : 2 + len(layers) + gates.states]
        out, last, *others = (grad.detach().numpy() for grad in grads)
        np.negative(out, out=layout.of(block[:-1], "out_errors"))
        down = layout.of(block, "down")
        np.negative(last, out=down[-1, :, : sweep.outputs])
        if gates.past is not None:
            layout.of(block, gates.past)[-1] = 0.0
        if gates.memory is not None:
            np.negative(others[0], out=layout.of(block, gates.memory[1])[-1])
        sweep.backward(block, to_start=needed[0])
        names = [("x", "errors", "answer"), ("hidden", "output_d", "projected")]
        learned: list[Tensor | None] = []
        errors: list[Floats] = []
        for layer, number, (x, d, y) in zip(layers, ctx.numbers, names, strict=False):
            _array(layer).check_reads(d=layout.of(block[:-1], d))
            errors.append(sweep.vectors(block, d))
            layer.keep(number, [sweep.vectors(block, x)], [errors[-1]])
            for scale in layer.learned_scales():
                answers = sweep.vectors(block, y) if layer.training else None
                learned.append(scale_gradient(scale, errors[-1], answers))
        rows = errors[0] if gates.given_errors == "errors" else sweep.vectors(block, gates.given_errors)
        gradients: list[Tensor | None] = [torch.from_numpy(-rows.reshape(-1, rows.shape[2])), None]
        gradients += [torch.empty(0) for _ in layers]
        starts = [down[0, :, : sweep.outputs], *(layout.of(block, name)[0] for name in (gates.memory or ())[1:])]
        if gates.past is not None and needed[0]:
            starts[0] = starts[0] + layout.of(block, gates.past)[0]
        gradients += [torch.from_numpy(-own) if need else None for own, need in zip(starts, needed, strict=True)]
        return (*gradients, *learned)
