"""Vectors that backwards bring to a layer, kept until an optimizer moves its arrays by them."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mho.arrays import Array
from mho.errors import WrongUse
from mho.kernels.ops import Floats
from mho.nn.memory import Anchor, Memory, Waiting
from mho.nn.on_arrays import OnArrays


class LearningLayer(OnArrays, abc.ABC):
    """A layer that keeps the vectors (x, δ) of its backwards, or the gradient formed of them, until the next step.

    Attributes:
        arrays: a crossbar, or tiles, for each group.
        crossbars: as `arrays`, as a list; what counts reads may stand in the place of an array.
        anchor: an empty parameter, whose gradient says that a backward has ended, and when gradients were zeroed.
        memory: memory of vectors and gradients.
        learns_scale: whether the digital factor between weights and arrays is a parameter of the layer.
    """

    arrays: nn.ModuleList
    crossbars: list[Array]
    anchor: Anchor
    memory: Memory
    learns_scale: bool

    def learned_scales(self) -> list[nn.Parameter]:
        """Return the parameter of each array's scale, where scales are learned; else nothing."""
        return [array.log_factor for array in self.arrays] if self.learns_scale else []  # type: ignore[misc]

    def keep(self, number: int, x: list[Floats], d: list[Floats]) -> None:
        """Keep the vectors that the backward under way brings to a use of this number.

        Raises:
            WrongUse: at the second backward of a layer that no AnalogSGD steers.
        """
        memory = self.memory
        if not self.training:
            memory.passed_by = True
            return
        if memory.backwards and not memory.steered:
            raise WrongUse(
                f"layer {self.name}: a second backward, and no mho.AnalogSGD steers this model's arrays; a plain "
                "torch optimizer cannot move them. Use  optimizer = mho.AnalogSGD(model, lr=0.01),  or "
                "model.eval() if you only look at gradients"
            )
        if self._zeroed():
            memory.forget()
        memory.keep(number, x, d)

    def pulse(self, lr: float) -> None:
        """Apply the pending vectors, in the order of their forwards, and forget them; step scales that are learned."""
        kept = [] if self._zeroed() else self.memory.in_order()
        self.memory.forget()
        if kept:
            x, d = _joined([use.x for use in kept]), _joined([use.d for use in kept])
            for array, own_x, own_d in zip(self.crossbars, x, d, strict=True):
                array.update_vectors(own_x, own_d, lr)
        for log_factor in self.learned_scales():
            if log_factor.grad is not None:
                log_factor.data.add_(log_factor.grad, alpha=-lr)

    def steer(self, *, forms: bool) -> None:
        """Note that an optimizer has been made that will move the arrays.

        Args:
            forms: whether it takes the gradient (`take_gradient`), formed digitally, or vectors (`pulse`).
        """
        memory = self.memory
        memory.steered, memory.forms = True, forms
        if forms:
            self._form_gradient()
        if not forms:
            memory.gradient_sums = None

    def take_gradient(self) -> list[Floats] | None:
        """Return the gradient (R, out, in) of each array since the last step, and forget it.

        None where no backward has come here since, or gradients were zeroed after it.
        """
        gradient = None if self._zeroed() else self.memory.gradient_sums
        self.memory.forget()
        return gradient

    def _form_gradient(self) -> None:
        """Add the outer products of the last backward to the gradient, in the order of the forwards."""
        memory = self.memory
        if not memory.pending:  # of evaluation mode, which keeps nothing
            return
        if memory.gradient_sums is None:
            sizes = [(a.replicas, a.out_features, a.in_features) for a in self.crossbars]
            memory.gradient_sums = [np.zeros(size, np.float32) for size in sizes]
        for use in memory.in_order():
            for array, x, d, total in zip(self.crossbars, use.x, use.d, memory.gradient_sums, strict=True):
                array.add_gradient(x, d, total)
        memory.pending.clear()

    def _zeroed(self) -> bool:
        """Return whether gradients have been zeroed since the last backward."""
        with torch._C.DisableTorchFunctionSubclass():  # which an anchor asks for in Python, at each look
            grad = self.anchor.grad
        return grad is None or (isinstance(grad, Waiting) and grad.zeroed)

    def _watch_anchor(self) -> None:
        trains = self.anchor.requires_grad
        self.anchor.requires_grad_()  # torch takes the hook only now, and a frozen layer may be thawed later
        self.anchor.register_post_accumulate_grad_hook(self._end_of_backward)  # type: ignore[no-untyped-call]
        self.anchor.requires_grad_(trains)

    def _end_of_backward(self, anchor: Tensor) -> None:
        # torch.autograd.grad() accumulates nothing, hence never comes here: its vectors are dropped
        self.memory.end_of_backward()
        if self.memory.forms:
            self._form_gradient()
        with torch._C.DisableTorchFunctionSubclass():
            grad = anchor.grad
            if not isinstance(grad, Waiting) or grad.zeroed:
                anchor.grad = self.memory.gradient()


def _joined(uses: Sequence[list[Floats]]) -> list[Floats]:
    """Return the vectors (R, T, n) of each array, one use after another: an array takes them as one update."""
    return uses[0] if len(uses) == 1 else [np.concatenate(own, axis=1) for own in zip(*uses, strict=True)]
