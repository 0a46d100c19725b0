"""Zero-shifting: W = 0 becomes the symmetry point of every weight device."""

from __future__ import annotations

import dataclasses
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from mho.arrays import Array
from mho.errors import Faults, InWords, WrongUse, in_words
from mho.learning.report import ArrayShift, Distances, ZeroShiftReport
from mho.learning.symmetry import SymmetryPoints, symmetry_points
from mho.nn import ArrayLayer

BLOCK = 100
"""Pulses between two looks at the change, an even number."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ZeroShifting(metaclass=InWords):
    """The [zero_shifting] section of a config.

    Attributes:
        pulses: sent to every device, up and down in turn, at least 0 and even; with a tolerance the most.
        tolerance: an array stops once a pair of pulses moves its devices by less than this, the mean of their absolute
            changes over blocks of 50 pairs, divided by 50. None: all pulses are sent.
        write_error: standard deviation of what programming a reference adds, at least 0.
    """

    pulses: int = 4000
    tolerance: float | None = None
    write_error: float = 0.0

    def __post_init__(self) -> None:
        faults = Faults("zero_shifting")
        if faults.number("pulses", self.pulses, low=0, high=10**9, integer=True) and self.pulses % 2:
            faults.add(f"pulses is {self.pulses}; give an even number: they are sent in pairs, up and down")
        faults.number("tolerance", self.tolerance, above=0.0, optional=True)
        faults.number("write_error", self.write_error, low=0.0, high=1e6)
        faults.raise_any()


@in_words
def zero_shift(
    model: nn.Module, *, pulses: int = 4000, tolerance: float | None = None, write_error: float = 0.0
) -> ZeroShiftReport:
    """Shift the zero of every `Referenced` weight of a converted model to the symmetry point of its device.

    (1) All devices are pulsed up, down, up, down, ...: each goes to where its up and down steps cancel. (2) Each
    conductance is copied to its reference device, once. (3) The weights that the model had are programmed again, g =
    g_ref + W, clipped to the bounds of g. Every replica has the bits that it would have alone.

    Args:
        model: from `mho.convert`; arrays with other cells are left as they are.
        pulses: sent to every device, at least 0 and even; with a tolerance the most.
        tolerance: stop an array once a pair of pulses moves its devices by less than this (see `ZeroShifting`). With
            cycle-to-cycle noise changes do not vanish: steps F of spread s leave about F·s/6.
        write_error: standard deviation of what programming a reference adds.

    Returns:
        What was done and what is left, array by array.

    Raises:
        InvalidValue: for a value out of range.
        WrongUse: for a model without `Referenced` cells, or a device that takes no pulses or has no symmetry point.

    Source: H. Kim et al. 2019, arXiv 1907.10228.
    """
    settings = ZeroShifting(pulses=pulses, tolerance=tolerance, write_error=write_error)
    layers = [module for module in model.modules() if isinstance(module, ArrayLayer)]
    arrays = [array for layer in layers for array in layer.crossbars if array.main.reference]
    if not arrays:
        raise WrongUse(
            "no array of the model has cells with a reference device; convert it with "
            "mho.RPU(cell=mho.cells.Referenced(), ...)"
        )
    # before any pulse: a model that raises stays as it was
    points = [_points(array) for array in arrays]
    return ZeroShiftReport(tuple(_shift(*pair, settings) for pair in zip(arrays, points, strict=True)))


def _shift(array: Array, points: list[SymmetryPoints], settings: ZeroShifting) -> ArrayShift:
    weights = array.weight.clone()
    sent, settled = _alternate(array, settings)
    conductances = array.device_weights[:, 0].clone()
    array.write_reference(conductances, error=settings.write_error)
    references = array.device_weights[:, 1]
    array.write(weights, quiet=True)
    (low, low_reference), (high, high_reference) = (array.cell_parameters()[f].unbind(1) for f in ("w_min", "w_max"))
    wanted = references + weights
    at_end = (references == low_reference) | (references == high_reference)
    return ArrayShift(
        array=array.name,
        pulses=tuple(sent),
        settled=settled,
        residual=_distances(conductances, points),
        left=_distances(references, points),
        without_point=sum(own.without for own in points) / len(points),
        clipped=_share((wanted < low) | (wanted > high)),
        references_clipped=_share(at_end & (references != conductances)),
    )


def _alternate(array: Array, settings: ZeroShifting) -> tuple[list[int], bool | None]:
    """Pulse until the count, or each replica until its change is small.

    Returns:
        Pulses sent to each replica, and whether all have settled.
    """
    sent = torch.zeros(array.replicas, dtype=torch.int64)
    pulsing = torch.ones(array.replicas, dtype=torch.bool)
    for start in range(0, settings.pulses, BLOCK):
        block = min(BLOCK, settings.pulses - start)
        before = array.device_weights[:, 0].clone()
        # a replica that is done gets vectors without pulses: the numbers of later vectors must not tell when it was
        columns = pulsing.float()[:, None, None].expand(-1, block, array.in_features)
        rows = torch.tensor([1.0, -1.0]).repeat(block // 2)[:, None].expand(array.replicas, -1, array.out_features)
        array.pulse(columns, rows, length=1)
        sent += block * pulsing
        if settings.tolerance is not None:
            moved = (array.device_weights[:, 0] - before).abs().mean(dim=(1, 2)) / (block // 2)
            pulsing &= moved >= settings.tolerance
    return sent.tolist(), None if settings.tolerance is None else not bool(pulsing.any())


def _points(array: Array) -> list[SymmetryPoints]:
    """Return the symmetry points of the weight devices of each replica.

    Raises:
        WrongUse: for a device that takes no pulses, or where most cells have no such point.
    """
    law = type(array.rpu.device).__name__
    if not array.rpu.device.pulse_driven:
        raise WrongUse(f"layer {array.name}: {law} devices take no pulses, so there is no symmetry point to shift to")
    fields = {name: values[:, 0].flatten(1, 2).numpy() for name, values in array.cell_parameters().items()}
    found = []
    for replica in range(array.replicas):
        device = array.rpu.of_replica(replica).device
        own = symmetry_points(device, {name: values[replica] for name, values in fields.items()})
        if own.without > 0.5:
            raise WrongUse(
                f"layer {array.name}: {100 * own.without:.0f} % of the {law} devices have no symmetry point: their up "
                "and down steps cancel in no state, and alternating pulses drive them to a bound. Zero-shifting needs "
                "steps that shrink towards the bounds"
            )
        found.append(own)
    return found


def _distances(values: Tensor, points: list[SymmetryPoints]) -> Distances | None:
    """Return how far references (R, out, in) are from the known symmetry points."""
    flat = values.flatten(1).double().numpy()
    each = np.concatenate([flat[r, own.cells] - own.values for r, own in enumerate(points)])
    return Distances.of(each[~np.isnan(each)])


def _share(cells: Tensor) -> float:
    return float(cells.float().mean())
