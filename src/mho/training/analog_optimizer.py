"""AnalogOptimizer: the steps of any torch optimizer, sent to arrays as pulses."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from mho.arrays import Array, check_lr
from mho.arrays.base import MOST_PULSES
from mho.errors import InvalidValue, WrongCall, WrongUse, nearest, shown
from mho.training.array_optimizer import ArrayOptimizer, arrays_of, digital_parameters, own_rates
from mho.training.online import NoGraph
from mho.training.optimizer import AnalogSGD

ROUNDINGS = ("stochastic", "buffer")
"""How steps become whole numbers of pulses."""
REMAINDER = "remainder"
"""What the buffer of a matrix is called in the state of its layer."""
UNABLE = {
    "differentiable": "a step of pulses has no derivative",
    "capturable": "it is for CUDA graphs, and arrays compute on the CPU",
}
"""Options of torch's optimizers that cannot be had, and why."""


@final
class AnalogOptimizer(ArrayOptimizer):
    """Any torch optimizer on a converted model: Adam, momentum, weight decay, ..., with arrays that are pulsed.

    Arrays compute forward and backward. When a backward ends, the gradient G = -Σ δ xᵀ of each array is added up
    digitally from the vectors that its reads took and brought. `step` lets the torch optimizer turn G into a change ΔW
    of the weights, in digital memory, and sends that to the devices as single pulses: of a change of q = ΔW/(s·ε)
    nominal steps, ε the nominal step of the device and s the scale of the array, a weight gets a whole number. With
    rounding "stochastic" it is ⌊|q| + u⌋ with a random number u, which is right in the mean and keeps nothing; with
    "buffer" what is left over waits in a digital number per weight for the next step, below one nominal step of either
    sign. With `mho.Exact` updates ΔW is added as it is. Digital parameters, and scales that are learned, step by the
    same optimizer.

    The torch optimizer sees the exact weights, as they are before the step, which a machine would have to read or to
    keep: weight decay and the like use them.

    **Cost.** In `AnalogSGD` the outer product of each vector happens in the array, in parallel, whatever its size. Here
    it takes T·M·N multiplications and additions digitally for T vectors through M×N weights, and the writing of a step
    takes a train for each column. Digital memory per weight, in numbers of 32 bits: the gradient, the weight, what the
    torch optimizer keeps (Adam two, momentum one), and with rounding "buffer" one more.

    Each array of each replica is one matrix (out, in) to the torch optimizer, with the bias as its last column, so that
    replicas have the bits of their own runs. Gradients are forgotten by `step`; a layer that no backward has met since
    is left alone. Parameter groups are those of `AnalogSGD`, with all options of the torch optimizer, for schedulers
    and for changes of your own, and with "rounding".

    Args:
        model: the converted model itself, not its parameters.
        kind: class of a torch optimizer, such as `torch.optim.Adam`.
        lr: learning rate, greater than 0; None: the default of `kind`.
        rounding: "stochastic" or "buffer".
        clip_norm: as of `AnalogSGD`.
        clip_value: before each step, limit the entries of gradients to ± this; greater than 0. None: do not.
        layers: other learning rates by pattern of the layer's path, for example {"conv*": 0.02}; 0: such a layer stays.
        options: options of `kind`: betas, momentum, weight_decay, ...

    Raises:
        InvalidValue: for another kind or value, or a pattern that matches nothing.
        WrongCall: for an option that `kind` does not have.
        WrongUse: for parameters instead of a model, a model without arrays, layers of equal name and seed, or cells
            that move weights by rules of their own, such as `mho.cells.TikiTaka`.

    Source of the stochastic rounding: EaPU, Nat. Commun. 16 (2025), doi 10.1038/s41467-025-66240-7, in its unbiased
    form; of the buffer: S. R. Nandakumar et al., Front. Neurosci. 14:406 (2020).
    """

    forms = True
    kept = (*ArrayOptimizer.kept, "_inner", "_matrices")

    def __init__(
        self,
        model: nn.Module,
        kind: type[torch.optim.Optimizer] | None = None,
        *,
        lr: float | None = None,
        rounding: str = "stochastic",
        clip_norm: float | None = None,
        clip_value: float | None = None,
        layers: Mapping[str, float] | None = None,
        **options: Any,
    ) -> None:
        example = "mho.AnalogOptimizer(model, torch.optim.Adam, lr=0.001)"
        arrays = arrays_of(model, example=example, otherwise="the torch optimizer itself")
        if lr is not None:
            check_lr(lr)
            options["lr"] = lr
        chosen = _checked_kind(kind, options)
        _check_rounding(rounding)
        for path, layer in arrays.items():
            reason = layer.crossbars[0].refuses_steps()
            if reason:
                raise WrongUse(f"{path}: {reason}")
        if rounding != "stochastic" and all(layer.crossbars[0].nominal_step is None for layer in arrays.values()):
            raise InvalidValue(
                f"rounding={rounding!r} would have no effect: the arrays of this model have Exact updates, which take "
                "changes as they are; leave it out"
            )
        digital = digital_parameters(model, arrays.values())
        own = own_rates(layers, arrays)
        self._matrices: dict[Tensor, list[nn.Parameter]] = {}
        inner: list[dict[str, Any]] = []
        for path, layer in arrays.items():
            self._matrices[layer.anchor] = [
                nn.Parameter(torch.zeros(array.out_features, array.in_features))
                for array in layer.crossbars
                for _ in range(array.replicas)
            ]
            rate = {"lr": own[path]} if path in own else {}
            inner.append({"params": [*self._matrices[layer.anchor], *layer.learned_scales()], **rate})
        if digital:
            inner.append({"params": digital})
        try:
            self._inner = chosen(inner, **options)
        except (TypeError, ValueError, RuntimeError, AssertionError) as error:
            raise InvalidValue(
                f"{chosen.__name__} does not take these options or matrices of weights: {error}"
            ) from error
        labels: list[tuple[list[nn.Parameter], str | None]] = [
            ([layer.anchor, *layer.learned_scales()], path) for path, layer in arrays.items()
        ]
        labels += [(digital, None)] if digital else []
        groups = [
            {**_settings(group), "params": params, "layer": path} | ({} if path is None else {"rounding": rounding})
            for group, (params, path) in zip(self._inner.param_groups, labels, strict=True)
        ]
        super().__init__(arrays, groups, self._inner.defaults, clip_norm=clip_norm, clip_value=clip_value)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Let the torch optimizer step, send its steps to the arrays, and let the time of one step pass for these.

        Args:
            closure: called first, with gradients on, as torch's optimizers do; None: gradients are there.

        Returns:
            What the closure returned, else None.

        Raises:
            InvalidValue: if a gradient or a step holds NaN or infinite values, before an array moves; or asks for more
                than 32768 pulses of a device.
        """
        loss = self._prepare(closure)
        for group in self.param_groups:
            if group["layer"] is not None:
                _check_rounding(group["rounding"])
        try:
            moves = [move for group in self.param_groups if group["layer"] is not None for move in self._load(group)]
            self._step_torch()
        finally:
            for matrix in (matrix for each in self._matrices.values() for matrix in each):
                matrix.grad = None
        changes = [move.change() for move in moves]  # of all, before an array moves
        for move, change in zip(moves, changes, strict=True):
            move.send(change)
        self._pass_time()
        return loss

    def for_online_driver(self) -> AnalogSGD:
        raise NoGraph("its optimizer is an AnalogOptimizer, which forms gradients digitally")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state of another optimizer of the same kind, of a model with the same layers.

        Raises:
            InvalidValue: for the state of another kind, or of other groups.
        """
        groups, needed = state_dict.get("param_groups", []), {*self._inner.defaults, "layer"}
        if len(groups) != len(self.param_groups) or not all(needed <= set(group) for group in groups):
            raise InvalidValue(
                f"the state does not belong to an AnalogOptimizer with {type(self._inner).__name__} for a model of "
                f"{len(self._layers)} array layers; make the optimizer as it was made when the state was stored"
            )
        super().load_state_dict(state_dict)

    # Inside --------------------------------------------------------------------------------------

    def _load(self, group: Mapping[str, Any]) -> list[_Move]:
        """Give the torch optimizer weights and gradient of a layer; return what is to move, if there is a gradient."""
        layer, anchor = self._layer(group), group["params"][0]
        gradient = layer.take_gradient()
        if gradient is None:
            return []
        moves = []
        for place, (array, slopes) in enumerate(zip(layer.crossbars, gradient, strict=True)):
            if not np.isfinite(slopes).all():
                raise InvalidValue(
                    f"layer {array.name}: the gradient holds NaN or infinite values; the loss may have diverged: try a "
                    "smaller lr, or a smaller init_scale of a GradScaler"
                )
            which = range(place * array.replicas, (place + 1) * array.replicas)
            matrices = [self._matrices[anchor][k] for k in which]
            start = array.scaled_weight
            for matrix, weight, slope in zip(matrices, start, slopes, strict=True):
                matrix.data.copy_(weight)
                matrix.grad = torch.from_numpy(slope)
            remainder = None
            if group["rounding"] == "buffer" and array.nominal_step is not None:
                kept = self.state[anchor]
                remainder = [kept.setdefault(f"{k}.{REMAINDER}", torch.zeros(start.shape[1:])) for k in which]
            moves.append(_Move(array, matrices, start, array.scale, remainder))
        return moves

    def _step_torch(self) -> None:
        """Let the torch optimizer step, with the settings and the state of this optimizer; both may change."""
        for outer, inner in zip(self.param_groups, self._inner.param_groups, strict=True):
            inner.update(_settings(outer))
        state = self._inner.state
        state.clear()
        for parameter, own in self.state.items():
            if parameter not in self._matrices:
                state[parameter] = own
                continue
            for key, value in own.items():
                place, name = key.split(".", 1)
                if name != REMAINDER:
                    state[self._matrices[parameter][int(place)]][name] = value
        self._inner.step()
        for outer, inner in zip(self.param_groups, self._inner.param_groups, strict=True):
            outer.update(_settings(inner))
        matrices: dict[Tensor, tuple[Tensor, int]] = {
            matrix: (anchor, k) for anchor, each in self._matrices.items() for k, matrix in enumerate(each)
        }
        for parameter, own in state.items():
            if parameter in matrices:
                anchor, k = matrices[parameter]
                self.state[anchor].update({f"{k}.{name}": value for name, value in own.items()})
            else:
                self.state[parameter] = own


