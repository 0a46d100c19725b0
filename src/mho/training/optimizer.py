"""AnalogSGD: arrays pulse, digital parameters step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import torch
from torch import nn

from mho.arrays import check_lr
from mho.errors import InvalidValue, shown, warn
from mho.nn import ArrayLayer
from mho.training.array_optimizer import ArrayOptimizer, arrays_of, digital_parameters, own_rates
from mho.training.online import NoGraph


@final
class AnalogSGD(ArrayOptimizer):
    """Stochastic gradient descent on a converted model.

    `step` pulses every array with the vectors of the backwards since the last step, layer after layer
    and vector after vector, and moves digital parameters by plain SGD. Each array layer has a parameter
    group of its own, so schedulers and per-layer learning rates work; the group's "layer" is the path of the
    layer in the model, as `mho.nn.array_layers` has it.

    Args:
        model: the converted model itself, not its parameters.
        lr: learning rate η, greater than 0.
        momentum: momentum of digital parameters only; raises if the model has none.
        weight_decay: weight decay of digital parameters only; raises if the model has none.
        clip_norm: before each step, scale all gradients down to this norm if theirs is larger, as
            `torch.nn.utils.clip_grad_norm_` does; greater than 0. None: do not.
        clip_value: before each step, limit the entries of gradients to ± this, as `clip_grad_value_` does; greater
            than 0. The gradient of an array is scaled down as a whole. None: do not.
        layers: other learning rates by pattern of the layer's path, for example {"conv*": 0.02}; 0: such a layer stays.

    Raises:
        InvalidValue: for a value out of range, or a pattern that matches nothing.
        WrongUse: for parameters instead of a model, a model without arrays, or layers of equal name and seed, which
            would have the same devices, noise and initial weights.
    """

    forms = False
    kept = (*ArrayOptimizer.kept, "_digital", "_momentum_told")
    _seen_lrs: list[float] | None = None
    _layer_rates: Mapping[ArrayLayer, float] | None = None

    def __init__(
        self,
        model: nn.Module,
        lr: float = 0.01,
        *,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        layers: Mapping[str, float] | None = None,
    ) -> None:
        arrays = arrays_of(model, example="mho.AnalogSGD(model, lr=0.01)", otherwise="torch.optim.SGD")
        digital = digital_parameters(model, arrays.values())
        check_lr(lr)
        for name, value in (("momentum", momentum), ("weight_decay", weight_decay)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
                raise InvalidValue(f"{name} is {shown(value)}; give a number of at least 0")
            if value and not digital:
                raise InvalidValue(
                    f"{name}={value:g} would have no effect: it applies to digital parameters, and every layer "
                    "of this model is an array; leave it at 0, or let arrays have it through a digital gradient: "
                    f"mho.AnalogOptimizer(model, torch.optim.SGD, lr={lr:g}, {name}={value:g})"
                )
        extras = [
            f"{name}={value:g}" for name, value in (("momentum", momentum), ("weight_decay", weight_decay)) if value
        ]
        if extras:
            verb = "act" if len(extras) > 1 else "acts"
            warn(
                f"{' and '.join(extras)} {verb} on the {len(digital)} digital parameters alone; arrays are pulsed by "
                "plain stochastic gradient descent, which has neither; mho.AnalogOptimizer has, by a digital gradient",
            )
        own = own_rates(layers, arrays)
        groups: list[dict[str, Any]] = [
            {
                "params": [layer.anchor, *layer.learned_scales()],
                "layer": name,
                "lr": own.get(name, lr),
                "momentum": 0.0,
                "weight_decay": 0.0,
            }
            for name, layer in arrays.items()
        ]
        if digital:
            groups.append({"params": digital, "layer": None})
            self._digital = torch.optim.SGD(digital, lr=lr, momentum=momentum, weight_decay=weight_decay)
            defaults = self._digital.defaults
        else:
            defaults = {"lr": lr, "momentum": 0.0}  # without it OneCycleLR and CyclicLR refuse an optimizer
        self._momentum_told = momentum > 0
        super().__init__(arrays, groups, defaults, clip_norm=clip_norm, clip_value=clip_value)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Pulse the arrays, step the digital parameters, and let the time of one step pass for every array.

        A layer whose learning rate is 0 is not pulsed; its devices still decay, drift and diffuse.

        Args:
            closure: called first, with gradients on, as torch's optimizers do; None: gradients are there.

        Returns:
            What the closure returned, else None.
        """
        self._tell_of_momentum()
        loss = self._prepare(closure)
        for group in self.param_groups:
            if group["layer"] is None:
                continue
            if group["lr"] == 0:
                self._layer(group).memory.forget()
            else:
                self._layer(group).pulse(float(group["lr"]))
        self.step_digital()
        self._pass_time()
        return loss

    def step_digital(self) -> None:
        """Step the digital parameters by their gradients; `step` does so too."""
        for group in self.param_groups:
            if group["layer"] is None:
                self._digital.param_groups, self._digital.state = [group], self.state
                self._digital.step()

    def for_online_driver(self) -> AnalogSGD:
        if self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks:
            raise NoGraph("its optimizer has hooks")
        if self.clips:
            raise NoGraph("its optimizer clips gradients")
        return self

    def rates(self) -> dict[str, float]:
        """Return the learning rate of each array layer by path, as a step takes it.

        Raises:
            InvalidValue: if a learning rate is negative or not finite.
        """
        return {group["layer"]: _rate(group) for group in self.param_groups if group["layer"] is not None}

    def layer_rates(self) -> Mapping[ArrayLayer, float]:
        """Return the learning rate of each array layer, as `rates` does by path; the same record while none changes."""
        self._tell_of_momentum()
        lrs = [float(group["lr"]) for group in self.param_groups]
        if self._layer_rates is None or lrs != self._seen_lrs:  # most steps have the rates of the step before
            groups = [group for group in self.param_groups if group["layer"] is not None]
            self._layer_rates, self._seen_lrs = {self._layer(group): _rate(group) for group in groups}, lrs
        return self._layer_rates

    def _tell_of_momentum(self) -> None:
        """Warn once of a momentum that a scheduler set for arrays too, which have none."""
        set_for_arrays = self.param_groups[0].get("momentum")  # schedulers set it in all; the first is an array's
        if set_for_arrays and not self._momentum_told:
            self._momentum_told = True
            warn(
                f"momentum={set_for_arrays:g} was set, as OneCycleLR and CyclicLR do: it acts on digital parameters "
                "alone, as arrays are pulsed by plain stochastic gradient descent. Give the scheduler "
                "cycle_momentum=False to leave momentum as it is"
            )


def _rate(group: Mapping[str, Any]) -> float:
    rate = float(group["lr"])
    if rate != 0:
        check_lr(rate)
    return rate
