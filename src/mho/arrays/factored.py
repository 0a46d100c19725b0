"""A matrix with a digital factor between its weights and the vectors of a layer."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mho.arrays.scaling import Factors
from mho.config import RPU, replicas_fault
from mho.errors import InvalidValue, InWords, shown
from mho.kernels.backends import backend_of
from mho.periphery import Scale

LEAST_SHARE = 0.1
"""Least factor of an output over the largest of its array: updates divide δ by it, and pulse probabilities end at 1."""


class FactoredArray(nn.Module, abc.ABC, metaclass=InWords):
    """R replicas of an M×N matrix, and the factor s of W = s·weight, where the RPU has a scale.

    The factor is a buffer, or the logarithm of a factor that is learned is a parameter, so that it stays above 0.
    """

    seeds: Tensor
    factor: Tensor
    log_factor: nn.Parameter

    def __init__(
        self,
        rpu: RPU,
        out_features: int,
        in_features: int,
        *,
        seeds: Sequence[int],
        name: str,
        backend: str,
    ) -> None:
        super().__init__()
        if not isinstance(rpu, RPU):
            raise InvalidValue(
                f"rpu is {shown(rpu)}; give a mho.RPU, for example mho.presets.gokmen_2017() or mho.RPU(device=...)"
            )
        for label, size in (("out_features", out_features), ("in_features", in_features)):
            if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
                raise InvalidValue(f"{label} is {shown(size)}; give an integer of at least 1")
        if not isinstance(name, str):
            raise InvalidValue(f"name is {shown(name)}; give text, which names the draws of the array")
        self.engine = backend_of(backend)
        fault = replicas_fault(rpu, len(seeds))
        if fault:
            raise InvalidValue(f"array {name}: {fault}")
        self.rpu, self.name, self.backend = rpu, name, backend
        self.out_features, self.in_features = int(out_features), int(in_features)
        self.devices, self.replicas = rpu.devices, len(seeds)
        self.register_buffer("seeds", torch.tensor(seeds, dtype=torch.int64))
        self._add_scale(rpu.scaling)

    @property
    @abc.abstractmethod
    def weight(self) -> Tensor:
        """Return the exact weights (R, out, in), as the cell makes them of its devices."""

    @abc.abstractmethod
    def read(self) -> Tensor:
        """Return the weights (R, out, in) that forward reads show, noise and bounds included, without the scale."""

    @abc.abstractmethod
    def _reach(self) -> Tensor:
        """Return the weight that half of an array's devices can hold, up and down, (R,); the devices lose theirs."""

    @property
    def scale(self) -> Tensor | None:
        """Return a copy of the digital factor s, (R, 1), or (R, out) where each output has its own; None: no factor."""
        factor = self._factor()
        return None if factor is None else factor.detach().clone()

    @property
    def scaled_weight(self) -> Tensor:
        """Return the matrix (R, out, in) that the three cycles are of: scale × weight."""
        return self._scaled(self.weight)

    def scaled_read(self) -> Tensor:
        """Return the matrix (R, out, in) that forward cycles show: scale × `read()`."""
        return self._scaled(self.read())

    def _scaled(self, values: Tensor) -> Tensor:
        factor = self._factor()
        return values if factor is None else values * factor.detach()[:, :, None]

    def _add_scale(self, scaling: Scale | None) -> None:
        """Make the memory of the scale: a buffer, or, if it is learned, a parameter that holds its logarithm."""
        self.learns_scale = scaling is not None and scaling.learned
        if scaling is None:
            return
        given = [scaling.value] * self.replicas if isinstance(scaling.value, (int, float)) else scaling.value
        each = [1.0] * self.replicas if isinstance(given, str) else list(given)
        start = torch.tensor(each, dtype=torch.float32)[:, None]
        start = start.repeat(1, self.out_features if scaling.per == "output" else 1)
        if scaling.learned:
            self.log_factor = nn.Parameter(start.log())
        else:
            self.register_buffer("factor", start)

    def _factor(self) -> Tensor | None:
        """Return the scale (R, 1) or (R, out); a learned scale as a function of its parameter; None without a scale."""
        if self.rpu.scale is None:
            return None
        factor: Tensor = self.log_factor.exp() if self.learns_scale else self.factor
        return factor

    def _factors(self) -> Factors | None:
        factor = self._factor()
        return None if factor is None else Factors.of(factor.detach().numpy())

    def _choose_scale(self, weight: Tensor) -> None:
        """Choose the scale for the weights (R, out, in) of a layer, where the RPU leaves that to the weights."""
        scaling = self.rpu.scaling
        if scaling is None or not scaling.is_chosen:
            return
        reach = self._reach()
        if not torch.isfinite(reach).all() or not (reach > 0).all():
            raise InvalidValue(
                f"array {self.name}: scale={scaling.value!r} is chosen by the weights that the devices can hold, and "
                "half of these have no such bounds; give a number, or scale=None"
            )
        whole = weight.flatten(1)[:, None]
        size = _size(weight if scaling.per == "output" else whole, scaling.value)
        largest = size.amax(dim=1, keepdim=True)
        size = torch.maximum(size, LEAST_SHARE * largest)
        factor = torch.where(largest > 0, size / (scaling.target() * reach[:, None]), 1.0)
        with torch.no_grad():
            (self.log_factor if self.learns_scale else self.factor).copy_(factor.log() if self.learns_scale else factor)

    def extra_repr(self) -> str:
        """Shown by print(model)."""
        scaling = self.rpu.scaling
        scale = "" if scaling is None else f", {scaling.summary()}"
        return f"{self.out_features}×{self.in_features}, devices={self.devices}, replicas={self.replicas}{scale}"


def _size(rows: Tensor, measure: float | str) -> Tensor:
    """Return the largest, or the root mean square, of each row of (R, k, n): (R, k)."""
    return rows.abs().amax(dim=2) if measure == "max" else rows.square().mean(dim=2).sqrt()
