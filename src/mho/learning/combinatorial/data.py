"""Examples and targets of CoNNTrA, checked, and what a torch model makes of them."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mho.errors import InvalidValue
from mho.learning.combinatorial.memory import Floats

CHUNK = 1000
"""Examples that a torch model takes at once."""


@final
@dataclasses.dataclass(frozen=True)
class Examples:
    """Inputs and targets of n examples.

    Attributes:
        x: (n, ...) float32.
        y: (n,) int64 classes, or (n, outputs) float64 numbers.
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    @property
    def classes(self) -> bool:
        """Return whether targets are classes."""
        return self.y.dim() == 1

    def part(self, places: Any) -> Examples:
        """Return the examples at some places."""
        chosen = torch.as_tensor(places)
        return Examples(self.x[chosen], self.y[chosen])

    def digest(self) -> str:
        """Return a hash of all inputs and targets."""
        content = hashlib.sha256(repr((self.x.shape, self.y.shape)).encode())
        content.update(self.x.contiguous().numpy().tobytes())
        content.update(self.y.contiguous().numpy().tobytes())
        return content.hexdigest()[:16]

    def targets(self, outputs: int) -> Floats:
        """Return targets (n, outputs): 1 at the class of an example, or its numbers."""
        if self.classes:
            return F.one_hot(self.y, outputs).double().numpy()
        return self.y.numpy()


def read_examples(x: Any, y: Any, what: str = "") -> Examples:
    """Check inputs and targets.

    Raises:
        InvalidValue: for shapes that do not go together, no examples, or values that are not finite.
    """
    inputs = torch.as_tensor(np.asarray(x) if not isinstance(x, Tensor) else x).detach().cpu().float()
    targets = torch.as_tensor(np.asarray(y) if not isinstance(y, Tensor) else y).detach().cpu()
    x_name, y_name = f"x{what}", f"y{what}"
    if inputs.dim() < 2 or not inputs.numel():
        raise InvalidValue(f"{x_name} has shape {tuple(inputs.shape)}; give at least one example, (n, ...)")
    if targets.dim() not in (1, 2) or len(targets) != len(inputs):
        raise InvalidValue(
            f"{y_name} has shape {tuple(targets.shape)} for {len(inputs)} examples; give (n,) classes, or (n, outputs) "
            "numbers"
        )
    if not torch.isfinite(inputs).all():
        raise InvalidValue(f"{x_name} holds NaN or infinite values")
    if targets.dim() == 2:
        targets = targets.double()
        if not torch.isfinite(targets).all():
            raise InvalidValue(f"{y_name} holds NaN or infinite values")
        return Examples(inputs, targets)
    if targets.is_floating_point() and not (torch.isfinite(targets) & (targets == targets.round())).all():
        raise InvalidValue(
            f"{y_name} holds values that are no classes; give integers from 0 on, or (n, outputs) numbers"
        )
    return Examples(inputs, targets.long())


def check_targets(examples: Examples, outputs: int, loss: str, what: str = "") -> None:
    """Raise InvalidValue for classes that the network has no output for, or numbers that the loss does not take."""
    if examples.classes:
        low, high = int(examples.y.min()), int(examples.y.max())
        if low < 0 or high >= outputs:
            wrong = low if low < 0 else high
            raise InvalidValue(
                f"y{what} holds the label {wrong}, which is no class; the network has outputs 0 to {outputs - 1}"
            )
        if outputs < 2 and loss != "squared":
            raise InvalidValue(f"the network has one output, and the loss {loss} needs one per class")
    elif loss != "squared":
        raise InvalidValue(f"y{what} holds numbers, and the loss {loss} takes classes (n,); give loss='squared'")
    elif examples.y.shape[1] != outputs:
        raise InvalidValue(
            f"y{what} has {examples.y.shape[1]} numbers per example, and the network has {outputs} outputs"
        )


def outputs_of(model: nn.Module, x: Tensor, *, double: bool = True) -> Tensor:
    """Return what a model makes of inputs, in float64, in chunks and without gradients."""
    network = copy.deepcopy(model).double().eval() if double else model
    with torch.no_grad():
        return torch.cat([network(part.double() if double else part) for part in x.split(CHUNK)])


def loss_of(out: Tensor, examples: Examples, loss: str) -> Tensor:
    """Return the mean loss: that of torch's functions of like names, or the share of wrong answers."""
    if loss == "cross_entropy":
        return F.cross_entropy(out, examples.y)
    if loss == "hinge":
        return F.multi_margin_loss(out, examples.y)
    if loss == "squared":
        return F.mse_loss(out, torch.from_numpy(examples.targets(out.shape[1])))
    return wrong_of(out, examples).mean()


def wrong_of(out: Tensor, examples: Examples) -> Tensor:
    """Return 1 for each wrong answer (n,): the first of the largest outputs is the answer."""
    answers = torch.from_numpy(out.numpy().argmax(axis=1))
    return (answers != examples.y).double()


def error_of(out: Tensor, examples: Examples) -> float:
    """Return wrong answers in per cent, or, for targets that are numbers, the mean squared error."""
    if examples.classes:
        return 100 * float(wrong_of(out, examples).mean())
    return float(F.mse_loss(out, examples.y))


def mean_share(loss: str, examples: int, outputs: int) -> float:
    """Return what the kernels' summed loss is divided by for the mean: examples, and outputs as torch does."""
    return float(examples * (outputs if loss in ("squared", "hinge") else 1))
