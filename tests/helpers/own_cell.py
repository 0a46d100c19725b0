"""A cell of one's own, in one file: two banks, a digital buffer, and a transfer every few vectors."""

from __future__ import annotations

import dataclasses
from typing import final

import mho
from mho.cells import BankSpec, Buffer, Cell, Event, Term, Transfer


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Leaky(Cell):
    """W = slow + gamma·fast: vectors pulse fast, and what a leaky mean of its readings exceeds moves slow.

    Attributes:
        every: vectors from one transfer to the next, at least 1.
        gamma: share of the fast bank that reads see.
        keep: share of the mean that a reading leaves, 0 to 1.
        threshold: of the mean, above which slow gets a pulse and the mean starts again.
        slow: device of the slow bank; None: the RPU's.
        transfer_read: circuit of the readings.
    """

    every: int = 3
    gamma: float = 0.5
    keep: float = 0.5
    threshold: float = 0.02
    slow: mho.Device | None = None
    transfer_read: mho.Read = dataclasses.field(default_factory=lambda: mho.Read(noise=0.01, bound=2.0))

    def banks(self, device: mho.Device, update: mho.Pulses) -> tuple[BankSpec, ...]:
        return (
            BankSpec(name="fast", device=device, update=update),
            BankSpec(name="slow", device=self.slow or device, update=update),
        )

    def reads(self) -> tuple[tuple[Term, ...], ...]:
        return ((Term("slow"), Term("fast", self.gamma)),)

    def buffers(self) -> dict[str, Buffer]:
        return {"mean": Buffer("weight"), "sent": Buffer("weight")}

    def events(self) -> tuple[Event, ...]:
        return (Transfer(every=self.every, source="fast", target="slow", circuit=self.transfer_read),)

    @staticmethod
    def transfer(h, omega, line):
        mean = line.keep * h.mean + (1 - line.keep) * omega
        pulses = 0
        if mean > line.threshold:
            pulses = 1
        if mean < -line.threshold:
            pulses = -1
        return (mean if pulses == 0 else 0 * mean, h.sent + abs(pulses)), pulses
