"""Layers that take the place of others in a model."""

from __future__ import annotations

import abc
import fnmatch
from collections.abc import Iterable

from torch import nn

HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_pre_hooks",
    "_backward_hooks",
)
"""Where torch keeps the hooks of a module."""


def take_place(layer: nn.Module, module: nn.Module) -> None:
    """Give a layer the mode, training or evaluation, and the hooks of the module in whose place it is."""
    layer.train(module.training)
    for name in HOOKS:
        getattr(layer, name).update(getattr(module, name))
    layer._is_full_backward_hook = module._is_full_backward_hook


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Return whether a pattern matches the path of a module in a model, or that of a module around it."""
    steps = path.split(".")
    around = [".".join(steps[: k + 1]) for k in range(len(steps))]
    return any(fnmatch.fnmatchcase(name, pattern) for name in around for pattern in patterns)


class Replacement(abc.ABC):
    """One walk over a model that replaces some of its modules; a module that appears twice is replaced once."""

    def __init__(self) -> None:
        self._done: dict[int, nn.Module] = {}

    def walk(self, module: nn.Module, name: str) -> nn.Module:
        """Return what stands in the place of a module of this path: itself, changed inside, or another."""
        if id(module) not in self._done:
            self._done[id(module)] = module  # against cycles
            self._done[id(module)] = self.replace(module, name)
        return self._done[id(module)]

    @abc.abstractmethod
    def replace(self, module: nn.Module, name: str) -> nn.Module:
        """Return the module that replaces this module, at its first occurrence."""

    def inside(self, module: nn.Module, name: str) -> None:
        """Walk over the children of a module."""
        for child_name, child in list(module._modules.items()):  # named_children passes over a second use
            if child is not None:
                setattr(module, child_name, self.walk(child, f"{name}.{child_name}" if name else child_name))
