"""Base of cells with two banks: a fast bank that gathers the gradient, and a slow bank that holds the weight."""

from __future__ import annotations

import abc
import dataclasses
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mho.banks import BankSpec
from mho.banks.spec import check_place
from mho.cells.base import Buffer, Cell, Term
from mho.cells.checks import check_devices, check_read
from mho.cells.choppers import AGE, SIGN, Chopper, regular_period
from mho.cells.events import Event
from mho.cells.fixed import SETTINGS, check_reference, fixed_at, fixed_reference, symmetry_fault
from mho.cells.rule import TransferRule
from mho.cells.schedule import scheduled
from mho.cells.transfer import Transfer
from mho.compiler.program import Step
from mho.devices import Device
from mho.errors import Faults
from mho.kernels import ops
from mho.kernels.ops import Floats
from mho.kernels.records import Means
from mho.per_replica import Number
from mho.periphery import Exact, Pulses, Read

if TYPE_CHECKING:
    from mho.banks import Rate, UpdatePlan
    from mho.cells.part import CellPart

FAST, SLOW = "fast", "slow"
MEANS = ("mean_x", "mean_d", "averaged")
"""Buffers of automatic scaling: running means of the largest |x| and |δ|, and over how many vectors."""
LIMITS = ("buffer_scale", "threshold")
"""Settings in proportion to which a buffer takes more readings for a pulse."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FastSlow(Cell, abc.ABC):
    """Vectors pulse the fast bank; every few vectors one of its columns is read, and moves the slow bank.

    A subclass says what a reading does (`transfer_event`), and which digital memory that needs.

    Attributes:
        every: vectors from one transfer to the next, at least 1; successive transfers read successive columns.
        fast: device of the fast bank; None: the RPU's.
        slow: device of the slow bank; None: the RPU's.
        transfer: circuit that reads a column of the fast bank.
        reference: weight that every read of the fast bank subtracts: "symmetry_point" of each device, or "zero".
        reference_mean: mean error of that reference, in weights.
        reference_std: standard deviation of its error, at least 0, in weights.
        slow_reference: weight that every read of the slow bank subtracts, without an error: "symmetry_point" or "zero".
        auto_scale: pulse the fast bank at the rate fast_lr·BL·Δ/(μ_x·μ_δ) in place of fast_lr·η, μ the running means
            of the largest |x| and |δ| of a vector, Δ the nominal step, BL the length of the RPU's pulse trains: vectors
            of mean size then move the most driven weights by about BL steps, however small the gradient is.
        average: vectors that the running means go back, at least 1.
        fast_lr: factor of the fast bank's learning rate, above 0.
        visible: share γ of the fast bank in the weight W = slow + γ·fast that reads see, at least 0.

    `fast_lr`, `visible`, `reference_mean`, `reference_std` and what a subclass names so may be lists of one number a
    replica.
    """

    every: int = 2
    fast: Device | None = None
    slow: Device | None = None
    transfer: Read = dataclasses.field(default_factory=Read)
    reference: str = "symmetry_point"
    reference_mean: Number = 0.0
    reference_std: Number = 0.0
    slow_reference: str = "zero"
    auto_scale: bool = True
    average: int = 1000
    fast_lr: Number = 1.0
    visible: Number = 0.0
    lists: ClassVar[tuple[str, ...]] = (*SETTINGS, "fast_lr", "visible")
    """Settings that may be lists of one number per replica."""

    def _check(self, faults: Faults) -> None:
        """Note what is wrong with the settings of one replica."""
        faults.number("every", self.every, low=1, integer=True)
        check_devices(self, faults, FAST, SLOW)
        check_read(self, faults, "transfer")
        check_reference(self, faults)
        check_place("slow_reference", self.slow_reference, faults)
        faults.flag("auto_scale", self.auto_scale)
        faults.number("average", self.average, low=1, integer=True)
        if not self.auto_scale and self.average != FastSlow.average:
            faults.add(f"average has no effect without auto_scale; switch it on, or leave it at {FastSlow.average}")
        faults.number("fast_lr", self.fast_lr, above=0.0, high=1e6)
        faults.number("visible", self.visible, low=0.0, high=1e3)

    @abc.abstractmethod
    def transfer_event(self) -> Event:
        """Return the event that reads the fast bank and moves the slow bank."""

    def signs(self) -> Chopper | None:
        """Return when columns of the fast bank change signs; None: they have none."""
        return None

    def banks(self, device: Device, update: Pulses | Exact) -> tuple[BankSpec, ...]:
        of_slow = fixed_at(self.slow_reference)
        return (
            BankSpec(name=FAST, device=self.fast or device, update=update, fixed=fixed_reference(self)),
            BankSpec(name=SLOW, device=self.slow or device, update=update, fixed=of_slow),
        )

    def reads(self) -> tuple[tuple[Term, ...], ...]:
        return ((Term(SLOW), self.visible_term()),)

    def visible_term(self) -> Term:
        """Return the term of the fast bank in the sum that reads see: its gain, its signs, and its reference."""
        return Term(FAST, self.visible)  # type: ignore[arg-type]  # numbers once a replica is chosen

    def buffers(self) -> Mapping[str, Buffer]:
        return {name: Buffer("array") for name in MEANS} if self.auto_scale else {}

    def events(self) -> tuple[Event, ...]:
        return (self.transfer_event(),)

    def refuses(self, device: Device, forward: Read, backward: Read, update: Pulses | Exact) -> str | None:
        name = type(self).__name__
        if not isinstance(update, Pulses):
            return f"{name} cells pulse two banks of devices, which Exact updates do not; use Pulses"
        if self.auto_scale and (update.x_gain is not None or update.d_gain is not None):
            return (
                f"update.x_gain and update.d_gain would have no say beside the automatic scaling of {name} cells; "
                "leave them out, or give auto_scale=False"
            )
        if update.x_gain is not None and update.d_gain is not None and self.fast_lr != 1:
            return (
                f"{name}.fast_lr is {self.fast_lr!r} and would have no effect: update.x_gain and update.d_gain set the "
                "pulses of the fast bank whatever the learning rate is; leave one of the gains out, or give fast_lr=1"
            )
        for bank, place in ((FAST, self.reference), (SLOW, self.slow_reference)):
            own = getattr(self, bank) or device
            if not own.pulse_driven:
                return (
                    f"the {bank} bank of {name} cells is pulsed, and {type(own).__name__} takes no pulses; give {bank} "
                    "a law of steps"
                )
            setting = "reference" if bank == FAST else "slow_reference"
            fault = symmetry_fault(setting, own) if place == "symmetry_point" else None
            if fault:
                return fault
        return None

    def drive(
        self, lr: float, pulses: Pulses, step: float, largest: tuple[float, float]
    ) -> tuple[float, tuple[float, float]]:
        if not self.auto_scale:
            return self.fast_lr * lr, (1.0, 1.0)  # type: ignore[operator]
        x, d = (1 / size if size > 0 else 0.0 for size in largest)
        return self.fast_lr * pulses.length * step, (x, d)  # type: ignore[operator]

    def summary(self) -> str:
        return "with a fast and a slow device per weight"

    def plan_update(self, part: CellPart, x: Floats, d: Floats) -> UpdatePlan:
        """Plan an update of the fast bank with signed and scaled vectors, and the transfers on the way."""
        bank = part.first
        steps = list[Step]()
        if self.auto_scale:  # both sides, so that lines of either pulse with probabilities about 1 at most
            means, given = Means(*(part.buffers[name] for name in MEANS)), (x, d)
            x, d = np.empty_like(x), np.empty_like(d)
            steps.append(ops.normalise(*given, means, self.average, x, d))
        chopped = self._chopped(part, x)
        if chopped is not None:
            sign, x = chopped
            steps.append(sign)
        inner = bank.plan_update(x, d)
        own = part.setting("fast_lr").astype(np.float64)
        if self.auto_scale:
            own = own * [pulses.length * step for pulses, step in bank.bank.pulses[bank.replicas]]

        def set_rate(lr: Rate) -> None:
            inner.set_rate(own if self.auto_scale else own * lr)

        plan = dataclasses.replace(inner, draw=[*steps, *inner.draw], set_rate=set_rate)
        return scheduled(part, bank, plan, x.shape[1], self.events())

    def plan_pulses(self, part: CellPart, p: Floats, q: Floats, length: int) -> UpdatePlan:
        """Plan pulses of given probabilities on the fast bank, signed by the choppers, and the transfers on the way."""
        bank, chopped = part.first, self._chopped(part, p)
        if chopped is None:
            return super().plan_pulses(part, p, q, length)
        sign, signed = chopped
        inner = bank.plan_pulses(signed, q, length)
        plan = dataclasses.replace(inner, draw=[sign, *inner.draw])
        return scheduled(part, bank, plan, p.shape[1], self.events())

    def _chopped(self, part: CellPart, x: Floats) -> tuple[Step, Floats] | None:
        """Return what multiplies x (R, T, N) by the signs of the choppers, and where the product lies."""
        chopper = self.signs()
        if chopper is None:
            return None
        signed = np.empty_like(x)
        return chopper.bind(part).signed(x, signed), signed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Buffered(FastSlow, abc.ABC):
    """A fast and a slow bank with a digital buffer between them: readings add up, and a full buffer sends a pulse.

    Per transfer of a column: H += λ_H·c·(ω - ω_ref), λ_H = transfer_lr·η·every·N / (buffer_scale·Δ), with the column's
    sign c, the reading ω, what the rule subtracts ω_ref, and the nominal step Δ of the slow bank; then
    n = trunc(H/threshold), at most max_pulses of either sign, goes to the slow device as n single pulses.

    Attributes:
        chopper: probability that a column of the fast bank changes its sign after a reading, 0 to 1.
        random_chopper: draw each change; otherwise a sign changes after every ⌈1/chopper⌉ readings, at least 2.
        transfer_lr: factor of λ_H, above 0.
        buffer_scale: vectors γ₀ over which the buffer takes the mean of the gradient, above 0.
        threshold: threshold of the buffer, above 0.
        max_pulses: largest number of pulses of a transfer, 1 to 32.
        forget: what a pulse leaves of the buffer H: momentum·H, or without `forget` H less (1 - momentum)·n·threshold.
        momentum: share that a pulse leaves, 0 to 1.
        weigh_reads: divide λ_H by how often the column has been read since its sign changed (the derivation of Rasch
            2024), which takes the noise out of late readings; only where the fast devices relax within this time.
    """

    chopper: Number = 0.0
    random_chopper: bool = False
    transfer_lr: Number = 1.0
    buffer_scale: Number = 1000.0
    threshold: Number = 1.0
    max_pulses: int = 1
    forget: bool = True
    momentum: float = 0.0
    weigh_reads: bool = False
    lists: ClassVar[tuple[str, ...]] = (*FastSlow.lists, "chopper", "transfer_lr", "buffer_scale", "threshold")
    operations: ClassVar[int] = 2
    """Digital additions and multiplications of `decide` for a weight: λ_H·ω is added to H."""

    def _check(self, faults: Faults) -> None:
        super()._check(faults)
        faults.number("chopper", self.chopper, low=0.0, high=1.0)
        faults.flag("random_chopper", self.random_chopper)
        for name in ("transfer_lr", "buffer_scale", "threshold"):
            faults.number(name, getattr(self, name), above=0.0, high=1e12)
        faults.number("max_pulses", self.max_pulses, low=1, high=32, integer=True)
        faults.flag("forget", self.forget)
        faults.number("momentum", self.momentum, low=0.0, high=1.0)
        faults.flag("weigh_reads", self.weigh_reads)
        if self.random_chopper and not self.chopper:
            faults.add("random_chopper has no effect without a chopper; give its probability, for example chopper=0.1")
        if self.weigh_reads and not self.chopper:
            faults.add("weigh_reads counts readings since a sign changed; give chopper, for example 0.1")

    def buffers(self) -> Mapping[str, Buffer]:
        return {
            **super().buffers(),
            "buffer": Buffer("weight"),
            SIGN: Buffer("column", start=1.0),
            AGE: Buffer("column"),
        }

    def visible_term(self) -> Term:
        return dataclasses.replace(super().visible_term(), signs=SIGN)

    def signs(self) -> Chopper | None:
        if not np.any(self.chopper):
            return None
        return Chopper(every=self.every, probability="chopper", regular=not self.random_chopper)

    @staticmethod
    @abc.abstractmethod
    def decide(h: Any, omega: Any, line: Any) -> Any:
        """Return the new buffers and the pulses for the slow device, by the reading of a transfer (see `Transfer`)."""

    def rules(self, lr: float, steps: Mapping[str, float], columns: int) -> tuple[TransferRule, ...]:
        numbers = types.SimpleNamespace(**self.numbers(), rate=lr, columns=columns, step=steps[SLOW], age=1.0)
        probability = numbers.chopper
        period = None
        if probability > 0:
            period = 1 / probability if self.random_chopper else float(regular_period(probability))
        rule = TransferRule(
            source=FAST, target=SLOW, every=self.every, circuit=self.transfer,
            fill=float(gain(numbers)) / numbers.threshold, half_period=period, weighed=self.weigh_reads,
            tracked=self.tracked(), limit=self._limit(numbers),
            cure="a lower cell.buffer_scale or cell.threshold, a higher cell.transfer_lr, or a higher training.lr",
        )  # fmt: skip
        return (rule,)

    @staticmethod
    def _limit(numbers: Any) -> tuple[str, float, float]:
        """Return that of the settings of the buffer which is furthest above its default, with its value and default."""
        found = [(name, float(getattr(numbers, name)), float(getattr(Buffered, name))) for name in LIMITS]
        return max(found, key=lambda limit: limit[1] / limit[2])

    def tracked(self) -> float | None:
        """Return the share of a reading in the running mean that is the reference; None for a fixed reference."""
        return None

    def transfer_event(self) -> Event:
        return Transfer(
            every=self.every, source=FAST, target=SLOW, circuit=self.transfer, map="decide", chopper=self.signs(),
            operations=self.operations, most=self.max_pulses,
        )  # fmt: skip


def gain(line: Any) -> Any:
    """Return λ_H of a reading, for the maps of buffered cells."""
    whole = line.transfer_lr * line.rate * line.every * line.columns / (line.buffer_scale * line.step)
    return whole / line.age if line.weigh_reads > 0 else whole


def pulses_of(total: Any, line: Any) -> Any:
    """Return how many pulses a buffer sends, negative for pulses down."""
    return int(min(max(total / line.threshold, -line.max_pulses), line.max_pulses))


def left_of(total: Any, pulses: Any, line: Any) -> Any:
    """Return what pulses leave of a buffer."""
    if pulses == 0:
        return total
    return line.momentum * total if line.forget > 0 else total - (1 - line.momentum) * pulses * line.threshold
