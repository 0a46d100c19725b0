"""Base of optimizers of arrays: parameter groups by layer, clipping, and the models that they refuse."""

from __future__ import annotations

import abc
import fnmatch
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from mho.arrays import check_lr
from mho.errors import InvalidValue, InWords, WrongUse, nearest, shown, warn
from mho.nn import ArrayLayer, Dropout, array_layers
from mho.text import layers_in_words

if TYPE_CHECKING:
    from mho.training.optimizer import AnalogSGD


class ArrayOptimizer(torch.optim.Optimizer, abc.ABC, metaclass=InWords):
    """An optimizer of a converted model: a parameter group for each array layer, and one for digital parameters.

    Attributes:
        forms: whether layers form the gradient of their arrays digitally.
        clip_norm: norm to which a step scales gradients down, or None.
        clip_value: limit of the entries of gradients, or None.
    """

    forms: ClassVar[bool]
    kept: ClassVar[tuple[str, ...]] = ("_layers", "clip_norm", "clip_value")
    """Attributes that copies and pickles have beside torch's own."""

    def __init__(
        self,
        arrays: Mapping[str, ArrayLayer],
        groups: list[dict[str, Any]],
        defaults: dict[str, Any],
        *,
        clip_norm: float | None,
        clip_value: float | None,
    ) -> None:
        for name, limit in (("clip_norm", clip_norm), ("clip_value", clip_value)):
            if limit is None:
                continue
            if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not 0 < limit < float("inf"):
                raise InvalidValue(f"{name} is {shown(limit)}; give a number greater than 0, or None")
            couples = name == "clip_norm" or not self.forms
            if couples and any(layer.replicas > 1 for layer in arrays.values()):
                raise InvalidValue(
                    f"{name}={limit:g} would couple replicas, each of which has to have the bits of its own run; leave "
                    "it out, or train one network at a time (replicas=1)"
                )
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self._layers: dict[Tensor, ArrayLayer] = {layer.anchor: layer for layer in arrays.values()}
        super().__init__(groups, defaults)
        for layer in arrays.values():
            layer.steer(forms=self.forms)

    @abc.abstractmethod
    def for_online_driver(self) -> AnalogSGD:
        """Return the optimizer as the online driver takes it.

        Raises:
            NoGraph: with the reason, if that driver cannot do what the optimizer does.
        """

    def steers(self, layer: ArrayLayer) -> bool:
        """Return whether this optimizer was made for the model of this layer."""
        return self._layers.get(layer.anchor) is layer

    @property
    def clips(self) -> bool:
        """Return True if a step limits gradients first."""
        return self.clip_norm is not None or self.clip_value is not None

    def advance(self, loss: float | Sequence[float]) -> None:
        """Report the mean loss of an epoch to the arrays, as `mho.cells.Residual` needs it for its warm start.

        `mho train` and `mho.training.fit` do so after each epoch; a script of your own calls it there.

        Args:
            loss: mean loss of all replicas, or of each replica.

        Raises:
            InvalidValue: for a loss that is no number, or another number of them than replicas.
        """
        for group in self.param_groups:
            if group["layer"] is not None:
                for array in self._layer(group).crossbars:
                    array.advance(loss)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Refuse a group of parameters from elsewhere: the groups are those of the model.

        Raises:
            WrongUse: with the way that works.
        """
        if "layer" not in param_group:
            name = type(self).__name__
            raise WrongUse(
                f"{name} has a group for each array layer of its model and one for its digital parameters; for "
                f"parameters that came later make a new {name} of the model, for others use torch.optim.SGD beside it"
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
            layer.memory.forget()

    def _prepare(self, closure: Callable[[], Any] | None) -> Any:
        """Do what comes before every step, and return the loss of the closure."""
        if any(layer.memory.forms != self.forms for layer in self._layers.values()):
            raise WrongUse(
                f"another optimizer was made of this model after this {type(self).__name__}, and layers keep their "
                "gradients for the newer optimizer; make a new optimizer of the model to come back to this kind"
            )
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if self.clips:
            parameters = [parameter for group in self.param_groups for parameter in group["params"]]
            if self.clip_value is not None:
                nn.utils.clip_grad_value_(parameters, self.clip_value)
            if self.clip_norm is not None:
                nn.utils.clip_grad_norm_(parameters, self.clip_norm)
        self._tell_passed_by()
        return loss

    def _pass_time(self) -> None:
        """Let the time of one step pass for every array."""
        for layer in self._layers.values():
            for array in layer.crossbars:
                array.pass_time(1.0)

    def _tell_passed_by(self) -> None:
        """Warn of layers that a backward met in evaluation mode, where they keep nothing to be moved with."""
        names = []
        for group in self.param_groups:
            if group["layer"] is not None:
                memory = self._layer(group).memory
                if memory.passed_by and not memory.waits and group["lr"] > 0 and group["params"][0].requires_grad:
                    names.append(group["layer"])
                memory.passed_by = False
        if names:
            warn(
                f"{layers_in_words(', '.join(names))}: in evaluation mode, in which arrays keep nothing of a "
                "backward, so this step does not move them; call model.train() before the forward, or freeze what "
                "is not to train (requires_grad_(False), or a learning rate of 0)",
            )

    def _layer(self, group: Mapping[str, Any]) -> ArrayLayer:
        """Return the array layer of a parameter group, whatever label a loaded state gave the group."""
        return self._layers[group["params"][0]]

    def __getstate__(self) -> dict[str, Any]:
        own = {name: self.__dict__[name] for name in self.kept if name in self.__dict__}
        state: dict[str, Any] = super().__getstate__()
        return state | own


def arrays_of(model: nn.Module, *, example: str, otherwise: str) -> dict[str, ArrayLayer]:
    """Return the array layers of a model that an optimizer is to train, by path.

    Args:
        model: what the user gave.
        example: how the optimizer is made, for messages.
        otherwise: what to use for a model without arrays.

    Raises:
        WrongUse: for parameters instead of a model, a model without arrays, or layers of equal name and seed.
    """
    name = example.partition("(")[0].removeprefix("mho.")
    if not isinstance(model, nn.Module):
        raise WrongUse(
            f"model is {shown(model)}; {name} takes the converted model itself, not its parameters: {example}"
        )
    arrays = array_layers(model)
    if not arrays:
        raise WrongUse(
            f"the model has no array layers, so {name} has nothing to pulse; convert it first with "
            f"mho.convert(model, rpu), or use {otherwise}"
        )
    _refuse_equal_draws(model)
    return arrays


def digital_parameters(model: nn.Module, arrays: Iterable[ArrayLayer]) -> list[nn.Parameter]:
    """Return the parameters of a model that train and are no layer's on arrays."""
    of_arrays = {id(p) for layer in arrays for p in (layer.anchor, *layer.learned_scales())}
    return [p for p in model.parameters() if id(p) not in of_arrays and p.requires_grad]


