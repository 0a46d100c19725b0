"""Record of a measurement: pulses of either direction, and conductances before and after them."""

from __future__ import annotations

import dataclasses
from typing import final

import numpy as np
import numpy.typing as npt

from mho.errors import Faults

Floats = npt.NDArray[np.float64]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """The readings of one device in the order of time, with pulses between them.

    Attributes:
        device: its name.
        values: (K,) readings, in the units of the file; finite.
        pulses: (K - 1,) what happened between one reading and the next: +1 an up pulse, -1 a down pulse, +n or -n that
            many of one direction, 0 that the two are not connected: a gap, or the start of another ramp.
    """

    device: str
    values: Floats
    pulses: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        faults = Faults(f"trace of {self.device}")
        if self.values.ndim != 1 or len(self.values) < 2:
            faults.add(f"values have shape {self.values.shape}; give at least 2 readings of one device")
        elif not np.isfinite(self.values).all():
            faults.add("values hold NaN or infinite readings; leave them out, with 0 pulses between their neighbours")
        if self.pulses.shape != (max(len(self.values) - 1, 0),):
            faults.add(f"pulses have shape {self.pulses.shape}; give one number between each reading and the next")
        faults.raise_any()


@final
@dataclasses.dataclass(frozen=True)
class Decision:
    """Decision on what a column of a file is.

    Attributes:
        column: its number and name.
        taken_as: for example "readings", "count of pulses", "time, left out".
        unit: as the file gives it, "" where it gives none.
        why: what the decision rests on, for example "its unit is V".
    """

    column: str
    taken_as: str
    unit: str
    why: str


@final
class Notes:
    """Notes on how files are read: sentences, which of them are warnings, and decisions on columns."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.warnings: list[str] = []
        self.decisions: list[Decision] = []

    def add(self, *notes: str) -> None:
        """Note sentences."""
        self.found += notes

    def warn(self, warning: str) -> None:
        """Note a sentence about a contradiction, which users see before they rely on the device."""
        self.found.append(warning)
        self.warnings.append(warning)

    def include(self, other: Notes, prefix: str = "") -> None:
        """Add the notes of one file, each begun with its name where there are several."""
        self.found += [prefix + note for note in other.found]
        self.warnings += [prefix + note for note in other.warnings]
        self.decisions += [dataclasses.replace(made, column=prefix + made.column) for made in other.decisions]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Measurement:
    """Devices of one kind, as a file holds them.

    Attributes:
        source: the file.
        traces: one per device.
        unit: unit of the readings, for example "S" or "a.u.".
        notes: how the file was read, a sentence each, for the user.
        warnings: those of the notes that tell of a contradiction.
        decisions: what each column of the file was taken as.
    """

    source: str
    traces: tuple[Trace, ...]
    unit: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()

    def __post_init__(self) -> None:
        faults = Faults("measurement")
        if not self.traces:
            faults.add("it has no traces; give at least one device")
        faults.raise_any()
