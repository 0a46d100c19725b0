"""What any device may do beside its law."""

from __future__ import annotations

import dataclasses
from typing import Any

from mho.devices.per_cell import PerCell
from mho.errors import Faults

SMALLEST = 1e-6
"""Of what acts with time: a weight of 0.5 in float32 takes a step of 1e-6 with an error of 3 %."""
AGEING = ("decay", "decay_to", "drift", "diffusion")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Fields that every law shares; at 0 they cost nothing and stand in no file.

    Each but `stuck` is a number, `mho.per_cell(...)`, or a list of one number a replica. Weights are in normalised
    units; time is counted in updates: an update of an array, a mini-batch, takes 1 (`Crossbar.rest` lets more pass).

    Attributes:
        write_noise: standard deviation of what a pulse leaves to be read of the weight that it wrote, drawn anew at
            each pulse. The written weight is hidden, and the next pulse starts from it.
        read_variation: standard deviation of the weight, drawn anew for each cell and vector read; not of references.
        stuck: share of devices, 0 to 1, that hold a value of their own, even between their bounds, whatever is done.
        decay: rate at which the distance from `decay_to` shrinks: by exp(-decay) an update.
        decay_to: the weight to which devices decay.
        drift: change an update, always in the same direction.
        diffusion: standard deviation of a random walk's step an update.
    """

    write_noise: float = 0.0
    read_variation: float = 0.0
    stuck: float = 0.0
    decay: float = 0.0
    decay_to: float = 0.0
    drift: float = 0.0
    diffusion: float = 0.0

    def options(self) -> dict[str, PerCell]:
        """Those that are on. What acts with time comes together: `AGEING`."""
        own = {field.name: as_per_cell(getattr(self, field.name)) for field in dataclasses.fields(Options)}
        ageing = any(is_on(own[name]) for name in AGEING)
        if _is_share(self.stuck):
            own["stuck"] = PerCell(own["stuck"].mean, distribution="bernoulli")
        return {name: value for name, value in own.items() if (ageing if name in AGEING else is_on(value))}

    def option_faults(self, faults: Faults) -> None:
        """Note values out of range."""
        for name in ("write_noise", "read_variation", "decay", "diffusion"):
            faults.number(name, as_per_cell(getattr(self, name)).mean, low=0.0)
        for name in ("decay", "drift", "diffusion"):
            mean = as_per_cell(getattr(self, name)).mean
            if isinstance(mean, float) and 0 < abs(mean) < SMALLEST:
                faults.add(
                    f"{name} is {mean:g}: less than {SMALLEST:g} an update is lost in float32; give more, or leave it "
                    "out and let the time of many updates pass at once: a device with a larger one, and array.rest(dt)"
                )
        for name in ("decay_to", "drift"):
            faults.number(name, as_per_cell(getattr(self, name)).mean)
        if isinstance(self.stuck, PerCell):
            faults.add(f"stuck is {self.stuck!r}; give the share of devices, a number from 0 to 1")
        elif not _is_share(self.stuck):
            faults.number("stuck", self.stuck, low=0.0, high=1.0)
        if is_on(as_per_cell(self.decay_to)) and not is_on(as_per_cell(self.decay)):
            faults.add("decay_to has no effect without decay; give decay, or leave decay_to out")


def _is_share(value: Any) -> bool:
    """Whether it is a number from 0 to 1, or a list of them."""
    each = value if isinstance(value, tuple) else (value,)
    return all(isinstance(one, (int, float)) and 0 <= one <= 1 for one in each)


def as_per_cell(value: Any) -> PerCell:
    """A field's value as a `PerCell`."""
    if isinstance(value, PerCell):
        return value
    return PerCell(tuple(float(v) for v in value) if isinstance(value, tuple) else float(value))  # type: ignore[arg-type]


def is_on(value: PerCell) -> bool:
    """Whether it does anything."""
    means = value.mean if isinstance(value.mean, tuple) else (value.mean,)
    return value.varies or any(mean != 0 for mean in means)


OPTIONS = tuple(field.name for field in dataclasses.fields(Options))
