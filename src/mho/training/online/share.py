"""Share of a graph: the nodes of some replicas, and their steps between the operations that torch runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
from torch import Tensor, fx

from mho.arrays import any_flag
from mho.compiler.program import Step, joined
from mho.errors import MhoError
from mho.kernels.ops import Floats
from mho.kernels.scratch import Pool, Scratch
from mho.nn import ArrayLayer, Dropout
from mho.training.online.arrays import ArrayNode
from mho.training.online.losses import Loss
from mho.training.online.nodes import Activation, Collect, DropoutNode, Form, MaxPool, Node, Samples, added
from mho.training.online.recipe import Item, Recipe
from mho.training.online.torch_run import TorchRun


@final
@dataclasses.dataclass(eq=False)
class Value:
    """A value between nodes.

    Attributes:
        form: its form.
        numbers: its memory.
        needed: True if its errors are needed.
        errors: memory of its errors, from each node that takes it, in the order in which they are added.
        takers: nodes that take it.
        spare: whether its memory may be written over once its takers have read it.
    """

    form: Form
    numbers: Floats
    needed: bool
    errors: list[Floats] = dataclasses.field(default_factory=list)
    takers: list[Node] = dataclasses.field(default_factory=list)
    spare: bool = False


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Entry:
    """A node with the values that it takes and gives."""

    node: Node
    inputs: list[Value]
    output: Value


@final
class Share:
    """Share of a graph: nodes and buffers of some replicas, which a thread steps by itself.

    Args:
        recipe: recipe of the model.
        replicas: the replicas.
        wholes: memory of all replicas for the values that torch sees.
        runs: operations that torch runs between the phases.
        threads: threads that the share may use.
    """

    def __init__(
        self,
        recipe: Recipe,
        replicas: slice,
        wholes: Mapping[fx.Node, Floats],
        runs: Sequence[TorchRun],
        *,
        threads: int,
    ) -> None:
        self.replicas, self._recipe, self._wholes, self._threads = replicas, recipe, wholes, threads
        self.arrays: list[ArrayNode] = []
        self._scratch, self._pool = Scratch(), Pool()
        self._first_uses: dict[ArrayLayer, ArrayNode] = {}
        self._samples: dict[Dropout, Samples] = {}
        self._values: dict[fx.Node, Value] = {}
        self._entries: list[list[Entry]] = []
        source = recipe.survey.source
        self.inputs = self._own(source) if source in wholes else self._form(source).buffer()
        self._images = self.inputs.reshape(replicas.stop - replicas.start, -1, *self.inputs.shape[1:])
        self._values[source] = Value(self._form(source), self.inputs, needed=False)
        outputs: list[list[fx.Node]] = [*recipe.outputs, []]
        ahead = [self._plan_forward(*phase) for phase in zip(recipe.phases, outputs, strict=True)]
        self.out = self._values[recipe.survey.result]
        self.errors = self.out.form.buffer()
        self._join(runs)
        back = self._plan_backward(runs)
        self._ahead, self._back = [self._fastest(steps) for steps in ahead], [self._fastest(steps) for steps in back]
        self._preparing = [step for array in self.arrays for own in array.cycles for step in own.preparing]
        self._updates: dict[tuple[bool, ...], list[Step]] = {}
        self._rates: Mapping[ArrayLayer, float] = {}
        self._moving, self._update = list[ArrayNode](), list[Step]()
        self._cycles = [own for array in self._first_uses.values() for own in array.cycles]
        self._relax = self._fastest([step for own in self._cycles for step in own.relax])
        self._numbers = [pair for own in self._cycles for pair in own.numbers]
        self._phases = [[e.node for e in entries if isinstance(e.node, ArrayNode)] for entries in self._entries]
        self._flags = [[flag for array in arrays for flag in array.flags] for arrays in self._phases]

    # Plans ---------------------------------------------------------------------------------------

    def _form(self, operation: fx.Node) -> Form:
        """Return the form of an operation's value in this share."""
        sizes = self._recipe.survey.facts[operation].shape
        assert sizes is not None
        return Form(sizes[0] * (self.replicas.stop - self.replicas.start) // self._recipe.replicas, sizes[1:])

    def _own(self, operation: fx.Node, whole: Floats | None = None) -> Floats:
        """Return this share's part of memory of all replicas."""
        values = self._wholes[operation] if whole is None else whole
        each = len(values) // self._recipe.replicas
        return values[self.replicas.start * each : self.replicas.stop * each]

    def _plan_forward(self, items: Sequence[Item], outputs: Sequence[fx.Node]) -> list[Step]:
        """Make the nodes of a phase, and the values that the run behind it will give."""
        steps = list[Step]()
        self._entries.append([])
        for item in items:
            inputs = [self._values[source] for source in item.inputs]
            if item.known is None or not item.known.any_order or len({own.form.last for own in inputs}) > 1:
                inputs = [self._first_order(own, steps) for own in inputs]
            needed, node = self._recipe.survey.facts[item.operation].grad, self._node(item, inputs)
            spare = [
                own.spare and (own is not self._values[source] or self._recipe.survey.uses[source] == 1)
                for own, source in zip(inputs, item.inputs, strict=True)
            ]
            node.over = spare.index(True) if any(spare) else None
            is_there = item.operation in self._wholes and node.placed(self._own(item.operation))
            value = self._answer(node, inputs, steps, needed)
            value.spare = not node.rereads and (not node.is_view or spare[0])
            self._values[item.operation] = value if is_there else self._placed(item.operation, value, steps)
        for output in outputs:
            if output in self._wholes:
                needed = self._recipe.survey.facts[output].grad
                self._values[output] = Value(self._form(output), self._own(output), needed, spare=True)
        return steps

    def _node(self, item: Item, inputs: Sequence[Value]) -> Node:
        form, module = inputs[0].form, item.module
        if item.known is not None:
            return item.known.make(*(own.form for own in inputs))
        if isinstance(module, Dropout):
            samples = self._samples.setdefault(module, Samples(module))
            return DropoutNode(samples, self.replicas, form)
        assert module is not None
        with self._scratch.lent():
            node = ArrayNode(module, self.replicas, form, self._first_uses.get(module), threads=self._threads)
        self._first_uses.setdefault(module, node)
        self.arrays.append(node)
        return node

    def _answer(self, node: Node, inputs: list[Value], steps: list[Step], needed: bool) -> Value:
        more, out = node.forward(*(own.numbers for own in inputs))
        steps += more
        value = Value(node.form, out, needed)
        self._entries[-1].append(Entry(node, inputs, value))
        for own in inputs:
            own.takers.append(node)
        return value

    def _first_order(self, value: Value, steps: list[Step]) -> Value:
        """Return a value with channels first."""
        if not value.form.last:
            return value
        turned = self._answer(Collect(value.form), [value], steps, value.needed)
        turned.spare = True
        return turned

    def _placed(self, operation: fx.Node, value: Value, steps: list[Step]) -> Value:
        """Return a value where torch finds it, and channels first where several nodes or the loss take it."""
        if operation in self._wholes:
            return self._answer(Collect(value.form, self._own(operation)), [value], steps, value.needed)
        survey = self._recipe.survey
        return self._first_order(value, steps) if survey.uses[operation] > 1 or operation is survey.result else value

    def _join(self, runs: Sequence[TorchRun]) -> None:
        """Spare passes over memory where nodes follow one another, or torch follows a node."""
        makers = {id(entry.output): entry.node for entries in self._entries for entry in entries}
        for slot in (slot for run in runs for slot in run.slots if slot.back is not None):
            node = makers.get(id(self._values[slot.source]))
            if isinstance(node, ArrayNode) and node.errors is None and self._recipe.survey.uses[slot.source] == 1:
                node.errors = self._own(slot.source, slot.back).reshape(node.form.shape)
        follows = {
            entry.node: entry.output.takers[0]
            for entries in self._entries
            for entry in entries
            if len(entry.output.takers) == 1 and entry.output is not self.out
        }
        for before, node in follows.items():
            if isinstance(before, Activation) and isinstance(node, MaxPool):
                node.absorb(before)
        for array, node in follows.items():
            after = node
            if isinstance(after, Activation) and not after.bends:
                after = follows[after]
            if isinstance(array, ArrayNode) and isinstance(after, (Activation, MaxPool)):
                array.errors = array.form.buffer() if array.errors is None else array.errors
                after.back = array.errors

    def _plan_backward(self, runs: Sequence[TorchRun]) -> list[list[Step]]:
        """Plan the backward steps of each phase; the values of a run are gathered in the phase behind it."""
        plans: list[list[Step]] = []
        self.out.errors.append(self.errors)
        for phase in reversed(range(len(self._entries))):
            steps = list[Step]()
            gathered = runs[phase - 1].errors.items() if phase else ()
            nodes = {entry.node for entry in self._entries[phase]}
            for operation, whole in gathered:
                takers = self._values[operation].takers
                if len(takers) == 1 and isinstance(takers[0], Activation) and takers[0] in nodes:
                    takers[0].back = self._own(operation, whole)
            for entry in reversed(self._entries[phase]):
                self._send_back(entry, steps)
            if phase:
                run = runs[phase - 1]
                for operation, whole in gathered:
                    steps += self._added(self._values[operation].errors, self._own(operation, whole))
                for slot in run.slots:
                    if slot.back is not None:
                        self._values[slot.source].errors.append(self._own(slot.source, slot.back))
            plans.insert(0, steps)
        return plans

    def _send_back(self, entry: Entry, steps: list[Step]) -> None:
        value = entry.output
        if not value.needed:
            return
        errors = value.errors[0]
        if len(value.errors) > 1:
            errors = self._pool.take(value.form.shape, np.float32)
            self._pool.hold(errors)
            steps += self._added(value.errors, errors)
        if not any(own.needed for own in entry.inputs):
            if isinstance(entry.node, ArrayNode):  # its input is data: errors stay here, for the update
                steps += entry.node.take(errors)
            return
        with self._pool.lent():
            more, backs = entry.node.backward(errors)
        steps += more
        for own, back in zip(entry.inputs, backs, strict=True):
            if own.needed:
                self._pool.hold(back)
                own.errors.append(back)
        self._pool.drop(errors)

    def _added(self, values: Sequence[Floats], out: Floats) -> list[Step]:
        """Plan the sum of errors, which no other plan reads, into `out`."""
        steps = added(values, out)
        for own in values:
            self._pool.drop(own)
        return steps

    def _fastest(self, steps: list[Step]) -> list[Step]:
        """Return steps with kernels joined into programs, over the threads of this share."""
        return joined(steps, parts=self._threads)

    # Steps ---------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Copy the numbers of the next vectors and samples from arrays and dropouts."""
        for of_array, own in self._numbers:
            own[...] = of_array
        for samples in self._samples.values():
            samples.begin()

    def store_numbers(self) -> None:
        """Write the numbers of the next vectors and samples back to arrays and dropouts, for all shares."""
        for of_array, own in self._numbers:
            of_array[...] = own
        for samples in self._samples.values():
            samples.store_numbers()

    def start(self, images: Floats) -> None:
        """Take the images of a step, (B, ...), shared, or (R, B, ...)."""
        np.copyto(self._images, images)
        for step in self._preparing:
            step()

    def ahead(self, phase: int) -> None:
        """Run a phase forward."""
        for step in self._ahead[phase]:
            step()
        if any_flag(self._flags[phase]):
            for array in self._phases[phase]:
                _raise(array.fault(x=True, d=False))

    def ask(self, wanted: Tensor, loss: Loss, out: Floats) -> list[float]:
        """Compute the loss of each replica and the errors of the outputs; write the outputs into out (R, B, ...)."""
        own = out[self.replicas]
        own[...] = self.out.numbers.reshape(own.shape)
        losses, errors = loss(own, wanted[self.replicas])
        np.copyto(self.errors, errors.reshape(self.errors.shape))
        return losses

    def back(self, phase: int) -> None:
        """Run a phase backward."""
        for step in self._back[phase]:
            step()
        if any_flag(self._flags[phase]):
            for array in reversed(self._phases[phase]):  # the array that errors met first is to blame
                _raise(array.fault(x=False, d=True))

    def update(self, rates: Mapping[ArrayLayer, float]) -> None:
        """Pulse the arrays, and let the time of a step pass.

        Args:
            rates: learning rate of each layer; 0 leaves it as it is.
        """
        if rates != self._rates:
            self._set_rates(rates)
        for step in self._update:
            step()
        for flags in self._flags:
            if any_flag(flags):
                for array in self._moving:
                    _raise(array.fault(x=True, d=True))
        if self._relax:
            for step in self._relax:
                step()
            for cycles in self._cycles:
                _raise(cycles.fault(x=False, d=False))

    def _set_rates(self, rates: Mapping[ArrayLayer, float]) -> None:
        """Set the rates of all arrays, and choose the steps of an update: of the arrays whose rate is not 0."""
        self._rates = {}  # if this ends in an error, the next update sets all rates again
        moving = [array for array in self.arrays if rates[array.layer] != 0]
        for array in moving:
            for cycles in array.cycles:
                cycles.set_rate(rates[array.layer])
        key = tuple(array in moving for array in self.arrays)
        if key not in self._updates:
            self._updates[key] = self._fastest([step for array in moving for step in array.update()])
        self._rates, self._moving, self._update = dict(rates), moving, self._updates[key]

    def forget(self) -> None:
        """Clear the error flags of the arrays, which are also set in arrays behind the array at fault."""
        for cycles in self._cycles:
            cycles.forget()

    @property
    def stale(self) -> bool:
        """Return True if an array has got other memory since the share was made."""
        for cycles in self._cycles:  # noqa: SIM110 - a generator takes twice as long, and each step asks
            if cycles.stale:
                return True
        return False


def _raise(fault: MhoError | None) -> None:
    if fault is not None:
        raise fault
