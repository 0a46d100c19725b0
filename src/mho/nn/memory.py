"""Vectors that a layer keeps from a forward through its arrays to the update."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from mho.errors import WrongUse, warn
from mho.kernels.ops import Floats


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Use:
    """One use of a layer in a forward, and the errors that a backward brought to it.

    Attributes:
        number: number of the use, counted by forwards.
        met: number of the use as backwards meet them.
        x: inputs (R, T, in) of each array.
        d: δ = -∂L/∂y (R, T, out) of each array.
    """

    number: int
    met: int
    x: list[Floats]
    d: list[Floats]


@final
class Memory:
    """Uses of a layer between forward and update.

    Attributes:
        pending: uses of finished backwards.
        gradient_sums: gradient (R, out, in) of each array, where it is formed; None until a backward ends.
        backwards: backwards since the start.
        steered: whether an optimizer of mho will apply what waits.
        forms: whether the gradient is formed when a backward ends, in place of keeping vectors (`mho.AnalogOptimizer`).
        passed_by: whether a backward met the layer in evaluation mode, and kept nothing, since the last step.
    """

    def __init__(self, *, steered: bool = False, forms: bool = False) -> None:
        self.pending: list[Use] = []
        self.gradient_sums: list[Floats] | None = None
        self.backwards = 0
        self.steered, self.forms = steered, forms
        self.passed_by = False
        self._running: dict[int, list[Use]] = {}
        self._uses = self._met = self._lowest = 0
        self._waiting: Waiting | None = None

    def number(self) -> int:
        """Return the number of the use of an array that begins.

        A use inside a backward is a recomputation by a checkpoint. It comes before all that backwards have met since
        the last forward: it gets the lowest number of these, and `in_order` tells equal numbers apart.
        """
        if _backward() == -1:
            self._running.clear()  # of torch.autograd.grad, which ends no backward of the anchor
            self._uses += 1
            self._lowest = self._uses
        return self._lowest

    def keep(self, number: int, x: list[Floats], d: list[Floats]) -> None:
        """Keep what the backward under way brings to a use."""
        self._met += 1
        self._lowest = min(self._lowest, number)
        self._running.setdefault(_backward(), []).append(Use(number, self._met, x, d))

    def end_of_backward(self) -> None:
        """Let the uses of the backward under way wait for the update."""
        self.backwards += 1
        self.pending += self._running.pop(_backward(), [])

    def gradient(self) -> Waiting:
        """Return a gradient for the anchor that is not zeroed; the same for every step that sets gradients to None."""
        if self._waiting is None or self._waiting.zeroed:
            self._waiting = torch.empty(0).as_subclass(Waiting)
            self._waiting.memory = self
        return self._waiting

    @property
    def waits(self) -> bool:
        """Return whether a gradient waits for the next step."""
        return bool(self.pending) or self.gradient_sums is not None

    def forget(self) -> None:
        """Forget what waits for the next step."""
        self.pending.clear()
        self.gradient_sums = None

    def renewed(self) -> Memory:
        """Return a memory in which nothing waits, for a copy of the layer."""
        return Memory(steered=self.steered, forms=self.forms)

    def norm(self, order: float) -> Tensor:
        """Return the norm of this order of the gradient that waits, over all arrays; 0-dimensional."""
        if any(len(values) > 1 for values in self._scalable()):
            raise WrongUse(
                "a norm over replicas would couple them, and each has to have the bits of its own run; clip one "
                "network at a time (replicas=1)"
            )
        gradients = dict(enumerate(map(torch.from_numpy, self.gradient_sums or [])))
        for use in self.pending:
            for place, (x, d) in enumerate(zip(use.x, use.d, strict=True)):
                product = torch.from_numpy(d).transpose(1, 2) @ torch.from_numpy(x)
                gradients[place] = gradients[place] + product if place in gradients else product
        if not gradients:
            return torch.zeros(())
        whole: Tensor = torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients.values()]), order)
        return whole

    def scale(self, factor: float) -> None:
        """Multiply the gradient that waits by a factor."""
        for values in self._scalable():
            values *= np.float32(factor)

    def limit(self, most: float) -> None:
        """Limit the gradient that waits to ± `most`, entry by entry where it is formed, else scaled down as a whole."""
        if self.forms:
            for values in self._scalable():
                np.clip(values, -most, most, out=values)
            return
        largest = float(self.norm(math.inf))
        if largest > most:
            self.scale(most / largest)
            warn(
                "clipping by value: the gradient of an array is never formed, so it is scaled down as a whole until no "
                "entry exceeds the limit",
            )

    def is_finite(self) -> bool:
        """Return whether all errors that wait, or the gradient formed of them, are numbers."""
        return all(bool(np.isfinite(values).all()) for values in self._scalable())

    def _scalable(self) -> list[Floats]:
        """Return what a factor of the gradient multiplies."""
        return self.gradient_sums or [d for use in self.pending for d in use.d]

    def in_order(self) -> list[Use]:
        """Return the pending uses in the order of their forwards.

        A backward meets the uses of a layer in reverse: of two with equal numbers that comes first which was met last.
        """
        return sorted(self.pending, key=lambda use: (use.number, -use.met))


def _anchor(requires_grad: bool, weights: int) -> Anchor:
    return Anchor.of(weights, requires_grad=requires_grad)


SAME = ("detach", "view", "view_as", "clone", "flatten", "reshape")
"""Functions whose result stands for what the tensor stands for."""
DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]


@final
class Anchor(nn.Parameter):
    """Empty parameter of an array layer: autograd, optimizers and files meet it; arithmetic with it is refused.

    It holds no weights, so an average, a penalty, an initialisation or a gradient hook over `model.parameters()` would
    silently pass the arrays by. Its `numel()` is the number of weights that it stands for.

    Attributes:
        weights: weights of the layer, in all replicas.
    """

    weights: int

    @staticmethod
    def of(weights: int, *, requires_grad: bool = True) -> Anchor:
        """Return the anchor of a layer of so many weights."""
        anchor = Anchor(torch.empty(0), requires_grad)
        anchor.weights = weights
        return anchor

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = _plain_name(func)
        if name in ("numel", "nelement"):
            return args[0].weights
        if name == "register_hook":
            raise WrongUse(
                "a hook on the gradient of a layer on arrays would see an empty tensor: the gradient is never formed, "
                "its vectors wait for the pulses. To clip use mho.AnalogSGD(model, lr=0.01, clip_norm=1.0) or "
                "clip_grad_norm_; to log use parameter.grad.norm() after the backward; for errors of the layer use "
                "layer.register_full_backward_hook"
            )
        if func is torch.autograd.grad:
            inputs = args[1] if len(args) > 1 else (kwargs or {})["inputs"]
            if any(isinstance(given, Anchor) for given in ([inputs] if isinstance(inputs, Tensor) else inputs)):
                raise WrongUse(
                    "torch.autograd.grad was asked for the gradient of a layer on arrays, which it never forms: its "
                    "vectors become pulses after loss.backward(). Ask for the gradient of inputs or digital parameters "
                    "alone, train by mho.AnalogSGD(model, lr=0.01), or take the gradient of mho.to_digital(model)"
                )
        copied = name == "copy" and len(args) > 1 and isinstance(args[1], Anchor)
        if copied or name in ARITHMETIC or name.startswith(("foreach_", "fused_")):
            raise WrongUse(
                f"{name} met the parameter of a layer on arrays, which is empty: their weights are no parameters, as "
                "only pulses and programming move them. To train them use mho.AnalogSGD(model, lr=0.01); read them as "
                "layer.weight and set them by layer.write(weight, bias), as for an average; to copy a whole model use "
                "load_state_dict(other.state_dict())"
            )
        with torch._C.DisableTorchFunctionSubclass():
            answer = func(*args, **(kwargs or {}))
        stays = func == DATA or name in SAME
        if stays and isinstance(answer, Tensor):
            answer = answer.as_subclass(Anchor)
            answer.weights = args[0].weights
        return answer

    def __deepcopy__(self, memo: dict[int, Any]) -> Anchor:
        copied: Anchor = memo.setdefault(id(self), _anchor(self.requires_grad, self.weights))
        return copied

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _anchor, (self.requires_grad, self.weights)


ARITHMETIC = frozenset(
    (  # noqa: SIM905 - a list of so many strings is no easier to read
        "add radd iadd sub rsub isub mul rmul imul div rdiv truediv rtruediv itruediv pow rpow square sqrt "
        "abs neg sum mean norm vector_norm matrix_norm dot lerp addcmul addcdiv clamp clip sign exp log std "
        "var max min amax amin matmul rmatmul mm outer einsum normal uniform fill trunc_normal bernoulli "
        "xavier_uniform xavier_normal kaiming_uniform kaiming_normal orthogonal constant zeros ones eye "
        "multiply divide true_divide floor_divide floordiv clamp_min clamp_max nan_to_num masked_fill prod relu "
        "mse_loss l1_loss smooth_l1_loss cat stack"
    ).split(" ")
)
"""Functions of torch, without underscores, that make numbers of a tensor's numbers, or put some into it."""


