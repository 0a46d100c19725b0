"""Weights that devices hold: how they are programmed, looked at and read."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from mho import random
from mho.arrays.arguments import as_matrix
from mho.arrays.factored import FactoredArray
from mho.arrays.read_only import ReadOnly
from mho.banks import BankSpec
from mho.errors import InvalidValue, WrongUse, shown, warn
from mho.kernels import counts as count
from mho.kernels.ops import Floats
from mho.periphery.scale import FILL
from mho.spoken import scale_chosen

ROUNDING = 1e-6
"""Differences that float32 leaves where a cell makes a weight of several numbers: a sum, a mean, a difference."""
WARNED_SHARE = 0.01
"""Share of clipped weights above which `Array.write` warns."""
BEYOND = 1e6
"""A weight that no bound lets through, in finding where the bounds are."""
DRAWN = (
    "what its devices have been drawn with. Other devices come from the RPU, for example "
    "device=mho.devices.ConstantStep(dw_min=mho.per_cell(0.002, spread=0.3)), from another seed, or are given to a new "
    "array, mho.Crossbar(..., cell_parameters={...}); "
    ".clone() gives numbers to work with"
)


@final
class ClippedWeights(UserWarning):
    """Devices' bounds clipped more than 1 % of the weights that an array was to hold."""


