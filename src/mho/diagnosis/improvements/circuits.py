"""Better circuits around an array: quieter and wider reads, finer converters, managed pulse trains."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, final

from mho.diagnosis.improvements.base import Improvement, NotApplicable, Setup
from mho.periphery import Pulses, Read

MOST_BITS, LONGEST = 24, 64
"""Limits of `Read` and `Pulses`."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadChange(Improvement):
    """Other fields of the forward and the backward read.

    Attributes:
        change: better fields of a read by name; none where there is nothing to improve.
        done: why nothing is left to improve.
    """

    key: str
    name: str
    change: Callable[[str, Read], dict[str, Any]]
    done: str

    def apply(self, setup: Setup) -> Setup:
        reads = {side: getattr(setup.rpu, side) for side in ("forward", "backward")}
        better = {
            side: dataclasses.replace(read, **fields)
            for side, read in reads.items()
            if (fields := self.change(side, read))
        }
        if not better:
            raise NotApplicable(self.done)
        return dataclasses.replace(setup, rpu=setup.rpu.replace(**better))


def _quieter(side: str, read: Read) -> dict[str, Any]:
    return {"noise": read.noise / 2} if read.noise else {}


def _wider(side: str, read: Read) -> dict[str, Any]:
    return {"bound": 2 * read.bound} if read.bound is not None else {}


def _managed(side: str, read: Read) -> dict[str, Any]:
    """Return noise management of the backward read, whose errors become small, and bound management of the forward."""
    if side == "backward":
        return {} if read.noise_management or not read.noise else {"noise_management": True}
    return {} if read.bound_management or read.bound is None else {"bound_management": True}


def _finer(side: str, read: Read) -> dict[str, Any]:
    return {
        name: min(bits + 2, MOST_BITS)
        for name in ("dac_bits", "adc_bits")
        if (bits := getattr(read, name)) is not None and bits < MOST_BITS
    }


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class PulseChange(Improvement):
    """Other fields of the pulse trains.

    Attributes:
        change: better fields of trains by name; none where there is nothing to improve.
        done: why nothing is left to improve.
    """

    key: str
    name: str
    change: Callable[[Pulses], dict[str, Any]]
    done: str

    def apply(self, setup: Setup) -> Setup:
        update = setup.rpu.update
        if not isinstance(update, Pulses):
            raise NotApplicable("updates are exact")
        fields = self.change(update)
        if not fields:
            raise NotApplicable(self.done)
        return dataclasses.replace(setup, rpu=setup.rpu.replace(update=dataclasses.replace(update, **fields)))


def _balanced(update: Pulses) -> dict[str, Any]:
    managed = update.update_management or update.length_management
    return {} if managed else {"update_management": True}


def _longer(update: Pulses) -> dict[str, Any]:
    return {"length": min(4 * update.length, LONGEST)} if update.length < LONGEST else {}


CIRCUITS: tuple[Improvement, ...] = (
    ReadChange(key="quieter-reads", name="half the read noise", change=_quieter, done="reads have no noise"),
    ReadChange(key="wider-reads", name="bounds of reads twice as wide", change=_wider, done="reads have no bounds"),
    ReadChange(
        key="managed-reads",
        name="noise and bound management",
        change=_managed,
        done="they are on, or have nothing to manage",
    ),
    ReadChange(
        key="finer-converters",
        name="2 bits more in each converter",
        change=_finer,
        done="no converter has a number of bits",
    ),
    PulseChange(key="update-management", name="update management", change=_balanced, done="it is on"),
    PulseChange(
        key="longer-trains", name="pulse trains 4 times as long", change=_longer, done=f"they have {LONGEST} slots"
    ),
)
