"""Array: the three cycles of a matrix on cross-points, whether it is one crossbar or several."""

from __future__ import annotations

import abc
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mho import random
from mho.arrays.arguments import as_matrix, as_vectors, check_lr, check_same_vectors, check_time
from mho.arrays.cycles import Cycles
from mho.arrays.reads import Reads
from mho.arrays.scaling import Factors, ScaledCycles, scaled_reads
from mho.arrays.weights import HeldWeights
from mho.banks import Rate
from mho.banks.numbers import pulses_of
from mho.errors import InvalidValue, WrongUse
from mho.kernels import counts as count
from mho.kernels.ops import Floats
from mho.random import Operation

MOST_PULSES = 1 << 15
"""Pulses that `Array.step` gives a weight at most: more than devices have states."""


class Array(HeldWeights):
    """R replicas of an M×N matrix of weights on cross-points, and its three cycles.

    Scripts give tensors to `forward`, `backward` and `update`; layers give float32 NumPy of shape (R, T, ...) to
    the methods that end in `_vectors`. `replicas` is R, `devices` the number of cross-points that make one weight.

    Where the RPU has a scale s, the three cycles are those of the matrix s·weight; `weight`, `write` and `read` are in
    the units of the devices.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Forward cycle: read x to y = W x through the periphery of the RPU's `forward`: converters, noise, bound.

        In evaluation mode (`eval()`) the noise comes from a stream of its own, so that evaluating never changes
        training.

        Args:
            x: inputs, (R, T, in) or (T, in) for a single replica, finite.

        Returns:
            y, (R, T, out), or (T, out).

        Raises:
            InvalidValue: for a wrong shape, or NaN or infinite values.
        """
        return self._cycle(x, backward=False)

    def backward(self, d: Tensor) -> Tensor:
        """Backward cycle: read δ to z = Wᵀδ through the periphery of the RPU's `backward`: converters, noise, bound.

        Args:
            d: δ, (R, T, out) or (T, out) for a single replica, finite.

        Returns:
            z, (R, T, in), or (T, in).

        Raises:
            InvalidValue: for a wrong shape, or NaN or infinite values.
        """
        return self._cycle(d, backward=True)

    def update(self, x: Tensor, d: Tensor, lr: float, *, dt: float = 1.0) -> None:
        """Update cycle: W += lr·δ xᵀ in expectation, one vector after another.

        Args:
            x: inputs, (R, T, in), or (T, in) for a single replica.
            d: δ = -∂L/∂y, (R, T, out), or (T, out) for a single replica.
            lr: learning rate η, greater than 0.
            dt: time that passes after the vectors, in optimizer steps, at least 0: vectors that are split into several
                calls end alike if only the last lets time pass.

        Raises:
            InvalidValue: for a wrong shape, values that are not finite, lr ≤ 0 or dt < 0.
        """
        check_lr(lr)
        check_time(self.name, dt)
        inputs = as_vectors(self.name, x, "x", self.replicas, self.in_features)
        errors = as_vectors(self.name, d, "d", self.replicas, self.out_features)
        check_same_vectors(self.name, inputs, errors)
        self.update_vectors(inputs, errors, float(lr))
        if dt:
            self.pass_time(float(dt))

    def pulse(self, p: Tensor, q: Tensor, *, length: int | None = None, dt: float = 0.0) -> None:
        """Drive the lines with given pulse probabilities; signs give the direction of the steps.

        Args:
            p: columns, (R, T, in) or (T, in) where R = 1, from -1 to 1.
            q: rows, (R, T, out) or (T, out). A cross-point moves up where p and q have the same sign.
            length: slots of a vector's trains, at least 1; None: as the RPU's update has them. With 1, probabilities
                of 1 are one pulse per vector to every cross-point.
            dt: time that passes after the vectors, in optimizer steps, at least 0.

        Raises:
            InvalidValue: for a probability above 1, a length below 1, dt < 0, or a wrong shape.
            WrongUse: for an array without pulses.
        """
        if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 1):
            raise InvalidValue(f"array {self.name}: length is {length!r}; give an integer of at least 1, or None")
        columns = as_vectors(self.name, p, "p", self.replicas, self.in_features)
        rows = as_vectors(self.name, q, "q", self.replicas, self.out_features)
        for label, values in (("p", columns), ("q", rows)):
            if values.size and np.abs(values).max() > 1:
                raise InvalidValue(
                    f"array {self.name}: {label} holds a probability of {np.abs(values).max():g}; give values from "
                    "-1 to 1"
                )
        check_same_vectors(self.name, columns, rows)
        check_time(self.name, dt)
        self.pulse_vectors(columns, rows, length)
        if dt:
            self.pass_time(float(dt))

    @property
    def nominal_step(self) -> Tensor | None:
        """Return the nominal step of a pulse, (R,), in the units of the devices; None with Exact updates."""
        pulses = pulses_of(self.main.update, self.main.device, self.replicas)
        return torch.tensor([step for _, step in pulses], dtype=torch.float64) if pulses else None

    def step(self, pulses: Tensor, *, dt: float = 0.0) -> None:
        """Give every weight pulses of its own, as many as a digital computer asks for.

        Columns take turns, and all rows pulse together with a column, in trains of at most 32 slots. Each device of a
        weight that updates pulse gets the pulses, and moves by its law. To events of the cell a step is one vector.

        Args:
            pulses: whole numbers (R, out, in), or (out, in) for all replicas alike; negative for pulses down; at most
                32768 of either sign.
            dt: time that passes afterwards, in optimizer steps, at least 0.

        Raises:
            InvalidValue: for another shape, other numbers, or dt < 0.
            WrongUse: for an array with Exact updates, or cells that move weights by rules of their own.
        """
        if self.nominal_step is None:
            raise WrongUse(
                f"array {self.name}: an array with Exact updates takes no pulses; add(change) changes its weights, "
                "or give update=mho.Pulses() and a device with steps"
            )
        given = self._changes(pulses, "pulses", dt)
        if not torch.equal(given, given.round()) or given.abs().max() > MOST_PULSES:
            raise InvalidValue(
                f"array {self.name}: pulses reach from {float(given.min()):g} to {float(given.max()):g}; give whole "
                f"numbers from -{MOST_PULSES} to {MOST_PULSES}"
            )
        self._step(given)
        if dt:
            self.pass_time(float(dt))

    def add(self, change: Tensor, *, dt: float = 0.0) -> None:
        """Change the weights by given amounts, exactly: for arrays with Exact updates.

        Args:
            change: (R, out, in), or (out, in) for all replicas alike, in the units of the devices.
            dt: time that passes afterwards, in optimizer steps, at least 0.

        Raises:
            InvalidValue: for another shape, values that are not finite, or dt < 0.
            WrongUse: for an array whose devices are pulsed, or cells that move weights by rules of their own.
        """
        if self.nominal_step is not None:
            raise WrongUse(
                f"array {self.name}: its devices move by pulses alone; give these with step(pulses), or program "
                "weights with write(weight)"
            )
        self._add(self._changes(change, "changes", dt))
        if dt:
            self.pass_time(float(dt))

    def refuses_steps(self) -> str | None:
        """Return why `step` and `add` raise for these cells, and what to do; None if they do not."""
        return self.rpu.cell.refuses_steps()

    def rounding_uniforms(self) -> npt.NDArray[np.float64]:
        """Return a number uniform in (0, 1) for each weight, (R, out, in), by which its next step may be rounded.

        The draws are named by seed, array and the number of updates before, so that replicas and resumed runs have
        those of a run alone.
        """
        number, cells = int(self.vectors[Operation.UPDATE]), self.out_features * self.in_features
        named = [random.array_number(f"{name}.rounding") for name in self._names()]
        keys = [random.stream_key(seed, own, Operation.UPDATE) for seed, own in zip(self._seeds(), named, strict=True)]
        uniforms = np.stack([random.rounding_uniforms(key, number, cells) for key in keys])
        return uniforms.reshape(self.replicas, self.out_features, self.in_features)

    def add_gradient(self, x: Floats, d: Floats, total: Floats) -> None:
        """Add -δ xᵀ of vectors x (R, T, in) and δ (R, T, out), one after another, to a digital `total` (R, out, in)."""
        counts = np.zeros((self.replicas, count.SIZE), np.int64)
        self.engine.plan_outer(total, x, d, np.full(self.replicas, -1, np.float32), counts)()

    @final
    def read_vectors(self, inputs: Floats, *, backward: bool) -> Floats:
        """Read vectors as `forward` or `backward` does: (R, T, in) to (R, T, out), or back."""
        factors = self._factors()
        if factors is None:
            return self._read_vectors(inputs, backward=backward)
        if backward:
            return self._read_vectors(factors.errors_read(inputs), backward=True) * factors.whole[:, None, None]
        return self._read_vectors(inputs, backward=False) * factors.outputs(self.out_features)[:, None]

    @final
    def update_vectors(self, x: Floats, d: Floats, lr: float) -> None:
        """Update as `update` does, with x (R, T, in) and d (R, T, out); no time passes."""
        factors = self._factors()
        if factors is None:
            self._update_vectors(x, d, lr)
        else:
            self._update_vectors(x, factors.errors_pulsed(d), factors.rates(lr))

    @abc.abstractmethod
    def pulse_vectors(self, p: Floats, q: Floats, length: int | None = None) -> None:
        """Pulse as `pulse` does, with p (R, T, in) and q (R, T, out); no time passes."""

    @final
    def cycles(self, replicas: slice, vectors: int, before: Cycles | None = None, *, kept: bool = True) -> Cycles:
        """Return the three cycles of some replicas, bound to memory for so many vectors, to be run again and again.

        Args:
            replicas: the replicas, a slice.
            vectors: T.
            before: cycles of this array and these replicas that come before in every step; they share the numbers of
                the vectors.
            kept: False if inputs, outputs and errors may lie in memory that other runs use too (`Cycles`).

        Raises:
            WrongUse: for an array whose scale is learned, which changes with every step.
        """
        factor = self._factor()
        if factor is None:
            return self._cycles(replicas, vectors, before, kept=kept)
        if self.learns_scale:
            raise WrongUse(f"array {self.name}: its scale is learned, which bound cycles do not follow")
        inner = before.inner if isinstance(before, ScaledCycles) else None
        return ScaledCycles(self._cycles(replicas, vectors, inner, kept=kept), factor, replicas)

    @final
    def plan_reads(self, inputs: Floats, outputs: Floats, *, backward: bool) -> Reads:
        """Plan what `read_vectors` does, in the mode in which the array is, for memory that stays.

        Args:
            inputs: (R, T, in), or δ (R, T, out); contiguous.
            outputs: takes (R, T, out), or (R, T, in); contiguous.
            backward: the direction.
        """
        if self._factor() is None:
            return self._plan_reads(inputs, outputs, backward=backward)

        def factors() -> Factors:
            now = self._factors()
            assert now is not None
            return now

        return scaled_reads(factors, self._plan_reads, inputs, outputs, backward=backward)

    @property
    @abc.abstractmethod
    def bound(self) -> tuple[object, ...]:
        """Return what plans are bound to: other objects, once the array has other memory or other seeds."""

    @abc.abstractmethod
    def check_reads(self, *, x: Floats | None = None, d: Floats | None = None) -> None:
        """Raise if kernels have met NaN or infinite values in reads of inputs x, or of δ, and forget it.

        Raises:
            InvalidValue: if these values, or the answers, are not finite.
            LawError: if a law returned NaN.
        """

    @abc.abstractmethod
    def _plan_reads(self, inputs: Floats, outputs: Floats, *, backward: bool) -> Reads:
        """Plan reads in the units of the devices."""

    @abc.abstractmethod
    def _read_vectors(self, inputs: Floats, *, backward: bool) -> Floats:
        """Read in the units of the devices: (R, T, in) to (R, T, out), or back."""

    @abc.abstractmethod
    def _update_vectors(self, x: Floats, d: Floats, lr: Rate) -> None:
        """Update in the units of the devices, at one learning rate, or at (R,)."""

    @abc.abstractmethod
    def _cycles(self, replicas: slice, vectors: int, before: Cycles | None, *, kept: bool) -> Cycles:
        """Return cycles in the units of the devices."""

    def _changes(self, values: Tensor, what: str, dt: float) -> Tensor:
        """Check what `step` or `add` is given, and return it as (R, out, in)."""
        refused = self.refuses_steps()
        if refused:
            raise WrongUse(f"array {self.name}: {refused}")
        check_time(self.name, dt)
        return as_matrix(self.name, values, what, self._shape)

    @abc.abstractmethod
    def _step(self, pulses: Tensor) -> None:
        """Give weights pulses of their own, (R, out, in)."""

    @abc.abstractmethod
    def _add(self, change: Tensor) -> None:
        """Add (R, out, in) to the weights."""

    def _cycle(self, values: Tensor, *, backward: bool) -> Tensor:
        width = self.out_features if backward else self.in_features
        inputs = as_vectors(self.name, values, "d" if backward else "x", self.replicas, width)
        out = torch.from_numpy(self.read_vectors(inputs, backward=backward))
        return out if np.ndim(values) == 3 else out[0]
