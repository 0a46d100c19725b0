"""DEVICE on the command line, in every verb that takes a device: what the help says, and fits with what they show."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mho.cli import names
from mho.cli.measured import show_reading, words_of

if TYPE_CHECKING:
    from mho.devices import Device
    from mho.fitting import Fitted
    from mho.measurements import Format, Measurement

WORDS = (
    f"A published device ({', '.join(names.published())}); a law ({', '.join(names.pulse_laws())}), or your own as "
    "module:Class; a TOML file with a section device, or with only the keys of such a section; pulses (.csv, .txt, "
    ".tsv, .dat), to which laws are fitted; or a jump table or its folder."
)
Named = Annotated[str, typer.Argument(metavar="DEVICE", help=WORDS, autocompletion=names.complete(names.devices))]
"""The argument DEVICE."""


def find_device_shown(name: str, form: Format | None) -> Device:
    """Return a device as `mho.fitting.find_device`; how pulses were read, and the fit, show on standard error."""
    from mho.fitting import find_device

    return find_device(name, form=form, fit=_fit)


def find_devices_shown(names: Sequence[str], form: Format | None) -> list[Device]:
    """Return devices as `find_device_shown`; options of how pulses are read are of those that are files of pulses."""
    from mho.measurements import is_measured

    measured = [is_measured(name) for name in names]
    alone = not any(measured)  # which is refused
    return [find_device_shown(name, form if own or alone else None) for name, own in zip(names, measured, strict=True)]


def trained_on(name: str, form: Format | None) -> str:
    """Return how `mho train` takes a device: `--device reram_es`, or `--measured pulses.csv --columns ...`."""
    from mho.measurements import is_measured

    option = "--measured" if is_measured(name) else "--device"
    return " ".join([option, shlex.quote(name), *words_of(form)])


def _fit(measurement: Measurement) -> Fitted:
    from mho.cli.device_fit import find_laws, fit_shown

    show_reading(measurement)
    return fit_shown(measurement, find_laws(None))
