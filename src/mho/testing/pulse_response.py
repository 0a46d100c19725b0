"""pulse_response: what pulses do to many cells of a device."""

from __future__ import annotations

import dataclasses
import math
from typing import final

import numpy as np
import numpy.typing as npt
import torch

from mho.arrays import Crossbar
from mho.config import RPU
from mho.devices import Device
from mho.devices.measured_cells import in_turn
from mho.devices.symmetry import cell_record, nominal_cell, quiet_step
from mho.errors import Faults, WrongUse, in_words
from mho.per_replica import lengths
from mho.periphery import Pulses
from mho.spoken import one_replica

Floats = npt.NDArray[np.float64]
POINTS = 300
"""At most so many weights of a ramp are kept."""
MOST_PULSES = 20_000
FAR_BELOW = -1e30
"""Programmed, it puts every cell at its lower bound."""
PLACES = 121
"""States at which steps are computed."""


@final
@dataclasses.dataclass(frozen=True)
class PulseResponse:
    """Weights of C cells while pulses drive them from their lower bound up, then down.

    Attributes:
        device: what was pulsed.
        cells: its fields, name to (C,); tables in which cells differ (C, ...).
        turn: up pulses, and as many down pulses.
        pulses: (K,) numbers of pulses at which weights were looked at, from 0 to 2·turn.
        weights: (C, K), in the paper's normalised units.
        symmetry_points: (C,); NaN for cells without.
    """

    device: Device
    cells: dict[str, npt.NDArray[np.float32]]
    turn: int
    pulses: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    symmetry_points: Floats

    def steps(self, number: int | None = None) -> tuple[Floats, Floats, Floats]:
        """Return the up and down steps without noise against the state: (w, up, down), each (S,), in units of weight.

        Both steps are sizes, at least 0.

        Args:
            number: number of the cell, from 0; None: the nominal device.
        """
        cell = nominal_cell(self.device) if number is None else cell_record(self.device, self.cells, number)
        places = np.linspace(cell.w_min, cell.w_max, PLACES)
        up, down = ([abs(quiet_step(self.device, float(w), way, cell)) for w in places] for way in (True, False))
        return places, np.array(up), np.array(down)


@in_words
def pulse_response(device: Device, *, cells: int = 500, pulses: int | None = None, seed: int = 0) -> PulseResponse:
    """Drive cells of an array with up pulses, then with as many down pulses, all noise included.

    Args:
        device: its law takes pulses, and its bounds are finite.
        cells: C, 2 to 100,000.
        pulses: number of pulses of each direction, 1 to 20,000; by default one and a half times the nominal number of
            states.
        seed: seed of the cells and the noise.

    Raises:
        InvalidValue: for numbers out of range, or a device that cannot be driven from bound to bound.
        WrongUse: for a device with lists.
    """
    _check(device, cells, pulses)
    rpu = RPU(device=in_turn(device, 1, cells), update=Pulses(length=1))
    array = Crossbar(rpu, 1, cells, seed=seed)
    array.write(torch.full((1, cells), FAR_BELOW), quiet=True)
    turn = pulses or _enough(device)
    ramp = np.unique(np.linspace(0, turn, min(turn, POINTS) + 1).round().astype(np.int64))
    seen = [array.weight.view(-1).numpy().copy()]
    for sign in (1.0, -1.0):
        for count in np.diff(ramp):
            array.pulse(torch.ones(int(count), cells), torch.full((int(count), 1), sign))
            seen.append(array.weight.view(-1).numpy().copy())
    fields = {name: values.flatten(0, 3).numpy() for name, values in array.cell_parameters().items()}
    return PulseResponse(
        device=device,
        cells=fields,
        turn=turn,
        pulses=np.concatenate([ramp, turn + ramp[1:]]),
        weights=np.stack(seen, axis=1),
        symmetry_points=device.symmetry_point(fields),
    )


def _check(device: object, cells: object, pulses: object) -> None:
    faults = Faults("pulse_response")
    faults.number("cells", cells, low=2, high=100_000, integer=True)
    faults.number("pulses", pulses, low=1, high=MOST_PULSES, integer=True, optional=True)
    if not isinstance(device, Device) or not device.pulse_driven:
        faults.add(f"device is {device!r}; give a device that takes pulses, for example mho.devices.SoftBounds()")
        faults.raise_any()
    assert isinstance(device, Device)
    found = lengths(device)
    if found:
        raise WrongUse(f"pulse_response takes one device, and {', '.join(found)} are lists; {one_replica()}")
    fields = device.parameters()
    if any(math.isinf(fields[name].mean) for name in ("w_max", "w_min")):
        faults.add("w_max or w_min is infinite: a ramp goes from bound to bound; give finite bounds")
    faults.raise_any()


def _enough(device: Device) -> int:
    """Half as many pulses again as the nominal range has steps, rounded to one digit."""
    fields = device.parameters()
    wanted = 1.5 * (fields["w_max"].mean - fields["w_min"].mean) / max(abs(device.mean_step()), 1e-30)
    return int(min(max(float(f"{wanted:.1g}"), 10), MOST_PULSES))