class HeldWeights(FactoredArray):
    """R replicas of an M×N matrix of weights that devices hold, to be written, read and looked at."""

    @property
    def main(self) -> BankSpec:
        """Return the bank that updates pulse; its devices come first in `device_weights` and `cell_parameters`."""
        return self.rpu.banks[0]

    @property
    @abc.abstractmethod
    def device_weights(self) -> Tensor:
        """Return the exact weight of every device, (R, devices, out, in), bank after bank, a reference last in each."""

    @abc.abstractmethod
    def matrix_of(self, bank: str) -> Tensor:
        """Return the exact matrix (R, out, in) of a bank, by its name, less its references: before any gain."""

    @property
    @abc.abstractmethod
    def vectors(self) -> Tensor:
        """Return the running count of vectors of each operation, (operations,)."""

    @property
    @abc.abstractmethod
    def tile_shapes(self) -> Mapping[str, tuple[int, int]]:
        """Return the crossbars that make this array: name to weights (out, in)."""

    def adopt(self, weight: Tensor, *, choose: bool = True, quiet: bool = False) -> float:
        """Program the devices so that scale × weight is a matrix of a layer; returns, raises and warns as `write`.

        Args:
            weight: (R, out, in), or (out, in) for all replicas alike, in the units of the layer.
            choose: choose the scale for it first, where the RPU leaves it open ("max", "std").
            quiet: as of `write`.
        """
        wanted = as_matrix(self.name, weight, "weights", self._shape)
        if choose:
            self._choose_scale(wanted)
        factor = self._factor()
        return self._hold(wanted if factor is None else wanted / factor.detach()[:, :, None], quiet=quiet)

    def write(self, weight: Tensor, *, quiet: bool = False) -> float:
        """Program the devices so that they make these weights, each clipped to its bounds.

        Where cells have a reference, the weight device gets g_ref + weight, clipped. A scale of the RPU stays and is
        not applied: weights are in the units of the devices.

        Args:
            weight: (R, out, in), or (out, in) for all replicas alike.
            quiet: do not warn of what was clipped.

        Returns:
            The share of the weights that bounds clipped, 0 to 1; weights with a stuck device are not among them.

        Raises:
            InvalidValue: for another shape, or values that are not finite.

        Warns:
            ClippedWeights: where bounds clipped more than 1 % of the weights, with a scale that would fit.
        """
        return self._hold(as_matrix(self.name, weight, "weights", self._shape), quiet=quiet)

    def _hold(self, wanted: Tensor, *, quiet: bool) -> float:
        """Program the devices to weights (R, out, in); return, and unless quiet tell, the share that bounds clipped."""
        self._program(wanted)
        held = self.weight
        scale = self.device_weights.abs().amax(dim=1).clamp(min=1)  # by which a sum of devices is rounded
        clipped = (held - wanted).abs() > ROUNDING * torch.maximum(wanted.abs(), scale)
        if any(bank.device.stuck for bank in self.rpu.banks):
            clipped &= ~self._stuck()
        share = float(clipped.float().mean())
        if share > WARNED_SHARE and wanted.abs().max() > held[clipped].abs().mean() and not quiet:
            warn(
                f"array {self.name}: the bounds of the devices clipped {100 * share:.1f} % of the weights, which reach "
                f"{float(wanted.abs().max()):.3g}; {self._cure(wanted)}",
                ClippedWeights,
            )
        return share

    def _stuck(self) -> Tensor:
        """Return which weights (R, out, in) have a stuck device, which holds what it holds whatever is written."""
        each = [values for name, values in self._drawn().items() if name.rpartition(".")[2] == "stuck"]
        return torch.cat(each, dim=1).bool().any(dim=1)

    def _cure(self, wanted: Tensor) -> str:
        """Return what to do about bounds that clip weights (R, out, in); the devices hold them again."""
        scaling, present = self.rpu.scaling, self.scale
        if scaling is not None and scaling.is_chosen:
            return (
                "the scale belongs to the weights before them: load_state_dict of a digital model, mho.convert and "
                "Crossbar.adopt choose it anew"
            )
        reach = self._reach()
        self._program(wanted)
        size = wanted.abs().amax(dim=(1, 2)) * (1.0 if present is None else present.amax(dim=1))
        number = float((size / (FILL["max"] * reach)).amax())
        return (
            "set a digital factor between weights and devices: "
            f"{scale_chosen()} chooses it, here about scale={number:.2g}"
        )

    def write_reference(self, values: Tensor, *, error: float = 0.0) -> None:
        """Program the reference devices, each clipped to its own bounds; weight devices stay as they are.

        Args:
            values: g_ref (R, out, in), or (out, in) for all replicas alike.
            error: standard deviation of what programming adds, drawn anew each time from the array's own stream.

        Raises:
            InvalidValue: for another shape, values that are not finite, or a negative error.
            WrongUse: for cells without a reference.
        """
        if not self.main.reference:
            raise WrongUse(
                f"array {self.name}: cells of kind {type(self.rpu.cell).__name__} have no reference device; give "
                "cell=mho.cells.Referenced()"
            )
        if isinstance(error, bool) or not isinstance(error, (int, float)) or not 0 <= error < float("inf"):
            raise InvalidValue(f"array {self.name}: error is {error!r}; give a number of at least 0")
        self._program_reference(as_matrix(self.name, values, "references", self._shape), float(error))

    def reset_weights(self) -> None:
        """Start again from the initial weights of this array's seeds: scale × weight uniform within ±1/√in."""
        cells, named = self.out_features * self.in_features, zip(self._seeds(), self._names(), strict=True)
        starts = np.stack([random.initial_uniforms(seed, random.array_number(name), cells) for seed, name in named])
        starts *= np.float32(self.in_features**-0.5)
        self.adopt(torch.from_numpy(starts.reshape(self.replicas, self.out_features, self.in_features)), quiet=True)

    def rest(self, dt: float) -> None:
        """Leave the devices alone for a time in which they decay, drift and diffuse, by their options and their law.

        Args:
            dt: in optimizer steps, greater than 0. `AnalogSGD.step` lets 1 pass, `update` too by default.

        Raises:
            InvalidValue: for another dt.
        """
        if isinstance(dt, bool) or not isinstance(dt, (int, float)) or not 0 < dt < float("inf"):
            raise InvalidValue(f"array {self.name}: dt is {dt!r}; give a number of optimizer steps greater than 0")
        self.pass_time(float(dt))

    @abc.abstractmethod
    def pass_time(self, dt: float) -> None:
        """Let a time dt > 0, in optimizer steps, pass for the devices."""

    @final
    def advance(self, loss: float | Sequence[float]) -> None:
        """Report the mean loss of an epoch to the cells, as `mho.cells.Residual` needs it for its warm start.

        Args:
            loss: mean loss of all replicas, or of each replica, (R,).

        Raises:
            InvalidValue: for a loss that is no number, or another number of them than replicas.
        """
        try:
            losses = np.broadcast_to(np.asarray(loss, np.float32), self.replicas)
        except (TypeError, ValueError):
            raise InvalidValue(
                f"array {self.name}: loss is {shown(loss)}; give the mean loss of an epoch, a number or one for each "
                f"of the {self.replicas} replicas"
            ) from None
        self._advance(losses)

    def read(self) -> Tensor:
        """Return the weights (R, out, in) that forward reads of unit vectors show, noise and bounds included, no scale.

        The draws are those of evaluation, hence training stays as it is.
        """
        units = torch.eye(self.in_features).expand(self.replicas, -1, -1)
        return torch.from_numpy(self._evaluate(units.contiguous().numpy())).transpose(1, 2)

    @final
    def cell_parameters(self) -> dict[str, Tensor]:
        """Return every field of the law as drawn: name to (R, devices, out, in); a reference device comes last.

        Values are copies that refuse to be written into, as that would change no device.
        """
        return {name: ReadOnly.of(values, DRAWN) for name, values in self._drawn().items()}

    @abc.abstractmethod
    def _drawn(self) -> dict[str, Tensor]:
        """Return copies of the fields of the law, as `cell_parameters`."""

    @abc.abstractmethod
    def hidden_states(self) -> dict[str, Tensor]:
        """Return the states of the devices that reads do not see: name to (R, devices, out, in), a copy; no reference.

        `written`, where write noise or another effect leaves something else to be read: the weight that the last pulse
        wrote. Then those of the law, by their names.
        """

    def counters(self) -> dict[str, Tensor]:
        """Return counts of what happened since the start, int64 (R,) each.

        pulses: voltage pulses on rows and columns; coincidences: steps of cross-points;
        saturated_probabilities: lines whose pulse probability would have exceeded 1; bound_hits: steps
        clipped at a device's bound; clipped_reads: outputs that stayed clipped; halvings: rounds of bound management;
        evaluation_...: these counts in evaluation; then those of each bank by its name, such as slow.pulses, where a
        cell has several, and the counters of the cell, such as the refreshes of `OneSided`.
        """
        totals = self._counts()
        return {name: totals[:, i].clone() for i, name in enumerate(count.COUNTERS)} | self._cell_counts()

    def _reach(self) -> Tensor:
        """Return the weight that half of an array's devices can hold, up and down, (R,); the devices lose theirs."""
        held = []
        for way in (1.0, -1.0):
            self._program(torch.full((self.replicas, self.out_features, self.in_features), way * BEYOND))
            held.append(way * self.weight)
        reach = torch.minimum(*held).flatten(1).median(dim=1).values
        return torch.where(reach < BEYOND / 2, reach, torch.inf)

    @abc.abstractmethod
    def _program(self, values: Tensor) -> None:
        """Set the devices to weights (R, out, in), clipped to their bounds."""

    @abc.abstractmethod
    def _program_reference(self, values: Tensor, error: float) -> None:
        """Set the reference devices to (R, out, in) with an error of this size, clipped to their bounds."""

    @abc.abstractmethod
    def _evaluate(self, inputs: Floats) -> Floats:
        """Read forward with the stream of evaluation: x (R, T, in) to y (R, T, out)."""

    @abc.abstractmethod
    def _advance(self, loss: Floats) -> None:
        """Report the loss of each replica, (R,), to the cells."""

    @abc.abstractmethod
    def _counts(self) -> Tensor:
        """int64 (R, SIZE), in the order of `mho.kernels.counts`."""

    @abc.abstractmethod
    def _cell_counts(self) -> dict[str, Tensor]:
        """Counters of the cell by name, int64 (R,)."""

    def _names(self) -> list[str]:
        """Return the name under which each replica draws."""
        return [self.name] * self.replicas

    def _seeds(self) -> list[int]:
        return [int(seed) for seed in self.seeds.tolist()]

    @property
    def _shape(self) -> tuple[int, int, int]:
        return self.replicas, self.out_features, self.in_features
