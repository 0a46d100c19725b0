"""AnalogSGD: arrays pulse, digital parameters step."""

from __future__ import annotations

import fnmatch
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from mho.arrays import check_lr
from mho.errors import InvalidValue, InWords, WrongUse, nearest, shown, warn
from mho.nn import ArrayLayer, Dropout, array_layers


@final
class AnalogSGD(torch.optim.Optimizer, metaclass=InWords):
    """Stochastic gradient descent on a converted model.

    `step` pulses every array with the vectors of the backwards since the last step, layer after layer
    and vector after vector, and moves digital parameters by plain SGD. Each array layer has a parameter
    group of its own, so schedulers and per-layer learning rates work; the group's "layer" is the path of the
    layer in the model, as `mho.nn.array_layers` has it.

    Args:
        model: the converted model itself, not its parameters.
        lr: learning rate η, greater than 0.
        momentum: of digital parameters only; raises if the model has none.
        weight_decay: likewise.
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
        if not isinstance(model, nn.Module):
            raise WrongUse(
                f"model is {shown(model)}; AnalogSGD takes the converted model itself, not its parameters: "
                "mho.AnalogSGD(model, lr=0.01)"
            )
        arrays = array_layers(model)
        if not arrays:
            raise WrongUse(
                "the model has no array layers, so AnalogSGD has nothing to pulse; convert it first with "
                "mho.convert(model, rpu), or use torch.optim.SGD"
            )
        _refuse_equal_draws(model)
        of_arrays = {id(p) for layer in arrays.values() for p in (layer.anchor, *layer.learned_scales())}
        digital = [p for p in model.parameters() if id(p) not in of_arrays and p.requires_grad]
        check_lr(lr)
        for name, value in (("momentum", momentum), ("weight_decay", weight_decay)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
                raise InvalidValue(f"{name} is {shown(value)}; give a number of at least 0")
            if value and not digital:
                raise InvalidValue(
                    f"{name}={value:g} would have no effect: it applies to digital parameters, and every layer "
                    "of this model is an array; leave it at 0"
                )
        for name, limit in (("clip_norm", clip_norm), ("clip_value", clip_value)):
            if limit is None:
                continue
            if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not 0 < limit < float("inf"):
                raise InvalidValue(f"{name} is {shown(limit)}; give a number greater than 0, or None")
            if any(layer.replicas > 1 for layer in arrays.values()):
                raise InvalidValue(
                    f"{name}={limit:g} would couple replicas, each of which has to have the bits of its own run; leave "
                    "it out, or train one network at a time (replicas=1)"
                )
        self.clip_norm, self.clip_value = clip_norm, clip_value
        extras = [
            f"{name}={value:g}" for name, value in (("momentum", momentum), ("weight_decay", weight_decay)) if value
        ]
        if extras:
            verb = "act" if len(extras) > 1 else "acts"
            warn(
                f"{' and '.join(extras)} {verb} on the {len(digital)} digital parameters alone; arrays are pulsed by "
                "plain stochastic gradient descent, which has neither",
            )
        if layers is not None and not isinstance(layers, Mapping):
            raise InvalidValue(f'layers is {shown(layers)}; give a dict of rates, for example {{"conv*": 0.02}}')
        own = dict(layers or {})
        for pattern, rate in own.items():
            if not isinstance(pattern, str) or not fnmatch.filter(arrays, pattern):
                raise InvalidValue(f"layers: {pattern!r} matches no array layer{nearest(str(pattern), arrays)}")
            try:
                if rate != 0 or isinstance(rate, bool):
                    check_lr(rate)
            except InvalidValue as error:
                raise InvalidValue(f"layers[{pattern!r}]: {error}") from None
        groups: list[dict[str, Any]] = [
            {
                "params": [layer.anchor, *layer.learned_scales()],
                "layer": name,
                "lr": next((rate for p, rate in own.items() if fnmatch.fnmatchcase(name, p)), lr),
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
        self._layers: dict[Tensor, ArrayLayer] = {layer.anchor: layer for layer in arrays.values()}
        super().__init__(groups, defaults)
        for layer in arrays.values():
            layer.memory.steered = True

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Pulse the arrays, step the digital parameters, and let the time of one step pass for every array.

        A layer whose learning rate is 0 is not pulsed; its devices still decay, drift and diffuse.
        """
        self._tell_of_momentum()
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._clip()
        self._tell_passed_by()
        for group in self.param_groups:
            if group["layer"] is None:
                continue
            if group["lr"] == 0:
                self._layer(group).memory.pending.clear()
            else:
                self._layer(group).pulse(float(group["lr"]))
        self.step_digital()
        for layer in self._layers.values():
            for array in layer.crossbars:
                array.pass_time(1.0)
        return loss

    def _tell_passed_by(self) -> None:
        """Warn of layers that a backward met in evaluation mode, where they keep nothing to be pulsed with."""
        names = []
        for group in self.param_groups:
            if group["layer"] is not None:
                memory = self._layer(group).memory
                if memory.passed_by and not memory.pending and group["lr"] > 0 and group["params"][0].requires_grad:
                    names.append(group["layer"])
                memory.passed_by = False
        if names:
            warn(
                f"{', '.join(names)}: in evaluation mode, in which arrays keep nothing of a backward, so this step "
                "does not move them; call model.train() before the forward, or freeze what is not to train "
                "(requires_grad_(False), or a learning rate of 0)",
            )

    @property
    def clips(self) -> bool:
        """Whether a step limits gradients first."""
        return self.clip_norm is not None or self.clip_value is not None

    def _clip(self) -> None:
        if self.clips:
            parameters = [parameter for group in self.param_groups for parameter in group["params"]]
            if self.clip_value is not None:
                nn.utils.clip_grad_value_(parameters, self.clip_value)
            if self.clip_norm is not None:
                nn.utils.clip_grad_norm_(parameters, self.clip_norm)

    def advance(self, loss: float | Sequence[float]) -> None:
        """Tell the arrays the mean loss of an epoch, on which cells may act: `mho.cells.Residual` with a warm start.

        `mho train` and `mho.training.fit` do so after each epoch; a script of your own calls it there.

        Args:
            loss: of all replicas, or one of each.

        Raises:
            InvalidValue: for a loss that is no number, or another number of them than replicas.
        """
        for group in self.param_groups:
            if group["layer"] is not None:
                for array in self._layer(group).crossbars:
                    array.advance(loss)

    def step_digital(self) -> None:
        """Step the digital parameters by their gradients; `step` does so too."""
        for group in self.param_groups:
            if group["layer"] is None:
                self._digital.param_groups, self._digital.state = [group], self.state
                self._digital.step()

    def __getstate__(self) -> dict[str, Any]:
        names = ("_layers", "_digital", "_momentum_told", "clip_norm", "clip_value")
        own = {name: self.__dict__[name] for name in names if name in self.__dict__}
        state: dict[str, Any] = super().__getstate__()
        return state | own

    def steers(self, layer: ArrayLayer) -> bool:
        """Return whether this optimizer was made for the model of this layer."""
        return self._layers.get(layer.anchor) is layer

    def rates(self) -> dict[str, float]:
        """Return the learning rate of each array layer by path, as a step takes it.

        Raises:
            InvalidValue: if a learning rate is negative or not finite.
        """
        return {group["layer"]: _rate(group) for group in self.param_groups if group["layer"] is not None}

    def layer_rates(self) -> dict[ArrayLayer, float]:
        """Return the learning rate of each array layer, as `rates`."""
        self._tell_of_momentum()
        return {self._layer(group): _rate(group) for group in self.param_groups if group["layer"] is not None}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Refuse a group of parameters from elsewhere: the groups are those of the model.

        Raises:
            WrongUse: with the way that works.
        """
        if "layer" not in param_group:
            raise WrongUse(
                "AnalogSGD has a group for each array layer of its model and one for its digital parameters; for "
                "parameters that came later make a new AnalogSGD of the model, for others use torch.optim.SGD beside it"
            )
        # without torch's decorator, which imports the compiler: 1.5 s at every start
        inspect.unwrap(torch.optim.Optimizer.add_param_group)(self, param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget gradients, and the vectors that wait for the next step."""
        with torch._C.DisableTorchFunctionSubclass():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if set_to_none or parameter.grad is None:
                        parameter.grad = None
                    else:
                        parameter.grad = torch.zeros_like(parameter.grad)
        for layer in self._layers.values():
            layer.memory.pending.clear()

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

    def _layer(self, group: Mapping[str, Any]) -> ArrayLayer:
        """Return the array layer of a parameter group, whatever label a loaded state gave the group."""
        return self._layers[group["params"][0]]


