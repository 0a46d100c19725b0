"""What stands in the way of training on a device, told from its numbers before a network is trained."""

from __future__ import annotations

from typing import Any

from mho.devices import Device

RATE, LENGTH = 0.01, 10
"""Learning rate and pulses of a train that mho train takes by default."""
SATURATED = 4.0
"""Pulses in a slot that an error signal and an input of 1 call for: above 1 the train is cut."""
COARSE = 16.0
"""States below which a single pulse is as large as a typical weight."""
WILD = 3.0
"""Noise of a step over the step from which few pulses go the way they should."""


def hard_to_train(device: Device) -> list[str]:
    """Sentences on why a network will hardly train on this device, with what to change.

    Args:
        device: nominal values of step and bounds count; a device without `dw_min` has none to tell.
    """
    values: dict[str, Any] = {name: parameter.mean for name, parameter in device.parameters().items()}
    if "dw_min" not in values:
        return []
    told, step = [], float(values["dw_min"])
    states = float(values["w_max"] - values["w_min"]) / step
    wanted = RATE / (LENGTH * step)
    if wanted > SATURATED:
        told.append(
            f"Pulse probabilities saturate: with steps of {step:.2g}, a learning rate of {RATE:g} and {LENGTH} pulses "
            f"per train, updates call for up to {wanted:.0f} pulses in a slot, and 1 is sent. Give a smaller "
            "training.lr, longer trains (update.length, at most 64), or a larger range with --w-max."
        )
    if states < COARSE:
        told.append(
            f"{states:.0f} states are few: one pulse moves a weight by as much as a typical weight is worth. Use "
            "several devices per weight (cell.kind = Replicated with cell.n)."
        )
    if float(values.get("c2c", 0.0)) > WILD:
        told.append(
            f"The noise of a step is {values['c2c']:.2g} times the step: a pulse hardly goes the way it should. "
            "Measure each state several times to see whether this is noise of readings, or use several devices per "
            "weight (cell.kind = Replicated with cell.n)."
        )
    return told
