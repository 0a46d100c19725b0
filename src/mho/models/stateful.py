"""Networks that keep a state from one batch to the next, as a reader of a text does."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Iterator

from torch import Tensor, nn

State = tuple[Tensor, ...]


class Stateful(nn.Module, abc.ABC):
    """A module that keeps a state between calls of forward, for sequences that go on where those before ended.

    Subclass it: forward begins with `state`, where it is not None and of its batch's size, and sets `state` to where it
    ended, detached. The loop of `mho train` sets it to None at the beginning of an epoch and of every test, and stores
    it in checkpoints. It is no part of the `state_dict`.

    Attributes:
        carries: whether it does; False: each call begins anew.
        state: tensors of any shape; None: sequences begin.
    """

    carries: bool = True
    state: State | None = None

    @abc.abstractmethod
    def forward(self, x: Tensor, /) -> Tensor:
        """Return outputs (B, ...) for sequences (B, T, ...)."""


def stateful_modules(model: nn.Module) -> list[Stateful]:
    """Return the modules of a model that keep a state, in the model's order."""
    return [module for module in model.modules() if isinstance(module, Stateful) and module.carries]


def forget(model: nn.Module) -> None:
    """Let every module of a model that keeps a state from batch to batch begin new sequences, with the next batch.

    Args:
        model: any torch model; a model without such modules is left as it is.
    """
    for module in stateful_modules(model):
        module.state = None


@contextlib.contextmanager
def apart(model: nn.Module) -> Iterator[None]:
    """Let other sequences run through a model inside `with apart(model):`, and set back its states afterwards.

    The other sequences begin anew. The states are set back also if an error is raised inside.

    Args:
        model: any torch model, with modules that keep a state or without.
    """
    modules = stateful_modules(model)
    states = [module.state for module in modules]
    forget(model)
    try:
        yield
    finally:
        for module, state in zip(modules, states, strict=True):
            module.state = state
