"""Devices as `mho.measurements.named_device` finds them, and fitted where DEVICE is a file of pulses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mho.devices import Device
from mho.errors import InvalidValue, in_words
from mho.fitting.laws import Fitted, fit_laws
from mho.measurements import Format, Measurement, is_measured, read_measured
from mho.measurements.jump_table_device import jump_table_device
from mho.measurements.named_device import named_device
from mho.spoken import option


@in_words
def find_device(name: str, *, form: Format | None = None, fit: Callable[[Measurement], Fitted] = fit_laws) -> Device:
    """Return a device by its name, its file, or what was measured of it.

    Args:
        name: a published device ("reram_es"), a law ("SoftBounds"), your own law as "module:Class"; a TOML file with a
            section [device], or only what stands in it; a file of pulses (.csv, .txt, .tsv, .dat), to which laws are
            fitted; or a jump table, or the folder of its files.
        form: how a file of pulses is written, where it does not say so itself.
        fit: fits laws to pulses; `fit_laws` tries the laws of mho.

    Raises:
        InvalidValue: for a name of none of these, with the nearest; for a file with faults, under its name; for a
            `form` of what is no file of pulses.
        LawError: for a law that cannot be compiled.
    """
    if not is_measured(name):
        if form is not None and form.given:
            options, them = ", ".join(map(option, form.given)), "it" if len(form.given) == 1 else "them"
            raise InvalidValue(f"{options}: no effect on {name}, which is no file of pulses; leave {them} out")
        return named_device(name)
    measured = read_measured(Path(name), form)
    if isinstance(measured, Measurement):
        return fit(measured).best.device
    return jump_table_device(measured)[0]