@final
@dataclasses.dataclass(frozen=True, eq=False)
class _Move:
    """Change of the weights of an array by the torch optimizer, on its way to the devices.

    Attributes:
        array: whose weights.
        matrices: the weights of each replica, (out, in), as the torch optimizer moves them.
        start: the weights before, (R, out, in).
        scale: scale of the array before the step, or None.
        remainder: for each replica what waits for a whole nominal step, (out, in) in units of the devices; None where
            rounding is stochastic, or updates are exact.
    """

    array: Array
    matrices: list[nn.Parameter]
    start: Tensor
    scale: Tensor | None
    remainder: list[Tensor] | None

    def change(self) -> Tensor:
        """Return by how much weights change, (R, out, in) in units of the devices; where these are pulsed, pulses."""
        change = torch.stack([matrix.data for matrix in self.matrices]).sub_(self.start)
        if self.scale is not None:
            change /= self.scale[:, :, None]
        if not torch.isfinite(change).all():
            raise InvalidValue(
                f"layer {self.array.name}: the step holds NaN or infinite values; try a smaller lr, or other options"
            )
        unit = self.array.nominal_step
        if unit is None:
            return change
        steps = change.double() / unit[:, None, None]
        if self.remainder is None:
            uniforms = torch.from_numpy(self.array.rounding_uniforms())
            pulses = steps.sign() * (steps.abs() + uniforms).floor()
        else:
            steps += torch.stack(self.remainder) / unit[:, None, None]
            pulses = steps.trunc()
        most = float(pulses.abs().max())
        if most > MOST_PULSES:
            raise InvalidValue(
                f"layer {self.array.name}: the step asks for {most:g} pulses of a device, whose nominal step is "
                f"{float(unit.min()):g}; at most {MOST_PULSES} are sent: give a smaller lr"
            )
        if self.remainder is not None:
            for kept, left in zip(self.remainder, (steps - pulses) * unit[:, None, None], strict=True):
                kept.copy_(left)
        return pulses

    def send(self, change: Tensor) -> None:
        """Move the devices by what `change` returned."""
        if self.array.nominal_step is None:
            self.array.add(change)
        else:
            self.array.step(change)


