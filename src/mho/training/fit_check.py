"""Check that a network, data and a task fit together, before the first step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mho.data import Dataset
from mho.errors import InvalidValue
from mho.training.tasks import Task
from mho.training.tasks.base import example_shape, first_line

EXAMPLES = 2
"""A batch of one would hide a network that mixes up examples."""


def check_fit(model: nn.Module, name: str, task: Task, data: Dataset) -> None:
    """Send two examples through a network in evaluation mode, and have the task look at the outputs.

    Args:
        model: not converted; it is left as it is, in its mode.
        name: name of the model, for messages.
        task: prepared.
        data: prepared.

    Raises:
        InvalidValue: with the shape of the data, and the shape that the network or the task takes.
    """
    x = data.x_train[:EXAMPLES]
    inside: list[tuple[str, nn.Module, tuple[int, ...]]] = []
    handles = [
        module.register_forward_pre_hook(
            lambda module, given, path=path: inside.append(
                (path, module, tuple(given[0].shape) if given and isinstance(given[0], Tensor) else ())
            )
        )
        for path, module in model.named_modules()
        if path and not list(module.children())
    ]
    training = [module for module in model.modules() if module.training]
    model.eval()
    head = f"model {name} and data {data.name} do not fit"
    try:
        with torch.no_grad():
            out = model(x)
    except Exception as error:  # it runs the user's code, which may raise anything
        raise InvalidValue(
            f"{head}: an example has shape {example_shape(x)} {x.dtype}".replace("torch.", "")
            + f"{_place(inside)}: {first_line(error)}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
        for module in training:
            module.training = True
    if not isinstance(out, Tensor) or out.shape[:1] != x.shape[:1]:
        got = f"a tensor of shape {tuple(out.shape)}" if isinstance(out, Tensor) else f"a {type(out).__name__}"
        raise InvalidValue(f"{head}: {len(x)} examples give {got}; return one tensor ({len(x)}, ...)")
    y = data.y_train[:EXAMPLES]
    if not y.is_floating_point():
        # the largest class of all: none is met in training that the network does not know
        y = torch.full_like(y, max(int(data.y_train.max()), int(data.y_test.max())))
    try:
        task.check(out, y)
    except InvalidValue as error:
        raise InvalidValue(f"{head}: {error}") from None


def _place(inside: list[tuple[str, nn.Module, tuple[int, ...]]]) -> str:
    """Return which layer raised, what shapes it takes, and what it was given."""
    if not inside:
        return ""
    path, module, shape = inside[-1]
    takes = {name: getattr(module, name) for name in ("in_features", "in_channels") if hasattr(module, name)}
    words = "".join(f", which takes {value} {name.removeprefix('in_')}," for name, value in takes.items())
    return f", and layer {path} ({type(module).__name__}){words} gets {'×'.join(map(str, shape[1:])) or 'a number'}"
