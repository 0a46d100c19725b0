"""Operations that torch runs, one after another, as one node of a graph with its vector-Jacobian product."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, fx

from mho.kernels.ops import Floats
from mho.kernels.scratch import room
from mho.nn import ArrayLayer
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
class _Handed(torch.autograd.Function):
    """An output that was copied for other nodes: autograd keeps the way back to it, and not its numbers."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, errors: Floats) -> Tensor:
        """Return a stand-in for a value; `errors` will be where its errors δ are given."""
        ctx.errors = errors
        return value.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of the value, -δ."""
        return torch.from_numpy(np.negative(ctx.errors)), None


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
        errors: where errors of the outputs are given, (S, ...), for those that get any, right before `backward`.
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
        self._handed: list[Tensor] = []
        self._wholes = wholes
        self._slots = {operation: self._slots_of(operation) for operation in operations}
        self.slots = [slot for operation in reversed(operations) for slot in self._slots[operation]]
        self.errors = {o: room(wholes[o].shape, np.float32) for o in outputs if o in wholes and survey.facts[o].grad}
        self._changes = any(survey.changed(operation) for operation in operations)

    def forward(self) -> None:
        """Compute the values of the outputs."""
        with torch.enable_grad():
            for operation in self._operations:
                self._values[operation] = self._run(operation)
            self._handed = [_Handed.apply(self._values[o], errors) for o, errors in self.errors.items()]  # type: ignore[no-untyped-call]
        for output in self._outputs:
            if output in self._wholes:
                np.copyto(self._wholes[output], self._values[output].detach().numpy())
            else:
                self._loose[output] = self._values[output]
        self._values.clear()

    def backward(self) -> None:
        """Send the errors of the outputs back to the slots and to digital parameters."""
        if self._handed:
            torch.autograd.backward(self._handed)
        self._handed = []
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
        taken = (s for s in inputs_of(operation) if s not in self._operations and s in self._wholes)
        return [Slot(source, self._wholes[source], self._back(source)) for source in taken]

    def _back(self, source: fx.Node) -> Floats | None:
        """Return memory for errors of a value, or None where they are not needed."""
        if not self._survey.facts[source].grad:
            return None
        # nothing reads what an array answered to this run alone, once autograd has sent the errors back
        alone = isinstance(self._survey.module(source), ArrayLayer) and self._survey.uses[source] == 1
        return self._wholes[source] if alone else np.zeros_like(self._wholes[source])
