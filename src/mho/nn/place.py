"""A layer that takes the place of another."""

from __future__ import annotations

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