EACH = {
    "foreach_norm": torch.linalg.vector_norm,
    "foreach_mul": torch.Tensor.mul_,
    "foreach_clamp_min": torch.Tensor.clamp_min_,
    "foreach_clamp_max": torch.Tensor.clamp_max_,
}
"""What functions over lists of tensors do to each."""


@final
class Waiting(Tensor):
    """Gradient of an anchor while uses are pending: an empty tensor that stands for the matrices of the arrays.

    Its norm is that of the gradient, scaling it scales the δ that wait, and clamping it scales them so that no entry
    exceeds the limit: `clip_grad_norm_`, `clip_grad_value_` and `torch.amp.GradScaler` work. Zeroing it, as by
    `model.zero_grad(False)`, is noted. Other arithmetic is refused.

    Attributes:
        memory: whose uses wait.
        zeroed: whether they are to be forgotten.
    """

    memory: Memory
    zeroed = False

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        name = _plain_name(func)
        first = args[0] if args else None
        if name == "amp_foreach_non_finite_check_and_unscale":
            return _unscale(func, *args)
        if name in EACH:  # one by one, as torch itself does without foreach
            return [EACH[name](gradient, *args[1:]) for gradient in list(args[0])]
        if isinstance(first, Waiting):
            if name == "zero":
                first.zeroed = True
            elif name in ("isnan", "isinf", "isfinite"):
                return torch.tensor([first.memory.is_finite() == (name == "isfinite")])
            elif name in ("norm", "vector_norm"):
                if first.zeroed:
                    return torch.zeros(())
                order = options.get("ord", options.get("p", args[1] if len(args) > 1 else 2.0))
                return first.memory.norm(2.0 if order in ("fro", None) else float(order))
            elif name in ("mul", "div") and func.__name__.endswith("_"):
                first.memory.scale(float(args[1]) if name == "mul" else 1 / float(args[1]))
                return first
            elif name.startswith("clamp") and func.__name__.endswith("_"):
                first.memory.limit(_symmetric(name, [*args[1:], *options.values()]))
                return first
        if name in ARITHMETIC or name.startswith("foreach_"):
            raise WrongUse(
                f"{name} met the gradient of a layer on arrays, which is never formed: its vectors wait for the "
                "pulses. torch.nn.utils.clip_grad_norm_, clip_grad_value_ and GradScaler work on them; for more change "
                "the loss"
            )
        with torch._C.DisableTorchFunctionSubclass():
            answer = func(*args, **options)
        if isinstance(first, Waiting) and (func == DATA or name in SAME) and isinstance(answer, Tensor):
            answer = answer.as_subclass(Waiting)
            answer.memory, answer.zeroed = first.memory, first.zeroed
        return answer


