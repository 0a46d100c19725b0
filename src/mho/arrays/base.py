"""What every array is to scripts and layers, whether it is one crossbar or several."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mho import random
from mho.arrays.cycles import Cycles
from mho.arrays.read_only import ReadOnly
from mho.arrays.reads import Reads
from mho.arrays.scaling import Factors, ScaledCycles, scaled_reads
from mho.banks import BankSpec, Rate
from mho.banks.numbers import pulses_of
from mho.config import RPU, replicas_fault
from mho.errors import InvalidValue, InWords, WrongUse, shown, warn
from mho.kernels import counts as count
from mho.kernels.backends import backend_of
from mho.periphery import Scale
from mho.periphery.scale import FILL
from mho.random import Operation

Floats = npt.NDArray[np.float32]
ROUNDING = 1e-6
"""Differences that float32 leaves where a cell makes a weight of several numbers: a sum, a mean, a difference."""
TOLD = 0.01
"""Share of clipped weights above which `Array.write` warns."""
BEYOND = 1e6
"""A weight that no bound lets through, in finding where the bounds are."""
MOST_PULSES = 1 << 15
"""Pulses that `Array.step` gives a weight at most: more than devices have states."""
LEAST_SHARE = 0.1
"""Least factor of an output over the largest of its array: updates divide δ by it, and pulse probabilities end at 1."""
DRAWN = (
    "what its devices have been drawn with. Other devices come from the RPU, for example "
    "device=mho.devices.ConstantStep(dw_min=mho.per_cell(0.002, spread=0.3)), from another seed, or are given to a new "
    "array, mho.Crossbar(..., cell_parameters={...}); "
    ".clone() gives numbers to work with"
)


@final
class ClippedWeights(UserWarning):
    """Devices' bounds clipped more than 1 % of the weights that an array was to hold."""


