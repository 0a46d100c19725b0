"""What mho map has to show, from a model or a run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from mho.cli.networks import find_network
from mho.config import RPU
from mho.errors import an
from mho.hardware import (
    ArraySize,
    Constants,
    Digital,
    LayerEnergy,
    NetworkTime,
    TrainingCost,
    layer_energy,
    network_time,
    read_constants,
    rows_of,
    trace,
)

IMAGE_AXES = 3
"""Channels, height, width."""


@final
@dataclasses.dataclass(frozen=True)
class Result:
    """A network on arrays.

    Attributes:
        name: of the model or the run.
        sizes: the arrays there are.
        time: the layers where they are put.
        digital: layers with parameters that no array holds.
        example: word for what goes through the network: "image".
        idle: layers that an example does not reach.
        energy: of an example, layer by layer; None unless asked for.
        cost: what a run counted; None of a model.
        constants: of the energy; None without.
    """

    name: str
    example: str
    sizes: Sequence[ArraySize]
    time: NetworkTime
    digital: Sequence[Digital]
    idle: Sequence[str]
    energy: Sequence[LayerEnergy] | None
    cost: TrainingCost | None
    constants: Constants | None

    @property
    def an_example(self) -> str:
        """The word for what goes through the network, with its article."""
        return an(self.example)


def from_model(
    name: str,
    input_shape: str | None,
    sizes: Sequence[ArraySize],
    copies: Mapping[str, int],
    *,
    rpus: tuple[RPU, Mapping[str, RPU]],
    exclude: Sequence[str],
    bias_column: bool,
    constants: Path | None,
    energy: bool,
) -> Result:
    """A network before it is trained."""
    rpu, special = rpus
    network = find_network(name, input_shape)
    traced = trace(network, exclude=exclude)
    time = network_time(rows_of(traced, rpu, layers=special, bias_column=bias_column), sizes, copies=copies)
    known = read_constants(constants) if energy else None
    energies = [layer_energy(layer, known) for layer in time.layers] if known is not None else None
    example = "image" if len(network.image) == IMAGE_AXES else "example"
    return Result(name, example, sizes, time, traced.digital, traced.idle, energies, None, known)


def from_run(
    folder: Path, sizes: Sequence[ArraySize], copies: Mapping[str, int], *, constants: Path | None, energy: bool
) -> Result:
    """The arrays of a run folder, and what training cost them."""
    from mho.report import read_folder, run_cost, run_rows

    run = read_folder(folder)
    time = network_time(run_rows(run), sizes, copies=copies)
    known = read_constants(constants)
    cost = run_cost(run, time, known)
    energies = [layer_energy(layer, known) for layer in time.layers] if energy else None
    return Result(str(folder), run.examples.removesuffix("s"), sizes, time, (), (), energies, cost, known)