def _symmetric(name: str, limits: list[Any]) -> float:
    """Return c of a clamp to ± c, of which `clamp_min` and `clamp_max` are the two halves.

    Raises:
        WrongUse: for other limits, which would turn the gradient of an array, an outer product.
    """
    sides = [abs(float(limit)) for limit in limits if limit is not None]
    if not sides or min(sides) != max(sides) or not sides[0] > 0 or (name == "clamp" and len(sides) != 2):
        raise WrongUse(
            f"{name} with limits {limits} met the gradient of a layer on arrays, which is never formed; it can be "
            "limited to ± one number, as by torch.nn.utils.clip_grad_value_"
        )
    return sides[0]


def _plain_name(func: Any) -> str:
    """Return the name of a function of torch without underscores around it, and without the name of its module."""
    return str(getattr(func, "__name__", "")).strip("_").removeprefix("linalg_")


def _unscale(func: Any, gradients: list[Tensor], found: Tensor, inverse: Tensor) -> None:
    """Unscale gradients as GradScaler asks; those of arrays by scaling what waits."""
    for gradient in gradients:
        if isinstance(gradient, Waiting):
            if not gradient.memory.is_finite():
                found.fill_(1.0)
            gradient.memory.scale(float(inverse))
    plain = [gradient for gradient in gradients if not isinstance(gradient, Waiting)]
    if plain:
        func(plain, found, inverse)


def _backward() -> int:
    """Return the number of the backward under way in this thread, -1 where there is none."""
    return torch._C._current_graph_task_id()