def own_rates(layers: Mapping[str, float] | None, arrays: Iterable[str]) -> dict[str, float]:
    """Return the learning rates of layers with rates of their own, from rates by pattern of the path.

    Raises:
        InvalidValue: for a pattern that matches nothing, or a rate below 0.
    """
    if layers is not None and not isinstance(layers, Mapping):
        raise InvalidValue(f'layers is {shown(layers)}; give a dict of rates, for example {{"conv*": 0.02}}')
    paths, own = list(arrays), dict(layers or {})
    for pattern, rate in own.items():
        if not isinstance(pattern, str) or not fnmatch.filter(paths, pattern):
            inside = any(path.startswith(f"{pattern}.") for path in paths)
            cure = f" itself, and arrays inside; give '{pattern}.*'" if inside else nearest(str(pattern), paths)
            raise InvalidValue(f"layers: {pattern!r} matches no array layer{cure}")
        try:
            if rate != 0 or isinstance(rate, bool):
                check_lr(rate)
        except InvalidValue as error:
            raise InvalidValue(f"layers[{pattern!r}]: {error}") from None
    firsts = {path: next((p for p in own if fnmatch.fnmatchcase(path, p)), None) for path in paths}
    return {path: own[pattern] for path, pattern in firsts.items() if pattern is not None}


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
