"""What a training run cost its arrays: pulses and coincidences as energy, and writes a device."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import final

from mho.cells import BankCost, CellCost
from mho.errors import InvalidValue
from mho.hardware.constants import Constants
from mho.hardware.energy import coincidence, half_pulse, read_energy, train_lines, transfer_energy
from mho.hardware.time import NetworkTime, Placed


@final
@dataclasses.dataclass(frozen=True)
class BankWear:
    """What the devices of one bank of a layer took in a run, the mean over replicas.

    Attributes:
        bank: its name.
        coincidences: steps of all its devices together.
        writes: mean steps per pulsed device; how they are spread over the devices is not counted.
    """

    bank: str
    coincidences: float
    writes: float


@final
@dataclasses.dataclass(frozen=True)
class LayerCost:
    """What a run took in one layer, the mean over replicas.

    Attributes:
        placed: the layer.
        pulses: pulses on rows and columns.
        coincidences: steps of all its devices together.
        update: (least, most) energy [J] of these pulses and steps in the arrays. Pulses are counted over rows and
            columns together, and a pulse costs by the length of its line: least if all were on the shorter lines, most
            if on the longer.
        trains: energy [J] of drawing the pulse trains; 0 where there were none, None as for `forward`.
        forward: energy [J] of the forward cycles, repeats of bound management included; None if the number of images
            is not known.
        backward: energy [J] of the backward cycles likewise.
        transfers: energy [J] of readings by transfers and other events, and of their digital work, likewise.
        banks: steps of each bank's devices.
    """

    placed: Placed
    pulses: float
    coincidences: float
    update: tuple[float, float]
    trains: float | None
    forward: float | None
    backward: float | None
    transfers: float | None
    banks: tuple[BankWear, ...]

    @property
    def most_written(self) -> BankWear:
        """Return the wear of the bank whose devices wear out first."""
        return max(self.banks, key=lambda bank: bank.writes)

    @property
    def writes(self) -> float:
        """Return the number of steps per device of the most written bank, the mean over its devices."""
        return self.most_written.writes


@final
@dataclasses.dataclass(frozen=True)
class TrainingCost:
    """What a run took, the mean over replicas; `images` is how many it trained on, None if not known."""

    layers: tuple[LayerCost, ...]
    images: int | None
    endurance: float

    @property
    def update(self) -> tuple[float, float]:
        """Return the least and the most energy [J] of all pulses and steps of the training."""
        return sum(layer.update[0] for layer in self.layers), sum(layer.update[1] for layer in self.layers)

    @property
    def trains(self) -> float | None:
        """Return the energy [J] of drawing all pulse trains; None where the number of images is not known."""
        return _sum(layer.trains for layer in self.layers)

    @property
    def reads(self) -> float | None:
        """Return the energy [J] of all forward and backward cycles and transfers of the training.

        None where the number of images is not known.
        """
        return _sum(part for layer in self.layers for part in (layer.forward, layer.backward, layer.transfers))

    @property
    def most_written(self) -> LayerCost:
        """Return the cost of the layer whose devices wear out first."""
        return max(self.layers, key=lambda layer: layer.writes)

    @property
    def lifetime(self) -> float | None:
        """Return after how many such trainings the mean device of the most written layer is worn out.

        None where no device was written.
        """
        writes = self.most_written.writes
        return self.endurance / writes if writes else None


def training_cost(
    time: NetworkTime,
    counters: Mapping[str, Mapping[str, int]],
    constants: Constants,
    *,
    replicas: int = 1,
    images: int | None = None,
) -> TrainingCost:
    """Turn what the arrays of a run counted into energy and writes.

    Args:
        time: its layers, from `network_time`.
        counters: layer to counter to sum over replicas, as `Crossbar.counters` counts: `pulses`, `coincidences`, and
            `halvings` where there are any; of several banks also each with the bank's name, as in `fast.pulses`.
        constants: of the energy model.
        replicas: networks that the counters are summed over, at least 1.
        images: images trained on, each replica; for the energy of reads.

    Raises:
        InvalidValue: naming the layers without counters.
    """
    faults = [
        f"{layer.row.layer} has no {name}"
        for layer in time.layers
        for name in dict.fromkeys(("pulses", "coincidences", *_names_of_banks(layer)))
        if name not in counters.get(layer.row.layer, {})
    ]
    if replicas < 1 or (images is not None and images < 1):
        faults.append(f"replicas is {replicas} and images {images}; give at least 1")
    if faults:
        raise InvalidValue("the counters lack what energy is made of: " + "; ".join(faults), faults)
    costs = [_layer(layer, counters[layer.row.layer], constants, replicas, images) for layer in time.layers]
    return TrainingCost(tuple(costs), images, constants["endurance"])


def _layer(
    placed: Placed, counters: Mapping[str, int], constants: Constants, replicas: int, images: int | None
) -> LayerCost:
    row = placed.row
    pulses, steps = counters["pulses"] / replicas, counters["coincidences"] / replicas
    trains = forward = backward = transfers = None
    if images is not None:
        vectors = images * row.vectors * row.groups
        # an exact update has neither pulses nor trains
        trains = vectors * train_lines(placed) * constants["pulse_train"] if pulses else 0.0
        repeats = counters.get("halvings", 0) / replicas / (vectors * row.tiles)
        forward = images * (1 + repeats) * read_energy(placed, constants, backward=False).total
        backward = images * read_energy(placed, constants, backward=True).total
        transfers = images * transfer_energy(placed, constants, written=False).total
    least = most = steps * coincidence(constants)
    wear = []
    for bank in row.cell.banks:
        own = {name: counters[_counter(row.cell, bank, name)] / replicas for name in ("pulses", "coincidences")}
        short, long = sorted((row.inputs / placed.across, row.out * bank.devices / placed.down))
        least += own["pulses"] * short * half_pulse(constants)
        most += own["pulses"] * long * half_pulse(constants)
        wear.append(BankWear(bank.name, own["coincidences"], own["coincidences"] / (row.weights * bank.lines)))
    return LayerCost(placed, pulses, steps, (least, most), trains, forward, backward, transfers, tuple(wear))


def _names_of_banks(placed: Placed) -> list[str]:
    """Return the counters of the banks of a layer."""
    cell = placed.row.cell
    return [_counter(cell, bank, name) for bank in cell.banks for name in ("pulses", "coincidences")]


def _counter(cell: CellCost, bank: BankCost, name: str) -> str:
    """Return the name of a bank's counter: that of the array where it has one bank."""
    return name if len(cell.banks) == 1 else f"{bank.name}.{name}"


def _sum(parts: Iterable[float | None]) -> float | None:
    """None if a part is not known."""
    known = list(parts)
    return None if None in known else sum(part for part in known if part is not None)
