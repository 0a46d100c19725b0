"""DEVICE on the command line, in every verb that takes one: what its help says, and fits with what they show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mho.cli import names

if TYPE_CHECKING:
    from mho.devices import Device
    from mho.fitting import Fitted
    from mho.measurements import Measurement

WORDS = (
    f"A published device ({', '.join(names.published())}); a law ({', '.join(names.pulse_laws())}), or your own as "
    "module:Class; a TOML file: one with a section device, or only what stands in it; pulses (.csv, .txt, .tsv, "
    ".dat), to which laws are fitted; or a jump table or its folder."
)
Named = Annotated[str, typer.Argument(metavar="DEVICE", help=WORDS, autocompletion=names.complete(names.devices))]
"""The argument DEVICE."""


def find_device_shown(name: str) -> Device:
    """Return a device as `mho.fitting.find_device`; how pulses were read, and the fit, show on standard error."""
    from mho.fitting import find_device

    return find_device(name, fit=_fit)


def _fit(measurement: Measurement) -> Fitted:
    from mho.cli.device_fit import find_laws, fit_shown
    from mho.cli.measured import show_reading

    show_reading(measurement)
    return fit_shown(measurement, find_laws(None))
