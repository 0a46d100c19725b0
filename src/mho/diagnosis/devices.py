"""Checks of devices that do not keep, or do not take, what training writes."""

from __future__ import annotations

import dataclasses
import math
from typing import final

from mho.cells import Single
from mho.diagnosis.cures import device_fields
from mho.diagnosis.finding import Check, Finding, NetworkNumbers, per_cent


@final
class StuckDevices(Check):
    """Share of an update that falls on devices that are stuck.

    A gradient is spread over all devices of an array alike, so the share of devices that are stuck is the share of its
    power that moves nothing. At one half more of a step is lost than carried out. Looked at are devices with a share
    of stuck ones.

    Source: C.-Y. Chen et al., IEEE Trans. Comput. 64:180 (2015), for the fault; the limit is ours.
    """

    name = "stuck devices"
    meaning = "most of an update falls on devices that no pulse moves"

    def look(self, network: NetworkNumbers) -> Finding | None:
        seen = [n for n in network.arrays if n.stuck]
        if not seen:
            return None
        worst = max(seen, key=lambda n: n.stuck)
        number = f"{per_cent(worst.stuck)} of the devices are stuck"
        fewer = device_fields(worst.rpu, {"stuck": lambda value: value / 4})
        other = "several devices per weight" if worst.rpu.cell == Single() else ""
        found = self.found(network, worst, worst.stuck, number, settings=fewer, other=other)
        return dataclasses.replace(found, rank=0)


@final
class Forgetting(Check):
    """Share of what training has written that decay has taken.

    Weights that shrink by the rate r per step keep, of what N steps have written evenly, (1 - exp(-rN))/(rN). Lost is
    the rest: at one half, more of the training is gone than there. N is the number of steps since the start. Looked
    at are devices with a decay.

    Source: the exponential law of `mho.devices.effects.Decay`; the limit is ours.
    """

    name = "decay"
    meaning = "devices forget faster than training writes: more of it is gone than kept"

    def look(self, network: NetworkNumbers) -> Finding | None:
        seen = [(self._lost(n.forgetting * self._steps(n.seen, n.vectors, network.batch)), n) for n in network.arrays]
        seen = [entry for entry in seen if entry[1].forgetting]
        if not seen:
            return None
        lost, worst = max(seen, key=lambda entry: entry[0])
        steps = self._steps(worst.seen, worst.vectors, network.batch)
        number = (
            f"weights fall to 1/e in {1 / worst.forgetting:.3g} steps, and training has made {steps:,.0f}, of which "
            f"{per_cent(lost)} is forgotten"
        )
        slower = device_fields(worst.rpu, {"decay": lambda value: value / 10})
        found = self.found(network, worst, lost, number, settings=slower)
        return dataclasses.replace(found, rank=0)

    @staticmethod
    def _steps(seen: int, vectors: float, batch: int | None) -> float:
        return seen / max(vectors, 1) / (batch or 1)

    @staticmethod
    def _lost(forgotten: float) -> float:
        return 1 + math.expm1(-forgotten) / forgotten if forgotten else 0.0
