"""Tiki-Taka: gradients gather in a fast bank, whose columns are transferred to a slow bank."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, final

from mho.banks import BankSpec
from mho.cells.base import Buffer, Term
from mho.cells.checks import check_idle
from mho.cells.events import Event
from mho.cells.fast_slow import FAST, SLOW, Buffered, FastSlow, gain, left_of, pulses_of
from mho.cells.rule import TransferRule
from mho.cells.transfer import PulsedTransfer
from mho.devices import Device
from mho.errors import Faults, shown
from mho.periphery import Exact, Pulses, Read

BUFFER = ("buffer_scale", "threshold", "max_pulses", "forget", "momentum", "weigh_reads")
"""Settings of the buffer, which have no effect without a buffer."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class TikiTaka(Buffered):
    """W = slow + visible·c·fast: vectors pulse the fast bank, readings of its columns move the slow bank.

    With `buffer=False` it is the first version (TTv1): a reading ω drives the rows of the slow bank in pulse trains of
    its own, so that the column moves by transfer_lr·η·ω in the mean. With the buffer it is the second version (TTv2),
    in which readings add up digitally and a full buffer sends one pulse; with `chopper` above 0 it is chopped (c-TTv2),
    so that a constant error of the reference cancels.

    The fast bank starts at its reference, where reads see 0, and forgets by the asymmetry of its devices, so they need
    a symmetry point, and the reference has to stand near it. Memory per weight: two devices, and one number with the
    buffer; per column a sign and a count.

    Attributes:
        buffer: whether readings add up in a digital buffer.
        slow_update: pulse trains of the slow bank where `buffer` is False; None: the RPU's.

    Source: T. Gokmen, W. Haensch, Front. Neurosci. 14:103 (2020); T. Gokmen, Front. Artif. Intell. 4:699148 (2021);
    M. J. Rasch et al., Nat. Commun. 15:7133 (2024), arXiv 2303.04721. The default of `buffer_scale` is ours.
    """

    buffer: bool = True
    slow_update: Pulses | None = None

    def _check(self, faults: Faults) -> None:
        super()._check(faults)
        faults.flag("buffer", self.buffer)
        if self.slow_update is not None and not isinstance(self.slow_update, Pulses):
            faults.add(f"slow_update is {shown(self.slow_update)}; give for example mho.Pulses(length=10), or None")
        if self.buffer and self.slow_update is not None:
            faults.add("slow_update has no effect with the buffer, which sends single pulses; leave it out")
        if not self.buffer:
            if self.chopper:
                faults.add(
                    "chopper needs the buffer, which sets readings right by the sign; give buffer=True, or chopper=0"
                )
            check_idle(self, faults, BUFFER)

    def banks(self, device: Device, update: Pulses | Exact) -> tuple[BankSpec, ...]:
        fast, slow = super().banks(device, update)
        return fast, slow if self.slow_update is None else dataclasses.replace(slow, update=self.slow_update)

    def refuses(self, device: Device, forward: Read, backward: Read, update: Pulses | Exact) -> str | None:
        own = self.slow_update or update
        given = isinstance(own, Pulses) and own.x_gain is not None and own.d_gain is not None
        if not self.buffer and given and self.transfer_lr != 1:
            return (
                f"TikiTaka.transfer_lr is {self.transfer_lr!r} and would have no effect: x_gain and d_gain set the "
                "pulses of the slow bank; leave one of them out of slow_update, or give transfer_lr=1"
            )
        return super().refuses(device, forward, backward, update)

    def visible_term(self) -> Term:
        return super().visible_term() if self.buffer else FastSlow.visible_term(self)

    def buffers(self) -> Mapping[str, Buffer]:
        return super().buffers() if self.buffer else FastSlow.buffers(self)

    def transfer_event(self) -> Event:
        if self.buffer:
            return super().transfer_event()
        return PulsedTransfer(every=self.every, source=FAST, target=SLOW, circuit=self.transfer, factor="transfer_lr")

    def rules(self, lr: float, steps: Mapping[str, float], columns: int) -> tuple[TransferRule, ...]:
        if self.buffer:
            return super().rules(lr, steps, columns)
        cure = "a higher cell.transfer_lr, or a higher training.lr"
        return (TransferRule(source=FAST, target=SLOW, every=self.every, circuit=self.transfer, cure=cure),)

    def summary(self) -> str:
        kind = "chopped" if self.chopper else "buffered" if self.buffer else "without a buffer"
        return f"with a fast and a slow device per weight, {kind}"

    @staticmethod
    def decide(h: Any, omega: Any, line: Any) -> Any:
        """Return the new buffer of a weight, and the pulses, of either sign, that follow from a reading.

        Args:
            h: buffers of the weight, its buffer.
            omega: the reading of the weight's column, in units of its bank.
            line: buffers of the column, and the settings of the cell and of the transfer that are numbers.
        """
        total = h.buffer + gain(line) * line.sign * omega
        pulses = pulses_of(total, line)
        return left_of(total, pulses, line), pulses
