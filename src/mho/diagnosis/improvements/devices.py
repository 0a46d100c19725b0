"""Better devices: finer, more equal, quieter, of a wider range, more durable."""

from __future__ import annotations

import dataclasses
from typing import final

from mho.devices.fields import as_per_cell
from mho.devices.per_cell import PerCell
from mho.diagnosis.improvements.base import FieldChange, Improvement, NotApplicable, Setup, spreading


def _halved(value: PerCell) -> PerCell:
    """Return a field of half the mean, and half the standard deviation where that is not relative."""
    return dataclasses.replace(value, mean=value.mean / 2, std=value.std / 2)


def _doubled(value: PerCell) -> PerCell:
    return dataclasses.replace(value, mean=value.mean * 2, std=value.std * 2)


def _equal(value: PerCell) -> PerCell:
    """Return a ratio of 1 in every device."""
    return PerCell(1.0)


def _never(value: PerCell) -> PerCell:
    return PerCell(0.0)


SMALLER_STEPS = FieldChange(
    key="smaller-steps",
    name="steps half as large",
    fields=("dw_min",),
    change=_halved,
    missing="{law} has no field dw_min",
    done="its steps are 0",
)
EQUAL_STEPS = FieldChange(
    key="equal-steps",
    name="steps up and down equal at w = 0",
    fields=("up_down",),
    change=_equal,
    missing="{law} has no field up_down",
    done="they are equal",
)
QUIETER_STEPS = FieldChange(
    key="quieter-steps",
    name="half the cycle-to-cycle noise",
    fields=("c2c", "noise", "noise_slope"),
    change=_halved,
    missing="{law} has no cycle-to-cycle noise",
    done="it has none",
)
QUIETER_STATES = FieldChange(
    key="quieter-states",
    name="half the noise of written and read states",
    fields=("write_noise", "read_variation", "diffusion"),
    change=_halved,
    missing="{law} has no such noise",
    done="it has none",
)
WIDER_BOUNDS = FieldChange(
    key="wider-bounds",
    name="bounds of weights twice as wide",
    fields=("w_max", "w_min"),
    change=_doubled,
    missing="{law} has no bounds",
    done="it has none",
)
NO_STUCK = FieldChange(
    key="no-stuck-devices",
    name="no stuck devices",
    fields=("stuck",),
    change=_never,
    missing="{law} has no stuck devices",
    done="it has none",
)
LONGER_RETENTION = FieldChange(
    key="longer-retention",
    name="half the decay and drift",
    fields=("decay", "drift"),
    change=_halved,
    missing="{law} does not forget",
    done="it does not forget",
)


@final
@dataclasses.dataclass(frozen=True)
class AlikeDevices(Improvement):
    """Half the spread of every field from device to device."""

    key: str = "alike-devices"
    name: str = "half the spread from device to device"

    def apply(self, setup: Setup) -> Setup:
        device = setup.rpu.device
        halved = {
            name: dataclasses.replace(value, spread=value.spread / 2, std=value.std / 2)
            for name in spreading(device)
            for value in [as_per_cell(getattr(device, name))]
            if value.distribution != "bernoulli"
        }
        if not halved:
            raise NotApplicable("all devices are alike")
        return setup.with_device(**halved)


DEVICES: tuple[Improvement, ...] = (
    SMALLER_STEPS,
    EQUAL_STEPS,
    AlikeDevices(),
    QUIETER_STEPS,
    QUIETER_STATES,
    WIDER_BOUNDS,
    NO_STUCK,
    LONGER_RETENTION,
)
