"""AnalogSGD: arrays pulse, digital parameters step."""

from __future__ import annotations

import fnmatch
import inspect
from collections.abc import Callable, Mapping
from typing import Any, final

import torch
from torch import nn

from mho.arrays import check_lr
from mho.errors import InvalidValue, WrongUse, nearest
from mho.nn import ArrayLayer


@final
class AnalogSGD(torch.optim.Optimizer):
    """Stochastic gradient descent on a converted model.

    `step` pulses every array with the vectors of the backwards since the last step, layer after layer
    and vector after vector, and moves digital parameters by plain SGD. Each array layer has a parameter
    group of its own (key "layer"), so schedulers and per-layer learning rates work.

    Args:
        model: the converted model itself, not its parameters.
        lr: learning rate η, greater than 0.
        momentum: of digital parameters only; raises if the model has none.
        weight_decay: likewise.
        layers: other learning rates by pattern of the layer's name, for example {"conv*": 0.02}.

    Raises:
        InvalidValue: for a value out of range, or a pattern that matches nothing.
        WrongUse: for parameters instead of a model, or a model without arrays.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float = 0.01,
        *,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        layers: Mapping[str, float] | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise WrongUse("AnalogSGD takes the model, not its parameters: mho.AnalogSGD(model, lr=0.01)")
        arrays = {module.name: module for module in model.modules() if isinstance(module, ArrayLayer)}
        if not arrays:
            raise WrongUse(
                "the model has no array layers, so AnalogSGD has nothing to pulse; convert it first with "
                "mho.convert(model, rpu), or use torch.optim.SGD"
            )
        anchors = {id(layer.anchor) for layer in arrays.values()}
        digital = [p for p in model.parameters() if id(p) not in anchors and p.requires_grad]
        check_lr(lr)
        for name, value in (("momentum", momentum), ("weight_decay", weight_decay)):
            if not value >= 0:
                raise InvalidValue(f"{name} is {value!r}; give a number of at least 0")
            if value and not digital:
                raise InvalidValue(
                    f"{name}={value:g} would have no effect: it applies to digital parameters, and every layer "
                    "of this model is an array; leave it at 0"
                )
        own = dict(layers or {})
        for pattern, rate in own.items():
            check_lr(rate)
            if not fnmatch.filter(arrays, pattern):
                raise InvalidValue(f"{pattern!r} matches no array layer{nearest(pattern, arrays)}")
        groups: list[dict[str, Any]] = [
            {
                "params": [layer.anchor],
                "layer": name,
                "lr": next((rate for p, rate in own.items() if fnmatch.fnmatchcase(name, p)), lr),
            }
            for name, layer in arrays.items()
        ]
        if digital:
            groups.append({"params": digital, "layer": None})
            self._digital = torch.optim.SGD(digital, lr=lr, momentum=momentum, weight_decay=weight_decay)
            defaults = self._digital.defaults
        else:
            defaults = {"lr": lr}
        self._layers = arrays
        super().__init__(groups, defaults)
        for layer in arrays.values():
            layer.memory.steered = True

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Pulse the arrays, step the digital parameters, and let the time of one step pass for every array.

        A layer whose learning rate is 0 is not pulsed; its devices still decay, drift and diffuse.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group["layer"] is None:
                self._digital.param_groups, self._digital.state = [group], self.state
                self._digital.step()
            elif group["lr"] == 0:
                self._layers[group["layer"]].memory.pending.clear()
            else:
                self._layers[group["layer"]].pulse(float(group["lr"]))
        for layer in self._layers.values():
            for array in layer.crossbars:
                array.pass_time(1.0)
        return loss

    def steers(self, layer: ArrayLayer) -> bool:
        """Whether it was made for the model of this layer."""
        return self._layers.get(layer.name) is layer

    def rates(self) -> dict[str, float]:
        """The learning rate of each array layer by name, as a step finds them.

        Raises:
            InvalidValue: for one that is no number of at least 0.
        """
        found = {group["layer"]: float(group["lr"]) for group in self.param_groups if group["layer"] is not None}
        for rate in found.values():
            if rate != 0:
                check_lr(rate)
        return found

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch, without its decorator, which imports the compiler: 1.5 s at every start."""
        inspect.unwrap(torch.optim.Optimizer.add_param_group)(self, param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget gradients, and the vectors that wait for the next step."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none or parameter.grad is None:
                    parameter.grad = None
                else:
                    parameter.grad = torch.zeros_like(parameter.grad)
        for layer in self._layers.values():
            layer.memory.pending.clear()
