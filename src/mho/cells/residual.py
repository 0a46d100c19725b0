"""Residual learning: several banks of falling weight, of which the finest learns what the others leave."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from mho.banks import BankSpec, Stream, UpdatePlan
from mho.cells.base import Buffer, Cell, Term
from mho.cells.checks import check_devices, check_idle, check_read
from mho.cells.events import Event
from mho.cells.fixed import SETTINGS, check_reference, fixed_reference, symmetry_fault
from mho.cells.rule import TransferRule
from mho.cells.schedule import scheduled
from mho.cells.transfer import Gate, PulsedTransfer, Transfer
from mho.devices import Device
from mho.errors import Faults
from mho.kernels.ops import Floats
from mho.per_replica import Number, power
from mho.periphery import Exact, Pulses, Read
from mho.random import Operation

if TYPE_CHECKING:
    from mho.banks import Rate
    from mho.cells.part import CellPart

STAGE, LOSS, RISES = "stage", "loss", "rises"
"""Buffers of the warm start: the bank that the gradient moves, the last loss, rises of the last epochs as bits."""
EARLY, WINDOW = 3, 5
"""Stages in which any rise of the loss is a plateau; epochs that later stages look back at, for two rises."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Residual(Cell):
    """W = Σ_k visible^k·bank_k: the gradient moves the finest bank, and each bank moves the next coarser bank.

    Every `every` vectors a column of the finest bank is read, and moves bank n - 2 by transfer_lr·ω; every
    `slower`·`every` vectors a column of that bank moves the next, and so on. In the optimum the finer banks are 0, at
    their references, and the coarsest holds the weight: what a coarse device cannot represent is left to the next. The
    finer banks' references have to stand at their symmetry points.

    With `buffer` a reading enters a leaky mean, H ← (1 - smoothing)·H + smoothing·transfer_lr·ω, and a pulse is sent
    where |H| has come to threshold·Δ, which it then loses. Memory per weight: n devices, and with the buffer n - 1
    numbers.

    Attributes:
        n: banks, at least 2.
        visible: γ, share of each bank in the weight over that of the next coarser bank, above 0, below 1; a little
            above 1 divided by the number of states.
        every: vectors from one transfer of the finest bank to the next, at least 1.
        slower: how many times rarer transfers are from one bank to the next coarser bank, at least 1.
        fast: device of the finest bank; None: the RPU's.
        slow: device of all others; None: the RPU's.
        transfer: circuit that reads columns.
        reference: what is subtracted from every read of all banks but the coarsest: "symmetry_point" or "zero".
        reference_mean: mean error of these references, in weights.
        reference_std: standard deviation of their errors, at least 0.
        fast_lr: factor of the learning rate with which the gradient moves a bank, above 0.
        transfer_lr: what a reading moves the next bank by, above 0.
        scale_transfer_lr: multiply `transfer_lr` by the learning rate of the update.
        buffer: whether readings go through a digital mean.
        threshold: threshold of the mean, in nominal steps of the bank that is pulsed, above 0.
        smoothing: share of a reading in the mean, above 0, at most 1.
        warm_start: let the gradient move the coarsest bank first, and the next finer bank after each plateau of the
            loss: with an epoch whose loss has risen, from the fourth bank on with two such epochs of five. The loss
            comes from `mho train` and `mho.training.fit`, or from `optimizer.advance(loss)` in a script of your own.

    Numbers that are factors may be lists of one number per replica.

    Source: Z. Wu et al. 2025, arXiv 2502.06309; J. Li et al. 2025, arXiv 2510.02516. The defaults are ours.
    """

    n: int = 2
    visible: Number = 0.4
    every: int = 2
    slower: int = 5
    fast: Device | None = None
    slow: Device | None = None
    transfer: Read = dataclasses.field(default_factory=Read)
    reference: str = "symmetry_point"
    reference_mean: Number = 0.0
    reference_std: Number = 0.0
    fast_lr: Number = 1.0
    transfer_lr: Number = 0.1
    scale_transfer_lr: bool = False
    buffer: bool = False
    threshold: Number = 1.0
    smoothing: Number = 0.1
    warm_start: bool = False
    lists: ClassVar[tuple[str, ...]] = (*SETTINGS, "visible", "fast_lr", "transfer_lr", "threshold", "smoothing")

    def _check(self, faults: Faults) -> None:
        faults.number("n", self.n, low=2, high=16, integer=True)
        faults.number("visible", self.visible, above=0.0, below=1.0)  # finer banks weigh less
        faults.number("every", self.every, low=1, integer=True)
        faults.number("slower", self.slower, low=1, integer=True)
        check_devices(self, faults, "fast", "slow")
        check_read(self, faults, "transfer")
        check_reference(self, faults)
        faults.number("fast_lr", self.fast_lr, above=0.0, high=1e6)
        faults.number("transfer_lr", self.transfer_lr, above=0.0, high=1e6)
        for name in ("scale_transfer_lr", "buffer", "warm_start"):
            faults.flag(name, getattr(self, name))
        faults.number("threshold", self.threshold, above=0.0, high=1e12)
        faults.number("smoothing", self.smoothing, above=0.0, high=1.0)
        if not self.buffer:
            check_idle(self, faults, ("threshold", "smoothing"))

    def banks(self, device: Device, update: Pulses | Exact) -> tuple[BankSpec, ...]:
        fixed = fixed_reference(self)
        return tuple(
            BankSpec(
                name=bank_name(k),
                device=(self.fast if k == self.n - 1 else self.slow) or device,
                update=update,
                fixed=fixed if k else None,
            )
            for k in reversed(range(self.n))
        )

    def reads(self) -> tuple[tuple[Term, ...], ...]:
        return (tuple(Term(bank_name(k), power(self.visible, k)) for k in range(self.n)),)  # type: ignore[arg-type]

    def buffers(self) -> Mapping[str, Buffer]:
        kept = {memory_name(k): Buffer("weight") for k in range(1, self.n)} if self.buffer else {}
        if not self.warm_start:
            return kept
        return {**kept, STAGE: Buffer("array"), LOSS: Buffer("array", start=np.inf), RISES: Buffer("array")}

    def events(self) -> tuple[Event, ...]:
        return tuple(self._transfer(k) for k in reversed(range(1, self.n)))

    def _transfer(self, k: int) -> Event:
        """Return the event in which bank k moves bank k - 1."""
        every = self.every * self.slower ** (self.n - 1 - k)
        gate = Gate(buffer=STAGE, least=k) if self.warm_start else None
        source, target, circuit = bank_name(k), bank_name(k - 1), self.transfer
        if not self.buffer:
            return PulsedTransfer(
                every=every, source=source, target=target, circuit=circuit, factor="transfer_lr",
                times_rate=self.scale_transfer_lr, gate=gate,
            )  # fmt: skip
        return Transfer(
            every=every, source=source, target=target, circuit=circuit, map="decide", gate=gate,
            memory={"mean": memory_name(k)}, operations=4, most=1,
        )  # fmt: skip

    def drive(
        self, lr: float, pulses: Pulses, step: float, largest: tuple[float, float]
    ) -> tuple[float, tuple[float, float]]:
        return self.fast_lr * lr, (1.0, 1.0)  # type: ignore[operator]

    def rules(self, lr: float, steps: Mapping[str, float], columns: int) -> tuple[TransferRule, ...]:
        """Return the transfers from each bank to the next coarser bank; none where a warm start holds them back."""
        if self.warm_start:
            return ()
        averages = 2 / self.smoothing - 1 if self.buffer else 1.0  # type: ignore[operator]  # of a leaky mean
        limit = ("threshold", float(self.threshold), float(Residual.threshold)) if self.buffer else None  # type: ignore[arg-type]
        cure = "a higher cell.transfer_lr" + (", or a lower cell.threshold" if self.buffer else "")
        return tuple(
            TransferRule(
                source=bank_name(k), target=bank_name(k - 1), every=self.every * self.slower ** (self.n - 1 - k),
                circuit=self.transfer, averages=averages, limit=limit, cure=cure,
            )
            for k in reversed(range(1, self.n))
        )  # fmt: skip

    def refuses(self, device: Device, forward: Read, backward: Read, update: Pulses | Exact) -> str | None:
        if not isinstance(update, Pulses):
            return "Residual cells pulse several banks of devices, which Exact updates do not; use Pulses"
        for own in dict.fromkeys((self.fast or device, self.slow or device)):
            if not own.pulse_driven:
                return f"the banks of Residual cells are pulsed, and {type(own).__name__} takes no pulses; give another"
        finer = [self.fast or device, *([self.slow or device] if self.n > 2 else [])]
        faults = (symmetry_fault("reference", own) for own in finer) if self.reference == "symmetry_point" else ()
        return next((fault for fault in faults if fault), None)

    def summary(self) -> str:
        return f"with {self.n} devices per weight, each of {self.visible} times the weight of the last"

    def plan_update(self, part: CellPart, x: Floats, d: Floats) -> UpdatePlan:
        """Plan an update of the bank that the gradient moves, and the transfers on the way."""
        factor, vectors = part.setting("fast_lr").astype(np.float64), x.shape[1]
        if not self.warm_start:
            inner = part.first.plan_update(x, d)
            plan = dataclasses.replace(inner, set_rate=lambda lr: inner.set_rate(factor * lr))
            return scheduled(part, part.first, plan, vectors, self.events())
        number, stage = part.first.number(Operation.UPDATE), part.buffers[STAGE]
        each = []
        for k, bank in enumerate(part.banks.values()):
            own = np.empty_like(d)  # 0 but for the bank of the stage: a rate of 0 would not stop pulses of given gains
            each.append((self.n - 1 - k, own, bank.plan_update(x, own, Stream(bank.key(Operation.UPDATE), number))))

        def choose() -> None:
            for k, own, _ in each:
                np.multiply(d, (stage == k)[:, None, None], out=own)

        def set_rate(lr: Rate) -> None:
            for *_, bound in each:
                bound.set_rate(factor * lr)

        plan = UpdatePlan(
            [choose, *(step for *_, bound in each for step in bound.draw)],
            [step for *_, bound in each for step in bound.move],
            set_rate,
            lambda window: [step for *_, bound in each for step in bound.within(window)],
        )
        return scheduled(part, part.first, plan, vectors, self.events())

    def advance(self, part: CellPart, loss: Floats) -> None:
        if not self.warm_start:
            return
        stage, last, rises = (part.buffers[name] for name in (STAGE, LOSS, RISES))
        rises[...] = (2 * rises + (loss > last)) % 2**WINDOW
        last[...] = loss
        needed = np.where(stage < EARLY, 1, 2)
        on = (np.bitwise_count(rises.astype(np.uint8)) >= needed) & (stage < self.n - 1)
        stage[on] += 1
        rises[on] = 0

    @staticmethod
    def decide(h: Any, omega: Any, line: Any) -> Any:
        """Return the new buffer, a running mean of readings, and a pulse of either sign at the threshold.

        Args:
            h: the running mean of the weight, in units of weight.
            omega: the reading of the weight's column, in units of its bank.
            line: the settings of the cell and of the transfer that are numbers: smoothing, threshold in steps, step.
        """
        mean = h.mean + line.smoothing * (
            line.transfer_lr * (line.rate if line.scale_transfer_lr > 0 else 1) * omega - h.mean
        )
        limit = line.threshold * line.step
        pulses = 1 if mean >= limit else (-1 if mean <= -limit else 0)
        return mean - pulses * limit, pulses


def bank_name(k: int) -> str:
    """Return the name of a bank, 0 the coarsest."""
    return f"bank_{k}"


def memory_name(k: int) -> str:
    """Return the name of the buffer between bank k and the next coarser bank."""
    return f"mean_{k}"