class Array(nn.Module, abc.ABC, metaclass=InWords):
    """R replicas of an M×N matrix of weights on cross-points, and its three cycles.

    Scripts give tensors to `forward`, `backward` and `update`; layers give float32 NumPy of shape (R, T, ...) to
    the methods that end in `_vectors`. `replicas` is R, `devices` the number of cross-points that make one weight.

    Where the RPU has a scale s, the three cycles are those of the matrix s·weight; `weight`, `write` and `read` are in
    the units of the devices.
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
            raise InvalidValue(f"{name}: {fault}")
        self.rpu, self.name, self.backend = rpu, name, backend
        self.out_features, self.in_features = int(out_features), int(in_features)
        self.devices, self.replicas = rpu.devices, len(seeds)
        self.register_buffer("seeds", torch.tensor(seeds, dtype=torch.int64))
        self._add_scale(rpu.scaling)

    # State ---------------------------------------------------------------------------------------

    @property
    def main(self) -> BankSpec:
        """The bank that updates pulse; its devices come first in `device_weights` and `cell_parameters`."""
        return self.rpu.banks[0]

    @property
    @abc.abstractmethod
    def device_weights(self) -> Tensor:
        """The exact weight of every device, (R, devices, out, in): bank after bank, in each a reference comes last."""

    @abc.abstractmethod
    def matrix_of(self, bank: str) -> Tensor:
        """Return the exact matrix (R, out, in) of a bank, by its name, less its references: before any gain."""

    @property
    @abc.abstractmethod
    def vectors(self) -> Tensor:
        """The running count of vectors of each operation, (operations,)."""

    @property
    @abc.abstractmethod
    def tile_shapes(self) -> Mapping[str, tuple[int, int]]:
        """The crossbars that make this array: name to weights (out, in)."""

    @property
    @abc.abstractmethod
    def weight(self) -> Tensor:
        """The exact weights (R, out, in), as the cell makes them of its devices."""

    @property
    def scale(self) -> Tensor | None:
        """The digital factor s, (R, 1), or (R, out) where each output has its own: a copy; None where there is none."""
        factor = self._factor()
        return None if factor is None else factor.detach().clone()

    @property
    def scaled_weight(self) -> Tensor:
        """The matrix (R, out, in) that the three cycles are of: scale × weight."""
        return self._scaled(self.weight)

    def scaled_read(self) -> Tensor:
        """Return the matrix (R, out, in) that forward cycles show: scale × `read()`."""
        return self._scaled(self.read())

    def _scaled(self, values: Tensor) -> Tensor:
        factor = self._factor()
        return values if factor is None else values * factor.detach()[:, :, None]

    def adopt(self, weight: Tensor, *, choose: bool = True, quiet: bool = False) -> float:
        """Program the devices so that scale × weight is a matrix of a layer; returns, raises and warns as `write`.

        Args:
            weight: (R, out, in), or (out, in) for all replicas alike, in the units of the layer.
            choose: choose the scale for it first, where the RPU leaves it open ("max", "std").
            quiet: as of `write`.
        """
        wanted = self._matrix(weight, "weights")
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
        return self._hold(self._matrix(weight, "weights"), quiet=quiet)

    def _hold(self, wanted: Tensor, *, quiet: bool) -> float:
        """Program the devices to weights (R, out, in); return, and unless quiet tell, the share that bounds clipped."""
        self._program(wanted)
        held = self.weight
        scale = self.device_weights.abs().amax(dim=1).clamp(min=1)  # by which a sum of devices is rounded
        clipped = (held - wanted).abs() > ROUNDING * torch.maximum(wanted.abs(), scale)
        if any(bank.device.stuck for bank in self.rpu.banks):
            clipped &= ~self._stuck()
        share = float(clipped.float().mean())
        if share > TOLD and wanted.abs().max() > held[clipped].abs().mean() and not quiet:
            warn(
                f"{self.name}: the bounds of the devices clipped {100 * share:.1f} % of the weights, which reach "
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
                "the scale is that of the weights before them: load_state_dict of a digital model, mho.convert and "
                "Crossbar.adopt choose it anew"
            )
        reach = self._reach()
        self._program(wanted)
        size = wanted.abs().amax(dim=(1, 2)) * (1.0 if present is None else present.amax(dim=1))
        number = float((size / (FILL["max"] * reach)).amax())
        return (
            "set a digital factor between weights and devices: "
            f'mho.RPU(scale="max") chooses it, here about scale={number:.2g}'
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
                f"{self.name}: cells of kind {type(self.rpu.cell).__name__} have no reference device; give "
                "cell=mho.cells.Referenced()"
            )
        if isinstance(error, bool) or not isinstance(error, (int, float)) or not 0 <= error < float("inf"):
            raise InvalidValue(f"{self.name}: error is {error!r}; give a number of at least 0")
        self._program_reference(self._matrix(values, "references"), float(error))

    def _matrix(self, values: Tensor, what: str) -> Tensor:
        """One float32 (R, out, in) from values of that shape or of one replica."""
        try:
            given = torch.as_tensor(values, dtype=torch.float32, device="cpu").detach()
        except (TypeError, ValueError, RuntimeError):
            raise InvalidValue(f"{self.name}: the {what} are {shown(values)}; give a tensor or an array") from None
        shape = (self.replicas, self.out_features, self.in_features)
        if given.shape not in (shape, shape[1:]):
            raise InvalidValue(f"{self.name}: {what} of shape {tuple(given.shape)}; give {shape} or {shape[1:]}")
        if not torch.isfinite(given).all():
            raise InvalidValue(f"{self.name}: the {what} to write hold NaN or infinite values")
        return given.expand(shape)

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
            raise InvalidValue(f"{self.name}: dt is {dt!r}; give a number of optimizer steps greater than 0")
        self.pass_time(float(dt))

    @abc.abstractmethod
    def pass_time(self, dt: float) -> None:
        """Let a time dt > 0, in optimizer steps, pass for the devices."""

    @final
    def advance(self, loss: float | Sequence[float]) -> None:
        """Tell the cells the mean loss of an epoch, on which some act: `mho.cells.Residual` with a warm start.

        Args:
            loss: of all replicas, or one of each, (R,).

        Raises:
            InvalidValue: for a loss that is no number, or another number of them than replicas.
        """
        try:
            losses = np.broadcast_to(np.asarray(loss, np.float32), self.replicas)
        except (TypeError, ValueError):
            raise InvalidValue(
                f"{self.name}: loss is {shown(loss)}; give the mean loss of an epoch, a number or one for each of the "
                f"{self.replicas} replicas"
            ) from None
        self._advance(losses)

    def read(self) -> Tensor:
        """Weights (R, out, in) as forward reads of unit vectors see them: noise and bounds included, no scale."""
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
        """What happened since the start, int64 (R,) each.

        pulses: voltage pulses on rows and columns; coincidences: steps of cross-points;
        saturated_probabilities: lines whose pulse probability would have exceeded 1; bound_hits: steps
        clipped at a device's bound; clipped_reads: outputs that stayed clipped; halvings: rounds of bound
        management; evaluation_...: likewise in evaluation; then those of each bank by its name, such as slow.pulses,
        where a cell has several, and the counters of the cell, such as the refreshes of `OneSided`.
        """
        totals = self._counts()
        return {name: totals[:, i].clone() for i, name in enumerate(count.COUNTERS)} | self._cell_counts()

    # The three cycles ----------------------------------------------------------------------------

    def forward(self, x: Tensor) -> Tensor:
        """Forward cycle: x (R, T, in) to y (R, T, out), or without R where R = 1.

        In evaluation mode (`eval()`) the noise comes from a stream of its own, so that evaluating
        never changes training.

        Raises:
            InvalidValue: for a wrong shape, or NaN or infinite values.
        """
        return self._cycle(x, backward=False)

    def backward(self, d: Tensor) -> Tensor:
        """Backward cycle: δ (R, T, out) to Wᵀδ (R, T, in), or without R where R = 1."""
        return self._cycle(d, backward=True)

    def update(self, x: Tensor, d: Tensor, lr: float, *, dt: float = 1.0) -> None:
        """Update cycle: W += lr·δ xᵀ in expectation, one vector after another.

        Args:
            x: (R, T, in) inputs, or (T, in) where R = 1.
            d: (R, T, out) = -∂L/∂y, likewise.
            lr: learning rate η, greater than 0.
            dt: time that passes after the vectors, in optimizer steps, at least 0: vectors that are split into several
                calls end alike if only the last lets time pass.

        Raises:
            InvalidValue: for a wrong shape, values that are not finite, lr ≤ 0 or dt < 0.
        """
        check_lr(lr)
        self._check_dt(dt)
        inputs = self._vectors(x, self.in_features, "x")
        errors = self._vectors(d, self.out_features, "d")
        self._same_vectors(inputs, errors)
        self.update_vectors(inputs, errors, float(lr))
        if dt:
            self.pass_time(float(dt))

    def pulse(self, p: Tensor, q: Tensor, *, length: int | None = None, dt: float = 0.0) -> None:
        """Drive the lines with given pulse probabilities; signs give the direction of the steps.

        Args:
            p: columns, (R, T, in) or (T, in) where R = 1, from -1 to 1.
            q: rows, (R, T, out) likewise. A cross-point moves up where p and q have the same sign.
            length: slots of a vector's trains, at least 1; None: as the RPU's update has them. With 1, probabilities
                of 1 are one pulse per vector to every cross-point.
            dt: time that passes after the vectors, in optimizer steps, at least 0.

        Raises:
            InvalidValue: for a probability above 1, a length below 1, dt < 0, or a wrong shape.
            WrongUse: for an array without pulses.
        """
        if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 1):
            raise InvalidValue(f"{self.name}: length is {length!r}; give an integer of at least 1, or None")
        columns = self._vectors(p, self.in_features, "p")
        rows = self._vectors(q, self.out_features, "q")
        for label, values in (("p", columns), ("q", rows)):
            if values.size and np.abs(values).max() > 1:
                raise InvalidValue(
                    f"{self.name}: {label} holds a probability of {np.abs(values).max():g}; give values from -1 to 1"
                )
        self._same_vectors(columns, rows)
        self._check_dt(dt)
        self.pulse_vectors(columns, rows, length)
        if dt:
            self.pass_time(float(dt))

    # Steps from a digital computer --------------------------------------------------------------

    @property
    def nominal_step(self) -> Tensor | None:
        """How far a pulse moves a weight nominally, (R,), in the units of the devices; None with Exact updates."""
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
                f"{self.name}: an array with Exact updates takes no pulses; add(change) changes its weights, or give "
                "update=mho.Pulses() and a device with steps"
            )
        given = self._changes(pulses, "pulses", dt)
        if not torch.equal(given, given.round()) or given.abs().max() > MOST_PULSES:
            raise InvalidValue(
                f"{self.name}: pulses reach from {float(given.min()):g} to {float(given.max()):g}; give whole numbers "
                f"from -{MOST_PULSES} to {MOST_PULSES}"
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
                f"{self.name}: its devices move by pulses alone; give these with step(pulses), or program weights with "
                "write(weight)"
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

    # The same cycles for layers, whose vectors are (R, T, ...) float32 NumPy already -----------------

    @final
    def read_vectors(self, inputs: Floats, *, backward: bool) -> Floats:
        """As `forward` or `backward`: (R, T, in) to (R, T, out), or back."""
        factors = self._factors()
        if factors is None:
            return self._read_vectors(inputs, backward=backward)
        if backward:
            return self._read_vectors(factors.errors_read(inputs), backward=True) * factors.whole[:, None, None]
        return self._read_vectors(inputs, backward=False) * factors.outputs(self.out_features)[:, None]

    @final
    def update_vectors(self, x: Floats, d: Floats, lr: float) -> None:
        """As `update`, in which no time passes: x (R, T, in) and d (R, T, out)."""
        factors = self._factors()
        if factors is None:
            self._update_vectors(x, d, lr)
        else:
            self._update_vectors(x, factors.errors_pulsed(d), factors.rates(lr))

    @abc.abstractmethod
    def pulse_vectors(self, p: Floats, q: Floats, length: int | None = None) -> None:
        """As `pulse`, in which no time passes: p (R, T, in) and q (R, T, out)."""

    @final
    def cycles(self, replicas: slice, vectors: int, before: Cycles | None = None) -> Cycles:
        """Return the three cycles of some replicas, bound to memory for so many vectors, to be run again and again.

        Args:
            replicas: which.
            vectors: T.
            before: cycles of this array and these replicas that come before in every step; they share the numbers of
                the vectors.

        Raises:
            WrongUse: for an array whose scale is learned, which changes with every step.
        """
        factor = self._factor()
        if factor is None:
            return self._cycles(replicas, vectors, before)
        if self.learns_scale:
            raise WrongUse(f"{self.name}: its scale is learned, which bound cycles do not follow")
        inner = before.inner if isinstance(before, ScaledCycles) else None
        return ScaledCycles(self._cycles(replicas, vectors, inner), factor, replicas)

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
        """What plans are bound to: other objects, where the array has got other memory or other seeds since."""

    @abc.abstractmethod
    def check_reads(self, *, x: Floats | None = None, d: Floats | None = None) -> None:
        """Raise if kernels have met NaN or infinite values in reads of inputs x, or of δ, and forget it.

        Raises:
            InvalidValue: if these values, or the answers, are not finite.
            LawError: if a law returned NaN.
        """

    # Inside --------------------------------------------------------------------------------------

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
    def _cycles(self, replicas: slice, vectors: int, before: Cycles | None) -> Cycles:
        """Return cycles in the units of the devices."""

    def _add_scale(self, scaling: Scale | None) -> None:
        """Make the memory of the scale: a buffer, or a parameter that holds the logarithm of one that is learned."""
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
        """Return the scale (R, 1) or (R, out); one that is learned as a function of its parameter."""
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
                f"{self.name}: scale={scaling.value!r} is chosen by the weights that the devices can hold, and half of "
                f"these have no such bounds; give a number, or scale=None"
            )
        whole = weight.flatten(1)[:, None]
        size = _size(weight if scaling.per == "output" else whole, scaling.value)
        largest = size.amax(dim=1, keepdim=True)
        size = torch.maximum(size, LEAST_SHARE * largest)
        factor = torch.where(largest > 0, size / (scaling.target() * reach[:, None]), 1.0)
        with torch.no_grad():
            (self.log_factor if self.learns_scale else self.factor).copy_(factor.log() if self.learns_scale else factor)

    def _reach(self) -> Tensor:
        """Return the weight that half of an array's devices can hold, up and down, (R,); the devices lose theirs."""
        held = []
        for way in (1.0, -1.0):
            self._program(torch.full((self.replicas, self.out_features, self.in_features), way * BEYOND))
            held.append(way * self.weight)
        reach = torch.minimum(*held).flatten(1).median(dim=1).values
        return torch.where(reach < BEYOND / 2, reach, torch.inf)

    def _changes(self, values: Tensor, what: str, dt: float) -> Tensor:
        """Check what `step` or `add` is given, and return it as (R, out, in)."""
        refused = self.refuses_steps()
        if refused:
            raise WrongUse(f"{self.name}: {refused}")
        self._check_dt(dt)
        return self._matrix(values, what)

    @abc.abstractmethod
    def _step(self, pulses: Tensor) -> None:
        """Give weights pulses of their own, (R, out, in)."""

    @abc.abstractmethod
    def _add(self, change: Tensor) -> None:
        """Add (R, out, in) to the weights."""

    @abc.abstractmethod
    def _program(self, values: Tensor) -> None:
        """Set the devices to weights (R, out, in), clipped to their bounds."""

    @abc.abstractmethod
    def _program_reference(self, values: Tensor, error: float) -> None:
        """Set the reference devices to (R, out, in) with an error of this size, clipped to their bounds."""

    @abc.abstractmethod
    def _evaluate(self, inputs: Floats) -> Floats:
        """A forward read from the stream of evaluation: (R, T, in) to (R, T, out)."""

    @abc.abstractmethod
    def _advance(self, loss: Floats) -> None:
        """Tell the cells the loss of each replica, (R,)."""

    @abc.abstractmethod
    def _counts(self) -> Tensor:
        """int64 (R, SIZE), in the order of `mho.kernels.counts`."""

    @abc.abstractmethod
    def _cell_counts(self) -> dict[str, Tensor]:
        """Counters of the cell by name, int64 (R,)."""

    def _check_dt(self, dt: float) -> None:
        if isinstance(dt, bool) or not isinstance(dt, (int, float)) or not 0 <= dt < float("inf"):
            raise InvalidValue(f"{self.name}: dt is {dt!r}; give a number of optimizer steps of at least 0")

    def _names(self) -> list[str]:
        """Return the name under which each replica draws."""
        return [self.name] * self.replicas

    def _seeds(self) -> list[int]:
        return [int(seed) for seed in self.seeds.tolist()]

    def _cycle(self, values: Tensor, *, backward: bool) -> Tensor:
        width = self.out_features if backward else self.in_features
        inputs = self._vectors(values, width, "d" if backward else "x")
        out = torch.from_numpy(self.read_vectors(inputs, backward=backward))
        return out if np.ndim(values) == 3 else out[0]

    def _vectors(self, values: Tensor, width: int, label: str) -> Floats:
        """Check shape and values, and return them as (R, T, width) NumPy."""
        try:
            given = torch.as_tensor(values)
        except (TypeError, ValueError, RuntimeError):
            raise InvalidValue(f"{self.name}: {label} is {shown(values)}; give a tensor or an array") from None
        if given.device.type != "cpu":
            raise WrongUse(
                f"{self.name}: {label} lies on {given.device}; arrays compute on the CPU, give {label}.cpu()"
            )
        array: Floats = np.ascontiguousarray(given.detach().float().numpy(), np.float32)
        replicas = self.replicas
        if array.ndim == 2 and replicas == 1:
            array = array[None]
        if array.ndim != 3 or array.shape[0] != replicas or array.shape[2] != width:
            rank = f"({replicas}, T, {width})" + (f" or (T, {width})" if replicas == 1 else "")
            raise InvalidValue(f"{self.name}: {label} has shape {tuple(given.shape)}; give {rank}")
        fault = not_finite(self.name, *((None, array) if label in "dq" else (array, None)))
        if fault is not None:
            raise fault
        return array

    def _same_vectors(self, x: Floats, d: Floats) -> None:
        if x.shape[1] != d.shape[1]:
            raise InvalidValue(f"{self.name}: x has {x.shape[1]} vectors and d has {d.shape[1]}; give as many")

    def extra_repr(self) -> str:
        """Shown by print(model)."""
        scaling = self.rpu.scaling
        scale = "" if scaling is None else f", {scaling.summary()}"
        return f"{self.out_features}×{self.in_features}, devices={self.devices}, replicas={self.replicas}{scale}"