def _settings(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a parameter group says to the torch optimizer."""
    return {name: value for name, value in group.items() if name not in ("params", "layer", "rounding")}


def _check_rounding(rounding: str) -> None:
    if rounding not in ROUNDINGS:
        raise InvalidValue(f"rounding is {shown(rounding)}{nearest(str(rounding), ROUNDINGS)}")


def _checked_kind(kind: Any, options: Mapping[str, Any]) -> type[torch.optim.Optimizer]:
    """Return the class of a torch optimizer, unless it or an option cannot move arrays."""
    if not isinstance(kind, type) or not issubclass(kind, torch.optim.Optimizer) or issubclass(kind, ArrayOptimizer):
        raise InvalidValue(
            f"kind is {shown(kind)}; give the class of a torch optimizer, not an optimizer of parameters: "
            "mho.AnalogOptimizer(model, torch.optim.Adam, lr=0.001)"
        )
    closure = inspect.signature(kind.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise InvalidValue(
            f"{kind.__name__} evaluates the loss several times per step, with weights in between that arrays would "
            "have to be programmed to; give an optimizer that steps by one gradient, such as torch.optim.Adam"
        )
    if issubclass(kind, torch.optim.SparseAdam):
        raise InvalidValue(
            "SparseAdam takes sparse gradients, and gradients of arrays have all entries; give torch.optim.Adam"
        )
    known = inspect.signature(kind).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        for name in options:
            if name not in known:
                own = [*known, "rounding", "clip_norm", "clip_value", "layers"][1:]
                raise WrongCall(f"{kind.__name__} has no option {name!r}{nearest(name, own)}")
    for name, reason in UNABLE.items():
        if options.get(name):
            raise InvalidValue(f"{name}={options[name]!r}: {reason}; leave it out")
    return kind
