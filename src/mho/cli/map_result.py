"""Result of mho map, from a model or a run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from mho.arrays import ArrayRow
from mho.cli.networks import find_network
from mho.config import RPU
from mho.hardware import (
    GOKMEN_2017,
    ArraySize,
    Constants,
    Conventional,
    Digital,
    LayerArea,
    LayerEnergy,
    NetworkTime,
    TrainingCost,
    Workload,
    conventional,
    inference_totals,
    layer_area,
    layer_energy,
    network_time,
    read_constants,
    rows_of,
    trace,
    training_totals,
)

IMAGE_AXES = 3
"""Channels, height, width."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Hardware:
    """Hardware on which a network is mapped.

    Attributes:
        sizes: the arrays there are.
        copies: pattern of layer names to number of copies.
        constants: a file of constants that differ from mho's.
        conventional: what stands beside; None: that of the constants.
    """

    sizes: Sequence[ArraySize] = GOKMEN_2017
    copies: Mapping[str, int] = dataclasses.field(default_factory=dict)
    constants: Path | None = None
    conventional: Conventional | None = None


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """A network on arrays.

    Attributes:
        name: name of the model or the run.
        example: word for what goes through the network: "image".
        time: the layers where they are put.
        energy: energy of an example, layer by layer.
        area: layer by layer, of arrays that are trained.
        inference: totals of inference.
        training: totals of training.
        conventional: what stands beside.
        constants: constants of all models.
        digital: layers with parameters that no array holds.
        idle: layers that an example does not reach.
        cost: what a run counted; None of a model.
    """

    name: str
    example: str
    time: NetworkTime
    energy: Sequence[LayerEnergy]
    area: Sequence[LayerArea]
    inference: Workload
    training: Workload
    conventional: Conventional
    constants: Constants
    digital: Sequence[Digital] = ()
    idle: Sequence[str] = ()
    cost: TrainingCost | None = None


def from_model(
    name: str,
    input_shape: str | None,
    hardware: Hardware,
    *,
    rpus: tuple[RPU, Mapping[str, RPU]],
    exclude: Sequence[str],
    bias_column: bool,
) -> Result:
    """Return a network before it is trained."""
    rpu, special = rpus
    network = find_network(name, input_shape)
    traced = trace(network, exclude=exclude)
    time, constants = _time(rows_of(traced, rpu, layers=special, bias_column=bias_column), hardware)
    example = "image" if len(network.image) == IMAGE_AXES else "example"
    result = _result(name, example, time, constants, hardware)
    return dataclasses.replace(result, digital=traced.digital, idle=traced.idle)


def from_run(folder: Path, hardware: Hardware) -> Result:
    """Return the arrays of a run folder, and what training cost them."""
    from mho.report import run_cost, run_rows
    from mho.runs.folder import read_folder

    run = read_folder(folder)
    time, constants = _time(run_rows(run), hardware)
    cost = run_cost(run, time, constants)
    return _result(str(folder), run.examples.removesuffix("s"), time, constants, hardware, cost)


def _time(rows: Sequence[ArrayRow], hardware: Hardware) -> tuple[NetworkTime, Constants]:
    constants = read_constants(hardware.constants)
    return network_time(rows, hardware.sizes, copies=hardware.copies, constants=constants), constants


def _result(
    name: str,
    example: str,
    time: NetworkTime,
    constants: Constants,
    hardware: Hardware,
    cost: TrainingCost | None = None,
) -> Result:
    return Result(
        name=name,
        example=example,
        time=time,
        energy=[layer_energy(layer, constants) for layer in time.layers],
        area=[layer_area(layer, constants) for layer in time.layers],
        inference=inference_totals(time, constants),
        training=training_totals(time, constants, cost=cost),
        conventional=hardware.conventional or conventional(constants),
        constants=constants,
        cost=cost,
    )
