"""The device of `mho train --measured`: fitted to pulses, or tables of steps as they were measured."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mho.cli.measured import show_reading, words_of
from mho.errors import InvalidValue, nearest
from mho.files import refuse_full

if TYPE_CHECKING:
    from mho.fitting import Fitted
    from mho.measurements import Format

DEVICE_PAGE = "device.html"
MEASURED_AS = ("law", "table")


def check_measured(
    files: Sequence[Path] | None, device: str | None, kind: str | None, extrapolate: bool, form: Format | None
) -> None:
    """Refuse two devices, and options of --measured without it."""
    if files:
        if device is not None:
            raise InvalidValue("--measured and --device both give the device; give one of them")
        return
    alone = [
        *(["--measured-as"] if kind is not None else []),
        *(["--extrapolate"] if extrapolate else []),
        *words_of(form)[:1],
    ]
    if alone:
        raise InvalidValue(f"{alone[0]} has no effect without --measured; give the file of pulses too")


def told_apart(files: list[Path] | None, device: str | None) -> tuple[list[Path] | None, str | None]:
    """Return --measured and --device as they are meant: a device that is measured pulses is that of --measured."""
    if device is None or files:
        return files, device
    from mho.measurements import is_measured  # takes a second, which a run without --device need not wait

    if not is_measured(device):
        return files, device
    return [Path(device)], None


def measured_device(
    files: Sequence[Path], form: Format | None, kind: str | None, extrapolate: bool, full: Path | None
) -> tuple[Fitted | None, dict[str, Any]]:
    """Return the fit to measured pulses, if laws were fitted, and the table of the device to train on.

    Args:
        files: files of --measured.
        form: how they are written.
        kind: kind of --measured-as.
        extrapolate: whether bounds beyond the measured range are taken.
        full: folder that must not hold anything yet; None: any may.
    """
    from mho.cli.device_fit import find_laws, fit_shown
    from mho.fitting import device_table
    from mho.fitting.table_devices import tables_as_read
    from mho.measurements import JumpTables, read_measured
    from mho.measurements.jump_table_device import jump_table_device
    from mho.tables import table_of

    if kind not in (None, *MEASURED_AS):
        raise InvalidValue(f"--measured-as: unknown value {kind}{nearest(str(kind), MEASURED_AS)}")
    if full is not None:
        refuse_full(full)
    measured = read_measured(files, form)
    if isinstance(measured, JumpTables):
        if kind == "law":
            raise InvalidValue(
                f"{measured.source}: laws are fitted to pulses, and these are jump tables: leave out law"
            )
        _refuse_extrapolate(extrapolate)
        print(f"measured: jump tables of {measured.source}, as they are", file=sys.stderr)
        return None, table_of(jump_table_device(measured)[0])
    show_reading(measured)
    if kind == "table":
        _refuse_extrapolate(extrapolate)
        made = tables_as_read(measured)
        if not made:
            raise InvalidValue(f"{measured.source}: a table needs up and down pulses, and one direction was measured")
        print("measured: JumpTable, the steps as they were measured", file=sys.stderr)
        return None, table_of(made[0])
    fitted = fit_shown(measured, find_laws(None), extrapolate=extrapolate)
    print(f"measured: {fitted.best.name} fits best; the page of the fit is {DEVICE_PAGE}", file=sys.stderr)
    for sentence in (fitted.verdict, *fitted.worth.sentences):
        print(f"measured: {sentence}", file=sys.stderr)
    return fitted, device_table(fitted.best)


def write_measured(fitted: Fitted, folder: Path, files: Sequence[Path], form: Format | None, extrapolate: bool) -> None:
    """Write the files and the page of a fit into a run folder."""
    from mho.cli.device_fit import write_fit

    named = [f"--measured {shlex.quote(str(file))}" for file in files]
    words = " ".join([*named, *(["--extrapolate"] if extrapolate else []), *words_of(form)])
    write_fit(fitted, folder, command=f"mho train {words}", page=DEVICE_PAGE)


def _refuse_extrapolate(extrapolate: bool) -> None:
    if extrapolate:
        raise InvalidValue(
            "--extrapolate has no effect on a table of steps, which ends where it was measured; leave it out"
        )
