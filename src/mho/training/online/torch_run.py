"""Operations that torch runs, one after another, as one node of a graph with its vector-Jacobian product."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, fx

from mho.kernels.ops import Floats
from mho.training.online.survey import Survey, inputs_of, run


@final
@dataclasses.dataclass(eq=False)
class Slot:
    """A value of another node, where an operation takes it.

    Attributes:
        source: the operation whose value it is.
        values: where the value lies, (S, ...).
        back: where errors of the value, as this operation sends them, are written; None where they are not needed.
        leaf: the value in the step under way, as autograd has it.
    """

    source: fx.Node
    values: Floats
    back: Floats | None
    leaf: Tensor | None = None

    def take(self) -> Tensor:
        """Return the value for a step."""
        self.leaf = torch.from_numpy(self.values).requires_grad_(self.back is not None)
        return self.leaf

    def send_back(self) -> None:
        """Write the errors that a backward has brought."""
        if self.back is not None and self.leaf is not None:
            gradient = self.leaf.grad
            if gradient is None:
                self.back.fill(0.0)
            else:
                np.negative(gradient.numpy(), out=self.back)
        self.leaf = None


@final
class TorchRun:
    """Neighbouring operations without compiled nodes, run once for all replicas as torch runs them.

    A forward builds autograd's graph of these operations only, a backward sends errors through it: gradients of digital
    parameters are accumulated in their `grad`; running statistics and draws are those that autograd would make.

    Args:
        operations: in the order of the model.
        outputs: operations whose values other nodes take.
        survey: survey of the model.
        wholes: memory for values of other nodes and for its own, (S, ...) for all replicas.
        loose: values that are no float32 tensors, by operation, which runs leave for each other.

    Attributes:
        slots: in the order in which autograd adds their gradients.
        errors: where errors of these values are given, (S, ...), for those that send any back.
    """

    def __init__(
        self,
        operations: Sequence[fx.Node],
        outputs: Sequence[fx.Node],
        survey: Survey,
        wholes: Mapping[fx.Node, Floats],
        loose: dict[fx.Node, Any],
    ) -> None:
        self._operations, self._outputs, self._survey, self._loose = operations, outputs, survey, loose
        self._values: dict[fx.Node, Any] = {}
        self._wholes = wholes
        self._slots = {operation: self._slots_of(operation) for operation in operations}
        self.slots = [slot for operation in reversed(operations) for slot in self._slots[operation]]
        self.errors = {o: np.zeros_like(wholes[o]) for o in outputs if o in wholes and survey.facts[o].grad}
        self._changes = any(survey.changed(operation) for operation in operations)

    def forward(self) -> None:
        """Compute the values of the outputs."""
        self._values.clear()
        with torch.enable_grad():
            for operation in self._operations:
                self._values[operation] = self._run(operation)
        for output in self._outputs:
            if output in self._wholes:
                np.copyto(self._wholes[output], self._values[output].detach().numpy())
            else:
                self._loose[output] = self._values[output]

    def backward(self) -> None:
        """Send the errors of the outputs back to the slots and to digital parameters."""
        if self.errors:
            gradients = [torch.from_numpy(np.negative(errors)) for errors in self.errors.values()]
            torch.autograd.backward([self._values[output] for output in self.errors], gradients)
        self._values.clear()
        for slot in self.slots:
            slot.send_back()

    def _run(self, operation: fx.Node) -> Any:
        slots = iter(self._slots[operation])
        args, kwargs = fx.node.map_arg((operation.args, operation.kwargs), lambda taken: self._value(taken, slots))
        return run(operation, self._survey.module(operation), args, kwargs)

    def _value(self, taken: fx.Node, slots: Any) -> Any:
        if taken in self._values:
            return self._values[taken]
        if taken in self._survey.constants:
            return self._survey.facts[taken].value
        if taken.op == "get_attr":
            return self._survey.attribute(taken)
        if taken in self._loose:
            return self._loose[taken]
        value = next(slots).take()
        return value.clone() if self._changes else value  # what is changed in place must be no leaf

    def _slots_of(self, operation: fx.Node) -> list[Slot]:
        facts = self._survey.facts
        return [
            Slot(source, self._wholes[source], np.zeros_like(self._wholes[source]) if facts[source].grad else None)
            for source in inputs_of(operation)
            if source not in self._operations and source in self._wholes
        ]
