"""What mho map has to show, from a model or a run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from mho.cli.networks import find_network
from mho.config import RPU
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


@final
@dataclasses.dataclass(frozen=True)
class Result:
    """A network on arrays.

    Attributes:
        name: of the model or the run.
        sizes: the arrays there are.
        time: the layers where they are put.
        digital: layers with parameters that no array holds.
        idle: layers that an image does not reach.
        energy: of an image, layer by layer; None unless asked for.
        cost: what a run counted; None of a model.
        constants: of the energy; None without.
    """

    name: str
    sizes: Sequence[ArraySize]
    time: NetworkTime
    digital: Sequence[Digital]
    idle: Sequence[str]
    energy: Sequence[LayerEnergy] | None
    cost: TrainingCost | None
    constants: Constants | None


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
    traced = trace(find_network(name, input_shape), exclude=exclude)
    time = network_time(rows_of(traced, rpu, layers=special, bias_column=bias_column), sizes, copies=copies)
    known = read_constants(constants) if energy else None
    energies = [layer_energy(layer, known) for layer in time.layers] if known is not None else None
    return Result(name, sizes, time, traced.digital, traced.idle, energies, None, known)


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
    return Result(str(folder), sizes, time, (), (), energies, cost, known)