def _rate(group: Mapping[str, Any]) -> float:
    rate = float(group["lr"])
    if rate != 0:
        check_lr(rate)
    return rate


def _refuse_equal_draws(model: nn.Module) -> None:
    """Raise if two arrays, or two dropouts, of the model would draw the same numbers."""
    draws = [
        (path, "array", array.name, set(array.seeds.tolist()))
        for path, layer in array_layers(model).items()
        for array in layer.crossbars
    ]
    draws += [
        (path, "dropout", module.name, set(module.seeds.tolist()))
        for path, module in model.named_modules()
        if isinstance(module, Dropout)
    ]
    free = max(max(seeds) for *_, seeds in draws) + 1
    converted = [path for path, module in model.named_modules() if path and "conversion" in vars(module)]
    taken: dict[tuple[str, str, int], str] = {}
    for path, kind, name, seeds in draws:
        for seed in sorted(seeds):
            if (kind, name, seed) in taken:
                part = next((part for part in converted if f"{path}.".startswith(f"{part}.")), None)
                cure = f'give the layer a name of its own, name="{path}", or another seed, seed={free}'
                if part is not None:
                    cure = f"convert {part} with a seed of its own, mho.convert({part}, rpu, seed={free})"
                raise WrongUse(
                    f"{taken[kind, name, seed]} and {path} have the same name {name!r} and seed {seed}, hence the same "
                    f"random draws (devices, noise, initial weights): {cure}"
                )
        taken |= {(kind, name, seed): path for seed in seeds}
