"""Costs of a run: time and energy of its arrays."""

from __future__ import annotations

from mho.arrays import ArrayRow
from mho.errors import InvalidValue
from mho.hardware import Constants, NetworkTime, TrainingCost, training_cost
from mho.runs.folder import RunFolder


def run_rows(run: RunFolder) -> list[ArrayRow]:
    """Return the layers of a run, for `mho.hardware.network_time`.

    Raises:
        InvalidValue: if every layer stayed digital.
    """
    if not run.arrays:
        raise InvalidValue(f"{run.title}: every layer stayed digital; there are no arrays to show")
    return run.arrays


def run_cost(run: RunFolder, time: NetworkTime, constants: Constants) -> TrainingCost:
    """Energy and writes of a run, the mean over its replicas.

    Args:
        run: from `read_folder`.
        time: of `run_rows(run)`.
        constants: of the energy model, from `mho.hardware.read_constants`.

    Raises:
        InvalidValue: naming layers whose pulses and coincidences the folder does not hold.
    """
    return training_cost(time, run.counters, constants, replicas=run.arrays[0].replicas, images=run.images or None)
