"""Digital factor between the vectors of a layer and those of its array, in a call and in bound cycles."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mho.arrays.cycles import Cycles, JoinedCycles
from mho.arrays.reads import Reads
from mho.banks import Rate
from mho.compiler.program import Step
from mho.kernels import ops
from mho.kernels.ops import Floats


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Factors:
    """Factors of some replicas of an array, W = s·A.

    One factor per output is taken apart into the largest of its replica and the share of each output in it, at most 1:
    δ is multiplied by the shares before a backward cycle, as the sum over outputs happens in the array, and the answer
    by the largest. So factors that are all alike act as one factor per layer.

    Attributes:
        whole: largest factor of each replica, (R,).
        shares: shares of each output, (R, out); None where all are 1.
    """

    whole: Floats
    shares: Floats | None

    @classmethod
    def of(cls, factors: Floats) -> Factors:
        """Return what factors (R, 1), or (R, out), mean."""
        whole = factors.max(axis=1)
        return cls(whole, factors / whole[:, None] if factors.shape[1] > 1 else None)

    def outputs(self, width: int) -> Floats:
        """Return the factor of each output, (R, out)."""
        whole = np.repeat(self.whole[:, None], width, axis=1)
        return whole if self.shares is None else whole * self.shares

    def errors_read(self, d: Floats) -> Floats:
        """Return δ (R, T, out) as a backward cycle sends it."""
        return d if self.shares is None else d * self.shares[:, None]

    def errors_pulsed(self, d: Floats) -> Floats:
        """Return δ (R, T, out) as an update sends it, at the rate of `rates`."""
        return d if self.shares is None else d / self.shares[:, None]

    def rates(self, lr: Rate) -> npt.NDArray[np.float64]:
        """Return the learning rate of each replica's devices, (R,): E[ΔA] = η/s·δ·xᵀ."""
        return lr / self.whole.astype(np.float64)


@final
class ScaledCycles(JoinedCycles):
    """Cycles of some replicas of an array, between vectors in the units of its layer.

    Args:
        inner: cycles of the array itself.
        factor: factor of all replicas of the array, (R, 1) or (R, out): a buffer that changes only as a whole.
        replicas: which are these.
    """

    def __init__(self, inner: Cycles, factor: Tensor, replicas: slice) -> None:
        count, _, columns = inner.inputs.shape
        super().__init__(count, inner.vectors, inner.outputs.shape[2], columns, kept=inner.kept)
        self.inner, self.parts = inner, [inner]
        self._factor, self._now = factor, factor.clone()
        self.inputs = inner.inputs
        factors = Factors.of(factor[replicas].numpy())
        self._factors = factors
        forward = factors.outputs(self.outputs.shape[2])
        back = np.repeat(factors.whole[:, None], columns, axis=1)
        self.forward = [*inner.forward, ops.multiply_columns(inner.outputs, forward, self.outputs)]
        sent, pulsed = [], []
        if factors.shares is None:
            self.errors = inner.errors
        else:
            sent = [ops.multiply_columns(self.errors, factors.shares, inner.errors)]
            pulsed = [ops.divide_columns(self.errors, factors.shares, inner.errors)]
        self.backward = [*sent, *inner.backward, ops.multiply_columns(inner.downwards, back, self.downwards)]
        self.update = [*pulsed, *inner.update]
        self.preparing, self.relax = inner.preparing, inner.relax

    def set_rate(self, lr: Rate) -> None:
        self.inner.set_rate(self._factors.rates(lr))

    @property
    def stale(self) -> bool:
        return super().stale or not torch.equal(self._factor, self._now)


class PlanReads(Protocol):
    """Plans reads in the units of the devices."""

    def __call__(self, inputs: Floats, outputs: Floats, *, backward: bool) -> Reads: ...


def scaled_reads(
    factors: Callable[[], Factors], plan: PlanReads, inputs: Floats, outputs: Floats, *, backward: bool
) -> Reads:
    """Plan reads of an array between vectors in the units of its layer; arguments as of `Array.plan_reads`.

    Args:
        factors: returns the factors as they are now; they are asked for once before runs.
        plan: plans the reads of the array itself.
        inputs: inputs of the layer.
        outputs: outputs of the layer.
        backward: the direction.
    """
    now, width = factors(), outputs.shape[2]
    after: Floats = np.empty((len(outputs), width), np.float32)
    before: list[Step] = []
    sent, shares = inputs, now.shares
    if backward and shares is not None:
        shares, sent = shares.copy(), np.empty_like(inputs)
        before = [ops.multiply_columns(inputs, shares, sent)]
    inner = plan(sent, outputs, backward=backward)

    def prepare() -> None:
        own = factors()
        np.copyto(after, own.whole[:, None] if backward else own.outputs(width))
        if before and own.shares is not None and shares is not None:
            np.copyto(shares, own.shares)
        inner.prepare()

    return Reads([*before, *inner.steps, ops.multiply_columns(outputs, after, outputs)], inner.numbers, prepare)
