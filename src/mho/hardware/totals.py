"""What a whole network takes on arrays for each example, beside conventional hardware.

A multiply-accumulate (MAC) is two operations, a product and a sum. Inference is one cycle, training three: forward,
backward and update, each with a MAC for every weight and vector. Throughput, power and efficiency are those of a
pipeline, in which an example takes as long as the slowest layer. What circuits draw while they wait is not counted, so
power is energy over time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import final

from mho.arrays import ArrayRow
from mho.errors import InvalidValue
from mho.hardware.area import layer_area
from mho.hardware.constants import Constants, read_constants
from mho.hardware.cost import TrainingCost
from mho.hardware.energy import layer_energy
from mho.hardware.sizes import GOKMEN_2017, ArraySize
from mho.hardware.time import CYCLES, NetworkTime, network_time

OPERATIONS_PER_MAC = 2


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    """What a kind of work takes for each example.

    Attributes:
        operations: of an example.
        time: [s] from one example to the next, in a pipeline.
        latency: [s] of one example, layer after layer.
        energy: (least, most) [J] of an example.
        arrays: physical arrays that work.
        cross_points: devices of all these arrays, used or not.
        used: devices that hold weights.
        area: [m²] of all arrays with their circuits.
    """

    operations: int
    time: float
    latency: float
    energy: tuple[float, float]
    arrays: int
    cross_points: int
    used: int
    area: float

    @property
    def utilisation(self) -> float:
        """Return the share of the devices that hold weights, 0 to 1."""
        return self.used / self.cross_points

    @property
    def throughput(self) -> float:
        """Return the operations per second."""
        return self.operations / self.time

    @property
    def power(self) -> tuple[float, float]:
        """Return the least and the most power [W]."""
        return self.energy[0] / self.time, self.energy[1] / self.time

    @property
    def efficiency(self) -> tuple[float, float]:
        """Return the least and the most operations per joule, the same as operations per second and watt."""
        return self.operations / self.energy[1], self.operations / self.energy[0]


@final
@dataclasses.dataclass(frozen=True)
class Conventional:
    """Conventional hardware at its peak.

    Attributes:
        rate: operations per second, greater than 0.
        power: [W], greater than 0.
        source: where the rate comes from.
    """

    rate: float
    power: float
    source: str

    def time(self, operations: int) -> float:
        """Return the time [s] of a number of operations at the peak rate, operations / rate."""
        return operations / self.rate

    def energy(self, operations: int) -> float:
        """Return the energy [J] of a number of operations at the peak rate, power · operations / rate."""
        return self.power * self.time(operations)

    @property
    def efficiency(self) -> float:
        """Return the operations per joule at the peak rate."""
        return self.rate / self.power


def conventional(constants: Constants) -> Conventional:
    """Return the conventional hardware that a table of constants describes; the source is that of its rate."""
    rate, power = (constants.table[name] for name in ("conventional_rate", "conventional_power"))
    return Conventional(rate.value, power.value, rate.source)


def parse_conventional(text: str) -> Conventional:
    """Read `TOPS:WATTS`, for example 312:400: 10¹² operations per second, and watts.

    Raises:
        InvalidValue: for another form.
    """
    rate, _, power = text.partition(":")
    try:
        found = float(rate) * 1e12, float(power)
    except ValueError:
        found = 0.0, 0.0
    if not all(0 < number < 1e30 for number in found):
        raise InvalidValue(
            f"--conventional {text!r}: write TOPS:WATTS, both greater than 0, for example --conventional 312:400"
        )
    return Conventional(*found, "--conventional")


def inference_totals(time: NetworkTime, constants: Constants) -> Workload:
    """Return what inference takes: one forward cycle for each example, on arrays that are not trained."""
    energy = sum(layer_energy(layer, constants).forward.total for layer in time.layers)
    return Workload(
        operations=OPERATIONS_PER_MAC * time.macs,
        time=time.pipelined * 1e-9,
        latency=time.sequential * 1e-9,
        energy=(energy, energy),
        arrays=sum(layer.read_arrays for layer in time.layers),
        cross_points=sum(layer.read_arrays * layer.size.rows * layer.size.columns for layer in time.layers),
        used=sum(layer.row.weights * layer.row.read_devices * layer.copies for layer in time.layers),
        area=sum(layer_area(layer, constants, training=False).total for layer in time.layers),
    )


def training_totals(time: NetworkTime, constants: Constants, *, cost: TrainingCost | None = None) -> Workload:
    """Return what a training example takes: three cycles.

    Args:
        time: the layers.
        constants: of `read_constants`.
        cost: what a run counted; without it, or where it does not know its examples, the energy lies between that of
            the reads and that of updates in which every line pulses in every slot.
    """
    if cost is not None and cost.images and cost.reads is not None and cost.trains is not None:
        counted = cost.reads + cost.trains
        energy = (counted + cost.update[0]) / cost.images, (counted + cost.update[1]) / cost.images
    else:
        layers = [layer_energy(layer, constants) for layer in time.layers]
        reads = sum(layer.forward.total + layer.backward.total for layer in layers)
        energy = reads, reads + sum(layer.update_bound.total + layer.transfers.total for layer in layers)
    return Workload(
        operations=OPERATIONS_PER_MAC * len(CYCLES) * time.macs,
        time=time.training_bottleneck.training * 1e-9,
        latency=time.training * 1e-9,
        energy=energy,
        arrays=sum(layer.arrays for layer in time.layers),
        cross_points=sum(layer.arrays * layer.size.rows * layer.size.columns for layer in time.layers),
        used=sum(layer.cross_points for layer in time.layers),
        area=sum(layer_area(layer, constants).total for layer in time.layers),
    )


def costs_per_example(
    rows: Sequence[ArrayRow], sizes: Sequence[ArraySize] = GOKMEN_2017, *, constants: Constants | None = None
) -> dict[str, float]:
    """Return what an example takes, computed from the layers alone, by the names of columns of results.

    `energy_inference_image` and `energy_training_image` [J], the latter at most: every line pulses in every slot;
    `time_inference_image` and `time_training_image` [s], in a pipeline; `area_inference` and `area_training` [m²].
    """
    known = read_constants() if constants is None else constants
    time = network_time(rows, sizes, constants=known)
    works = {"inference": inference_totals(time, known), "training": training_totals(time, known)}
    return {
        **{f"energy_{name}_image": work.energy[1] for name, work in works.items()},
        **{f"time_{name}_image": work.time for name, work in works.items()},
        **{f"area_{name}": work.area for name, work in works.items()},
    }
