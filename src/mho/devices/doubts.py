"""Values of a device that are allowed, and may have been meant otherwise."""

from __future__ import annotations

import math

from mho.devices.base import Device
from mho.per_replica import lengths, of_replica

WEIGHTS = ("dw_min", "w_max", "w_min", "noise", "write_noise", "read_variation", "decay_to")
"""Fields that are weights, as the bounds are."""


def doubts(device: Device) -> tuple[str, ...]:
    """Return a question for each value that looks like per cent given as a number, or like another unit.

    Asked about: c2c and relative spreads above 1; a step, a noise or a standard deviation as large as the range of
    weights. Published devices have such values (c2c of 5 for HfO₂), so they are questions and no errors.

    Args:
        device: device of any law; with lists, each replica's device is looked at.
    """
    replicas = next(iter(lengths(device).values()), None)
    each = [device] if replicas is None else [of_replica(device, r) for r in range(replicas)]
    return tuple(dict.fromkeys(question for one in each for question in _of_one(one)))


def _of_one(device: Device) -> list[str]:
    fields = device.parameters()
    scale = fields["w_max"].mean - fields["w_min"].mean if device.pulse_driven else math.inf
    found = []
    for name, parameter in fields.items():
        if parameter.spread > 1:
            found.append(per_cent(f"the spread of {name}", parameter.spread, "of its mean"))
        if name == "c2c" and parameter.mean > 1:
            found.append(per_cent(name, parameter.mean, "of a step in each pulse"))
        if name not in WEIGHTS:
            continue
        if name in ("noise", "write_noise", "read_variation") and parameter.mean >= scale:
            found.append(_of_range(name, parameter.mean, scale))
        if parameter.std >= scale:
            found.append(_of_range(f"the std of {name}", parameter.std, scale))
        if name == "dw_min" and parameter.mean >= scale:
            found.append(
                f"dw_min is {parameter.mean:g}, and the range of weights is {scale:g}: one pulse would cross it; steps "
                "are in the units of w_max and w_min"
            )
    return found


def per_cent(what: str, value: float, of: str) -> str:
    """Return the question about a fraction above 1, with how the same number of per cent is written."""
    return f"{what} is {value:g}, {100 * value:g} % {of}; {value:g} % is written {value / 100:g}"


def _of_range(what: str, value: float, scale: float) -> str:
    return (
        f"{what} is {value:g}, as large as the whole range of weights ({scale:g}); it is in the units of w_max and "
        f"w_min: {value:g} % of the range is written {value / 100 * scale:g}"
    )