def seed_list(seed: int | Sequence[int], replicas: int) -> list[int]:
    """One seed a replica: seed, seed + 1, ..., or the list given.

    Raises:
        InvalidValue: for a list of another length, or a seed outside 0 to 2⁶³ - 1.
    """
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 1:
        raise InvalidValue(f"replicas is {replicas!r}; give an integer of at least 1")
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        seeds = [int(seed) + r for r in range(replicas)]
    elif isinstance(seed, Sequence) and not isinstance(seed, str):
        seeds = list(seed)
    else:
        raise InvalidValue(f"seed is {seed!r}; give an integer of at least 0, or one a replica")
    if len(seeds) != replicas:
        raise InvalidValue(f"{len(seeds)} seeds for {replicas} replicas; give one seed a replica")
    if not all(isinstance(s, int) and 0 <= s < 2**63 for s in seeds):
        raise InvalidValue(f"seed is {seed!r}; give integers from 0 to 2**63 - 1")
    return seeds


def _size(rows: Tensor, measure: float | str) -> Tensor:
    """Return the largest, or the root mean square, of each row of (R, k, n): (R, k)."""
    return rows.abs().amax(dim=2) if measure == "max" else rows.square().mean(dim=2).sqrt()


def check_lr(lr: float) -> None:
    """Raise unless lr is a positive, finite number."""
    if isinstance(lr, bool) or not isinstance(lr, (int, float, np.floating)) or not 0 < lr < float("inf"):
        raise InvalidValue(f"lr is {shown(lr)}; give a number greater than 0, for example 0.01")


def not_finite(name: str, x: Floats | None, d: Floats | None) -> InvalidValue | None:
    """The error if an input x or a gradient d of an array holds what is no number."""
    for values, what in ((x, "the input (x)"), (d, "the gradient (d)")):
        if values is not None and not np.isfinite(values).all():
            kind = "NaN" if np.isnan(values).any() else "infinite values"
            return InvalidValue(
                f"{name}: {what} holds {kind}; the loss may have diverged: try a smaller lr, or a smaller "
                "init_scale of a GradScaler, as a backward cycle cannot pass on what overflows"
            )
    return None
